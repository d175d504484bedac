//! A rod whose ends are kept hot and cold: processes compute its temperatures step by step, each a
//! part of it, and one of them is killed.
//!
//! `stencil` breaks the barrier at the death, and begins the step again with a new process;
//! `stencil --shrink` goes on without the dead one, whose part stays as it is.

use crossdock::array::Init;
use crossdock::sync::{Barrier, BarrierError, BarrierOptions, OnDeath};
use crossdock::{AtomicArray, Counter, Error, Segment, process};
use serde::{Deserialize, Serialize};

const PROCESSES: u64 = 3;
const PART: usize = 4;
const CELLS: usize = 12;
const STEPS: u64 = 40;

#[derive(Clone, Serialize, Deserialize)]
struct Rod {
    /// The temperatures before and after a step, in turn.
    cells: [AtomicArray<i64>; 2],
    /// The steps that each process has done.
    done: Vec<Counter>,
    barrier: Barrier,
}

/// Computes a part of the rod until `STEPS` are done, or the barrier breaks. A process that is
/// `unlucky` stops in the middle.
fn compute((rod, part, unlucky): (Rod, usize, bool)) -> Result<bool, Error> {
    let mut party = rod.barrier.register()?;
    // All have registered before the first step.
    match party.wait() {
        Err(BarrierError::Broken) => return Ok(false),
        result => result?,
    };
    while rod.done[part].load() < STEPS {
        let step = rod.done[part].load();
        if unlucky && step == STEPS / 2 {
            loop {
                std::thread::park();
            }
        }
        let (from, to) = if step % 2 == 0 { (0, 1) } else { (1, 0) };
        for cell in part * PART..(part + 1) * PART {
            let at = |cell: usize| rod.cells[from][cell].load();
            let new = match cell {
                0 => 1000,
                cell if cell == CELLS - 1 => 0,
                cell => (at(cell - 1) + at(cell + 1)) / 2,
            };
            rod.cells[to][cell].store(new);
        }
        match party.wait() {
            Err(BarrierError::Broken) => return Ok(false),
            result => result?,
        };
        rod.done[part].add(1);
    }
    Ok(true)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the other processes begin, and end, here
    let shrinks = std::env::args().any(|argument| argument == "--shrink");
    let on_death = if shrinks {
        OnDeath::Shrink
    } else {
        OnDeath::Break
    };
    let segment = Segment::anonymous()?;
    let names = ["one", "two", "three"];
    let rod = Rod {
        cells: [
            segment.create("even", Init::zeroed(CELLS))?,
            segment.create("odd", Init::zeroed(CELLS))?,
        ],
        done: names
            .iter()
            .map(|name| segment.create(name, 0))
            .collect::<Result<_, _>>()?,
        barrier: segment.create("step", BarrierOptions::new(PROCESSES).on_death(on_death))?,
    };
    let start = |part, unlucky| process::spawn(compute, (rod.clone(), part, unlucky));

    let others = [start(0, false)?, start(2, false)?];
    let unlucky = start(1, true)?;
    while rod.done[1].load() < STEPS / 2 {
        std::thread::yield_now();
    }
    unlucky.kill()?;
    println!("the middle: {}", unlucky.join().unwrap_err());
    let [first, last] = others;
    let whole = [first.join()??, last.join()??];
    if whole == [false, false] {
        println!("the barrier is broken: step {} again", STEPS / 2);
        rod.barrier.reset()?;
        let again = [start(0, false)?, start(1, false)?, start(2, false)?];
        for process in again {
            process.join()??;
        }
    }
    let steps: Vec<u64> = rod.done.iter().map(|done| done.load()).collect();
    println!("steps: {steps:?}");
    Ok(())
}

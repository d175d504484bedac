//! How long a waiter spins before it sleeps, and how it does: the trial that crossdock's mutex has
//! its back-off from.
//!
//! All strategies wait for the same lock: a word with an owner in it, as crossdock's, which a
//! newcomer may take before those who wait; who spins does so only while nobody sleeps.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use crossdock_cli::Failure;
use crossdock_cli::contention::{self, Kind, Plan, Row};
use crossdock_cli::machine::Machine;
use crossdock_cli::memory::Memory;
use crossdock_cli::pin::Pin;
use crossdock_cli::work::Speed;
use serde::Serialize;

use crate::peers::locks::{Adds, ENTRANTS, Entrant, Lock, OURS, ROBUST};

/// What a waiter does between two looks at a lock that somebody has.
trait Strategy: 'static {
    const NAME: &'static str;

    /// Waits for the `step`-th time since the waiter came or was woken; false when it is to sleep.
    fn wait(step: usize) -> bool;
}

fn pause(count: u32) {
    for _ in 0..count {
        std::hint::spin_loop();
    }
}

/// The pauses of each step, then sleep.
fn pauses(steps: &[u32], step: usize) -> bool {
    steps.get(step).is_some_and(|count| {
        pause(*count);
        true
    })
}

/// Strategies that only pause: their names, and how many pauses each step has.
macro_rules! pausing {
    ($($strategy:ident $name:literal $steps:expr;)+) => {$(
        struct $strategy;

        impl Strategy for $strategy {
            const NAME: &'static str = $name;
            fn wait(step: usize) -> bool {
                pauses(&$steps, step)
            }
        }
    )+};
}

pausing! {
    Sleeps "sleep at once" [];
    Hundred "100 x 1" [1; 100];
    Exp9 "1, 2 .. 256" [1, 2, 4, 8, 16, 32, 64, 128, 256];
    Exp12 "1, 2 .. 2048" [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048];
    X7 "4, 8 .. 256" [4, 8, 16, 32, 64, 128, 256];
    X8Short "8, 16 .. 256" [8, 16, 32, 64, 128, 256];
    X8 "8, 16 .. 512" [8, 16, 32, 64, 128, 256, 512];
    X8Long "8, 16 .. 1024" [8, 16, 32, 64, 128, 256, 512, 1024];
    X16 "16, 32 .. 512" [16, 32, 64, 128, 256, 512];
    X32 "32, 64 .. 512" [32, 64, 128, 256, 512];
    X64 "64, 128 .. 512" [64, 128, 256, 512];
    Twice "16, 8, 8, 16, 16 .. 256, 256" [16, 8, 8, 16, 16, 32, 32, 64, 64, 128, 128, 256, 256];
    Slow "16, 16, 16, 24, 32, 48 .. 384" [16, 16, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384];
    Rare "4 x 100" [100; 4];
}

/// Three short pauses, then other processes: what parking_lot does.
struct Yields;

impl Strategy for Yields {
    const NAME: &'static str = "2, 4, 8, then 7 yields";
    fn wait(step: usize) -> bool {
        if step < 3 {
            pause(2 << step);
        } else if step < 10 {
            std::thread::yield_now();
        }
        step < 10
    }
}

const STRATEGIES: &[Kind] = &[
    kind::<Sleeps>(),
    kind::<Hundred>(),
    kind::<Exp9>(),
    kind::<Exp12>(),
    kind::<X7>(),
    kind::<X8Short>(),
    kind::<X8>(),
    kind::<X8Long>(),
    kind::<X16>(),
    kind::<X32>(),
    kind::<X64>(),
    kind::<Twice>(),
    kind::<Slow>(),
    kind::<Rare>(),
    kind::<Yields>(),
];

const fn kind<S: Strategy>() -> Kind {
    Kind::of::<Adds<Spinning<S>>>("a strategy")
}

const OWNED: u32 = 1;
const CONTENDED: u32 = 2;

/// The lock, with a strategy.
struct Spinning<S> {
    word: NonNull<AtomicU32>,
    _memory: Memory,
    _strategy: PhantomData<S>,
}

impl<S: Strategy> Spinning<S> {
    fn word(&self) -> &AtomicU32 {
        // SAFETY: `_memory` keeps it mapped, and an atomic may be shared with anybody.
        unsafe { self.word.as_ref() }
    }

    #[cold]
    fn lock_contended(&self) {
        let word = self.word();
        let (mut step, mut others) = (0, 0);
        loop {
            let seen = word.load(Relaxed);
            if seen & OWNED == 0 {
                let mine = OWNED | others;
                if word.compare_exchange(seen, mine, Acquire, Relaxed).is_ok() {
                    return;
                }
                continue;
            }
            if seen & CONTENDED == 0 && S::wait(step) {
                step += 1;
                continue;
            }
            let marked = seen | CONTENDED;
            if seen != marked
                && word
                    .compare_exchange(seen, marked, Relaxed, Relaxed)
                    .is_err()
            {
                continue;
            }
            futex(word, libc::FUTEX_WAIT, marked);
            (others, step) = (CONTENDED, 0);
        }
    }
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) {
    let forever = std::ptr::null::<libc::timespec>();
    // SAFETY: the word outlives the call, which only reads it; a null timeout is none.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, forever) };
}

impl<S: Strategy> Lock for Spinning<S> {
    type Handle = Memory;
    const NAME: &'static str = S::NAME;

    fn create() -> Result<Memory, Failure> {
        Memory::new(4096)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self {
            word: memory.at(0),
            _memory: memory.clone(),
            _strategy: PhantomData,
        })
    }

    #[inline]
    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        let word = self.word();
        if word.compare_exchange(0, OWNED, Acquire, Relaxed).is_err() {
            self.lock_contended();
        }
        change();
        if word.swap(0, Release) & CONTENDED != 0 {
            futex(word, libc::FUTEX_WAKE, 1);
        }
        Ok(())
    }
}

/// A column of the trial.
struct Way {
    title: &'static str,
    processes: u32,
    pin: Pin,
    inside_ns: u64,
    outside_ns: u64,
}

const WAYS: &[Way] = &[
    way("1", 1, Pin::Cores, (0, 0)),
    way("2", 2, Pin::Cores, (0, 0)),
    way("8", 8, Pin::Cores, (0, 0)),
    way("2, one core", 2, Pin::Same, (0, 0)),
    way("2, 0.5 us out", 2, Pin::Cores, (0, 500)),
    way("2, 1 us in, 1 out", 2, Pin::Cores, (1_000, 1_000)),
    way("8, 1 us in, 1 out", 8, Pin::Cores, (1_000, 1_000)),
    way("8, 20 us in, 20 out", 8, Pin::Cores, (20_000, 20_000)),
];

const fn way(title: &'static str, processes: u32, pin: Pin, work: (u64, u64)) -> Way {
    Way {
        title,
        processes,
        pin,
        inside_ns: work.0,
        outside_ns: work.1,
    }
}

/// What the trial came to.
#[derive(Serialize)]
pub(crate) struct Trial {
    machine: Machine,
    command: String,
    ways: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    title: &'static str,
    rows: Vec<Row>,
}

impl Column {
    fn row(&self, kind: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.kind == kind)
    }
}

/// The strategies, and beside them what they are for and what they are compared with.
fn kinds() -> Vec<Kind> {
    let named = |name: &&str| ENTRANTS.iter().find(|entrant| entrant.name == *name);
    let beside = [ROBUST, OURS];
    let beside = beside.iter().filter_map(named).filter_map(Entrant::kind);
    beside.chain(STRATEGIES.iter().copied()).collect()
}

/// How many measurements that is.
pub(crate) fn count(runs: u32) -> u64 {
    (kinds().len() * WAYS.len()) as u64 * u64::from(runs)
}

/// Measures every strategy in every way; `step` is called before each measurement.
pub(crate) fn run(
    secs: f64,
    runs: u32,
    command: String,
    mut step: impl FnMut(),
) -> Result<Trial, Failure> {
    let speed = Speed::measure();
    let mut ways = Vec::new();
    for way in WAYS {
        let plan = Plan {
            kinds: kinds(),
            processes: vec![way.processes],
            runs,
            pin: way.pin,
            time: Duration::from_secs_f64(secs),
            inside: speed.work(way.inside_ns),
            outside: speed.work(way.outside_ns),
            latency: false,
        };
        ways.push(Column {
            title: way.title,
            rows: contention::run(&plan, &mut |_| step())?,
        });
    }
    Ok(Trial {
        machine: Machine::this(),
        command,
        ways,
    })
}

impl Trial {
    /// A table in Markdown: time as a multiple of pthread robust's, and the least fair median.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{}; `{}`\n\n| pauses between looks |",
            self.machine, self.command
        );
        for way in &self.ways {
            text += &format!(" {} |", way.title);
        }
        text += " least fair |\n|---|";
        text += &"---|".repeat(self.ways.len() + 1);
        text += "\n";
        for kind in kinds() {
            text += &format!("| {} |", kind.name);
            let mut least = f64::INFINITY;
            for way in &self.ways {
                let (row, robust) = (way.row(kind.name), way.row(ROBUST));
                if let (Some(row), Some(robust)) = (row, robust) {
                    text += &format!(" {:.2} |", row.ns_per_op / robust.ns_per_op);
                    least = least.min(row.fairness);
                }
            }
            text += &format!(" {least:.2} |\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_loses_nothing() {
        crossdock::process::init_test("tests::crossdock_worker");
        let trial = run(0.005, 1, String::new(), || ()).unwrap();
        for way in &trial.ways {
            assert_eq!(way.rows.len(), STRATEGIES.len() + 2);
            assert!(way.rows.iter().all(|row| row.lost == 0));
            // On a busy machine not each gets to run in so short a time.
            assert!(way.rows.iter().any(|row| row.ops > 0));
        }
        let table = trial.table();
        assert_eq!(table.lines().count(), STRATEGIES.len() + 6, "{table}");
        assert!(table.contains("| 8, 16 .. 512 |"));
    }
}

//! A buffer of four numbers: a process fills it, others empty it, and one that waits is killed.

use crossdock::sync::Condvar;
use crossdock::{Counter, Error, Mutex, Segment, process};
use serde::{Deserialize, Serialize};

const ROOM: u32 = 4;
const NUMBERS: u32 = 1000;

/// How many numbers were put in, how many were taken, and the last four. Each change ends with one
/// store, so an owner that is killed leaves nothing to repair.
type Ring = [u32; 2 + ROOM as usize];

#[derive(Clone, Serialize, Deserialize)]
struct Buffer {
    ring: Mutex<Ring>,
    not_empty: Condvar,
    not_full: Condvar,
    waiting: Counter,
}

/// Where the `n`th number is.
fn place(n: u32) -> usize {
    (2 + n % ROOM) as usize
}

impl Buffer {
    fn put(&self, number: u32) -> Result<(), Error> {
        let is_full = |ring: &mut Ring| ring[0] - ring[1] == ROOM;
        let ring = self.ring.lock_or_repair(|_| ())?;
        let mut ring = self.not_full.wait_while_or_repair(ring, is_full, |_| ())?;
        let put = ring[0];
        ring[place(put)] = number;
        ring[0] = put + 1;
        drop(ring);
        self.not_empty.notify_one();
        Ok(())
    }

    fn take(&self) -> Result<u32, Error> {
        let is_empty = |ring: &mut Ring| ring[0] == ring[1];
        let ring = self.ring.lock_or_repair(|_| ())?;
        self.waiting.add(1);
        let mut ring = self
            .not_empty
            .wait_while_or_repair(ring, is_empty, |_| ())?;
        let number = ring[place(ring[1])];
        ring[1] += 1;
        drop(ring);
        self.not_full.notify_one();
        Ok(number)
    }
}

/// Takes so many numbers, and returns their sum.
fn sum((buffer, count): (Buffer, u32)) -> Result<u32, Error> {
    (0..count).map(|_| buffer.take()).sum()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let buffer = Buffer {
        ring: segment.create("ring", [0; 2 + ROOM as usize])?,
        not_empty: segment.create("not empty", ())?,
        not_full: segment.create("not full", ())?,
        waiting: segment.create("waiting", 0)?,
    };

    let unlucky = process::spawn(sum, (buffer.clone(), NUMBERS))?;
    while buffer.waiting.load() == 0 {
        std::thread::yield_now();
    }
    unlucky.kill()?;
    println!("a waiter: {}", unlucky.join().unwrap_err());

    let others = [NUMBERS / 4, NUMBERS - NUMBERS / 4].map(|count| (buffer.clone(), count));
    let others = others.map(|work| process::spawn(sum, work));
    for number in 1..=NUMBERS {
        buffer.put(number)?;
    }
    let mut total = 0;
    for other in others {
        total += other?.join()??;
    }
    println!("the others took {NUMBERS} numbers, {total} in all");
    Ok(())
}

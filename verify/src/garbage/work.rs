//! A work queue while any bytes are written over its state, its slots and its cells: every
//! operation is an error or works; no panic, no hang, no access outside.

use std::time::Duration;

use crate::place::{NAME, Place, SHORT, input};
use crossdock::queue::{
    Delivery, Loan, ReceiverOf, SenderOf, Wait, WorkOptions, WorkQueue, wait_any_timeout,
};

/// Where the slots are in the entry, and how far the cells are apart, which begin 128 bytes later.
const SLOTS: u64 = 512;
const STRIDE: u64 = 64;
/// How many messages are in hand at most.
const IN_HAND: usize = 4;

struct Users<'q> {
    place: &'q Place,
    queues: [&'q WorkQueue<u32>; 2],
    held: Vec<Delivery<'q, u32>>,
    loans: Vec<Loan<'q, u32>>,
    sender: Option<SenderOf<WorkQueue<u32>>>,
    receiver: Option<ReceiverOf<WorkQueue<u32>>>,
}

impl Users<'_> {
    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let number = u32::from_le_bytes([a, b, c, verb]);
        let queue = self.queues[usize::from(b & 1)];
        let write = |at: u64, word: u64| self.place.write(at, &word.to_le_bytes());
        match verb % 24 {
            0 | 1 => self.place.write_anywhere([verb, a, b, c], verb % 24 == 0),
            2 => write(u64::from(a) * 8, u64::from(b) << 40 | u64::from(c)),
            3 => write(SLOTS + u64::from(a % 8) * 8, slot(b, c)),
            4 => write(SLOTS + 128 + u64::from(a % 8) * STRIDE, cell(a, b, c)),
            // When a message is due: never, at once, or soon.
            5 => {
                let due = i64::from(b.cast_signed()).cast_unsigned() << (c % 64);
                write(SLOTS + 128 + 8 + u64::from(a % 8) * STRIDE, due);
            }
            // A hint: a position, also one of the last that there are.
            6 => {
                let position = (i64::from(b.cast_signed()) << 2).cast_unsigned() | u64::from(c & 7);
                write(128 << (a & 1), position);
            }
            7 => drop(queue.try_send(number)),
            8 => drop(queue.send_timeout(number, SHORT)),
            9 => self.loans.extend(queue.try_loan()),
            10 => self.loans.extend(queue.loan_timeout(SHORT)),
            11 => {
                if let Some(mut loan) = self.loans.pop() {
                    *loan = number;
                    let _ = loan.send();
                }
            }
            12 => drop(self.loans.pop()),
            13 => self.held.extend(queue.try_recv()),
            14 => self.held.extend(queue.recv_timeout(SHORT)),
            15 => self.held.extend(queue.dead_letters().take().ok().flatten()),
            16 => {
                if let Some(held) = self.held.pop() {
                    assert!(held.attempt() <= queue.max_attempts());
                    let delay = Duration::from_micros(u64::from(a));
                    let _ = match b % 4 {
                        0 => held.nack(delay),
                        1 => held.reject(),
                        _ => held.ack(),
                    };
                }
            }
            17 => drop(self.held.pop()),
            18 => {
                assert!(queue.free_capacity() <= queue.capacity());
                assert!(queue.dead_letters().len() <= queue.capacity());
                let _ = (queue.is_idle(), queue.is_closed());
                let _ = queue.wait_idle_timeout(SHORT);
            }
            19 => self.sender = queue.sender().ok(),
            20 => self.receiver = queue.receiver().ok(),
            21 => drop((self.sender.take(), self.receiver.take())),
            22 => drop(wait_any_timeout(&[queue], SHORT)),
            _ if a == 0 => queue.close(),
            _ => drop(self.place.segment.reap()),
        }
        self.held.truncate(IN_HAND);
        self.loans.truncate(IN_HAND);
    }
}

/// What can stand in the word of a slot: of a lap, and of a version, near the first or near the
/// last.
fn slot(b: u8, c: u8) -> u64 {
    let lap = i64::from(b.cast_signed() >> 4).cast_unsigned();
    let version = i64::from(c.cast_signed() >> 4).cast_unsigned() & 0xf_ffff;
    lap << 22 | u64::from(c & 3) << 20 | version
}

/// What can stand in the word of a cell, whose tag is a participant's, who may be this process,
/// another, or none.
fn cell(a: u8, b: u8, c: u8) -> u64 {
    let version = i64::from(c.cast_signed() >> 4).cast_unsigned();
    let tag = u64::from(a >> 6) << 10 | u64::from(c & 3);
    version << 40 | u64::from(b >> 4) << 33 | u64::from(b & 15) << 29 | tag
}

pub(crate) fn run(data: &[u8]) {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let options = WorkOptions::new(capacity + 1).max_attempts(2);
    let Some((place, queue)) = Place::with::<WorkQueue<u32>>(options) else {
        return;
    };
    let Ok(parks) = place.segment.open::<WorkQueue<u32>>(NAME) else {
        return;
    };
    let parks = parks.with_wait(Wait::Park);
    let mut users = Users {
        place: &place,
        queues: [&queue, &parks],
        held: Vec::new(),
        loans: Vec::new(),
        sender: None,
        receiver: None,
    };
    steps.for_each(|step| users.step(step));
}

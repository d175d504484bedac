//! A queue for many while somebody writes any bytes over its state, its slots and its items: every
//! operation is an error or works; no panic, no hang, no access outside.
//!
//! The input is a capacity and a list of steps; a step is an operation, or a write somewhere in the
//! entry. No step replaces an item: that waits for whoever is alive and at work in its slot, as long
//! as it takes, and garbage can say that somebody is.
#![no_main]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::queue::{Queue, Receiver, Sender, Wait, wait_any_timeout};
use crossdock::{Segment, SegmentOptions};
use libfuzzer_sys::fuzz_target;

/// How long garbage may keep an operation waiting.
const SHORT: Duration = Duration::from_micros(100);
/// Longer than any slice that is sent or received.
const MOST: usize = 12;
/// How many states of a slot there can be, known or not.
const STATES: u64 = 8;

struct Place {
    segment: Segment,
    file: File,
    offset: u64,
    len: u64,
    queues: [Queue<u32>; 2],
    sender: Option<Sender<u32>>,
    receiver: Option<Receiver<u32>>,
}

impl Place {
    fn new(capacity: u64) -> Option<Self> {
        let options = SegmentOptions::new()
            .size(1 << 14)
            .participants(4)
            .entries(2);
        let segment: Segment = options.anonymous().ok()?;
        let queue = segment.create::<Queue<u32>>("queue", capacity).ok()?;
        let entry = segment.entries().ok()?.pop()?;
        Some(Self {
            file: File::from(segment.as_fd().try_clone_to_owned().ok()?),
            offset: entry.offset,
            len: entry.len,
            queues: [queue.clone(), queue.with_wait(Wait::Park)],
            segment,
            sender: None,
            receiver: None,
        })
    }

    fn step(&mut self, step: &[u8]) {
        let [verb, a, b, c, ..] = *step else { return };
        let number = u32::from_le_bytes([a, b, c, verb]);
        let count = usize::from(a) % MOST;
        let queue = &self.queues[usize::from(b & 1)];
        match verb % 20 {
            0 => self.write(u64::from(a) * 4, &number.to_le_bytes()),
            1 => self.write(u64::from(a) << 1 | u64::from(c & 1), &[b]),
            2 => self.write(
                u64::from(a) * 8,
                &(u64::from(b) << 32 | u64::from(c)).to_le_bytes(),
            ),
            3 => self.write(u64::from(a) * 8, &slot(b, c).to_le_bytes()),
            4 => self.write(u64::from(a) * 8, &cell(b, c).to_le_bytes()),
            // A hint: a position, also one of the last that there are.
            5 => {
                let position = (i64::from(b.cast_signed()) << 2).cast_unsigned() | u64::from(c & 7);
                self.write(128 << (a & 1), &position.to_le_bytes());
            }
            6 => drop(queue.try_send(number)),
            7 => drop(queue.try_recv()),
            8 => drop(queue.send_timeout(number, SHORT)),
            9 => drop(queue.recv_marked_timeout(SHORT)),
            10 => {
                let sent = queue.send_slice(&[number; MOST][..count]);
                assert!(sent.map_or(true, |sent| sent <= count));
            }
            11 => {
                let got = queue.recv_slice(&mut [0; MOST][..count]);
                assert!(got.map_or(true, |got| got <= count));
            }
            12 => {
                assert!(queue.len() <= queue.capacity());
                let _ = (queue.is_empty(), queue.is_full(), queue.is_closed());
            }
            13 => self.sender = queue.sender().ok(),
            14 => self.receiver = queue.receiver().ok(),
            15 => drop((self.sender.take(), self.receiver.take())),
            16 => self.queues[usize::from(b & 1)] = self.queues[usize::from(c & 1)].clone(),
            17 => {
                if let Ok(fresh) = self.segment.open("queue") {
                    self.queues[usize::from(b & 1)] = fresh;
                }
            }
            18 => drop(wait_any_timeout(&[queue], SHORT)),
            _ if a == 0 => queue.close(),
            _ => drop(self.segment.reap()),
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let at = at % self.len;
        let room = usize::try_from(self.len - at).unwrap_or(0);
        let bytes = &bytes[..bytes.len().min(room)];
        let _ = self.file.write_all_at(bytes, self.offset + at);
    }
}

/// The tag of a participant, who may be this process, another, or nobody.
fn tag(index: u8, generation: u8) -> u64 {
    u64::from(generation % 3) << 10 | u64::from(index % 5)
}

/// What can stand in the word of a slot: of a lap near the first, or near the last.
fn slot(b: u8, c: u8) -> u64 {
    let lap = i32::from(b.cast_signed() >> 3).cast_unsigned();
    u64::from(lap) << 32 | u64::from(b) % STATES << 29 | tag(c, c >> 4)
}

/// What can stand in a cell.
fn cell(b: u8, c: u8) -> u64 {
    u64::from(b >> 4) << 46 | u64::from(b & 15) << 29 | tag(c, c >> 4)
}

fuzz_target!(|data: &[u8]| {
    let Some((capacity, steps)) = data.split_first() else {
        return;
    };
    let Some(mut place) = Place::new(u64::from(capacity % 8) + 2) else {
        return;
    };
    for step in steps.chunks(4).take(64) {
        place.step(step);
    }
});

//! A ring for two while somebody writes any bytes over its state and its items: every operation is
//! an error or works; no panic, no hang, no access outside.
//!
//! The input is a list of steps; a step is an operation, or a write of some bytes somewhere in the
//! entry.
#![no_main]

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crossdock::queue::spsc::{Consumer, Producer, Spsc};
use crossdock::{Segment, SegmentOptions};
use libfuzzer_sys::fuzz_target;

/// How long garbage may keep an operation waiting.
const SHORT: Duration = Duration::from_micros(100);
/// The two sides of a ring, before its items.
const STATE: u64 = 256;

struct Ring {
    file: File,
    offset: u64,
    len: u64,
    ring: Spsc<u32>,
    producer: Option<Producer<u32>>,
    consumer: Option<Consumer<u32>>,
}

impl Ring {
    fn new(capacity: u64) -> Option<Self> {
        let options = SegmentOptions::new()
            .size(1 << 14)
            .participants(4)
            .entries(2);
        let segment: Segment = options.anonymous().ok()?;
        let ring = segment.create::<Spsc<u32>>("ring", capacity).ok()?;
        let entry = segment.entries().ok()?.pop()?;
        let file = File::from(segment.as_fd().try_clone_to_owned().ok()?);
        Some(Self {
            file,
            offset: entry.offset,
            len: entry.len,
            producer: ring.producer().ok(),
            consumer: ring.consumer().ok(),
            ring,
        })
    }

    fn step(&mut self, step: &[u8]) {
        let [verb, a, b, c, ..] = *step else { return };
        let number = u32::from_le_bytes([a, b, c, verb]);
        let count = usize::from(a % 12);
        match verb % 10 {
            // Over the state, aligned, where a wild value does most.
            0 => self.write(u64::from(a) * 4 % STATE, &[b, c, b, c]),
            1 => self.write(u64::from(a) % self.len, &[b]),
            2 => self.write(u64::from(a & 0x80), &u64::from(number).to_le_bytes()),
            3 => {
                if let Some(end) = &mut self.producer {
                    let _ = end.push_timeout(number, SHORT);
                }
            }
            4 => {
                if let Some(end) = &mut self.consumer {
                    let _ = end.pop_timeout(SHORT);
                }
            }
            5 => {
                if let Some(end) = &mut self.producer {
                    let items = [number; 12];
                    let pushed = end.push_slice(&items[..count]);
                    assert!(pushed.is_err() || pushed.is_ok_and(|pushed| pushed <= count));
                }
            }
            6 => {
                if let Some(end) = &mut self.consumer {
                    let popped = end.pop_slice(&mut [0; 12][..count]);
                    assert!(popped.is_err() || popped.is_ok_and(|popped| popped <= count));
                }
            }
            7 => {
                if let Some(mut chunk) = self
                    .producer
                    .as_mut()
                    .and_then(|end| end.write_chunk(count).ok())
                {
                    let (first, second) = chunk.as_mut_slices();
                    first.fill(number);
                    second.fill(number);
                    assert_eq!(first.len() + second.len(), chunk.len());
                    let len = chunk.len();
                    chunk.commit(len.min(usize::from(b)));
                }
            }
            8 => {
                if let Some(chunk) = self
                    .consumer
                    .as_mut()
                    .and_then(|end| end.read_chunk(count).ok())
                {
                    let (first, second) = chunk.as_slices();
                    assert_eq!(first.len() + second.len(), chunk.len());
                    let sum: u64 = first.iter().chain(second).map(|item| u64::from(*item)).sum();
                    assert!(sum <= u64::from(u32::MAX) * 12);
                    let len = chunk.len();
                    chunk.commit(len.min(usize::from(b)));
                }
            }
            _ => {
                drop((self.producer.take(), self.consumer.take()));
                self.producer = self.ring.producer().ok();
                self.consumer = self.ring.consumer().ok();
            }
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let room = usize::try_from(self.len - at.min(self.len)).unwrap_or(0);
        let bytes = &bytes[..bytes.len().min(room)];
        let _ = self.file.write_all_at(bytes, self.offset + at);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((capacity, steps)) = data.split_first() else {
        return;
    };
    let Some(mut ring) = Ring::new(u64::from(capacity % 8) + 1) else {
        return;
    };
    for step in steps.chunks(4).take(64) {
        ring.step(step);
    }
});

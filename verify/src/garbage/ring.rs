//! A ring for two while any bytes are written over its state and its items: every operation is
//! an error or works; no panic, no hang, no access outside.

use crate::place::{MOST, Place, SHORT, play};
use crossdock::queue::spsc::{Consumer, Producer, Spsc};

/// The two sides of a ring, before its items.
const STATE: u64 = 256;

struct Users {
    place: Place,
    ring: Spsc<u32>,
    producer: Option<Producer<u32>>,
    consumer: Option<Consumer<u32>>,
}

impl Users {
    fn new(capacity: u64) -> Option<Self> {
        let (place, ring) = Place::new::<Spsc<u32>>(capacity)?;
        Some(Self {
            place,
            producer: ring.producer().ok(),
            consumer: ring.consumer().ok(),
            ring,
        })
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let number = u32::from_le_bytes([a, b, c, verb]);
        let count = usize::from(a) % MOST;
        match verb % 10 {
            // Over the state, aligned, where a wild value does most.
            0 => self.place.write(u64::from(a) * 4 % STATE, &[b, c, b, c]),
            1 => self.place.write(u64::from(a), &[b]),
            2 => self
                .place
                .write(u64::from(a & 0x80), &u64::from(number).to_le_bytes()),
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
                    let items = [number; MOST];
                    let pushed = end.push_slice(&items[..count]);
                    assert!(pushed.is_err() || pushed.is_ok_and(|pushed| pushed <= count));
                }
            }
            6 => {
                if let Some(end) = &mut self.consumer {
                    let popped = end.pop_slice(&mut [0; MOST][..count]);
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
                    let sum: u64 = first
                        .iter()
                        .chain(second)
                        .map(|item| u64::from(*item))
                        .sum();
                    assert!(sum <= u64::from(u32::MAX) * MOST as u64);
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
}

pub(crate) fn run(data: &[u8]) {
    play(data, |capacity| Users::new(capacity + 1), Users::step);
}

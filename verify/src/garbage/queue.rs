//! A queue for many while any bytes are written over its state, its slots and its items: every
//! operation is an error or works; no panic, no hang, no access outside.
//!
//! No step replaces an item: that waits for a process that is alive and at work in its slot, as
//! long as it takes, and garbage can say that a process is.

use crate::place::{MOST, NAME, Place, SHORT, play, tag};
use crossdock::queue::{Queue, ReceiverOf, SenderOf, Wait, wait_any_timeout};

/// How many states of a slot there can be, known or not.
const STATES: u64 = 8;

struct Users {
    place: Place,
    queues: [Queue<u32>; 2],
    sender: Option<SenderOf<Queue<u32>>>,
    receiver: Option<ReceiverOf<Queue<u32>>>,
}

impl Users {
    fn new(capacity: u64) -> Option<Self> {
        let (place, queue) = Place::new::<Queue<u32>>(capacity)?;
        Some(Self {
            place,
            queues: [queue.clone(), queue.with_wait(Wait::Park)],
            sender: None,
            receiver: None,
        })
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let number = u32::from_le_bytes([a, b, c, verb]);
        let count = usize::from(a) % MOST;
        let queue = &self.queues[usize::from(b & 1)];
        match verb % 20 {
            0 | 1 => self.place.write_anywhere([verb, a, b, c], verb % 20 == 0),
            2 => self.place.write(
                u64::from(a) * 8,
                &(u64::from(b) << 32 | u64::from(c)).to_le_bytes(),
            ),
            3 => self
                .place
                .write(u64::from(a) * 8, &slot(b, c).to_le_bytes()),
            4 => self
                .place
                .write(u64::from(a) * 8, &cell(b, c).to_le_bytes()),
            // A hint: a position, also one of the last that there are.
            5 => {
                let position = (i64::from(b.cast_signed()) << 2).cast_unsigned() | u64::from(c & 7);
                self.place.write(128 << (a & 1), &position.to_le_bytes());
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
                if let Ok(fresh) = self.place.segment.open(NAME) {
                    self.queues[usize::from(b & 1)] = fresh;
                }
            }
            18 => drop(wait_any_timeout(&[queue], SHORT)),
            _ if a == 0 => queue.close(),
            _ => drop(self.place.segment.reap()),
        }
    }
}

/// What can stand in the word of a slot: of a lap near the first, or near the last.
fn slot(b: u8, c: u8) -> u64 {
    let lap = i32::from(b.cast_signed() >> 3).cast_unsigned();
    u64::from(lap) << 32 | (u64::from(b) % STATES) << 29 | u64::from(tag(c, c >> 4))
}

/// What can stand in a cell.
fn cell(b: u8, c: u8) -> u64 {
    u64::from(b >> 4) << 46 | u64::from(b & 15) << 29 | u64::from(tag(c, c >> 4))
}

pub(crate) fn run(data: &[u8]) {
    play(data, |capacity| Users::new(capacity + 2), Users::step);
}

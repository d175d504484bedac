//! A snapshot while any bytes are written over its words and its values: every operation is an
//! error or works; no panic, no hang, no access outside.

use crate::place::{NAME, Place, SHORT, play, tag};
use crossdock::snapshot::{Reader, Writer};
use crossdock::{Snapshot, SnapshotOptions};

/// The state, before the seats.
const STATE: u64 = 256;
const SEAT: u64 = 128;

struct Users {
    place: Place,
    snapshot: Snapshot<u32>,
    writer: Option<Writer<u32>>,
    readers: [Option<Reader<u32>>; 3],
}

impl Users {
    fn new(seats: u64) -> Option<Self> {
        let (place, snapshot) =
            Place::with::<Snapshot<u32>>(SnapshotOptions::new(1).readers(seats))?;
        Some(Self {
            place,
            writer: snapshot.writer().ok(),
            readers: [(); 3].map(|()| snapshot.reader().ok()),
            snapshot,
        })
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let number = u32::from_le_bytes([a, b, c, verb]);
        let reader = &mut self.readers[usize::from(a) % 3];
        match verb % 16 {
            // Anywhere, and where a wild value does most.
            0 | 1 => self.place.write_anywhere([verb, a, b, c], verb % 16 == 0),
            2 => self.place.write(0, &edition(b, c).to_le_bytes()),
            3 => self.place.write(128, &role(b, c).to_le_bytes()),
            4 => self
                .place
                .write(STATE + u64::from(a % 4) * SEAT, &seat(b, c).to_le_bytes()),
            5 | 6 => {
                if let Some(writer) = &mut self.writer {
                    let _ = writer.publish(number);
                }
            }
            7 => {
                if let Some(writer) = &mut self.writer {
                    let _ = writer.update(|value| *value ^= number);
                    let _ = writer.version();
                }
            }
            8 | 9 => {
                if let Some(reader) = reader {
                    let _ = reader.read().map(|value| *value);
                    let _ = (reader.version(), reader.has_newer());
                }
            }
            10 => {
                if let Some(reader) = reader {
                    let _ = reader.wait_newer_timeout(SHORT).map(|value| *value);
                }
            }
            11 => {
                let _ = (self.snapshot.load(), self.snapshot.version());
            }
            12 => *reader = None,
            13 => *reader = self.snapshot.reader().ok(),
            14 => {
                drop(self.writer.take());
                self.writer = self.snapshot.writer().ok();
            }
            _ if a & 1 == 0 => {
                if let Ok(fresh) = self.place.segment.open(NAME) {
                    self.snapshot = fresh;
                }
            }
            _ => drop(self.place.segment.reap()),
        }
    }
}

/// A version, also one of the last that there are, and a buffer, which there may not be.
fn edition(b: u8, c: u8) -> u64 {
    let version = i64::from(b.cast_signed()).cast_unsigned();
    version << 12 | u64::from(c % 12)
}

fn role(b: u8, c: u8) -> u32 {
    u32::from(b % 8) << 29 | tag(c, c >> 4)
}

/// Nothing, choosing, or a buffer, which there may not be; and whose.
fn seat(b: u8, c: u8) -> u64 {
    u64::from(b % 14) << 32 | u64::from(tag(c, c >> 4))
}

pub(crate) fn run(data: &[u8]) {
    play(data, |seats| Users::new(seats + 1), Users::step);
}

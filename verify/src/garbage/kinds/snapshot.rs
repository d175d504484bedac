//! The snapshot.

use crossdock::snapshot::{Reader, Writer};
use crossdock::{Segment, Snapshot, SnapshotOptions};

use crate::garbage::uses::{
    Came, Operation, Shape, Uses, Write, came, keep, kept, near, refused, shown, sure, tag, with,
};
use crate::place::SHORT;

/// The state, before the slots of readers, and how far those are apart.
const STATE: u64 = 256;
const SLOT: u64 = 128;

/// The roles that are held.
#[derive(Default)]
pub(crate) struct Roles {
    writer: Option<Writer<u32>>,
    readers: Vec<Reader<u32>>,
}

impl Roles {
    fn read(&mut self, number: u8, read: impl FnOnce(&mut Reader<u32>) -> Came) -> Came {
        let count = self.readers.len().max(1);
        let reader = self.readers.get_mut(usize::from(number) % count);
        with(reader, read)
    }

    fn write(&mut self, write: impl FnOnce(&mut Writer<u32>) -> Came) -> Came {
        with(self.writer.as_mut(), write)
    }
}

impl Uses for Snapshot<u32> {
    type Held<'h> = Roles;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |_, held, [a, ..]| held.read(a, |reader| came(reader.load())),
        |_, held, [a, ..]| held.write(|writer| came(writer.publish(a.into()))),
        |_, held, [a, ..]| {
            held.read(a, |reader| {
                came(reader.wait_newer_timeout(SHORT).map(|value| *value))
            })
        },
        |_, held, [a, ..]| {
            held.read(a, |reader| {
                sure!(reader.has_newer(), reader.version(), shown(reader))
            })
        },
        |_, held, [a, ..]| {
            held.write(|writer| {
                let updated = writer.update(|value| *value ^= u32::from(a));
                let _ = writer.version();
                came(updated)
            })
        },
        |_, held, [a, ..]| held.read(a, |reader| came(reader.read().map(|value| *value))),
        |it, _, _| came(it.load()),
        |it, _, _| sure!(assert!(it.version() < 1 << 52)),
        |it, _, _| match it.reader() {
            Ok(mut reader) => {
                let loaded = came(reader.load());
                let waited = came(reader.wait_newer_timeout(SHORT).map(|value| *value));
                if waited == Came::Worked {
                    loaded
                } else {
                    waited
                }
            }
            Err(error) => refused(error),
        },
        |it, _, _| came(it.writer()),
        |it, held, _| {
            drop(held.writer.take());
            came(it.writer().map(|writer| held.writer = Some(writer)))
        },
        |_, held, [a, ..]| {
            let number = usize::from(a) % held.readers.len().max(1);
            sure!((number < held.readers.len()).then(|| held.readers.swap_remove(number)))
        },
        |it, held, _| kept(&mut held.readers, it.reader()),
        |it, _, _| shown(it),
    ];

    const SHAPES: &'static [Shape] = &[
        // A version, also one of the last that there are, and a buffer, which there may not be.
        |[_, b, c]| Write::long(0, near(b, 64) << 12 | u64::from(c % 12)),
        // The writer.
        |[_, b, c]| Write::word(128, u32::from(b % 8) << 29 | tag(c, c >> 4)),
        // Nothing, choosing, or a buffer, which there may not be; and whose.
        |[a, b, c]| {
            let word = u64::from(b % 14) << 32 | u64::from(tag(c, c >> 4));
            Write::long(STATE + u64::from(a % 4) * SLOT, word)
        },
    ];

    fn config(readers: u64) -> SnapshotOptions<u32> {
        SnapshotOptions::new(1).readers(readers + 1)
    }

    fn begin(it: &Self, _: &Segment, held: &mut Roles) {
        held.writer = it.writer().ok();
        for reader in (0..3).filter_map(|_| it.reader().ok()) {
            keep(&mut held.readers, reader);
        }
        held.write(|writer| came(writer.publish(6)));
        held.read(0, |reader| came(reader.load()));
    }
}

//! The array with leases.

use crossdock::Array;
use crossdock::array::{ArrayOptions, Init, Lease};
use crossdock::sync::RwLockWriteGuard;

use crate::garbage::uses::{
    Came, Free, Operation, Shape, Uses, Write, came, kept, maybe, refused, shown, sure, with,
};
use crate::place::SHORT;

/// How many values a chunk has.
const CHUNK: usize = 3;
/// Where the word of leases is in an entry, and the cells of readers, and the words of chunks.
const LEASES: u64 = 256;
const CELLS: u64 = 384;
const CHUNKS: u64 = CELLS + 4 * 128;

impl Uses for Array<u32> {
    type Held<'h> = Vec<Lease<'h, u32>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, _, _| came(it.try_lease_chunk().map(|lease| lease.map(Lease::finish))),
        |it, _, _| came(it.lease_chunk_timeout(SHORT)),
        |it, held, _| match it.try_lease_chunk() {
            Ok(lease) => maybe(lease.map(|lease| held.push(lease))),
            Err(error) => refused(error),
        },
        |_, held, [a, ..]| finish(held.pop(), a),
        |it, _, [_, chunk, a]| {
            let chunk = usize::from(chunk) % (it.chunks() + 1);
            match it.lease_timeout(chunk, SHORT) {
                Ok(lease) => {
                    assert_eq!(lease.index(), chunk);
                    finish(Some(lease), a)
                }
                Err(error) => refused(error),
            }
        },
        |it, held, _| kept(held, it.try_lease(0)),
        |_, held, _| sure!(held.pop()),
        |it, _, _| came(it.try_read()),
        |it, _, _| {
            let values = it.read_timeout(SHORT);
            assert!(
                values
                    .as_ref()
                    .map_or(true, |values| values.len() == it.len())
            );
            came(values.map(|values| values.iter().fold(0, |all, value| all ^ value)))
        },
        |it, _, _| came(it.try_write().map(RwLockWriteGuard::downgrade)),
        |it, _, [a, ..]| {
            came(
                it.write_timeout(SHORT)
                    .map(|mut values| values.fill(a.into())),
            )
        },
        |it, _, _| sure!(assert!(it.chunks_left() <= it.chunks())),
        |it, _, _| sure!(it.is_poisoned(), it.clear_poison(), shown(it)),
        |_, held, _| sure!(held.clear()),
    ];

    const SHAPES: &'static [Shape] = &[
        |[a, b, _]| Write::word(LEASES, u32::from_le_bytes([a & 7, b, 0, 0])),
        |[a, b, c]| {
            Write::word(
                CHUNKS + u64::from(a % 8) * 4,
                u32::from_le_bytes([b, c, a, c]),
            )
        },
        |[a, b, c]| {
            Write::word(
                CELLS + u64::from(a % 4) * 128,
                u32::from_le_bytes([b, c, a, c]),
            )
        },
    ];

    const FREE_NUMBERS: &'static [Free] = &[(1, 1..=9)];

    fn config(capacity: u64) -> ArrayOptions<u32> {
        let chunks = usize::try_from(capacity).unwrap_or(0) + 1;
        ArrayOptions::new(Init::zeroed(chunks * CHUNK)).chunk(CHUNK)
    }
}

/// Writes to the chunk, and says that it is done.
fn finish(lease: Option<Lease<'_, u32>>, value: u8) -> Came {
    with(lease, |mut lease| {
        lease.fill(value.into());
        came(lease.finish())
    })
}

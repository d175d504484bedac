//! An array with leases while any bytes are written over it: every operation ends, and works or
//! says what is wrong; no panic, no hang, no access outside.

use crate::place::{NAME, Place, SHORT, input};
use crossdock::Array;
use crossdock::array::{ArrayOptions, Init, Lease};

/// How many values a chunk has.
const CHUNK: usize = 3;

pub(crate) fn run(data: &[u8]) {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let chunks = usize::try_from(capacity).unwrap_or(0) + 1;
    let options = || ArrayOptions::new(Init::zeroed(chunks * CHUNK)).chunk(CHUNK);
    let Some((place, array)) = Place::with::<Array<u32>>(options()) else {
        return;
    };
    let mut handles = [array.clone(), array];
    let others = [
        place.segment.open::<Array<u32>>(NAME),
        place.segment.open(NAME),
    ];
    // Dropped before those that it is of.
    let mut hand: Vec<Lease<'_, u32>> = Vec::new();
    for [verb, at, low, high] in steps {
        let handle = &handles[usize::from(at) % handles.len()];
        let chunk = usize::from(low) % (chunks + 1);
        match verb % 16 {
            // Words, where they are most.
            0 => place.write(u64::from(at) * 4, &[low, high, verb, low]),
            1 => place.write(256, &[low & 7, high, 0, 0]),
            2 => place.write(
                384 + 4 * 128 + u64::from(at % 8) * 4,
                &[low, high, verb, high],
            ),
            3 => place.write(384 + u64::from(at % 4) * 128, &[low, high, verb, high]),
            4 => {
                if let Some(Ok(other)) = others.get(usize::from(at) % 2)
                    && hand.len() < 4
                    && let Ok(Some(lease)) = other.try_lease_chunk()
                {
                    hand.push(lease);
                }
            }
            5 => {
                if let Ok(mut lease) = handle.lease_timeout(chunk, SHORT) {
                    assert_eq!(lease.index(), chunk);
                    lease.fill(low.into());
                    let _ = lease.finish();
                }
            }
            6 => drop(hand.pop()),
            7 => {
                if let Some(mut lease) = hand.pop() {
                    lease.fill(high.into());
                    let _ = lease.finish();
                }
            }
            8 => {
                if let Ok(values) = handle.read_timeout(SHORT) {
                    assert_eq!(values.len(), chunks * CHUNK);
                }
            }
            9 => {
                if let Ok(mut values) = handle.write_timeout(SHORT) {
                    values.fill(low.into());
                }
            }
            10 => drop(handle.try_read()),
            11 => drop(handle.try_write().map(|values| values.downgrade())),
            12 => drop(handle.lease_chunk_timeout(SHORT)),
            13 => assert!(handle.chunks_left() <= chunks),
            14 => {
                place.segment.reap();
                handle.clear_poison();
            }
            _ => {
                if let Ok(fresh) = place.segment.open(NAME) {
                    handles[usize::from(at) % 2] = fresh;
                }
            }
        }
    }
}

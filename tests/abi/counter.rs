//! The bytes of counters.

use crossdock::{Counter, ShardedCounter};

use crate::support::image::u64_at;
use crate::support::process::child;
use crate::{ARENA, bytes, hex, segment};

#[test]
fn a_counter_is_64_bits_at_the_start_of_its_entry() {
    let segment = segment();
    segment
        .create::<Counter>("u", 0x0102_0304_0506_0708)
        .unwrap();
    segment.create::<Counter<i64>>("i", -2).unwrap();
    let bytes = bytes(&segment);
    assert_eq!(hex(&bytes[ARENA..ARENA + 8]), "0807060504030201");
    assert_eq!(hex(&bytes[ARENA + 128..ARENA + 136]), "feffffffffffffff");
}

#[test]
fn the_cells_of_a_sharded_counter_are_128_bytes_apart_by_index() {
    let segment = segment();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    sharded.add(5);
    child(|| sharded.add(6)).join();
    let bytes = bytes(&segment);
    assert_eq!(u64_at(&bytes, ARENA), 5);
    assert_eq!(u64_at(&bytes, ARENA + 128), 6);
    let states = [ARENA..ARENA + 8, ARENA + 128..ARENA + 136];
    let rest = (ARENA..bytes.len()).filter(|at| !states.iter().any(|s| s.contains(at)));
    assert!(rest.into_iter().all(|at| bytes[at] == 0));
}

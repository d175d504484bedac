//! The bytes of a barrier.

use std::time::Duration;

use crossdock::sync::{Barrier, BarrierOptions, OnDeath};

use crate::support::image::u64_at;
use crate::{ARENA, bytes, recorded, segment};

#[test]
fn a_barrier_is_its_phase_and_a_seat_for_each_party() {
    assert_eq!(recorded::<Barrier>(3.into()), (17, 128 + 3 * 8, 0, 1));
    let segment = segment();
    let options = BarrierOptions::new(2).on_death(OnDeath::Shrink);
    let barrier = segment.create::<Barrier>("b", options).unwrap();
    let word = |at| u64_at(&bytes(&segment), ARENA + at);
    assert_eq!((word(0), word(128), word(136)), (2, 0, 0));
    let mut first = barrier.register().unwrap();
    // Generation 1 of the participant at index 0, registered.
    let tag = 1 << 10;
    assert_eq!(word(128), tag | 1 << 29);
    let second = barrier.register().unwrap();
    drop(second);
    // Without a holder, taken out in generation 1.
    assert_eq!(word(136), 1 << 32 | 3 << 30);
    first.wait().unwrap();
    assert_eq!((word(0), word(128)), (4, 1 << 32 | tag | 1 << 29));
    barrier.abort();
    assert_eq!(word(0), 5);
    drop(first);
    assert_eq!(word(128), 2 << 32 | 3 << 30);
    barrier.reset().unwrap();
    assert_eq!((word(0), word(128), word(136)), (6, 2 << 32, 2 << 32));
    let waited = barrier.wait_timeout(Duration::ZERO);
    assert!(waited.is_err());
    assert_eq!((word(0), word(128), word(136)), (7, 3 << 32, 2 << 32));
    let bytes = bytes(&segment);
    assert!((ARENA + 12..ARENA + 128).all(|at| bytes[at] == 0));
}

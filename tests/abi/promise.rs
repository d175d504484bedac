//! The bytes of a promise.

use crossdock::sync::Promise;

use crate::support::image::{u32_at, u64_at};
use crate::{ARENA, Aligned128, bytes, recorded, segment, tag};

#[test]
fn a_promise_is_a_thread_a_word_and_an_event_count_before_its_value() {
    assert_eq!(recorded::<Promise<u64>>(()), (18, 32, 8, 8));
    assert_eq!(recorded::<Promise<()>>(()), (18, 24, 0, 1));
    assert_eq!(recorded::<Promise<Aligned128>>(()).1, 256);
    let segment = segment();
    let promise = segment.create::<Promise<u64>>("p", ()).unwrap();
    let words = || {
        let bytes = bytes(&segment);
        let thread = u64_at(&bytes, ARENA) >> 29 != 0;
        let word = [8, 12].map(|at| u32_at(&bytes, ARENA + at));
        (thread, word, u64_at(&bytes, ARENA + 24))
    };
    assert_eq!(words(), (false, [0, 0], 0));
    let claim = promise.claim().unwrap();
    assert_eq!(words(), (true, [tag(0, 1), 0], 0));
    claim.set(5).unwrap();
    assert_eq!(words(), (false, [1 << 29, 0], 5));
}

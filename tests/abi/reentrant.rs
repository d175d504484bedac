//! The bytes of a reentrant mutex.

use crossdock::sync::ReentrantMutex;

use crate::support::image::{u32_at, u64_at};
use crate::{ARENA, Aligned128, bytes, recorded, segment, tag};

#[test]
fn a_reentrant_mutex_is_a_thread_a_word_and_a_count_before_its_value() {
    assert_eq!(recorded::<ReentrantMutex<u64>>(0), (19, 24, 8, 8));
    assert_eq!(recorded::<ReentrantMutex<()>>(()), (19, 16, 0, 1));
    let aligned = Aligned128([7; 128]);
    assert_eq!(recorded::<ReentrantMutex<Aligned128>>(aligned).1, 256);
    let segment = segment();
    let mutex = segment.create::<ReentrantMutex<u64>>("r", 5).unwrap();
    let words = || {
        let bytes = bytes(&segment);
        let (thread, value) = (u64_at(&bytes, ARENA), u64_at(&bytes, ARENA + 16));
        let (word, count) = (u32_at(&bytes, ARENA + 8), u32_at(&bytes, ARENA + 12));
        (
            thread & ((1 << 29) - 1),
            thread >> 29 != 0,
            word,
            count,
            value,
        )
    };
    assert_eq!(words(), (0, false, 0, 0, 5));
    let first = mutex.lock().unwrap();
    let mine = tag(0, 1);
    assert_eq!(words(), (u64::from(mine), true, mine, 1, 5));
    let second = mutex.lock().unwrap();
    assert_eq!(words(), (u64::from(mine), true, mine, 2, 5));
    drop((first, second));
    assert_eq!(words(), (0, false, 0, 0, 5));
}

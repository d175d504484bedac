//! The bytes of a reentrant mutex.

use crossdock::sync::ReentrantMutex;

use crate::support::image::{u32_at, u64_at};
use crate::{ARENA, Aligned128, bytes, recorded, segment, tag};

#[test]
fn a_reentrant_mutex_is_a_word_before_its_value_however_deep_it_is_held() {
    assert_eq!(recorded::<ReentrantMutex<u64>>(0), (19, 16, 8, 8));
    assert_eq!(recorded::<ReentrantMutex<()>>(()), (19, 4, 0, 1));
    let aligned = Aligned128([7; 128]);
    assert_eq!(recorded::<ReentrantMutex<Aligned128>>(aligned).1, 256);
    let segment = segment();
    let mutex = segment.create::<ReentrantMutex<u64>>("r", 5).unwrap();
    let words = || {
        let bytes = bytes(&segment);
        (u32_at(&bytes, ARENA), u64_at(&bytes, ARENA + 8))
    };
    assert_eq!(words(), (0, 5));
    let first = mutex.lock().unwrap();
    assert_eq!(words(), (tag(0, 1), 5));
    let second = mutex.lock().unwrap();
    assert_eq!(words(), (tag(0, 1), 5));
    drop((first, second));
    assert_eq!(words(), (0, 5));
}

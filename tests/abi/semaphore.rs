//! The bytes of a semaphore.

use std::sync::atomic::Ordering;

use crossdock::sync::{Semaphore, SemaphoreOptions};

use crate::support::image::{Window, u32_at};
use crate::support::process::{asleep, holder};
use crate::{ARENA, bytes, recorded, segment, support, tag};

const ABSENT: u32 = 1 << 29;
const WORDS: usize = ARENA + 128;

#[test]
fn a_semaphore_has_a_word_for_each_permit_behind_128_bytes() {
    let options = SemaphoreOptions::new(2).most(5);
    assert_eq!(recorded::<Semaphore>(options), (14, 128 + 5 * 4, 0, 1));
    let segment = segment();
    segment.create::<Semaphore>("s", options).unwrap();
    let bytes = bytes(&segment);
    let words = [0, 1, 2, 3, 4].map(|word| u32_at(&bytes, WORDS + 4 * word));
    assert_eq!(words, [0, 0, ABSENT, ABSENT, ABSENT]);
    let absent = WORDS + 8..WORDS + 20;
    let rest = (ARENA..bytes.len()).filter(|at| !absent.contains(at));
    assert!(rest.into_iter().all(|at| bytes[at] == 0));
}

#[test]
fn a_permits_word_names_its_holder() {
    let segment = segment();
    let options = SemaphoreOptions::new(2).most(3);
    let semaphore = segment.create::<Semaphore>("s", options).unwrap();
    let words = || {
        let bytes = bytes(&segment);
        [0, 1, 2].map(|word| u32_at(&bytes, WORDS + 4 * word))
    };
    let both = semaphore.acquire_many(2).unwrap();
    assert_eq!(words(), [tag(0, 1), tag(0, 1), ABSENT]);
    let mut both = both.into_permits();
    both.remove(0).forget();
    assert_eq!(words(), [ABSENT, tag(0, 1), ABSENT]);
    drop(both);
    semaphore.add_permits(1).unwrap();
    assert_eq!(words(), [0, 0, ABSENT]);
    let other = holder(|| semaphore.acquire_many(2).unwrap());
    assert_eq!(words(), [tag(1, 1), tag(1, 1), ABSENT]);
    other.kill();
    assert_eq!(segment.reap().freed, 1);
    assert_eq!(words(), [0, 0, ABSENT]);
    assert_eq!(u32_at(&bytes(&segment), ARENA), 0);
    semaphore.close();
    assert_eq!(u32_at(&bytes(&segment), ARENA), 1);
}

#[test]
fn waiters_for_one_permit_and_for_several_sleep_apart() {
    let _watch = support::watch();
    let segment = segment();
    let semaphore = segment.create::<Semaphore>("s", 2).unwrap();
    let window = Window::of(&segment);
    let sleepers = || [4, 8].map(|at| window.word(ARENA + at).load(Ordering::Relaxed) & 1);
    let both = semaphore.acquire_many(2).unwrap();
    let one = asleep(|| drop(semaphore.acquire().unwrap()));
    assert_eq!(sleepers(), [1, 0]);
    let several = asleep(|| drop(semaphore.acquire_many(2).unwrap()));
    assert_eq!(sleepers(), [1, 1]);
    drop(both);
    one.join();
    several.join();
}

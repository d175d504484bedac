//! Locks of readers and writers whose words hold anything.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::sync::{LockError, LockTimeoutError, TryLockError};
use crossdock::{RwLock, Segment, SegmentOptions};
use proptest::prelude::*;

use crate::rwlock::{Came, WAYS, read, sample, write};
use crate::support::image::Window;

const PARTICIPANTS: usize = 4;
const SHORT: Duration = Duration::from_millis(1);
/// Where the words of a lock over 16 bytes are, in its entry.
const WRITING: usize = 4;
const ROSTER: usize = 8;
const CELLS: usize = 384;

fn entry(segment: &Segment) -> usize {
    usize::try_from(segment.entries().unwrap()[0].offset).unwrap()
}

/// Something ends in each way, and says why if it comes to nothing.
fn use_all(lock: &RwLock<[u64; 2]>) {
    drop(lock.try_read());
    drop(lock.try_write());
    drop(lock.read_timeout(SHORT));
    match lock.write_timeout(SHORT) {
        Ok(guard)
        | Err(
            LockTimeoutError::Lock(LockError::OwnerDied(guard))
            | LockTimeoutError::Lock(LockError::Poisoned(guard)),
        ) => {
            drop(guard.downgrade());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match lock.try_read() {
        Ok(guard)
        | Err(
            TryLockError::Lock(LockError::OwnerDied(guard))
            | TryLockError::Lock(LockError::Poisoned(guard)),
        ) => {
            assert!(guard.len() == 2);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert!(format!("{lock:?}").starts_with("RwLock"));
    lock.clear_poison();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_words_hold_every_operation_ends(
        mutex in prop_oneof![Just(0u32), any::<u32>()],
        writing in prop_oneof![Just(0u32), any::<u32>()],
        roster in any::<u64>(),
        cells in any::<[u32; PARTICIPANTS]>(),
        joined: bool,
    ) {
        let options = SegmentOptions::new().size(1 << 16).participants(4).entries(1);
        let segment = options.anonymous().unwrap();
        let lock = segment.create::<RwLock<[u64; 2]>>("l", [0, 0]).unwrap();
        if joined {
            drop(lock.read().unwrap());
        }
        let (window, entry) = (Window::of(&segment), entry(&segment));
        window.word(entry).store(mutex, Relaxed);
        window.word(entry + WRITING).store(writing, Relaxed);
        for word in 0..16 {
            window.long(entry + ROSTER + word * 8).store(roster, Relaxed);
        }
        for (index, cell) in cells.into_iter().enumerate() {
            window.word(entry + CELLS + index * 128).store(cell, Relaxed);
        }
        use_all(&lock);
        prop_assert_eq!(segment.reap().stuck, 0);
        use_all(&lock);
    }
}

#[test]
fn a_word_that_is_no_lock_is_an_error_in_every_way_and_is_left_alone() {
    let (segment, lock) = sample();
    let (window, entry) = (Window::of(&segment), entry(&segment));
    // An index beyond the registry, a generation of 0, and, of the second word, a flag that it never has.
    let tags = [1 << 10 | 128, 5 << 10 | 1023, 3];
    let reserved = [1 << 29, 1 << 29 | 1 << 10];
    let words = tags.map(|tag| (0, tag)).into_iter();
    let words = words.chain(tags.map(|tag| (WRITING, tag)));
    let words = words.chain(reserved.map(|word| (WRITING, word)));
    for (place, tag) in words {
        for flags in [0, 1 << 30, 1 << 31, 3 << 30] {
            let word = flags | tag;
            window.word(entry + place).store(word, Relaxed);
            let text = format!("expected the state of a RwLock, found {word:#x}");
            for way in WAYS {
                let Came::Refused(said) = read(&lock, way) else {
                    panic!("{way:?}: {word:#x}")
                };
                assert_eq!(said, text);
                let Came::Refused(said) = write(&lock, way) else {
                    panic!("{way:?}: {word:#x}")
                };
                assert_eq!(said, text);
            }
            let error = lock.read_or_repair(|_| panic!("no lock")).unwrap_err();
            assert_eq!(error.to_string(), text);
            let error = lock.write_or_repair(|_| panic!("no lock")).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert_eq!(window.word(entry + place).load(Relaxed), word);
            window.word(entry + place).store(0, Relaxed);
        }
    }
    assert!(matches!(read(&lock, WAYS[0]), Came::Clean(_)));
}

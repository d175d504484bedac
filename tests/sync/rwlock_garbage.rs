//! Locks of readers and writers whose words hold anything.

use crossdock::Segment;
use std::sync::atomic::Ordering::Relaxed;

use crate::rwlock::{Came, WAYS, read, sample, write};
use crate::support::image::Window;

/// Where the second word of a lock is, in its entry.
const WRITING: usize = 4;

fn entry(segment: &Segment) -> usize {
    usize::try_from(segment.entries().unwrap()[0].offset).unwrap()
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

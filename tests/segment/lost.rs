//! A process that was reaped and does not know it, as it creates entries: it is told, and makes none.

use std::sync::atomic::Ordering::Relaxed;

use crossdock::array::Init;
use crossdock::segment::{EntryError, Fault, MembershipError};
use crossdock::{AtomicArray, Mutex, SegmentOptions};

use crate::support::careless::Reaped;
use crate::support::image::{COUNT, Window};
use crate::support::watch;

/// Two places, so that the next to join has the index of the one that was reaped.
#[test]
fn it_creates_nothing_over_what_others_create() {
    let _watch = watch();
    let options = SegmentOptions::new().size(4 << 20).participants(2);
    let segment = options.anonymous().unwrap();
    let first = segment.create::<Mutex<u64>>("first", 0).unwrap();
    let lost = Reaped::after(
        &segment,
        || drop(first.lock().unwrap()),
        |()| {
            let large = segment.create::<AtomicArray<u64>>("large", Init::filled(1 << 18, 7));
            assert!(matches!(
                large,
                Err(EntryError::Fault(Fault::NotMember(MembershipError::Lost)))
            ));
        },
    );
    let small = segment.create::<Mutex<u64>>("small", 5).unwrap();
    lost.goes_on();
    assert_eq!(*small.lock().unwrap(), 5);
    assert!(segment.open::<Mutex<u64>>("small").is_ok());
    assert!(matches!(
        segment.open::<AtomicArray<u64>>("large"),
        Err(EntryError::NotFound { .. })
    ));
    let large = segment.create::<AtomicArray<u64>>("large", Init::filled(1 << 10, 7));
    assert!(large.is_ok());
    assert_eq!(*small.lock().unwrap(), 5);
    let entries = segment.entries().unwrap();
    for (one, next) in entries.iter().zip(&entries[1..]) {
        assert!(one.offset + one.len <= next.offset, "they share bytes");
    }
    lost.ends();
}

/// So that the CAS of one that was taken for dead as it prepared, and that has another stamp, fails.
#[test]
fn each_creator_stamps_the_word_with_the_count() {
    let _watch = watch();
    let segment = SegmentOptions::new().participants(2).anonymous().unwrap();
    segment.create::<Mutex<u64>>("first", 0).unwrap();
    let window = Window::of(&segment);
    let stamped = window.long(COUNT).load(Relaxed);
    assert_eq!(
        stamped,
        1 << 42 | 1,
        "one entry, by the participant of index 0"
    );
    // As a creator that came in between has it.
    window.long(COUNT).store(1 << 42 | 1 << 32 | 1, Relaxed);
    segment.create::<Mutex<u64>>("second", 0).unwrap();
    assert_eq!(window.long(COUNT).load(Relaxed), 1 << 42 | 2);
    assert_eq!(segment.entries().unwrap().len(), 2);
}

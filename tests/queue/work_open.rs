//! The work queue: what it is not opened as, and what it refuses to be made as.

use crossdock::Segment;
use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::queue::{WorkOptions, WorkQueue};
use crossdock::segment::EntryError;

fn with_a_queue() -> Segment {
    let segment = Segment::anonymous().unwrap();
    let options = WorkOptions::new(4).max_attempts(3);
    segment.create::<WorkQueue<u64>>("work", options).unwrap();
    segment
}

#[test]
fn capacities_that_cannot_be_are_refused_with_both_bounds() {
    let segment = Segment::anonymous().unwrap();
    for capacity in [0, 1 << 20, 1 << 32, u64::MAX / 64, u64::MAX] {
        let refused = segment.create::<WorkQueue<u64>>("work", capacity);
        assert!(
            matches!(
                refused,
                Err(EntryError::Capacity { found, least: 1, most: 0xf_ffff }) if found == capacity
            ),
            "{capacity}: {refused:?}"
        );
    }
    assert!(segment.entries().unwrap().is_empty());
    let one = segment.create::<WorkQueue<u64>>("work", 1);
    assert_eq!(one.unwrap().capacity(), 1);
}

#[test]
fn attempts_that_cannot_be_are_refused_with_both_bounds() {
    let segment = Segment::anonymous().unwrap();
    for attempts in [0, 127, 128, 255] {
        let options = WorkOptions::new(4).max_attempts(attempts);
        let refused = segment.create::<WorkQueue<u64>>("work", options);
        assert!(
            matches!(
                refused,
                Err(EntryError::Attempts { found, least: 1, most: 126 }) if found == u64::from(attempts)
            ),
            "{attempts}: {refused:?}"
        );
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("126"), "{said}");
    }
    for attempts in [1, 126] {
        let options = WorkOptions::new(4).max_attempts(attempts);
        let name = attempts.to_string();
        let queue = segment.create::<WorkQueue<u64>>(&name, options).unwrap();
        assert_eq!(queue.max_attempts(), attempts);
        queue.send(7).unwrap();
        for attempt in 1..=attempts {
            assert_eq!(queue.try_recv().unwrap().attempt(), attempt);
        }
        let letter = queue.dead_letters().take().unwrap().unwrap();
        assert_eq!((*letter, letter.attempt()), (7, attempts));
        assert!(queue.is_idle());
    }
}

#[test]
fn a_capacity_that_the_arena_has_no_room_for_is_refused_by_bytes() {
    let segment = Segment::anonymous().unwrap();
    let most = WorkOptions::new((1 << 20) - 1);
    let refused = segment.create::<WorkQueue<u64>>("work", most);
    assert!(matches!(
        refused,
        Err(EntryError::ArenaFull { needed, free }) if needed > 64 << 20 && free < needed
    ));
    let refused = segment.create::<WorkQueue<[u64; 1 << 28]>>("work", most);
    assert!(refused.is_err());
    let refused = segment.create::<WorkQueue<[u64; 1 << 40]>>("work", WorkOptions::new(1));
    assert!(refused.is_err());
}

/// A payload that no entry is aligned to.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(256))]
struct Aligned([u8; 256]);
crossdock::payload!(Aligned, "test.aligned-256/1");

#[test]
fn a_payload_of_too_large_an_alignment_is_refused() {
    let segment = Segment::anonymous().unwrap();
    let refused = segment.create::<WorkQueue<Aligned>>("work", 2);
    let Err(EntryError::Payload { found }) = refused else {
        panic!("made: {refused:?}");
    };
    assert_eq!(found.align(), 256);
}

#[test]
fn other_numbers_are_an_error_that_names_both() {
    let segment = with_a_queue();
    let open = |options| segment.open_or_create::<WorkQueue<u64>>("work", options);
    for options in [WorkOptions::new(4), WorkOptions::new(4).max_attempts(4)] {
        let refused = open(options);
        let Err(EntryError::OtherConfig {
            name,
            expected,
            found,
        }) = refused
        else {
            panic!("opened: {refused:?}");
        };
        assert_eq!((&*name, *found), ("work", [4, 3, 0, 0]));
        assert_ne!(expected, found);
    }
    assert!(matches!(
        open(WorkOptions::new(5).max_attempts(3)),
        Err(EntryError::OtherCapacity {
            expected: 5,
            found: 4,
            ..
        })
    ));
    let same = open(WorkOptions::new(4).max_attempts(3)).unwrap();
    assert_eq!((same.capacity(), same.max_attempts()), (4, 3));
    let opened = segment.open::<WorkQueue<u64>>("work").unwrap();
    assert_eq!((opened.capacity(), opened.max_attempts()), (4, 3));
    assert!(open(WorkOptions::new(4).max_attempts(0)).is_err());
}

//! The work queue: what it is not opened as, and what it refuses to be made as.

use std::os::fd::AsFd;

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::queue::{Queue, WorkOptions, WorkQueue};
use crossdock::segment::{EntryError, Kind};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::support::image::{self, put_u64, sealed, sign_record};

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

#[test]
fn another_payload_is_an_error_that_names_both() {
    let segment = with_a_queue();
    let refused = segment.open::<WorkQueue<u32>>("work");
    let Err(EntryError::OtherPayload {
        expected, found, ..
    }) = refused
    else {
        panic!("opened: {refused:?}");
    };
    assert_eq!((expected.name(), expected.size()), ("u32".to_owned(), 4));
    assert_eq!((found.name(), found.size()), ("u64".to_owned(), 8));
    assert!(segment.open::<WorkQueue<i64>>("work").is_err());
    assert!(segment.open::<WorkQueue<[u32; 2]>>("work").is_err());
    assert!(segment.open::<WorkQueue<[u64; 2]>>("work").is_err());
}

#[test]
fn another_kind_is_an_error_that_names_both() {
    let segment = with_a_queue();
    segment.create::<Counter>("counter", 0).unwrap();
    segment.create::<Queue<u64>>("queue", 4).unwrap();
    for (name, kind) in [("counter", Kind::Counter), ("queue", Kind::Queue)] {
        let refused = segment.open::<WorkQueue<u64>>(name);
        assert!(
            matches!(&refused, Err(EntryError::OtherKind { expected: Kind::WorkQueue, found, .. }) if found.to_string() == kind.to_string()),
            "{refused:?}"
        );
    }
    assert!(matches!(
        segment.open::<Queue<u64>>("work"),
        Err(EntryError::OtherKind {
            expected: Kind::Queue,
            ..
        })
    ));
}

#[test]
fn a_record_whose_numbers_are_no_queues_is_an_error_though_its_checksum_is_right() {
    const PARTICIPANTS: usize = 4;
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(2);
    let segment = options.anonymous().unwrap();
    let work = WorkOptions::new(4).max_attempts(3);
    segment.create::<WorkQueue<u64>>("work", work).unwrap();
    let original = image::bytes(&segment.as_fd());
    let record = image::record(PARTICIPANTS, 0);
    // Capacity, attempts, what has to be 0 behind them, and the length.
    let forgeries = [
        (32, 0),
        (32, 5),
        (32, 1 << 20),
        (32, u64::MAX),
        (40, 0),
        (40, 127),
        (40, u64::MAX),
        (48, 1),
        (56, 1),
        (16, 8),
    ];
    for (at, value) in forgeries {
        let mut bytes = original.clone();
        put_u64(&mut bytes, record + at, value);
        sign_record(&mut bytes, record);
        let forged = Segment::try_from(sealed(&bytes)).unwrap();
        let opened = forged.open::<WorkQueue<u64>>("work");
        assert!(
            matches!(
                opened,
                Err(EntryError::OtherSize { .. } | EntryError::Corrupt { .. })
            ),
            "{at}: {value}: {opened:?}"
        );
        // Whoever repairs what dead participants left comes by as well.
        crate::support::process::in_child(|| {
            forged.create::<Counter>("counter", 0).map(drop).ok();
            std::mem::forget(forged.open::<Counter>("counter"));
        });
        forged.reap();
    }
    let whole = Segment::try_from(sealed(&original)).unwrap();
    whole.open::<WorkQueue<u64>>("work").unwrap();
}

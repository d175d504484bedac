//! The queue for many: what it is not opened as, and what it refuses to be made as.

use std::os::fd::AsFd;

use crossdock::queue::{Queue, spsc::Spsc};
use crossdock::segment::{EntryError, Kind};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::support::image::{self, put_u64, sealed, sign_record};

fn with_a_queue() -> Segment {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Queue<u64>>("queue", 4).unwrap();
    segment
}

#[test]
fn capacities_that_cannot_be_are_refused_with_both_bounds() {
    let segment = Segment::anonymous().unwrap();
    for capacity in [0, 1, (1 << 32) + 1, 1 << 40, u64::MAX / 16, u64::MAX] {
        let refused = segment.create::<Queue<u64>>("queue", capacity);
        assert!(
            matches!(
                refused,
                Err(EntryError::Capacity { found, least: 2, most: 0x1_0000_0000 }) if found == capacity
            ),
            "{capacity}"
        );
    }
    assert!(segment.entries().unwrap().is_empty());
    segment.create::<Queue<u64>>("queue", 2).unwrap();
}

#[test]
fn a_capacity_that_the_arena_has_no_room_for_is_refused_by_bytes() {
    let segment = Segment::anonymous().unwrap();
    for capacity in [1 << 30, 1 << 32] {
        let refused = segment.create::<Queue<u64>>("queue", capacity);
        assert!(
            matches!(refused, Err(EntryError::ArenaFull { needed, free }) if needed > 16 * capacity && free < needed),
            "{capacity}"
        );
    }
    let refused = segment.create::<Queue<[u64; 1 << 40]>>("queue", 2);
    assert!(refused.is_err());
}

#[test]
fn another_capacity_is_an_error_that_names_both() {
    let segment = with_a_queue();
    assert!(matches!(
        segment.open_or_create::<Queue<u64>>("queue", 5),
        Err(EntryError::OtherCapacity {
            expected: 5,
            found: 4,
            ..
        })
    ));
    assert_eq!(
        segment
            .open_or_create::<Queue<u64>>("queue", 4)
            .unwrap()
            .capacity(),
        4
    );
    assert_eq!(segment.open::<Queue<u64>>("queue").unwrap().capacity(), 4);
}

#[test]
fn another_payload_is_an_error_that_names_both() {
    let segment = with_a_queue();
    let Err(EntryError::OtherPayload {
        expected, found, ..
    }) = segment.open::<Queue<u32>>("queue")
    else {
        panic!("opened as another");
    };
    assert_eq!((expected.name(), expected.size()), ("u32".to_owned(), 4));
    assert_eq!((found.name(), found.size()), ("u64".to_owned(), 8));
    assert!(matches!(
        segment.open::<Queue<i64>>("queue"),
        Err(EntryError::OtherPayload { .. })
    ));
    assert!(matches!(
        segment.open::<Queue<[u64; 2]>>("queue"),
        Err(EntryError::OtherPayload { .. })
    ));
}

#[test]
fn another_kind_is_an_error_that_names_both() {
    let segment = with_a_queue();
    segment.create::<Counter>("counter", 0).unwrap();
    segment.create::<Spsc<u64>>("ring", 4).unwrap();
    for (name, kind) in [("counter", Kind::Counter), ("ring", Kind::Spsc)] {
        let refused = segment.open::<Queue<u64>>(name);
        assert!(
            matches!(&refused, Err(EntryError::OtherKind { expected: Kind::Queue, found, .. }) if found.to_string() == kind.to_string()),
            "{refused:?}"
        );
    }
    assert!(matches!(
        segment.open::<Spsc<u64>>("queue"),
        Err(EntryError::OtherKind {
            expected: Kind::Spsc,
            ..
        })
    ));
    assert!(matches!(
        segment.open::<Queue<u64>>("nothing"),
        Err(EntryError::NotFound { .. })
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
    segment.create::<Queue<u64>>("queue", 4).unwrap();
    let original = image::bytes(&segment.as_fd());
    let record = image::record(PARTICIPANTS, 0);
    // The capacity, what has to be 0 behind it, and the length.
    let forgeries = [
        (32, 0),
        (32, 1),
        (32, 5),
        (32, 3),
        (32, u64::MAX),
        (40, 1),
        (56, 1),
        (16, 8),
    ];
    for (at, value) in forgeries {
        let mut bytes = original.clone();
        put_u64(&mut bytes, record + at, value);
        sign_record(&mut bytes, record);
        let forged = Segment::try_from(sealed(&bytes)).unwrap();
        let opened = forged.open::<Queue<u64>>("queue");
        assert!(
            matches!(
                opened,
                Err(EntryError::OtherSize { .. } | EntryError::Corrupt { .. })
            ),
            "{at}: {value}: {opened:?}"
        );
    }
    assert!(
        Segment::try_from(sealed(&original))
            .unwrap()
            .open::<Queue<u64>>("queue")
            .is_ok()
    );
}

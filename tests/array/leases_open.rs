//! The array with leases: how it is made, what it is not opened as, and what is copied in and out.

use crossdock::array::{ArrayOptions, CopyError, Init, LeaseError};
use crossdock::segment::{EntryError, IntoConfig, Kind};
use crossdock::sync::LockError;
use crossdock::{Array, AtomicArray, Segment, SegmentOptions};

fn options(len: usize, chunk: usize) -> ArrayOptions<u32> {
    ArrayOptions::new(Init::zeroed(len)).chunk(chunk)
}

#[test]
fn it_is_made_of_whatever_makes_a_list_and_cut_into_chunks() {
    let segment = Segment::anonymous().unwrap();
    let lists: [ArrayOptions<u32>; 4] = [
        [0, 1, 2].into_config(),
        vec![0, 1, 2].into_config(),
        ArrayOptions::new(Init::from_fn(3, |index| u32::try_from(index).unwrap())).chunk(2),
        (0..3).collect::<Init<u32>>().into_config(),
    ];
    for (number, options) in lists.into_iter().enumerate() {
        let array = segment
            .create::<Array<u32>>(&number.to_string(), options)
            .unwrap();
        assert_eq!(*array.read().unwrap(), [0, 1, 2]);
        assert_eq!((array.len(), array.is_empty()), (3, false));
    }
    let array = segment.open::<Array<u32>>("2").unwrap();
    assert_eq!((array.chunks(), array.chunk_len()), (2, 2));
    assert_eq!(
        [0, 1, 2].map(|chunk| array.range(chunk)),
        [0..2, 2..3, 3..3]
    );
    assert_eq!(
        format!("{array:?}"),
        "Array { len: 3, chunk_len: 2, poisoned: false, .. }"
    );
    assert!(format!("{:?}", options(3, 2)).starts_with("ArrayOptions"));
}

#[test]
fn a_chunk_is_a_64th_in_whole_lines_unless_something_else_is_asked_for() {
    let segment = SegmentOptions::new().size(1 << 22).anonymous().unwrap();
    let cut = |len: usize| {
        let array = segment.create::<Array<u64>>(&len.to_string(), Init::zeroed(len));
        let array = array.unwrap();
        (array.chunks(), array.chunk_len())
    };
    assert_eq!(cut(1), (1, 1));
    assert_eq!(cut(16), (1, 16));
    assert_eq!(cut(17), (2, 16));
    assert_eq!(cut(1024), (64, 16));
    assert_eq!(cut(1025), (33, 32));
    assert_eq!(cut(100_000), (64, 1568));
}

#[test]
fn lengths_that_cannot_be_are_refused_with_their_bounds() {
    let segment = Segment::anonymous().unwrap();
    let refused = |options| segment.create::<Array<u32>>("array", options).unwrap_err();
    for (options, expected) in [
        (
            options(0, 1),
            format!(
                "expected a length of 1 to {}, found 0",
                isize::MAX as u64 / 4
            ),
        ),
        (
            options(5, 0),
            "expected chunks of 1 to 5 values, found 0".to_owned(),
        ),
        (
            options(5, 6),
            "expected chunks of 1 to 5 values, found 6".to_owned(),
        ),
    ] {
        assert_eq!(refused(options).to_string(), expected);
    }
    assert!(matches!(
        refused(Init::zeroed(0).into_config()),
        EntryError::Length { found: 0, .. }
    ));
    assert!(matches!(
        refused(Init::zeroed(1 << 61).into_config()),
        EntryError::Length { .. }
    ));
    let full = refused(Init::zeroed(1 << 40).into_config());
    assert!(
        matches!(full, EntryError::ArenaFull { needed, free } if needed > 1 << 42 && free < 1 << 20)
    );
    assert!(segment.entries().unwrap().is_empty());
}

#[test]
fn it_is_not_opened_as_what_it_is_not() {
    let segment = Segment::anonymous().unwrap();
    let array = segment
        .create::<Array<u32>>("array", options(10, 3))
        .unwrap();
    array.lease(3).unwrap().finish().unwrap();
    let again = segment
        .open_or_create::<Array<u32>>("array", options(10, 3))
        .unwrap();
    assert_eq!(again.chunks_left(), 3);
    let other = |options| {
        segment
            .open_or_create::<Array<u32>>("array", options)
            .unwrap_err()
    };
    assert!(matches!(
        other(options(11, 3)),
        EntryError::OtherLength {
            expected: 11,
            found: 10,
            ..
        }
    ));
    let chunks = other(options(10, 4));
    assert!(
        matches!(chunks, EntryError::OtherConfig { expected, found, .. } if (expected[1], found[1]) == (4, 3))
    );
    let payload = segment.open::<Array<f32>>("array").unwrap_err();
    assert!(matches!(payload, EntryError::OtherPayload { .. }));
    let kind = segment.open::<AtomicArray<u32>>("array").unwrap_err();
    assert!(matches!(
        kind,
        EntryError::OtherKind {
            expected: Kind::AtomicArray,
            ..
        }
    ));
    assert_eq!(segment.entries().unwrap()[0].kind.to_string(), "Array");
}

#[test]
fn a_chunk_that_there_is_none_of_is_refused_with_their_number() {
    let segment = Segment::anonymous().unwrap();
    let array = segment
        .create::<Array<u32>>("array", options(10, 3))
        .unwrap();
    for chunk in [4, 5, usize::MAX] {
        let refused = array.lease(chunk).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("expected one of 4 chunks, found number {chunk}")
        );
        assert!(matches!(refused, LeaseError::OutOfRange { chunks: 4, .. }));
        assert!(array.try_lease(chunk).is_err() && array.range(chunk).is_empty());
    }
}

#[test]
fn values_are_copied_where_there_are_as_many() {
    let segment = Segment::anonymous().unwrap();
    let array = segment
        .create::<Array<u32>>("array", options(10, 3))
        .unwrap();
    array.copy_from(8, &[1, 2]).unwrap();
    array.copy_from(0, &[3]).unwrap();
    array.copy_from(10, &[]).unwrap();
    let mut all = [9; 10];
    array.copy_to(0, &mut all).unwrap();
    assert_eq!(all, [3, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    for (at, count) in [(8, 3), (10, 1), (11, 0), (usize::MAX, 2)] {
        let refused = array.copy_to(at, &mut [7; 3][..count]).unwrap_err();
        let same = array.copy_from(at, &[7; 3][..count]).unwrap_err();
        assert_eq!(refused.to_string(), same.to_string());
        assert_eq!(
            refused.to_string(),
            format!("expected a part of 10 values, found {count} from number {at} on")
        );
        assert!(matches!(refused, CopyError::OutOfRange { len: 10, .. }));
    }
    array.copy_to(0, &mut all).unwrap();
    assert_eq!(all[8..], [1, 2], "nothing was copied");
}

#[test]
fn what_is_written_is_read_on_without_a_gap() {
    let segment = Segment::anonymous().unwrap();
    let array = segment
        .create::<Array<u32>>("array", options(4, 2))
        .unwrap();
    let mut values = array.write().unwrap();
    values.copy_from_slice(&[4, 3, 2, 1]);
    assert!(array.is_locked());
    let values = values.downgrade();
    assert_eq!(*values, [4, 3, 2, 1]);
    assert!(array.try_write().is_err());
    let also = array.try_read().unwrap();
    assert_eq!(
        (also.len(), also.owner_died(), also.is_poisoned()),
        (4, false, false)
    );
    drop((values, also));
    assert!(!array.is_locked());
    assert_eq!(array.lease_chunk().unwrap().unwrap()[0], 4);
}

#[test]
fn more_readers_than_can_be_counted_are_refused() {
    let segment = Segment::anonymous().unwrap();
    let array = segment
        .create::<Array<u32>>("array", options(4, 2))
        .unwrap();
    let readers: Vec<_> = (0..1023).map(|_| array.read().unwrap()).collect();
    assert!(matches!(
        array.read(),
        Err(LockError::TooManyReaders { most: 1023 })
    ));
    let copied = array.copy_to(0, &mut [0; 4]);
    assert!(matches!(
        copied,
        Err(CopyError::Lock(LockError::TooManyReaders { most: 1023 }))
    ));
    drop(readers);
    assert!(array.try_write().is_ok());
}

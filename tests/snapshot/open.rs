//! What can be created and opened, and what is refused by name.

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::segment::EntryError;
use crossdock::{Payload, Segment, SegmentOptions, Snapshot, SnapshotOptions};

fn with(readers: u64) -> SnapshotOptions<u64> {
    SnapshotOptions::new(7).readers(readers)
}

#[test]
fn numbers_of_readers_that_cannot_be_are_refused_by_name() {
    let segment = Segment::anonymous().unwrap();
    for readers in [0, 4095, 1 << 32, u64::MAX] {
        let refused = segment.create::<Snapshot<u64>>("s", with(readers));
        let Err(error) = refused else {
            panic!("{readers} readers");
        };
        let text = error.to_string();
        assert_eq!(text, format!("expected 1 to 4094 readers, found {readers}"));
        assert!(matches!(
            error,
            EntryError::Readers { found, least: 1, most: 4094 } if found == readers
        ));
    }
    let refused = segment.create::<Snapshot<u64>>("s", with(4094));
    assert!(matches!(refused, Err(EntryError::ArenaFull { .. })));
    assert!(segment.entries().unwrap().is_empty());
}

#[test]
fn it_opens_as_what_it_was_created_as_or_not_at_all() {
    let segment = Segment::anonymous().unwrap();
    segment.create::<Snapshot<u64>>("s", with(3)).unwrap();
    assert_eq!(segment.open::<Snapshot<u64>>("s").unwrap().readers(), 3);
    let same = segment.open_or_create::<Snapshot<u64>>("s", with(3));
    assert_eq!(same.unwrap().load().unwrap(), 7);
    assert!(matches!(
        segment.open_or_create::<Snapshot<u64>>("s", with(4)),
        Err(EntryError::OtherCapacity {
            expected: 4,
            found: 3,
            ..
        })
    ));
    assert!(matches!(
        segment.open::<Snapshot<i64>>("s"),
        Err(EntryError::OtherPayload { .. })
    ));
    assert!(matches!(
        segment.open::<crossdock::Mutex<u64>>("s"),
        Err(EntryError::OtherKind { .. })
    ));
    assert!(matches!(
        segment.create::<Snapshot<u64>>("s", with(3)),
        Err(EntryError::Exists { .. })
    ));
}

/// The first value is there, and the next ones, in the largest number of seats.
fn holds<T: Payload + Pod + PartialEq + std::fmt::Debug>(values: [T; 3], readers: u64) {
    let segment = SegmentOptions::new().size(1 << 22).anonymous().unwrap();
    let options = SnapshotOptions::new(values[0]).readers(readers);
    let snapshot = segment.create::<Snapshot<T>>("s", options).unwrap();
    let mut held: Vec<_> = (0..readers - 1)
        .map(|_| {
            let mut reader = snapshot.reader().unwrap();
            assert_eq!(*reader.read().unwrap(), values[0]);
            reader
        })
        .collect();
    let mut writer = snapshot.writer().unwrap();
    for (value, version) in values.iter().zip(1..) {
        assert_eq!(writer.publish(*value), Ok(version));
        assert_eq!(snapshot.load().unwrap(), *value);
        if let Some(reader) = held.last_mut() {
            assert_eq!(*reader.read().unwrap(), *value);
        }
        held.pop();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C, align(128))]
struct Aligned([u8; 256]);
crossdock::payload!(Aligned, "test.aligned-256/1");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[bytemuck(crate = "crossdock::bytemuck")]
#[repr(C, align(256))]
struct TooAligned([u8; 256]);
crossdock::payload!(TooAligned, "test.too-aligned/1");

#[test]
fn values_of_all_sizes_and_alignments_have_room() {
    for readers in [1, 2, 63, 64, 130] {
        holds([1_u8, 2, 3], readers);
        holds([[1_u16; 65], [2; 65], [3; 65]], readers);
        holds([[1_u64; 16], [2; 16], [3; 16]], readers);
        holds([[1_u8; 4097], [2; 4097], [3; 4097]], readers);
        holds(
            [Aligned([1; 256]), Aligned([2; 256]), Aligned([3; 256])],
            readers,
        );
        holds([[0_u64; 0]; 3], readers);
    }
    holds([1_u64, 2, 3], 4094);
}

#[test]
fn a_payload_that_no_segment_can_hold_is_refused_by_name() {
    let segment = Segment::anonymous().unwrap();
    let refused = segment.create::<Snapshot<TooAligned>>("s", TooAligned([0; 256]));
    assert!(matches!(refused, Err(EntryError::Payload { .. })));
}

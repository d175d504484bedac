//! The byte layout of snapshots, held from the outside: a change here is a new layout version.

use crossdock::bytemuck::Pod;
use crossdock::segment::Kind;
use crossdock::{Payload, Segment, SegmentOptions, Snapshot, SnapshotOptions};

use crate::support::image::{self, u64_at};

/// A snapshot in a segment of 4 participants.
fn created<T: Payload + Pod>(options: SnapshotOptions<T>) -> (Segment, Snapshot<T>) {
    let segment = SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(8)
        .anonymous()
        .unwrap();
    let snapshot = segment.create("s", options).unwrap();
    (segment, snapshot)
}

#[test]
fn a_snapshot_is_its_state_seats_stamps_and_buffers() {
    const LEFT: u64 = 1 << 29;
    let options = SnapshotOptions::new(7).readers(2);
    let (segment, snapshot) = created::<u64>(options);
    let entry = &segment.entries().unwrap()[0];
    assert_eq!(entry.kind.to_string(), "Snapshot");
    assert_eq!(entry.len, 256 + 2 * 128 + 128 + 4 * 128);
    let words = |places: &[usize]| -> Vec<u64> {
        let (bytes, at) = (
            image::bytes(&segment),
            usize::try_from(entry.offset).unwrap(),
        );
        places
            .iter()
            .map(|place| u64_at(&bytes, at + place))
            .collect()
    };
    let (latest, desk, seats) = (0, 128, [256, 384]);
    let (stamps, buffers) = ([512, 520, 528, 536], [640, 768, 896, 1024]);
    assert_eq!(words(&[latest, desk]), [0, 0]);
    assert_eq!(words(&buffers), [7, 0, 0, 0], "the first value");
    // The first participant, of generation 1.
    let me = 1 << 10;
    let mut readers = [(); 2].map(|()| snapshot.reader().unwrap());
    assert_eq!(words(&seats), [me, me], "nothing is read yet");
    let mut writer = snapshot.writer().unwrap();
    assert_eq!(words(&[desk]), [me]);
    readers[0].load().unwrap();
    assert_eq!(words(&seats), [2 << 32 | me, me], "2 and the buffer");
    writer.publish(8).unwrap();
    assert_eq!(words(&[latest]), [1 << 12 | 1], "version, buffer");
    assert_eq!(words(&stamps), [0, 1 << 12 | 1, 0, 0]);
    readers[1].load().unwrap();
    assert_eq!(words(&seats), [2 << 32 | me, 3 << 32 | me]);
    writer.publish(9).unwrap();
    assert_eq!(words(&[latest]), [2 << 12 | 2]);
    writer.publish(10).unwrap();
    assert_eq!(words(&stamps), [0, 1 << 12 | 1, 2 << 12 | 2, 3 << 12 | 3]);
    assert_eq!(words(&buffers), [7, 8, 9, 10]);
    drop(readers);
    drop(writer);
    assert_eq!(words(&seats), [0, 0]);
    assert_eq!(words(&[desk]), [LEFT], "and nobody sleeps");
    let (bytes, record) = (image::bytes(&segment), image::record(4, 0));
    assert_eq!(u64_at(&bytes, record), Kind::Snapshot as u64);
    let config = [32, 40, 48, 56].map(|at| u64_at(&bytes, record + at));
    assert_eq!(config, [2, 0, 0, 0], "the seats");
}

/// The length of an entry, its payload's size, and its alignment.
fn recorded<T: Payload + Pod>(options: SnapshotOptions<T>) -> (u64, u64, u64) {
    let (segment, _) = created(options);
    let entry = &segment.entries().unwrap()[0];
    assert_eq!(entry.kind.to_string(), "Snapshot");
    (entry.len, entry.payload.size(), entry.payload.align())
}

#[test]
fn buffers_of_a_snapshot_are_a_multiple_of_128_bytes_apart() {
    let seats = |readers| SnapshotOptions::new(0_u8).readers(readers);
    let (fixed, each) = (256, 128);
    let bytes = recorded(seats(1));
    assert_eq!(bytes, (fixed + each + 128 + 3 * 128, 1, 1));
    let bytes = recorded(seats(14));
    assert_eq!(bytes, (fixed + 14 * each + 128 + 16 * 128, 1, 1));
    let bytes = recorded(seats(15));
    assert_eq!(bytes, (fixed + 15 * each + 256 + 17 * 128, 1, 1));
    let hundreds = SnapshotOptions::new([0_u64; 17]).readers(1);
    let bytes = recorded(hundreds);
    assert_eq!(bytes, (fixed + each + 128 + 3 * 256, 136, 8));
}

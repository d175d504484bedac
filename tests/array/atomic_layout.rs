//! The bytes of an array of atomics, from the outside.

use std::os::fd::AsFd;

use crossdock::array::{Atomic, Init};
use crossdock::segment::IntoConfig;
use crossdock::{AtomicArray, Segment, SegmentOptions};

use crate::support::image::{self, u32_at, u64_at};

const PARTICIPANTS: usize = 4;
const ARENA: usize = 4096;

fn segment() -> Segment {
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(4);
    options.anonymous().unwrap()
}

/// The record and the bytes of an array.
fn bytes_of<T: Atomic>(values: impl IntoConfig<Init<T>>) -> (Vec<u8>, Vec<u8>) {
    let segment = segment();
    segment.create::<AtomicArray<T>>("array", values).unwrap();
    let bytes = image::bytes(&segment.as_fd());
    let record = image::record(PARTICIPANTS, 0);
    (
        bytes[record..record + 256].to_vec(),
        bytes[ARENA..].to_vec(),
    )
}

#[test]
fn the_record_says_kind_length_and_payload() {
    let (record, _) = bytes_of::<u16>(Init::zeroed(5));
    assert_eq!(u64_at(&record, 0), 12, "kind");
    assert_eq!(u64_at(&record, 8), ARENA as u64, "offset");
    assert_eq!(u64_at(&record, 16), 12 + 8 * 4, "bytes, and event counts");
    assert_eq!(
        (u32_at(&record, 24), u32_at(&record, 28)),
        (2, 2),
        "size, align"
    );
    assert_eq!(u64_at(&record, 32), 5, "length");
    assert!(record[40..72].iter().all(|byte| *byte == 0));
    assert_eq!(&record[192..196], b"u16\0");
    assert_eq!(&bytes_of::<bool>([true]).0[192..197], b"bool\0");
    assert_eq!(&bytes_of::<f32>([1.0]).0[192..196], b"f32\0");
}

#[test]
fn behind_the_elements_is_an_event_count_for_each_up_to_16() {
    let lengths = [1, 2, 3, 16, 17, 1000].map(|len| {
        let (record, _) = bytes_of::<u8>(Init::zeroed(len));
        u64_at(&record, 16)
    });
    assert_eq!(lengths, [4 + 4, 4 + 8, 4 + 16, 16 + 64, 20 + 64, 1000 + 64]);
}

#[test]
fn elements_lie_side_by_side_from_the_start() {
    let (_, bytes) = bytes_of([0x0102_u16, 0x0304, 0xffff]);
    assert_eq!(bytes[..8], [2, 1, 4, 3, 0xff, 0xff, 0, 0]);
    let (_, bytes) = bytes_of([-2_i32, 1]);
    assert_eq!(bytes[..9], [0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0]);
    let (_, bytes) = bytes_of([true, false, true]);
    assert_eq!(bytes[..4], [1, 0, 1, 0]);
    let (_, bytes) = bytes_of([1.0_f64]);
    assert_eq!(bytes[..8], 1.0_f64.to_le_bytes());
    let (_, bytes) = bytes_of::<u8>(Init::filled(3, 9));
    assert_eq!(bytes[..4], [9, 9, 9, 0]);
    let (_, bytes) = bytes_of::<u64>(Init::from_fn(3, |index| index as u64 + 1));
    assert_eq!([0, 8, 16, 24].map(|at| u64_at(&bytes, at)), [1, 2, 3, 0]);
}

#[test]
fn what_was_stored_before_a_creator_died_is_not_in_a_zeroed_array() {
    let segment = segment();
    let window = image::Window::of(&segment);
    for at in ARENA..ARENA + 64 {
        window
            .byte(at)
            .store(0xaa, std::sync::atomic::Ordering::Relaxed);
    }
    let array = segment
        .create::<AtomicArray<u8>>("array", Init::zeroed(64))
        .unwrap();
    assert_eq!(array.to_vec(), [0; 64]);
}

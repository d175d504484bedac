//! The bytes of an array with leases, from the outside: a change here is a new layout version.

use std::os::fd::AsFd;

use crossdock::array::{ArrayOptions, Init};
use crossdock::{Array, Segment, SegmentOptions};

use crate::support::image::{self, record, u32_at, u64_at};
use crate::support::process::holder;

const OPEN: u32 = 1 << 31;
const DIED: u32 = 1 << 30;
const DONE: u32 = 1 << 29;

/// Behind the lock: the word of the grid; a cell for each of 4 participants; a word for each chunk; the
/// values.
const GRID: usize = 256;
const CELLS: usize = 384;
const CHUNKS: usize = CELLS + 4 * 128;
const VALUES: usize = CHUNKS + 128;

fn segment() -> Segment {
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(4)
        .entries(8);
    options.anonymous().unwrap()
}

/// The tag that index and generation make.
const fn tag(index: u32, generation: u32) -> u32 {
    generation << 10 | index
}

#[test]
fn an_array_is_a_lock_a_grid_cells_words_of_chunks_and_values() {
    let segment = segment();
    let options = ArrayOptions::new([10_u64, 11, 12, 13, 14]).chunk(2);
    let array = segment.create::<Array<u64>>("array", options).unwrap();
    let entry = &segment.entries().unwrap()[0];
    assert_eq!(
        (entry.kind.to_string(), entry.len),
        ("Array".to_owned(), VALUES as u64 + 5 * 8)
    );
    let at = usize::try_from(entry.offset).unwrap();
    let bytes = || image::bytes(&segment.as_fd());
    let chunks = || [0, 1, 2].map(|chunk| u32_at(&bytes(), at + CHUNKS + 4 * chunk));
    let grid = || u32_at(&bytes(), at + GRID);
    let values = [0, 1, 2, 3, 4].map(|value| u64_at(&bytes(), at + VALUES + 8 * value));
    assert_eq!(values, [10, 11, 12, 13, 14]);
    assert_eq!((grid(), chunks()), (0, [0; 3]), "closed, to do");

    let chunk = array.lease(1).unwrap();
    assert_eq!((grid(), chunks()), (1, [OPEN, OPEN | tag(0, 1), OPEN]));
    chunk.finish().unwrap();
    assert_eq!(chunks(), [OPEN, OPEN | DONE, OPEN]);
    holder(|| array.lease(2).unwrap()).kill();
    assert_eq!(chunks()[2], OPEN | tag(1, 1));
    segment.reap();
    assert_eq!(chunks()[2], OPEN | DIED);
    drop(array.read().unwrap());
    assert_eq!((grid(), chunks()), (0, [0, DONE, DIED]), "closed");
    array.restart().unwrap();
    assert_eq!((grid(), chunks()), (1 << 2, [0, 0, DIED]), "one restart");

    let record = &bytes()[record(4, 0)..];
    assert_eq!(u64_at(record, 0), 11, "the kind");
    let config = [32, 40, 48, 56].map(|at| u64_at(record, at));
    assert_eq!(config, [5, 2, 0, 0], "length, that of a chunk");
}

#[test]
fn values_begin_at_a_multiple_of_128_whatever_they_are() {
    let segment = segment();
    for (number, chunks) in [1, 32, 33].into_iter().enumerate() {
        let options = ArrayOptions::new(Init::<u8>::zeroed(chunks)).chunk(1);
        let name = number.to_string();
        segment.create::<Array<u8>>(&name, options).unwrap();
        let words = (4 * chunks).next_multiple_of(128);
        let entry = &segment.entries().unwrap()[number];
        assert_eq!(entry.len, (CHUNKS + words + chunks) as u64);
    }
}

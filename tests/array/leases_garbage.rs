//! The array with leases, over bytes that no array has written: whatever they are, every operation ends, and
//! works or says what is wrong.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::array::{ArrayOptions, Init, Lease, LeaseError, LeaseTimeoutError};
use crossdock::{Array, Fault, Segment, SegmentOptions};
use proptest::prelude::*;

use crate::support::image::Window;

/// How long garbage may keep an operation waiting.
const SHORT: Duration = Duration::from_micros(100);
/// Where the grid's word is in an entry, the cells are, the chunks' words, and the values.
const GRID: usize = 256;
const CELLS: usize = 384;
const CHUNKS: usize = CELLS + 4 * 128;
const VALUES: usize = CHUNKS + 128;

/// A segment with one array in it, and its bytes.
struct Place {
    segment: Segment,
    window: Window,
    bytes: Range<usize>,
}

impl Place {
    fn new() -> Self {
        let options = SegmentOptions::new()
            .size(1 << 14)
            .participants(4)
            .entries(2);
        let segment = options.anonymous().unwrap();
        let array = ArrayOptions::new(Init::zeroed(12)).chunk(4);
        segment.create::<Array<u64>>("array", array).unwrap();
        let entry = &segment.entries().unwrap()[0];
        let begin = usize::try_from(entry.offset).unwrap();
        assert_eq!(entry.len, VALUES as u64 + 12 * 8);
        Self {
            window: Window::of(&segment),
            bytes: begin..begin + usize::try_from(entry.len).unwrap(),
            segment,
        }
    }

    fn open(&self) -> Array<u64> {
        self.segment.open("array").unwrap()
    }

    /// All words 0, as those of an array that nobody was ever at.
    fn fresh(&self) -> Array<u64> {
        for at in self.bytes.clone().step_by(8) {
            self.window.long(at).store(0, Relaxed);
        }
        self.open()
    }

    fn write(&self, at: usize, word: u32) {
        let at = at / 4 * 4 % self.bytes.len();
        self.window.word(self.bytes.start + at).store(word, Relaxed);
    }
}

/// Whether it was had; it is not any more.
fn works<T, E>(came: Result<T, E>) -> bool {
    came.is_ok()
}

/// All operations that end by themselves whoever else is at work; how many of them have worked.
fn everything(array: &Array<u64>) -> usize {
    let worked = [
        works(
            array
                .try_lease_chunk()
                .map(|chunk| chunk.map(Lease::finish)),
        ),
        works(array.lease_chunk_timeout(SHORT)),
        works(array.try_lease(1).map(Lease::finish)),
        works(array.lease_timeout(2, SHORT)),
        works(array.try_read()),
        works(array.read_timeout(SHORT)),
        works(array.try_write()),
        works(array.write_timeout(SHORT)),
    ];
    let _ = array.is_poisoned();
    assert!(array.chunks_left() <= array.chunks());
    assert!(!format!("{array:?}").is_empty());
    worked.iter().filter(|worked| **worked).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_word_of_a_chunk_that_nobody_can_have_is_shown(word: u32) {
        let place = Place::new();
        let array = place.fresh();
        // The generation of nobody, or an index that there is none of.
        let word = if word % 2 == 0 { word | 4 } else { word & !(0x7ffff << 10) | 1 };
        place.write(CHUNKS + 4, word);
        let refused = array.lease_timeout(1, SHORT).unwrap_err();
        prop_assert!(
            matches!(refused, LeaseTimeoutError::Lease(LeaseError::Fault(Fault::Corrupt { word: found, .. })) if found == u64::from(word)),
            "{word:#x}: {refused}"
        );
        prop_assert_eq!(refused.to_string(), format!("expected the state of an Array, found {word:#x}"));
        prop_assert!(array.lease_timeout(0, SHORT).is_ok(), "the others are as they were");
    }

    #[test]
    fn a_word_of_the_grid_that_it_never_has_is_shown(word: u32) {
        let place = Place::new();
        let array = place.fresh();
        place.write(GRID, word | 3);
        let refused = array.lease_timeout(1, SHORT).unwrap_err();
        let shown = matches!(refused, LeaseTimeoutError::Lease(LeaseError::Fault(Fault::Corrupt { word: found, .. })) if found == u64::from(word | 3));
        prop_assert!(shown, "{refused}");
        prop_assert!(array.read_timeout(SHORT).is_err());
        prop_assert!(array.restart().is_err());
    }
}

#[test]
fn a_chunk_of_one_that_nobody_is_can_be_had() {
    let place = Place::new();
    let array = place.fresh();
    // Index 2 of generation 77: no participant.
    place.write(CHUNKS + 4, 77 << 10 | 2);
    let chunk = array.lease(1).unwrap();
    assert!(chunk.holder_died());
    chunk.finish().unwrap();
    assert_eq!(everything(&array), 8);
}

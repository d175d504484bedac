//! The array with leases, over words that no array has written, and what it says of them.

use std::sync::atomic::Ordering::Relaxed;

use crossdock::array::{ArrayOptions, Init, LeaseError, LeaseTimeoutError};
use crossdock::{Array, Fault};
use proptest::prelude::*;

use crate::support::garbage::{Garbage, SHORT};

/// Where the grid's word is in an entry, the cells are, the chunks' words, and the values.
const GRID: usize = 256;
const CELLS: usize = 384;
const CHUNKS: usize = CELLS + 4 * 128;
const VALUES: usize = CHUNKS + 128;

fn entry() -> Garbage<Array<u64>> {
    let place = Garbage::of(ArrayOptions::new(Init::zeroed(12)).chunk(4));
    assert_eq!(place.bytes.len(), VALUES + 12 * 8);
    place
}

/// Writes a word of 32 bits.
fn write(place: &Garbage<Array<u64>>, at: usize, word: u32) {
    place
        .window
        .word(place.bytes.start + at)
        .store(word, Relaxed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_word_of_a_chunk_that_nobody_can_have_is_shown(word: u32) {
        let place = entry();
        let array = place.fresh();
        // The generation of nobody, or an index that there is none of.
        let word = if word % 2 == 0 { word | 4 } else { word & !(0x7ffff << 10) | 1 };
        write(&place, CHUNKS + 4, word);
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
        let place = entry();
        let array = place.fresh();
        write(&place, GRID, word | 3);
        let refused = array.lease_timeout(1, SHORT).unwrap_err();
        let shown = matches!(refused, LeaseTimeoutError::Lease(LeaseError::Fault(Fault::Corrupt { word: found, .. })) if found == u64::from(word | 3));
        prop_assert!(shown, "{refused}");
        prop_assert!(array.read_timeout(SHORT).is_err());
        prop_assert!(array.restart().is_err());
    }
}

#[test]
fn a_chunk_of_one_that_nobody_is_can_be_had() {
    let place = entry();
    let array = place.fresh();
    // Index 2 of generation 77: no participant.
    write(&place, CHUNKS + 4, 77 << 10 | 2);
    let chunk = array.lease(1).unwrap();
    assert!(chunk.holder_died());
    chunk.finish().unwrap();
    assert!(array.try_read().is_ok() && array.try_write().is_ok());
    array.lease(0).unwrap().finish().unwrap();
}

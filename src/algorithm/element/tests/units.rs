//! One process and elements.

use proptest::prelude::*;

use super::super::{ElementState, Word};
use crate::facade::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};

/// Every operation in turn on an element of one width, against plain numbers.
macro_rules! is_a_number {
    ($($name:ident $atomic:ident $bits:ident)*) => {$(
        proptest! {
            #[test]
            fn $name(start: $bits, other: $bits, new: $bits) {
                let element = ElementState::new($atomic::new(start));
                prop_assert_eq!(element.add(other), start);
                prop_assert_eq!(element.sub(new), start.wrapping_add(other));
                let now = start.wrapping_add(other).wrapping_sub(new);
                prop_assert_eq!(element.swap(start), now);
                prop_assert_eq!(element.and(other), start);
                prop_assert_eq!(element.or(new), start & other);
                prop_assert_eq!(element.xor(start), start & other | new);
                let now = (start & other | new) ^ start;
                prop_assert_eq!(element.exchange(!now, new), Err(now));
                prop_assert_eq!(element.exchange(now, new), Ok(now));
                prop_assert_eq!(element.update(|bits| Some(bits ^ other)), Ok(new));
                prop_assert_eq!(element.update(|_| None), Err(new ^ other));
                element.set(start);
                prop_assert_eq!(element.get(), start);
            }
        }
    )*};
}
is_a_number! {
    an_element_of_8_bits_is_a_number AtomicU8 u8
    an_element_of_16_bits_is_a_number AtomicU16 u16
    an_element_of_32_bits_is_a_number AtomicU32 u32
    an_element_of_64_bits_is_a_number AtomicU64 u64
}

fn list<W: Word>(words: impl IntoIterator<Item = W>) -> Vec<ElementState<W>> {
    words.into_iter().map(ElementState::new).collect()
}

proptest! {
    #[test]
    fn what_is_copied_in_is_copied_out(first: Vec<u16>, second: Vec<u16>) {
        let elements = list(first.iter().copied().map(AtomicU16::new));
        let pairs = elements.iter().zip(second.iter().copied());
        ElementState::copy_in(pairs);
        let mut expected = first;
        let both = second.len().min(expected.len());
        expected[..both].copy_from_slice(&second[..both]);

        let all: Vec<u16> = ElementState::collect(elements.iter(), |bits| bits);
        prop_assert_eq!(&all, &expected);
        let mut places = vec![0; expected.len()];
        ElementState::copy_out(elements.iter().zip(&mut places), |bits| bits);
        prop_assert_eq!(places, expected);
    }
}

#[test]
fn a_contended_update_is_computed_from_the_latest_value() {
    let element = ElementState::new(AtomicU64::new(1));
    let mut calls = 0;
    let before = element.update(|bits| {
        calls += 1;
        if calls == 1 {
            element.set(10);
        }
        Some(bits * 2)
    });
    assert_eq!((before, element.get(), calls), (Ok(10), 20, 2));
}

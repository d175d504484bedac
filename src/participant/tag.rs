//! Tags: the holder of something, in 29 bits of the very word that says that it is held.

use core::num::NonZeroU32;

use crate::format::{MAX_PARTICIPANTS, PARTICIPANT_BITS as INDEX_BITS};

/// Bits of a tag that hold the generation of that index.
const GENERATION_BITS: u32 = 19;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// The largest generation; the next one is 1 again, since 0 stands for no holder.
pub(crate) const GENERATION_MAX: u32 = (1 << GENERATION_BITS) - 1;

/// One membership of one process in one segment: the index of its registry entry, and the
/// generation that tells it from the earlier owners of that index.
///
/// ```text
///  28                  10 9            0
/// |   generation: 19     |   index: 10  |
/// ```
///
/// A generation is never 0, so a tag is never 0 and a word that is 0 is not held. An index is given
/// away again only after every word has lost its old tag, so the 524,287 generations are needed
/// only for helpers that were stopped in the middle of a repair. The registry makes them last a day
/// at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag(NonZeroU32);

impl Tag {
    /// The bits that a tag can have; the rest of a word is its owner's.
    pub(crate) const MASK: u32 = (1 << (INDEX_BITS + GENERATION_BITS)) - 1;
    /// The most participants that a segment can have.
    pub(crate) const MAX_PARTICIPANTS: u32 = MAX_PARTICIPANTS;

    pub(crate) fn new(index: u32, generation: u32) -> Option<Self> {
        let fits = index < Self::MAX_PARTICIPANTS && (1..=GENERATION_MAX).contains(&generation);
        let bits = NonZeroU32::new(generation << INDEX_BITS | index);
        bits.filter(|_| fits).map(Self)
    }

    /// The tag in a word's low bits; `None` when they are 0 or no tag of a registry with so many
    /// participants.
    #[inline]
    pub(crate) fn in_word(word: u32, participants: u32) -> Option<Self> {
        let tag = Self(NonZeroU32::new(word & Self::MASK)?);
        (tag.generation() != 0 && tag.index() < participants).then_some(tag)
    }

    /// The tag with these [`bits`](Self::bits), which this process has stored itself; `None` for 0.
    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }

    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0.get()
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.bits() & INDEX_MASK
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.bits() >> INDEX_BITS
    }

    /// The generation after this one.
    pub(crate) fn next_generation(generation: u32) -> u32 {
        if generation >= GENERATION_MAX {
            1
        } else {
            generation + 1
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tag_is_what_it_was_made_of(index in 0..Tag::MAX_PARTICIPANTS, generation in 1..=GENERATION_MAX) {
            let tag = Tag::new(index, generation).unwrap();
            prop_assert_eq!((tag.index(), tag.generation()), (index, generation));
            prop_assert_ne!(tag.bits(), 0);
            prop_assert_eq!(tag.bits() & !Tag::MASK, 0);
        }

        #[test]
        fn flags_above_a_tag_do_not_change_it(index in 0..Tag::MAX_PARTICIPANTS, generation in 1..=GENERATION_MAX, flags: u32) {
            let tag = Tag::new(index, generation).unwrap();
            let word = tag.bits() | (flags & !Tag::MASK);
            prop_assert_eq!(Tag::in_word(word, Tag::MAX_PARTICIPANTS), Some(tag));
        }

        #[test]
        fn any_word_gives_a_tag_inside_the_registry_or_none(word: u32, participants in 1..=Tag::MAX_PARTICIPANTS) {
            if let Some(tag) = Tag::in_word(word, participants) {
                prop_assert!(tag.index() < participants);
                prop_assert!((1..=GENERATION_MAX).contains(&tag.generation()));
                prop_assert_eq!(tag.bits(), word & Tag::MASK);
            }
        }

        #[test]
        fn the_next_generation_is_another_valid_one(generation in 0..=GENERATION_MAX) {
            let next = Tag::next_generation(generation);
            prop_assert!((1..=GENERATION_MAX).contains(&next));
            prop_assert_ne!(next, generation);
        }
    }

    #[test]
    fn bounds_are_refused() {
        assert_eq!(Tag::new(Tag::MAX_PARTICIPANTS, 1), None);
        assert_eq!(Tag::new(0, 0), None);
        assert_eq!(Tag::new(0, GENERATION_MAX + 1), None);
    }
}

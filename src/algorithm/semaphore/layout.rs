//! The words of a semaphore, and their offsets in an entry.

use crate::format::PADDING;
use crate::participant::Tag;

/// A permit that no participant holds.
pub(crate) const FREE: u32 = 0;
/// No permit: one can be added here.
pub(crate) const ABSENT: u32 = 1 << 29;

/// The value of a permit's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PermitState {
    Free,
    Absent,
    /// A participant holds it, alive or dead.
    Held(Tag),
    /// No semaphore has such a word.
    Corrupt,
}

impl PermitState {
    pub(crate) fn of(word: u32, participants: u32) -> Self {
        match word {
            FREE => Self::Free,
            ABSENT => Self::Absent,
            word if word & !Tag::MASK != 0 => Self::Corrupt,
            word => Tag::in_word(word, participants).map_or(Self::Corrupt, Self::Held),
        }
    }
}

/// The offset of the permits' words in the entry, in bytes.
pub(crate) const WORDS: u64 = PADDING as u64;
/// The least and the greatest number of words.
pub(crate) const MOST: (u64, u64) = (1, 65_535);

/// Returns the bytes of an entry with `permits` at first and room for `most`; `None` if there is
/// none.
pub(crate) fn entry_len(permits: u64, most: u64) -> Option<u64> {
    let (least, greatest) = MOST;
    let fits = (least..=greatest).contains(&most) && permits <= most;
    fits.then(|| WORDS + most * size_of::<u32>() as u64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_is_a_permits_or_corrupt(word: u32, small in 0_u32..1 << 30, participants in 1..=Tag::MAX_PARTICIPANTS) {
            for word in [word, small] {
                match PermitState::of(word, participants) {
                    PermitState::Free => prop_assert_eq!(word, FREE),
                    PermitState::Absent => prop_assert_eq!(word, ABSENT),
                    PermitState::Held(tag) => {
                        prop_assert_eq!(tag.bits(), word);
                        prop_assert!(tag.index() < participants);
                    }
                    PermitState::Corrupt => prop_assert!(Tag::in_word(word, participants).is_none() || word > Tag::MASK),
                }
            }
        }

        #[test]
        fn an_entry_has_a_word_for_each_permit_or_there_is_none(permits in 0_u64..70_000, most in 0_u64..70_000) {
            match entry_len(permits, most) {
                Some(len) => prop_assert!(permits <= most && len == 128 + 4 * most),
                None => prop_assert!(permits > most || most == 0 || most > 65_535),
            }
        }
    }
}

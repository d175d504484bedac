//! The index of the directory: which record has a name, found by the name's hash.
//!
//! ```text
//! bits of a slot   0..17          17..32
//!               | number + 1 | mark: 15 bits of the name's hash |      0: the slot is empty
//! ```
//!
//! Slots of 4 bytes, at least twice as many as entries and a power of two. A name's slots are
//! looked through from its home on, round the end, until an empty one.

use crate::format::Name;
use crate::format::checksum::checksum;

/// The most entries that a directory can have: their numbers fit a slot.
pub(crate) const MAX_ENTRIES: u32 = 1 << NUMBER_BITS >> 1;
const NUMBER_BITS: u32 = 17;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;

/// How many slots the index of so many entries has.
pub(crate) fn index_slots(entries: u32) -> u32 {
    (entries.saturating_mul(2)).next_power_of_two()
}

/// Where a name is looked for first, and what its slot says beside the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NameHash(u64);

impl NameHash {
    pub(crate) fn of(name: Name) -> Self {
        Self(checksum(name.words()))
    }

    /// All of the hash.
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// The first of so many slots to look at; `slots` is a power of two.
    pub(crate) fn home(self, slots: usize) -> usize {
        let low = u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(0);
        low as usize & slots.wrapping_sub(1)
    }

    /// The slot of the record with this name and that number.
    pub(crate) fn slot(self, number: u32) -> Slot {
        Slot(self.mark() | ((number + 1) & NUMBER))
    }

    fn mark(self) -> u32 {
        u32::try_from(self.0 >> u32::BITS).unwrap_or(0) & !NUMBER
    }
}

/// What a slot that is not empty says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot(u32);

impl Slot {
    /// The slot in a word; `None` if it is empty.
    pub(crate) fn from_word(word: u32) -> Option<Self> {
        (word != 0).then_some(Self(word))
    }

    pub(crate) fn word(self) -> u32 {
        self.0
    }

    /// The number of the record; `None` in garbage.
    pub(crate) fn number(self) -> Option<u32> {
        (self.0 & NUMBER).checked_sub(1)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slot_says_the_number_and_is_not_empty(text in "[a-z0-9-]{1,40}", number in 0..MAX_ENTRIES) {
            let hash = NameHash::of(Name::entry(&text).unwrap());
            let slot = hash.slot(number);
            prop_assert_eq!(slot.number(), Some(number));
            prop_assert_eq!(Slot::from_word(slot.word()), Some(slot));
        }

        #[test]
        fn a_home_is_one_of_the_slots(text in "[a-z0-9-]{1,40}", entries in 1..=MAX_ENTRIES) {
            let slots = index_slots(entries);
            prop_assert!(slots >= 2 * entries && slots.is_power_of_two());
            let hash = NameHash::of(Name::entry(&text).unwrap());
            prop_assert!(hash.home(slots as usize) < slots as usize);
        }
    }

    /// Names that count up, as those of many entries do, spread over the slots.
    #[test]
    fn numbered_names_have_short_ways_from_home() {
        let entries = 16_384;
        let slots = index_slots(entries) as usize;
        let mut taken = vec![false; slots];
        let mut steps = 0;
        for number in 0..entries {
            let name = Name::entry(&format!("entry-{number}")).unwrap();
            let home = NameHash::of(name).home(slots);
            let way = (0..slots).find(|way| !taken[(home + way) % slots]).unwrap();
            taken[(home + way) % slots] = true;
            steps += way;
        }
        assert!(
            steps < entries as usize,
            "{steps} steps for {entries} names"
        );
    }
}

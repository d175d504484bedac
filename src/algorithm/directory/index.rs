//! The index of the directory: names to records, so that a look-up does not read all of them.
//!
//! # State
//!
//! Slots, each one word that is empty or names a record, and the number of records that certainly
//! have one.
//!
//! # Protocol
//!
//! Records are authoritative, and the index follows them: only a published record gets a slot, and
//! no slot is ever emptied.
//!
//! - index: the creator of a record, which holds the control mutex, gives a slot to each record
//!   from that number on, then stores the new number.
//! - find: load that number, then the count of records; follow the slots from the name's home; then
//!   compare the records in between. There are none, except while one is created or after its
//!   creator was killed.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | after the record is published, before its slot | a record that is found by comparing it | the next creator gives it a slot |
//! | after the slot, before the number | the same, and a correct slot | the next creator finds the slot and continues |
//!
//! A slot is taken by compare-and-swap from empty, so a creator that stopped here and was wrongly
//! taken for dead overwrites nothing later: what it adds is correct, and a number that it sets back
//! makes others compare more records.
//!
//! # Garbage
//!
//! A slot that names a missing record, or a record whose name has another mark, is reported. A slot
//! that was emptied hides its record: that cannot be detected.
//!
//! # Ordering
//!
//! (X1) a slot's compare-and-swap (Release) pairs with the loads that follow it (Acquire): the
//! record and the count that it is below. (X2) the store of the number (Release) pairs with the
//! load in `find` (Acquire): all slots of the records below it.

use crate::facade::{AtomicU32, Ordering, mutation, ordering};
use crate::format::{Name, NameHash, Slot};

/// The index over borrowed state.
#[derive(Clone, Copy)]
pub(crate) struct Index<'a> {
    /// The number of records that have a slot, from the first on.
    pub(crate) indexed: &'a AtomicU32,
    /// The slots, a power of two of them.
    pub(crate) slots: &'a [AtomicU32],
}

/// An impossible value of a slot, or the lack of an empty slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IndexGarbage;

impl<'a> Index<'a> {
    /// Returns the number of records that certainly have a slot.
    pub(crate) fn indexed(self) -> u32 {
        // ORDERING: Acquire; pairs with (X2).
        let acquire = ordering(Ordering::Acquire, 701);
        self.indexed.load(acquire)
    }

    /// Stores that all records below `count` have a slot.
    pub(crate) fn set_indexed(self, count: u32) {
        // ORDERING: Release; (X2) publishes the slots of all records below `count`.
        let release = ordering(Ordering::Release, 702);
        self.indexed.store(count, release);
    }

    /// Returns the slots for `hash`, from its home to the first that is empty.
    pub(crate) fn slots(
        self,
        hash: NameHash,
    ) -> impl Iterator<Item = Result<Slot, IndexGarbage>> + 'a {
        let mut words = self.words_for(hash);
        let mut ended = false;
        core::iter::from_fn(move || {
            if ended {
                return None;
            }
            let Some(word) = words.next() else {
                ended = true;
                return Some(Err(IndexGarbage));
            };
            // ORDERING: Acquire; pairs with (X1).
            let acquire = ordering(Ordering::Acquire, 700);
            Slot::from_word(word.load(acquire)).map(Ok)
        })
    }

    /// Gives the published record of that name and number a slot, if it has none. Returns false if
    /// no slot is empty, which only garbage causes.
    pub(crate) fn insert(self, name: Name, number: u32) -> bool {
        let hash = NameHash::of(name);
        let slot = hash.slot(number).word();
        for word in self.words_for(hash) {
            // ORDERING: Relaxed; the record behind it is not read here.
            let mut found = word.load(Ordering::Relaxed);
            if mutation(706) {
                found = 0;
            }
            if found == 0 {
                // ORDERING: Release; (X1) publishes the record, and that the count is above it.
                let release = ordering(Ordering::Release, 703);
                match word.compare_exchange(0, slot, release, Ordering::Relaxed) {
                    Ok(_) => return true,
                    Err(_) if mutation(706) => {
                        word.store(slot, Ordering::Release);
                        return true;
                    }
                    Err(other) => found = other,
                }
            }
            if found == slot {
                return true;
            }
        }
        false
    }

    /// All slots, from the home of `hash` on, wrapping at the end.
    fn words_for(self, hash: NameHash) -> impl Iterator<Item = &'a AtomicU32> + 'a {
        let home = hash.home(self.slots.len());
        let (before, from) = self.slots.split_at_checked(home).unwrap_or_default();
        from.iter().chain(before)
    }
}

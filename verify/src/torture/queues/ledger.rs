//! A bit for each item that has arrived.

use std::sync::atomic::{AtomicU64, Ordering};

use super::notes::ItemNotes;
use crate::torture::traffic::Ledger;
use crate::torture::traffic::item::Id;

/// How many items a lane may have in a round; their numbers begin with 1.
pub(crate) const LANE_ITEMS: u32 = 1 << 24;

/// What marking an item as arrived found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    Again,
    /// No sender was given such a number, in this round.
    Unknown,
}

impl Ledger<ItemNotes> {
    fn bits(&self, lane: usize, word: usize) -> &AtomicU64 {
        // SAFETY: an atomic.
        unsafe { self.word(lane, word) }
    }

    /// Marks an item as arrived.
    pub(crate) fn arrive(&self, id: Id) -> Arrival {
        if !self.was_sent(id) {
            return Arrival::Unknown;
        }
        let (word, bit) = (id.number as usize / 64, 1 << (id.number % 64));
        let bits = self.bits(id.lane.into(), word);
        if bits.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            Arrival::First
        } else {
            Arrival::Again
        }
    }

    /// The items of a lane that have a number and have not arrived.
    pub(crate) fn missing(&self, lane: usize) -> Vec<u32> {
        let next = self.next(lane);
        let mut missing = Vec::new();
        for word in 0..(next as usize).div_ceil(64) {
            let bits = self.bits(lane, word).load(Ordering::Relaxed);
            if bits == u64::MAX {
                continue;
            }
            let first = u32::try_from(word * 64).unwrap_or(LANE_ITEMS);
            let numbers = (first..first + 64).filter(|number| (1..next).contains(number));
            missing.extend(numbers.filter(|number| bits & 1 << (number % 64) == 0));
        }
        missing
    }
}

//! Returned messages: those to be redelivered, and dead letters.
//!
//! # State
//!
//! The cells of [`work`](super) in RETURNED, DELAYED and DEAD_LETTER; the epoch; the time at which
//! a message is due. The time beside a cell counts in DELAYED only: it is stored before the CAS
//! that commits it, so beside any other word it is left from an earlier message, or from a process
//! that was killed. DELAYED keeps the time as well, in steps of 8 ms: the word of a message that a
//! receiver has observed as due differs from that of a message that is not due.
//!
//! # Protocol
//!
//! A receiver whose epoch is not the shared one scans all cells, and takes a message that was
//! returned and is due. When it has scanned all cells and found none, the epoch that it loaded
//! before becomes its own, and it knows the time at which the next message is due, if there is any.
//! A message that is due later than the maximum delay is due now: no process set that time. Where
//! the time beside the word is not of the step that the word keeps, the end of that step counts: a
//! process that was reaped while alive may store a time when another has the message already.
//!
//! A delayed return wakes all receivers, and each that sleeps on knows the time: a receiver that
//! was woken alone might leave, or die, before it. A receiver that learns of such a message in its
//! last check does not sleep, since it chose the length of its sleep before.
//!
//! # Crash
//!
//! As receiving in [`work`](super): the CAS that takes a message names its owner. A process that is
//! killed between the time and the CAS of a return leaves DELIVERED, and the message is not
//! delayed.
//!
//! # Ordering
//!
//! (W1), (W4) of [`work`](super). The time at which a message is due is stored before the message
//! is returned (W1).

use core::time::Duration;

use super::{CellLost, Cursor, EPOCH_BITS, OwnedCell, Storage, Work};
use crate::algorithm::work::layout::{CellWord, State};
use crate::facade::{Ordering, clock, mutation};
use crate::participant::Tag;

/// The maximum delay of a message, in nanoseconds: 30 days.
pub(crate) const MAX_DELAY: u64 = 30 * 24 * 60 * 60 * 1_000_000_000;

/// The time at which the next message is due, or a little before: a number of ticks of a
/// millisecond, or never.
///
/// It has as many bits as an epoch leaves in a word. They wrap after 834 days, so it is compared as
/// a distance: it has come if it is less than 417 days ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due(u64);

impl Due {
    pub(crate) const BITS: u32 = u64::BITS - EPOCH_BITS;
    /// No message is due.
    pub(crate) const NEVER: Self = Self(0);

    const MASK: u64 = (1 << Self::BITS) - 1;
    /// The length of a tick, in bits of nanoseconds.
    const TICK_BITS: u32 = 20;

    /// Returns the tick of a time, in nanoseconds.
    fn at(nanos: u64) -> Self {
        match nanos >> Self::TICK_BITS & Self::MASK {
            // The tick before, since 0 is never.
            0 => Self(Self::MASK),
            ticks => Self(ticks),
        }
    }

    fn has_come(self, now: u64) -> bool {
        let since = (now >> Self::TICK_BITS).wrapping_sub(self.0) & Self::MASK;
        self != Self::NEVER && since <= Self::MASK >> 1
    }

    /// Returns the time until the next search: until it is due or, if it is, one tick. A message
    /// that is due within the tick may be due at its end.
    fn is_in(self, now: u64) -> Option<Duration> {
        let ticks = if self.has_come(now) {
            1
        } else {
            self.0.wrapping_sub(now >> Self::TICK_BITS) & Self::MASK
        };
        (self != Self::NEVER).then(|| Duration::from_nanos(ticks << Self::TICK_BITS))
    }

    /// Returns its bits, [`BITS`](Self::BITS) of them.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Returns the time whose bits are the low bits of a word.
    #[inline(always)]
    pub(crate) fn from_bits(word: u64) -> Self {
        Self(word & Self::MASK)
    }
}

impl Cursor {
    /// Returns the time until the next search for delayed messages, if there are any.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        if self.due == Due::NEVER {
            return None;
        }
        self.due.is_in(clock())
    }
}

impl<P: Storage> Work<'_, P> {
    /// Returns the time at which the delayed message of a cell with this word may be redelivered,
    /// if that is later than `now`.
    fn due_after(&self, cell: u32, word: CellWord, now: u64) -> Option<u64> {
        let due = self.not_before(cell);
        // A time of another use of the cell, or of a process that was stopped before it stored it,
        // does not decide.
        let due = if word.is_due_at(due) || mutation(639) {
            due
        } else {
            word.due_by(now)?
        };
        let is_later = due > now && due - now <= MAX_DELAY;
        is_later.then_some(due)
    }

    /// Returns whether a cell with this word has a returned message that may be redelivered now.
    pub(super) fn is_redeliverable(&self, cell: u32, word: CellWord) -> bool {
        match word.state() {
            Some(State::Returned) => true,
            Some(State::Delayed) => self.due_after(cell, word, clock()).is_none(),
            _ => false,
        }
    }

    /// Returns the time at which the message of a cell may be redelivered, if its word says that
    /// there is one.
    pub(super) fn not_before(&self, cell: u32) -> u64 {
        // ORDERING: Relaxed; (W1) orders it.
        self.storage.not_before(cell).load(Ordering::Relaxed)
    }

    /// Sets the time before which a message is not to be redelivered.
    pub(super) fn set_not_before(&self, cell: u32, not_before: u64) {
        // ORDERING: Relaxed; (W1) orders it.
        let word = self.storage.not_before(cell);
        word.store(not_before, Ordering::Relaxed);
    }

    /// Receives a returned message that is due.
    #[cold]
    pub(super) fn receive_returned(&self, cursor: &mut Cursor, me: Tag) -> Option<OwnedCell> {
        self.search_returned(cursor, |cell, word| {
            let delivered = word.delivered(me);
            self.transition(cell, word, delivered).then_some(OwnedCell {
                cell,
                word: delivered,
            })
        })
    }

    /// Searches for returned messages that are due until `take` returns a value. If it returns none
    /// the handle knows that there is none, and when the next is due.
    fn search_returned<T>(
        &self,
        cursor: &mut Cursor,
        take: impl Fn(u32, CellWord) -> Option<T>,
    ) -> Option<T> {
        let epoch = self.epoch();
        let was_searched = epoch == cursor.epoch;
        if was_searched && cursor.due == Due::NEVER {
            return None;
        }
        let now = clock();
        if was_searched && !cursor.due.has_come(now) {
            return None;
        }
        let mut due: Option<u64> = None;
        for _ in 0..self.rules.cells {
            let cell = cursor.returned;
            cursor.returned = self.next_cell(cell);
            let word = self.load_cell(cell);
            let delayed = match word.state() {
                Some(State::Returned) => None,
                Some(State::Delayed) => self.due_after(cell, word, now),
                _ => continue,
            };
            if let Some(later) = delayed {
                due = Some(due.map_or(later, |due| due.min(later)));
                continue;
            }
            if let Some(taken) = take(cell, word) {
                return Some(taken);
            }
        }
        cursor.due = due.map_or(Due::NEVER, Due::at);
        cursor.epoch = if mutation(230) { self.epoch() } else { epoch };
        None
    }

    /// Returns whether there is a returned message that may be received and that this handle has
    /// not searched for.
    pub(super) fn has_returned(&self, cursor: &mut Cursor) -> bool {
        let first = cursor.returned;
        let found = self.search_returned(cursor, |_, _| Some(()));
        if found.is_some() {
            cursor.returned = first;
        }
        found.is_some()
    }

    /// Receives a dead letter, to be inspected and acknowledged. The receipt counts as one more
    /// delivery, so that a dead letter in flight differs from a message at its last attempt.
    #[cold]
    pub(crate) fn claim_dead_letter(&self, me: Tag) -> Option<OwnedCell> {
        (0..self.rules.cells).find_map(|cell| {
            let word = self.load_cell(cell);
            let delivered = if mutation(231) {
                word.owned_by(State::Delivered, me)
            } else {
                word.delivered(me)
            };
            let taken =
                word.state() == Some(State::DeadLetter) && self.transition(cell, word, delivered);
            taken.then_some(OwnedCell {
                cell,
                word: delivered,
            })
        })
    }

    /// Makes a dead letter of a delivered message, whatever its attempts.
    #[cold]
    pub(crate) fn make_dead_letter(
        &self,
        cursor: &Cursor,
        owned: OwnedCell,
    ) -> Result<(), CellLost> {
        if !self.transition(
            owned.cell,
            owned.word,
            owned.word.dead_letter(self.rules.max_attempts),
        ) {
            return Err(CellLost);
        }
        if !mutation(232) {
            self.notify_idle(cursor);
        }
        self.notify_end();
        Ok(())
    }

    /// Returns the number of messages in `state`. It may be stale when it is returned.
    pub(crate) fn count(&self, state: State) -> u32 {
        let is_there = |cell: &u32| self.load_cell(*cell).state() == Some(state);
        u32::try_from((0..self.rules.cells).filter(is_there).count()).unwrap_or(u32::MAX)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = 1 << Due::TICK_BITS;

    proptest! {
        #[test]
        fn due_time_comes_then_or_up_to_two_ticks_before(now: u64, wait in 0..MAX_DELAY) {
            let now = now >> 1;
            let due = Due::at(now + wait);
            prop_assert_ne!(due, Due::NEVER);
            prop_assert_eq!(Due::from_bits(due.bits()), due);
            prop_assert!(due.has_come(now + wait) && due.has_come(now + 2 * wait));
            prop_assert!(wait < 2 * TICK || !due.has_come(now));
        }
    }

    #[test]
    fn never_is_not_due() {
        for now in [0, 1, TICK, 1 << 55, 1 << 56, u64::MAX] {
            assert!(!Due::NEVER.has_come(now));
        }
    }
}

//! Messages that came back: those that wait to be delivered again, and dead letters.
//!
//! # State
//!
//! The cells of [`work`](super) in RETURNED, DELAYED and BURIED; the epoch; when a message is due. The time beside
//! a cell counts in DELAYED only: it is stored before the CAS that commits it, so beside any other word it is
//! what an earlier message, or a process that was killed, left there. DELAYED has the time as well, in steps of 8 ms: a
//! word that a receiver has seen due is not the same as one that is not.
//!
//! # Protocol
//!
//! A receiver whose epoch is not the shared one goes round all cells, and takes what was returned and
//! is due. When it has been round and found nothing, the epoch that it read before is its own, and it
//! knows when the next one is due, if one is. What is due later than a delay may be long is due: that time
//! is nobody's.
//!
//! # Crash
//!
//! As receiving in [`work`](super): the CAS that takes a message names who has it. Killed between the time and
//! the CAS, one that gives back leaves HELD, and the message is not delayed.
//!
//! # Ordering
//!
//! (W1), (W4) of [`work`](super). When a message is due is stored before it is returned (W1).

use core::time::Duration;

use super::{Cursor, EPOCH_BITS, Lost, Mine, Places, Work};
use crate::algorithm::work::layout::{CellWord, State};
use crate::facade::{Ordering, clock, mutation};
use crate::participant::Tag;

/// No message is delayed for longer, in nanoseconds: 30 days.
pub(crate) const LONGEST_DELAY: u64 = 30 * 24 * 60 * 60 * 1_000_000_000;

/// When the next message is due, or a little before: a number of ticks of a millisecond, or never.
///
/// It has as many bits as an epoch leaves in a word. They wrap after 834 days, so it is compared as a
/// distance: it has come if it is less than 417 days ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due(u64);

impl Due {
    pub(crate) const BITS: u32 = u64::BITS - EPOCH_BITS;
    /// No message is.
    pub(crate) const NEVER: Self = Self(0);

    const MASK: u64 = (1 << Self::BITS) - 1;
    /// A tick, in bits of nanoseconds.
    const TICK_BITS: u32 = 20;

    /// At a time, in nanoseconds.
    fn at(nanos: u64) -> Self {
        match nanos >> Self::TICK_BITS & Self::MASK {
            // The tick before.
            0 => Self(Self::MASK),
            ticks => Self(ticks),
        }
    }

    fn has_come(self, now: u64) -> bool {
        let since = (now >> Self::TICK_BITS).wrapping_sub(self.0) & Self::MASK;
        self != Self::NEVER && since <= Self::MASK >> 1
    }

    /// In what time it is to be looked again: when it has come, or, if it has, in a tick. What is due in it may be
    /// due at its end.
    fn is_in(self, now: u64) -> Option<Duration> {
        let ticks = if self.has_come(now) {
            1
        } else {
            self.0.wrapping_sub(now >> Self::TICK_BITS) & Self::MASK
        };
        (self != Self::NEVER).then(|| Duration::from_nanos(ticks << Self::TICK_BITS))
    }

    /// What it is kept as, [`BITS`](Self::BITS) long.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// What was kept, in the low bits of a word.
    #[inline(always)]
    pub(crate) fn from_bits(word: u64) -> Self {
        Self(word & Self::MASK)
    }
}

impl Cursor {
    /// In what time to look for those that may not be delivered yet, if there are any.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        self.due.is_in(clock())
    }
}

impl<P: Places> Work<'_, P> {
    /// When the delayed message of a cell with this word may be delivered, if that is later than `now`.
    fn due_after(&self, cell: u32, word: CellWord, now: u64) -> Option<u64> {
        let due = self.not_before(cell);
        // The time of another use of the cell is not decided by: either word has changed then. Garbage has not.
        let has_changed = || self.look(cell) != word || self.not_before(cell) != due;
        if !word.is_due_at(due) && has_changed() && !mutation(639) {
            return Some(now);
        }
        let is_later = due > now && due - now <= LONGEST_DELAY;
        is_later.then_some(due)
    }

    /// Whether a cell with this word has a message that was returned and may be delivered now.
    pub(super) fn may_come_again(&self, cell: u32, word: CellWord) -> bool {
        match word.state() {
            Some(State::Returned) => true,
            Some(State::Delayed) => self.due_after(cell, word, clock()).is_none(),
            _ => false,
        }
    }

    /// When the message of a cell may be delivered again, if its word says that there is such a time.
    pub(super) fn not_before(&self, cell: u32) -> u64 {
        // ORDERING: Relaxed; (W1) orders it.
        self.places.not_before(cell).load(Ordering::Relaxed)
    }

    /// A message is not to be delivered again before then.
    pub(super) fn delay(&self, cell: u32, not_before: u64) {
        // ORDERING: Relaxed; (W1) orders it.
        let word = self.places.not_before(cell);
        word.store(not_before, Ordering::Relaxed);
    }

    /// Takes a message that was returned and is due.
    #[cold]
    pub(super) fn take_returned(&self, cursor: &mut Cursor, me: Tag) -> Option<Mine> {
        let epoch = self.epoch();
        let now = clock();
        if epoch == cursor.epoch && !cursor.due.has_come(now) {
            return None;
        }
        let mut due: Option<u64> = None;
        for _ in 0..self.rules.cells {
            let cell = cursor.returned;
            cursor.returned = self.after(cell);
            let word = self.look(cell);
            let delayed = match word.state() {
                Some(State::Returned) => None,
                Some(State::Delayed) => self.due_after(cell, word, now),
                _ => continue,
            };
            if let Some(later) = delayed {
                due = Some(due.map_or(later, |due| due.min(later)));
                continue;
            }
            let held = word.delivered(me);
            if self.swap(cell, word, held) {
                return Some(Mine { cell, word: held });
            }
        }
        cursor.due = due.map_or(Due::NEVER, Due::at);
        cursor.epoch = if mutation(230) { self.epoch() } else { epoch };
        None
    }

    /// Whether there is a message that was returned and may be taken, that this handle has not looked
    /// for.
    pub(super) fn has_returned(&self, cursor: &mut Cursor) -> bool {
        let epoch = self.epoch();
        if epoch == cursor.epoch && (cursor.due == Due::NEVER || !cursor.due.has_come(clock())) {
            return false;
        }
        (0..self.rules.cells).any(|cell| self.may_come_again(cell, self.look(cell)))
    }

    /// Takes a dead letter, to look at it and acknowledge it. It counts as one more delivery, so that
    /// one in somebody's hands can be told from a message at its last attempt.
    #[cold]
    pub(crate) fn take_buried(&self, me: Tag) -> Option<Mine> {
        (0..self.rules.cells).find_map(|cell| {
            let word = self.look(cell);
            let held = if mutation(231) {
                word.held(State::Held, me)
            } else {
                word.delivered(me)
            };
            let taken = word.state() == Some(State::Buried) && self.swap(cell, word, held);
            taken.then_some(Mine { cell, word: held })
        })
    }

    /// Makes a dead letter of a message that was delivered, whatever its attempts.
    #[cold]
    pub(crate) fn bury(&self, cursor: &Cursor, mine: Mine) -> Result<(), Lost> {
        if !self.swap(
            mine.cell,
            mine.word,
            mine.word.buried(self.rules.most_attempts),
        ) {
            return Err(Lost);
        }
        if !mutation(232) {
            self.tell_of_idleness(cursor);
        }
        self.tell_of_the_end();
        Ok(())
    }

    /// How many messages are at `state` just now.
    pub(crate) fn count(&self, state: State) -> u32 {
        let is_there = |cell: &u32| self.look(*cell).state() == Some(state);
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
        fn what_is_due_comes_then_or_a_little_before_however_long_the_machine_runs(now: u64, wait in 0..LONGEST_DELAY) {
            let now = now >> 1;
            let due = Due::at(now + wait);
            prop_assert_ne!(due, Due::NEVER);
            prop_assert_eq!(Due::from_bits(due.bits()), due);
            prop_assert!(due.has_come(now + wait) && due.has_come(now + 2 * wait));
            prop_assert!(wait < 2 * TICK || !due.has_come(now));
        }
    }

    #[test]
    fn never_does_not_come() {
        for now in [0, 1, TICK, 1 << 55, 1 << 56, u64::MAX] {
            assert!(!Due::NEVER.has_come(now));
        }
    }
}

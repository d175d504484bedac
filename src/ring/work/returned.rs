//! Messages that came back: those that wait to be delivered again, and dead letters.
//!
//! # State
//!
//! The cells of [`work`](super) in RETURNED and BURIED; the epoch; when a message is due.
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
//! As receiving in [`work`](super): the CAS that takes a message names who has it.
//!
//! # Ordering
//!
//! (W1), (W4) of [`work`](super). When a message is due is stored before it is returned (W1).

use super::{Cursor, Lost, Mine, Places, Work};
use crate::facade::{Ordering, clock, mutation};
use crate::layout::Tag;
use crate::layout::work::State;

/// No message is delayed for longer, in nanoseconds: 30 days.
pub(crate) const LONGEST_DELAY: u64 = 30 * 24 * 60 * 60 * 1_000_000_000;

impl<P: Places> Work<'_, P> {
    /// When the message of a cell may be delivered, if that is later than `now`.
    fn due_after(&self, cell: u32, now: u64) -> Option<u64> {
        // ORDERING: Relaxed; (W1) orders it.
        let due = self.places.not_before(cell).load(Ordering::Relaxed);
        let is_later = due > now && due - now <= LONGEST_DELAY;
        is_later.then_some(due)
    }

    /// Whether the message of a cell may be delivered now.
    pub(super) fn is_due(&self, cell: u32) -> bool {
        self.due_after(cell, clock()).is_none()
    }

    /// A message is not to be delivered again before then.
    pub(super) fn delay(&self, cell: u32, not_before: u64) {
        // ORDERING: Relaxed; (W1) orders it.
        let word = self.places.not_before(cell);
        if word.load(Ordering::Relaxed) != not_before {
            word.store(not_before, Ordering::Relaxed);
        }
    }

    /// A new message is not delayed.
    #[inline(always)]
    pub(super) fn undelay(&self, cell: u32) {
        self.delay(cell, 0);
    }

    /// Takes a message that was returned and is due.
    #[cold]
    pub(super) fn take_returned(&self, cursor: &mut Cursor, me: Tag) -> Option<Mine> {
        let epoch = self.epoch();
        if epoch == cursor.epoch && clock() < cursor.due {
            return None;
        }
        let now = clock();
        let mut due = 0;
        for _ in 0..self.rules.cells {
            let cell = cursor.returned;
            cursor.returned = self.after(cell);
            let word = self.look(cell);
            if word.state() != Some(State::Returned) {
                continue;
            }
            if let Some(later) = self.due_after(cell, now) {
                due = if due == 0 { later } else { later.min(due) };
                continue;
            }
            let held = word.delivered(me);
            if self.swap(cell, word, held) {
                return Some(Mine { cell, word: held });
            }
        }
        cursor.due = due;
        cursor.epoch = if mutation(230) { self.epoch() } else { epoch };
        None
    }

    /// Whether there is a message that was returned and may be taken, that this handle has not looked
    /// for.
    pub(super) fn has_returned(&self, cursor: &mut Cursor) -> bool {
        let epoch = self.epoch();
        if epoch == cursor.epoch && (cursor.due == 0 || clock() < cursor.due) {
            return false;
        }
        let now = clock();
        let is_due = |cell| {
            self.look(cell).state() == Some(State::Returned) && self.due_after(cell, now).is_none()
        };
        (0..self.rules.cells).any(is_due)
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

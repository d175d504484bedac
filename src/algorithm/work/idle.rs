//! The detection of an idle queue.
//!
//! # State
//!
//! That of [`work`](super); the event count `idle`.
//!
//! # Protocol
//!
//! A queue is idle when every message that was sent has been acknowledged, or is a dead letter. The
//! check is that no cell is in a state that says otherwise; that no slot names a pending message;
//! and that all cells are as they were before. Since every change of a cell shows in its word,
//! there was a moment, between the two collects of the cells, at which all of them were so at once:
//! a double collect (Afek et al., 1993). One collect is not enough: if a receiver sends another
//! message before it acknowledges its own, neither cell shows a message.
//!
//! # Crash
//!
//! The check holds nothing. A message that a dead process had in flight is pending until it is
//! redelivered and acknowledged.
//!
//! # Ordering
//!
//! Cells are loaded (Acquire), so the earlier stores of the acknowledging processes are visible.

use super::{Cursor, Storage, Work};
use crate::algorithm::work::layout::{Entry, State};
use crate::facade::mutation;

impl<P: Storage> Work<'_, P> {
    /// Returns whether every message that was sent is done.
    pub(crate) fn is_idle(&self) -> bool {
        let Some(before) = self.collect() else {
            return false;
        };
        if self.entries().any(|entry| self.is_pending(entry)) && !mutation(262) {
            return false;
        }
        mutation(260) || self.collect() == Some(before)
    }

    fn is_pending(&self, entry: Entry) -> bool {
        self.resolve(entry).is_ok_and(|(_, is_pending)| is_pending)
    }

    /// Returns how many messages wait to be delivered, for the first time or again. It may be
    /// stale.
    pub(crate) fn count_pending(&self) -> u64 {
        let sent = self.entries().filter(|entry| self.is_pending(*entry));
        let again = self.count(State::Returned) + self.count(State::Delayed);
        sent.count() as u64 + u64::from(again)
    }

    /// Returns the sum of the cells' progress; `None` if a cell has a message that is not done.
    fn collect(&self) -> Option<u64> {
        let mut sum = 0_u64;
        for cell in 0..self.rules.cells {
            let word = self.load_cell(cell);
            let is_busy = match word.state() {
                Some(State::Queued | State::Returned | State::Delayed) => true,
                // A dead letter in flight is done.
                Some(State::Delivered) => word.attempts() <= self.rules.max_attempts,
                _ => false,
            };
            if is_busy {
                return None;
            }
            sum = sum.wrapping_add(word.progress());
        }
        Some(sum)
    }

    /// Wakes the waiters for an idle queue, if it may be idle.
    #[inline(always)]
    pub(super) fn notify_idle(&self, cursor: &Cursor) {
        let event = &self.state.common.0.idle;
        if event.has_waiters() && !self.has_next(&mut { *cursor }) && !mutation(261) {
            event.wake_all();
        }
    }
}

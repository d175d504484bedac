//! Whether all that was sent is done.
//!
//! # State
//!
//! That of [`work`](super); the event count `idle`.
//!
//! # Protocol
//!
//! A queue is idle when every message that was sent was acknowledged, or is a dead letter. To see that:
//! no cell is in a state that says otherwise; no slot names a message that waits; and all cells are
//! as they were before. As whatever happens to a cell shows in its word, there was a moment, between the two
//! looks at the cells, at which all of them were so at once: a double collect (Afek et al., 1993). One look is not
//! enough: a holder that sends another message before it acknowledges its own is seen at neither cell.
//!
//! # Crash
//!
//! It holds nothing. A message in the hands of a dead one is not done until it was returned and
//! acknowledged.
//!
//! # Ordering
//!
//! Cells are read (Acquire), so what their acknowledgers did before is seen.

use super::{Cursor, Places, Work};
use crate::algorithm::work::layout::State;
use crate::facade::mutation;

impl<P: Places> Work<'_, P> {
    /// Whether everything that was sent is done.
    pub(crate) fn is_idle(&self) -> bool {
        let Some(before) = self.collect() else {
            return false;
        };
        let waits = |entry| self.find(entry).is_ok_and(|(_, waits)| waits);
        if self.entries().any(waits) && !mutation(262) {
            return false;
        }
        mutation(260) || self.collect() == Some(before)
    }

    /// How far all cells are; `None` if one of them has a message that is not done.
    fn collect(&self) -> Option<u64> {
        let mut sum = 0_u64;
        for cell in 0..self.rules.cells {
            let word = self.look(cell);
            let is_busy = match word.state() {
                Some(State::Queued | State::Returned | State::Delayed) => true,
                // A dead letter in somebody's hands is done.
                Some(State::Held) => word.attempts() <= self.rules.most_attempts,
                _ => false,
            };
            if is_busy {
                return None;
            }
            sum = sum.wrapping_add(word.progress());
        }
        Some(sum)
    }

    /// Wakes those who wait for it to be idle, if it may be.
    #[inline(always)]
    pub(super) fn tell_of_idleness(&self, cursor: &Cursor) {
        let event = &self.state.common.0.idle;
        if event.has_waiters() && !self.has_next(&mut { *cursor }) && !mutation(261) {
            event.wake_all();
        }
    }
}

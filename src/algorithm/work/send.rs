//! Sending a message that was written into a loan.
//!
//! # State
//!
//! That of [`work`](super).
//!
//! # Protocol
//!
//! Send and withdraw of [`work`](super).
//!
//! # Crash
//!
//! As there.
//!
//! # Ordering
//!
//! (W5) and (W7) of [`work`](super).

use super::{Cursor, OwnedCell, Storage, Work, WorkSendError};
use crate::algorithm::work::layout::State;
use crate::facade::{barrier_after_rmw, mutation};
use crate::participant::endpoints::Endpoint;
use crate::participant::{Liveness, Tag};

impl<P: Storage> Work<'_, P> {
    /// Sends a message that was written into a loan.
    #[inline(always)]
    pub(crate) fn send(
        &self,
        cursor: &mut Cursor,
        owned: OwnedCell,
        peers: &impl Liveness,
    ) -> Result<(), WorkSendError> {
        let me = peers.me();
        let sending = owned.word.owned_by(State::Sending, me);
        if !self.transition(owned.cell, owned.word, sending) {
            return Err(WorkSendError::MembershipLost);
        }
        let owned = OwnedCell {
            word: sending,
            ..owned
        };
        // (W5), after the RMW.
        if !mutation(202) {
            barrier_after_rmw();
        }
        if self.endpoints().is_over(Endpoint::Sender) && !mutation(203) {
            return self.withdraw(owned, me, peers);
        }
        self.enqueue(cursor, owned)
            .map_err(|_| WorkSendError::Corrupt(owned))?;
        // (W7), after the RMW.
        if !mutation(264) {
            barrier_after_rmw();
        }
        if peers.is_unregistered(me) && !mutation(265) && !self.ensure_queued(owned) {
            return Err(WorkSendError::MembershipLost);
        }
        Ok(())
    }

    /// Withdraws a message that is in no slot, because the queue has ended.
    ///
    /// A receiver that was stopped while the cell's versions wrapped around may have taken the
    /// message. Then it was sent.
    #[cold]
    fn withdraw(
        &self,
        owned: OwnedCell,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<(), WorkSendError> {
        let word = owned.word.owned_by(State::Freeing, me);
        let is_withdrawn = self.transition(owned.cell, owned.word, word);
        if is_withdrawn || mutation(637) {
            return Err(WorkSendError::Disconnected(OwnedCell { word, ..owned }));
        }
        // Acquires what a reaper did before it freed the cell: the registry does not know the
        // sender then.
        if !mutation(643) {
            self.load_cell(owned.cell);
        }
        if peers.is_unregistered(me) && !mutation(642) {
            return Err(WorkSendError::MembershipLost);
        }
        Ok(())
    }

    /// Returns whether the message of a sender that is no longer registered is, or was, in the
    /// queue: a reaper may have freed its cell. If none has done so yet, none will.
    #[cold]
    fn ensure_queued(&self, owned: OwnedCell) -> bool {
        let queued = owned.word.unowned(State::Queued);
        if mutation(273) && self.load_cell(owned.cell) == owned.word
            || self.transition(owned.cell, owned.word, queued)
        {
            return true;
        }
        let word = self.load_cell(owned.cell);
        let is_it = match word.state() {
            Some(
                State::Queued
                | State::Delivered
                | State::Returned
                | State::Delayed
                | State::DeadLetter,
            ) => true,
            // It was received: its receiver is about to free it.
            Some(State::Freeing) => word.attempts() > 0,
            _ => false,
        };
        mutation(272) || is_it && word.version() == owned.word.version()
    }
}

//! Claims of a process that others took for dead, and that does not know it.
//!
//! # State
//!
//! That of [`slots`](super).
//!
//! # Protocol
//!
//! (K1) of [`participant`](crate::participant): after its claim a process asks the registry whether it still knows its tag. If
//! not, it gives the slot back, by a CAS that expects its own claim: a slot to send is skipped, an item is left as
//! an orphan, which receivers look for.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | between the claim and the question | the tag of no participant in the slot | who comes to the slot: it is not alive |
//! | after the CAS, before the epoch | an orphan that no receiver looks for | receivers, when they come round to it |
//!
//! # Ordering
//!
//! (K1).

use super::{Claim, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::facade::mutation;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::{Liveness, is_still_registered};

impl<S: Slots> Ring<'_, S> {
    /// Whether a slot that was claimed just now is to be [given back](Self::withdraw): its claimant is no
    /// participant any more.
    #[inline(always)]
    pub(crate) fn is_lost(&self, peers: &impl Liveness) -> bool {
        !is_still_registered(peers, 625)
    }

    /// A slot that was claimed, if its claimant is a participant still: else it is given back.
    pub(super) fn stay(
        &self,
        side: Endpoint,
        claim: Claim,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if self.is_lost(peers) {
            self.withdraw(side, claim, me);
            return Err(TryError::MembershipLost);
        }
        Ok(claim)
    }

    /// Gives back a slot that `me` has claimed, if it is its still. A sender may do so at any time before its
    /// commit.
    #[cold]
    pub(crate) fn withdraw(&self, side: Endpoint, claim: Claim, me: Tag) {
        let held = |state| Word::held(claim.lap(), state, me);
        match side {
            _ if mutation(626) => {}
            Endpoint::Sender => self.skip(claim.index, held(State::Writing)),
            Endpoint::Receiver => self.leave(claim.index, held(State::Reading)),
        }
    }
}

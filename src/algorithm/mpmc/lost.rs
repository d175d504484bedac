//! Claims of a process that was reaped while alive and does not know it.
//!
//! # State
//!
//! That of [`mpmc`](super).
//!
//! # Protocol
//!
//! (K1) of [`participant`](crate::participant): after its claim, a process checks that the registry
//! still knows its tag. If not, it gives the slot back, by a CAS that expects its own claim: a slot
//! to send is skipped, an item is left as an orphan, for which receivers search.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | between claim and check | the tag of no participant | a process at the slot: it is not alive |
//! | after the CAS, before the epoch | an unannounced orphan | receivers that wrap around to it |
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
    /// Returns whether a slot that was just claimed has to be [given back](Self::withdraw), because
    /// its owner is no longer a participant.
    #[inline(always)]
    pub(crate) fn is_lost(&self, peers: &impl Liveness) -> bool {
        !is_still_registered(peers, 625)
    }

    /// Returns a claimed slot if its owner is still a participant; otherwise gives it back.
    pub(super) fn check_registered(
        &self,
        endpoint: Endpoint,
        claim: Claim,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if self.is_lost(peers) {
            self.withdraw(endpoint, claim, peers.me());
            return Err(TryError::MembershipLost);
        }
        Ok(claim)
    }

    /// Gives back a slot that `me` has claimed, if `me` still has it. A sender may do so at any
    /// time before its commit.
    #[cold]
    pub(crate) fn withdraw(&self, endpoint: Endpoint, claim: Claim, me: Tag) {
        let owned = |state| Word::owned(claim.lap(), state, me);
        match endpoint {
            _ if mutation(626) => {}
            Endpoint::Sender => self.skip(claim.index, owned(State::Writing)),
            Endpoint::Receiver => self.orphan_item(claim.index, owned(State::Reading)),
        }
    }
}

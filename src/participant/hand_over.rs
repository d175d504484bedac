//! Ends of an entry that one participant hands over to another: the counted senders and receivers
//! of a queue, and the two claimed ends of a ring.
//!
//! # State
//!
//! That of the entry: [`endpoints`](super::endpoints) counts, or a [`holder`](super::holder) word.
//!
//! # Protocol
//!
//! A process hands an end to a child that it starts. The parent holds the end until the child has
//! taken it over, or has died. So the end always has an owner that the entry's words name:
//!
//! - counted ends: the child counts in its own cell, while the parent still does;
//! - claimed ends: a CAS of the claim from the parent's tag to the child's.
//!
//! If the parent dies before that and is reaped, others may have been told that the end is gone.
//! Then it is over for the child as well, though a third process may have taken a new end since: a
//! counted end names the last count when it was handed over, a claimed end the parent's tag.
//!
//! # Crash
//!
//! As in `endpoints` and `holder`.
//!
//! # Ordering
//!
//! As there.

use crate::participant::endpoints::{Endpoint, EndpointError};
use crate::participant::{Liveness, Tag};

/// An end that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandOver {
    /// The side of the queue; of a ring, its producer is the sender.
    pub(crate) endpoint: Endpoint,
    /// The participant that hands it over.
    pub(crate) from: Tag,
    /// Of a counted end: which count was the last then.
    pub(crate) as_of: u64,
}

/// Why an end was not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakeOverError {
    /// The participant that hands it over has died, and others may have been told that the end is
    /// gone.
    Over,
    /// This participant is counted at that endpoint as often as a cell can count.
    TooMany,
    /// This process is no longer a participant.
    MembershipLost,
    /// The entry has no such end, or its words are not those of its kind.
    Corrupt,
}

impl From<EndpointError> for TakeOverError {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::TooMany => Self::TooMany,
            EndpointError::MembershipLost => Self::MembershipLost,
        }
    }
}

/// A step of a process that ends are handed over to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandOverStep {
    /// Makes an end the calling process's.
    TakeOver(HandOver),
    /// Gives up an end that was taken over and that no handle has.
    GiveUp(Endpoint),
}

/// The ends of an entry, whatever its kind.
pub(crate) trait Ends {
    /// Makes the end that `end.from` hands over the end of `me`.
    fn take_over(&self, end: HandOver, peers: &impl Liveness) -> Result<(), TakeOverError>;

    /// Gives up an end of `me` that was taken over and that no handle has.
    fn give_up(&self, endpoint: Endpoint, peers: &impl Liveness);

    /// Does one of the two.
    fn perform(&self, step: HandOverStep, peers: &impl Liveness) -> Result<(), TakeOverError> {
        match step {
            HandOverStep::TakeOver(end) => self.take_over(end, peers),
            HandOverStep::GiveUp(endpoint) => {
                self.give_up(endpoint, peers);
                Ok(())
            }
        }
    }
}

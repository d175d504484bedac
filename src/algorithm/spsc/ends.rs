//! The ends of a ring that go from one participant to another.
//!
//! # State
//!
//! The claims of the [ring](super).
//!
//! # Protocol
//!
//! That of [`hand_over`](crate::participant::hand_over): a CAS of the claim.
//!
//! # Crash
//!
//! As in [`holder`](crate::participant::holder).
//!
//! # Ordering
//!
//! As there.

use super::{Role, Spsc, SpscState};
use crate::algorithm::region::{Located, Region};
use crate::participant::Liveness;
use crate::participant::endpoints::Endpoint;
use crate::participant::hand_over::{Ends, HandOver, HandOverStep, TakeOverError};

/// Returns the role of a side: the producer is the sender.
fn role(endpoint: Endpoint) -> Role {
    match endpoint {
        Endpoint::Sender => Role::Producer,
        Endpoint::Receiver => Role::Consumer,
    }
}

impl Ends for Spsc<'_> {
    fn take_over(&self, end: HandOver, peers: &impl Liveness) -> Result<(), TakeOverError> {
        let endpoint = self.state.own(role(end.endpoint));
        let taken = endpoint.claim.take_over(end.from, peers);
        if taken == Err(TakeOverError::MembershipLost) {
            endpoint.event.wake_all();
        }
        taken
    }

    fn give_up(&self, endpoint: Endpoint, peers: &impl Liveness) {
        self.leave(role(endpoint), peers.me());
    }
}

/// Takes over or gives up an end of the entry of a record; `None` if the entry is too short.
pub(crate) fn perform(
    entry: &Located<'_, impl Region>,
    step: HandOverStep,
    peers: &impl Liveness,
) -> Option<Result<(), TakeOverError>> {
    let state = entry.region.state::<SpscState>()?;
    Some(Spsc::new(state, entry.record.config[0]).perform(step, peers))
}

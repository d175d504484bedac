//! The two ends of a queue that many share: how they are counted, and go from one participant to
//! another.
//!
//! # State
//!
//! The [endpoint counts](crate::participant::endpoints) of the queue.
//!
//! # Protocol
//!
//! That of [`hand_over`](crate::participant::hand_over). All waiters are woken if the end that was
//! given up, or that was over, was the last.
//!
//! # Crash
//!
//! As in `endpoints`: a process that is killed between the counts and the wakes leaves sleepers
//! whose slices end.
//!
//! # Ordering
//!
//! (E1), (E4) and (E5) of `endpoints`.

use crate::participant::Liveness;
use crate::participant::endpoints::{Endpoint, EndpointCounts, EndpointError};
#[cfg(any(loom, feature = "process"))]
use crate::participant::hand_over::{Ends, HandOver, TakeOverError};
use crate::wait::event_count::EventCount;

/// A queue whose senders and receivers are counted.
pub(crate) trait CountedEnds {
    /// Returns the endpoint counts, which say whether the queue has ended.
    fn endpoints(&self) -> EndpointCounts<'_>;

    /// Returns the event count that an endpoint waits on.
    fn event(&self, endpoint: Endpoint) -> &EventCount;

    /// Wakes all waiters.
    fn wake_all(&self);

    /// Increments the count of participant `me` at an endpoint.
    fn count_at(&self, endpoint: Endpoint, peers: &impl Liveness) -> Result<(), EndpointError> {
        if self.endpoints().count(endpoint, peers)? {
            self.event(endpoint.other()).notify_all();
        }
        Ok(())
    }

    /// Decrements the count of participant `me` at an endpoint.
    fn uncount(&self, endpoint: Endpoint, peers: &impl Liveness) {
        if self.endpoints().uncount(endpoint, peers) {
            self.wake_all();
        }
    }
}

#[cfg(any(loom, feature = "process"))]
impl<Q: CountedEnds> Ends for Q {
    fn take_over(&self, end: HandOver, peers: &impl Liveness) -> Result<(), TakeOverError> {
        let end_as_of = (end.endpoint, end.as_of);
        let taken = self.endpoints().take_over(end_as_of, peers);
        taken.map_err(|(error, settled)| {
            if settled {
                self.wake_all();
            }
            error
        })
    }

    fn give_up(&self, endpoint: Endpoint, peers: &impl Liveness) {
        self.uncount(endpoint, peers);
    }
}

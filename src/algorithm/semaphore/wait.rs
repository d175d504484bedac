//! Waiting for permits.
//!
//! # State
//!
//! The two event counts of [`semaphore`](super): `single` and `many`.
//!
//! # Protocol
//!
//! That of [`on_event`](crate::wait::on_event). A waiter detects deaths by reaping.
//!
//! # Crash
//!
//! A waiter holds nothing, whatever it waits for.
//!
//! # Ordering
//!
//! As there.

use super::Semaphore;
use crate::facade::{Deadline, mutation};
use crate::participant::Liveness;
use crate::wait::WaitMode;
use crate::wait::on_event::{EventOp, EventWaitError, TryError, wait};

/// The wait for one permit.
struct Single<'a, P> {
    semaphore: Semaphore<'a>,
    from: usize,
    peers: &'a P,
}

impl<P: Liveness> EventOp for Single<'_, P> {
    type Output = usize;

    fn attempt(&mut self) -> Result<usize, TryError> {
        self.semaphore.claim(self.from, self.peers)
    }

    fn is_ready(&mut self) -> bool {
        self.semaphore.has_free() || self.semaphore.state.is_closed() && !mutation(726)
    }

    fn leaves_more(&mut self) -> bool {
        self.semaphore.has_free()
    }

    fn reap_dead(&mut self, peers: &impl Liveness) {
        self.semaphore.reap_dead(peers);
    }
}

/// The wait for several permits.
struct Many<'a, P> {
    semaphore: Semaphore<'a>,
    taken: &'a mut [u32],
    peers: &'a P,
}

impl<P: Liveness> EventOp for Many<'_, P> {
    type Output = ();

    fn attempt(&mut self) -> Result<(), TryError> {
        self.semaphore.claim_many(self.taken, self.peers)
    }

    fn is_ready(&mut self) -> bool {
        !mutation(725) && self.semaphore.available() >= self.taken.len()
            || self.semaphore.state.is_closed()
    }

    fn reap_dead(&mut self, peers: &impl Liveness) {
        self.semaphore.reap_dead(peers);
    }
}

impl Semaphore<'_> {
    /// Blocks until a permit is acquired, and returns its index.
    pub(crate) fn wait<'m>(
        self,
        from: usize,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<usize, EventWaitError> {
        let mut single = Single {
            semaphore: self,
            from,
            peers,
        };
        let event = self.state.single();
        wait(&mut single, event, peers, deadline, mode.into())
    }

    /// Blocks until as many permits are acquired as `taken` has places. Their indexes are there
    /// afterwards.
    pub(crate) fn wait_many<'m>(
        self,
        taken: &mut [u32],
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut many = Many {
            semaphore: self,
            taken,
            peers,
        };
        let event = self.state.many();
        wait(&mut many, event, peers, deadline, mode.into())
    }
}

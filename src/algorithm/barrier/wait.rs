//! Waiting for the other parties.
//!
//! # State
//!
//! The seat of the waiter, and the phase in which it was taken.
//!
//! # Protocol
//!
//! That of [`on_event`](crate::wait::on_event). A waiter looks before it sleeps whether all have
//! arrived, and releases them then: the last to arrive may be dead, or a seat was taken out. While
//! it spins it looks at the phase alone. At its deadline it breaks the phase, if that is not over.
//! It detects deaths by reaping.
//!
//! # Crash
//!
//! That of [`barrier`](super).
//!
//! # Ordering
//!
//! As there.

use super::{Arrival, Barrier, Outcome};
use crate::facade::{Deadline, barrier_after_rmw, mutation};
use crate::participant::{Liveness, Tag};
use crate::wait::WaitMode;
use crate::wait::on_event::{EventOp, EventWaitError, TryError, wait};

/// The wait for the other parties.
struct WaitForAll<'a, P> {
    barrier: Barrier<'a>,
    arrival: Arrival,
    me: Tag,
    peers: &'a P,
    /// What the last look at the seats found.
    is_full: bool,
    is_corrupt: bool,
}

impl<P: Liveness> EventOp for WaitForAll<'_, P> {
    /// Whether this waiter released the others: it is the leader.
    type Output = bool;

    fn attempt(&mut self) -> Result<bool, TryError> {
        let (barrier, phase) = (self.barrier, self.arrival.phase);
        if self.is_full && barrier.state.advance(phase, phase.next()) {
            return Ok(true);
        }
        match barrier.outcome(self.arrival, self.me) {
            Outcome::Open if self.is_corrupt => Err(TryError::Corrupt),
            Outcome::Open => Err(TryError::WouldBlock),
            Outcome::Released => Ok(false),
            Outcome::Broken => Err(TryError::Disconnected),
            Outcome::Lost => Err(TryError::MembershipLost),
        }
    }

    fn is_ready(&mut self) -> bool {
        if mutation(787) {
            return self.barrier.state.phase() != self.arrival.phase;
        }
        self.is_full = self.barrier.is_full(self.arrival.phase);
        let participants = self.peers.participants();
        self.is_corrupt = !self.is_full && self.barrier.corrupt_seat(participants).is_some();
        self.is_full || self.is_corrupt || self.barrier.state.phase() != self.arrival.phase
    }

    fn progress(&self) -> u64 {
        self.arrival.phase.0
    }

    fn reap_dead(&mut self, peers: &impl Liveness) {
        self.barrier.reap_dead(peers);
    }
}

impl Barrier<'_> {
    /// Blocks until all have arrived, and leaves. Returns whether this process is the leader. A
    /// broken phase: [`EventWaitError::Disconnected`].
    pub(crate) fn wait<'m>(
        self,
        arrival: Arrival,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<bool, EventWaitError> {
        // ORDERING: (A4) stands between the CAS of the own seat and the look at the others'.
        if !mutation(795) {
            barrier_after_rmw();
        }
        let mut op = WaitForAll {
            barrier: self,
            arrival,
            me,
            peers,
            is_full: self.is_full(arrival.phase),
            is_corrupt: false,
        };
        let mut waited = wait(&mut op, self.state.waiters(), peers, deadline, mode.into());
        if waited == Err(EventWaitError::TimedOut) && !self.state.break_phase(arrival.phase) {
            // It was over just before.
            waited = match self.outcome(arrival, me) {
                Outcome::Released => Ok(false),
                Outcome::Broken | Outcome::Open => Err(EventWaitError::Disconnected),
                Outcome::Lost => Err(EventWaitError::MembershipLost),
            };
        }
        match waited {
            // What others wait for does not come any more.
            Err(EventWaitError::MembershipLost | EventWaitError::Corrupt) => {
                self.recover_seat(arrival.index, me.bits());
            }
            _ => self.leave(arrival.index, me),
        }
        waited
    }
}

//! Waiting for items or free slots of a ring.
//!
//! # State
//!
//! The event counts of the [ring](super).
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait).
//!
//! # Crash
//!
//! As in the [ring](super).
//!
//! # Ordering
//!
//! That of the [event count](crate::wait::event_count).

use core::time::Duration;

use super::{Corrupt, Cursor, RoleMarker, Spsc, WaitOutcome};
use crate::facade::{Deadline, mutation};
use crate::participant::Liveness;
use crate::wait::{
    SleepOn, Step, Stepped, WaitMode, WaitOp, block_on, by_peers, on_event, waits_end_with,
};

impl Spsc<'_> {
    /// Blocks until an item or a free slot is available.
    #[cfg(test)]
    pub(crate) fn wait<'m, R: RoleMarker>(
        self,
        cursor: &mut Cursor<R>,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> WaitOutcome {
        self.wait_for(cursor, 1, peers, deadline, mode)
    }

    /// Blocks until `wanted` items or free slots are available, at most the capacity.
    pub(crate) fn wait_for<'m, R: RoleMarker>(
        self,
        cursor: &mut Cursor<R>,
        wanted: u64,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> WaitOutcome {
        let mut op = SpscWait {
            ring: self,
            cursor,
            wanted,
            peers,
        };
        match block_on(&mut op, deadline, mode.into()) {
            Ok(count) => WaitOutcome::Ready(count),
            Err(waited) => waited,
        }
    }
}

/// The wait of a role for items or free slots.
struct SpscWait<'a, 'b, R, P> {
    ring: Spsc<'a>,
    cursor: &'b mut Cursor<R>,
    wanted: u64,
    peers: &'b P,
}

waits_end_with!(WaitOutcome::TimedOut);

impl<R: RoleMarker, P: Liveness> WaitOp for SpscWait<'_, '_, R, P> {
    type Output = u64;
    type Error = WaitOutcome;

    fn attempt(&mut self) -> Stepped<Self> {
        let available = match self.ring.available(self.cursor) {
            Ok(few) if few > 0 && few < self.wanted => self.ring.refresh(self.cursor),
            available => available,
        };
        match available {
            Ok(count) if count >= self.wanted => Ok(Step::Done(count)),
            Ok(_) if self.ring.has_left(R::ROLE) => self.disconnected(),
            Ok(_) => Ok(Step::Blocked),
            Err(Corrupt) => Err(WaitOutcome::Corrupt),
        }
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        let claim = self.ring.peer_claim(R::ROLE);
        match claim.holder(self.peers.participants()) {
            Ok(None) if claim.is_left() => self.disconnected(),
            Ok(None) => Ok(Step::Blocked),
            Ok(Some(tag)) if self.peers.is_alive(tag) => Ok(Step::Blocked),
            Ok(Some(_)) if mutation(542) => self.disconnected(),
            Ok(Some(tag)) => {
                self.ring.state.peer(R::ROLE).claim.recover(tag);
                Ok(Step::Retry)
            }
            Err(_) => Err(WaitOutcome::Corrupt),
        }
    }

    const REAPS_FIRST: bool = false;

    by_peers!();

    fn progress(&self) -> u64 {
        self.cursor.position
    }

    fn longest(&self) -> Duration {
        on_event::longest_until_end(true)
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let (ring, other) = (self.ring, self.ring.peer_claim(R::ROLE));
        let wanted = self.wanted;
        if let Ok(Some(tag)) = other.holder(self.peers.participants()) {
            self.peers.sleeps_for(tag);
        }
        let has_left = other.is_left() && !mutation(661);
        ring.event(R::ROLE).announce(|| {
            has_left
                || ring
                    .refresh(self.cursor)
                    .map_or(true, |count| count >= wanted)
                || (!mutation(61) && ring.peer_claim(R::ROLE) != other)
        })
    }
}

impl<R: RoleMarker, P: Liveness> SpscWait<'_, '_, R, P> {
    /// Ends the wait, because the peer has left or died. The peer may have committed an item before
    /// that.
    fn disconnected(&mut self) -> Stepped<Self> {
        match self.ring.load_peer(self.cursor) {
            Some(count) if count >= self.wanted && !mutation(77) => Ok(Step::Done(count)),
            Some(_) => Err(WaitOutcome::Disconnected),
            None => Err(WaitOutcome::Corrupt),
        }
    }
}

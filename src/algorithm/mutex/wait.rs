//! Waiting for a mutex.
//!
//! # State
//!
//! That of [`mutex`](super).
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait): the waiter spins while no other sleeps, asks whether the owner is
//! alive before every sleep, sets `CONTENDED` and sleeps on the word.
//!
//! # Crash
//!
//! That of [`mutex`](super).
//!
//! # Ordering
//!
//! (M1) to (M3) of [`mutex`](super).

use core::time::Duration;

use super::{CONTENDED, LockToken, MutexError, MutexState, OWNER_DIED, Seen, owner};
use crate::facade::{Deadline, Ordering, mutation, ordering};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::wait::longest_for;
use crate::wait::{SleepOn, Step, Stepped, WaitMode, WaitOp, block_on, by_peers, waits_end_with};

waits_end_with!(MutexError::Busy);

/// A waiter for the lock.
struct Lock<'a, P> {
    state: &'a MutexState,
    peers: &'a P,
    /// CONTENDED once this waiter has slept: it cannot know whether others still do.
    others: u32,
    /// The word at the last attempt, and its owner.
    seen: u32,
    owner: Tag,
}

impl MutexState {
    pub(super) fn wait(
        &self,
        peers: &impl Liveness,
        deadline: &Deadline,
    ) -> Result<LockToken, MutexError> {
        let mut lock = Lock {
            state: self,
            peers,
            others: 0,
            seen: 0,
            owner: peers.me(),
        };
        block_on(&mut lock, deadline, WaitMode::of_a_lock(peers.history()))
    }
}

impl<P: Liveness> Lock<'_, P> {
    fn take(&self, died: u32) -> Stepped<Self> {
        let extra = self.others | died;
        let taken = self.state.take(self.seen, self.peers, extra)?;
        Ok(taken.map_or(Step::Retry, Step::Done))
    }
}

impl<P: Liveness> WaitOp for Lock<'_, P> {
    type Output = LockToken;
    type Error = MutexError;

    fn attempt(&mut self) -> Stepped<Self> {
        // ORDERING: Acquire; pairs with (M3) in `claiming`.
        self.seen = self.state.word.load(ordering(Ordering::Acquire, 51));
        match owner(self.seen, self.peers)? {
            Seen::Free => self.take(0),
            Seen::Owned(tag) => {
                self.owner = tag;
                Ok(Step::Blocked)
            }
        }
    }

    fn may_spin(&self) -> bool {
        self.seen & CONTENDED == 0
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        if mutation(6) || !self.peers.is_alive(self.owner) {
            return self.take(if mutation(17) { 0 } else { OWNER_DIED });
        }
        Ok(Step::Blocked)
    }

    const REAPS_FIRST: bool = true;

    by_peers!();

    fn longest(&self) -> Duration {
        longest_for(Some(self.owner), self.peers)
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let word = &self.state.word;
        let silent = mutation(8) || (mutation(12) && self.others != 0);
        let expected = if silent {
            self.seen
        } else {
            self.seen | CONTENDED
        };
        if self.seen != expected {
            // ORDERING: Relaxed; the flag carries no data, the unlocking CAS reads the word.
            let (relaxed, seen) = (Ordering::Relaxed, self.seen);
            word.compare_exchange_weak(seen, expected, relaxed, relaxed)
                .ok()?;
        }
        self.peers.sleeps_for(self.owner);
        Some(SleepOn::One(word, expected))
    }

    fn slept(&mut self) {
        self.others = if mutation(5) { 0 } else { CONTENDED };
    }

    fn timed_out(&mut self) -> Result<LockToken, MutexError> {
        self.state.give_up(self.peers, self.others)
    }
}

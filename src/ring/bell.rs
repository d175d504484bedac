//! A bell: what one side of a ring sleeps by, and the other rings. The ringing costs nothing while
//! nobody sleeps.
//!
//! # State
//!
//! One futex word: 0 nobody sleeps, 1 somebody may.
//!
//! # Protocol
//!
//! - sleep: store 1, a heavy barrier, look once more for what is waited for; sleep while the word is
//!   1, for a slice at most.
//! - ring, after what is waited for was committed: a light barrier, load; if the word is not 0,
//!   make it 0 and wake all.
//!
//! The light barrier is no instruction: the sleeper pays for both with membarrier(2), so that a
//! commit costs no fence (the asymmetric fences of folly and of liburcu).
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | a sleeper, anywhere | a 1 too many | the next to ring, who wakes nobody and makes it 0 |
//! | one that rings, after its commit | a sleeper whose wake is owed | the sleeper, when its slice ends; whoever reaps, by [`wake`](Bell::wake) |
//!
//! A stopped sleeper delays nobody. One that is stopped between commit and ringing delays the
//! sleeper by its slice.
//!
//! # Ordering
//!
//! ```text
//! sleeper                         one that rings
//! word = 1                        commit
//! heavy barrier                   light barrier
//! is it committed? else sleep     word == 1? then wake
//! ```
//!
//! With a full fence in each column one of the two sees the other's store. Without membarrier the
//! light side can lose that race, and the sleeper's slice ends instead.

use core::time::Duration;

use crate::facade::{Futex, Ordering, heavy_barrier, light_barrier, mutation};

/// The word of a bell, in the segment.
#[repr(transparent)]
pub(crate) struct Bell {
    word: Futex,
}

impl Bell {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            word: Futex::new(0),
        }
    }

    /// To be called after a commit that somebody may sleep for.
    #[inline(always)]
    pub(crate) fn ring(&self) {
        if !mutation(60) {
            light_barrier();
        }
        // ORDERING: Relaxed; see the two columns above.
        if self.word.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    /// Wakes whoever sleeps, whether or not the word says so: for what is committed once and not
    /// looked at again.
    #[cold]
    pub(crate) fn wake(&self) {
        light_barrier();
        // ORDERING: Relaxed; the futex orders a sleeper's look at the word and its sleep.
        if !mutation(66) {
            self.word.store(0, Ordering::Relaxed);
        }
        if !mutation(62) {
            self.word.wake(u32::MAX);
        }
    }

    /// Sleeps for `slice` at most, unless `ready` by then; may return early for no reason.
    #[cold]
    pub(crate) fn sleep(&self, slice: Duration, ready: impl FnOnce() -> bool) {
        // ORDERING: Relaxed; see the two columns above.
        self.word.store(1, Ordering::Relaxed);
        if !mutation(63) {
            heavy_barrier();
        }
        if mutation(64) || !ready() {
            self.word.wait(1, slice);
        }
    }
}

//! A bell: what one side of a ring sleeps by, and the other rings. The ringing costs nothing while
//! nobody sleeps.
//!
//! # State
//!
//! One futex word: 0 nobody sleeps, 1 somebody may: the bell is armed.
//!
//! # Protocol
//!
//! - sleep: arm, a heavy barrier, look once more for what is waited for; sleep while the word is
//!   armed, for a slice at most.
//! - ring, after what is waited for was committed: a light barrier, load; if the word is armed,
//!   wake one. If nobody was there to be woken, disarm, and wake all that have come since. So a
//!   sleeper costs those who ring one vain wake, and no more.
//! - wake: disarm, wake all.
//!
//! The light barrier is no instruction: the sleeper pays for both with membarrier(2), so that a
//! commit costs no fence (the asymmetric fences of folly and of liburcu).
//!
//! Ringing wakes one, and that one may come too late for what it was rung for, or find more than
//! it takes: whoever sleeps beside others by the same bell and gets what it slept for rings again
//! if there is more.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | a sleeper, anywhere | an armed word | the next to ring, who wakes nobody and disarms it |
//! | a sleeper, woken | a wake that others needed | they, when their slices end |
//! | one that rings, after its commit | a sleeper whose wake is owed | the sleeper, when its slice ends; whoever reaps, by [`wake`](Bell::wake) |
//!
//! A stopped sleeper delays nobody that the bell is not rung for again; the others sleep on to the
//! end of their slices. One that is stopped between commit and ringing delays the sleeper by its
//! slice.
//!
//! # Ordering
//!
//! ```text
//! sleeper                         one that rings
//! armed                           commit
//! heavy barrier                   light barrier
//! is it committed? else sleep     armed? then wake
//! ```
//!
//! With a full fence in each column one of the two sees the other's store. Without membarrier the
//! light side can lose that race, and the sleeper's slice ends instead.

use crate::facade::{Futex, Ordering, heavy_barrier, light_barrier, mutation};
use crate::wait::SleepOn;

/// What the word is while somebody may sleep.
pub(crate) const ARMED: u32 = 1;

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

    /// Wakes one that sleeps, if one does; to be called after a commit.
    #[inline(always)]
    pub(crate) fn ring(&self) {
        if self.is_armed() {
            self.wake_one();
        }
    }

    /// Wakes all that sleep, if one does; to be called after a commit.
    #[inline(always)]
    pub(crate) fn ring_all(&self) {
        if self.is_armed() {
            self.wake();
        }
    }

    /// Whether somebody may sleep; to be asked after a commit.
    #[inline(always)]
    pub(crate) fn is_armed(&self) -> bool {
        if !mutation(60) {
            light_barrier();
        }
        // ORDERING: Relaxed; see the two columns above.
        self.word.load(Ordering::Relaxed) != 0
    }

    #[cold]
    #[inline(never)]
    fn wake_one(&self) {
        let woken = if mutation(62) { 1 } else { self.word.wake(1) };
        if woken == 0 {
            // One that looked before the commit can have fallen asleep since.
            self.disarm();
            if !mutation(67) {
                self.word.wake(u32::MAX);
            }
        }
    }

    /// Wakes whoever sleeps, whether or not the word says so: for what is committed once and not
    /// looked at again.
    #[cold]
    #[inline(never)]
    pub(crate) fn wake(&self) {
        light_barrier();
        if !mutation(66) {
            self.disarm();
        }
        if !mutation(69) {
            self.word.wake(u32::MAX);
        }
    }

    fn disarm(&self) {
        // ORDERING: Relaxed; the futex orders a sleeper's look at the word and its sleep.
        self.word.store(0, Ordering::Relaxed);
    }

    /// Announces a sleeper, who has to look once more for what it waits for, behind a heavy barrier,
    /// and may then sleep on [`word`](Self::word) while it is [`ARMED`].
    #[cold]
    pub(crate) fn arm(&self) {
        // ORDERING: Relaxed; see the two columns above.
        self.word.store(ARMED, Ordering::Relaxed);
    }

    /// What a sleeper sleeps on.
    pub(crate) fn word(&self) -> &Futex {
        &self.word
    }

    /// Announces a sleeper, and returns what it sleeps on; `None` if it is `ready` by then.
    #[cold]
    pub(crate) fn announce(&self, ready: impl FnOnce() -> bool) -> Option<SleepOn<'_>> {
        self.arm();
        if !mutation(63) {
            heavy_barrier();
        }
        let sleeps = mutation(64) || !ready();
        sleeps.then_some(SleepOn::One(&self.word, ARMED))
    }
}

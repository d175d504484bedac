//! A bell: what one side of a ring sleeps by, and the other rings. The ringing costs nothing while
//! nobody sleeps.
//!
//! # State
//!
//! One futex word.
//!
//! ```text
//!     31                        0
//! | FENCES | 0 ...          | ARMED |    ARMED: a sleeper may be there
//! ```
//!
//! FENCES stays for ever: a process that uses the bell has no membarrier(2).
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
//! The kernel, or a filter, may refuse membarrier(2) to a process. A process that cannot take part in the
//! barriers of others sets FENCES before its first commit, and a sleeper that cannot have one sets it when
//! that is refused. A word with FENCES is not 0, so the one load of a ringing process finds it, and that process
//! makes a real fence and looks once more. So all processes agree, and those that have membarrier(2) among
//! themselves pay nothing.
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
//! With a full fence in each column one of the two sees the other's store. With FENCES the light barrier
//! is one, between the commit and a second look at the word. The first sleeper that is refused its barrier
//! has no fence opposite yet: it can miss a commit that is made while it sets FENCES, and its slice ends
//! instead.

use crate::facade::{
    Futex, Ordering, fence, heavy_barrier, light_barrier, mutation, use_light_barriers,
};
use crate::wait::SleepOn;

/// A sleeper may be there.
const ARMED: u32 = 1;
/// A process that uses the bell has no membarrier(2): who rings makes a real fence.
const FENCES: u32 = 1 << 31;

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
        let word = self.word.load(Ordering::Relaxed);
        word != 0 && (word & FENCES == 0 || self.is_armed_behind_a_fence())
    }

    #[cold]
    #[inline(never)]
    fn is_armed_behind_a_fence(&self) -> bool {
        if !mutation(630) {
            fence(Ordering::SeqCst);
        }
        // ORDERING: Relaxed; as above.
        self.word.load(Ordering::Relaxed) & ARMED != 0
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
        fence(Ordering::SeqCst);
        if !mutation(66) {
            self.disarm();
        }
        if !mutation(69) {
            self.word.wake(u32::MAX);
        }
    }

    fn disarm(&self) {
        // ORDERING: Relaxed; the futex orders a sleeper's look at the word and its sleep.
        self.word.fetch_and(FENCES, Ordering::Relaxed);
    }

    /// Announces a sleeper, who has to look once more for what it waits for, behind a
    /// [`barrier_of_a_sleeper`], and may then sleep on [`asleep`](Self::asleep).
    #[cold]
    pub(crate) fn arm(&self) {
        // ORDERING: Relaxed; see the two columns above.
        let before = self.word.fetch_or(ARMED, Ordering::Relaxed);
        if before & !(ARMED | FENCES) != 0 {
            // Garbage, with which no sleeper would sleep.
            self.word.fetch_and(ARMED | FENCES, Ordering::Relaxed);
        }
    }

    /// What a sleeper sleeps on, and what the word is meanwhile.
    pub(crate) fn asleep(&self) -> (&Futex, u32) {
        // ORDERING: Relaxed; a process that changes it meanwhile ends the sleep.
        let fences = self.word.load(Ordering::Relaxed) & FENCES;
        (&self.word, fences | ARMED)
    }

    #[cold]
    fn ask_for_fences(&self) {
        // ORDERING: Relaxed; see the two columns above.
        self.word.fetch_or(FENCES, Ordering::Relaxed);
    }

    /// Announces a sleeper, and returns what it sleeps on; `None` if it is `ready` by then.
    #[cold]
    pub(crate) fn announce(&self, ready: impl FnOnce() -> bool) -> Option<SleepOn<'_>> {
        self.arm();
        if !mutation(63) {
            barrier_of_a_sleeper([self]);
        }
        if !mutation(64) && ready() {
            return None;
        }
        let (word, expected) = self.asleep();
        Some(SleepOn::One(word, expected))
    }
}

/// The barrier of a sleeper that has armed these bells.
#[cold]
pub(crate) fn barrier_of_a_sleeper<'a>(bells: impl IntoIterator<Item = &'a Bell>) {
    if !heavy_barrier() && !mutation(631) {
        bells.into_iter().for_each(Bell::ask_for_fences);
    }
}

/// To be called before this process rings one of these bells for the first time.
#[cold]
pub(crate) fn use_bells<'a>(bells: impl IntoIterator<Item = &'a Bell>) {
    if !use_light_barriers() && !mutation(632) {
        bells.into_iter().for_each(Bell::ask_for_fences);
    }
}

#[cfg(all(test, loom))]
pub(crate) mod tests;

//! An event count: what one side of a ring sleeps by, and the other rings. The ringing costs
//! nothing while nobody sleeps.
//!
//! # State
//!
//! One futex word.
//!
//! ```text
//!     31     30            2     1       0
//! | FENCES |  generation: 29 | FENCED | WAITERS |
//! ```
//!
//! - WAITERS: a sleeper may be there.
//! - FENCED: a sleeper has made its barrier since the event count was armed.
//! - generation: how often the event count was armed.
//! - FENCES stays for ever: a process that uses the event count has no membarrier(2).
//!
//! # Protocol
//!
//! - sleep: arm, a heavy barrier, then FENCED into the word; look once more for what is waited for;
//!   sleep while the word is as it was, for a slice at most. A sleeper that finds the event count
//!   FENCED makes no barrier: see below.
//! - ring, after what is waited for was committed: a light barrier, load; if the word is armed,
//!   wake one. If nobody was there to be woken, disarm, and wake all that have come since. So a
//!   sleeper costs those who ring one vain wake, and no more.
//! - wake: disarm, wake all.
//!
//! The light barrier is no instruction: the sleeper pays for both with membarrier(2), so that a
//! commit costs no fence (the asymmetric fences of folly and of liburcu).
//!
//! The kernel, or a filter, may refuse membarrier(2) to a process. A process that cannot take part
//! in the barriers of others sets FENCES before its first commit, and a sleeper that cannot have
//! one sets it when that is refused. A word with FENCES is not 0, so the one load of a ringing
//! process finds it, and that process makes a real fence and looks once more. So all processes
//! agree, and those that have membarrier(2) among themselves pay nothing.
//!
//! Ringing wakes one, and that one may come too late for what it was rung for, or find more than it
//! takes: whoever sleeps beside others by the same event count and gets what it slept for rings
//! again if there is more.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | a sleeper, anywhere | an armed word | the next to ring, who wakes nobody and disarms it |
//! | a sleeper, woken | a wake that others needed | they, when their slices end |
//! | one that rings, after its commit | a sleeper whose wake is owed | the sleeper, when its slice ends; whoever reaps, by [`wake_all`](EventCount::wake_all) |
//!
//! A stopped sleeper delays nobody that the event count is not rung for again; the others sleep on
//! to the end of their slices. One that is stopped between commit and ringing delays the sleeper by
//! its slice.
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
//! With a full fence in each column one of the two sees the other's store.
//!
//! (B2) A sleeper that finds FENCED (Acquire) relies on the barrier of the one that stored it
//! (Release). Whatever was committed by a process that had looked at the word before that barrier,
//! and found no sleeper, is seen behind it. A process that looks later finds the event count armed,
//! and rings, or finds it disarmed, and then the word has changed and those that slept by it are
//! woken. WAITERS alone says nothing: the sleeper that armed the event count may be stopped, or
//! dead, before its barrier. And FENCED is stored by a CAS that expects the generation that was
//! armed before the barrier: the event count may have been disarmed since, and armed again by a
//! sleeper without a barrier so far. The generation comes round after 2^29 sleeps, at 2 us each in
//! 18 minutes, while one sleeper is stopped there; then a wake can be lost, and a slice ends
//! instead.
//!
//! With FENCES the light barrier is one, between the commit and a second look at the word. The
//! first sleeper that is refused its barrier has no fence opposite yet: it can miss a commit that
//! is made while it sets FENCES, and its slice ends instead.

use crate::facade::{
    Futex, Ordering, fence, heavy_barrier, light_barrier, mutation, ordering, use_light_barriers,
};
use crate::wait::SleepOn;

/// A sleeper may be there.
const WAITERS: u32 = 1;
/// A sleeper has made its barrier since the event count was armed.
const FENCED: u32 = 2;
/// One more of the generation, and all of it.
const ONCE_MORE: u32 = 4;
const GENERATION: u32 = !(FENCES | FENCED | WAITERS);
/// A process that uses the event count has no membarrier(2): who rings makes a real fence.
const FENCES: u32 = 1 << 31;

/// The word of an event count, in the segment.
#[repr(transparent)]
pub(crate) struct EventCount {
    word: Futex,
}

impl EventCount {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            word: Futex::new(0),
        }
    }

    /// Wakes one that sleeps, if one does; to be called after a commit.
    #[inline(always)]
    pub(crate) fn notify(&self) {
        if self.has_waiters() {
            self.wake_one();
        }
    }

    /// Wakes all that sleep, if one does; to be called after a commit.
    #[inline(always)]
    pub(crate) fn notify_all(&self) {
        if self.has_waiters() {
            self.wake_all();
        }
    }

    /// Whether somebody may sleep; to be asked after a commit.
    #[inline(always)]
    pub(crate) fn has_waiters(&self) -> bool {
        if !mutation(60) {
            light_barrier();
        }
        // ORDERING: Relaxed; see the two columns above.
        let word = self.word.load(Ordering::Relaxed);
        word & (FENCES | WAITERS) != 0 && (word & FENCES == 0 || self.has_waiters_after_fence())
    }

    #[cold]
    #[inline(never)]
    fn has_waiters_after_fence(&self) -> bool {
        if !mutation(630) {
            fence(Ordering::SeqCst);
        }
        // ORDERING: Relaxed; as above.
        self.word.load(Ordering::Relaxed) & WAITERS != 0
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
    pub(crate) fn wake_all(&self) {
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
        self.word.fetch_and(!(FENCED | WAITERS), Ordering::Relaxed);
    }

    /// Announces a sleeper, which has to look once more for what it waits for, behind a
    /// [`waiter_barrier`], and may then sleep [`on`](WaitKey::on) the word.
    #[cold]
    pub(crate) fn prepare_wait(&self) -> WaitKey<'_> {
        // ORDERING: Acquire; pairs with (B2) in `fenced`.
        let acquire = ordering(Ordering::Acquire, 663);
        let mut seen = self.word.load(acquire);
        while seen & WAITERS == 0 {
            let more = if mutation(664) { 0 } else { ONCE_MORE };
            let generation = (seen & GENERATION).wrapping_add(more) & GENERATION;
            let armed = seen & FENCES | generation | WAITERS;
            match self.word.compare_exchange(seen, armed, acquire, acquire) {
                Ok(_) => seen = armed,
                Err(now) => seen = now,
            }
        }
        WaitKey {
            event: self,
            generation: seen & GENERATION,
            needs_barrier: seen & FENCED == 0 && !mutation(665),
        }
    }

    /// The word that sleepers sleep on.
    pub(crate) fn word(&self) -> &Futex {
        &self.word
    }

    #[cold]
    fn ask_for_fences(&self) {
        // ORDERING: Relaxed; see the two columns above.
        self.word.fetch_or(FENCES, Ordering::Relaxed);
    }

    /// Announces a sleeper, and returns what it sleeps on; `None` if it is `ready` by then.
    #[cold]
    pub(crate) fn announce(&self, ready: impl FnOnce() -> bool) -> Option<SleepOn<'_>> {
        let armed = self.prepare_wait();
        if !mutation(63) {
            waiter_barrier(armed.needs_barrier, [armed]);
        }
        if !mutation(64) && ready() {
            return None;
        }
        let (word, expected) = armed.on();
        Some(SleepOn::One(word, expected))
    }
}

/// An event count that a sleeper has found armed, or has armed.
#[derive(Clone, Copy)]
pub(crate) struct WaitKey<'a> {
    event: &'a EventCount,
    generation: u32,
    pub(crate) needs_barrier: bool,
}

impl<'a> WaitKey<'a> {
    /// What to sleep on, and what the word is meanwhile. If the event count was disarmed since, it
    /// is something else than that.
    pub(crate) fn on(self) -> (&'a Futex, u32) {
        // ORDERING: Relaxed; a process that changes it meanwhile ends the sleep.
        let now = self.event.word.load(Ordering::Relaxed);
        let same = now & WAITERS != 0 && now & GENERATION == self.generation;
        (
            &self.event.word,
            if same { now } else { self.generation | WAITERS },
        )
    }

    /// Notes that a barrier was made since the event count was armed.
    fn fenced(self) {
        // ORDERING: Relaxed; the CAS decides.
        let mut seen = self.event.word.load(Ordering::Relaxed);
        while seen & WAITERS != 0 && seen & GENERATION == self.generation && seen & FENCED == 0 {
            // ORDERING: Release; (B2).
            let release = ordering(Ordering::Release, 666);
            match self
                .event
                .word
                .compare_exchange(seen, seen | FENCED, release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

/// The barrier of a sleeper that has armed these event counts, if it needs one: others' may be as
/// good.
#[cold]
pub(crate) fn waiter_barrier<'a>(
    needs_barrier: bool,
    armed: impl IntoIterator<Item = WaitKey<'a>>,
) {
    if !needs_barrier {
        return;
    }
    if heavy_barrier() {
        armed.into_iter().for_each(WaitKey::fenced);
    } else if !mutation(631) {
        armed.into_iter().for_each(|one| one.event.ask_for_fences());
    }
}

/// To be called before this process rings one of these event counts for the first time.
#[cold]
pub(crate) fn use_events<'a>(events: impl IntoIterator<Item = &'a EventCount>) {
    if !use_light_barriers() && !mutation(632) {
        events.into_iter().for_each(EventCount::ask_for_fences);
    }
}

#[cfg(all(test, loom))]
pub(crate) mod tests;

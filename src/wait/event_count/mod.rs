//! An event count: the word that waiters sleep on and notifiers notify. Notifying costs nothing
//! while there are no waiters.
//!
//! # State
//!
//! One futex word.
//!
//! ```text
//!     31     30            2     1        0
//! | FENCES |  generation: 29 | FENCED | WAITERS |
//! ```
//!
//! - WAITERS: there may be sleepers.
//! - FENCED: a sleeper has made its barrier in this generation.
//! - generation: how often WAITERS was set, or found by a round.
//! - FENCES is never cleared: a process that uses the event count has no membarrier(2).
//!
//! # Protocol
//!
//! - sleep: set WAITERS in a new generation, heavy barrier, then set FENCED; check the condition
//!   once more; sleep while the word keeps its value, for a slice at most. A sleeper that finds
//!   FENCED makes no barrier: see below.
//! - notify, after the condition was committed: light barrier, load; if WAITERS is set, wake one.
//!   If there was none to wake, clear WAITERS and wake all that have come since. So a sleeper costs
//!   the notifiers one vain wake at most.
//! - wake all: clear WAITERS, wake all.
//! - notify a round, for waiters that sleep again soon: set a new generation, WAITERS and FENCED
//!   stay, wake all. If there was none to wake, clear WAITERS and wake all that have come since.
//!
//! The light barrier is no instruction: the sleeper pays for both with membarrier(2), so that a
//! commit costs no fence (the asymmetric fences of folly and of liburcu).
//!
//! The kernel, or a filter, may refuse membarrier(2) to a process. A process that cannot take part
//! in the barriers of others sets FENCES before its first commit; a sleeper whose own barrier is
//! refused sets it then. A word with FENCES is not 0, so a notifier's one load finds it, and the
//! notifier makes a real fence and loads once more. So all processes agree, and those that have
//! membarrier(2) among themselves pay nothing.
//!
//! A notification wakes one sleeper. That one may be too late for what was committed, or find more
//! than it takes. So a sleeper that shares an event count and got what it slept for notifies again
//! if there is more.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | a sleeper, anywhere | WAITERS is set | the next notifier, which wakes none and clears it |
//! | a sleeper, woken | a wake that others needed | they, when their slices end |
//! | a notifier, after its commit | a sleeper whose wake is owed | the sleeper, when its slice ends; a reaper, by [`wake_all`](EventCount::wake_all) |
//!
//! A stopped sleeper delays only sleepers that are not notified again; they sleep to the end of
//! their slices. A notifier that is stopped between commit and notification delays the sleeper by
//! its slice.
//!
//! # Ordering
//!
//! ```text
//! sleeper                         notifier
//! WAITERS                         commit
//! heavy barrier                   light barrier
//! is it committed? else sleep     WAITERS? then wake
//! ```
//!
//! With a full fence in each column one of the two sees the other's store.
//!
//! (B2) A sleeper that finds FENCED (Acquire) relies on the barrier of the sleeper that stored it
//! (Release). It sees whatever was committed by a process that loaded the word before that barrier
//! and found no waiter. A process that loads the word later either finds WAITERS, and notifies, or
//! finds it cleared; then the word has changed, and its sleepers are woken. WAITERS alone proves
//! nothing: the sleeper that set it may be stopped, or dead, before its barrier. FENCED is stored
//! by a CAS that expects the generation from before the barrier: WAITERS may have been cleared
//! since, and set again by a sleeper without a barrier so far. FENCED holds for later generations
//! as long as WAITERS is not cleared: all that load the word after that barrier find WAITERS. So a
//! round leaves both as they are. The generation wraps after 2^29
//! sleeps, at 2 us each in 18 minutes, while one sleeper is stopped there; then a wake can be lost,
//! and a slice ends instead.
//!
//! (B3) A round stores its generation (Release) after the commit. A sleeper that announces itself
//! in that generation (Acquire), makes no barrier, and comes too late for the round's wake sees
//! what was committed. Under loom the light barrier in between is a fence and orders this, too.
//!
//! With FENCES the light barrier is a fence between the commit and a second load of the word. The
//! first sleeper whose barrier is refused has no fence opposite yet: it can miss a commit that is
//! made while it sets FENCES, and its slice ends instead.

use crate::facade::{
    Futex, Ordering, fence, heavy_barrier, light_barrier, mutation, ordering, use_light_barriers,
};
use crate::wait::SleepOn;

/// There may be sleepers.
pub(crate) const WAITERS: u32 = 1;
/// A sleeper has made its barrier in this generation.
const FENCED: u32 = 2;
/// The increment of the generation, and its mask.
const ONCE_MORE: u32 = 4;
const GENERATION: u32 = !(FENCES | FENCED | WAITERS);
/// A process that uses the event count has no membarrier(2): a notifier makes a real fence.
const FENCES: u32 = 1 << 31;

/// An event count, in the segment.
#[repr(transparent)]
pub(crate) struct EventCount {
    word: Futex,
}

impl EventCount {
    #[cfg(any(test, feature = "process"))]
    pub(crate) fn new() -> Self {
        Self {
            word: Futex::new(0),
        }
    }

    /// Wakes one sleeper, if there is any. Must be called after the commit.
    #[inline(always)]
    pub(crate) fn notify(&self) {
        if self.has_waiters() {
            self.wake_one();
        }
    }

    /// Wakes all sleepers, if there are any. Must be called after the commit.
    #[inline(always)]
    pub(crate) fn notify_all(&self) {
        if self.has_waiters() {
            self.wake_all();
        }
    }

    /// Wakes all sleepers as [`notify_all`](Self::notify_all) does, which are expected to sleep
    /// again soon: the next sleeper need not announce itself, or make a barrier.
    #[inline(always)]
    pub(crate) fn notify_round(&self) {
        if self.has_waiters() {
            self.wake_round();
        }
    }

    /// Returns whether there may be sleepers. Must be called after the commit.
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
            // A sleeper that checked before the commit can have fallen asleep since.
            self.clear_waiters();
            if !mutation(67) {
                self.word.wake(u32::MAX);
            }
        }
    }

    /// Wakes all sleepers, whether or not the word shows any: for what is committed once and not
    /// checked again.
    #[cold]
    #[inline(never)]
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        if !mutation(66) {
            self.clear_waiters();
        }
        if !mutation(69) {
            self.word.wake(u32::MAX);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_round(&self) {
        // ORDERING: Release; (B3). Relaxed; the CAS decides.
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        let mut seen = self.word.load(relaxed);
        while seen & WAITERS != 0 {
            let next = seen & !GENERATION | next_generation(seen, 940);
            match self.word.compare_exchange(seen, next, release, relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if self.word.wake(u32::MAX) == 0 {
            self.clear_waiters();
            self.word.wake(u32::MAX);
        }
    }

    fn clear_waiters(&self) {
        // ORDERING: Relaxed; the futex orders a sleeper's check of the word and its sleep.
        self.word.fetch_and(!(FENCED | WAITERS), Ordering::Relaxed);
    }

    /// Announces a sleeper. It must check its condition once more behind a [`waiter_barrier`], and
    /// may then sleep [`on`](WaitKey::on) the word.
    #[cold]
    pub(crate) fn prepare_wait(&self) -> WaitKey<'_> {
        // ORDERING: Acquire; pairs with (B2) in `fenced`, and with (B3) in `wake_round`.
        let acquire = ordering(Ordering::Acquire, 663);
        let mut seen = self.word.load(acquire);
        while seen & WAITERS == 0 {
            let key = seen & FENCES | next_generation(seen, 664) | WAITERS;
            match self.word.compare_exchange(seen, key, acquire, acquire) {
                Ok(_) => seen = key,
                Err(now) => seen = now,
            }
        }
        WaitKey {
            event: self,
            generation: seen & GENERATION,
            needs_barrier: seen & FENCED == 0 && !mutation(665),
        }
    }

    /// The word that waiters sleep on.
    pub(crate) fn word(&self) -> &Futex {
        &self.word
    }

    #[cold]
    fn ask_for_fences(&self) {
        // ORDERING: Relaxed; see the two columns above.
        self.word.fetch_or(FENCES, Ordering::Relaxed);
    }

    /// Announces a sleeper and returns what it sleeps on, or `None` if it is `ready` by then.
    #[cold]
    pub(crate) fn announce(&self, ready: impl FnOnce() -> bool) -> Option<SleepOn<'_>> {
        let key = self.prepare_wait();
        if !mutation(63) {
            waiter_barrier(key.needs_barrier, [key]);
        }
        if !mutation(64) && ready() {
            return None;
        }
        let (word, expected) = key.on();
        Some(SleepOn::One(word, expected))
    }
}

/// The generation after that of the word; `mutant` leaves it as it is.
fn next_generation(seen: u32, mutant: u32) -> u32 {
    let more = if mutation(mutant) { 0 } else { ONCE_MORE };
    (seen & GENERATION).wrapping_add(more) & GENERATION
}

/// An announced sleeper: the event count and the generation that it sleeps in.
#[derive(Clone, Copy)]
pub(crate) struct WaitKey<'a> {
    event: &'a EventCount,
    generation: u32,
    pub(crate) needs_barrier: bool,
}

impl<'a> WaitKey<'a> {
    /// The word to sleep on, and its value during the sleep. If WAITERS was cleared since, the word
    /// has another value.
    pub(crate) fn on(self) -> (&'a Futex, u32) {
        // ORDERING: Relaxed; a process that changes the word meanwhile ends the sleep.
        let now = self.event.word.load(Ordering::Relaxed);
        let same = now & WAITERS != 0 && now & GENERATION == self.generation;
        (
            &self.event.word,
            if same { now } else { self.generation | WAITERS },
        )
    }

    /// Notes that a barrier was made in this generation.
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

/// Makes the barrier between announcing a sleeper and its last check, if it needs one: another
/// sleeper's may do.
#[cold]
pub(crate) fn waiter_barrier<'a>(needs_barrier: bool, key: impl IntoIterator<Item = WaitKey<'a>>) {
    if !needs_barrier {
        return;
    }
    if heavy_barrier() {
        key.into_iter().for_each(WaitKey::fenced);
    } else if !mutation(631) {
        key.into_iter().for_each(|one| one.event.ask_for_fences());
    }
}

/// Prepares this process to notify. Must be called before its first commit.
#[cold]
pub(crate) fn use_events<'a>(events: impl IntoIterator<Item = &'a EventCount>) {
    if !use_light_barriers() && !mutation(632) {
        events.into_iter().for_each(EventCount::ask_for_fences);
    }
}

#[cfg(all(test, loom))]
pub(crate) mod tests;

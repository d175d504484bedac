//! An event: a flag that processes set, clear and wait for.
//!
//! # State
//!
//! One word, and the [event count](crate::wait::event_count) by which its waiters sleep.
//!
//! ```text
//!  63                                        1   0
//! |       how often the flag was set: 63       | SET |
//! ```
//!
//! # Protocol
//!
//! - set: CAS to `SET`, and one more set if it was clear; wake all.
//! - clear: take `SET` away.
//! - wait: until `SET` is there, or the flag was set since the wait began. So a set and a clear
//!   while a waiter sleeps are not missed.
//!
//! The number of sets has 63 bits, and waiters compare all of it: it does not come round.
//!
//! # Crash
//!
//! No process holds anything.
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | set, after the CAS | waiters whose wake is owed | they, when their slices end; the next set; a reaper, which wakes all |
//! | clear, anywhere | the flag, set or clear | - |
//! | a waiter | nothing | - |
//!
//! A process that is stopped between the CAS and the wake delays waiters by their slices.
//!
//! # Ordering
//!
//! (V1) setting (Release) pairs with the loads of the flag (Acquire): a process that finds the
//! event set, or was woken by it, sees what the setter did before. Clearing is an RMW and continues
//! the release sequence, so this holds for a set that was cleared since, too. Setting what is set
//! already is a CAS as well: its author's stores are published. Sleeping and waking are ordered by
//! the event count.
//!
//! # Trade-offs
//!
//! Waiters could sleep on the word itself, with a flag for sleepers in it: setting would load one
//! word less. By an event count they can wait for other things as well, and the word has 64 bits,
//! of which the kernel compares 32 only.

use crate::facade::{AtomicU64, Deadline, Ordering, mutation, ordering};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::wait::WaitMode;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::{EventOp, EventWaitError, TryError, wait};

const SET: u64 = 1;
const ONE_MORE: u64 = 2;

/// The words of an event.
#[repr(C)]
struct Flag {
    word: AtomicU64,
    waiters: EventCount,
}

/// The state of an event, in the segment.
#[repr(C)]
pub(crate) struct EventState(Padded<Flag>);

/// How often an event was set, and whether it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sets(pub(crate) u64);

impl Sets {
    pub(crate) fn is_set(self) -> bool {
        self.0 & SET != 0
    }

    /// Returns whether the event is set now, or was set since the word was `before`.
    pub(crate) fn has_come_since(self, before: Self) -> bool {
        self.is_set() || self.0 / ONE_MORE != before.0 / ONE_MORE && !mutation(742)
    }
}

impl EventState {
    #[cfg(test)]
    pub(crate) fn new(is_set: bool) -> Self {
        Self(Padded(Flag {
            word: AtomicU64::new(if is_set { SET } else { 0 }),
            waiters: EventCount::new(),
        }))
    }

    /// Stores the first state, before any other process has the event.
    pub(crate) fn prepare(&self, is_set: bool) {
        let word = if is_set { SET } else { 0 };
        self.0.0.word.store(word, Ordering::Relaxed);
    }

    pub(crate) fn waiters(&self) -> &EventCount {
        &self.0.0.waiters
    }

    #[inline]
    pub(crate) fn load(&self) -> Sets {
        // ORDERING: Acquire; pairs with (V1) in `set`.
        let acquire = ordering(Ordering::Acquire, 743);
        Sets(self.0.0.word.load(acquire))
    }

    /// Sets the event, and wakes all waiters. Returns whether it was clear.
    #[inline]
    pub(crate) fn set(&self) -> bool {
        let word = &self.0.0.word;
        // ORDERING: Relaxed; the CAS decides.
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let next = match Sets(seen).is_set() {
                true => seen,
                false => seen.wrapping_add(ONE_MORE) | SET,
            };
            // ORDERING: Release; (V1). Acquire; what the process does next is after what the
            // setter before it did.
            let order = ordering(Ordering::AcqRel, 744);
            match word.compare_exchange(seen, next, order, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if !mutation(745) {
            self.waiters().notify_all();
        }
        !Sets(seen).is_set() || mutation(942)
    }

    /// Clears the event. Returns whether it was set.
    #[inline]
    pub(crate) fn clear(&self) -> bool {
        if mutation(943) {
            let seen = self.load();
            self.0.0.word.store(seen.0 & !SET, Ordering::Release);
            return seen.is_set();
        }
        // ORDERING: AcqRel; (V1) goes on.
        let seen = self.0.0.word.fetch_and(!SET, Ordering::AcqRel);
        Sets(seen).is_set()
    }

    /// Blocks until the event is set, or was set since it was `from`.
    pub(crate) fn wait<'m>(
        &self,
        from: Sets,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut op = WaitForSet { state: self, from };
        wait(&mut op, self.waiters(), peers, deadline, mode.into())
    }

    /// Makes the wakes that a dead process may have owed.
    pub(crate) fn recover(&self) {
        if !mutation(746) {
            self.waiters().wake_all();
        }
    }
}

/// The wait for a set.
struct WaitForSet<'a> {
    state: &'a EventState,
    from: Sets,
}

impl EventOp for WaitForSet<'_> {
    type Output = ();

    fn attempt(&mut self) -> Result<(), TryError> {
        if self.state.load().has_come_since(self.from) {
            Ok(())
        } else {
            Err(TryError::WouldBlock)
        }
    }

    fn is_ready(&mut self) -> bool {
        !mutation(747) && self.state.load().has_come_since(self.from)
    }

    fn progress(&self) -> u64 {
        self.from.0
    }
}

pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;

//! A condition variable: a count of notifications that waiters compare.
//!
//! # State
//!
//! Two words and the [event count](crate::wait::event_count) by which waiters sleep.
//!
//! | word | |
//! |---|---|
//! | notifications | how often the condition variable was notified, 64 bits |
//! | mutex | the offset of the mutex's entry, once a process has waited; 0 before |
//!
//! # Protocol
//!
//! - wait, with the mutex held: CAS the mutex's offset into its word if that is 0; an error if
//!   another one is there. Load the notifications; unlock; sleep until there is another number of
//!   them; lock again.
//! - notify: add one notification, then wake one sleeper, or all.
//!
//! There are no groups of waiters, no count of them, and no acknowledgement, so there is nothing
//! that a dead waiter could owe. The price are spurious returns: a waiter whose slice ends sees a
//! notification that woke another, and returns too. Such a return keeps the age of the wait: its
//! slices go on growing.
//!
//! # Crash
//!
//! No process holds anything but the mutex.
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | a waiter, asleep | nothing | - |
//! | a waiter, woken or not, before it has locked | a wake that others needed | they, when their slices end: they see the notification |
//! | a waiter that has locked | the mutex, as any owner's | the next owner, which is told; waiters, which return when the dead one is reaped |
//! | a notifier, with the mutex held | the mutex; waiters that are not notified | the same |
//! | a notifier, between unlocking and notifying | waiters that are not notified | the same: reaping adds a notification and wakes all |
//! | a notifier, between adding and waking | sleepers whose wake is owed | they, when their slices end; a reaper |
//!
//! Waiters are in no queue of the mutex, so a death must reach them here: reaping any participant
//! notifies every condition variable of the segment. A stopped waiter keeps a wake until others'
//! slices end.
//!
//! # Ordering
//!
//! The mutex orders the data, and the notifications: a process that changes the condition after a
//! waiter has unlocked adds its notification after the waiter's load, which it therefore changes.
//! So the accesses of the count are Relaxed. A waiter that has seen a notification locks before it
//! looks at the data. Sleeping and waking are ordered by the event count.
//!
//! # Trade-offs
//!
//! Moving waiters over to the mutex's futex (FUTEX_REQUEUE) would save them a wake that ends at a
//! locked mutex; the mover would have to set `CONTENDED` for them, and could die before it has.
//! glibc's groups of waiters let no newcomer take an older waiter's notification, and have
//! notifiers wait for the waiters of the last group, also for killed ones.

use crate::facade::{AtomicU64, Deadline, Ordering, mutation};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::wait::WaitMode;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::{EventOp, EventWaitError, TryError, wait};

/// The words of a condition variable.
#[repr(C)]
struct Condition {
    notifications: AtomicU64,
    mutex: AtomicU64,
    waiters: EventCount,
}

/// The state of a condition variable, in the segment.
#[repr(C)]
pub(crate) struct CondvarState(Padded<Condition>);

/// The condition variable belongs to another mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherMutex;

impl CondvarState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self(Padded(Condition {
            notifications: AtomicU64::new(0),
            mutex: AtomicU64::new(0),
            waiters: EventCount::new(),
        }))
    }

    pub(crate) fn waiters(&self) -> &EventCount {
        &self.0.0.waiters
    }

    /// Binds the condition variable to the mutex at `offset`, which is not 0. The first one stays.
    pub(crate) fn bind(&self, offset: u64) -> Result<(), OtherMutex> {
        let word = &self.0.0.mutex;
        // ORDERING: Relaxed; the offset alone is judged, here and below.
        let relaxed = Ordering::Relaxed;
        let mut bound = word.load(relaxed);
        if bound == 0 && mutation(775) {
            word.store(offset, relaxed);
            return Ok(());
        }
        if bound == 0 {
            bound = match word.compare_exchange(0, offset, relaxed, relaxed) {
                Ok(_) => offset,
                Err(other) => other,
            };
        }
        if bound == offset {
            Ok(())
        } else {
            Err(OtherMutex)
        }
    }

    #[inline]
    fn notifications(&self) -> u64 {
        // ORDERING: Relaxed; the mutex orders it.
        self.0.0.notifications.load(Ordering::Relaxed)
    }

    #[inline]
    fn count(&self) {
        if !mutation(777) {
            // ORDERING: Relaxed; the mutex orders it, and the event count the wake.
            self.0.0.notifications.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wakes one waiter at least.
    #[inline]
    pub(crate) fn notify_one(&self) {
        self.count();
        if !mutation(770) {
            self.waiters().notify();
        }
    }

    /// Wakes all waiters.
    #[inline]
    pub(crate) fn notify_all(&self) {
        self.count();
        if mutation(771) {
            return self.waiters().notify();
        }
        self.waiters().notify_all();
    }

    /// Calls `unlock`, and blocks until the condition variable was notified since. The caller holds
    /// the mutex that `unlock` unlocks.
    pub(crate) fn wait<'m>(
        &self,
        unlock: impl FnOnce(),
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut from = self.notifications();
        unlock();
        if mutation(776) {
            from = self.notifications();
        }
        self.wait_since(from, peers, deadline, mode.into())
    }

    /// Blocks until there are other than `from` notifications.
    fn wait_since(
        &self,
        from: u64,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: WaitMode<'_>,
    ) -> Result<(), EventWaitError> {
        let mut op = WaitForNotification { state: self, from };
        wait(&mut op, self.waiters(), peers, deadline, mode)
    }

    /// Notifies all waiters in a dead process's place.
    pub(crate) fn recover(&self) {
        if !mutation(774) {
            self.count();
        }
        if !mutation(773) {
            self.waiters().wake_all();
        }
    }
}

/// The wait for a notification. The notifier wakes as many as it means to.
struct WaitForNotification<'a> {
    state: &'a CondvarState,
    from: u64,
}

impl WaitForNotification<'_> {
    fn is_notified(&self) -> bool {
        self.state.notifications() != self.from
    }
}

impl EventOp for WaitForNotification<'_> {
    type Output = ();

    const MAY_BE_SPURIOUS: bool = true;

    fn attempt(&mut self) -> Result<(), TryError> {
        if self.is_notified() {
            Ok(())
        } else {
            Err(TryError::WouldBlock)
        }
    }

    fn is_ready(&mut self) -> bool {
        !mutation(772) && self.is_notified()
    }
}

pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;

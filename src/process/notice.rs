//! An event of this process that a thread waits for beside queues and processes.

use crate::facade::{AtomicU32, Ordering};
use crate::queue::{Waitable, waitable};
use crate::segment::Fault;
use crate::wait::event_count::EventCount;
use crate::wait::select::{NotMember, Source, SourceRef};

/// It is ready from the moment it is raised until it is cleared.
pub(super) struct Notice {
    event: EventCount,
    raised: AtomicU32,
    /// Not 0 while its only waiter is the thread that raises it.
    muted: AtomicU32,
}

impl Notice {
    pub(super) fn new() -> Self {
        Self {
            event: EventCount::new(),
            raised: AtomicU32::new(0),
            muted: AtomicU32::new(0),
        }
    }

    pub(super) fn raise(&self) {
        // ORDERING: Release; a waiter that reads it (Acquire) sees what was done before.
        let was_raised = self.raised.swap(1, Ordering::AcqRel) != 0;
        // ORDERING: Relaxed; stored by this thread, or by another under the lock.
        if !was_raised && self.muted.load(Ordering::Relaxed) == 0 {
            self.event.notify_all();
        }
    }

    /// Whether a raise wakes its waiter. Not needed while this thread is the waiter; it has the
    /// lock under which the notice is raised.
    pub(super) fn mute(&self, muted: bool) {
        // ORDERING: Relaxed; the lock passes it on.
        self.muted.store(muted.into(), Ordering::Relaxed);
    }

    /// What is looked at after this was done before the next raise, or is seen by the look.
    pub(super) fn clear(&self) {
        // ORDERING: AcqRel; the looks behind it are not done before.
        self.raised.swap(0, Ordering::AcqRel);
    }
}

impl Source for Notice {
    fn is_ready(&self) -> bool {
        self.raised.load(Ordering::Acquire) != 0
    }

    fn event(&self) -> &EventCount {
        &self.event
    }

    /// All waiters are notified.
    fn is_shared(&self) -> bool {
        false
    }

    fn reap_dead(&self) -> Result<(), NotMember> {
        Ok(())
    }
}

impl Waitable for Notice {}

impl waitable::HasSource for Notice {
    fn source(&self) -> SourceRef<'_> {
        SourceRef::of(self)
    }

    fn lost(&self, _: NotMember) -> Option<Fault> {
        None
    }
}

//! Whose death this process wants to hear of: what waiters tell the process's monitor.

use std::sync::{Arc, OnceLock};

use crate::facade::AtomicU32;
use crate::facade::Ordering::{self, Relaxed};
use crate::layout::Tag;
use crate::segment::membership::Membership;
use crate::sys::events::Signal;
use crate::sys::fork::{Guarded, exclusive};

/// A segment's part of it, private to the process.
///
/// A waiter that finds an owner alive stores its tag at the owner's index and raises the monitor's
/// signal, if the tag is new there. So the monitor learns of each peer once, and a wait for one
/// that it knows costs one load.
#[derive(Debug)]
pub(crate) struct Attention {
    tags: OnceLock<Box<[AtomicU32]>>,
    signal: Guarded<Option<Arc<Signal>>>,
}

impl Attention {
    pub(crate) fn new() -> Self {
        Self {
            tags: OnceLock::new(),
            signal: Guarded::new(None),
        }
    }

    /// From now on `signal` is raised for every peer that somebody waits for.
    pub(crate) fn begin(&self, membership: &Membership, participants: u32, signal: Arc<Signal>) {
        let tags = self
            .tags
            .get_or_init(|| (0..participants).map(|_| AtomicU32::new(0)).collect());
        let mut exclusive = exclusive();
        *self.signal.get(&mut exclusive) = Some(signal);
        for tag in tags {
            // ORDERING: Relaxed; a monitor before this one knew them, and this one does not.
            tag.store(0, Relaxed);
        }
        // ORDERING: Release; pairs with (A1) in `wants`: the table is there.
        membership.monitored_word().store(1, Ordering::Release);
    }

    /// Tells the monitor that somebody waits for `tag`, if there is a monitor and it does not know.
    pub(crate) fn wants(&self, membership: &Membership, tag: Tag) {
        // ORDERING: Acquire; (A1).
        if membership.monitored_word().load(Ordering::Acquire) == 0 {
            return;
        }
        let cell = self
            .tags
            .get()
            .and_then(|tags| tags.get(tag.index() as usize));
        let Some(cell) = cell.filter(|cell| cell.load(Relaxed) != tag.bits()) else {
            return;
        };
        // ORDERING: Relaxed; the signal orders it before the monitor's look.
        if cell.swap(tag.bits(), Relaxed) != tag.bits() {
            self.raise();
        }
    }

    /// All tags that somebody waited for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Tag> {
        let tags = self.tags.get().into_iter().flatten();
        // ORDERING: Relaxed; as in `wants`.
        tags.filter_map(|tag| Tag::in_word(tag.load(Relaxed), Tag::MAX_PARTICIPANTS))
    }

    fn raise(&self) {
        let mut exclusive = exclusive();
        let signal = self.signal.get(&mut exclusive).clone();
        drop(exclusive);
        if let Some(signal) = signal {
            signal.raise();
        }
    }

    /// The segment is no longer monitored by the one whose signal this is.
    pub(crate) fn end_of(&self, membership: &Membership, signal: &Arc<Signal>) {
        let mut exclusive = exclusive();
        let current = self.signal.get(&mut exclusive);
        let ours = current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, signal));
        let ended = ours.then(|| current.take());
        if ours {
            // ORDERING: Relaxed; a waiter that does not see it raises nothing.
            membership.monitored_word().store(0, Relaxed);
        }
        drop(exclusive);
        drop(ended);
    }

    /// The mapping goes: its monitor forgets it.
    pub(crate) fn end(&self, membership: &Membership) {
        // ORDERING: Relaxed; nobody else has the mapping any more.
        if membership.monitored_word().load(Relaxed) != 0 {
            self.raise();
        }
    }
}

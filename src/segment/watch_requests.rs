//! The peers whose death this process's waiters wait for, as told to its monitor.

use std::sync::{Arc, OnceLock};

use crate::facade::AtomicU32;
use crate::facade::Ordering::{self, Relaxed};
use crate::participant::Tag;
use crate::segment::membership::Membership;
use crate::sys::events::Signal;
use crate::sys::fork::{Guarded, exclusive};

/// The monitor has the pidfd of the tag's process, or probes its lock again within a moment.
const WATCHED: u32 = 1 << 31;

/// The watch requests of one segment, private to the process.
///
/// A waiter that is about to sleep for an owner stores the owner's tag at its index. If the tag is
/// new there, the waiter raises the monitor's signal. The monitor thus learns of each peer once,
/// and a wait for a known peer costs one load.
#[derive(Debug)]
pub(crate) struct WatchRequests {
    tags: OnceLock<Box<[AtomicU32]>>,
    signal: Guarded<Option<Arc<Signal>>>,
}

impl WatchRequests {
    pub(crate) fn new() -> Self {
        Self {
            tags: OnceLock::new(),
            signal: Guarded::new(None),
        }
    }

    /// Raises `signal` from now on for every peer that a waiter sleeps for. Raises the signal of
    /// the previous monitor a last time, so that it forgets the segment.
    pub(crate) fn begin(&self, membership: &Membership, participants: u32, signal: &Arc<Signal>) {
        let fresh: Box<[AtomicU32]> = (0..participants).map(|_| AtomicU32::new(0)).collect();
        let mut exclusive = exclusive();
        // A fork waits for the exclusion: a child finds the tags set or not.
        let unused = self.tags.set(fresh).err();
        let current = self.signal.get(&mut exclusive);
        let known = |current: &Arc<Signal>| Arc::ptr_eq(current, signal);
        let before = if current.as_ref().is_some_and(known) {
            None
        } else {
            current.replace(Arc::clone(signal))
        };
        if before.is_some() || membership.monitored_word().load(Relaxed) == 0 {
            for tag in self.tags.get().into_iter().flatten() {
                // ORDERING: Relaxed; a monitor before this one knew them, and this one does not.
                tag.store(0, Relaxed);
            }
        }
        // ORDERING: Release; pairs with (A1) in `request`: the table is there.
        membership.monitored_word().store(1, Ordering::Release);
        drop(exclusive);
        drop(unused);
        if let Some(before) = before {
            before.raise();
        }
    }

    /// Tells the monitor that a thread waits for `tag`, if there is a monitor and it does not know.
    #[inline]
    pub(crate) fn request(&self, membership: &Membership, tag: Tag) {
        // ORDERING: Acquire; (A1).
        if membership.monitored_word().load(Ordering::Acquire) != 0 {
            self.tell(tag);
        }
    }

    #[cold]
    fn tell(&self, tag: Tag) {
        let cell = self.cell(tag);
        let Some(cell) = cell.filter(|cell| cell.load(Relaxed) & Tag::MASK != tag.bits()) else {
            return;
        };
        // ORDERING: Relaxed; the signal orders it before the monitor's look.
        if cell.swap(tag.bits(), Relaxed) & Tag::MASK != tag.bits() {
            self.raise();
        }
    }

    fn cell(&self, tag: Tag) -> Option<&AtomicU32> {
        self.tags.get()?.get(tag.index() as usize)
    }

    /// Returns the tag at each index that a thread waited for.
    pub(crate) fn requested(&self) -> impl Iterator<Item = Tag> {
        let tags = self.tags.get().into_iter().flatten();
        // ORDERING: Relaxed; as in `tell`.
        tags.filter_map(|tag| Tag::from_bits(tag.load(Relaxed) & Tag::MASK))
    }

    /// Forgets the request for `tag`: the next waiter requests it again.
    pub(crate) fn forget(&self, tag: Tag) {
        if let Some(cell) = self.cell(tag) {
            // ORDERING: Relaxed; as in `tell`.
            for word in [tag.bits(), tag.bits() | WATCHED] {
                let _ = cell.compare_exchange(word, 0, Relaxed, Relaxed);
            }
        }
    }

    /// Stores whether the monitor will be notified of the death of `tag`.
    pub(crate) fn set_watched(&self, tag: Tag, watched: bool) {
        let words = [tag.bits(), tag.bits() | WATCHED];
        let (from, to) = if watched {
            (words[0], words[1])
        } else {
            (words[1], words[0])
        };
        if let Some(cell) = self.cell(tag) {
            // ORDERING: Relaxed; a waiter that misses it keeps to its slices, or sleeps one more.
            let _ = cell.compare_exchange(from, to, Relaxed, Relaxed);
        }
    }

    /// Returns whether a monitor will be notified of the death of `tag`.
    pub(crate) fn is_watched(&self, membership: &Membership, tag: Tag) -> bool {
        // ORDERING: Acquire; (A1).
        membership.monitored_word().load(Ordering::Acquire) != 0
            && self
                .cell(tag)
                // ORDERING: Relaxed; as in `set_watched`.
                .is_some_and(|cell| cell.load(Relaxed) == tag.bits() | WATCHED)
    }

    fn raise(&self) {
        let mut exclusive = exclusive();
        let signal = self.signal.get(&mut exclusive).clone();
        drop(exclusive);
        if let Some(signal) = signal {
            signal.raise();
        }
    }

    /// Returns whether the monitor of `signal` watches the segment.
    pub(crate) fn belongs_to(&self, signal: &Arc<Signal>) -> bool {
        let mut exclusive = exclusive();
        let current = self.signal.get(&mut exclusive);
        current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, signal))
    }

    /// Ends the watch of the monitor that `signal` belongs to.
    pub(crate) fn end_for(&self, membership: &Membership, signal: &Arc<Signal>) {
        let mut exclusive = exclusive();
        let current = self.signal.get(&mut exclusive);
        let ours = |current: &mut Arc<Signal>| Arc::ptr_eq(current, signal);
        let ended = current.take_if(ours);
        if ended.is_some() {
            // ORDERING: Relaxed; a waiter that misses it raises nothing.
            membership.monitored_word().store(0, Relaxed);
        }
        // Dropping the last reference to a signal takes the exclusion.
        drop(exclusive);
        drop(ended);
    }

    /// Makes the monitor forget the mapping, which is being dropped.
    pub(crate) fn end(&self, membership: &Membership) {
        // ORDERING: Relaxed; no other handle of the mapping is left.
        if membership.monitored_word().load(Relaxed) != 0 {
            self.raise();
        }
    }
}

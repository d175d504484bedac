//! The state of a lock for display. It may be stale when it is returned.
//!
//! # State
//!
//! The lock's own; nothing is written.
//!
//! # Protocol
//!
//! Load `writing` and the mutex, then the cells in use. No step depends on what another has seen.
//!
//! # Crash
//!
//! Leaves nothing. A dead participant is shown like a live one until it is reaped.
//!
//! # Ordering
//!
//! Relaxed throughout: no data is read on the strength of it.

use super::{LockHook, OWNER_DIED, POISONED, RwLock};
use crate::facade::Ordering;
use crate::participant::Tag;

/// The state of a lock, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RwLockStatus {
    pub(crate) writes: bool,
    /// Threads of all processes.
    pub(crate) readers: u32,
    pub(crate) owner_died: bool,
    pub(crate) poisoned: bool,
}

impl<A: LockHook> RwLock<'_, A> {
    /// Returns the participant that writes, or else a reader, preferring `me`. For display, as
    /// [`peek`](Self::peek).
    pub(crate) fn holder(&self, me: Tag) -> Option<Tag> {
        let mut holder = self.writer();
        if holder.is_none() {
            self.each_reader(|reader| {
                if holder.is_none() || reader == me {
                    holder = Some(reader);
                }
            });
        }
        holder
    }

    /// Returns the participant that writes. For display, as [`peek`](Self::peek).
    pub(crate) fn writer(&self) -> Option<Tag> {
        self.state.writer()
    }

    /// Calls `visit` with each participant that reads. For display, as [`peek`](Self::peek).
    pub(crate) fn each_reader(&self, mut visit: impl FnMut(Tag)) {
        self.each(|index, cell| {
            let value = cell.peek();
            if let Some(reader) = value.owner(index).filter(|_| value.readers() > 0) {
                visit(reader);
            }
        });
    }

    /// Returns whether a writer died where no process has read, and was reaped.
    fn is_left_by_a_writer(&self) -> bool {
        self.state.mutex.marks().is_left_by_the_dead()
    }

    /// Returns the state for display; it may be stale.
    pub(crate) fn peek(&self) -> RwLockStatus {
        // ORDERING: Relaxed; a snapshot that decides nothing.
        let writing = self.state.writing.load(Ordering::Relaxed);
        let mut readers = 0;
        self.each(|_, cell| readers += cell.peek().readers());
        RwLockStatus {
            writes: self.state.writer().is_some(),
            readers,
            owner_died: writing & OWNER_DIED != 0 || self.is_left_by_a_writer(),
            poisoned: writing & POISONED != 0,
        }
    }
}

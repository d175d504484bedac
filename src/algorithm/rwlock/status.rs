//! What a look at a lock says to a person: it may have changed when it is read.
//!
//! # State
//!
//! The lock's own; nothing is written.
//!
//! # Protocol
//!
//! Load the word of who writes, then the cells in use. No step depends on what another has seen.
//!
//! # Crash
//!
//! Leaves nothing. A dead participant is shown like a living one until it is reaped.
//!
//! # Ordering
//!
//! Relaxed throughout: no data is read on the strength of it.

use super::{LockHook, OWNER_DIED, POISONED, RwLock};
use crate::facade::Ordering;
use crate::participant::Tag;

/// What a look at a lock says to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RwLockStatus {
    pub(crate) writes: bool,
    /// Threads of all processes.
    pub(crate) readers: u32,
    pub(crate) owner_died: bool,
    pub(crate) poisoned: bool,
}

impl<A: LockHook> RwLock<'_, A> {
    /// The index of the participant that writes, or of one that reads, of which `me` comes first:
    /// for people, as [`glance`](Self::glance).
    pub(crate) fn holder(&self, me: Tag) -> Option<u32> {
        // ORDERING: Relaxed; a snapshot that decides nothing.
        let writing = self.state.writing.load(Ordering::Relaxed);
        if let Some(writer) = Tag::from_bits(writing & Tag::MASK) {
            return Some(writer.index());
        }
        let mut holder = None;
        self.each(|index, cell| {
            if cell.peek().readers() > 0 && (holder.is_none() || index == me.index()) {
                holder = Some(index);
            }
        });
        holder
    }

    /// The words, for people to look at: they may have changed when they are read.
    pub(crate) fn peek(&self) -> RwLockStatus {
        // ORDERING: Relaxed; a snapshot that decides nothing.
        let writing = self.state.writing.load(Ordering::Relaxed);
        let mut readers = 0;
        self.each(|_, cell| readers += cell.peek().readers());
        RwLockStatus {
            writes: writing & Tag::MASK != 0,
            readers,
            owner_died: writing & OWNER_DIED != 0,
            poisoned: writing & POISONED != 0,
        }
    }
}

//! A mutex that the thread which holds it locks again.
//!
//! # State
//!
//! A [`mutex`](super::mutex), a word that names the thread, and how often it has locked:
//!
//! ```text
//!  63                      29 28              0
//! |   number of the thread: 35  | process's tag: 29 |
//! ```
//!
//! Each process numbers its threads from 1, and never gives a number twice: a thread's id or the
//! address of its stack comes again, and a leaked guard would make a stranger reentrant. Numbers of
//! two processes are equal, so the word has the process's tag, and is compared whole.
//!
//! # Protocol
//!
//! - lock: if the word is the own one, and the mutex has the own tag, count up. Otherwise lock the
//!   mutex, then count 1, and store the own word.
//! - unlock: count down. At 0 clear the word, and then unlock the mutex: in the other order a
//!   thread that was the owner would take the next owner, a thread of the same process that has not
//!   stored its word yet, for itself.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the mutex is locked, or after it is unlocked | nothing | - |
//! | holding, with any word and count | the mutex's tag; a word and a count that are stale | as the mutex; the next owner stores its own |
//!
//! A stale word names a thread of a dead process: no thread has both its number and its tag. The
//! same holds for a thread that ended and leaked its guard; its process holds the mutex until it
//! dies. A stopped holder keeps the lock.
//!
//! # Ordering
//!
//! The mutex's. Word and count are Relaxed: a thread acts only on a word that it has stored itself,
//! and no other thread stores that one; the count is accessed by the holder alone.

use crate::algorithm::mutex::{LockToken, MutexState};
use crate::facade::{AtomicU32, AtomicU64, Ordering, mutation};
use crate::participant::Tag;

/// No thread.
const NONE: u64 = 0;
/// The first bit of a thread's number in the word.
const NUMBER: u32 = 29;

/// The words of a reentrant mutex, in the segment.
#[repr(C)]
pub(crate) struct ReentrantState {
    thread: AtomicU64,
    mutex: MutexState,
    count: AtomicU32,
}

/// The number of a thread among those of its process; never 0, and never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadNumber(u64);

impl ThreadNumber {
    /// The number, if there is room for it in the word.
    pub(crate) fn new(number: u64) -> Option<Self> {
        (number != 0 && number >> (u64::BITS - NUMBER) == 0).then_some(Self(number))
    }

    /// The word of this thread of process `me`.
    pub(crate) fn word(self, me: Tag) -> u64 {
        if mutation(810) {
            return self.0 << NUMBER;
        }
        self.0 << NUMBER | u64::from(me.bits())
    }
}

/// The thread has locked as often as can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooDeep;

impl ReentrantState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            thread: AtomicU64::new(NONE),
            mutex: MutexState::new(),
            count: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn mutex(&self) -> &MutexState {
        &self.mutex
    }

    /// Returns whether this thread holds the lock.
    #[inline(always)]
    pub(crate) fn is_held_by(&self, me: Tag, thread: ThreadNumber) -> bool {
        // ORDERING: Relaxed; as this thread has stored it, or of no use.
        self.thread.load(Ordering::Relaxed) == thread.word(me) && self.mutex.is_of(me)
    }

    /// Locks once more for the thread that holds the lock.
    #[inline]
    pub(crate) fn lock_again(&self) -> Result<(), TooDeep> {
        // ORDERING: Relaxed; this thread's own.
        let count = self.count.load(Ordering::Relaxed);
        let more = count.checked_add(1).ok_or(TooDeep)?;
        self.count.store(more, Ordering::Relaxed);
        Ok(())
    }

    /// Notes that this thread has locked the mutex.
    #[inline(always)]
    pub(crate) fn locked(&self, me: Tag, thread: ThreadNumber) {
        // ORDERING: Relaxed; this thread's own.
        self.count.store(1, Ordering::Relaxed);
        self.thread.store(thread.word(me), Ordering::Relaxed);
    }

    /// Unlocks once, with the token of any of the thread's locks. Adds `POISONED` if asked to.
    /// Changes nothing if the lock is not this thread's any more.
    #[inline]
    pub(crate) fn unlock(&self, held: LockToken, thread: ThreadNumber, poison: bool) {
        if !self.is_held_by(held.owner(), thread) {
            return;
        }
        // ORDERING: Relaxed; this thread's own.
        let left = self.count.load(Ordering::Relaxed).saturating_sub(1);
        self.count.store(left, Ordering::Relaxed);
        if left > 0 {
            if poison {
                self.mutex.poison();
            }
            return;
        }
        if mutation(812) {
            self.mutex.unlock(held, poison);
            self.thread.store(NONE, Ordering::Relaxed);
            return;
        }
        if !mutation(811) {
            self.thread.store(NONE, Ordering::Relaxed);
        }
        self.mutex.unlock(held, poison);
    }

    /// Returns how often the lock is locked, for display; it may be stale.
    pub(crate) fn depth(&self) -> u32 {
        // ORDERING: Relaxed; a snapshot that decides nothing.
        self.count.load(Ordering::Relaxed)
    }
}

pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;

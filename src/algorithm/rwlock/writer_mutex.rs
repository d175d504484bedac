//! The writer mutex of a reader-writer lock: acquiring it, recovering what its last holder left,
//! releasing it.
//!
//! # State
//!
//! The mutex and `writing` of [`rwlock`](super).
//!
//! # Protocol
//!
//! Take the mutex. A tag in `writing` is that of an earlier holder of the mutex, which must be
//! dead: it is replaced by `OWNER_DIED`, and so is the mark of a dead owner where no process has
//! read ([`unread`](super::unread)). The mutex's own `OWNER_DIED` is cleared after that. To
//! release, a holder opens the cells and unlocks the mutex; or, if readers have to take the mutex,
//! because `writing` has a flag or the hook is open, unlocks it and wakes the sleepers of all
//! cells.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | holding the mutex | the dead tag in the mutex | the next waiter, try or reaper |
//! | recovering | the same, and the tag or `OWNER_DIED` in `writing` | the next holder recovers |
//! | releasing, before the mutex is unlocked | the same, some cells open | the next holder opens the rest, or blocks them again |
//! | releasing, after that | sleepers whose wake is owed | they, when their slices end; a reaper |
//!
//! # Ordering
//!
//! (W2), (W3) of [`rwlock`](super); the mutex's (M1) and (M2) for the rest.

use super::{POISONED, RwLock, RwLockError, STICKY};
use crate::algorithm::mutex::{LockToken, OWNER_DIED};
use crate::facade::{Deadline, Ordering, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;

/// What else must be closed before a holder of the writer mutex reads or writes.
///
/// A plain lock has [`NoHook`]; an array has leases.
pub(crate) trait LockHook: Copy {
    /// Returns whether any process may have access by the hook, so that the cells must stay
    /// blocked. Called with the writer mutex held.
    fn is_open(&self) -> bool;

    /// Closes it, and returns when no process has access by it any more. Called with the writer
    /// mutex held, before any process reads or writes. Without a deadline it does not wait.
    fn close(&self, peers: &impl Liveness, wait: Option<&Deadline>) -> Result<(), RwLockError>;
}

/// No hook.
#[derive(Clone, Copy)]
pub(crate) struct NoHook;

impl LockHook for NoHook {
    #[inline(always)]
    fn is_open(&self) -> bool {
        false
    }

    #[inline(always)]
    fn close(&self, _: &impl Liveness, _: Option<&Deadline>) -> Result<(), RwLockError> {
        Ok(())
    }
}

/// A hook, or none.
impl<A: LockHook> LockHook for Option<A> {
    #[inline(always)]
    fn is_open(&self) -> bool {
        self.as_ref().is_some_and(A::is_open)
    }

    #[inline(always)]
    fn close(&self, peers: &impl Liveness, wait: Option<&Deadline>) -> Result<(), RwLockError> {
        match self {
            Some(hook) => hook.close(peers, wait),
            None => Ok(()),
        }
    }
}

/// Proof that the writer mutex is held, with the flags found in `writing`; and, after
/// [`write`](RwLock::write), that the owner writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct WriterToken {
    pub(super) held: LockToken,
    pub(super) flags: u32,
}

impl WriterToken {
    pub(super) fn new(held: LockToken, flags: u32) -> Self {
        Self { held, flags }
    }
    pub(crate) fn owner(&self) -> Tag {
        self.held.owner()
    }
    pub(crate) fn owner_died(&self) -> bool {
        self.flags & OWNER_DIED != 0
    }
    pub(crate) fn is_poisoned(&self) -> bool {
        self.flags & POISONED != 0
    }
}

impl<A: LockHook> RwLock<'_, A> {
    /// Acquires the writer mutex, and recovers what a dead predecessor left. Without a deadline,
    /// waits only as long as a reader needs the mutex.
    pub(crate) fn acquire(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<WriterToken, RwLockError> {
        let held = match (self.state.mutex.try_lock_clean(peers), wait) {
            (Some(held), _) => held,
            (None, Some(deadline)) => self.state.mutex.lock_contended(peers, deadline)?,
            (None, None) => self.try_acquire(peers)?,
        };
        self.recover_writer(held)
    }

    /// Recovers `writing` from a dead writer.
    pub(super) fn recover_writer(&self, mut held: LockToken) -> Result<WriterToken, RwLockError> {
        let writing = &self.state.writing;
        // ORDERING: Relaxed; the mutex orders it, and the kernel orders a dead writer's stores.
        let relaxed = Ordering::Relaxed;
        let mut seen = writing.load(relaxed);
        let wrote_unread = self.wrote_unread(&held);
        if mutation(525) {
            self.state.mutex.unmark(&mut held);
        }
        while seen & !STICKY != 0 || seen == 0 && wrote_unread {
            let participants = u32::try_from(self.cells.len()).unwrap_or(0);
            let is_tag = Tag::in_word(seen, participants).is_some();
            if seen & !STICKY & !Tag::MASK != 0 || seen != 0 && !is_tag {
                self.release(WriterToken::new(held, 0));
                return Err(RwLockError::Corrupt { word: seen });
            }
            let told = if mutation(313) {
                seen & STICKY
            } else if mutation(334) {
                OWNER_DIED
            } else {
                (seen & STICKY) | OWNER_DIED
            };
            seen = match writing.compare_exchange(seen, told, relaxed, relaxed) {
                Ok(_) => told,
                Err(now) => now,
            };
        }
        if held.owner_died() {
            if mutation(314) {
                seen |= OWNER_DIED;
                writing.store(seen, relaxed);
            }
            // That flag is about the mutex's last holder, which is recovered now.
            self.state.mutex.unmark(&mut held);
        }
        Ok(WriterToken::new(held, seen))
    }

    /// Releases the writer mutex: opens the cells, unless every reader has to take the mutex.
    pub(crate) fn release(&self, token: WriterToken) {
        // A process that was taken for dead opens no cell that the next holder has blocked.
        if !self.is_held(&token) && !mutation(587) {
            return;
        }
        // ORDERING: Relaxed; without the mutex, only the poison can be cleared.
        let flags = self.state.writing.load(Ordering::Relaxed);
        let flags = if mutation(315) {
            flags & POISONED
        } else {
            flags
        };
        let flags = if mutation(339) {
            flags & OWNER_DIED
        } else {
            flags
        };
        if flags == 0 && !self.hook.is_open() {
            self.each(|_, cell| {
                if cell.peek().is_blocked() {
                    cell.open();
                }
            });
            self.state.mutex.unlock(token.held, false);
        } else {
            if mutation(328) {
                self.notify();
            }
            self.state.mutex.unlock(token.held, false);
            if !mutation(327) && !mutation(328) {
                self.notify();
            }
        }
    }

    /// Wakes all sleepers of all cells. Called when the writer mutex may be free.
    pub(super) fn notify(&self) {
        self.each(|_, cell| cell.notify());
    }

    /// Recovers what participant `dead` held, and makes the wakes that it may have owed.
    ///
    /// The next holder of the writer mutex finds out whether it was writing.
    pub(crate) fn recover(&self, dead: Tag) {
        if let Some(cell) = self.cell(dead) {
            cell.recover(dead);
        }
        self.state.mutex.recover(dead);
        if !mutation(326) {
            self.notify();
        }
    }
}

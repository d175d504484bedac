//! The door of a lock of readers and writers: taking it, what the last one there left, leaving it.
//!
//! # State
//!
//! The mutex and `writing` of [`rwlock`](super).
//!
//! # Protocol
//!
//! Take the mutex. A tag in `writing` is that of one who held the mutex before, and so is dead: it
//! is replaced by `OWNER_DIED`. That the mutex's last holder died is forgotten after that. Leaving,
//! a holder opens the cells and unlocks the mutex; or, if readers have to come to the door, because
//! `writing` has a flag or the annex is open, unlocks it and wakes those that sleep on their cells.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | at the door | the dead tag in the mutex | the next to wait, to try, or to reap |
//! | settling | the same, and the tag or `OWNER_DIED` in `writing` | the next at the door settles |
//! | leaving, before the mutex is unlocked | the same, some cells open | the next at the door opens the rest, or bars them again |
//! | leaving, after that | sleepers whose wake is owed | they, when their slices end; whoever reaps |
//!
//! # Ordering
//!
//! (W2), (W3) of [`rwlock`](super); the mutex's (M1) and (M2) for the rest.

use super::{POISONED, RwLock, RwLockError, STICKY};
use crate::algorithm::mutex::{LockToken, OWNER_DIED};
use crate::facade::{Deadline, Ordering, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;

/// What else must be out of the way before anybody reads or writes who came through the door.
///
/// A plain lock has [`NoHook`]; an array has leases.
pub(crate) trait LockHook {
    /// Whether somebody may be at work by the annex, so that the cells have to stay barred. Asked
    /// with the door held.
    fn is_open(&self) -> bool;

    /// Shuts it, and returns when nobody is at work by it any more; called with the door held,
    /// before anybody reads or writes. Without a deadline it does not wait.
    fn close(
        &self,
        me: Tag,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<(), RwLockError>;
}

/// No annex.
#[derive(Clone, Copy)]
pub(crate) struct NoHook;

impl LockHook for NoHook {
    #[inline(always)]
    fn is_open(&self) -> bool {
        false
    }

    #[inline(always)]
    fn close(&self, _: Tag, _: &impl Liveness, _: Option<&Deadline>) -> Result<(), RwLockError> {
        Ok(())
    }
}

/// Proof that somebody holds the door, with what it found in `writing`; and, once it has
/// [excluded](RwLock::write) all others, that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct WriterToken {
    pub(super) held: LockToken,
    pub(super) flags: u32,
    /// Whether no cell was in use when it began to write, and none can be since.
    pub(super) no_cells: bool,
}

impl WriterToken {
    pub(super) fn new(held: LockToken, flags: u32) -> Self {
        let no_cells = false;
        Self {
            held,
            flags,
            no_cells,
        }
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
    /// Takes the door, and settles what a dead predecessor left; without a deadline, only as long
    /// as a reader needs there.
    pub(crate) fn acquire(
        &self,
        me: Tag,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<WriterToken, RwLockError> {
        let held = match (self.state.mutex.try_lock_clean(me, peers), wait) {
            (Some(held), _) => held,
            (None, Some(deadline)) => self.state.mutex.lock_contended(me, peers, deadline)?,
            (None, None) => self.try_acquire(me, peers)?,
        };
        self.recover_writer(held)
    }

    /// Finds out what became of the last one that changed the data.
    pub(super) fn recover_writer(&self, mut held: LockToken) -> Result<WriterToken, RwLockError> {
        let writing = &self.state.writing;
        // ORDERING: Relaxed; the mutex orders it, and for what a dead one stored the kernel does.
        let relaxed = Ordering::Relaxed;
        let mut seen = writing.load(relaxed);
        while seen & !STICKY != 0 {
            let participants = u32::try_from(self.cells.len()).unwrap_or(0);
            if seen & !STICKY & !Tag::MASK != 0 || Tag::in_word(seen, participants).is_none() {
                self.leave(WriterToken::new(held, 0));
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
            // That is about whoever held the door, and has been looked at.
            self.state.mutex.mark_consistent(&mut held);
        }
        Ok(WriterToken::new(held, seen))
    }

    /// Leaves the door: lets readers in, unless every reader has to come to the door.
    pub(crate) fn leave(&self, token: WriterToken) {
        // Who was taken for dead in the door opens no cell that its next holder has barred.
        if !self.is_held(&token) && !mutation(587) {
            return;
        }
        // ORDERING: Relaxed; only the poison can be cleared by one that does not hold the door.
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

    /// Wakes all that sleep on cells; to be called when the door may be free.
    pub(super) fn notify(&self) {
        self.each(|_, cell| cell.notify());
    }

    /// Gives back what participant `dead` held here, and wakes whom it may have owed a wake.
    ///
    /// Whether it was writing is for the next at the door to find out.
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

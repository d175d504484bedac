//! A mutex that is part of another lock, and whose owner says in the word what it holds it for.
//!
//! # State
//!
//! The word of [`mutex`](super). Such a mutex has no data of its own and is never poisoned, so the
//! bit `POISONED` is the *mark*: what it means is the other lock's to say.
//!
//! # Protocol
//!
//! - lock: CAS 0 to the own tag with the mark. The slow paths of [`mutex`](super) lock without it.
//! - unlock: CAS the tag and the mark away together; wake one sleeper if `CONTENDED` was set.
//! - A takeover and a reaper keep the mark of the dead owner beside `OWNER_DIED`, as they keep the
//!   poison: so the next owner learns what the dead one held the mutex for. It clears both in one
//!   CAS when it has dealt with that.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | between lock and unlock | the dead tag and the mark | the next waiter, try or reaper: `OWNER_DIED` and the mark |
//! | as the next owner, before it clears both | the same | the one after it |
//! | after the unlocking CAS | as in [`mutex`](super) | as there |
//! | after the CAS of a process that was reaped and has not learnt it | an unregistered tag and the mark | as for a dead owner |
//!
//! # Ordering
//!
//! That of [`mutex`](super): (M1) and (M3).

use super::{CONTENDED, LockToken, MutexState, OWNER_DIED, POISONED, claiming};
use crate::facade::{Ordering, mutation, ordering};
use crate::participant::{Liveness, Tag, is_still_registered};

const MARK: u32 = POISONED;

impl LockToken {
    /// Whether the owner, or else a dead one, has marked the word.
    #[inline(always)]
    pub(crate) fn is_marked(&self) -> bool {
        self.flags & MARK != 0
    }
}

impl MutexState {
    /// Locks with the mark if the lock is free and clean: one atomic instruction, and one load of
    /// the registry. The token is [unlocked](Self::unlock_marked) or [unmarked](Self::unmark).
    #[inline(always)]
    pub(crate) fn try_lock_marked(&self, peers: &impl Liveness) -> Option<LockToken> {
        let me = peers.me();
        let (free, marked) = (0, me.bits() | MARK);
        self.word
            .compare_exchange(free, marked, claiming(), Ordering::Relaxed)
            .ok()?;
        let held = LockToken {
            owner: me,
            flags: MARK,
        };
        if !is_still_registered(peers, 519) {
            self.unlock_marked(held);
            return None;
        }
        Some(held)
    }

    /// Unlocks, and takes the mark away; does nothing if the lock is no longer `held`.
    #[inline(always)]
    pub(crate) fn unlock_marked(&self, held: LockToken) {
        // ORDERING: Release; (M1) publishes the data to the next owner.
        let release = ordering(Ordering::Release, 520);
        let (mine, free) = (held.owner.bits() | MARK, 0);
        if self
            .word
            .compare_exchange(mine, free, release, Ordering::Relaxed)
            .is_err()
        {
            self.unlock_marked_contended(held);
        }
    }

    /// There are sleepers, or the lock is not `held` any more.
    #[cold]
    fn unlock_marked_contended(&self, held: LockToken) {
        // ORDERING: Relaxed; the CAS decides.
        let mut seen = self.word.load(Ordering::Relaxed);
        while seen & Tag::MASK == held.owner.bits() {
            // ORDERING: Release; (M1), as in `unlock_marked`.
            let release = ordering(Ordering::Release, 520);
            match self
                .word
                .compare_exchange(seen, 0, release, Ordering::Relaxed)
            {
                Ok(_) if seen & CONTENDED != 0 && !mutation(521) => {
                    self.word.wake(1);
                    return;
                }
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Clears the mark, and what says that an owner died; keeps the lock, and changes nothing if it
    /// is no longer `held`.
    #[cold]
    pub(crate) fn unmark(&self, held: &mut LockToken) {
        self.clear(held, OWNER_DIED | MARK);
    }

    /// Returns the word for display, and for hints: it may be stale.
    pub(crate) fn marks(&self) -> MarkedWord {
        // ORDERING: Relaxed; a hint.
        MarkedWord(self.word.load(Ordering::Relaxed))
    }
}

/// The word of a mutex that is part of another lock.
#[derive(Clone, Copy)]
pub(crate) struct MarkedWord(pub(crate) u32);

impl MarkedWord {
    /// The owner that has marked it, alive or dead and not yet reaped.
    pub(crate) fn owner(self) -> Option<Tag> {
        let is_marked = self.0 & (MARK | OWNER_DIED) == MARK;
        Tag::from_bits(self.0 & Tag::MASK).filter(|_| is_marked)
    }

    /// Whether a dead owner's mark is there, which no owner has dealt with yet.
    pub(crate) fn is_left_by_the_dead(self) -> bool {
        self.0 & MARK != 0 && self.0 & OWNER_DIED != 0
    }
}

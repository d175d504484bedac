//! A mutex that the thread which holds it locks again.
//!
//! # State
//!
//! A [`mutex`](super::mutex) in the segment. And, in the private memory of each thread, its
//! [holds](Holds): which locks it holds, as which participant, and how deep.
//!
//! # Protocol
//!
//! - lock: if the thread has a hold of this lock by the own tag, and the mutex has that tag, count
//!   the depth up. Otherwise lock the mutex, then note a hold of depth 1.
//! - unlock: count the depth down. At 0 forget the hold and unlock the mutex.
//!
//! A lock is known to a process by a [number](LockId) that it never gives to another one: an
//! address comes again when a segment was unmapped, and a leaked guard would make its thread
//! reentrant in another lock. The tag is compared as well: a process that was taken for dead, and
//! has joined anew, holds nothing that it held before.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the mutex is locked, or after it is unlocked | nothing | - |
//! | holding, however deep | the mutex's tag | as the mutex |
//!
//! The holds die with their thread. A thread that ended and leaked its guard leaves the tag in the
//! mutex, and no thread has its hold; its process holds the mutex until it dies. A stopped holder
//! keeps the lock.
//!
//! An owner that was taken for dead while it lives changes its own holds and nothing else: it
//! unlocks the mutex by a CAS that expects its tag.
//!
//! # Ordering
//!
//! The mutex's. A hold is accessed by its thread alone.
//!
//! # Trade-offs
//!
//! A word that names the thread, and a depth, beside the mutex's word, which the next owner stores
//! as well, have a moment between the owner's look at the mutex and its store: an owner that is
//! taken for dead in it wipes those of the next one. A CAS in place of each store closes that, and
//! costs three more locked instructions; of the owner's thread and depth no other thread needs to
//! know.

use core::cell::Cell;
use core::mem::ManuallyDrop;

use crate::algorithm::mutex::{LockToken, MutexState};
use crate::facade::mutation;
use crate::participant::Tag;

/// The number of a lock in this process; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockId(pub(crate) u64);

/// A lock that a thread holds.
#[derive(Clone, Copy)]
struct Hold {
    lock: LockId,
    /// The tag by which it holds it.
    owner: u32,
    /// How often it has locked; 0 if this is no hold.
    depth: u32,
}

impl Hold {
    const NONE: Self = Self {
        lock: LockId(0),
        owner: 0,
        depth: 0,
    };
}

/// The locks that one thread holds. Nothing runs when it is dropped, so it can be used until its
/// thread has ended.
pub(crate) struct Holds {
    first: Cell<Hold>,
    /// Those that it has beside the first.
    others: Cell<ManuallyDrop<Vec<Hold>>>,
    /// Whether `others` has memory: until the thread holds no lock any more.
    has_others: Cell<bool>,
}

/// The thread has locked as often as can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooDeep;

impl Holds {
    pub(crate) const fn new() -> Self {
        Self {
            first: Cell::new(Hold::NONE),
            others: Cell::new(ManuallyDrop::new(Vec::new())),
            has_others: Cell::new(false),
        }
    }

    /// Changes the hold of a lock, which has depth 0 if there is none.
    #[inline(always)]
    fn change<R>(&self, lock: LockId, change: impl FnOnce(&mut Hold) -> R) -> R {
        let mut first = self.first.get();
        if self.has_others.get() || first.lock != lock && first.depth > 0 {
            return self.change_any(lock, change);
        }
        first.lock = lock;
        let changed = change(&mut first);
        self.first.set(first);
        changed
    }

    #[cold]
    #[inline(never)]
    fn change_any<R>(&self, lock: LockId, change: impl FnOnce(&mut Hold) -> R) -> R {
        let mut first = self.first.get();
        let mut others = ManuallyDrop::into_inner(self.others.take());
        let is_other = |hold: &Hold| hold.lock == lock;
        let changed = if first.lock == lock {
            let changed = change(&mut first);
            self.first.set(first);
            changed
        } else if let Some(index) = others.iter().position(is_other) {
            let changed = change(&mut others[index]);
            if others[index].depth == 0 {
                others.swap_remove(index);
            }
            changed
        } else {
            let mut hold = Hold { lock, ..Hold::NONE };
            let changed = change(&mut hold);
            if hold.depth > 0 {
                others.push(hold);
            }
            changed
        };
        if first.depth == 0 && others.is_empty() {
            others = Vec::new();
        }
        self.has_others.set(others.capacity() > 0);
        self.others.set(ManuallyDrop::new(others));
        changed
    }

    /// Returns how deep this thread holds a lock as participant `me`; 0 if it does not.
    #[inline(always)]
    pub(crate) fn depth(&self, lock: LockId, me: Tag, mutex: &MutexState) -> u32 {
        if !mutex.is_of(me) && !mutation(812) {
            return 0;
        }
        let hold = self.change(lock, |hold| *hold);
        let is_own = hold.owner == me.bits() || mutation(810);
        if is_own { hold.depth } else { 0 }
    }

    /// Locks once more, for a thread that holds the lock.
    #[inline]
    pub(crate) fn lock_again(&self, lock: LockId) -> Result<(), TooDeep> {
        self.change(lock, |hold| {
            hold.depth = hold.depth.checked_add(1).ok_or(TooDeep)?;
            Ok(())
        })
    }

    /// Notes that this thread has locked the mutex.
    #[inline(always)]
    pub(crate) fn locked(&self, lock: LockId, me: Tag) {
        self.change(lock, |hold| {
            // An older hold is of a tag that this process has lost.
            (hold.owner, hold.depth) = (me.bits(), 1);
        });
    }

    /// Unlocks once, with the token of any of this thread's locks. Adds `POISONED` if asked to.
    /// Changes nothing in the mutex if that is not this process's any more.
    #[inline]
    pub(crate) fn unlock(&self, lock: LockId, mutex: &MutexState, held: LockToken, poison: bool) {
        let owner = held.owner();
        let left = self.change(lock, |hold| {
            if hold.owner != owner.bits() || hold.depth == 0 {
                return None;
            }
            hold.depth -= 1;
            let left = hold.depth;
            if mutation(811) {
                hold.depth = hold.depth.max(1);
            }
            Some(left)
        });
        match left {
            Some(0) => mutex.unlock(held, poison),
            Some(_) if poison => mutex.poison(owner),
            _ => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

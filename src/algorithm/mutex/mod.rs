//! A mutex for processes that may be killed while they hold it, or while they unlock it.
//!
//! # State
//!
//! One futex word. 0 is free and clean.
//!
//! ```text
//!     31         30           29        28                  10 9            0
//! | POISONED | OWNER_DIED | CONTENDED |   generation: 19     |   index: 10  |
//!   \__ sticky: survive unlock __/       \______ owner's tag, 0 = free ______/
//! ```
//!
//! # Protocol
//!
//! - lock: CAS 0 to the own tag. Otherwise spin some microseconds unless others sleep, then set
//!   `CONTENDED` and sleep in slices of 1 to 50 ms. A waiter that has slept takes the lock with
//!   `CONTENDED` set, since others may sleep still. A newcomer may barge in. A waiter that gives up
//!   at its deadline wakes another in its place: the wake it had may have been the only one.
//! - unlock: CAS the tag away, keeping the sticky flags; wake one sleeper if `CONTENDED` was set. A
//!   CAS and not a swap, so that an owner whose lock was taken over (because other code closed the
//!   descriptor that kept it alive) does not free its successor's lock.
//! - after each locking CAS: ask the registry whether it still lists the own tag, (K1) of
//!   [`participant`](crate::participant). If not, unlock, keeping the flags, and return that the
//!   membership is lost.
//! - takeover: a waiter asks whether the owner lives before it sleeps. If not, it CASes the whole
//!   word, dead tag included, to its own tag and `OWNER_DIED`. A process that reaps the dead
//!   participant does the same, without taking the lock.
//! - `OWNER_DIED` stays until an owner declares the data consistent, `POISONED` until it is
//!   cleared. Where a mutex is part of another lock, `POISONED` is the mark of [`marked`].
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the locking CAS, or while asleep | nothing, or a `CONTENDED` too many | the next unlock, which wakes none |
//! | between lock and unlock | the dead tag | the next waiter, try or reaper: `OWNER_DIED` |
//! | after the unlocking CAS, before the wake | a free word, or a newcomer's, and a sleeper | the sleeper, when its slice ends; a reaper, which wakes one |
//! | in a takeover | as after a lock, with `OWNER_DIED` | as above |
//! | after the CAS of a process that was reaped and has not learnt it | an unregistered tag | the next waiter or try: it is not alive |
//!
//! The third row is the known hole of robust mutexes: the dead owner's wake is owed, a newcomer
//! barges in with a word without `CONTENDED`, and its unlock wakes no waiter. Here the sleeper's
//! slice ends, it sees the new owner and sets `CONTENDED` again.
//!
//! A stopped owner blocks all others, as with any mutex, and is never taken for dead. A stopped
//! waiter blocks no other: newcomers barge past it.
//!
//! # Ordering
//!
//! (M1) the unlocking CAS (Release) pairs with the locking CAS (Acquire): the data. (M2) a takeover
//! needs no pair in the word, since the dead owner's last store is ordered before the kernel's
//! answer that it is dead, and so before the takeover. (M3) the locking CAS (Release) pairs with
//! the loads that read an owner's tag (Acquire): a process that asks whether an owner lives sees
//! that it has joined. Without it a waiter could find a newcomer's tag in the word and its registry
//! entry as it was before, and take its lock away. What others do to the word meanwhile are RMWs,
//! which continue the release sequence.
//!
//! # Trade-offs
//!
//! Keeping `CONTENDED` through unlock would close the hole without slices, and make every unlock
//! after the first sleep a system call. The word and futex protocol is Drepper's third mutex
//! ("Futexes are tricky", 2004), with the owner in it as the kernel's robust futexes have.

use crate::facade::{Deadline, Futex, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};

const CONTENDED: u32 = 1 << 29;
/// An owner died holding the lock, and no owner has declared the data consistent since.
pub(crate) const OWNER_DIED: u32 = 1 << 30;
/// A thread panicked while it held the lock.
pub(crate) const POISONED: u32 = 1 << 31;
const STICKY: u32 = OWNER_DIED | POISONED;

/// The word of a mutex, in the segment.
#[repr(C)]
pub(crate) struct MutexState {
    word: Futex,
}

/// Proof that the lock was taken, with its owner and the flags that it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct LockToken {
    owner: Tag,
    flags: u32,
}

impl LockToken {
    /// The token of `owner`, which holds the lock, for one more guard of it.
    pub(crate) fn of(owner: Tag) -> Self {
        Self { owner, flags: 0 }
    }
    pub(crate) fn owner(&self) -> Tag {
        self.owner
    }
    pub(crate) fn owner_died(&self) -> bool {
        self.flags & OWNER_DIED != 0
    }
    pub(crate) fn is_poisoned(&self) -> bool {
        self.flags & POISONED != 0
    }
}

/// Why a lock was not taken at once: it was not free and clean; or it was, and this process, with
/// that tag, is not a participant any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Unclean(pub(crate) Option<Tag>);

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MutexError {
    /// A live participant holds it (and, with a deadline, still does at the deadline).
    Busy,
    /// The word names an owner that the segment cannot have.
    Corrupt { word: u32 },
    /// This process is not a participant any more: see [`Liveness::is_member`].
    MembershipLost,
}

/// The owner in a word.
enum Seen {
    Free,
    Owned(Tag),
}

fn owner(word: u32, peers: &impl Liveness) -> Result<Seen, MutexError> {
    if word & Tag::MASK == 0 {
        return Ok(Seen::Free);
    }
    match Tag::in_word(word, peers.participants()) {
        Some(tag) => Ok(Seen::Owned(tag)),
        None => Err(MutexError::Corrupt { word }),
    }
}

/// The ordering of a CAS that puts the own tag into the word.
#[inline(always)]
fn claiming() -> Ordering {
    if mutation(50) {
        return Ordering::Acquire;
    }
    // ORDERING: Acquire; pairs with (M1) in `unlock`. Release; (M3) publishes that the owner
    // joined.
    ordering(Ordering::AcqRel, 1)
}

impl MutexState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            word: Futex::new(0),
        }
    }

    /// Creates a mutex with any word.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn set(&self, word: u32) {
        self.word.store(word, Ordering::Relaxed);
    }

    /// Locks if the lock is free and clean: one atomic instruction, and one load of the registry.
    /// Otherwise the caller must pass the error to [`put_back`](Self::put_back).
    #[inline(always)]
    pub(crate) fn lock_clean(&self, peers: &impl Liveness) -> Result<LockToken, Unclean> {
        let me = peers.me();
        let (free, relaxed) = (0, Ordering::Relaxed);
        if mutation(947) && self.word.load(Ordering::Acquire) == free {
            self.word.store(me.bits(), Ordering::Release);
            return Ok(LockToken {
                owner: me,
                flags: 0,
            });
        }
        self.word
            .compare_exchange(free, me.bits(), claiming(), relaxed)
            .map_err(|_| Unclean(None))?;
        if !is_still_registered(peers, 570) {
            return Err(Unclean(Some(me)));
        }
        Ok(LockToken {
            owner: me,
            flags: 0,
        })
    }

    /// Takes the own tag out of the word again if this process stored it there and is not a
    /// participant any more.
    pub(crate) fn put_back(&self, Unclean(lost): Unclean) {
        if let Some(owner) = lost.filter(|_| !mutation(572)) {
            self.unlock(LockToken { owner, flags: 0 }, false);
        }
    }

    /// As [`lock_clean`](Self::lock_clean), for callers that go on with the slow path.
    pub(crate) fn try_lock_clean(&self, peers: &impl Liveness) -> Option<LockToken> {
        self.lock_clean(peers)
            .map_err(|unclean| self.put_back(unclean))
            .ok()
    }

    /// Locks; blocks until `deadline` while a live participant holds it.
    pub(crate) fn lock(
        &self,
        peers: &impl Liveness,
        deadline: &Deadline,
    ) -> Result<LockToken, MutexError> {
        match self.try_lock_clean(peers) {
            Some(held) => Ok(held),
            None => self.lock_contended(peers, deadline),
        }
    }

    /// Locks unless a live participant holds it; never sleeps.
    #[cfg(test)]
    pub(crate) fn try_lock(&self, peers: &impl Liveness) -> Result<LockToken, MutexError> {
        match self.try_lock_clean(peers) {
            Some(held) => Ok(held),
            None => self.try_lock_contended(peers),
        }
    }

    /// The slow path of `try_lock`, after [`lock_clean`](Self::lock_clean) has failed.
    #[cold]
    pub(crate) fn try_lock_contended(
        &self,
        peers: &impl Liveness,
    ) -> Result<LockToken, MutexError> {
        self.try_lock_flagged(peers, 0)
    }

    /// Makes the last attempt of a waiter whose deadline has passed.
    ///
    /// The waiter may have been woken just now. If a newcomer has barged in with a word that shows
    /// no sleepers, the wake must go to the next sleeper.
    #[cold]
    fn give_up(&self, peers: &impl Liveness, others: u32) -> Result<LockToken, MutexError> {
        let others = if mutation(14) { 0 } else { others };
        let tried = self.try_lock_flagged(peers, others);
        if tried.is_err() && others != 0 && !mutation(13) {
            self.word.wake(1);
        }
        tried
    }

    #[cold]
    fn try_lock_flagged(
        &self,
        peers: &impl Liveness,
        others: u32,
    ) -> Result<LockToken, MutexError> {
        loop {
            // ORDERING: Acquire; pairs with (M3) in `claiming`.
            let seen = self.word.load(ordering(Ordering::Acquire, 51));
            let died = match owner(seen, peers)? {
                Seen::Free => 0,
                Seen::Owned(tag) if peers.is_alive(tag) => return Err(MutexError::Busy),
                Seen::Owned(_) if mutation(18) => 0,
                Seen::Owned(_) => OWNER_DIED,
            };
            if let Some(held) = self.take(seen, peers, others | died)? {
                return Ok(held);
            }
        }
    }

    /// The slow path of [`lock`](Self::lock), after [`lock_clean`](Self::lock_clean) has failed.
    #[cold]
    pub(crate) fn lock_contended(
        &self,
        peers: &impl Liveness,
        deadline: &Deadline,
    ) -> Result<LockToken, MutexError> {
        self.wait(peers, deadline)
    }

    /// Takes the lock if the word is still `seen`, which is free or a dead owner's; `None` if it is
    /// not.
    fn take(
        &self,
        seen: u32,
        peers: &impl Liveness,
        extra: u32,
    ) -> Result<Option<LockToken>, MutexError> {
        let me = peers.me();
        let word = (seen & !Tag::MASK) | me.bits() | extra;
        let taken = self
            .word
            .compare_exchange(seen, word, claiming(), Ordering::Relaxed);
        if taken.is_err() {
            return Ok(None);
        }
        let flags = if mutation(4) {
            word & POISONED
        } else {
            word & STICKY
        };
        let held = LockToken { owner: me, flags };
        if !is_still_registered(peers, 573) {
            self.unlock(held, false);
            return Err(MutexError::MembershipLost);
        }
        Ok(Some(held))
    }

    /// Unlocks, adding [`POISONED`] if asked to; does nothing if the lock is no longer `held`.
    #[inline(always)]
    pub(crate) fn unlock(&self, held: LockToken, poison: bool) {
        self.unlock_if_held(held, poison);
    }

    /// As [`unlock`](Self::unlock); returns false if the lock is no longer `held`.
    #[inline(always)]
    pub(crate) fn unlock_if_held(&self, held: LockToken, poison: bool) -> bool {
        // ORDERING: Release; (M1) publishes the data to the next owner.
        let release = ordering(Ordering::Release, 2);
        let (mine, free) = (held.owner.bits(), 0);
        let clean = held.flags == 0
            && !poison
            && self
                .word
                .compare_exchange(mine, free, release, Ordering::Relaxed)
                .is_ok();
        clean || self.unlock_contended(held, poison)
    }

    /// There are sleepers or flags, or the lock is not `held` any more.
    #[cold]
    fn unlock_contended(&self, held: LockToken, poison: bool) -> bool {
        let add = if poison { POISONED } else { 0 };
        let keep = if mutation(10) { 0 } else { STICKY };
        // ORDERING: Relaxed; the CAS decides.
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            if seen & Tag::MASK != held.owner.bits() {
                return false;
            }
            let free = (seen & keep) | add;
            // ORDERING: Release; (M1), as in `unlock`.
            let release = ordering(Ordering::Release, 2);
            match self
                .word
                .compare_exchange(seen, free, release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if seen & CONTENDED != 0 && !mutation(3) {
            self.word.wake(1);
        }
        true
    }

    /// Declares the data consistent after an owner died; changes nothing if the lock is no longer
    /// `held`.
    pub(crate) fn mark_consistent(&self, held: &mut LockToken) {
        let cleared = match () {
            () if mutation(16) => OWNER_DIED | CONTENDED,
            () if mutation(948) => 0,
            () => OWNER_DIED,
        };
        self.clear(held, cleared);
    }

    /// Clears flags of the word; changes nothing if the lock is no longer `held`.
    fn clear(&self, held: &mut LockToken, cleared: u32) {
        let mut seen = held.owner.bits() | held.flags;
        held.flags &= !cleared;
        while seen & Tag::MASK == held.owner.bits() {
            // ORDERING: Relaxed; what was repaired is published by the unlock.
            let relaxed = Ordering::Relaxed;
            match self
                .word
                .compare_exchange(seen, seen & !cleared, relaxed, relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Poisons the lock, which `owner` keeps; changes nothing if the lock is not its any more.
    #[cold]
    pub(crate) fn poison(&self, owner: Tag) {
        // ORDERING: Relaxed; what was done before is published by the unlock.
        let relaxed = Ordering::Relaxed;
        let mut seen = self.word.load(relaxed);
        while seen & Tag::MASK == owner.bits() || mutation(804) {
            match self
                .word
                .compare_exchange(seen, seen | POISONED, relaxed, relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Returns whether `owner` holds the lock, by a read-modify-write: the answer is not stale.
    #[cold]
    pub(crate) fn is_still_of(&self, owner: Tag) -> bool {
        // ORDERING: Acquire; what a successor has done is seen.
        self.word.fetch_or(0, Ordering::AcqRel) & Tag::MASK == owner.bits()
    }

    /// Clears the poison, whether or not the lock is held.
    pub(crate) fn clear_poison(&self) {
        // ORDERING: Relaxed; the flag carries no data.
        self.word.fetch_and(!POISONED, Ordering::Relaxed);
    }

    /// Returns whether `owner` holds the lock. Only itself, and a process that takes it for dead,
    /// change that.
    #[inline(always)]
    pub(crate) fn is_of(&self, owner: Tag) -> bool {
        // ORDERING: Relaxed; what follows from the answer is the owner's risk.
        self.word.load(Ordering::Relaxed) & Tag::MASK == owner.bits()
    }

    /// Returns the owner, alive or dead.
    pub(crate) fn holder(&self, peers: &impl Liveness) -> Result<Option<Tag>, MutexError> {
        // ORDERING: Acquire; pairs with (M3) in `claiming`.
        match owner(self.word.load(ordering(Ordering::Acquire, 51)), peers)? {
            Seen::Free => Ok(None),
            Seen::Owned(tag) => Ok(Some(tag)),
        }
    }

    /// Returns whether the word has a flag that its owner has to be told of.
    #[inline(always)]
    pub(crate) fn is_flagged(&self) -> bool {
        // ORDERING: Relaxed; the flags carry no data.
        self.word.load(Ordering::Relaxed) & STICKY != 0
    }

    /// Returns the state for display; it may be stale.
    pub(crate) fn peek(&self) -> MutexStatus {
        // ORDERING: Relaxed; a snapshot that decides nothing.
        MutexStatus::of(self.word.load(Ordering::Relaxed))
    }

    /// Recovers the lock if participant `dead` held it, and makes the wake that it may have owed.
    pub(crate) fn recover(&self, dead: Tag) {
        // ORDERING: Relaxed; the CAS decides, and (M2) orders the dead owner's stores.
        let mut seen = self.word.load(Ordering::Relaxed);
        while seen & Tag::MASK == dead.bits() || (mutation(7) && seen & Tag::MASK != 0) {
            let died = if mutation(11) { 0 } else { OWNER_DIED };
            let free = (seen & STICKY) | died;
            // ORDERING: Release; a helper passes on what it saw of the dead owner's stores to the
            // next owner, as (M1) would have.
            let release = ordering(Ordering::Release, 9);
            match self
                .word
                .compare_exchange(seen, free, release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if !mutation(19) {
            self.word.wake(1);
        }
    }
}

/// The state of a mutex, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MutexStatus {
    pub(crate) locked: bool,
    /// The owner, if the word names a possible one.
    pub(crate) owner: Option<Tag>,
    pub(crate) owner_died: bool,
    pub(crate) poisoned: bool,
}

impl MutexStatus {
    /// The state that a word says.
    pub(crate) fn of(word: u32) -> Self {
        Self {
            locked: word & Tag::MASK != 0,
            owner: Tag::from_bits(word & Tag::MASK),
            owner_died: word & OWNER_DIED != 0,
            poisoned: word & POISONED != 0,
        }
    }
}

pub(crate) mod entry;
pub(crate) mod marked;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
mod wait;

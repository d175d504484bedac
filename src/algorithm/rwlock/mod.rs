//! A lock for many readers or one writer, any of which may be killed.
//!
//! # State
//!
//! ```text
//! mutex      u32   the writer mutex: held by a writer, or by a reader that its cell did not admit
//! writing    u32   the writer that changes the data, and what became of the last one;
//!                  where no process has read, the mutex names the writer: see [`unread`]
//! roster     1024 bits, the cells in use
//! cells      one for each participant, on lines of its own: how many of its threads read
//! ```
//!
//! ```text
//! writing:   31         30        29     28                  10 9            0
//!       | POISONED | OWNER_DIED |  0  |   generation: 19     |   index: 10  |
//!         \__ survive unlock __/      \______ writer's tag, 0 = none _______/
//! ```
//!
//! Invariant 1: while `writing` has a tag or a flag, every cell in use is blocked; while it has a
//! tag, no other process reads. Invariant 2: only the holder of the writer mutex blocks and opens
//! cells, and adds them to the roster. Invariant 3: `WAITING` is set only in a blocked cell, and a
//! process that clears it wakes all that sleep on the cell.
//!
//! # Protocol
//!
//! - read: one CAS in the own [`cell`]. If that is blocked: spin, then load the holder of the
//!   writer mutex. If no live participant holds it, take it; else set `WAITING` in the own cell,
//!   load the mutex again, and sleep on the cell. A process without a cell waits for the writer
//!   mutex as a writer does.
//! - with the writer mutex: recover what a dead writer left. A reader counts itself in its cell,
//!   adding that to the roster if it must, and releases the mutex.
//! - write: take the writer mutex, recover, wait until those have had their turn that have waited;
//!   block every cell in use, wait until each counts no reader, passing over those whose owners are
//!   dead; then the own tag into `writing`. If no cell is in use, none can be before the mutex is
//!   released: then to take the mutex and to release it is all that there is to do, [`unread`].
//! - unlock of a writer: its tag leaves `writing`, which is the commit, and it releases the writer
//!   mutex.
//! - to release the writer mutex: open the cells, waking the sleepers of each, and unlock the
//!   mutex. If `writing` has a flag the cells stay blocked, so that every reader takes the mutex
//!   and learns of the flag; then the mutex is unlocked first, and the sleepers are woken
//!   afterwards and take it in turn.
//! - downgrade: a writer counts itself in its cell before it unlocks.
//! - recover: a tag in `writing` that is not the mutex holder's is a dead writer's: `OWNER_DIED`.
//!   The death of a mutex holder proves nothing by itself: it can have been a reader, or not have
//!   begun to write.
//!
//! A reader that comes after a writer has blocked its cell waits for that writer, so readers do not
//! starve writers. When that writer unlocks, `WAITING` stays in the open cell: it is the turn of
//! the reader, and the next writer, with the mutex, waits until the reader has entered. So a reader
//! that sleeps is not overtaken by a later writer, unless that only tries; while it still spins,
//! which is microseconds, it can be. A turn is that of a process: the first of its threads to enter
//! takes it. A reader that is stopped in its turn loses it after 10 ms. A process that reads for
//! the first time has no cell, and waits for the mutex as a writer does.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | reading | a count in the dead reader's cell | the next writer, which passes over it; a reaper |
//! | with the writer mutex, before writing | the dead tag in the mutex, cells blocked | the next holder, which reports nothing |
//! | writing | also its tag in `writing`, or its mark in the mutex | the next holder: `OWNER_DIED`, until a writer repairs the data |
//! | unlocking, after the commit | the dead tag in the mutex, some cells blocked | the next holder, which reports nothing |
//! | after the mutex is unlocked | sleepers whose wake is owed | they, when their slices end; a reaper |
//! | adding a cell | a bit in the roster for a cell without an owner | the next writer, which clears it |
//! | downgrading, before the commit | as writing, and a count | as both |
//!
//! A stopped reader blocks writers, and later readers while a writer waits for it. A stopped holder
//! of the writer mutex blocks all that need the mutex.
//!
//! A process that was taken for dead, because other code unmapped its lock, learns it when it takes
//! the mutex, enters its cell, is counted by way of the mutex, or has waited for readers: it asks
//! the registry then, (K1) of [`participant`](crate::participant). With a guard it commits nothing,
//! since the commit expects its tag. With the writer mutex, it checks that it still holds the mutex
//! before it opens cells, and that it is still registered before it takes one off the roster. What
//! it does in the moment after such a check cannot be undone: it can open a cell that its successor
//! has blocked, or take one off the roster that has become a reader's. If it puts its tag into
//! `writing`, the mutex's holder puts its own back.
//!
//! # Ordering
//!
//! (W1) and (W2) are in [`cell`]. The mutex's (M1) passes on what its holder knows, and the data
//! from one writer to the next; `writing` and the roster are therefore Relaxed. What a dead writer
//! did is ordered by the kernel (M2), and passed on by a reaper: (Release) in the mutex, in the
//! cell for a dead reader. The tag goes into `writing` before the data is touched, and out after
//! it: in program order, which is what a kill cuts off.
//!
//! (W3) is the race of a reader that goes to sleep with a holder that releases the mutex and keeps
//! the cells blocked:
//!
//! ```text
//! reader                              holder
//! WAITING into the cell (AcqRel)      unlock the mutex
//! is it still held? else try it       WAITING out of the cell (AcqRel): was it there? then wake
//! ```
//!
//! Both change one word, so one is after the other: either the holder sees `WAITING`, or the
//! reader's RMW reads what the holder's wrote, and then sees the mutex unlocked.
//!
//! # Trade-offs
//!
//! Counting readers in one word makes every read two transfers of one line between processors; here
//! readers of different processes share none, and a writer pays for that with two RMWs for each
//! process that has ever read. That is the big-reader lock of Linux 2.4 ("brlock"), with BRAVO's
//! (Dice and Kogan, 2019) slots fixed to their owners, since only a slot that has an owner can be
//! recovered when it dies. Asymmetric fences would save a reader its locked instructions, and cost
//! every writer a membarrier(2).
//!
//! Sleepers sleep where their wake comes from: writers on the mutex, which wakes one, readers on
//! their cells, all of which are woken. With one word for all, each unlock of a writer would have
//! to wake all.

mod cell;
pub(crate) mod entry;
pub(crate) mod layout;
mod status;
mod unread;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
mod wait;
mod writer_mutex;

use core::convert::Infallible;

use crate::algorithm::mutex::{self, MutexState, OWNER_DIED, POISONED};
use crate::algorithm::rwlock::layout::RWLOCK_STATE;
use crate::facade::{AtomicU32, AtomicU64, Deadline, Ordering, mutation, program_order};
use crate::format::Padded;
use crate::participant::{Liveness, Tag, is_still_registered};
pub(crate) use cell::Cell;
use cell::EnterError;
pub(crate) use status::RwLockStatus;
pub(crate) use writer_mutex::{LockHook, NoHook, WriterToken};

/// The most threads of one process that can read at a time.
pub(crate) const MOST: u32 = 1023;
/// The words of the roster.
const ROSTER: usize = (Tag::MAX_PARTICIPANTS as usize + 1) / 64;
const STICKY: u32 = OWNER_DIED | POISONED;

/// The first bytes of a lock, in the segment.
#[repr(C, align(128))]
pub(crate) struct RwLockState {
    mutex: MutexState,
    writing: AtomicU32,
    roster: [AtomicU64; ROSTER],
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<RwLockState>() == RWLOCK_STATE);

/// A lock: its state, the cells of the participants, and its hook.
#[derive(Clone, Copy)]
pub(crate) struct RwLock<'a, A = NoHook> {
    state: &'a RwLockState,
    cells: &'a [Padded<Cell>],
    hook: A,
}

/// Proof that `owner` reads, with the flags that it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct ReaderToken {
    owner: Tag,
    flags: u32,
}

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RwLockError {
    /// A live participant blocks it (and, with a deadline, still does at the deadline).
    Busy,
    /// A word has an impossible value.
    Corrupt { word: u32 },
    /// This process is not a participant any more: see [`Liveness::is_member`].
    MembershipLost,
    /// [`MOST`] threads of this process read.
    Full,
}

impl From<mutex::MutexError> for RwLockError {
    fn from(refused: mutex::MutexError) -> Self {
        match refused {
            mutex::MutexError::Busy => Self::Busy,
            mutex::MutexError::Corrupt { word } => Self::Corrupt { word },
            mutex::MutexError::MembershipLost => Self::MembershipLost,
        }
    }
}

impl ReaderToken {
    /// The token of a writer that downgrades a lock that was taken over.
    pub(crate) fn of(token: WriterToken) -> Self {
        let (owner, flags) = (token.owner(), token.flags);
        Self { owner, flags }
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

impl RwLockState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            mutex: MutexState::new(),
            writing: AtomicU32::new(0),
            roster: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Clears the poison, whether or not the lock is held.
    pub(crate) fn clear_poison(&self) {
        // ORDERING: Relaxed; the flag carries no data.
        self.writing.fetch_and(!POISONED, Ordering::Relaxed);
    }

    /// Returns whether the data is poisoned.
    pub(crate) fn is_poisoned(&self) -> bool {
        // ORDERING: Relaxed; the flag carries no data.
        self.writing.load(Ordering::Relaxed) & POISONED != 0
    }

    /// Returns the writer that changes the data, alive or dead: a hint.
    fn writer(&self) -> Option<Tag> {
        // ORDERING: Relaxed; a hint.
        let writing = self.writing.load(Ordering::Relaxed);
        Tag::from_bits(writing & Tag::MASK).or_else(|| self.mutex.marks().owner())
    }
}

impl<'a, A: LockHook> RwLock<'a, A> {
    #[inline(always)]
    pub(crate) fn new(state: &'a RwLockState, cells: &'a [Padded<Cell>], hook: A) -> Self {
        Self { state, cells, hook }
    }

    pub(crate) fn state(&self) -> &'a RwLockState {
        self.state
    }

    /// The cell of participant `me`.
    #[inline(always)]
    pub(crate) fn cell(&self, me: Tag) -> Option<&'a Cell> {
        self.cells.get(me.index() as usize).map(|cell| &cell.0)
    }

    /// Calls `visit` with each cell in use, until it fails.
    #[inline]
    fn try_each<E>(&self, mut visit: impl FnMut(u32, &'a Cell) -> Result<(), E>) -> Result<(), E> {
        let words = self.state.roster.iter().zip(self.cells.chunks(64));
        for ((word, cells), first) in words.zip((0..).step_by(64)) {
            // ORDERING: Relaxed; changed and read by holders of the writer mutex.
            let mut bits = word.load(Ordering::Relaxed);
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                if let Some(cell) = cells.get(bit as usize) {
                    visit(first + bit, &cell.0)?;
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` with each cell in use.
    #[inline]
    fn each(&self, mut visit: impl FnMut(u32, &'a Cell)) {
        let all: Result<(), Infallible> = self.try_each(|index, cell| {
            visit(index, cell);
            Ok(())
        });
        match all {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    /// The word of the roster, and the bit in it, of participant `index`.
    fn place(&self, index: u32) -> Option<(&'a AtomicU64, u64)> {
        let word = self.state.roster.get(index as usize / 64)?;
        Some((word, 1 << (index % 64)))
    }

    /// Reads if the own cell is open: one instruction.
    #[inline(always)]
    pub(crate) fn read_clean(&self, peers: &impl Liveness) -> Option<ReaderToken> {
        let me = peers.me();
        self.cell(me)?.enter_clean(peers).then_some(ReaderToken {
            owner: me,
            flags: 0,
        })
    }

    /// Stops reading, as [`Cell::leave`] does.
    #[cfg(test)]
    pub(crate) fn stop_reading(&self, reading: ReaderToken) {
        if let Some(cell) = self.cell(reading.owner) {
            cell.leave(reading.owner);
        }
    }

    /// Reads; blocks until the deadline while a writer holds the lock, or any process the writer
    /// mutex. Without a deadline, waits only as long as a reader needs the mutex.
    #[cold]
    pub(crate) fn read(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<ReaderToken, RwLockError> {
        let me = peers.me();
        match self.enter(peers, wait)? {
            None => Ok(ReaderToken {
                owner: me,
                flags: 0,
            }),
            Some(token) => self.read_as_holder(token, peers, wait),
        }
    }

    /// Counts the holder of the writer mutex as a reader, and releases the mutex.
    fn read_as_holder(
        &self,
        token: WriterToken,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<ReaderToken, RwLockError> {
        let me = token.owner();
        if let Err(refused) = self.hook.close(peers, wait) {
            self.release(token);
            return Err(refused);
        }
        let cell = self.register(me);
        let admitted = cell.map_or(Err(EnterError::NotOwner), |cell| cell.admit(peers));
        let flags = if mutation(951) { 0 } else { token.flags };
        self.release(token);
        match admitted {
            Ok(()) => Ok(ReaderToken { owner: me, flags }),
            Err(EnterError::NotOwner) => Err(RwLockError::MembershipLost),
            Err(EnterError::Full | EnterError::Blocked(_)) => Err(RwLockError::Full),
        }
    }

    /// Adds the mutex holder's own cell to the roster, and returns it.
    fn register(&self, me: Tag) -> Option<&'a Cell> {
        let cell = self.cell(me)?;
        let (word, bit) = self.place(me.index())?;
        // ORDERING: Relaxed; the mutex passes the roster on.
        if word.load(Ordering::Relaxed) & bit == 0 && !mutation(321) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Some(cell)
    }

    /// Writes; blocks until the deadline while others hold the lock. Without a deadline, does not
    /// wait for readers, and waits for the writer mutex only as long as a reader needs it.
    pub(crate) fn write(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<WriterToken, RwLockError> {
        let token = self.acquire(peers, wait)?;
        let shut = if mutation(338) {
            Ok(())
        } else {
            self.hook.close(peers, wait)
        };
        if let Err(refused) = shut.and_then(|()| self.exclude(peers, wait)) {
            if mutation(333) {
                self.state.mutex.unlock(token.held, false);
            } else {
                self.release(token);
            }
            return Err(refused);
        }
        self.begin_writing(&token);
        Ok(token)
    }

    /// Blocks every cell in use and waits until there is no reader. The caller holds the writer
    /// mutex, and releases it in any case. If it had to wait, it asks afterwards whether it is
    /// still registered.
    pub(crate) fn exclude(
        &self,
        peers: &impl Liveness,
        wait: Option<&Deadline>,
    ) -> Result<(), RwLockError> {
        let mut waited = false;
        if let Some(deadline) = wait {
            self.try_each(|index, cell| {
                waited |= self.give_turn(index, cell, peers, deadline)?;
                Ok::<(), RwLockError>(())
            })?;
        }
        // All are blocked before the first is waited for.
        let mut in_use = false;
        self.each(|index, cell| {
            in_use = true;
            // A process that was taken for dead here removes no cell of a later reader.
            if cell.block().owner(index).is_none() && peers.is_registered() {
                self.unregister(index);
            }
        });
        if !in_use || mutation(309) {
            return Ok(());
        }
        self.try_each(|index, cell| {
            waited |= self.drain(index, cell, peers, wait)?;
            Ok::<(), RwLockError>(())
        })?;
        if waited && !is_still_registered(peers, 585) {
            return Err(RwLockError::MembershipLost);
        }
        Ok(())
    }

    /// Returns whether the owner still holds the writer mutex: no process has taken it for dead.
    fn is_held(&self, token: &WriterToken) -> bool {
        self.state.mutex.is_of(token.owner())
    }

    /// Removes a cell without an owner from the roster.
    fn unregister(&self, index: u32) {
        if let Some((word, bit)) = self.place(index) {
            // ORDERING: Relaxed; the mutex passes the roster on.
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Marks the data as being written.
    fn begin_writing(&self, token: &WriterToken) {
        let (tag, writing) = (token.owner().bits(), &self.state.writing);
        if mutation(317) {
            return;
        }
        // ORDERING: Relaxed; it is read with the mutex held. Without a flag no other process
        // changes the word.
        if token.flags == 0 {
            writing.store(tag, Ordering::Relaxed);
        } else {
            writing.fetch_or(tag, Ordering::Relaxed);
        }
        program_order();
    }

    /// Marks the data as whole; returns false if the lock was taken over meanwhile.
    ///
    /// Another tag than the mutex holder's is that of a process that was taken for dead with the
    /// mutex and has begun to write since: it proves nothing, and may have hidden a flag.
    fn commit(&self, token: &WriterToken, poison: bool) -> bool {
        let add = if poison { POISONED } else { 0 };
        let mut seen = token.owner().bits() | token.flags;
        loop {
            if seen & Tag::MASK != token.owner().bits() {
                if !self.is_held(token) || mutation(586) {
                    return false;
                }
                seen = self.reclaim(token, seen);
                continue;
            }
            // ORDERING: Release; the data is written before, if this process is killed just after
            // it.
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            let free = if mutation(316) {
                seen | add
            } else {
                (seen & STICKY) | add
            };
            match self
                .state
                .writing
                .compare_exchange(seen, free, release, relaxed)
            {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Replaces a tag in `writing` that is no writer's by the mutex holder's; returns the word as
    /// it is then.
    #[cold]
    fn reclaim(&self, token: &WriterToken, seen: u32) -> u32 {
        let relaxed = Ordering::Relaxed;
        let mine = (seen & STICKY) | token.flags | token.owner().bits();
        match self
            .state
            .writing
            .compare_exchange(seen, mine, relaxed, relaxed)
        {
            Ok(_) => mine,
            Err(now) => now,
        }
    }

    /// Stops writing, adding [`POISONED`] if asked to; does nothing if the lock was taken over.
    pub(crate) fn stop_writing(&self, token: WriterToken, poison: bool) {
        if self.state.stop_writing_clean(token, poison) {
            return;
        }
        let token = self.settle(token);
        if self.commit(&token, poison) {
            self.release(token);
        }
    }

    /// Turns the write lock into a read lock; no other process writes in between.
    pub(crate) fn downgrade(&self, token: WriterToken, peers: &impl Liveness) -> ReaderToken {
        let token = self.settle(token);
        let owner = token.owner();
        // After a takeover the former owner must not change cells.
        if self.is_held(&token) {
            if mutation(319) {
                self.stop_writing(token, false);
                let _ = self.register(owner).map(|cell| cell.admit(peers));
                return ReaderToken::of(token);
            }
            if let Some(cell) = self.register(owner).filter(|_| !mutation(320)) {
                // The count is not full: no process read.
                let _ = cell.admit(peers);
            }
            self.stop_writing(token, false);
        }
        ReaderToken::of(token)
    }

    /// Declares the data consistent after a writer died; changes nothing if the lock was taken
    /// over.
    pub(crate) fn mark_consistent(&self, token: &mut WriterToken) {
        let cleared = match (mutation(335), mutation(950)) {
            (true, _) => STICKY,
            (_, true) => 0,
            _ => OWNER_DIED,
        };
        let mut seen = token.owner().bits() | token.flags;
        token.flags &= !OWNER_DIED;
        while seen & Tag::MASK == token.owner().bits() {
            // ORDERING: Relaxed; what was repaired is published by the unlock.
            let relaxed = Ordering::Relaxed;
            match self
                .state
                .writing
                .compare_exchange(seen, seen & !cleared, relaxed, relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

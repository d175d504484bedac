//! The cell of one participant: how many of its threads read.
//!
//! # State
//!
//! One futex word on lines of its own. 0 has no owner.
//!
//! ```text
//!  31                13     12        11        10      9                     0
//! |   generation: 19   | WAITING | BLOCKED | DRAINING |  threads that read: 10  |
//! ```
//!
//! The cell's position is the index, so with the generation the word has its owner's tag.
//!
//! # Protocol
//!
//! - enter, leave: one CAS each, by the owner of the generation only. A process that was taken for
//!   dead finds another generation, or 0, and does nothing. After entering, it asks whether it is
//!   still registered, (K1) of [`participant`](crate::participant), and gives its cell back if not.
//! - admit: the holder of the writer mutex puts its own generation into its cell. Another
//!   generation that the registry lists is the next owner's of the index: then the holder is not a
//!   participant any more. Another that the registry does not list was left by a process that was
//!   taken for dead, and is replaced.
//! - block, open: an RMW each, by the holder of the writer mutex. `BLOCKED` keeps new readers out,
//!   not present ones.
//! - `DRAINING`: a writer sleeps on the word until there is no reader. The last reader to leave
//!   clears it and wakes all.
//! - `WAITING`: threads of the owner sleep on the word until it is open. It is set beside `BLOCKED`
//!   only. Opening the cell wakes all and leaves the flag: without `BLOCKED` it says that it is the
//!   turn of those that slept. The first of them that enters, or gives up, clears it and wakes all,
//!   among which is the next writer.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | between enter and leave | a count of the dead generation | the next writer, or a reaper: 0 |
//! | leave, before the wake | a writer whose wake is owed | the writer, when its slice ends; a reaper |
//! | waiting, also in its turn | `WAITING` of the dead generation | the next writer, when a slice ends; a reaper |
//!
//! # Ordering
//!
//! (W1) leave (Release) pairs with block, and the loads of a writer that drains (Acquire): what was
//! read was read before it is written. (W2) open (Release) pairs with enter (Acquire): the data.
//! (W3) see [`rwlock`](super).

use super::MOST;
use crate::facade::{Futex, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::SleepOn;

const DRAINING: u32 = 1 << 10;
const BLOCKED: u32 = 1 << 11;
const WAITING: u32 = 1 << 12;
const COUNT: u32 = DRAINING - 1;
const GENERATION_SHIFT: u32 = 13;

const _: () = assert!(MOST == COUNT);

/// The value of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CellValue(u32);

impl CellValue {
    /// The value of a cell that was read from a file.
    #[cfg(all(feature = "inspect", not(loom)))]
    pub(super) fn of_word(word: u32) -> Self {
        Self(word)
    }

    #[inline(always)]
    fn of(owner: Tag) -> Self {
        Self(owner.generation() << GENERATION_SHIFT)
    }

    pub(super) fn is_of(self, owner: Tag) -> bool {
        self.0 >> GENERATION_SHIFT == owner.generation()
    }

    /// The tag of its owner, if it has one.
    pub(super) fn owner(self, index: u32) -> Option<Tag> {
        Tag::new(index, self.0 >> GENERATION_SHIFT)
    }

    pub(super) fn readers(self) -> u32 {
        self.0 & COUNT
    }

    pub(super) fn is_blocked(self) -> bool {
        self.0 & BLOCKED != 0
    }

    /// Whether threads of the owner wait.
    pub(super) fn has_waiters(self) -> bool {
        self.0 & WAITING != 0
    }

    /// Whether any process may sleep on the word.
    pub(super) fn has_sleepers(self) -> bool {
        self.0 & (WAITING | DRAINING) != 0
    }

    /// Whether it is the turn of threads that have waited.
    #[inline(always)]
    pub(super) fn is_turn(self) -> bool {
        self.0 & (WAITING | BLOCKED) == WAITING
    }

    /// The word with one reader more, which ends the turn of those that have waited.
    fn one_more(self) -> Self {
        Self((self.0 + 1) & !WAITING)
    }

    /// The word with one reader less, and without `DRAINING` if that was the last.
    fn less_one(self) -> Self {
        let less = self.0 - 1;
        let draining = match less & COUNT {
            0 if mutation(683) => DRAINING | WAITING,
            0 => DRAINING,
            _ => 0,
        };
        Self(less & !draining)
    }
}

/// Why a thread did not enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EnterError {
    /// The cell has another owner, or none.
    NotOwner,
    /// It is blocked: the word as it was seen.
    Blocked(CellValue),
    /// As many threads read as can be counted.
    Full,
}

/// The word of a cell, in the segment.
#[repr(transparent)]
pub(crate) struct Cell(Futex);

impl Cell {
    #[cfg(test)]
    pub(crate) fn new(word: u32) -> Self {
        Self(Futex::new(word))
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn bits(&self) -> u32 {
        self.peek().0
    }

    #[inline(always)]
    fn replace(&self, from: CellValue, to: CellValue, order: Ordering) -> Result<(), CellValue> {
        // ORDERING: the caller's; Relaxed on failure, which only says what to try next.
        self.0
            .compare_exchange(from.0, to.0, order, Ordering::Relaxed)
            .map(drop)
            .map_err(CellValue)
    }

    /// Returns the word, for a caller whose CAS checks it again.
    #[inline(always)]
    pub(super) fn peek(&self) -> CellValue {
        // ORDERING: Relaxed; see above.
        CellValue(self.0.load(Ordering::Relaxed))
    }

    /// Returns the word, for a writer that waits for its readers.
    pub(super) fn load(&self) -> CellValue {
        // ORDERING: Acquire; pairs with (W1).
        CellValue(self.0.load(ordering(Ordering::Acquire, 303)))
    }

    /// Counts a thread of `me` on the fast path: one atomic instruction, and one load of the
    /// registry. If the registry does not list `me` any more, the slow path [gives the cell
    /// back](Self::give_back).
    #[inline(always)]
    pub(super) fn enter_clean(&self, peers: &impl Liveness) -> bool {
        let seen = self.peek();
        // Of this generation, without a flag, and less than full: all in one.
        seen.0.wrapping_sub(CellValue::of(peers.me()).0) < COUNT
            // ORDERING: Acquire; pairs with (W2).
            && self
                .replace(seen, CellValue(seen.0 + 1), ordering(Ordering::Acquire, 300))
                .is_ok()
            && is_still_registered(peers, 580)
    }

    /// Gives the cell back if `me` is not a participant any more; returns whether it was not.
    pub(super) fn give_back(&self, peers: &impl Liveness) -> bool {
        let is_lost = !peers.is_registered();
        if is_lost && !mutation(581) {
            self.recover(peers.me());
        }
        is_lost
    }

    /// Counts a thread of `me`, unless the cell is blocked.
    pub(super) fn enter(&self, peers: &impl Liveness) -> Result<(), EnterError> {
        let mut seen = self.peek();
        loop {
            if !seen.is_of(peers.me()) {
                return Err(EnterError::NotOwner);
            }
            if seen.is_blocked() && !mutation(307) {
                return Err(EnterError::Blocked(seen));
            }
            if seen.readers() == COUNT {
                return Err(EnterError::Full);
            }
            // ORDERING: Acquire; pairs with (W2).
            match self.replace(seen, seen.one_more(), ordering(Ordering::Acquire, 300)) {
                Ok(()) => {
                    if seen.has_waiters() && !mutation(678) {
                        self.wake();
                    }
                    return self.confirm(peers, 582);
                }
                Err(now) => seen = now,
            }
        }
    }

    /// Gives the cell back and fails, unless `me`, which is counted, is still registered.
    fn confirm(&self, peers: &impl Liveness, mutant: u32) -> Result<(), EnterError> {
        if is_still_registered(peers, mutant) {
            return Ok(());
        }
        self.give_back(peers);
        Err(EnterError::NotOwner)
    }

    /// Counts a thread of `me`, unless another participant has the index since, and blocks the
    /// cell. For the holder of the writer mutex, after it has recovered the lock.
    pub(super) fn admit(&self, peers: &impl Liveness) -> Result<(), EnterError> {
        let me = peers.me();
        let mut seen = self.load();
        loop {
            let others = seen.owner(me.index()).filter(|_| !seen.is_of(me));
            if others.is_some_and(|other| !peers.is_unregistered(other)) && !mutation(583) {
                return Err(EnterError::NotOwner);
            }
            let own = if seen.is_of(me) {
                seen
            } else {
                CellValue::of(me)
            };
            if own.readers() == COUNT {
                return Err(EnterError::Full);
            }
            // ORDERING: Release; (M3) of `algorithm::mutex`: a process that finds this generation
            // and asks the registry sees that it has joined. The mutex orders its holders.
            let mut counted = CellValue(own.one_more().0 | BLOCKED);
            if mutation(682) {
                counted.0 |= own.0 & WAITING;
            }
            match self.replace(seen, counted, Ordering::Release) {
                Ok(()) => {
                    // Others that slept announce themselves again.
                    if seen.has_waiters() {
                        self.wake();
                    }
                    return self.confirm(peers, 584);
                }
                Err(_) => seen = self.load(),
            }
        }
    }

    /// Uncounts a thread of `me`; does nothing if the cell is not its any more.
    #[inline(always)]
    pub(crate) fn leave(&self, me: Tag) {
        let seen = self.peek();
        // As in `enter_clean`, and not 0.
        let clean = seen.0.wrapping_sub(CellValue::of(me).0).wrapping_sub(1) < COUNT;
        // ORDERING: Release; (W1).
        let release = ordering(Ordering::Release, 301);
        if !clean || self.replace(seen, CellValue(seen.0 - 1), release).is_err() {
            self.leave_blocked(me);
        }
    }

    /// The slow path of [`leave`](Self::leave), which may have to wake a sleeper.
    #[cold]
    #[inline(never)]
    fn leave_blocked(&self, me: Tag) {
        let mut seen = self.peek();
        loop {
            if (!seen.is_of(me) && !mutation(323)) || seen.readers() == 0 {
                return;
            }
            let less = seen.less_one();
            // ORDERING: Release; (W1).
            match self.replace(seen, less, ordering(Ordering::Release, 301)) {
                Ok(()) if (seen.0 ^ less.0) & DRAINING != 0 => return self.wake(),
                Ok(()) => return,
                Err(now) => seen = now,
            }
        }
    }

    fn wake(&self) {
        if !mutation(305) {
            self.0.wake(u32::MAX);
        }
    }

    /// Keeps new readers out, and returns the word as it is then.
    pub(super) fn block(&self) -> CellValue {
        if mutation(308) {
            return self.load();
        }
        // ORDERING: Acquire; pairs with (W1), in case the cell counts none and is not loaded again.
        let before = self.0.fetch_or(BLOCKED, ordering(Ordering::Acquire, 302));
        CellValue(before | BLOCKED)
    }

    /// Admits new readers, and wakes all sleepers, whose turn it is.
    pub(super) fn open(&self) {
        // ORDERING: Release; (W2).
        let release = ordering(Ordering::Release, 304);
        let closed = if mutation(680) {
            BLOCKED | DRAINING | WAITING
        } else {
            BLOCKED | DRAINING
        };
        let before = self.0.fetch_and(!closed, release);
        if before & WAITING != 0 && !mutation(311) {
            self.0.wake(u32::MAX);
        }
    }

    /// Wakes all sleepers that were announced before, and ends their turn. It reads the newest
    /// word.
    pub(super) fn notify(&self) {
        // ORDERING: AcqRel; (W3), pairs with `announce`.
        let order = ordering(Ordering::AcqRel, 329);
        if self.0.fetch_and(!WAITING, order) & WAITING != 0 {
            self.0.wake(u32::MAX);
        }
    }

    /// Announces a reader that sleeps, if the word is still `seen`, and returns the value to sleep
    /// at.
    pub(super) fn announce_reader(&self, seen: CellValue) -> Result<CellValue, CellValue> {
        self.announce(seen, WAITING)
    }

    /// Announces a writer that sleeps until there is no reader, as
    /// [`announce_reader`](Self::announce_reader) does a reader.
    pub(super) fn announce_writer(&self, seen: CellValue) -> Result<CellValue, CellValue> {
        self.announce(seen, DRAINING)
    }

    fn announce(&self, seen: CellValue, flag: u32) -> Result<CellValue, CellValue> {
        let said = if mutation(306) {
            seen
        } else {
            CellValue(seen.0 | flag)
        };
        // ORDERING: AcqRel; (W3), pairs with `notify`.
        self.replace(seen, said, ordering(Ordering::AcqRel, 330))?;
        Ok(said)
    }

    /// Returns what an announced sleeper sleeps on.
    pub(super) fn sleep_on(&self, expected: CellValue) -> SleepOn<'_> {
        SleepOn::One(&self.0, expected.0)
    }

    /// Takes the cell from a dead owner if the word is still `seen`.
    pub(super) fn reclaim(&self, seen: CellValue) {
        // ORDERING: Relaxed; the mutex passes on what its holder knows.
        let _ = self.replace(seen, CellValue(0), Ordering::Relaxed);
    }

    /// Takes the cell from `dead` if it is the owner, and wakes all waiters.
    pub(super) fn recover(&self, dead: Tag) {
        let mut seen = self.peek();
        while seen.is_of(dead) || (mutation(332) && seen.0 != 0) {
            // ORDERING: Release; a helper passes on that the dead reader has read, as (W1) would
            // have.
            match self.replace(seen, CellValue(0), ordering(Ordering::Release, 324)) {
                Ok(()) if mutation(325) => return,
                Ok(()) => {
                    if seen.has_sleepers() {
                        self.0.wake(u32::MAX);
                    }
                    return;
                }
                Err(now) => seen = now,
            }
        }
    }
}

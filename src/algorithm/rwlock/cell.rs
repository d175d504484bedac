//! The cell of one participant: how many of its threads read.
//!
//! # State
//!
//! One futex word on lines of its own. 0 is nobody's.
//!
//! ```text
//!  31                    13     12       11     10                    0
//! |    generation: 19      | WAITING | BARRED |  threads that read: 11  |
//! ```
//!
//! The cell's place is the index, so with the generation the word has its owner's tag.
//!
//! # Protocol
//!
//! - enter, leave: one CAS each, by the owner of the generation only. One that was taken for dead
//!   finds another generation, or 0, and does nothing. After it entered, it asks whether it is a
//!   participant still, (K1) of [`participant`](crate::participant), and gives its cell back if
//!   not.
//! - admit: the holder of the door puts its own generation into its cell. One of another generation
//!   that the registry knows is the next owner's of the index: then the holder is no participant
//!   any more. One that the registry does not know was left by a process that was taken for dead,
//!   and is replaced.
//! - bar, open: an RMW each, by whoever holds the door. `BARRED` keeps newcomers out, not those
//!   that are in.
//! - `WAITING`: somebody sleeps on the word, a writer until nobody reads, or threads of the owner
//!   until it is open. It is set beside `BARRED` only (Invariant 3 of [`rwlock`](super)); whoever
//!   clears it wakes all.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | between enter and leave | a count of the dead generation | the next writer, and whoever reaps: 0 |
//! | leave, before the wake | a writer whose wake is owed | the writer, when its slice ends; whoever reaps |
//!
//! # Ordering
//!
//! (W1) leave (Release) pairs with the bar, and the looks of a writer that drains (Acquire): what
//! was read was read before it is written. (W2) open (Release) pairs with enter (Acquire): the
//! data. (W3) see [`rwlock`](super).

use super::MOST;
use crate::facade::{Futex, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::SleepOn;

const BLOCKED: u32 = 1 << 11;
const WAITING: u32 = 1 << 12;
const COUNT: u32 = BLOCKED - 1;
const GENERATION_SHIFT: u32 = 13;

const _: () = assert!(MOST == COUNT);

/// What a look at a cell says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(u32);

impl Word {
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

    pub(super) fn with_waiting(self) -> Self {
        Self(self.0 | WAITING)
    }

    /// With one reader less; nobody waits for an owner that reads no more.
    fn less_one(self) -> Self {
        let less = self.0 - 1;
        let waiting = if less & COUNT == 0 { WAITING } else { 0 };
        Self(less & !waiting)
    }
}

/// Why one did not get in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EnterError {
    /// The cell is another's, or nobody's.
    NotOwner,
    /// It is barred: the word as it was seen.
    Blocked(Word),
    /// So many threads read that no more can be counted.
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
    fn replace(&self, from: Word, to: Word, order: Ordering) -> Result<(), Word> {
        // ORDERING: the caller's; Relaxed on failure, which only says what to try next.
        self.0
            .compare_exchange(from.0, to.0, order, Ordering::Relaxed)
            .map(drop)
            .map_err(Word)
    }

    /// The word, when nothing follows from it that another CAS would not check.
    #[inline(always)]
    pub(super) fn peek(&self) -> Word {
        // ORDERING: Relaxed; see above.
        Word(self.0.load(Ordering::Relaxed))
    }

    /// The word, for a writer that waits for its readers.
    pub(super) fn load(&self) -> Word {
        // ORDERING: Acquire; pairs with (W1).
        Word(self.0.load(ordering(Ordering::Acquire, 303)))
    }

    /// Counts a thread of `me`, if nothing else is there to be thought of: one instruction, and a
    /// look at the registry. If that does not know `me` any more, the cell is [given
    /// back](Self::give_back) by who goes the slow way.
    #[inline(always)]
    pub(super) fn enter_clean(&self, me: Tag, peers: &impl Liveness) -> bool {
        let seen = self.peek();
        // Of this generation, without a flag, and less than full: all in one.
        seen.0.wrapping_sub(Word::of(me).0) < COUNT
            // ORDERING: Acquire; pairs with (W2).
            && self
                .replace(seen, Word(seen.0 + 1), ordering(Ordering::Acquire, 300))
                .is_ok()
            && is_still_registered(peers, 580)
    }

    /// Gives the cell back if `me`, whose it may be, is no participant any more; whether it was.
    pub(super) fn give_back(&self, me: Tag, peers: &impl Liveness) -> bool {
        let is_lost = !peers.is_registered();
        if is_lost && !mutation(581) {
            self.recover(me);
        }
        is_lost
    }

    /// Counts a thread of `me`, unless the cell is barred.
    pub(super) fn enter(&self, me: Tag, peers: &impl Liveness) -> Result<(), EnterError> {
        let mut seen = self.peek();
        loop {
            if !seen.is_of(me) {
                return Err(EnterError::NotOwner);
            }
            if seen.is_blocked() && !mutation(307) {
                return Err(EnterError::Blocked(seen));
            }
            if seen.readers() == COUNT {
                return Err(EnterError::Full);
            }
            // ORDERING: Acquire; pairs with (W2).
            match self.replace(seen, Word(seen.0 + 1), ordering(Ordering::Acquire, 300)) {
                Ok(()) => return self.confirm(me, peers, 582),
                Err(now) => seen = now,
            }
        }
    }

    /// Whether `me`, who is counted, is a participant still; else its cell is given back.
    fn confirm(&self, me: Tag, peers: &impl Liveness, mutant: u32) -> Result<(), EnterError> {
        if is_still_registered(peers, mutant) {
            return Ok(());
        }
        self.give_back(me, peers);
        Err(EnterError::NotOwner)
    }

    /// Counts a thread of `me`, unless the cell is that of a participant that has the index since;
    /// it is barred from then on. For one that holds the door, when everything is as it should be.
    pub(super) fn admit(&self, me: Tag, peers: &impl Liveness) -> Result<(), EnterError> {
        let mut seen = self.load();
        loop {
            let others = seen.owner(me.index()).filter(|_| !seen.is_of(me));
            if others.is_some_and(|other| !peers.is_unregistered(other)) && !mutation(583) {
                return Err(EnterError::NotOwner);
            }
            let own = if seen.is_of(me) { seen } else { Word::of(me) };
            if own.readers() == COUNT {
                return Err(EnterError::Full);
            }
            // ORDERING: Release; (M3) of `algorithm::mutex`: one that finds this generation and
            // asks the registry sees that it has joined. Else who holds the door is ordered by the
            // mutex.
            match self.replace(seen, Word((own.0 + 1) | BLOCKED), Ordering::Release) {
                Ok(()) => return self.confirm(me, peers, 584),
                Err(_) => seen = self.load(),
            }
        }
    }

    /// Counts a thread of `me` less; nothing if the cell is not its any more.
    #[inline(always)]
    pub(crate) fn leave(&self, me: Tag) {
        let seen = self.peek();
        // As in `enter_clean`, and not 0.
        let clean = seen.0.wrapping_sub(Word::of(me).0).wrapping_sub(1) < COUNT;
        // ORDERING: Release; (W1).
        let release = ordering(Ordering::Release, 301);
        if !clean || self.replace(seen, Word(seen.0 - 1), release).is_err() {
            self.leave_blocked(me);
        }
    }

    /// The same, when somebody may have to be woken.
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
                Ok(()) if (seen.0 ^ less.0) & WAITING != 0 => return self.wake(),
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

    /// Keeps newcomers out. The word as it is now.
    pub(super) fn block(&self) -> Word {
        if mutation(308) {
            return self.load();
        }
        // ORDERING: Acquire; pairs with (W1), should the cell be nobody's, and not be looked at
        // again.
        let before = self.0.fetch_or(BLOCKED, ordering(Ordering::Acquire, 302));
        Word(before | BLOCKED)
    }

    /// Lets newcomers in, and wakes those that sleep.
    pub(super) fn open(&self) {
        // ORDERING: Release; (W2).
        let release = ordering(Ordering::Release, 304);
        let before = self.0.fetch_and(!(BLOCKED | WAITING), release);
        if before & WAITING != 0 && !mutation(311) {
            self.0.wake(u32::MAX);
        }
    }

    /// Wakes those that sleep, and have said so before this: it reads the newest word.
    pub(super) fn notify(&self) {
        // ORDERING: AcqRel; (W3), pairs with `say_that_one_sleeps`.
        let order = ordering(Ordering::AcqRel, 329);
        if self.0.fetch_and(!WAITING, order) & WAITING != 0 {
            self.0.wake(u32::MAX);
        }
    }

    /// Announces one that sleeps, if the word is still `seen`; what to sleep on.
    pub(super) fn announce(&self, seen: Word) -> Result<Word, Word> {
        let said = if mutation(306) {
            seen
        } else {
            seen.with_waiting()
        };
        // ORDERING: AcqRel; (W3), pairs with `rouse`.
        self.replace(seen, said, ordering(Ordering::AcqRel, 330))?;
        Ok(said)
    }

    /// What one that has said so sleeps on.
    pub(super) fn sleep_on(&self, expected: Word) -> SleepOn<'_> {
        SleepOn::One(&self.0, expected.0)
    }

    /// Takes the cell from a dead owner, if the word is still `seen`.
    pub(super) fn reclaim(&self, seen: Word) {
        // ORDERING: Relaxed; who holds the door passes on what it knows by the mutex.
        let _ = self.replace(seen, Word(0), Ordering::Relaxed);
    }

    /// Takes the cell from `dead`, if it is its, and wakes who waits for it.
    pub(super) fn recover(&self, dead: Tag) {
        let mut seen = self.peek();
        while seen.is_of(dead) || (mutation(332) && seen.0 != 0) {
            // ORDERING: Release; a helper passes on that what the dead one read was read, as (W1)
            // would have.
            match self.replace(seen, Word(0), ordering(Ordering::Release, 324)) {
                Ok(()) if mutation(325) => return,
                Ok(()) => {
                    if seen.0 & WAITING != 0 {
                        self.0.wake(u32::MAX);
                    }
                    return;
                }
                Err(now) => seen = now,
            }
        }
    }
}

//! The participant registry: which processes take part in a segment, and which of them are dead.
//!
//! # State
//!
//! One word for each index, and one byte lock of the segment's file, which the kernel drops when
//! its holder's process is gone.
//!
//! ```text
//!  31         21 20                  2 1     0
//! | 0: 11      | generation: 19       | state |     state: 0 FREE, 1 LIVE, 2 DEAD
//! ```
//!
//! And when the index was joined last, where its generations are [paced](PACE): a time in
//! nanoseconds, which only the byte's holder writes.
//!
//! ```text
//! FREE(g) --join: lock byte, re-read, publish-----> LIVE(g+1)
//! LIVE(g) --leave: recover oneself----------------> FREE(g)     then unlock the byte
//! LIVE(g) --any process that finds the byte free--> DEAD(g)
//! DEAD(g) --any process, after every entry--------> FREE(g)
//! ```
//!
//! # Protocol
//!
//! - A tag is alive while its index is LIVE with its generation and the byte is locked. Only the
//!   byte's holder leaves FREE, so LIVE implies that the byte was locked by that very generation; a
//!   byte that is free while the word still says LIVE(g) is the death of g, for good.
//! - join looks round-robin for a FREE index (never the lowest, so that an index rests; never a
//!   dead one), locks its byte, reads the word again, and publishes. With no index free it reaps
//!   once and tries again.
//! - A generation that comes round is the same tag again, and a helper that was stopped since would
//!   take the new owner for the dead one. So a round takes a day at least, however fast processes
//!   join: the first half of an index's generations are given out on demand, and the others a third
//!   of a second apart. Until then the index rests: others are taken first, and a joiner that finds
//!   none waits for it.
//! - reap is helping: any number of processes do it at once. Each step is a CAS that carries the
//!   dead generation, so a helper that was stopped for hours changes nothing when it continues.
//! - A reaper that marks an index DEAD, or finds the mark, has a full barrier before it visits. So
//!   a process that lost its membership without learning it (other code unmapped the page that held
//!   its lock) can put its tag into a word and ask afterwards, behind a full barrier, whether it
//!   still is LIVE: either it learns that it is not, and takes the tag out again, or the visit
//!   finds the tag.
//! - leave recovers the own entries as a helper would (a guard may have been leaked), sets FREE,
//!   and only then unlocks the byte, so LIVE without a locked byte is always a death.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | join, before the lock | nothing | - |
//! | join, lock taken, not published | FREE | no repair needed |
//! | LIVE | LIVE(g), byte free | a process that joins a full segment, reaps, or waits for it |
//! | leave, before FREE | LIVE(g), byte free | as above |
//! | leave, after FREE | FREE, byte free | no repair needed |
//! | the same, stopped | FREE, byte locked: a full registry for others | the leaver, when it continues |
//! | reap, anywhere | LIVE(g) or DEAD(g) | the next helper, from the start |
//!
//! A joiner stopped between lock and publication keeps its index from others. If another
//! participant has joined and died at that very index between the joiner's first load and its lock,
//! that participant looks alive until the joiner continues, reads the word again and unlocks the
//! byte: what it held waits for the stopped joiner. A stopped helper hinders no other.
//!
//! # Ordering
//!
//! (R1) publishing LIVE (Release) pairs with the Acquire loads of helpers. (R2) DEAD to FREE
//! (Release) pairs with the joiner's Acquire loads: a process that reuses an index sees all repairs
//! done. (R3) a visit comes after a full barrier, and that after the mark; a tag in a word comes
//! before a full barrier, and that before the load of the mark:
//!
//! ```text
//! process that lost its membership   reaper
//! word := tag                        LIVE -> DEAD, or finds DEAD
//! full barrier after an RMW          full barrier
//! is it LIVE?                        visits the word
//! ```
//!
//! One of the two sees what the other did. The byte lock orders the rest: the kernel drops it after
//! the holder's last store, and a probe that finds it free comes after that.

use core::time::Duration;

use crate::facade::{AtomicU32, AtomicU64, Ordering, fence, mutation, ordering};
use crate::participant::{GENERATION_MAX, Tag};

const STATE_MASK: u32 = 3;
const FREE: u32 = 0;
const LIVE: u32 = 1;
const DEAD: u32 = 2;
const STATE_BITS: u32 = 2;

/// How many generations of an index are given out without regard to the time.
const QUICK: u32 = GENERATION_MAX / 2;
/// The least time between two joins of an index beyond those: a whole round takes a day then.
const PACE: u64 = DAY.div_ceil((GENERATION_MAX - QUICK - 1) as u64);
/// Nanoseconds.
const DAY: u64 = 24 * 3600 * 1_000_000_000;

/// One participant's entry, in the segment.
pub(crate) trait RegistryEntry {
    /// Its word of the registry.
    fn word(&self) -> &AtomicU32;
    /// When it was joined last, if that counts; 0 before.
    fn joined(&self) -> &AtomicU64;

    /// Returns whether no process has found out yet that `tag`, of this index, is dead or has left.
    #[inline(always)]
    fn is_live(&self, tag: Tag) -> bool {
        // ORDERING: Acquire; pairs with (R1) and (R2).
        EntryState(self.word().load(Ordering::Acquire)) == EntryState::live(tag)
    }
}

/// A word of the registry, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct EntryState(u32);

impl EntryState {
    fn live(tag: Tag) -> Self {
        Self(tag.generation() << STATE_BITS | LIVE)
    }
    fn dead(tag: Tag) -> Self {
        Self(tag.generation() << STATE_BITS | DEAD)
    }
    fn free(tag: Tag) -> Self {
        Self(tag.generation() << STATE_BITS | FREE)
    }
    fn generation(self) -> u32 {
        self.0 >> STATE_BITS
    }
    pub(crate) fn is_free(self) -> bool {
        self.0 & STATE_MASK == FREE
    }
    pub(crate) fn is_live(self) -> bool {
        self.0 & STATE_MASK == LIVE
    }
    pub(crate) fn is_dead(self) -> bool {
        self.0 & STATE_MASK == DEAD
    }
    /// The tag that is in this state at `index`; `None` for garbage, and before the first join.
    pub(crate) fn tag(self, index: u32) -> Option<Tag> {
        Tag::new(index, self.generation())
    }
}

/// The byte locks that stand behind the registry: `F_OFD_SETLK` and `F_OFD_GETLK`.
pub(crate) trait ByteLocks {
    /// What locking can fail with.
    type Error;
    /// Locks byte `index` on the description that is this process's alone; false if it is taken.
    fn try_lock(&self, index: u32) -> Result<bool, Self::Error>;
    /// Unlocks byte `index`.
    fn unlock(&self, index: u32) -> Result<(), Self::Error>;
    /// Returns whether any process holds byte `index`, asked through a description that never
    /// locks; true if that cannot be told: errors lean to alive.
    fn is_locked(&self, index: u32) -> bool;
}

/// The outcome of a join.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    As(Tag),
    /// Every index is taken, by live participants or by dead ones that are not reaped yet.
    Full,
    /// Every free index rests, the first of them for this long.
    Resting(Duration),
}

/// The outcome of a reap of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    /// No dead participant has this index.
    None,
    /// The index was freed, by this helper.
    Freed,
    /// The index was freed, by another helper meanwhile.
    FreedByAnother,
    /// Something the dead participant may hold is of a kind that this version does not know; the
    /// index stays DEAD.
    Stuck,
}

/// The registry of a segment.
#[derive(Clone, Copy)]
pub(crate) struct Registry<'a, W> {
    words: &'a [W],
    /// Where the next joiner begins to look: a hint.
    cursor: &'a AtomicU32,
}

impl<W> Registry<'_, W>
where
    W: RegistryEntry,
{
    pub(crate) fn new<'a>(words: &'a [W], cursor: &'a AtomicU32) -> Registry<'a, W> {
        Registry { words, cursor }
    }

    #[inline(always)]
    fn word(&self, index: u32) -> Option<&AtomicU32> {
        Some(self.words.get(index as usize)?.word())
    }

    /// The state of an index; free if there is no such index.
    #[inline(always)]
    pub(crate) fn state(&self, index: u32) -> EntryState {
        // ORDERING: Acquire; pairs with (R1) and (R2). A visit has the barrier of (R3) besides.
        let word = self.word(index);
        EntryState(word.map_or(0, |word| word.load(Ordering::Acquire)))
    }

    /// For how long a free index rests, if it does.
    fn rest(&self, index: u32, seen: EntryState, now: impl Fn() -> u64) -> Option<u64> {
        let entry = self.words.get(index as usize)?;
        if seen.generation() < QUICK {
            return None;
        }
        // ORDERING: Relaxed; (R1) and (R2) publish it with the word.
        let joined = entry.joined().load(Ordering::Relaxed);
        if joined == 0 {
            return None;
        }
        // A time to come is garbage, or of another clock: no reason to wait. So the clock is read
        // last.
        let left = PACE.saturating_sub(now().checked_sub(joined)?);
        (left > 0).then_some(left)
    }

    /// Notes when the index becomes that of `tag`.
    fn note(&self, tag: Tag, now: impl Fn() -> u64) {
        let entry = self.words.get(tag.index() as usize);
        if let Some(entry) = entry.filter(|_| tag.generation() > QUICK) {
            // ORDERING: Relaxed; as in `rest`.
            entry.joined().store(now(), Ordering::Relaxed);
        }
    }

    /// Takes an index. `now` is the time; `describe` runs before the index is published.
    pub(crate) fn join<L: ByteLocks>(
        &self,
        locks: &L,
        now: impl Fn() -> u64,
        describe: impl Fn(u32),
    ) -> Result<Joined, L::Error> {
        let mut resting: Option<u64> = None;
        let count = u32::try_from(self.words.len()).unwrap_or(0);
        // ORDERING: Relaxed; a hint.
        let start = self.cursor.fetch_add(1, Ordering::Relaxed);
        for step in 0..count {
            // Reduced first: the cursor wraps at 2^32, which need not be a multiple of the count.
            let index = (start % count + step) % count;
            let seen = self.state(index);
            if let Some(left) = self.rest(index, seen, &now).filter(|_| seen.is_free()) {
                resting = Some(resting.map_or(left, |least| least.min(left)));
                continue;
            }
            if !(seen.is_free() || (mutation(24) && seen.is_dead())) || !locks.try_lock(index)? {
                continue;
            }
            // A participant may have joined, and died, since the word was read.
            let word = if mutation(20) {
                seen
            } else {
                self.state(index)
            };
            let is_free = word.is_free() && self.rest(index, word, &now).is_none();
            let tag = Tag::new(index, Tag::next_generation(word.generation()));
            if let Some(tag) = tag.filter(|_| is_free || (mutation(24) && word.is_dead())) {
                describe(index);
                self.note(tag, &now);
                if self.replace(index, word, EntryState::live(tag)) {
                    return Ok(Joined::As(tag));
                }
            }
            if !mutation(29) {
                locks.unlock(index)?;
            }
        }
        Ok(resting.map_or(Joined::Full, |left| {
            Joined::Resting(Duration::from_nanos(left))
        }))
    }

    /// Returns whether `tag` is a live participant's. A tag that is found dead is marked DEAD, so
    /// that a process that lives, and has lost its lock, learns it at its next claim.
    pub(crate) fn is_alive(&self, tag: Tag, me: Tag, locks: &impl ByteLocks) -> bool {
        // Never probed: the own lock is what a probe would find, or, closed by mistake, not find.
        let alive = tag == me || self.probe(tag, locks);
        if !alive && !mutation(574) {
            // LIVE, and the byte was free: only a death makes that.
            self.replace(tag.index(), EntryState::live(tag), EntryState::dead(tag));
        }
        alive
    }

    /// Returns whether a process has `tag`; for a caller that is not a participant.
    pub(crate) fn probe(&self, tag: Tag, locks: &impl ByteLocks) -> bool {
        let live = EntryState::live(tag);
        let same = |seen: EntryState| seen == live || (mutation(21) && seen.is_live());
        // The second load tells the tag's own lock from that of the index's next owner.
        same(self.state(tag.index()))
            && locks.is_locked(tag.index())
            && (mutation(52) || same(self.state(tag.index())))
    }

    /// Returns whether no process has found out yet that `tag` is dead or has left.
    #[inline(always)]
    pub(crate) fn is_live(&self, tag: Tag) -> bool {
        self.words
            .get(tag.index() as usize)
            .is_some_and(|word| word.is_live(tag))
    }

    /// Returns whether `me` still holds its index, so that others find it alive.
    pub(crate) fn is_member(&self, me: Tag, locks: &impl ByteLocks) -> bool {
        self.state(me.index()) == EntryState::live(me) && locks.is_locked(me.index())
    }

    /// Reaps the dead participant at `index`, if there is one.
    ///
    /// `visit` recovers what the tag holds in every published entry, and returns false if it met an
    /// entry of a kind that it does not know. It runs again for the same tag if a helper did not
    /// finish.
    pub(crate) fn reap(
        &self,
        index: u32,
        me: Option<Tag>,
        locks: &impl ByteLocks,
        visit: impl FnOnce(Tag) -> bool,
    ) -> Reaped {
        let seen = self.state(index);
        let Some(tag) = seen.tag(index).filter(|tag| Some(*tag) != me) else {
            return Reaped::None;
        };
        if seen.is_live() {
            if locks.is_locked(index) && !mutation(22) {
                return Reaped::None;
            }
            if !self.replace(index, EntryState::live(tag), EntryState::dead(tag))
                && self.state(index) != EntryState::dead(tag)
            {
                return Reaped::None;
            }
        } else if !seen.is_dead() {
            return Reaped::None;
        }
        if mutation(23) {
            self.replace(index, EntryState::dead(tag), EntryState::free(tag));
        }
        // ORDERING: (R3) a helper that finds the mark owes the barrier as well: the process that
        // made it may be stopped, or dead, before its own.
        if !(mutation(540) || (mutation(541) && seen.is_dead())) {
            fence(Ordering::SeqCst);
        }
        if !visit(tag) {
            return Reaped::Stuck;
        }
        if mutation(26) {
            // ORDERING: a seeded bug; a blind store, as a helper without generations would.
            if let Some(word) = self.word(index) {
                word.store(EntryState::free(tag).0, Ordering::Release);
            }
        }
        match self.replace(index, EntryState::dead(tag), EntryState::free(tag)) {
            true => Reaped::Freed,
            false => Reaped::FreedByAnother,
        }
    }

    /// Leaves: `visit` recovers what `me` still holds; then the index is free.
    pub(crate) fn leave<L: ByteLocks>(
        &self,
        me: Tag,
        locks: &L,
        visit: impl FnOnce(Tag) -> bool,
    ) -> Result<(), L::Error> {
        if mutation(25) {
            self.replace(me.index(), EntryState::live(me), EntryState::free(me));
        }
        if mutation(53) || visit(me) {
            self.replace(me.index(), EntryState::live(me), EntryState::free(me));
        }
        if mutation(54) {
            return Ok(());
        }
        locks.unlock(me.index())
    }

    fn replace(&self, index: u32, from: EntryState, to: EntryState) -> bool {
        let Some(word) = self.word(index) else {
            return false;
        };
        // ORDERING: Release; (R1) publishes a join, (R2) publishes repairs. Acquire; a helper that
        // loses the race continues from the winner's state.
        let release = ordering(Ordering::AcqRel, 28);
        word.compare_exchange(from.0, to.0, release, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Leases: chunks of an array, each held by one participant, beside a reader-writer lock.
//!
//! # State
//!
//! Beside the lock's own, a word for the lease table, and a futex word for each chunk. All are 0 at
//! first: closed, pending.
//!
//! ```text
//!    31     30       29       28                  10 9            0
//! | OPEN | DIED | DONE or  |   generation: 19     |   index: 10  |     of a chunk
//!                  WANTED    \_____ holder's tag, 0 = none ____/
//! ```
//!
//! | bit | meaning |
//! |---|---|
//! | `OPEN` | the chunk may be leased by one CAS |
//! | `DIED` | the last holder died, and the chunk has not been finished since |
//! | `DONE`, without a holder | it is done |
//! | `WANTED`, with a holder | a waiter sleeps until it is returned |
//!
//! ```text
//!    31          2      1          0
//! | restarts: 30 | RESTARTING | OPEN |     of the table; changed only with the lock's writer mutex held
//! ```
//!
//! 1. While a chunk is `OPEN` or has a holder, the table is `OPEN`.
//! 2. While the table is `OPEN`, all readers' cells are blocked and drained, no process writes, and
//!    the data is clean.
//!
//! # Protocol
//!
//! - **lease, open**: CAS an open word without a holder to the own tag. The chunk is not done any
//!   more.
//! - **lease, closed**: take the lock's writer mutex; block and drain the readers as a writer does;
//!   make the table `OPEN`; claim a chunk, so that the opener gets one; open all chunks; release
//!   the mutex, with the readers blocked. See [`opening`]. After either claim, ask the registry
//!   whether it still lists the own tag, (K1) of [`participant`](crate::participant); if not,
//!   return the chunk, not done, and report that the membership is lost.
//! - **finish**: CAS the own tag to `DONE`; **drop**: CAS it away. Both keep `OPEN` as they find
//!   it, and wake all if the chunk was `WANTED`.
//! - **read, write**, with the writer mutex and the table `OPEN`: close every chunk, wait for those
//!   that have a holder, or take them from the dead, and then close the table.
//! - **restart**: with the writer mutex, close as a reader does, make the table `RESTARTING`, which
//!   is the commit, make all chunks pending, and count the restart, which clears `RESTARTING`.
//! - **all done**: a process that finds that loads the table, all chunks again, and the table
//!   again. If it says `RESTARTING`, it takes the writer mutex; if a restart was counted in
//!   between, it begins anew.
//! - **takeover**: a waiter for a chunk asks whether its holder lives before it sleeps. If not, it
//!   CASes the whole word, dead tag included, to its own tag and `DIED`. A process that reaps the
//!   dead holder does the same, without taking the chunk.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | lease, before the CAS; a waiter | nothing, or a `WANTED` too many | the next finish, which wakes none |
//! | after the CAS of a process that was reaped and has not learnt it | an unregistered tag | the next to want the chunk, or to close |
//! | between lease and finish | the dead tag | the next to want the chunk, to close, or to reap: pending, `DIED` |
//! | finish or drop, after the CAS | sleepers whose wake is owed | the sleepers, when their slices end |
//! | opening, before the table is `OPEN` | blocked cells, the dead tag in the mutex | the next mutex holder: a reader unblocks, a lease continues |
//! | opening, after it | the same, and some chunks open | the next mutex holder: a lease opens the rest, a reader or writer closes |
//! | closing | some chunks closed | the next mutex holder: as above |
//! | restart, before the commit | as closing | as above |
//! | restart, after it | `RESTARTING`, some chunks still done | the next mutex holder; a process that finds all done becomes one |
//!
//! A stopped holder blocks readers and writers, and all waiters for its chunk; a reader or writer
//! that is stopped while it closes blocks all but the holders of chunks. Neither is taken for dead.
//!
//! # Ordering
//!
//! (L1) the CAS that ends a lease, and the RMW that opens a chunk (Release), pair with the claiming
//! CAS and the loads of a process that closes (Acquire): the data, of one holder to the next, to
//! the readers, and from the readers and writers before. (L2) the claiming CAS (Release) pairs with
//! the loads that read a holder's tag (Acquire): a process that asks whether it lives sees that it
//! has joined, as (M3) of [`mutex`](crate::algorithm::mutex). (L3) the stores to the table's word
//! (Release) pair with its loads (Acquire): a process that knows of a restart finds no chunk done
//! that the restart made pending. (M2) there orders what the dead did. The words of chunks are
//! changed by RMWs only, which continue the release sequences; the writer mutex orders the rest of
//! the table.
//!
//! # Trade-offs
//!
//! `DONE` and `WANTED` share a bit, since a chunk with a holder is not done: so ending a lease
//! makes no system call unless a waiter sleeps for that chunk. A waiter for any chunk sleeps on all
//! that are out, up to 128: so the waiter pays, and ending a lease need not load another word.
//! Closing loads every chunk, so the reader that comes after leases pays, and the leases do not.
//! Chunks that idle workers take one after the other are the chunk self-scheduling of Kruskal and
//! Weiss (1985), with an owner in each chunk's word.

pub(crate) mod entry;
pub(crate) mod layout;
mod opening;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
mod wait;

use crate::algorithm::rwlock::RwLockError;
use crate::facade::{AtomicU32, Futex, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::waits_end_with;

pub(crate) use opening::Leases;

/// Of a chunk without a holder: it is done.
const DONE: u32 = 1 << 29;
/// Of a chunk with a holder: a waiter sleeps until it is returned. The same bit.
const WANTED: u32 = DONE;
/// The last holder died before it finished the chunk.
const DIED: u32 = 1 << 30;
/// The chunk may be leased.
const OPEN: u32 = 1 << 31;
/// Of the table: chunks may be open.
const TABLE_OPEN: u32 = 1;
/// Of the table: all chunks are pending, whatever their words say.
const RESTARTING: u32 = 2;
/// Of the table: the increment of the restarts.
const RESTARTS: u32 = 4;

/// The word of the table, in the segment.
#[repr(C)]
pub(crate) struct LeaseTableState {
    word: AtomicU32,
}

impl LeaseTableState {
    #[cfg(all(test, loom))]
    pub(super) fn new(word: u32) -> Self {
        Self {
            word: AtomicU32::new(word),
        }
    }
}

/// The words of the table and of its chunks.
#[derive(Clone, Copy)]
pub(crate) struct LeaseTable<'a> {
    pub(crate) state: &'a LeaseTableState,
    pub(crate) chunks: &'a [Futex],
}

/// Proof of a lease, with its chunk and its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Leased {
    chunk: usize,
    owner: Tag,
    holder_died: bool,
}

impl Leased {
    pub(crate) fn chunk(&self) -> usize {
        self.chunk
    }
    pub(crate) fn owner(&self) -> Tag {
        self.owner
    }
    pub(crate) fn holder_died(&self) -> bool {
        self.holder_died
    }
}

/// Why a chunk was not leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// Live participants read or write, or hold the chunk (and still do at the deadline).
    Busy,
    /// A live participant holds the chunk.
    Leased(Tag),
    /// The last writer died while it wrote.
    OwnerDied,
    /// The last writer panicked.
    Poisoned,
    /// A word has an impossible value.
    Corrupt { word: u32 },
    /// This process is not a participant any more.
    MembershipLost,
}

impl From<RwLockError> for ChunkError {
    fn from(refused: RwLockError) -> Self {
        match refused {
            RwLockError::Corrupt { word } => Self::Corrupt { word },
            RwLockError::MembershipLost => Self::MembershipLost,
            // A lease is not counted in a cell, so no cell is full.
            RwLockError::Busy | RwLockError::Full => Self::Busy,
        }
    }
}

waits_end_with!(ChunkError::Busy);

/// How a walk over the chunks treats them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WalkMode {
    /// Does not ask whether holders live.
    Passing,
    /// Asks whether holders live, and takes over from the dead.
    Asking,
    /// The same, with the writer mutex: takes closed chunks, too, and leaves them closed. Should
    /// its process have been reaped alive, another one may have closed the table meanwhile.
    Opening,
}

/// The outcome of a walk over the chunks, or of a claim of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClaimOutcome {
    Got(Leased),
    /// All are done.
    Done,
    /// Some are pending, and closed.
    Closed,
    /// All that are pending have holders, this one for example.
    Taken(Taken),
}

/// A chunk that has a holder, and its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    chunk: usize,
    word: u32,
    holder: Tag,
}

fn holder(word: u32, peers: &impl Liveness) -> Result<Option<Tag>, ChunkError> {
    if word & Tag::MASK == 0 {
        return Ok(None);
    }
    match Tag::in_word(word, peers.participants()) {
        None => Err(ChunkError::Corrupt { word }),
        tag => Ok(tag),
    }
}

#[inline(always)]
fn is_done(word: u32) -> bool {
    word & (Tag::MASK | DONE) == DONE
}

impl<'a> LeaseTable<'a> {
    /// Loads the word of a chunk, and acquires what was published with it.
    #[inline(always)]
    fn load_chunk(&self, chunk: usize) -> u32 {
        // ORDERING: Acquire; pairs with (L1) and (L2).
        self.chunks[chunk].load(ordering(Ordering::Acquire, 340))
    }

    /// Claims a chunk if its word is still `seen`, without a holder or with a dead one; `None` if
    /// it is not.
    #[inline(always)]
    fn take(
        &self,
        chunk: usize,
        seen: u32,
        peers: &impl Liveness,
    ) -> Result<Option<Leased>, ChunkError> {
        let me = peers.me();
        let was_held = seen & Tag::MASK != 0;
        // A sleeper that waits for the dead holder waits for this one from now on.
        let wanted = if was_held && !mutation(341) {
            WANTED
        } else {
            0
        };
        let kept = OPEN | DIED | wanted;
        let died = if was_held && !mutation(343) { DIED } else { 0 };
        let word = (seen & kept) | died | me.bits();
        let order = if mutation(344) {
            Ordering::Release
        } else if mutation(345) {
            Ordering::Acquire
        } else {
            // ORDERING: Acquire; pairs with (L1). Release; (L2) publishes that the holder joined.
            Ordering::AcqRel
        };
        let taken = self.chunks[chunk].compare_exchange(seen, word, order, Ordering::Relaxed);
        if taken.is_err() {
            return Ok(None);
        }
        let leased = Leased {
            chunk,
            owner: me,
            holder_died: word & DIED != 0,
        };
        if !is_still_registered(peers, 590) {
            return Err(self.lost(leased));
        }
        Ok(Some(leased))
    }

    /// Returns a chunk that a process claimed that is not a participant any more.
    #[cold]
    #[inline(never)]
    fn lost(&self, leased: Leased) -> ChunkError {
        // If another holds it by now, others have returned it.
        if !mutation(591) {
            self.end(leased, false);
        }
        ChunkError::MembershipLost
    }

    /// Claims one chunk if that is possible; a chunk that is done only if `again`.
    #[inline(always)]
    fn claim(
        &self,
        chunk: usize,
        again: bool,
        peers: &impl Liveness,
        mode: WalkMode,
    ) -> Result<ClaimOutcome, ChunkError> {
        loop {
            let word = self.load_chunk(chunk);
            if is_done(word) && !again {
                return Ok(ClaimOutcome::Done);
            }
            if let Some(holder) = holder(word, peers)? {
                let lives = mode == WalkMode::Passing || peers.is_alive(holder);
                if lives && !mutation(346) {
                    return Ok(ClaimOutcome::Taken(Taken {
                        chunk,
                        word,
                        holder,
                    }));
                }
            }
            let is_open = word & OPEN != 0 || mode == WalkMode::Opening;
            if !is_open && !mutation(347) {
                return Ok(ClaimOutcome::Closed);
            }
            #[cfg(loom)]
            let word = if mutation(646) && mode == WalkMode::Opening {
                self.chunks[chunk].fetch_or(OPEN, Ordering::Relaxed) | OPEN
            } else {
                word
            };
            if let Some(leased) = self.take(chunk, word, peers)? {
                return Ok(ClaimOutcome::Got(leased));
            }
        }
    }

    /// Walks over all chunks, beginning with `from`, and claims the first available
    /// pending one.
    #[inline(always)]
    fn walk(
        &self,
        from: usize,
        peers: &impl Liveness,
        mode: WalkMode,
    ) -> Result<ClaimOutcome, ChunkError> {
        let from = from.min(self.chunks.len());
        let mut found = ClaimOutcome::Done;
        for chunk in (from..self.chunks.len()).chain(0..from) {
            match self.claim(chunk, false, peers, mode)? {
                got @ ClaimOutcome::Got(_) => return Ok(got),
                ClaimOutcome::Done => {}
                ClaimOutcome::Closed => found = ClaimOutcome::Closed,
                taken @ ClaimOutcome::Taken(_) if found == ClaimOutcome::Done => found = taken,
                ClaimOutcome::Taken(_) => {}
            }
        }
        Ok(found)
    }

    /// Ends a lease, the chunk being `done` or not; returns false, and changes nothing, if it is
    /// not `leased` any more.
    #[inline]
    pub(crate) fn end(&self, leased: Leased, done: bool) -> bool {
        // ORDERING: Relaxed; the CAS decides.
        let mut seen = self.chunks[leased.chunk].load(Ordering::Relaxed);
        loop {
            if seen & Tag::MASK != leased.owner.bits() {
                return false;
            }
            let kept = match done {
                true if mutation(348) => OPEN | DIED,
                true => OPEN,
                false => OPEN | DIED,
            };
            let opened = if mutation(349) { OPEN } else { 0 };
            let free = (seen & kept) | opened | if done { DONE } else { 0 };
            match self.free(leased.chunk, seen, free) {
                Ok(()) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes a chunk from its holder if its word is still `seen`, and wakes all waiters.
    fn free(&self, chunk: usize, seen: u32, free: u32) -> Result<(), u32> {
        let word = &self.chunks[chunk];
        // ORDERING: Release; (L1) publishes the data. A process that takes it from the dead passes
        // on what it saw of the dead holder's stores.
        let release = ordering(Ordering::Release, 350);
        word.compare_exchange(seen, free, release, Ordering::Relaxed)?;
        if seen & WANTED != 0 && !mutation(351) {
            word.wake(u32::MAX);
        }
        Ok(())
    }

    /// Loads the word of the table, and acquires what was published with it.
    fn word(&self) -> u32 {
        // ORDERING: Acquire; pairs with (L3).
        self.state.word.load(ordering(Ordering::Acquire, 352))
    }

    /// Returns how many chunks are not done; it may be stale.
    pub(crate) fn left(&self) -> usize {
        if self.word() & RESTARTING != 0 {
            return self.chunks.len();
        }
        let pending = |chunk: &usize| !is_done(self.load_chunk(*chunk));
        (0..self.chunks.len()).filter(pending).count()
    }

    /// Recovers the chunks of participant `dead`, and wakes all waiters for them.
    pub(crate) fn recover(&self, dead: Tag) {
        for (chunk, word) in self.chunks.iter().enumerate() {
            // ORDERING: Relaxed; the CAS decides, and (M2) orders the dead holder's stores.
            let mut seen = word.load(Ordering::Relaxed);
            while seen & Tag::MASK == dead.bits() || (mutation(353) && seen & Tag::MASK != 0) {
                let died = if mutation(354) { 0 } else { DIED };
                match self.free(chunk, seen, (seen & (OPEN | DIED)) | died) {
                    Ok(()) => break,
                    Err(now) => seen = now,
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

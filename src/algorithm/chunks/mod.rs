//! Leases: chunks of an array, each in one participant's hands, beside a reader-writer lock.
//!
//! # State
//!
//! Beside the lock's own, a word for the grid, and a futex word for each chunk. All are 0 at first:
//! closed, to do.
//!
//! ```text
//!    31     30       29       28                  10 9            0
//! | OPEN | DIED | DONE or  |   generation: 19     |   index: 10  |     of a chunk
//!                  WANTED    \____ holder's tag, 0 = nobody ____/
//! ```
//!
//! | bit | meaning |
//! |---|---|
//! | `OPEN` | the chunk may be leased without anything else |
//! | `DIED` | the last to hold it died, and nobody has finished it since |
//! | `DONE`, nobody's | it is done |
//! | `WANTED`, somebody's | somebody sleeps until it is back |
//!
//! ```text
//!    31          2      1          0
//! | restarts: 30 | RESTARTING | OPEN |     of the grid; changed only by whoever is in the lock's door
//! ```
//!
//! 1. While a chunk is `OPEN` or somebody's, the grid is `OPEN`.
//! 2. While the grid is `OPEN`, all readers' cells are barred and drained, nobody writes, and the
//!    data is clean.
//!
//! # Protocol
//!
//! - **lease, open**: CAS an open word that is nobody's to the own tag. It is not done any more.
//! - **lease, closed**: go to the lock's door; bar and drain the readers as a writer does; make the
//!   grid `OPEN`; claim a chunk, so that whoever opens gets something; open all chunks; leave, with
//!   the readers barred. See [`opening`]. After either claim, ask the registry whether it still
//!   knows the own tag, (K1) of [`participant`](crate::participant); if not, give the chunk back,
//!   not done, and say that the membership is lost.
//! - **finish**: CAS the own tag to `DONE`; **drop**: CAS it away. Both keep `OPEN` as they find
//!   it, and wake everybody if the chunk was `WANTED`.
//! - **read, write**, when they are in the door and find the grid `OPEN`: close every chunk, wait
//!   for those that are somebody's, or take them from the dead, and then close the grid.
//! - **restart**: in the door, close as a reader does, make the grid `RESTARTING`, which is the
//!   commit, make all chunks to do, and count the restart, which takes `RESTARTING` away.
//! - **all done**: whoever finds that looks at the grid, at all chunks again, and at the grid
//!   again. If it says `RESTARTING`, it goes to the door; if a restart was counted in between, it
//!   begins anew.
//! - **takeover**: whoever wants a chunk asks whether its holder lives before it sleeps. If not, it
//!   CASes the whole word, dead tag included, to its own tag and `DIED`. Whoever reaps the dead one
//!   does the same, without taking the chunk.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | lease, before the CAS; a waiter | nothing, or a `WANTED` too many | the next finish wakes nobody |
//! | after the CAS of a process that was reaped before, and does not know it | the tag of no participant | the next that wants the chunk, or that closes |
//! | between lease and finish | the dead tag | the next that wants the chunk, that closes, or that reaps: to do, `DIED` |
//! | finish or drop, after the CAS | sleepers whose wake is owed | the sleepers, when their slices end |
//! | opening, before the grid is `OPEN` | barred cells, the door's dead tag | the next in the door: a reader un-bars, a lease goes on |
//! | opening, after it | the same, and some chunks open | the next in the door: a lease opens the rest, a reader or writer closes |
//! | closing | some chunks closed | the next in the door: as above |
//! | restart, before the commit | as closing | as above |
//! | restart, after it | `RESTARTING`, some chunks done still | the next in the door; who finds all done goes there |
//!
//! A stopped holder blocks readers and writers, and whoever waits for its chunk; a reader or writer
//! that is stopped while it closes blocks all but those who have a chunk. Neither is taken for
//! dead.
//!
//! # Ordering
//!
//! (L1) the CAS that ends a lease, and the RMW that opens a chunk (Release), pair with the claiming
//! CAS and the looks of those who close (Acquire): the data, that of one holder to the next, to the
//! readers, and from the readers and writers before. (L2) the claiming CAS (Release) pairs with the
//! loads that read a holder's tag (Acquire): whoever asks whether it lives sees that it has joined,
//! as (M3) of [`mutex`](crate::algorithm::mutex). (L3) the stores to the grid's word (Release) pair
//! with the looks at it (Acquire): who knows of a restart finds no chunk done that it made to do.
//! (M2) there orders what the dead did. The words of chunks are changed by RMWs only, which
//! continue the release sequences; the grid is otherwise ordered by the door.
//!
//! # Trade-offs
//!
//! `DONE` and `WANTED` share a bit, since what is somebody's is not done: so ending a lease makes
//! no system call unless somebody sleeps for that chunk. A waiter for any chunk sleeps on all that
//! are out, up to 128: so it pays, and ending a lease need not look at a further word. Closing
//! costs a look at every chunk, so the reader that comes after leases pays for them, and the leases
//! nothing. Chunks that whoever is idle takes one after the other are the chunk self-scheduling of
//! Kruskal and Weiss (1985), with an owner in each chunk's word.

pub(crate) mod entry;
pub(crate) mod layout;
mod opening;
mod wait;

use crate::algorithm::rwlock::RwLockError;
use crate::facade::{AtomicU32, Futex, Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::{Liveness, is_still_registered};
use crate::wait::WaitError;

pub(crate) use opening::Leases;

/// Of a chunk that is nobody's: it is done.
const DONE: u32 = 1 << 29;
/// Of a chunk that is somebody's: somebody sleeps until it is back. The same bit.
const WANTED: u32 = DONE;
/// The last holder died over it.
const DIED: u32 = 1 << 30;
/// The chunk may be leased.
const OPEN: u32 = 1 << 31;
/// Of the grid: chunks may be open.
const TABLE_OPEN: u32 = 1;
/// Of the grid: all chunks are to do, whatever their words say.
const RESTARTING: u32 = 2;
/// Of the grid: one restart more.
const RESTARTS: u32 = 4;

/// The word of the grid, in the segment.
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

/// The words of the grid and of its chunks.
#[derive(Clone, Copy)]
pub(crate) struct LeaseTable<'a> {
    pub(crate) state: &'a LeaseTableState,
    pub(crate) chunks: &'a [Futex],
}

/// Proof of a lease that was taken: of which chunk, and by whom.
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

/// Why there is no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// Live participants read or write, or have what is wanted (and still do at the deadline).
    Busy,
    /// A live participant has the chunk.
    Leased(Tag),
    /// The last to write died over the data.
    OwnerDied,
    /// The last to write panicked.
    Poisoned,
    /// The words cannot be those of an array.
    Corrupt { word: u32 },
    /// This process is no participant any more.
    MembershipLost,
}

impl From<RwLockError> for ChunkError {
    fn from(refused: RwLockError) -> Self {
        match refused {
            RwLockError::Corrupt { word } => Self::Corrupt { word },
            RwLockError::MembershipLost => Self::MembershipLost,
            // Nobody reads by a lease, so no cell is full.
            RwLockError::Busy | RwLockError::Full => Self::Busy,
        }
    }
}

impl From<WaitError> for ChunkError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::Busy,
            WaitError::MembershipLost => Self::MembershipLost,
        }
    }
}

/// How a walk over the chunks looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Whoever has a chunk may be dead.
    Passing,
    /// Asks whether they live, and takes from the dead.
    Asking,
    /// The same, in the door: closed chunks can be had, too.
    Opening,
}

/// What a walk over the chunks, or a look at one, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Got(Leased),
    /// All are done.
    Done,
    /// Some are to do, and closed.
    Closed,
    /// All that are to do are somebody's, this one for example.
    Taken(Taken),
}

/// A chunk that is somebody's, and its word.
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
    /// The word of a chunk as it is now, and what was published with it.
    #[inline(always)]
    fn look(&self, chunk: usize) -> u32 {
        // ORDERING: Acquire; pairs with (L1) and (L2).
        self.chunks[chunk].load(ordering(Ordering::Acquire, 340))
    }

    /// Claims a chunk whose word is still `seen`, nobody's or a dead holder's; `None` if it is not.
    #[inline(always)]
    fn take(
        &self,
        chunk: usize,
        seen: u32,
        me: Tag,
        peers: &impl Liveness,
        extra: u32,
    ) -> Result<Option<Leased>, ChunkError> {
        let was_held = seen & Tag::MASK != 0;
        // Whoever sleeps for the dead one's chunk sleeps for this one's from now on.
        let wanted = if was_held && !mutation(341) {
            WANTED
        } else {
            0
        };
        let kept = OPEN | DIED | wanted;
        let died = if was_held && !mutation(343) { DIED } else { 0 };
        let word = (seen & kept) | died | extra | me.bits();
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

    /// Gives back a chunk that a process took that is no participant any more.
    #[cold]
    #[inline(never)]
    fn lost(&self, leased: Leased) -> ChunkError {
        // Where it is another's by now, others have given it back.
        if !mutation(591) {
            self.end(leased, false);
        }
        ChunkError::MembershipLost
    }

    /// Looks at one chunk, and claims it if it can be had; one that is done only if `again`.
    #[inline(always)]
    fn claim(
        &self,
        chunk: usize,
        again: bool,
        me: Tag,
        peers: &impl Liveness,
        look: Look,
    ) -> Result<Found, ChunkError> {
        let extra = if look == Look::Opening { OPEN } else { 0 };
        loop {
            let word = self.look(chunk);
            if is_done(word) && !again {
                return Ok(Found::Done);
            }
            if let Some(holder) = holder(word, peers)? {
                let lives = look == Look::Passing || peers.is_alive(holder);
                if lives && !mutation(346) {
                    return Ok(Found::Taken(Taken {
                        chunk,
                        word,
                        holder,
                    }));
                }
            }
            if (word | extra) & OPEN == 0 && !mutation(347) {
                return Ok(Found::Closed);
            }
            if let Some(leased) = self.take(chunk, word, me, peers, extra)? {
                return Ok(Found::Got(leased));
            }
        }
    }

    /// Walks over all chunks, from one on, and claims the first that is to do and can be had.
    #[inline(always)]
    fn walk(
        &self,
        from: usize,
        me: Tag,
        peers: &impl Liveness,
        look: Look,
    ) -> Result<Found, ChunkError> {
        let from = from.min(self.chunks.len());
        let mut found = Found::Done;
        for chunk in (from..self.chunks.len()).chain(0..from) {
            match self.claim(chunk, false, me, peers, look)? {
                got @ Found::Got(_) => return Ok(got),
                Found::Done => {}
                Found::Closed => found = Found::Closed,
                taken @ Found::Taken(_) if found == Found::Done => found = taken,
                Found::Taken(_) => {}
            }
        }
        Ok(found)
    }

    /// Ends a lease, the chunk being done or not; false, and nothing is changed, if it is not
    /// `leased` any more.
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

    /// Takes a chunk whose word is still `seen` away from its holder, and wakes who waited for it.
    fn free(&self, chunk: usize, seen: u32, free: u32) -> Result<(), u32> {
        let word = &self.chunks[chunk];
        // ORDERING: Release; (L1) publishes the data. One who takes it from the dead passes on what
        // it saw of the dead one's stores.
        let release = ordering(Ordering::Release, 350);
        word.compare_exchange(seen, free, release, Ordering::Relaxed)?;
        if seen & WANTED != 0 && !mutation(351) {
            word.wake(u32::MAX);
        }
        Ok(())
    }

    /// The word of the grid, and what was published with it.
    fn word(&self) -> u32 {
        // ORDERING: Acquire; pairs with (L3).
        self.state.word.load(ordering(Ordering::Acquire, 352))
    }

    /// How many chunks are not done: a glance.
    pub(crate) fn left(&self) -> usize {
        if self.word() & RESTARTING != 0 {
            return self.chunks.len();
        }
        let to_do = |chunk: &usize| !is_done(self.look(*chunk));
        (0..self.chunks.len()).filter(to_do).count()
    }

    /// Gives back the chunks of participant `dead`, and wakes who waited for them.
    pub(crate) fn recover(&self, dead: Tag) {
        for (chunk, word) in self.chunks.iter().enumerate() {
            // ORDERING: Relaxed; the CAS decides, and (M2) orders the dead one's stores.
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

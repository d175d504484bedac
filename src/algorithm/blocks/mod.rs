//! Values of any length, each in blocks that are never changed while a slot names them: what the
//! shared objects ([dictionary](index), [list], single value) are made of.
//!
//! # State
//!
//! A root; two tables, each a length and as many slots as there can be values; blocks, all of one
//! size; a link for each block; and what writers alone use: their [mutex](super::mutex), the free
//! blocks, a count of changes with an [event count](crate::wait::event_count).
//!
//! ```text
//! root       | edition: 63 | current table: 1 |
//! slot       | fingerprint: 32 | block + 1: 32 |    0 = empty, 1 << 32 = removed
//! block | version | next block + 1: 32, value's bytes: 32 | next block's version | mark | words |
//! version | count: 62 | state: 2 | 0 = never written, WRITING, WRITTEN or COMMITTED link next free
//! block + 1; 0 = last, all ones = not free
//! ```
//!
//! A value that is longer than a block goes on in further ones, each named by the one before with
//! its version. The mark says what the value is for: a key's length and hash, or a number.
//!
//! Invariant 1: no process writes to a block that a slot of the current table names, below the
//! table's length if it is a list.
//! Invariant 2: the count of a block's version never goes back. It changes before the first word
//! of a new content, and the state becomes WRITTEN after the last one.
//! Invariant 3: a version is COMMITTED only after the slot that names it was stored.
//!
//! # Protocol
//!
//! - read: load the root and the slot; load the version of the block, which must not be WRITING;
//!   copy; load the version again, which must have the same count. The content counts if the
//!   version is COMMITTED and the mark proves what it is for; or if the slot still names the block,
//!   and after that the version is still the same. The root must be the same at the end. Otherwise
//!   once more. A read leaves nothing behind, and holds up no writer.
//! - write: lock the mutex; take free blocks; CAS each version to WRITING with the next count;
//!   write; CAS it to WRITTEN; CAS the slot from the word that was found: the commit; CAS the
//!   version to COMMITTED; free the blocks that were named before; unlock; notify.
//! - flip: fill the table that is not current, then store the root: the commit of what changes many
//!   slots at once.
//! - sweep: the owner of the mutex that is told that the last one died computes all else from the
//!   current table: what no slot names is free.
//!
//! No code of a user runs while the mutex is locked.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | reading, anywhere | nothing | - |
//! | writing, before the commit | WRITING or WRITTEN blocks that no slot names; a half-moved list of free ones; the mutex's dead tag | the next writer, which sweeps; readers go on |
//! | after the commit | the same, the blocks that were named before, a length and a count of changes not yet made; a version that is WRITTEN | the same; readers look at the slot once more |
//! | filling the table that is not current | slots that are not current | the next flip, which fills it anew |
//! | sweeping | as before the sweep: the mutex is `OWNER_DIED` until it is complete | the next writer |
//! | after unlocking, before the notification | a waiter whose wake is owed | the waiter, when its slice ends; a reaper, which wakes all |
//!
//! A reaper takes the mutex from the dead by a CAS, and leaves the sweep to the next writer: it
//! never waits for one. A waiter for a change sweeps itself if no process has the mutex: the dead
//! one may have committed. A stopped writer holds up other writers, and no reader.
//!
//! A process that was reaped alive may still write to the blocks that it took, which are
//! others' by then: its versions and its commits are CASes that fail, but a word between them
//! may get into another value, or into a table that its successor fills. That is true of
//! whatever a mutex protects. It poisons the mutex when it learns of it, so that the next
//! owner sweeps again. A block that it puts on the list of free ones just then may be taken
//! though a slot names it: it asks whether it has the mutex before each, which leaves one
//! block.
//!
//! # Ordering
//!
//! (V1) WRITING, a release fence and the words (Relaxed), against the words, an acquire fence
//! and the second load of the version: a reader that saw a word of a later content sees its
//! count. If it gave up before that load, since the word names no part of its value, the fence
//! is before it reads again: then it sees that the slot names another block. (V2) WRITTEN and
//! COMMITTED (Release) pair with both loads of the version (Acquire): the words, and that no
//! older value is current. (V3) The commit (Release) pairs with the load of the slot (Acquire):
//! a reader finds the named block's version, and no older one. (V4) WRITING (Release) pairs
//! with the same load of the version as (V2): a reader that meets it sees that no slot names
//! the block. (V5) The root (Release) pairs with its first load (Acquire): the table. A reader
//! that copied what was written after a flip has acquired it by (V2), so its second load of the
//! root shows the flip. Writers are ordered by (M1) of the mutex.
//!
//! Words that are filled into the table that is not current are behind a release fence, which pairs
//! with the load of the slot (Acquire): a reader that meets one sees the flip before.
//!
//! (V6) is the barrier between the commit and the look at the root of a writer that may have been
//! reaped, and between the root's next edition and the sweep of its successor:
//!
//! ```text
//! a writer                       its successor
//! the slot, length: the commit   the root: its next edition
//! barrier                        barrier
//! the root: still the same?      sweep: what does the slot name, how long is the list?
//! ```
//!
//! One of the two sees the other's store: the commit is taken back, or what it names is not
//! free. A writer loads the root first and then finds that it has the mutex, so that edition
//! is its own; a flip is a CAS of the root from it. A commit in the middle of the sweep may
//! be both seen and taken back: not if the sweep has marked the content as COMMITTED by then.
//!
//! # Trade-offs
//!
//! A reader that announced itself would need a word of its own with its tag and a full barrier, and
//! a reader that was stopped would hold up the blocks that it named. Here a reader copies, and
//! retries if another process was faster; a retry means that a change was committed. COMMITTED
//! spares readers of a value that is replaced again and again: its blocks are reused last of all
//! free ones, so a copy succeeds while the slot moves on. Versions of 62 bits do not come round: at
//! one content each nanosecond that takes 146 years.

pub(crate) mod entry;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod list;
pub(crate) mod read;
mod sweep;
pub(crate) mod transfer;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
pub(crate) mod wait;
pub(crate) mod write;

use crate::algorithm::mutex::MutexState;
use crate::facade::{AtomicU32, AtomicU64, Ordering, ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::wait::event_count::EventCount;

/// The words of a block before its content.
pub(crate) const HEADER: usize = 4;

/// What writers use, under their mutex but for the count and the event.
#[repr(C)]
struct WriterState {
    lock: MutexState,
    event: EventCount,
    /// The number of blocks that are not free.
    used: AtomicU32,
    /// The number of blocks that were ever taken, unless all were swept: the rest is free.
    fresh: AtomicU32,
    /// The free blocks among those, the earliest to be freed at the head.
    head: AtomicU32,
    tail: AtomicU32,
    /// The number of slots of an index that are not empty.
    filled: AtomicU32,
    _unused: AtomicU32,
    /// The number of changes.
    changes: AtomicU64,
}

/// The words of an object before its tables, in the segment.
#[repr(C)]
pub(crate) struct BlocksState {
    root: Padded<AtomicU64>,
    writer: Padded<WriterState>,
}

/// What the slots are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A hash table by linear probing. The mark of a block is its key's length and hash.
    Index,
    /// Those below the length, in order.
    List,
    /// One.
    Single,
}

/// A word that no protocol writes, or a block that does not belong to the slot that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt {
    pub(crate) word: u64,
}

/// The root: which of the tables is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root(u64);

impl Root {
    fn table(self) -> usize {
        usize::from(self.0 & 1 != 0)
    }

    /// What a sweep adds to the root: another edition of the same table.
    const SWEPT: u64 = 2;

    /// The root after a flip.
    fn flipped(self) -> Self {
        let edition = (self.0 >> 1).wrapping_add(1);
        Self(edition << 1 | !self.0 & 1)
    }
}

/// The word of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotWord(pub(crate) u64);

impl SlotWord {
    pub(crate) const EMPTY: Self = Self(0);
    const REMOVED: Self = Self(1 << 32);

    fn new(fingerprint: u32, block: u32) -> Self {
        Self((u64::from(fingerprint) << 32) | (u64::from(block) + 1))
    }

    fn fingerprint(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The block that it names; `None` if it is empty or removed.
    fn block(self) -> Option<u32> {
        low(self.0).checked_sub(1)
    }
}

/// The version of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

const WRITING: u64 = 1;
const WRITTEN: u64 = 2;
const COMMITTED: u64 = 3;

impl Version {
    fn with(self, state: u64) -> Self {
        Self(self.0 & !COMMITTED | state)
    }

    /// The version of the next content, while it is written.
    fn next(self) -> Self {
        Self((self.0 & !COMMITTED).wrapping_add(COMMITTED + 1) | WRITING)
    }

    fn is_whole(self) -> bool {
        self.0 & COMMITTED >= WRITTEN
    }

    fn is_committed(self) -> bool {
        self.0 & COMMITTED == COMMITTED
    }

    /// Whether both are of one content, which is whole.
    pub(crate) fn is_of_same_content(self, other: Self) -> bool {
        self.0 & !COMMITTED == other.0 & !COMMITTED && self.is_whole() && other.is_whole()
    }
}

/// The words of an object.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    pub(crate) state: &'a BlocksState,
    pub(crate) shape: Shape,
    /// As many as blocks.
    pub(crate) links: &'a [AtomicU32],
    /// Both, each a length and `slots` words.
    pub(crate) tables: &'a [AtomicU64],
    /// Of `HEADER` and `payload` words each.
    pub(crate) blocks: &'a [AtomicU64],
    /// The number of slots of a table; a power of two if it is an index.
    pub(crate) slots: usize,
    /// The number of words of content in a block.
    pub(crate) payload: usize,
}

impl BlocksState {
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            root: Padded(AtomicU64::new(0)),
            writer: Padded(WriterState {
                lock: MutexState::new(),
                event: EventCount::new(),
                used: AtomicU32::new(0),
                fresh: AtomicU32::new(0),
                head: AtomicU32::new(0),
                tail: AtomicU32::new(0),
                filled: AtomicU32::new(0),
                _unused: AtomicU32::new(0),
                changes: AtomicU64::new(0),
            }),
        }
    }

    /// The first blocks are used, and the slot that names one.
    #[cfg(all(test, loom))]
    fn first_used(&self, used: u32) {
        let writer = self.writer();
        for (word, value) in [
            (&writer.used, used),
            (&writer.fresh, used),
            (&writer.filled, 1),
        ] {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn writer(&self) -> &WriterState {
        &self.writer.0
    }

    pub(crate) fn lock(&self) -> &MutexState {
        &self.writer().lock
    }

    pub(crate) fn event(&self) -> &EventCount {
        &self.writer().event
    }

    /// Returns the number of changes. It may be stale when it is returned.
    pub(crate) fn changes(&self) -> u64 {
        // ORDERING: Acquire; a process that sees a change counted sees it made.
        self.writer().changes.load(Ordering::Acquire)
    }

    /// Recovers the mutex if the participant `dead` has it, and makes the wakes that it may have
    /// owed.
    pub(crate) fn recover(&self, dead: Tag) {
        self.lock().recover(dead);
        if !crate::facade::mutation(857) {
            self.event().wake_all();
        }
    }
}

impl<'a> Blocks<'a> {
    /// The root as it is now.
    #[inline(always)]
    fn root(self) -> Root {
        // ORDERING: Acquire; pairs with (V5) in `flip`.
        Root(self.state.root.0.load(ordering(Ordering::Acquire, 850)))
    }

    /// The length of a table, and its slots.
    #[inline(always)]
    fn table(self, root: Root) -> (&'a AtomicU64, &'a [AtomicU64]) {
        let from = root.table() * (self.slots + 1);
        let table = &self.tables[from..=from + self.slots];
        (&table[0], &table[1..])
    }

    /// The words of a block; `None` if there is no such one.
    #[inline(always)]
    fn block(self, block: u32) -> Option<&'a [AtomicU64]> {
        let size = HEADER + self.payload;
        let from = (block as usize).checked_mul(size)?;
        self.blocks.get(from..from + size)
    }

    /// The number of blocks.
    pub(crate) fn count(self) -> u32 {
        u32::try_from(self.links.len()).unwrap_or(u32::MAX)
    }

    /// The number of words of content that a block's header announces: those of the key, and all.
    #[inline(always)]
    fn content_words(self, lengths: u64, mark: u64) -> (usize, usize) {
        let key = match self.shape {
            Shape::Index => words_of((mark >> 32) as usize),
            Shape::List | Shape::Single => 0,
        };
        (key, key + words_of(low(lengths) as usize))
    }
}

/// The low half of a word.
#[inline(always)]
fn low(word: u64) -> u32 {
    const LOW: u64 = 0xffff_ffff;
    (word & LOW) as u32
}

/// The number of words that so many bytes take.
#[inline(always)]
pub(crate) fn words_of(bytes: usize) -> usize {
    bytes.div_ceil(size_of::<u64>())
}

#[cfg(all(test, loom))]
pub(crate) mod tests;

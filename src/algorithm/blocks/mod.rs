//! Values of any length, each in blocks that are never changed while a slot names them: what the
//! shared objects ([dictionary](index), [list], single value) are made of.
//!
//! # State
//!
//! A root; two tables, each a length and as many slots as there can be values; blocks, all of one
//! size; a ring that has the number of each free block; and what writers alone use: their
//! [mutex](super::mutex), where in the ring the free blocks are, a count of changes with an
//! [event count](crate::wait::event_count).
//!
//! ```text
//! root       | edition: 24 | flips: 39 | current table: 1 |
//! slot       | edition: 24 | fingerprint: 11 | block + 1: 29 |    0 = empty, 1 << 29 = removed
//! length, used, first, filled | edition: 24 | number: 40 |
//! ring       | edition: 24 | block - position, modulo the blocks: 40 |
//! block | version | next block + 1: 32, value's bytes: 32 | next block's version | mark | words |
//! version | count: 62 | state: 2 | 0 = never written, WRITING or COMMITTED
//! ```
//!
//! A value that is longer than a block goes on in further ones, each named by the one before with
//! its version. The mark says what the value is for: a key's length and hash, or a number.
//!
//! Invariant 1: no process writes to a block that a slot of the current table names, below the
//! table's length if it is a list.
//! Invariant 2: the count of a block's version never goes back. It changes before the first word
//! of a new content; a slot names it after the last one.
//! Invariant 3: a version is COMMITTED only after the slot that names it was stored.
//! Invariant 4: owners of the mutex with the same edition follow each other by unlocking it.
//!
//! # Protocol
//!
//! - read: load the root and the slot; load the version of the block; if it is WRITING, the slot
//!   must still be the same word. Copy; load the version again, which must have the same count. The
//!   content counts if the version was COMMITTED and the mark proves what it is for; or if the slot
//!   named the block after the version was loaded. The root must be the same at the end. Otherwise
//!   once more. A read leaves nothing behind, and holds up no writer.
//! - write: load the root; lock the mutex; the root must still have the same edition, which is this
//!   owner's. Take free blocks; CAS each version to WRITING with the next count; write; CAS the
//!   slot from the word that was found, which must be of the same edition: the commit; CAS the
//!   version to COMMITTED; free the blocks that were named before; unlock; notify.
//! - flip: fill the table that is not current, then CAS the root: the commit of what changes many
//!   slots at once.
//! - sweep: the owner of the mutex that is told that the last one died, or that finds words of
//!   another edition, gives the root the next edition. Then it gives it to each word of the current
//!   table, by a CAS, and computes all else from that: what no slot names is free.
//!
//! No code of a user runs while the mutex is locked.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | reading, anywhere | nothing | - |
//! | writing, before the commit | blocks that are WRITING and that no slot names; the mutex's dead tag | the next writer, which sweeps; readers go on |
//! | after the commit | the same, the blocks that were named before, a length and a count of changes not yet made; a version that is WRITING, and named | the same; readers look at the slot once more |
//! | filling the table that is not current | slots that are not current | the next flip, which fills it anew |
//! | sweeping | a table of two editions; the mutex is `OWNER_DIED` until the sweep is complete | the next writer |
//! | after unlocking, before the notification | a waiter whose wake is owed | the waiter, when its slice ends; a reaper, which wakes all |
//!
//! A reaper takes the mutex from the dead by a CAS, and leaves the sweep to the next writer: it
//! never waits for one. A waiter for a change sweeps itself if no process has the mutex: the dead
//! one may have committed. A stopped writer holds up other writers, and no reader.
//!
//! A process that was reaped alive goes on beside its successors, which have later editions:
//!
//! | it | what comes of it |
//! |---|---|
//! | commits: a slot or a length | before the successor's sweep has given that word its edition: the sweep finds it made. After: the CAS fails |
//! | flips | as above, by the CAS of the root |
//! | stores where the free blocks are, the length of an index, how many slots are not empty | a word of an earlier edition, which an owner that needs it finds, and sweeps; `len` counts the slots meanwhile |
//! | takes a block, fills a slot of the table that is not current | the CAS fails if a successor changed the word: it expects what was there when the root still had its edition |
//! | writes the words of a block that it took before | if a successor takes the same block meanwhile: a word of another value |
//!
//! The last row is true of whatever a mutex protects. After a sweep such a block is the last of the
//! free ones.
//!
//! # Ordering
//!
//! (V1) WRITING, a release fence and the words (Relaxed), against the words, an acquire fence
//! and the second load of the version: a reader that saw a word of a later content sees its
//! count. If it gave up before that load, since the word names no part of its value, the fence
//! is before it reads again: then it sees that the slot names another block. (V2) COMMITTED
//! (Release) pairs with the first load of the version (Acquire): the words, and that no older value
//! is current. (V3) The commit (Release) pairs with the load of the slot (Acquire): a reader finds
//! the named block's version and words, and no older ones. (V4) WRITING (Release) pairs with the
//! same load of the version as (V2): a reader that meets it, and then the slot that names the
//! block, sees the content of that version: it was committed before the slot was loaded. (V5) The
//! root (Release) pairs with its first load (Acquire): the table. A reader that copied what was
//! written after a flip has acquired it by (V2), so its second load of the root shows the flip.
//! Writers are ordered by (M1) of the mutex.
//!
//! Words that are filled into the table that is not current are behind a release fence, which pairs
//! with the load of the slot (Acquire): a reader that meets one sees the flip before.
//!
//! (V6) A successor stores the root's next edition (Release) before all else. A process that loads
//! a word (Acquire) which a successor has stored (Release) finds another edition in the root
//! after that, and does not expect the word in a CAS.
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
pub(crate) mod iterate;
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
use crate::facade::{AtomicU64, Ordering, ordering};
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
    /// The number of blocks that are not free, with the edition of the owner that stored it.
    used: AtomicU64,
    /// Where in the ring the first free block is, likewise. So many as are free follow each other.
    first: AtomicU64,
    /// The number of slots of an index that are not empty, likewise.
    filled: AtomicU64,
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

/// The root: which of the tables is current, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root(u64);

impl Root {
    fn table(self) -> usize {
        usize::from(self.0 & 1 != 0)
    }

    fn edition(self) -> Edition {
        Edition::of(self.0)
    }

    /// The same table, of the next edition.
    fn swept(self) -> Self {
        Self(self.0.wrapping_add(1 << Edition::SHIFT))
    }

    /// The root after a flip.
    fn flipped(self) -> Self {
        let flips = (self.0 >> 1).wrapping_add(1);
        Self(self.edition().stamp(flips << 1 | !self.0 & 1))
    }
}

/// Which of the owners that took the mutex from the dead, and of those after it: the high bits of
/// a word, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edition(u64);

impl Edition {
    /// The bits of a word below its edition.
    const SHIFT: u32 = 40;
    const NUMBER: u64 = (1 << Self::SHIFT) - 1;

    fn of(word: u64) -> Self {
        Self(word & !Self::NUMBER)
    }

    /// A word of this edition with a number.
    fn stamp(self, number: u64) -> u64 {
        self.0 | number & Self::NUMBER
    }

    /// The number of a word, if that is of this edition.
    #[inline(always)]
    fn number(self, word: u64) -> Option<u64> {
        let number = word ^ self.0;
        (number <= Self::NUMBER).then_some(number)
    }
}

/// The number of a word that has an edition, whichever it is.
#[inline(always)]
fn number_of(word: u64) -> u64 {
    word & Edition::NUMBER
}

/// The word of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotWord(pub(crate) u64);

impl SlotWord {
    /// The bits of a block's number.
    const BLOCK: u32 = 29;
    /// The numbers of slots that name no block.
    const EMPTY: u64 = 0;
    const REMOVED: u64 = 1 << Self::BLOCK;

    /// A word with such a number.
    fn of(edition: Edition, number: u64) -> Self {
        Self(edition.stamp(number))
    }

    /// A word that names a block, with the low bits of a fingerprint.
    fn new(edition: Edition, fingerprint: u32, block: u32) -> Self {
        let fingerprint = u64::from(fingerprint) << Self::BLOCK;
        Self::of(edition, fingerprint | (u64::from(block) + 1))
    }

    fn is_empty(self) -> bool {
        number_of(self.0) == Self::EMPTY
    }

    fn is_removed(self) -> bool {
        number_of(self.0) == Self::REMOVED
    }

    /// The low bits of its fingerprint.
    fn fingerprint(self) -> u32 {
        low(number_of(self.0) >> Self::BLOCK)
    }

    /// Whether it has the low bits of a fingerprint.
    #[inline(always)]
    fn has(self, fingerprint: u32) -> bool {
        const BITS: u32 = Edition::SHIFT - SlotWord::BLOCK;
        (low(self.0 >> Self::BLOCK) ^ fingerprint) << (u32::BITS - BITS) == 0
    }

    /// The block that it names; `None` if it is empty or removed.
    #[inline(always)]
    fn block(self) -> Option<u32> {
        (low(self.0) & ((1 << Self::BLOCK) - 1)).checked_sub(1)
    }
}

/// The version of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(u64);

const WRITING: u64 = 1;
const COMMITTED: u64 = 3;

impl Version {
    fn with(self, state: u64) -> Self {
        Self(self.0 & !COMMITTED | state)
    }

    /// The version of the next content, while it is written.
    fn next(self) -> Self {
        Self((self.0 & !COMMITTED).wrapping_add(COMMITTED + 1) | WRITING)
    }

    /// Whether the block was ever written.
    fn is_content(self) -> bool {
        self.0 & COMMITTED != 0
    }

    fn is_committed(self) -> bool {
        self.0 & COMMITTED == COMMITTED
    }

    /// Whether both are of one content.
    pub(crate) fn is_of_same_content(self, other: Self) -> bool {
        (self.0 ^ other.0) <= COMMITTED
    }
}

/// The words of an object.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    pub(crate) state: &'a BlocksState,
    pub(crate) shape: Shape,
    /// As many words as blocks: where the free ones are.
    pub(crate) ring: &'a [AtomicU64],
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
                used: AtomicU64::new(0),
                first: AtomicU64::new(0),
                filled: AtomicU64::new(0),
                changes: AtomicU64::new(0),
            }),
        }
    }

    /// The first blocks are used, and the slot that names one.
    #[cfg(all(test, loom))]
    fn first_used(&self, used: u64) {
        let writer = self.writer();
        for (word, value) in [
            (&writer.used, used),
            (&writer.first, used),
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
    fn root(&self) -> Root {
        // ORDERING: Acquire; pairs with (V5) in `flip`.
        Root(self.state.root.0.load(ordering(Ordering::Acquire, 850)))
    }

    /// The length of a table, and its slots.
    #[inline(always)]
    fn table(&self, root: Root) -> (&'a AtomicU64, &'a [AtomicU64]) {
        let from = root.table() * (self.slots + 1);
        let table = &self.tables[from..=from + self.slots];
        (&table[0], &table[1..])
    }

    /// The words of a block; `None` if there is no such one.
    #[inline(always)]
    fn block(&self, block: u32) -> Option<&'a [AtomicU64]> {
        let size = HEADER + self.payload;
        // A block's number has 32 bits, and a block fewer than 2^29 words.
        let from = (block as usize).wrapping_mul(size);
        self.blocks.get(from..)?.get(..size)
    }

    /// The number of blocks.
    pub(crate) fn count(self) -> u32 {
        u32::try_from(self.ring.len()).unwrap_or(u32::MAX)
    }

    /// The number of words of content that a block's header announces: those of the key, and all.
    #[inline(always)]
    fn content_words(&self, lengths: u64, mark: u64) -> (usize, usize) {
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
    // No value has nearly as many bytes as `usize` can count.
    bytes.wrapping_add(size_of::<u64>() - 1) / size_of::<u64>()
}

#[cfg(all(test, loom))]
pub(crate) mod tests;

//! Writing: what the owner of the mutex does.
//!
//! # State
//!
//! That of [`blocks`](super).
//!
//! # Protocol
//!
//! That of [`blocks`](super).
//!
//! # Crash
//!
//! That of [`blocks`](super).
//!
//! # Ordering
//!
//! (V1) to (V5) of [`blocks`](super).

use super::read::Content;
use super::{Blocks, BlocksState, Corrupt, HEADER, Root, SlotWord, Version, WRITTEN, words_of};
use crate::algorithm::mutex::MutexError;
use crate::facade::{
    AtomicU64, Deadline, Ordering, barrier_after_rmw, fence, mutation, ordering, store_bytes,
};
use crate::participant::{Liveness, Tag};

/// Blocks that only the replacement of a value takes, so that a full object can still be changed.
pub(crate) const SPARE: u32 = 8;

/// The link of a block that is not free.
pub(super) const NOT_FREE: u32 = u32::MAX;

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// There are not as many free blocks, or no free slot.
    Full {
        /// The blocks that were asked for, and those that are free.
        asked: u64,
        free: u64,
    },
    /// The mutex is not held, or a word is corrupt.
    Corrupt(Corrupt),
    /// This process is not a participant any more.
    MembershipLost,
    /// The mutex was held by a live participant until the deadline.
    Busy,
    /// The object has moved to where there is more room.
    Moved,
}

impl From<Corrupt> for WriteError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl From<MutexError> for WriteError {
    fn from(error: MutexError) -> Self {
        match error {
            MutexError::Busy => Self::Busy,
            MutexError::Corrupt { word } => Self::Corrupt(Corrupt { word: word.into() }),
            MutexError::MembershipLost => Self::MembershipLost,
        }
    }
}

/// What is written to blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewContent<'c> {
    pub(crate) fingerprint: u32,
    pub(crate) mark: u64,
    pub(crate) key: &'c [u64],
    pub(crate) value: &'c [u8],
}

impl NewContent<'_> {
    fn words(&self) -> usize {
        self.key.len() + words_of(self.value.len())
    }

    /// Stores the words of the content from the one at `from` on, as many as there are places.
    #[inline]
    fn copy_in(&self, places: &[AtomicU64], from: usize) {
        // ORDERING: Relaxed; (V1) and (V2) order it.
        let relaxed = Ordering::Relaxed;
        let key = self.key.get(from..).unwrap_or(&[]);
        for (place, word) in places.iter().zip(key) {
            place.store(*word, relaxed);
        }
        let places = &places[key.len().min(places.len())..];
        let skipped = (from + key.len() - self.key.len()) * size_of::<u64>();
        store_bytes(places, self.value.get(skipped..).unwrap_or(&[]));
    }
}

/// An object whose mutex this process holds.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(super) blocks: Blocks<'a>,
    pub(super) me: Tag,
    /// Whether the last owner of the mutex died, or may have been reaped alive.
    is_successor: bool,
}

impl<'a> Blocks<'a> {
    /// Calls `change` as the owner of the mutex; blocks while another live participant has it,
    /// until `deadline`. `change` must not unwind.
    pub(crate) fn write<R>(
        self,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        change: impl FnOnce(Writer<'a>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let lock = self.state.lock();
        let mut token = lock.lock(me, peers, deadline)?;
        let before = self.state.changes();
        let is_successor = token.owner_died() || token.is_poisoned();
        let writer = Writer {
            blocks: self,
            me,
            is_successor,
        };
        if is_successor && !mutation(852) {
            // What was poisoned before it was swept needs no other sweep.
            lock.clear_poison();
            writer.sweep();
            lock.mark_consistent(&mut token);
        }
        let mut changed = change(writer);
        if let Err(WriteError::MembershipLost | WriteError::Corrupt(_)) = changed
            && lock.is_still_of(me)
        {
            // A word was changed by a process that has not the mutex.
            writer.sweep();
            if changed
                .as_ref()
                .is_err_and(|error| *error == WriteError::MembershipLost)
            {
                changed = Err(Corrupt { word: 0 }.into());
            }
        }
        let after = self.state.changes();
        if !lock.unlock_if_held(token, false) {
            if !mutation(869) {
                lock.poison_for_the_next();
            }
            changed = Err(WriteError::MembershipLost);
        }
        if before != after && !mutation(856) {
            self.state.event().notify_all();
        }
        changed
    }
}

impl BlocksState {
    /// The number of blocks that are not free; may be stale, and is wrong until the next write if a
    /// writer died.
    pub(crate) fn used(&self) -> u32 {
        // ORDERING: Relaxed; the value may be stale.
        self.writer().used.load(Ordering::Relaxed)
    }
}

impl<'a> Writer<'a> {
    /// The caller has the mutex.
    pub(super) fn new(blocks: Blocks<'a>, me: Tag) -> Self {
        Self {
            blocks,
            me,
            is_successor: false,
        }
    }

    /// Whether the last owner of the mutex died, or may have been reaped alive, so it may still go
    /// on.
    pub(crate) fn is_successor(self) -> bool {
        self.is_successor
    }

    /// The number of changes.
    pub(crate) fn changes(self) -> u64 {
        self.blocks.state.changes()
    }

    /// Whether this process has the mutex; what a successor has done is seen.
    pub(crate) fn is_still_owner(self) -> bool {
        self.blocks.state.lock().is_still_of(self.me)
    }

    pub(super) fn root(self) -> Root {
        self.blocks.root()
    }

    /// Whether this process has the mutex, unless it was reaped just now.
    pub(super) fn is_owner(self) -> bool {
        self.blocks.state.lock().is_of(self.me)
    }

    /// The root, whose edition no successor of this process has changed.
    pub(super) fn root_of_owner(self) -> Result<Root, WriteError> {
        let root = self.root();
        self.ask_owner()?;
        Ok(root)
    }

    /// An error, if this process has not the mutex: it was reaped.
    pub(super) fn ask_owner(self) -> Result<(), WriteError> {
        match self.is_owner() {
            true => Ok(()),
            false => Err(WriteError::MembershipLost),
        }
    }

    /// Before the table that is not current is filled.
    pub(super) fn begin_table(self) {
        // ORDERING: Release; (V5): a reader that meets a word of the table sees that it was not
        // current. No seeded bug omits it: the notification of the flip before has such a barrier.
        fence(Ordering::Release);
    }

    /// The current length and slots.
    pub(super) fn table(self) -> (&'a AtomicU64, &'a [AtomicU64]) {
        self.blocks.table(self.root())
    }

    /// The number of free blocks.
    fn free_blocks(self) -> u32 {
        self.blocks.count().saturating_sub(self.blocks.state.used())
    }

    /// The number of blocks that so many words of content take.
    pub(super) fn blocks_of(self, words: usize) -> usize {
        words.div_ceil(self.blocks.payload).max(1)
    }

    /// Takes a free block.
    fn take(self) -> Option<u32> {
        let writer = self.blocks.state.writer();
        // ORDERING: Relaxed; only the owner of the mutex accesses these.
        let relaxed = Ordering::Relaxed;
        let fresh = writer.fresh.load(relaxed);
        if fresh < self.blocks.count() {
            writer.fresh.store(fresh + 1, relaxed);
            return Some(fresh);
        }
        let block = writer.head.load(relaxed).checked_sub(1)?;
        let link = self.blocks.links.get(block as usize)?;
        let next = link.load(relaxed);
        if next == NOT_FREE {
            return None;
        }
        writer.head.store(next, relaxed);
        Some(block)
    }

    /// Makes a block the last of the free ones.
    pub(super) fn give_back(self, block: u32) {
        let writer = self.blocks.state.writer();
        // ORDERING: Relaxed; as in `take`.
        let relaxed = Ordering::Relaxed;
        let Some(link) = self.blocks.links.get(block as usize) else {
            return;
        };
        link.store(0, relaxed);
        let last = match writer.head.load(relaxed) {
            0 => None,
            _ => writer.tail.load(relaxed).checked_sub(1),
        };
        match last.and_then(|last| self.blocks.links.get(last as usize)) {
            Some(last) => last.store(block + 1, relaxed),
            None => writer.head.store(block + 1, relaxed),
        }
        writer.tail.store(block + 1, relaxed);
    }

    /// Frees the blocks of the content that a slot named.
    pub(super) fn free(self, word: SlotWord) {
        let mut next = word.block();
        let mut freed = 0;
        while let Some(block) = next.filter(|_| freed < self.blocks.count()) {
            // ORDERING: Relaxed; the owner of the mutex wrote it, or one before.
            let lengths = |words: &[AtomicU64]| words[1].load(Ordering::Relaxed);
            let lengths = self.blocks.block(block).map_or(0, lengths);
            if !self.is_owner() {
                return;
            }
            self.give_back(block);
            freed += 1;
            next = ((lengths >> 32) as u32).checked_sub(1);
        }
        let used = &self.blocks.state.writer().used;
        // ORDERING: Relaxed; only the owner of the mutex stores it.
        let now = used.load(Ordering::Relaxed);
        used.store(now.saturating_sub(freed), Ordering::Relaxed);
    }

    /// Writes a content to free blocks, and leaves `spare` of them free; returns the slot's word.
    pub(super) fn fill(self, content: &NewContent<'_>, spare: u32) -> Result<SlotWord, WriteError> {
        let words = content.words();
        let parts = self.blocks_of(words);
        let free = self.free_blocks();
        let asked = parts as u64;
        if asked + u64::from(spare) > u64::from(free) {
            let free = u64::from(free.saturating_sub(spare));
            return Err(WriteError::Full { asked, free });
        }
        let used = &self.blocks.state.writer().used;
        // ORDERING: Relaxed; only the owner of the mutex stores it.
        let now = used.load(Ordering::Relaxed);
        used.store(
            now + u32::try_from(parts).unwrap_or(u32::MAX),
            Ordering::Relaxed,
        );
        // The last part first: the one before it has its version.
        let (mut next, mut next_version) = (0, Version(0));
        for part in (0..parts).rev() {
            let (block, version) = self.fill_block(content, part, next, next_version)?;
            (next, next_version) = (block + 1, version);
        }
        Ok(SlotWord::new(content.fingerprint, next - 1))
    }

    fn fill_block(
        self,
        content: &NewContent<'_>,
        part: usize,
        next: u32,
        next_version: Version,
    ) -> Result<(u32, Version), WriteError> {
        let corrupt = |word: u64| WriteError::Corrupt(Corrupt { word });
        let block = self.take().ok_or(corrupt(0))?;
        let words = self.blocks.block(block).ok_or(corrupt(block.into()))?;
        // ORDERING: Relaxed; only the owner of the mutex accesses it.
        self.blocks.links[block as usize].store(NOT_FREE, Ordering::Relaxed);
        // ORDERING: Relaxed; the CAS decides.
        let before = words[0].load(Ordering::Relaxed);
        let writing = Version(before).next();
        // ORDERING: Release; (V4). No seeded bug weakens it: a reader that meets it reads again.
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        if !mutation(842) {
            words[0]
                .compare_exchange(before, writing.0, release, relaxed)
                .map_err(|_| WriteError::MembershipLost)?;
        }
        // ORDERING: Release; (V1).
        if !mutation(859) {
            fence(Ordering::Release);
        }
        // ORDERING: Relaxed; (V1) and (V2) order the words.
        let lengths = (u64::from(next) << 32) | content.value.len() as u64;
        words[1].store(lengths, relaxed);
        words[2].store(next_version.0, relaxed);
        words[3].store(content.mark, relaxed);
        content.copy_in(&words[HEADER..], part * self.blocks.payload);
        let written = writing.with(WRITTEN);
        // ORDERING: Release; (V2).
        let release = ordering(Ordering::Release, 851);
        let expected = if mutation(842) { before } else { writing.0 };
        words[0]
            .compare_exchange(expected, written.0, release, relaxed)
            .map_err(|_| WriteError::MembershipLost)?;
        Ok((block, written))
    }

    /// Makes a slot name what was filled: the commit. It named `from`, whose blocks are freed by
    /// the caller after this.
    pub(super) fn commit(
        self,
        slot: &AtomicU64,
        from: SlotWord,
        to: SlotWord,
    ) -> Result<(), WriteError> {
        if mutation(855) {
            self.mark_committed(to);
        }
        let root = self.root_of_owner()?;
        // ORDERING: Release; (V3).
        let release = ordering(Ordering::Release, 853);
        slot.compare_exchange(from.0, to.0, release, Ordering::Relaxed)
            .map_err(|_| WriteError::MembershipLost)?;
        // (V6)
        barrier_after_rmw();
        if self.root() != root {
            // Another process sweeps, or has: the blocks may be others'. What it has adopted stays,
            // and so does a removal. Nothing, if the slot has changed since.
            if !self.is_adopted(to) {
                let _ = slot.compare_exchange(to.0, from.0, Ordering::Relaxed, Ordering::Relaxed);
            }
            return Err(WriteError::MembershipLost);
        }
        self.mark_committed(to);
        self.count_change();
        Ok(())
    }

    /// Whether a sweep has found what a slot was made to name, or it names nothing.
    fn is_adopted(self, word: SlotWord) -> bool {
        let block = word.block().and_then(|block| self.blocks.block(block));
        // ORDERING: Acquire; pairs with (V2).
        let version = |words: &[AtomicU64]| Version(words[0].load(Ordering::Acquire));
        block.is_none_or(|words| version(words).is_committed())
    }

    /// Stores the length of a list: the commit of what is pushed or popped.
    pub(super) fn commit_length(
        self,
        len: &AtomicU64,
        from: usize,
        to: usize,
    ) -> Result<(), WriteError> {
        let root = self.root_of_owner()?;
        let (from, to) = (from as u64, to as u64);
        // ORDERING: Release; (L1).
        let release = ordering(Ordering::Release, 868);
        len.compare_exchange(from, to, release, Ordering::Relaxed)
            .map_err(|_| WriteError::MembershipLost)?;
        // (V6)
        barrier_after_rmw();
        if self.root() != root && !mutation(655) {
            // Another process sweeps, or has, as in `commit`.
            let _ = len.compare_exchange(to, from, Ordering::Relaxed, Ordering::Relaxed);
            return Err(WriteError::MembershipLost);
        }
        self.count_change();
        Ok(())
    }

    /// Notes in its version that a content is committed.
    pub(super) fn mark_committed(self, word: SlotWord) {
        let block = word.block().and_then(|block| self.blocks.block(block));
        let Some(words) = block else { return };
        // ORDERING: Relaxed; the owner of the mutex has written it.
        let version = Version(words[0].load(Ordering::Relaxed));
        if version.0 & super::COMMITTED == WRITTEN {
            // ORDERING: Release; (V2).
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            // If the CAS fails, the block is another writer's: this one was reaped.
            let committed = version.with(super::COMMITTED).0;
            let _ = words[0].compare_exchange(version.0, committed, release, relaxed);
        }
    }

    pub(super) fn count_change(self) {
        let changes = &self.blocks.state.writer().changes;
        // ORDERING: Relaxed; only the owner of the mutex stores it.
        let now = changes.load(Ordering::Relaxed);
        // ORDERING: Release; a process that sees the change counted sees it made.
        changes.store(now.wrapping_add(1), Ordering::Release);
    }

    /// Makes the other table, which is filled, the current one.
    pub(super) fn flip(self, from: Root) -> Result<(), WriteError> {
        // ORDERING: Release; (V5).
        let release = ordering(Ordering::Release, 860);
        let root = &self.blocks.state.root.0;
        root.compare_exchange(from.0, from.flipped().0, release, Ordering::Relaxed)
            .map_err(|_| WriteError::MembershipLost)?;
        self.count_change();
        Ok(())
    }

    /// Replaces the value of the only slot; if `seen` says what it is to be, only if it still is
    /// that. Returns the number of the new value.
    pub(crate) fn store(
        self,
        seen: Option<Option<&Content>>,
        value: &[u8],
    ) -> Result<Option<u64>, WriteError> {
        let (_, slots) = self.table();
        let from = Blocks::slot(&slots[0]);
        // ORDERING: Relaxed; the owner of the mutex wrote them, or one before.
        let words = from.block().and_then(|block| self.blocks.block(block));
        let now = words.map(|words| [0, 3].map(|word| words[word].load(Ordering::Relaxed)));
        if let Some(seen) = seen {
            let is_seen = match (seen, now) {
                (None, None) => true,
                (Some(seen), Some([version, _])) => {
                    let same = seen.version.is_of_same_content(Version(version));
                    same && from.block() == Some(seen.block)
                }
                _ => false,
            };
            if !is_seen {
                return Ok(None);
            }
        }
        let number = now.map_or(0, |[_, mark]| mark.wrapping_add(1));
        let content = NewContent {
            fingerprint: 0,
            mark: number,
            key: &[],
            value,
        };
        let to = self.fill(&content, 0)?;
        self.commit(&slots[0], from, to)?;
        self.free(from);
        Ok(Some(number))
    }
}

/// The first value of a single one, of version 0 and so many bytes: the words of its block before
/// the content, and of its slot.
pub(crate) fn first(state: &BlocksState, len: usize) -> ([u64; HEADER], u64) {
    let writer = state.writer();
    // ORDERING: Relaxed; the entry is not published yet.
    writer.used.store(1, Ordering::Relaxed);
    writer.fresh.store(1, Ordering::Relaxed);
    let version = Version(0).next().with(super::COMMITTED);
    ([version.0, len as u64, 0, 0], SlotWord::new(0, 0).0)
}

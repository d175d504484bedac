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
//! (V1) to (V6) of [`blocks`](super).

use super::read::Content;
use super::{
    Blocks, BlocksState, COMMITTED, Corrupt, Edition, HEADER, Root, SlotWord, Version, low,
    number_of, words_of,
};
use crate::algorithm::mutex::{LockToken, MutexError};
use crate::facade::{AtomicU64, Deadline, Ordering, fence, mutation, ordering, store_bytes};
use crate::participant::{Liveness, Tag};

/// Blocks that only the replacement of a value takes, so that a full object can still be changed.
pub(crate) const SPARE: u32 = 8;

/// How often a word is expected anew that former owners change: each of them does so once.
const MOST_CHANGED: u32 = 16;

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
    pub(super) is_successor: bool,
    /// That of the root, when this process had the mutex.
    pub(super) edition: Edition,
}

/// What was written to free blocks, and no slot names yet.
#[derive(Clone, Copy)]
pub(super) struct Filled {
    pub(super) word: SlotWord,
    version: Version,
}

impl<'a> Blocks<'a> {
    /// Calls `change` as the owner of the mutex; blocks while another live participant has it,
    /// until `deadline`. Calls it again after a sweep if it found a word of a former owner.
    /// `change` must not unwind.
    pub(crate) fn write<R>(
        self,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mut change: impl FnMut(Writer<'a>) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let lock = self.state.lock();
        let (mut token, writer) = loop {
            let before = self.root();
            let token = lock.lock(peers, deadline)?;
            let mut writer = Writer::new(self, me);
            writer.is_successor = token.owner_died() || token.is_poisoned();
            // A successor of this process gives the root another edition than it had before.
            if writer.edition == before.edition() || token.owner_died() || mutation(554) {
                break (token, writer);
            }
            lock.unlock(token, false);
        };
        let before = self.state.changes();
        let mut changed = match writer.is_successor && !mutation(852) {
            true => Err(WriteError::MembershipLost),
            false => change(writer),
        };
        if let Err(WriteError::MembershipLost | WriteError::Corrupt(_)) = changed {
            changed = writer.sweep_and(&mut token, changed.err(), &mut change);
        }
        let after = self.state.changes();
        if !lock.unlock_if_held(token, false) {
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
        low(number_of(self.writer().used.load(Ordering::Relaxed)))
    }
}

impl<'a> Writer<'a> {
    /// The caller has the mutex, and the root still has the edition that it had before.
    pub(super) fn new(blocks: Blocks<'a>, me: Tag) -> Self {
        let edition = blocks.root().edition();
        Self {
            blocks,
            me,
            is_successor: false,
            edition,
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

    /// Sweeps, and calls `change` once more; again, if it finds a word that a former owner changed.
    /// What is corrupt for the second time stays so.
    #[cold]
    fn sweep_and<R>(
        self,
        token: &mut LockToken,
        why: Option<WriteError>,
        mut change: impl FnMut(Self) -> Result<R, WriteError>,
    ) -> Result<R, WriteError> {
        let mut is_corrupt = matches!(why, Some(WriteError::Corrupt(_)));
        for _ in 0..MOST_CHANGED {
            // What was poisoned before it was swept needs no other sweep.
            self.blocks.state.lock().clear_poison();
            let swept = self.sweep()?;
            self.blocks.state.lock().mark_consistent(token);
            match change(swept) {
                Err(WriteError::MembershipLost) => {}
                Err(WriteError::Corrupt(_)) if !is_corrupt => is_corrupt = true,
                changed => return changed,
            }
        }
        Err(WriteError::MembershipLost)
    }

    pub(super) fn root(self) -> Root {
        self.blocks.root()
    }

    /// An error, if a successor of this process has begun: no word that was loaded before is its,
    /// unless there is this error.
    pub(super) fn ask_owner(self) -> Result<(), WriteError> {
        match self.root().edition() == self.edition {
            true => Ok(()),
            false => Err(WriteError::MembershipLost),
        }
    }

    /// The root, if no successor of this process has begun.
    pub(super) fn root_of_owner(self) -> Result<Root, WriteError> {
        let root = self.root();
        match root.edition() == self.edition {
            true => Ok(root),
            false => Err(WriteError::MembershipLost),
        }
    }

    /// The number of a word that only owners of the mutex store; an error, if a former one did.
    #[inline(always)]
    pub(super) fn number(self, word: &AtomicU64) -> Result<u64, WriteError> {
        // ORDERING: Relaxed; only the owner of the mutex stores what is of its edition.
        let found = word.load(Ordering::Relaxed);
        if mutation(552) {
            return Ok(number_of(found));
        }
        let number = self.edition.number(found);
        number.ok_or(WriteError::MembershipLost)
    }

    /// Stores such a number.
    pub(super) fn set_number(self, word: &AtomicU64, number: u64) {
        // ORDERING: Relaxed; as in `number`.
        word.store(self.edition.stamp(number), Ordering::Relaxed);
    }

    /// Changes a word, whatever it was, that only owners of the mutex change.
    pub(super) fn replace(self, word: &AtomicU64, to: u64) -> Result<(), WriteError> {
        for _ in 0..MOST_CHANGED {
            // ORDERING: Acquire; (V6): it is not a successor's.
            let found = word.load(Ordering::Acquire);
            if !mutation(556) {
                self.ask_owner()?;
            }
            // ORDERING: Release; (V3).
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            if word.compare_exchange(found, to, release, relaxed).is_ok() {
                return Ok(());
            }
        }
        Err(WriteError::MembershipLost)
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

    /// The number of blocks that so many words of content take.
    pub(super) fn blocks_of(self, words: usize) -> usize {
        words.div_ceil(self.blocks.payload).max(1)
    }

    /// The free block at a position of the ring.
    #[inline(always)]
    pub(super) fn free_at(self, position: u32) -> Result<u32, WriteError> {
        let count = self.blocks.count();
        let corrupt = WriteError::Corrupt(Corrupt {
            word: position.into(),
        });
        let word = self.blocks.ring.get(position as usize).ok_or(corrupt)?;
        let distance = self.number(word)?;
        let block = distance.wrapping_add(position.into());
        let block = block.checked_sub(count.into()).unwrap_or(block);
        match u32::try_from(block) {
            Ok(block) if block < count => Ok(block),
            _ => Err(corrupt),
        }
    }

    /// Makes a block the free one at a position of the ring.
    pub(super) fn store_free(self, position: u32, block: u32) {
        let from = u64::from(position);
        let block = u64::from(block);
        let distance = block.checked_sub(from);
        let distance = distance.unwrap_or_else(|| block + u64::from(self.blocks.count()) - from);
        self.set_number(&self.blocks.ring[position as usize], distance);
    }

    /// The position behind one of the ring.
    fn behind(self, position: u32) -> u32 {
        let next = position + 1;
        if next == self.blocks.count() { 0 } else { next }
    }

    /// The numbers of blocks that are not free, and the position of the first that is.
    #[inline(always)]
    fn ends(self) -> Result<(u32, u32), WriteError> {
        let writer = self.blocks.state.writer();
        let used = self.number(&writer.used)?;
        let first = self.number(&writer.first)?;
        let count = u64::from(self.blocks.count());
        if used > count || first >= count {
            let word = used.max(first);
            return Err(Corrupt { word }.into());
        }
        Ok((low(used), low(first)))
    }

    /// Frees the blocks of the content that a slot named. If words of another edition are found,
    /// they are left to the next owner, which sweeps.
    pub(super) fn free(self, word: SlotWord) {
        let Ok((mut used, first)) = self.ends() else {
            return;
        };
        let count = self.blocks.count();
        let free = count - used;
        let to_the_end = count - first;
        let mut position = match free < to_the_end {
            true => first + free,
            false => free - to_the_end,
        };
        let mut next = word.block();
        while let Some(block) = next
            && let Some(words) = self.blocks.block(block)
            && let Some(left) = used.checked_sub(1)
        {
            self.store_free(position, block);
            position = self.behind(position);
            used = left;
            // ORDERING: Relaxed; the owner of the mutex wrote them, or one before.
            let [lengths, version] = [1, 2].map(|word| words[word].load(Ordering::Relaxed));
            next = ((lengths >> 32) as u32).checked_sub(1).filter(|next| {
                let next = self.blocks.block(*next);
                next.is_some_and(|words| words[0].load(Ordering::Relaxed) == version)
            });
        }
        self.set_number(&self.blocks.state.writer().used, used.into());
    }

    /// Writes a content to free blocks, and leaves `spare` of them free.
    pub(super) fn fill(self, content: &NewContent<'_>, spare: u32) -> Result<Filled, WriteError> {
        let words = content.words();
        let parts = self.blocks_of(words);
        let (used, mut position) = self.ends()?;
        let free = self.blocks.count() - used;
        let asked = parts as u64;
        if asked + u64::from(spare) > u64::from(free) {
            let free = u64::from(free.saturating_sub(spare));
            return Err(WriteError::Full { asked, free });
        }
        // The last part first: the one before it has its version.
        let (mut next, mut version) = (0, Version(0));
        for part in (0..parts).rev() {
            let block = self.free_at(position)?;
            version = self.fill_block(block, content, part, next, version)?;
            position = self.behind(position);
            next = block + 1;
        }
        let writer = self.blocks.state.writer();
        self.set_number(&writer.first, position.into());
        self.set_number(&writer.used, u64::from(used) + asked);
        let word = SlotWord::new(self.edition, content.fingerprint, next - 1);
        Ok(Filled { word, version })
    }

    fn fill_block(
        self,
        block: u32,
        content: &NewContent<'_>,
        part: usize,
        next: u32,
        next_version: Version,
    ) -> Result<Version, WriteError> {
        let corrupt = Corrupt { word: block.into() };
        let words = self.blocks.block(block).ok_or(corrupt)?;
        let mut writing = Version(0);
        if !mutation(842) {
            writing = self.take(&words[0])?;
        }
        // ORDERING: Release; (V1).
        if !mutation(859) {
            fence(Ordering::Release);
        }
        // ORDERING: Relaxed; (V1) and (V3) order the words.
        let relaxed = Ordering::Relaxed;
        let lengths = (u64::from(next) << 32) | content.value.len() as u64;
        words[1].store(lengths, relaxed);
        words[2].store(next_version.0, relaxed);
        words[3].store(content.mark, relaxed);
        content.copy_in(&words[HEADER..], part * self.blocks.payload);
        if mutation(842) {
            writing = self.take(&words[0])?;
        }
        Ok(writing)
    }

    /// Gives a free block the version of its next content.
    #[inline(always)]
    fn take(self, version: &AtomicU64) -> Result<Version, WriteError> {
        for _ in 0..MOST_CHANGED {
            // ORDERING: Acquire; (V6): it is not a successor's.
            let before = version.load(Ordering::Acquire);
            if !mutation(555) {
                self.ask_owner()?;
            }
            let writing = Version(before).next();
            // ORDERING: Release; (V4). No seeded bug weakens it: the notification of the change
            // before has such a barrier.
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            if version
                .compare_exchange(before, writing.0, release, relaxed)
                .is_ok()
            {
                return Ok(writing);
            }
        }
        Err(WriteError::MembershipLost)
    }

    /// Makes a slot name what was filled: the commit. It named `from`, whose blocks are freed by
    /// the caller after this.
    pub(super) fn commit(
        self,
        slot: &AtomicU64,
        from: SlotWord,
        to: Filled,
    ) -> Result<(), WriteError> {
        if mutation(855) {
            self.mark_filled(to);
        }
        self.commit_word(slot, from.0, to.word.0, 853)?;
        self.mark_filled(to);
        Ok(())
    }

    /// Notes that what was filled is committed: a slot names it.
    pub(super) fn mark_filled(self, to: Filled) {
        let words = to.word.block().and_then(|block| self.blocks.block(block));
        if let Some(words) = words {
            self.mark_committed(words, to.version);
        }
    }

    /// Changes a word of the current table from what was found, which is of this edition: the
    /// commit.
    pub(super) fn commit_word(
        self,
        word: &AtomicU64,
        from: u64,
        to: u64,
        mutant: u32,
    ) -> Result<(), WriteError> {
        if Edition::of(from) != self.edition && !mutation(657) {
            return Err(WriteError::MembershipLost);
        }
        // ORDERING: Release; (V3), and (L1) of a list.
        let release = ordering(Ordering::Release, mutant);
        word.compare_exchange(from, to, release, Ordering::Relaxed)
            .map_err(|_| WriteError::MembershipLost)?;
        self.count_change();
        Ok(())
    }

    /// Notes in its version, which is WRITING, that a content is committed.
    pub(super) fn mark_committed(self, words: &[AtomicU64], version: Version) {
        // ORDERING: Release; (V2).
        let release = ordering(Ordering::Release, 851);
        let committed = version.with(COMMITTED).0;
        // If the CAS fails, the block is another writer's: this one was reaped.
        let _ = words[0].compare_exchange(version.0, committed, release, Ordering::Relaxed);
    }

    pub(super) fn count_change(self) {
        let changes = &self.blocks.state.writer().changes;
        // ORDERING: Release; a process that sees the change counted sees it made.
        changes.fetch_add(1, Ordering::Release);
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
    writer.first.store(1, Ordering::Relaxed);
    let version = Version(0).next().with(COMMITTED);
    let slot = SlotWord::new(Edition::of(0), 0, 0);
    ([version.0, len as u64, 0, 0], slot.0)
}

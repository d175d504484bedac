//! The sweep: all that writers keep, computed anew from the current table.
//!
//! # State
//!
//! That of [`blocks`](super). While a sweep goes on, a word of the ring says whether the block of
//! its position was found to be named.
//!
//! # Protocol
//!
//! CAS the root to its next edition, from a root that was loaded before a look at the mutex: it was
//! no successor's. CAS each word of the table to the same one of this edition: no commit of a
//! former owner succeeds there any more. Follow the blocks of each slot. A slot whose blocks are
//! none, or another slot's, has no value: it was garbage. Then put all other blocks into the ring,
//! in front of the positions that are looked at.
//!
//! # Crash
//!
//! The mutex is `OWNER_DIED` until the sweep is complete: the next owner sweeps again. A former
//! owner may store to the ring: its words have another edition, and the sweep begins again.
//!
//! # Ordering
//!
//! That of the mutex, and (V6) of [`blocks`](super).

use super::write::{WriteError, Writer};
use super::{Blocks, Edition, Shape, SlotWord, Version};
use crate::facade::{AtomicU64, Ordering, mutation};

/// How often a sweep begins again, if former owners store to the ring.
const MOST_DISTURBED: u32 = 16;

/// What the ring says of a block that is named, while a sweep goes on.
const NAMED: u64 = Edition::NUMBER;

impl<'a> Writer<'a> {
    /// Gives the object the next edition, and computes the free blocks and the lengths from the
    /// current table. Returns the writer of that edition; an error, if this process was reaped.
    #[cold]
    pub(super) fn sweep(self) -> Result<Self, WriteError> {
        let owner = self.next_edition()?;
        owner.collect()?;
        self.count_change();
        Ok(owner)
    }

    /// Gives the root the next edition.
    fn next_edition(self) -> Result<Self, WriteError> {
        loop {
            let root = self.root();
            if !self.blocks.state.lock().is_still_of(self.me) {
                return Err(WriteError::MembershipLost);
            }
            let swept = if mutation(654) { root } else { root.swept() };
            // ORDERING: Release; (V6).
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            let word = &self.blocks.state.root.0;
            if word
                .compare_exchange(root.0, swept.0, release, relaxed)
                .is_ok()
            {
                let edition = swept.edition();
                return Ok(Self { edition, ..self });
            }
            // Only a former owner changes it meanwhile: each once.
        }
    }

    /// Computes the free blocks and the lengths from the current table.
    pub(super) fn collect(self) -> Result<(), WriteError> {
        for _ in 0..MOST_DISTURBED {
            if self.collect_once()? {
                return Ok(());
            }
        }
        Err(WriteError::MembershipLost)
    }

    /// Returns false if a former owner has disturbed it.
    fn collect_once(self) -> Result<bool, WriteError> {
        // ORDERING: Relaxed; only the owner of the mutex has words of this edition.
        let relaxed = Ordering::Relaxed;
        let own = self.edition;
        for word in self.blocks.ring {
            word.store(own.stamp(0), relaxed);
        }
        let (len, slots) = self.table();
        let length = super::number_of(self.adopt(len, 655)?);
        let found = usize::try_from(length).unwrap_or(usize::MAX);
        let bound = match self.blocks.shape {
            Shape::Index | Shape::Single => slots.len(),
            Shape::List => found.min(slots.len()),
        };
        let (mut values, mut filled) = (0, 0);
        for slot in &slots[..bound] {
            let word = SlotWord(self.adopt(slot, 656)?);
            filled += u64::from(!word.is_empty());
            if word.block().is_some() && self.name(word) {
                self.mark_named(slot, word);
                values += 1;
            } else if self.blocks.shape == Shape::List {
                // A list has no holes: what follows is lost.
                break;
            } else if word.block().is_some() {
                let none = match self.blocks.shape {
                    Shape::Index => SlotWord::REMOVED,
                    Shape::List | Shape::Single => SlotWord::EMPTY,
                };
                // If the CAS fails, the slot is another writer's: this one was reaped.
                let _ = slot.compare_exchange(word.0, own.stamp(none), relaxed, relaxed);
            }
        }
        if length != values {
            let (from, to) = (own.stamp(length), own.stamp(values));
            let _ = len.compare_exchange(from, to, relaxed, relaxed);
        }
        let mut free = 0;
        for block in 0..self.blocks.count() {
            match own.number(self.blocks.ring[block as usize].load(relaxed)) {
                Some(NAMED) => {}
                Some(_) if mutation(861) => {}
                Some(_) => {
                    // Behind all that was looked at.
                    self.store_free(free, block);
                    free += 1;
                }
                None => return Ok(false),
            }
        }
        match self.put_unfinished_last(free) {
            Err(WriteError::MembershipLost) if !mutation(925) => return Ok(false),
            ordered => ordered?,
        }
        let writer = self.blocks.state.writer();
        let used = self.blocks.count() - free;
        writer.filled.store(own.stamp(filled), relaxed);
        writer.first.store(own.stamp(0), relaxed);
        writer.used.store(own.stamp(used.into()), relaxed);
        Ok(true)
    }

    /// Moves the free blocks that a writer took and did not commit to the end: if it was reaped
    /// alive, it may still write to them.
    fn put_unfinished_last(self, free: u32) -> Result<(), WriteError> {
        let is_unfinished = |block| {
            // ORDERING: Relaxed; it only decides when the block is used again.
            let version = |words: &[AtomicU64]| Version(words[0].load(Ordering::Relaxed));
            let version = self.blocks.block(block).map(version);
            version.is_some_and(|version| version.is_content() && !version.is_committed())
        };
        let (mut position, mut end) = (0, free);
        while position < end {
            let block = self.free_at(position)?;
            if !is_unfinished(block) || mutation(558) {
                position += 1;
                continue;
            }
            end -= 1;
            let last = self.free_at(end)?;
            self.store_free(position, last);
            self.store_free(end, block);
        }
        Ok(())
    }

    /// Gives a word of the current table this edition, and returns it.
    fn adopt(self, word: &AtomicU64, mutant: u32) -> Result<u64, WriteError> {
        loop {
            // ORDERING: Acquire; (V6), and what a former owner commits is found.
            let found = word.load(Ordering::Acquire);
            let own = self.edition.stamp(super::number_of(found));
            if found == own || mutation(mutant) {
                return Ok(own);
            }
            self.ask_owner()?;
            // ORDERING: Acquire; as above. Release; what was acquired is passed on to readers.
            let both = Ordering::AcqRel;
            if word
                .compare_exchange(found, own, both, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(own);
            }
        }
    }

    /// Notes that the content which a slot names is committed.
    fn mark_named(self, slot: &AtomicU64, word: SlotWord) {
        let block = word.block().and_then(|block| self.blocks.block(block));
        let Some(words) = block else { return };
        // ORDERING: Acquire; a later content shows that the slot was changed.
        let version = Version(words[0].load(Ordering::Acquire));
        if Blocks::slot(slot) == word && !version.is_committed() {
            self.mark_committed(words, version);
        }
    }

    /// Notes that the blocks of a slot are named; returns false if they are no value of its own.
    fn name(self, word: SlotWord) -> bool {
        // ORDERING: Relaxed; as above.
        let relaxed = Ordering::Relaxed;
        let Some(first) = word.block() else {
            return false;
        };
        let Some(head) = self.blocks.block(first) else {
            return false;
        };
        let [version, lengths, _, mark] = [0, 1, 2, 3].map(|word| head[word].load(relaxed));
        let (_, words) = self.blocks.content_words(lengths, mark);
        let parts = self.blocks_of(words);
        if !Version(version).is_content() || parts > self.blocks.ring.len() {
            return false;
        }
        let named = self.edition.stamp(NAMED);
        // Once to see that they belong together, and once to note it.
        self.each_part(first, parts, |found| found != named, |_| {})
            && self.each_part(
                first,
                parts,
                |_| true,
                |block| self.blocks.ring[block as usize].store(named, relaxed),
            )
    }

    /// Calls `note` for each of so many blocks of a value; returns false if they are none.
    fn each_part(
        self,
        first: u32,
        parts: usize,
        is_free: impl Fn(u64) -> bool,
        note: impl Fn(u32),
    ) -> bool {
        // ORDERING: Relaxed; as above.
        let relaxed = Ordering::Relaxed;
        let (mut block, mut version) = (first, None);
        for part in 1..=parts {
            let Some(words) = self.blocks.block(block) else {
                return false;
            };
            let is_its = version.is_none_or(|version| words[0].load(relaxed) == version);
            if !is_its || !is_free(self.blocks.ring[block as usize].load(relaxed)) {
                return false;
            }
            note(block);
            let next = (words[1].load(relaxed) >> 32) as u32;
            version = Some(words[2].load(relaxed));
            match next.checked_sub(1) {
                Some(next) if part < parts => block = next,
                None if part == parts => {}
                _ => return false,
            }
        }
        true
    }
}

//! The sweep: all that writers keep, computed anew from the current table.
//!
//! # State
//!
//! That of [`blocks`](super). The link of a block that a slot was found to name is [`NOT_FREE`].
//!
//! # Protocol
//!
//! Store the root with its next edition: a flip of a former owner fails then. Follow the
//! blocks of each slot. A slot whose blocks are none, or another slot's, has no value: it was
//! garbage. Then put all other blocks on the list of free ones.
//!
//! # Crash
//!
//! The mutex is `OWNER_DIED` until the sweep is complete: the next owner sweeps again.
//!
//! # Ordering
//!
//! That of the mutex.

use super::write::{NOT_FREE, Writer};
use super::{Blocks, Root, Shape, SlotWord, Version};
use crate::facade::{Ordering, barrier_after_rmw, mutation};

impl Writer<'_> {
    /// Computes the free blocks and the lengths from the current table.
    #[cold]
    pub(super) fn sweep(self) {
        let root = &self.blocks.state.root.0;
        if !mutation(654) {
            // ORDERING: Release; a former owner that sees it sees that it has not the mutex.
            root.fetch_add(Root::SWEPT, Ordering::Release);
        }
        // (V6)
        barrier_after_rmw();
        if !self.is_owner() {
            return;
        }
        // ORDERING: Relaxed; only the owner of the mutex accesses these.
        let relaxed = Ordering::Relaxed;
        for link in self.blocks.links {
            link.store(0, relaxed);
        }
        let (len, slots) = self.table();
        let length = len.load(relaxed);
        let found = usize::try_from(length).unwrap_or(usize::MAX);
        let bound = match self.blocks.shape {
            Shape::Index | Shape::Single => slots.len(),
            Shape::List => found.min(slots.len()),
        };
        let (mut values, mut filled) = (0, 0);
        for slot in &slots[..bound] {
            let word = Blocks::slot(slot);
            filled += u32::from(word != SlotWord::EMPTY);
            if word.block().is_some() && self.name(word) {
                self.mark_committed(word);
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
                let _ = slot.compare_exchange(word.0, none.0, relaxed, relaxed);
            }
        }
        if length != values {
            let _ = len.compare_exchange(length, values, relaxed, relaxed);
        }
        let writer = self.blocks.state.writer();
        writer.filled.store(filled, relaxed);
        writer.head.store(0, relaxed);
        writer.tail.store(0, relaxed);
        writer.fresh.store(self.blocks.count(), relaxed);
        let mut used = 0;
        for block in 0..self.blocks.count() {
            let link = &self.blocks.links[block as usize];
            if link.load(relaxed) == NOT_FREE || mutation(861) {
                used += 1;
            } else {
                self.give_back(block);
            }
        }
        writer.used.store(used, relaxed);
        self.count_change();
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
        if !Version(version).is_whole() || parts > self.blocks.links.len() {
            return false;
        }
        // Once to see that they belong together, and once to note it.
        self.each_part(first, parts, |link| link != NOT_FREE, |_| {})
            && self.each_part(
                first,
                parts,
                |_| true,
                |block| {
                    self.blocks.links[block as usize].store(NOT_FREE, relaxed);
                },
            )
    }

    /// Calls `note` for each of so many blocks of a value; returns false if they are none.
    fn each_part(
        self,
        first: u32,
        parts: usize,
        is_free: impl Fn(u32) -> bool,
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
            if !is_its || !is_free(self.blocks.links[block as usize].load(relaxed)) {
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

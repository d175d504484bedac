//! A list: the slots below the length, in order.
//!
//! # State
//!
//! That of [`blocks`](super). A table's length is that of the list.
//!
//! # Protocol
//!
//! - get: load the length, then the slot; copy; load the length again, and only then the slot.
//! - push: store the slot behind the last, then the length: the commit. As many as are pushed at
//!   once have one commit.
//! - pop: store the length: the commit.
//! - set: CAS the slot.
//! - rearrange (insert, remove, sort, retain, clear): fill the other table, flip.
//!
//! # Crash
//!
//! That of [`blocks`](super). A slot at or behind the length names nothing.
//!
//! # Ordering
//!
//! (L1) The length (Release) pairs with its loads (Acquire): the slots below it. A reader that
//! copied a block which was used again after a pop sees the shorter length, by (V2); or a later
//! one, and then by (L1) the slot that was stored before it.

use super::read::{Attempts, Content, WordBuffer};
use super::write::{NewContent, WriteError, Writer};
use super::{Blocks, Corrupt, SlotWord, number_of};
use crate::facade::{AtomicU64, Ordering, mutation};

impl Blocks<'_> {
    /// The length of a table, and its edition.
    #[inline(always)]
    fn length_word(len: &AtomicU64) -> u64 {
        // ORDERING: Acquire; pairs with (L1). No seeded bug weakens it: the fence behind the copy
        // acquires, too, before the slot is loaded again.
        len.load(Ordering::Acquire)
    }

    /// The length of a table.
    #[inline(always)]
    fn length(len: &AtomicU64) -> u64 {
        number_of(Self::length_word(len))
    }

    /// Copies a value of the list; `None` if it is not that long.
    #[inline]
    pub(crate) fn at(
        self,
        index: u64,
        out: &mut impl WordBuffer,
    ) -> Result<Option<Content>, Corrupt> {
        let mut attempts = Attempts::new();
        loop {
            let root = self.root();
            let (len, slots) = self.table(root);
            if Self::length(len) <= index {
                if self.is_current(root) {
                    return Ok(None);
                }
                continue;
            }
            let slot = usize::try_from(index).ok().and_then(|at| slots.get(at));
            let slot = slot.ok_or(Corrupt { word: index })?;
            let word = Self::slot(slot);
            let content = word
                .block()
                .and_then(|block| self.copy_out(slot, word, block, usize::MAX, out));
            if let Some(content) = content
                && (Self::length(len) > index || mutation(867))
                && self.is_still_named(&content, slot, word)
                && self.is_current(root)
            {
                return Ok(Some(content));
            }
            attempts.failed(self, root, word)?;
        }
    }
}

impl Writer<'_> {
    /// The length.
    pub(crate) fn len(self) -> usize {
        let (len, slots) = self.table();
        Self::within(Blocks::length(len), slots)
    }

    fn within(len: u64, slots: &[AtomicU64]) -> usize {
        usize::try_from(len).unwrap_or(usize::MAX).min(slots.len())
    }

    /// Stores the length: the commit of what is pushed or popped. `from` is of this edition.
    fn commit_length(self, len: &AtomicU64, from: u64, to: usize) -> Result<(), WriteError> {
        self.commit_word(len, from, self.edition.stamp(to as u64), 868)
    }

    /// The content of a value.
    fn content_of(value: &[u8]) -> NewContent<'_> {
        NewContent {
            fingerprint: 0,
            mark: 0,
            key: &[],
            value,
        }
    }

    /// Fills blocks with a value, and makes a slot behind the last name them.
    fn place(self, slot: &AtomicU64, value: &[u8]) -> Result<(), WriteError> {
        let filled = self.fill(&Self::content_of(value), self.blocks.spare())?;
        self.replace(slot, filled.word.0)
    }

    /// Appends values, all or none.
    pub(crate) fn push<'v>(
        self,
        values: impl ExactSizeIterator<Item = &'v [u8]>,
    ) -> Result<(), WriteError> {
        let (len, slots) = self.table();
        let (word, more) = (Blocks::length_word(len), values.len());
        let from = Self::within(number_of(word), slots);
        if more > slots.len() - from {
            let free = (slots.len() - from) as u64;
            return Err(WriteError::Full {
                asked: more as u64,
                free,
            });
        }
        for (at, value) in (from..).zip(values) {
            if let Err(error) = self.place(&slots[at], value) {
                slots[from..at]
                    .iter()
                    .for_each(|slot| self.free(Blocks::slot(slot)));
                return Err(error);
            }
        }
        self.commit_length(len, word, from + more)
    }

    /// Copies a value of the list.
    pub(crate) fn copy(
        self,
        index: usize,
        out: &mut impl WordBuffer,
    ) -> Result<Content, WriteError> {
        let (_, slots) = self.table();
        let corrupt = Corrupt { word: index as u64 };
        self.copy_of(slots.get(index).ok_or(corrupt)?, out)
    }

    /// Copies what a slot names.
    fn copy_of(self, slot: &AtomicU64, out: &mut impl WordBuffer) -> Result<Content, WriteError> {
        let word = Blocks::slot(slot);
        let content = word
            .block()
            .and_then(|block| self.blocks.copy_out(slot, word, block, usize::MAX, out));
        content.ok_or(Corrupt { word: word.0 }.into())
    }

    /// Copies the last value and removes it, if there is one.
    pub(crate) fn pop(self, out: &mut impl WordBuffer) -> Result<Option<Content>, WriteError> {
        let (len, slots) = self.table();
        let length = Blocks::length_word(len);
        let Some(last) = Self::within(number_of(length), slots).checked_sub(1) else {
            return Ok(None);
        };
        let word = Blocks::slot(&slots[last]);
        let content = self.copy_of(&slots[last], out);
        self.commit_length(len, length, last)?;
        self.free(word);
        content.map(Some)
    }

    /// Replaces a value; if `seen` says what it is to be, only if it still is that. Returns whether
    /// it did; `None` if the list is not that long.
    pub(crate) fn set(
        self,
        index: u64,
        seen: Option<&Content>,
        value: &[u8],
        out: &mut impl WordBuffer,
    ) -> Result<Option<bool>, WriteError> {
        let (_, slots) = self.table();
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= self.len() {
            return Ok(None);
        }
        let word = Blocks::slot(&slots[index]);
        if let Some(seen) = seen {
            let slot = &slots[index];
            let now = word
                .block()
                .and_then(|block| self.blocks.copy_out(slot, word, block, 0, out));
            if !now.is_some_and(|now| now.is(seen)) {
                return Ok(Some(false));
            }
        }
        let to = self.fill(&Self::content_of(value), 0)?;
        self.commit(&slots[index], word, to)?;
        self.free(word);
        Ok(Some(true))
    }

    /// Puts the values of the list into another order of so many: each is the value at an index, or
    /// the new one. What is not in it must be what `goes`. Does nothing, and returns false, if
    /// `changes` says that there were others since.
    pub(crate) fn rearrange(
        self,
        changes: Option<u64>,
        new: Option<&[u8]>,
        after: usize,
        order: impl Iterator<Item = Option<usize>>,
        goes: impl Fn(usize) -> bool,
    ) -> Result<bool, WriteError> {
        if changes.is_some_and(|changes| changes != self.blocks.state.changes()) {
            return Ok(false);
        }
        let root = self.root_of_owner()?;
        let (_, from) = self.blocks.table(root);
        let (len, to) = self.blocks.table(root.flipped());
        let before = self.len();
        if after > to.len() {
            return Err(WriteError::Full {
                asked: after.saturating_sub(before) as u64,
                free: (to.len() - before) as u64,
            });
        }
        let new = match new {
            Some(value) => {
                self.fill(&Self::content_of(value), self.blocks.spare())?
                    .word
                    .0
            }
            None => SlotWord::EMPTY,
        };
        self.begin_table();
        for (slot, index) in to.iter().zip(order) {
            let old = index.and_then(|index| from.get(index)).map(Blocks::slot);
            let number = number_of(old.map_or(new, |word| word.0));
            self.replace(slot, self.edition.stamp(number))?;
        }
        self.replace(len, self.edition.stamp(after as u64))?;
        self.flip(root)?;
        for (_, slot) in from
            .iter()
            .enumerate()
            .take(before)
            .filter(|(at, _)| goes(*at))
        {
            self.free(Blocks::slot(slot));
        }
        Ok(true)
    }
}

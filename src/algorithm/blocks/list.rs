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
use super::{Blocks, Corrupt, SlotWord};
use crate::facade::{AtomicU64, Ordering, mutation};

impl Blocks<'_> {
    /// The length of a table.
    #[inline(always)]
    fn length(len: &AtomicU64) -> u64 {
        // ORDERING: Acquire; pairs with (L1). No seeded bug weakens it: the fence behind the copy
        // acquires, too, before the slot is loaded again.
        len.load(Ordering::Acquire)
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
                .and_then(|block| self.copy_out(block, usize::MAX, out));
            if let Some(content) = content
                && (Self::length(len) > index || mutation(867))
                && self.counts(&content, slot, word)
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
        let len = usize::try_from(Blocks::length(len)).unwrap_or(usize::MAX);
        len.min(slots.len())
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
        // A successor's push changes the slot, or is seen by the load.
        let found = Blocks::slot(slot);
        self.ask_owner()?;
        let word = self.fill(&Self::content_of(value), self.blocks.spare())?;
        // ORDERING: Release; (V3).
        slot.compare_exchange(found.0, word.0, Ordering::Release, Ordering::Relaxed)
            .map_err(|_| WriteError::MembershipLost)?;
        Ok(())
    }

    /// Appends values, all or none.
    pub(crate) fn push<'v>(
        self,
        values: impl ExactSizeIterator<Item = &'v [u8]>,
    ) -> Result<(), WriteError> {
        let (len, slots) = self.table();
        let (from, more) = (self.len(), values.len());
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
        self.commit_length(len, from, from + more)
    }

    /// Copies a value of the list.
    pub(crate) fn copy(
        self,
        index: usize,
        out: &mut impl WordBuffer,
    ) -> Result<Content, WriteError> {
        let (_, slots) = self.table();
        let word = slots.get(index).map_or(SlotWord::EMPTY, Blocks::slot);
        let content = word
            .block()
            .and_then(|block| self.blocks.copy_out(block, usize::MAX, out));
        content.ok_or(Corrupt { word: word.0 }.into())
    }

    /// Copies the last value and removes it, if there is one.
    pub(crate) fn pop(self, out: &mut impl WordBuffer) -> Result<Option<Content>, WriteError> {
        let (len, slots) = self.table();
        let Some(last) = self.len().checked_sub(1) else {
            return Ok(None);
        };
        let word = Blocks::slot(&slots[last]);
        let content = word
            .block()
            .and_then(|block| self.blocks.copy_out(block, usize::MAX, out));
        self.commit_length(len, last + 1, last)?;
        self.free(word);
        content.ok_or(Corrupt { word: word.0 }.into()).map(Some)
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
            let now = word
                .block()
                .and_then(|block| self.blocks.copy_out(block, 0, out));
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
            Some(value) => self.fill(&Self::content_of(value), self.blocks.spare())?,
            None => SlotWord::EMPTY,
        };
        self.begin_table();
        // ORDERING: Relaxed; (V5) publishes the table.
        let relaxed = Ordering::Relaxed;
        for (slot, index) in to.iter().zip(order) {
            let old = index.and_then(|index| from.get(index)).map(Blocks::slot);
            self.ask_owner()?;
            slot.store(old.unwrap_or(new).0, relaxed);
        }
        len.store(after as u64, relaxed);
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

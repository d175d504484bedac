//! Messages of more than one cell.
//!
//! # State
//!
//! PART(v, t, head) of [`work`](super): a cell that belongs to the message that begins with cell
//! `head`, whichever process owns that cell. The length is in the head, and each cell names the
//! next.
//!
//! # Protocol
//!
//! A loan claims its parts one by one, and frees all of them if there are too few. After each part
//! it checks, by an RMW, that the head is still its own: a process that takes the head away later
//! finds the part, but a process that took it before may not have found it, so the part is freed at
//! once. To free a message, its head becomes FREEING, which is the commit; then the parts are
//! freed, then the head. The owner of the message follows the parts from one to the next; a helper
//! scans all cells, and so does an owner that found fewer parts than expected.
//!
//! To free a part, a process loads it, then checks that the head is still being freed, and frees
//! the part by a CAS that expects the word it loaded. If the message was freed by another process
//! in the meantime, either the head or the part's word has changed: a part of a later message is
//! never freed for an earlier one.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | with a loan | LOANED(v, dead) and parts of it | a reaper, as FREEING |
//! | in the parts | FREEING(v, dead) and some of the parts | a reaper |
//!
//! # Ordering
//!
//! (W6) of [`work`](super). Length and next are ordered by (W1).

use super::{CellLost, Cursor, OwnedCell, Storage, Work};
use crate::algorithm::work::layout::{CellWord, State};
use crate::facade::{Ordering, clock, mutation};
use crate::participant::Tag;
use crate::wait::on_event::TryError;

impl<P: Storage> Work<'_, P> {
    /// Loans `cells` free cells for one message.
    #[inline(always)]
    pub(crate) fn loan_span(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        cells: u32,
    ) -> Result<OwnedCell, TryError> {
        if cells == 1 {
            return self.loan(cursor, me);
        }
        self.loan_parts(cursor, me, cells)
    }

    #[cold]
    fn loan_parts(&self, cursor: &mut Cursor, me: Tag, cells: u32) -> Result<OwnedCell, TryError> {
        // A loan that claims some cells and frees them again would block others that need as many.
        if !self.has_free(cells) {
            return Err(TryError::WouldBlock);
        }
        let head = self.loan(cursor, me)?;
        let now = clock();
        let mut last = head.cell;
        for count in 1..cells {
            let part = self.claim_free(cursor, |word| self.rules.format.part(word, head.cell, now));
            let Ok(part) = part else {
                let _ = self.free(cursor, head, me, count);
                return Err(TryError::WouldBlock);
            };
            // An RMW of the head, which the process that frees it acquires: it observes the part
            // then.
            if !mutation(268) && !self.transition(head.cell, head.word, head.word) {
                self.transition(part.cell, part.word, part.word.freed());
                return Err(TryError::WouldBlock);
            }
            // ORDERING: Relaxed; (W1) orders it.
            let next = self.storage.next(last);
            next.store(part.cell.into(), Ordering::Relaxed);
            last = part.cell;
        }
        Ok(head)
    }

    /// Sets the length of a loan's message, in bytes.
    pub(crate) fn set_len(&self, head: OwnedCell, len: u64) {
        // ORDERING: Relaxed; (W1) orders it.
        self.storage.len(head.cell).store(len, Ordering::Relaxed);
    }

    /// Returns the length of a message, in bytes.
    pub(crate) fn len(&self, head: OwnedCell) -> u64 {
        // ORDERING: Relaxed; (W1) orders it.
        self.storage.len(head.cell).load(Ordering::Relaxed)
    }

    /// Returns the cell after `cell` of the message that begins with `head`; `None` if that is no
    /// part of it.
    pub(crate) fn next_part(&self, head: u32, cell: u32) -> Option<u32> {
        // ORDERING: Relaxed; (W1) orders it.
        let next = self.storage.next(cell).load(Ordering::Relaxed);
        let next = u32::try_from(next).ok()?;
        (next < self.rules.cells && self.is_part(self.load_cell(next), head)).then_some(next)
    }

    /// Frees a message or a loan of `cells` cells: acknowledges it, or gives it up.
    #[inline(always)]
    pub(crate) fn free(
        &self,
        cursor: &Cursor,
        owned: OwnedCell,
        me: Tag,
        cells: u32,
    ) -> Result<(), CellLost> {
        if cells == 1 {
            return self.ack(cursor, owned);
        }
        self.free_span(cursor, owned, me, cells)
    }

    #[cold]
    fn free_span(
        &self,
        cursor: &Cursor,
        owned: OwnedCell,
        me: Tag,
        cells: u32,
    ) -> Result<(), CellLost> {
        let freeing = owned.word.owned_by(State::Freeing, me);
        if !self.transition(owned.cell, owned.word, freeing) {
            return Err(CellLost);
        }
        let mut next = self.next_part(owned.cell, owned.cell);
        let mut freed = 1;
        while let Some(part) = next.filter(|_| freed < cells) {
            next = self.next_part(owned.cell, part);
            if !self.free_part(part, owned.cell, freeing) {
                break;
            }
            freed += 1;
        }
        if freed < cells {
            self.free_parts(owned.cell, freeing);
        }
        self.transition(owned.cell, freeing, freeing.freed());
        self.notify_free_cells(cursor);
        Ok(())
    }

    fn is_part(&self, word: CellWord, head: u32) -> bool {
        self.rules.format.is_part(word, head)
    }

    /// Frees a part, if it is one, of a message whose head has the word `freeing`; returns whether
    /// it did.
    fn free_part(&self, cell: u32, head: u32, freeing: CellWord) -> bool {
        let part = self.load_cell(cell);
        if !self.is_part(part, head) {
            return false;
        }
        let is_still = mutation(240) || self.load_cell(head) == freeing;
        is_still && self.transition(cell, part, part.freed())
    }

    /// Frees all parts of a message whose head has the word `freeing`.
    fn free_parts(&self, head: u32, freeing: CellWord) {
        for cell in 0..self.rules.cells {
            self.free_part(cell, head, freeing);
        }
    }

    /// Frees a cell of a dead participant, and its parts.
    #[cold]
    pub(super) fn free_dead(&self, cell: u32, word: CellWord) {
        let freeing = word.with_state(State::Freeing);
        let has_begun = word == freeing || self.transition(cell, word, freeing);
        // If another helper has begun, it may be stopped or killed before it has finished.
        if !has_begun && mutation(242) {
            return;
        }
        if !mutation(241) {
            self.free_parts(cell, freeing);
        }
        self.transition(cell, freeing, freeing.freed());
    }
}

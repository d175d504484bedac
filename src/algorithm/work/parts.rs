//! Messages of more than one cell.
//!
//! # State
//!
//! PART(v, t, head) of [`work`](super): a cell that belongs to the message that begins with cell `head`,
//! whoever has that one. Its length stands in the head, and each cell says which is the next.
//!
//! # Protocol
//!
//! A loan takes its parts one by one, and gives all back if there are too few. After each it looks, by an RMW,
//! whether the head is still its own: whoever takes the head away later finds the part, and who took it before
//! may not have, so that one is given back at once. To free a message, its
//! head becomes FREEING, which commits it; then the parts are freed, then the head. Whoever has the
//! message follows the parts from one to the next; a helper looks at all cells, and so does an owner
//! who did not find as many as there should be.
//!
//! Whoever frees a part reads it, then whether the head is still being freed, and frees it by a CAS that
//! expects what it read. If the message was freed by another meanwhile, either the head has gone
//! on, or the part's word has: a part of a later message is never freed for an earlier one.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | with a loan | LOANED(v, dead) and parts of it | whoever reaps, as FREEING |
//! | in the parts | FREEING(v, dead) and some of the parts | whoever reaps |
//!
//! # Ordering
//!
//! (W6) of [`work`](super). Length and next are ordered by (W1).

use super::{Cursor, Lost, Mine, Places, Work};
use crate::algorithm::work::layout::{CellWord, State};
use crate::facade::{Ordering, clock, mutation};
use crate::participant::Tag;
use crate::wait::on_event::TryError;

impl<P: Places> Work<'_, P> {
    /// Takes so many free cells for one message.
    #[inline(always)]
    pub(crate) fn loan_span(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        cells: u32,
    ) -> Result<Mine, TryError> {
        if cells == 1 {
            return self.loan(cursor, me);
        }
        self.loan_parts(cursor, me, cells)
    }

    #[cold]
    fn loan_parts(&self, cursor: &mut Cursor, me: Tag, cells: u32) -> Result<Mine, TryError> {
        // Whoever takes some and gives them back is in the way of others who want as many.
        if !self.has_room(cells) {
            return Err(TryError::WouldBlock);
        }
        let head = self.loan(cursor, me)?;
        let now = clock();
        let mut last = head.cell;
        for have in 1..cells {
            let part = self.take_free(cursor, |word| self.rules.format.part(word, head.cell, now));
            let Ok(part) = part else {
                let _ = self.free(cursor, head, me, have);
                return Err(TryError::WouldBlock);
            };
            // An RMW of the head, which whoever frees it acquires: it sees the part then.
            if !mutation(268) && !self.swap(head.cell, head.word, head.word) {
                self.swap(part.cell, part.word, part.word.freed());
                return Err(TryError::WouldBlock);
            }
            // ORDERING: Relaxed; (W1) orders it.
            let next = self.places.next(last);
            next.store(part.cell.into(), Ordering::Relaxed);
            last = part.cell;
        }
        Ok(head)
    }

    /// Says how long the message of a loan is, in bytes.
    pub(crate) fn set_len(&self, head: Mine, len: u64) {
        // ORDERING: Relaxed; (W1) orders it.
        self.places.len(head.cell).store(len, Ordering::Relaxed);
    }

    /// How long a message is, in bytes.
    pub(crate) fn len(&self, head: Mine) -> u64 {
        // ORDERING: Relaxed; (W1) orders it.
        self.places.len(head.cell).load(Ordering::Relaxed)
    }

    /// The cell after one of the message that begins with `head`; `None` if what stands there is no part
    /// of it.
    pub(crate) fn next_part(&self, head: u32, cell: u32) -> Option<u32> {
        // ORDERING: Relaxed; (W1) orders it.
        let next = self.places.next(cell).load(Ordering::Relaxed);
        let next = u32::try_from(next).ok()?;
        (next < self.rules.cells && self.is_part(self.look(next), head)).then_some(next)
    }

    /// Frees a message, or a loan, of so many cells: acknowledges it, or gives it up.
    #[inline(always)]
    pub(crate) fn free(
        &self,
        cursor: &Cursor,
        mine: Mine,
        me: Tag,
        cells: u32,
    ) -> Result<(), Lost> {
        if cells == 1 {
            return self.ack(cursor, mine);
        }
        self.free_span(cursor, mine, me, cells)
    }

    #[cold]
    fn free_span(&self, cursor: &Cursor, mine: Mine, me: Tag, cells: u32) -> Result<(), Lost> {
        let freeing = mine.word.held(State::Freeing, me);
        if !self.swap(mine.cell, mine.word, freeing) {
            return Err(Lost);
        }
        let mut next = self.next_part(mine.cell, mine.cell);
        let mut freed = 1;
        while let Some(part) = next.filter(|_| freed < cells) {
            next = self.next_part(mine.cell, part);
            if !self.free_part(part, mine.cell, freeing) {
                break;
            }
            freed += 1;
        }
        if freed < cells {
            self.free_parts(mine.cell, freeing);
        }
        self.swap(mine.cell, freeing, freeing.freed());
        self.tell_of_room(cursor);
        Ok(())
    }

    fn is_part(&self, word: CellWord, head: u32) -> bool {
        self.rules.format.is_part(word, head)
    }

    /// Frees a part, if it is one, of a message whose head is at `freeing`; whether it did.
    fn free_part(&self, cell: u32, head: u32, freeing: CellWord) -> bool {
        let part = self.look(cell);
        if !self.is_part(part, head) {
            return false;
        }
        let is_still = mutation(240) || self.look(head) == freeing;
        is_still && self.swap(cell, part, part.freed())
    }

    /// Frees all parts of a message whose head is at `freeing`.
    fn free_parts(&self, head: u32, freeing: CellWord) {
        for cell in 0..self.rules.cells {
            self.free_part(cell, head, freeing);
        }
    }

    /// Frees a cell that is a dead participant's, and its parts.
    #[cold]
    pub(super) fn free_of_dead(&self, cell: u32, word: CellWord) {
        let freeing = word.at(State::Freeing);
        let begins = word == freeing || self.swap(cell, word, freeing);
        // If another helper has begun, that one may be stopped, or dead, before it is through.
        if !begins && mutation(242) {
            return;
        }
        if !mutation(241) {
            self.free_parts(cell, freeing);
        }
        self.swap(cell, freeing, freeing.freed());
    }
}

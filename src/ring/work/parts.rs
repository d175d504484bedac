//! Messages of more than one cell.
//!
//! # State
//!
//! PART(v, head) of [`work`](super): a cell that belongs to the message that begins with cell `head`,
//! whoever has that one. Which part comes after which is in the cells themselves, and the typed
//! handles' own.
//!
//! # Protocol
//!
//! A loan takes its parts one by one. To free a message, its head becomes FREEING, which commits it;
//! then the parts are freed, then the head. Whoever has the message frees the parts that it knows of;
//! a helper looks at all cells.
//!
//! A helper reads a part, then whether the head is still being freed, and frees the part by a CAS that
//! expects what it read. If the message was freed by another meanwhile, either the head has gone
//! on, or the part's version has: a part of a later message is never freed for an earlier one.
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
//! (W6) of [`work`](super).

use super::{Cursor, Lost, Mine, Places, Work};
use crate::facade::mutation;
use crate::layout::Tag;
use crate::layout::work::{CellWord, State};
use crate::ring::wait::Refused;

impl<P: Places> Work<'_, P> {
    /// Takes a free cell as a part of the message that begins with `head`, which is the caller's loan.
    pub(crate) fn add_part(&self, cursor: &mut Cursor, head: Mine) -> Result<u32, Refused> {
        self.take_free(cursor, |word| word.part_of(head.cell))
            .map(|mine| mine.cell)
    }

    /// Whether `cell` is a part of the message that begins with `head`.
    pub(crate) fn is_part(&self, cell: u32, head: u32) -> bool {
        cell < self.rules.cells && self.look(cell).is_part_of(head)
    }

    /// Frees a message or a loan, and its parts: acknowledges it, or gives it up.
    pub(crate) fn free(
        &self,
        cursor: &Cursor,
        mine: Mine,
        me: Tag,
        parts: impl Iterator<Item = u32>,
        count: u32,
    ) -> Result<(), Lost> {
        let freeing = mine.word.held(State::Freeing, me);
        if !self.swap(mine.cell, mine.word, freeing) {
            return Err(Lost);
        }
        let mut freed = 0;
        for part in parts {
            if part < self.rules.cells && self.free_part(part, mine.cell, freeing) {
                freed += 1;
            }
        }
        if freed < count {
            self.free_parts(mine.cell, freeing);
        }
        self.swap(mine.cell, freeing, freeing.freed());
        self.state.common.0.room.ring_all();
        self.tell_of_room(cursor);
        Ok(())
    }

    /// Frees a part, if it is one, of a message whose head is at `freeing`; whether it did.
    fn free_part(&self, cell: u32, head: u32, freeing: CellWord) -> bool {
        let part = self.look(cell);
        if !part.is_part_of(head) {
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
    pub(super) fn free_of_dead(&self, cell: u32, word: CellWord, dead: Tag) {
        let freeing = word.held(State::Freeing, dead);
        if word != freeing && !self.swap(cell, word, freeing) {
            return;
        }
        if !mutation(241) {
            self.free_parts(cell, freeing);
        }
        self.swap(cell, freeing, freeing.freed());
    }
}

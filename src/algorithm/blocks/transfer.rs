//! Copying all values to a larger object, which takes the place of this one: see
//! [`growth`](crate::algorithm::manager::growth).
//!
//! # State
//!
//! That of [`blocks`](super), twice. No process has the larger one yet.
//!
//! # Protocol
//!
//! Fill blocks of the larger one with each content, and let a slot of its first table name them: of
//! an index the first empty one from the home of its key, of others the one of the same number. The
//! count of changes is one more: the growth itself.
//!
//! # Crash
//!
//! What was copied is no object's, as in an unfinished creation.
//!
//! # Ordering
//!
//! The publication of the larger one orders all; the mutex of this one keeps its values as they
//! are.

use super::read::{WordBuffer, bytes_of};
use super::write::{NewContent, WriteError, Writer};
use super::{Blocks, Corrupt, Shape, number_of};
use crate::facade::Ordering;

impl Writer<'_> {
    /// Copies all values to an object of the same shape whose words are all 0.
    pub(crate) fn copy_to(
        self,
        larger: Blocks<'_>,
        out: &mut impl WordBuffer,
    ) -> Result<(), WriteError> {
        let to = Writer::new(larger, self.me);
        let (to_len, to_slots) = to.table();
        let (len, slots) = self.table();
        // ORDERING: Relaxed; only the owner of the mutex stores them, and the larger ones are
        // published later.
        let relaxed = Ordering::Relaxed;
        let bound = match self.blocks.shape {
            Shape::List => usize::try_from(number_of(len.load(relaxed))).unwrap_or(usize::MAX),
            Shape::Index | Shape::Single => slots.len(),
        };
        let (mut values, mut filled) = (0_u64, 0);
        for (at, slot) in slots.iter().enumerate().take(bound) {
            let word = Blocks::slot(slot);
            let Some(block) = word.block() else { continue };
            let content = self.blocks.copy_out(slot, word, block, usize::MAX, out);
            let content = content.ok_or(Corrupt { word: word.0 })?;
            let (key, value) = out.words().split_at(content.key_words);
            let new = NewContent {
                fingerprint: word.fingerprint(),
                mark: content.mark,
                key,
                value: bytes_of(value, content.len),
            };
            let named = to.fill(&new, 0)?;
            let at = match self.blocks.shape {
                Shape::Index => to.empty_slot(content.mark),
                Shape::List | Shape::Single => at,
            };
            let slot = to_slots.get(at).ok_or(Corrupt { word: word.0 })?;
            slot.store(named.word.0, relaxed);
            to.mark_filled(named);
            values += 1;
            filled += 1;
        }
        to.set_number(to_len, values);
        to.set_number(&larger.state.writer().filled, filled);
        let (from, to) = (self.blocks.state.writer(), larger.state.writer());
        // ORDERING: Relaxed; as above.
        let changes = from.changes.load(relaxed);
        to.changes.store(changes.wrapping_add(1), relaxed);
        Ok(())
    }

    /// The first empty slot for a key of this mark, in the table of an object without changes.
    fn empty_slot(self, mark: u64) -> usize {
        let (_, slots) = self.table();
        let home = self.blocks.home(mark);
        let mut places = (0..slots.len()).map(|step| (home + step) & (slots.len() - 1));
        let is_empty = |at: &usize| Blocks::slot(&slots[*at]).is_empty();
        places.find(is_empty).unwrap_or(usize::MAX)
    }
}

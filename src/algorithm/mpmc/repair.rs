//! Giving back what a dead participant has in a slot ring.
//!
//! # State
//!
//! That of [`slots`](super).
//!
//! # Protocol
//!
//! Look at every slot: what the dead one was writing is skipped, what it was reading is left as an
//! orphan. Then, if an orphan was seen, whoever left it: the epoch; then the ends; then wake all. A
//! sender that comes to a slot of the dead does its part of it, see [`walk`](super::walk).
//!
//! # Crash
//!
//! Any number do this at once, and each step is a CAS whose expected value has the dead one's tag.
//! Killed anywhere, the dead one is still to be reaped, and the next to do so sees every orphan again:
//! also those of which a sender that was killed has told nobody.
//!
//! # Ordering
//!
//! (Q4) of [`slots`](super).

use super::walk::Found;
use super::{Cursor, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::facade::{Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;

impl<S: Slots> Ring<'_, S> {
    /// Gives back what participant `dead` has, and wakes whom it may have owed a wake.
    pub(crate) fn recover(&self, dead: Tag) {
        let mut orphans = false;
        for index in 0..self.geometry.capacity() {
            let word = self.look(index);
            match word.state() {
                Some(State::Orphan) => orphans |= !mutation(122),
                Some(State::Writing) if word.is_of(dead) => {
                    let free = Word::new(word.lap().wrapping_add(1), State::Free);
                    self.swap(index, word, free);
                }
                Some(State::Reading) if word.is_of(dead) && !mutation(114) => {
                    self.swap(index, word, Word::new(word.lap(), State::Orphan));
                    orphans = true;
                }
                _ => {}
            }
        }
        if orphans && !mutation(115) {
            self.tell_of_orphans();
        }
        self.endpoints().recover(dead);
        if !mutation(117) {
            self.wake_all();
        }
    }

    /// Has every receiver look for orphans; to be called after they were left.
    pub(super) fn tell_of_orphans(&self) {
        // ORDERING: Release; (Q4).
        let release = ordering(Ordering::Release, 116);
        self.state.common.0.epoch.fetch_add(1, release);
    }

    /// Whether there is no item, at some moment of this call: those that are being sent, and those that
    /// are to be delivered again, are there; those that are being received are not.
    pub(crate) fn is_empty(&self, cursor: &mut Cursor) -> Result<bool, TryError> {
        let is_empty = match self.find(Endpoint::Receiver, &mut cursor.head)? {
            Found::Open(_) => false,
            Found::Busy(word, _) => word.state() == Some(State::Reading),
            Found::Shut => true,
        };
        Ok(is_empty && !self.has_orphans(cursor))
    }

    /// About how many items are there; exact while nobody is at work.
    pub(crate) fn len(&self, cursor: &mut Cursor) -> Result<u64, TryError> {
        self.find(Endpoint::Sender, &mut cursor.tail)?;
        self.find(Endpoint::Receiver, &mut cursor.head)?;
        let items = self.geometry.distance(cursor.head, cursor.tail);
        if self.epoch() == cursor.epoch {
            return Ok(items);
        }
        // Those that are not before the head are among the items.
        let (end, lap) = (
            self.geometry.index(cursor.head),
            self.geometry.lap(cursor.head),
        );
        let orphans = (0..self.geometry.capacity()).filter(|index| {
            let word = self.look(*index);
            let ahead = word.laps_after(lap);
            let is_before = ahead < 0 || ahead == 0 && *index < end;
            is_before && word.state() == Some(State::Orphan)
        });
        Ok((items + orphans.count() as u64).min(self.geometry.capacity()))
    }
}

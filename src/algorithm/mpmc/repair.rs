//! Recovery of the slots of a dead participant.
//!
//! # State
//!
//! That of [`mpmc`](super).
//!
//! # Protocol
//!
//! Load every slot: a slot that the dead participant was writing is skipped, a slot that it was
//! reading becomes an orphan. Then, if an orphan was observed, whichever process left it, advance
//! the epoch; then recover the endpoint counts; then wake all waiters. A sender that comes to a
//! dead owner's slot does its part of this, see [`walk`](super::walk).
//!
//! # Crash
//!
//! Any number of processes do this at once, and each step is a CAS whose expected value has the
//! dead participant's tag. If a reaper is killed anywhere, the dead participant is still to be
//! reaped, and the next reaper observes every orphan again: also an orphan that a killed sender
//! left without advancing the epoch.
//!
//! # Ordering
//!
//! (Q4) of [`mpmc`](super).

use super::walk::Lookup;
use super::{Cursor, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::facade::{Ordering, mutation, ordering};
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;

impl<S: Slots> Ring<'_, S> {
    /// Recovers the slots of the participant `dead`, and wakes each sleeper that it may have owed a
    /// wake.
    pub(crate) fn recover(&self, dead: Tag) {
        let mut orphans = false;
        for index in 0..self.geometry.capacity() {
            let word = self.load_word(index);
            match word.state() {
                Some(State::Orphan) => orphans |= !mutation(122),
                Some(State::Writing) if word.is_of(dead) => {
                    let free = Word::new(word.lap().wrapping_add(1), State::Free);
                    self.transition(index, word, free);
                }
                Some(State::Reading) if word.is_of(dead) && !mutation(114) => {
                    self.transition(index, word, Word::new(word.lap(), State::Orphan));
                    orphans = true;
                }
                _ => {}
            }
        }
        if orphans && !mutation(115) {
            self.advance_epoch();
        }
        self.endpoints().recover(dead);
        if !mutation(117) {
            self.wake_all();
        }
    }

    /// Makes every receiver search for orphans; to be called after they were left.
    pub(super) fn advance_epoch(&self) {
        // ORDERING: Release; (Q4).
        let release = ordering(Ordering::Release, 116);
        self.state.common.0.epoch.fetch_add(1, release);
    }

    /// Returns whether the queue was empty at some moment of this call. Items that are being sent
    /// or are to be redelivered count, items that are being received do not.
    pub(crate) fn is_empty(&self, cursor: &mut Cursor) -> Result<bool, TryError> {
        let is_empty = match self.find_next(Endpoint::Receiver, &mut cursor.head)? {
            Lookup::Claimable(_) => false,
            Lookup::Busy(word, _) => word.state() == Some(State::Reading),
            Lookup::Exhausted => true,
        };
        Ok(is_empty && !self.has_orphans(cursor))
    }

    /// Returns the approximate number of items; exact while no operation is in progress.
    pub(crate) fn len(&self, cursor: &mut Cursor) -> Result<u64, TryError> {
        self.find_next(Endpoint::Sender, &mut cursor.tail)?;
        self.find_next(Endpoint::Receiver, &mut cursor.head)?;
        let items = self.geometry.distance(cursor.head, cursor.tail);
        if self.epoch() == cursor.epoch {
            return Ok(items);
        }
        // Orphans at or after the head are among the items.
        let (end, lap) = (
            self.geometry.index(cursor.head),
            self.geometry.lap(cursor.head),
        );
        let orphans = (0..self.geometry.capacity()).filter(|index| {
            let word = self.load_word(*index);
            let ahead = word.laps_after(lap);
            let is_before = ahead < 0 || ahead == 0 && *index < end;
            is_before && word.state() == Some(State::Orphan)
        });
        Ok((items + orphans.count() as u64).min(self.geometry.capacity()))
    }
}

//! The walk to the next slot, past slots that other processes have claimed.
//!
//! # State
//!
//! That of [`mpmc`](super). A walker's position is its own; the shared hints are only hints.
//!
//! # Protocol
//!
//! - a slot that is claimed for the own endpoint in this lap, or is in a later lap: go on
//! - a slot that may be claimed: claim it
//! - caught up with the other endpoint after several steps: let it get ahead, and load the slot
//!   once more
//! - a slot with an owner: load it a few times; then check once whether its owner is alive. If the
//!   owner is dead, a receiver or sender skips a slot that was being written; of an item that was
//!   being read, a receiver claims it and a sender orphans it: the word to ORPHAN, then the epoch,
//!   then the event counts. If the owner is alive, the walk ends there: what is behind the slot is
//!   not examined. A receiver whose next slot is still being read in the lap before has found no
//!   item: no sender has come there
//! - now and then, and wherever the words are inconsistent, load the shared hint: it is believed if
//!   the slot before it was claimed. Words that are inconsistent there as well are corrupt.
//!
//! # Crash
//!
//! A walker holds nothing until its CAS, which puts its tag into the word. What it skips, claims or
//! orphans of a dead owner is one CAS as well, whose expected value has the dead owner's tag and
//! lap. A walker that is killed leaves the slot as it found or changed it. A walker that is killed
//! between an orphan and the epoch leaves an orphan that is not searched for, until the walker is
//! itself reaped: see [`repair`](super::repair). If it is stopped there, receivers find the orphan
//! when they wrap around to it.
//!
//! # Ordering
//!
//! (Q3), (Q4) and (M3) of [`mpmc`](super).

use super::{CheckedOwner, Claim, Cursor, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{Position, State, Word};
use crate::facade::{Ordering, ShortSpin, mutation, ordering};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;

/// The slot at which a walk ends.
pub(super) enum Lookup {
    /// A slot that may be claimed, and its word.
    Claimable(Word),
    /// The ring is full, or empty, from here on.
    Exhausted,
    /// The next slot has an owner.
    Busy(Word, Tag),
}

impl<S: Slots> Ring<'_, S> {
    /// Claims the next slot for an endpoint, by walking to it and recovering the slots of dead
    /// owners on the way.
    #[cold]
    pub(super) fn claim_next(
        &self,
        endpoint: Endpoint,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        let me = peers.me();
        let mut spin = ShortSpin::new();
        let mut reaped = false;
        let Cursor {
            tail,
            head,
            alive,
            caught_up: [full, empty],
            ..
        } = cursor;
        let (at, caught_up) = match endpoint {
            Endpoint::Sender => (tail, full),
            Endpoint::Receiver => (head, empty),
        };
        loop {
            let found = self.find_next(endpoint, at)?;
            let index = self.geometry.index(*at);
            let (word, tag) = match found {
                Lookup::Exhausted => {
                    let steps = at.0.saturating_sub(caught_up.0);
                    *caught_up = *at;
                    if ShortSpin::follow(steps) {
                        continue;
                    }
                    return Err(TryError::WouldBlock);
                }
                Lookup::Claimable(word) => {
                    let owned = match endpoint {
                        Endpoint::Sender => State::Writing,
                        Endpoint::Receiver => State::Reading,
                    };
                    if self.transition(index, word, Word::owned(word.lap(), owned, me)) {
                        // An orphan of the lap before is not the item of this position.
                        if word.lap() == self.geometry.lap(*at) {
                            *at = self.advance(endpoint, *at);
                        }
                        let redelivered = word.state() == Some(State::Orphan);
                        return Ok(Claim::new(index, word.lap(), redelivered));
                    }
                    continue;
                }
                Lookup::Busy(word, tag) => (word, tag),
            };
            let steps = at.0.saturating_sub(caught_up.0);
            *caught_up = *at;
            if ShortSpin::follow(steps) {
                continue;
            }
            let slot = CheckedOwner {
                index,
                word: word.0,
            };
            let was_alive = *alive == slot || mutation(506) && alive.word == slot.word;
            if was_alive {
                if !reaped && peers.reap(false) {
                    reaped = true;
                    continue;
                }
                return Err(Self::busy(endpoint, word));
            }
            if spin.wait() {
                continue;
            }
            if peers.is_alive(tag) && !mutation(108) {
                peers.sleeps_for(tag);
                *alive = slot;
                return Err(Self::busy(endpoint, word));
            }
            match word.state() {
                Some(State::Writing) if !mutation(109) => self.skip(index, word),
                Some(State::Reading) if endpoint == Endpoint::Receiver => {
                    if self.transition(index, word, Word::owned(word.lap(), State::Reading, me)) {
                        return Ok(Claim::new(index, word.lap(), true));
                    }
                }
                Some(State::Reading) if !mutation(119) => self.orphan_item(index, word),
                // No other state has an owner.
                _ => return Err(TryError::WouldBlock),
            }
        }
    }

    /// Returns the error for a next slot whose owner is alive.
    fn busy(endpoint: Endpoint, word: Word) -> TryError {
        match (endpoint, word.state()) {
            // The item of the lap before is being received: none was sent to this slot yet.
            (Endpoint::Receiver, Some(State::Reading)) => TryError::WouldBlock,
            _ => TryError::Busy,
        }
    }

    /// Frees a slot whose sender died before its commit, or gives it back. Both endpoints may have
    /// waiters for it: senders that wrapped around to it, and receivers of items behind it.
    pub(super) fn skip(&self, index: u64, word: Word) {
        let free = Word::new(word.lap().wrapping_add(1), State::Free);
        if !self.transition(index, word, free) || mutation(110) {
            return;
        }
        if !mutation(730) {
            self.state.event(Endpoint::Sender).notify_all();
        }
        if !mutation(731) {
            self.state.event(Endpoint::Receiver).notify_all();
        }
    }

    /// Leaves the item of a receiver that died before its commit as an orphan.
    pub(super) fn orphan_item(&self, index: u64, word: Word) {
        if !self.transition(index, word, Word::new(word.lap(), State::Orphan)) {
            return;
        }
        if !mutation(120) {
            self.advance_epoch();
        }
        if !mutation(121) {
            self.notify_all();
        }
    }

    /// Walks to the next slot for an endpoint.
    pub(super) fn find_next(
        &self,
        endpoint: Endpoint,
        at: &mut Position,
    ) -> Result<Lookup, TryError> {
        let mut steps = 0_u32;
        loop {
            let word = self.load_word(self.geometry.index(*at));
            let state = word.state().ok_or(TryError::Corrupt)?;
            let ahead = word.laps_after(self.geometry.lap(*at));
            let open = Ok(Lookup::Claimable(word));
            let busy = || match word.tag(self.participants()) {
                Some(tag) => Ok(Lookup::Busy(word, tag)),
                None => Err(TryError::Corrupt),
            };
            match (endpoint, ahead, state) {
                (Endpoint::Sender, 0, State::Free) => return open,
                (Endpoint::Receiver, 0, State::Ready | State::Orphan) => return open,
                (Endpoint::Receiver, 0, State::Free) => return Ok(Lookup::Exhausted),
                (Endpoint::Receiver, 0, State::Writing) => return busy(),
                (Endpoint::Receiver, -1, State::Orphan) => return open,
                (Endpoint::Receiver, -1, State::Reading) => return busy(),
                (Endpoint::Sender, -1, State::Ready | State::Orphan) => {
                    return Ok(Lookup::Exhausted);
                }
                (Endpoint::Sender, -1, State::Writing | State::Reading) => return busy(),
                (_, 0, _) => {}
                (_, 1.., _) if ahead <= self.geometry.max_laps_behind() => {}
                // Far from this handle's position: the handle was idle for long, or the word is
                // corrupt.
                _ if self.follow_hint(endpoint, at)? => continue,
                _ => return Err(TryError::Corrupt),
            }
            *at = self.geometry.next(*at);
            steps += 1;
            if steps % 4 == 1 {
                self.follow_hint(endpoint, at)?;
            }
        }
    }

    /// Moves to the position of the shared hint if that is further; returns whether it was.
    fn follow_hint(&self, endpoint: Endpoint, at: &mut Position) -> Result<bool, TryError> {
        // ORDERING: Acquire; (Q3).
        let acquire = ordering(Ordering::Acquire, 111);
        let hint = Position(self.state.hint(endpoint).load(acquire));
        if hint <= *at {
            return Ok(false);
        }
        // The process that set the hint had claimed the slot before it.
        let before = self.geometry.previous(hint).ok_or(TryError::Corrupt)?;
        let word = self.load_word(self.geometry.index(before));
        let is_claimed = match (word.laps_after(self.geometry.lap(before)), word.state()) {
            (0, Some(State::Free)) => false,
            (0, Some(State::Writing | State::Ready)) => endpoint == Endpoint::Sender,
            (ahead, state) => ahead >= 0 && state.is_some(),
        };
        if !is_claimed {
            return Err(TryError::Corrupt);
        }
        *at = hint;
        Ok(true)
    }

    /// Claims an orphan, if there is one.
    #[cold]
    pub(super) fn claim_orphan(&self, me: Tag) -> Option<Claim> {
        (0..self.geometry.capacity()).find_map(|index| {
            let word = self.load_word(index);
            let lap = word.lap();
            let taken = word.state() == Some(State::Orphan)
                && self.transition(index, word, Word::owned(lap, State::Reading, me));
            taken.then_some(Claim::new(index, lap, true))
        })
    }
}

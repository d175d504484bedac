//! Walking to the next slot of a slot ring, past those that others have claimed.
//!
//! # State
//!
//! That of [`slots`](super). A walker's position is its own; the shared hints are no more than hints.
//!
//! # Protocol
//!
//! - a slot that is claimed for the own side in this lap, or is in a later lap: go on
//! - a slot that may be claimed: claim it
//! - caught up with the other side after several steps: let it get ahead, and look once more
//! - a slot that somebody is at work in: look a few times; then ask once whether its owner lives. If
//!   not, skip it; or take its item, as a receiver, or leave it as an orphan, as a sender: the word
//!   to ORPHAN, then the epoch, then the event counts. If it lives, the walk ends there: what stands behind
//!   the slot is not looked at. A receiver whose next slot is still being read in the lap before has
//!   found nothing: no sender has come there
//! - now and then, and wherever the words make no sense, look at the shared hint: it is believed if
//!   the slot before it was claimed. Words that make no sense there either are garbage.
//!
//! # Crash
//!
//! A walker holds nothing until its CAS, which puts its tag into the word; what it skips or takes
//! from the dead, or leaves as an orphan, is one CAS as well, whose expected value has the dead one's
//! tag and lap. Killed anywhere it leaves what it found, or what it made of it. Killed between an
//! orphan and the epoch it leaves one that nobody looks for, until it is itself reaped: see
//! [`repair`](super::repair). Stopped there, receivers find the orphan when they come round to it.
//!
//! # Ordering
//!
//! (Q3), (Q4) and (M3) of [`slots`](super).

use super::{Asked, Claim, Cursor, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{Position, State, Word};
use crate::facade::{Ordering, Patience, mutation, ordering};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;

/// What a walker found.
pub(super) enum Found {
    /// A slot to be claimed, and its word.
    Open(Word),
    /// The ring ends here for now.
    Shut,
    /// Somebody is at work in the slot that would be next.
    Busy(Word, Tag),
}

impl<S: Slots> Ring<'_, S> {
    /// Claims the next slot for a side, by walking to it and clearing what dead ones left there.
    #[cold]
    pub(super) fn search(
        &self,
        side: Endpoint,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        let mut patience = Patience::new();
        let mut reaped = false;
        let Cursor {
            tail,
            head,
            alive,
            caught_up: [full, empty],
            ..
        } = cursor;
        let (at, caught_up) = match side {
            Endpoint::Sender => (tail, full),
            Endpoint::Receiver => (head, empty),
        };
        loop {
            let found = self.find(side, at)?;
            let index = self.geometry.index(*at);
            let (word, tag) = match found {
                Found::Shut => {
                    let steps = at.0.saturating_sub(caught_up.0);
                    *caught_up = *at;
                    if Patience::follow(steps) {
                        continue;
                    }
                    return Err(TryError::WouldBlock);
                }
                Found::Open(word) => {
                    let held = match side {
                        Endpoint::Sender => State::Writing,
                        Endpoint::Receiver => State::Reading,
                    };
                    if self.swap(index, word, Word::held(word.lap(), held, me)) {
                        // An orphan of the lap before is not what stands at this position.
                        if word.lap() == self.geometry.lap(*at) {
                            *at = self.passed(side, *at);
                        }
                        let again = word.state() == Some(State::Orphan);
                        return Ok(Claim::new(index, word.lap(), again));
                    }
                    continue;
                }
                Found::Busy(word, tag) => (word, tag),
            };
            let steps = at.0.saturating_sub(caught_up.0);
            *caught_up = *at;
            if Patience::follow(steps) {
                continue;
            }
            let slot = Asked {
                index,
                word: word.0,
            };
            let is_known = *alive == slot || mutation(506) && alive.word == slot.word;
            if is_known {
                if !reaped && peers.reap(false) {
                    reaped = true;
                    continue;
                }
                return Err(Self::busy(side, word));
            }
            if patience.wait() {
                continue;
            }
            if peers.is_alive(tag) && !mutation(108) {
                peers.sleeps_for(tag);
                *alive = slot;
                return Err(Self::busy(side, word));
            }
            match word.state() {
                Some(State::Writing) if !mutation(109) => self.skip(index, word),
                Some(State::Reading) if side == Endpoint::Receiver => {
                    if self.swap(index, word, Word::held(word.lap(), State::Reading, me)) {
                        return Ok(Claim::new(index, word.lap(), true));
                    }
                }
                Some(State::Reading) if !mutation(119) => self.leave(index, word),
                // Nobody else is at work in a slot.
                _ => return Err(TryError::WouldBlock),
            }
        }
    }

    /// What it means that somebody alive is at work in the slot that would be next.
    fn busy(side: Endpoint, word: Word) -> TryError {
        match (side, word.state()) {
            // The item of the lap before is being received: none was sent to this place yet.
            (Endpoint::Receiver, Some(State::Reading)) => TryError::WouldBlock,
            _ => TryError::Busy,
        }
    }

    /// Frees a slot whose sender died before it committed, or gives it back. Both sides may sleep for it:
    /// senders that came round to it, and receivers of what is behind it.
    pub(super) fn skip(&self, index: u64, word: Word) {
        let free = Word::new(word.lap().wrapping_add(1), State::Free);
        if !self.swap(index, word, free) || mutation(110) {
            return;
        }
        if !mutation(730) {
            self.state.event(Endpoint::Sender).notify_all();
        }
        if !mutation(731) {
            self.state.event(Endpoint::Receiver).notify_all();
        }
    }

    /// Leaves the item of a receiver that died before it committed to whoever comes first.
    pub(super) fn leave(&self, index: u64, word: Word) {
        if !self.swap(index, word, Word::new(word.lap(), State::Orphan)) {
            return;
        }
        if !mutation(120) {
            self.tell_of_orphans();
        }
        if !mutation(121) {
            self.notify_all();
        }
    }

    /// Walks to where a side can go on, or cannot.
    pub(super) fn find(&self, side: Endpoint, at: &mut Position) -> Result<Found, TryError> {
        let mut steps = 0_u32;
        loop {
            let word = self.look(self.geometry.index(*at));
            let state = word.state().ok_or(TryError::Corrupt)?;
            let ahead = word.laps_after(self.geometry.lap(*at));
            let open = Ok(Found::Open(word));
            let busy = || match word.tag(self.participants()) {
                Some(tag) => Ok(Found::Busy(word, tag)),
                None => Err(TryError::Corrupt),
            };
            match (side, ahead, state) {
                (Endpoint::Sender, 0, State::Free) => return open,
                (Endpoint::Receiver, 0, State::Ready | State::Orphan) => return open,
                (Endpoint::Receiver, 0, State::Free) => return Ok(Found::Shut),
                (Endpoint::Receiver, 0, State::Writing) => return busy(),
                (Endpoint::Receiver, -1, State::Orphan) => return open,
                (Endpoint::Receiver, -1, State::Reading) => return busy(),
                (Endpoint::Sender, -1, State::Ready | State::Orphan) => return Ok(Found::Shut),
                (Endpoint::Sender, -1, State::Writing | State::Reading) => return busy(),
                (_, 0, _) => {}
                (_, 1.., _) if ahead <= self.geometry.laps_behind_at_most() => {}
                // Far from where this handle is: it was idle for long, or this is garbage.
                _ if self.jump(side, at)? => continue,
                _ => return Err(TryError::Corrupt),
            }
            *at = self.geometry.next(*at);
            steps += 1;
            if steps % 4 == 1 {
                self.jump(side, at)?;
            }
        }
    }

    /// Goes to where the shared hint says, if that is further; whether it was.
    fn jump(&self, side: Endpoint, at: &mut Position) -> Result<bool, TryError> {
        // ORDERING: Acquire; (Q3).
        let acquire = ordering(Ordering::Acquire, 111);
        let hint = Position(self.state.hint(side).load(acquire));
        if hint <= *at {
            return Ok(false);
        }
        // Whoever set it had claimed the slot before it.
        let before = self.geometry.previous(hint).ok_or(TryError::Corrupt)?;
        let word = self.look(self.geometry.index(before));
        let is_claimed = match (word.laps_after(self.geometry.lap(before)), word.state()) {
            (0, Some(State::Free)) => false,
            (0, Some(State::Writing | State::Ready)) => side == Endpoint::Sender,
            (ahead, state) => ahead >= 0 && state.is_some(),
        };
        if !is_claimed {
            return Err(TryError::Corrupt);
        }
        *at = hint;
        Ok(true)
    }

    /// Claims an item whose taker died, if there is one.
    #[cold]
    pub(super) fn orphan(&self, me: Tag) -> Option<Claim> {
        (0..self.geometry.capacity()).find_map(|index| {
            let word = self.look(index);
            let lap = word.lap();
            let taken = word.state() == Some(State::Orphan)
                && self.swap(index, word, Word::held(lap, State::Reading, me));
            taken.then_some(Claim::new(index, lap, true))
        })
    }
}

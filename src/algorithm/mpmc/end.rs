//! The end of a ring: when a receiver is told that no item will come.
//!
//! # State
//!
//! That of [`mpmc`](super): its [endpoint counts](crate::participant::endpoints), and the words of
//! all slots.
//!
//! # Protocol
//!
//! A ring has ended when it is closed, or its last counted sender has left. An item can come all
//! the same: an item that is being written may be committed, and an item that is being read is
//! redelivered if its receiver dies. A receiver is therefore told that the ring is disconnected
//! only when every slot is FREE, as well:
//!
//! - the ring has ended: a full barrier; walk to the next item, and claim it
//! - there is none: load all slots. An orphan is claimed, whether or not the epoch announces it,
//!   and so is an item that a dead receiver was reading. A slot with a live owner is *busy*, and
//!   the ring is not disconnected.
//! - all are FREE: the ring is disconnected
//!
//! A commit is a store and cannot observe that a receiver has passed its slot, so no receiver
//! passes a busy slot at the end. The commit of a receipt wakes the receivers of a ring that has
//! ended: it may have been what they wait for.
//!
//! # Crash
//!
//! A receiver claims an item here as everywhere. If a receiver is killed between its receipt and
//! the wake, other receivers sleep until their slices end.
//!
//! # Ordering
//!
//! (Q5) and (Q6) of [`mpmc`](super): a slot that is FREE after the barrier stays so, except for a
//! sender that finds the ring closed and gives the slot back. A sender that is counted after the
//! last one has left begins a new life of the ring.

use super::{CheckedOwner, Claim, Cursor, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::algorithm::mpmc::walk::Lookup;
use crate::facade::{Ordering, fence, mutation};
use crate::participant::Liveness;
use crate::participant::endpoints::Endpoint;

impl<S: Slots> Ring<'_, S> {
    /// Decides what a receiver does that found no item: it claims an item of a ring that has ended,
    /// or reaps dead participants and retries if any was reaped.
    #[cold]
    pub(crate) fn on_empty(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if self.endpoints().is_over(Endpoint::Receiver) {
            return self.claim_at_end(cursor, peers);
        }
        if !peers.reap(false) {
            return Err(TryError::WouldBlock);
        }
        self.claim_recv(cursor, peers)
    }

    /// Claims an item of a ring that has ended, or returns that none will come.
    fn claim_at_end(&self, cursor: &mut Cursor, peers: &impl Liveness) -> Result<Claim, TryError> {
        let reap = || peers.reap(false);
        let mut reaped = false;
        // An orphan ends the wait for a reader that lives, and is not always announced.
        if self.is_unchanged(cursor.alive) && !self.has_orphan() {
            reaped = reap();
            if !reaped {
                return Err(TryError::Busy);
            }
        }
        if !mutation(112) {
            // (Q5).
            fence(Ordering::SeqCst);
        }
        loop {
            match self.claim_recv(cursor, peers) {
                Err(TryError::Busy) if mutation(113) => return Err(TryError::Disconnected),
                Err(TryError::WouldBlock) => {}
                other => return other,
            }
            let Some((index, word)) = self.find_remaining() else {
                return Err(TryError::Disconnected);
            };
            let slot = CheckedOwner {
                index,
                word: word.0,
            };
            match word.state() {
                Some(State::Orphan) => {}
                Some(State::Reading) => {
                    let tag = word.tag(self.participants()).ok_or(TryError::Corrupt)?;
                    if cursor.alive == slot {
                        if !reaped && reap() {
                            reaped = true;
                            continue;
                        }
                        return Err(TryError::Busy);
                    }
                    if peers.is_alive(tag) || mutation(504) {
                        peers.sleeps_for(tag);
                        cursor.alive = slot;
                        return Err(TryError::Busy);
                    }
                }
                // The item is being written, or was written just now.
                Some(_) => return Err(TryError::Busy),
                None => return Err(TryError::Corrupt),
            }
            if self.transition(
                index,
                word,
                Word::owned(word.lap(), State::Reading, peers.me()),
            ) {
                let claim = Claim::new(index, word.lap(), true);
                return self.check_registered(Endpoint::Receiver, claim, peers);
            }
        }
    }

    /// Returns whether a slot still has the word that was checked.
    fn is_unchanged(&self, slot: CheckedOwner) -> bool {
        slot.word != 0 && self.load_word(slot.index).0 == slot.word
    }

    /// Returns an orphan if there is one, else a slot with an owner or an item.
    fn find_remaining(&self) -> Option<(u64, Word)> {
        let mut busy = None;
        for index in 0..self.geometry.capacity() {
            let word = self.load_word(index);
            match word.state() {
                Some(State::Free) => {}
                Some(State::Orphan) if !mutation(502) => return Some((index, word)),
                Some(State::Orphan) => {}
                Some(State::Reading) if mutation(501) => {}
                Some(State::Writing | State::Ready) if mutation(505) => {}
                _ => busy = busy.or(Some((index, word))),
            }
        }
        busy
    }

    fn has_orphan(&self) -> bool {
        let found = self.find_remaining();
        found.is_some_and(|(_, word)| word.state() == Some(State::Orphan))
    }

    /// Returns whether a receiver that found no item has an orphan to claim, or the end to report.
    fn has_orphan_or_ended(&self) -> bool {
        self.endpoints().is_over(Endpoint::Receiver)
            && self.find_remaining().is_none_or(|(_, word)| {
                matches!(word.state(), Some(State::Orphan) | None) || mutation(503)
            })
    }

    /// Returns whether an attempt of an endpoint may return something other than that it is
    /// blocked.
    pub(crate) fn is_ready(&self, endpoint: Endpoint, cursor: &mut Cursor) -> bool {
        if endpoint == Endpoint::Receiver && self.has_orphans(cursor) {
            return true;
        }
        let at = match endpoint {
            Endpoint::Sender => &mut cursor.tail,
            Endpoint::Receiver => &mut cursor.head,
        };
        match (self.find_next(endpoint, at), endpoint) {
            (Ok(Lookup::Claimable(_)) | Err(_), _) => true,
            (Ok(_), Endpoint::Sender) => self.endpoints().is_over(endpoint),
            // An item that is being written still comes, also into a closed queue.
            (Ok(Lookup::Busy(word, _)), _) if word.state() == Some(State::Writing) => false,
            (Ok(_), Endpoint::Receiver) => self.has_orphan_or_ended(),
        }
    }

    /// Returns whether a sender that replaces the oldest item may find a slot.
    pub(crate) fn is_ready_to_replace(&self, cursor: &mut Cursor) -> bool {
        !matches!(
            self.find_next(Endpoint::Sender, &mut cursor.tail),
            Ok(Lookup::Busy(..))
        ) || self.endpoints().is_over(Endpoint::Sender)
    }

    /// Returns whether there are orphans that this handle has not searched for.
    pub(super) fn has_orphans(&self, cursor: &mut Cursor) -> bool {
        let epoch = self.epoch();
        if epoch == cursor.epoch {
            return false;
        }
        let is_orphan = |index| self.load_word(index).state() == Some(State::Orphan);
        let found = (0..self.geometry.capacity()).any(is_orphan);
        if !found {
            cursor.epoch = epoch;
        }
        found
    }
}

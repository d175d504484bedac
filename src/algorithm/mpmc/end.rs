//! When a receiver is told that nothing will come any more, and what it means to find nothing.
//!
//! # State
//!
//! That of [`slots`](super): how it [ends](crate::participant::endpoints), and the words of all slots.
//!
//! # Protocol
//!
//! A ring has ended when it is closed, or its last counted sender has gone. An item can come all the same: what
//! is being written may be committed, and what is being read comes back if its reader dies. So the
//! ring is over for a receiver only when every slot is FREE, as well:
//!
//! - the ring has ended; a full barrier; walk to the next item, and take it
//! - there is none: look at all slots. An orphan is taken, whether or not the epoch tells of it, and so is what a
//!   dead receiver was reading. A slot that a living one is at work in is *busy*, and the ring is not over.
//! - all are FREE: it is over
//!
//! A commit is a store and cannot see that it was passed, so nobody passes it at the end. Whoever commits a
//! receipt wakes the receivers of a ring that has ended: it may have been what they wait for.
//!
//! # Crash
//!
//! It takes an item as every receiver does. Whoever is killed between a receipt and the wake leaves receivers
//! asleep until their slices end.
//!
//! # Ordering
//!
//! (Q5), and (Q6) of [`slots`](super): a slot that is FREE behind the barrier stays so, but for a sender that finds
//! the ring closed and gives it back. A sender that comes back after the last one had gone begins a new life of the
//! ring.

use super::{Asked, Claim, Cursor, Ring, Slots, TryError};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::algorithm::mpmc::walk::Found;
use crate::facade::{Ordering, fence, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;

impl<S: Slots> Ring<'_, S> {
    /// What it means that a receiver found nothing: it looks once more if somebody may have died, and says
    /// so if nothing will ever come.
    #[cold]
    pub(crate) fn nothing(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if self.endpoints().is_over(Endpoint::Receiver) {
            return self.last(cursor, me, peers);
        }
        if !peers.reap(false) {
            return Err(TryError::WouldBlock);
        }
        self.claim_recv(cursor, me, peers)
    }

    /// Claims an item of a ring that has ended, or says that there will be none.
    fn last(&self, cursor: &mut Cursor, me: Tag, peers: &impl Liveness) -> Result<Claim, TryError> {
        let reap = || peers.reap(false);
        let mut reaped = false;
        if self.is_still(cursor.alive) {
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
            match self.claim_recv(cursor, me, peers) {
                Err(TryError::Busy) if mutation(113) => return Err(TryError::Disconnected),
                Err(TryError::WouldBlock) => {}
                other => return other,
            }
            let Some((index, word)) = self.rest() else {
                return Err(TryError::Disconnected);
            };
            let slot = Asked {
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
                // It is being written, or was written just now.
                Some(_) => return Err(TryError::Busy),
                None => return Err(TryError::Corrupt),
            }
            if self.swap(index, word, Word::held(word.lap(), State::Reading, me)) {
                let claim = Claim::new(index, word.lap(), true);
                return self.stay(Endpoint::Receiver, claim, me, peers);
            }
        }
    }

    /// Whether somebody is at work in a slot still.
    fn is_still(&self, slot: Asked) -> bool {
        slot.word != 0 && self.look(slot.index).0 == slot.word
    }

    /// An item that is left, whose taker died; else one that somebody is at work on.
    fn rest(&self) -> Option<(u64, Word)> {
        let mut busy = None;
        for index in 0..self.geometry.capacity() {
            let word = self.look(index);
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

    /// Whether a receiver that has found nothing has something to take, or to be told.
    fn is_over_or_left(&self) -> bool {
        self.endpoints().is_over(Endpoint::Receiver)
            && self.rest().is_none_or(|(_, word)| {
                matches!(word.state(), Some(State::Orphan) | None) || mutation(503)
            })
    }

    /// Whether a side may find what it waits for.
    pub(crate) fn is_ready(&self, side: Endpoint, cursor: &mut Cursor) -> bool {
        if side == Endpoint::Receiver && self.has_orphans(cursor) {
            return true;
        }
        let at = match side {
            Endpoint::Sender => &mut cursor.tail,
            Endpoint::Receiver => &mut cursor.head,
        };
        match (self.find(side, at), side) {
            (Ok(Found::Open(_)) | Err(_), _) => true,
            (Ok(_), Endpoint::Sender) => self.endpoints().is_over(side),
            // What is being written still comes, also into a closed queue.
            (Ok(Found::Busy(word, _)), _) if word.state() == Some(State::Writing) => false,
            (Ok(_), Endpoint::Receiver) => self.is_over_or_left(),
        }
    }

    /// Whether one that replaces what is there may find a slot.
    pub(crate) fn is_ready_to_replace(&self, cursor: &mut Cursor) -> bool {
        !matches!(
            self.find(Endpoint::Sender, &mut cursor.tail),
            Ok(Found::Busy(..))
        ) || self.endpoints().is_over(Endpoint::Sender)
    }

    /// Whether there are items whose takers died, that this handle has not looked for.
    pub(super) fn has_orphans(&self, cursor: &mut Cursor) -> bool {
        let epoch = self.epoch();
        if epoch == cursor.epoch {
            return false;
        }
        let is_orphan = |index| self.look(index).state() == Some(State::Orphan);
        let found = (0..self.geometry.capacity()).any(is_orphan);
        if !found {
            cursor.epoch = epoch;
        }
        found
    }
}

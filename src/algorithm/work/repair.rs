//! Giving back what a dead participant has in a work queue, and what the end of a queue is.
//!
//! # State
//!
//! That of [`work`](super).
//!
//! # Protocol
//!
//! The cells: what the dead one had loaned, was sending or freeing, is freed; what was delivered to it is
//! returned, or buried, after its slot is freed if that still names it. But at the first that it was sending all slots are looked at: a message that one
//! names, and that the dead one was sending, is QUEUED. Then, if a returned message was seen, whoever left
//! it: the epoch; then the ends; then wake all.
//!
//! Who was reaped while it lives, because other code of it unmapped its lock, does not know, and may
//! take a cell that nobody will reap it for again. Whoever looks after the dead therefore looks, at some
//! of the cells each time, for owners that are in no registry; and for messages that were returned, and that
//! it has not looked for, because whoever returned them is stopped before the epoch.
//!
//! What the dead one sent stays in its slot until somebody has taken its cell, so a cell that is still
//! SENDING when all slots were seen was not sent.
//!
//! # Crash
//!
//! Any number do this at once, and each step is a CAS whose expected value has the dead one's tag.
//! Killed anywhere, the dead one is still to be reaped, and the next to do so sees everything again.
//!
//! # Ordering
//!
//! (W4), (W5), (W7) of [`work`](super). The dead one's stores are ordered before the kernel's answer that it is
//! dead.

use super::{Cursor, Mine, Places, Work};
use crate::algorithm::work::layout::{CellWord, State};
use crate::facade::{Ordering, fence, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::on_event::TryError;

/// At so many cells it is looked at a time for owners that are in no registry.
const AT_ONCE: u32 = 256;

impl<P: Places> Work<'_, P> {
    /// Gives back what participant `dead` has, and wakes whom it may have owed a wake.
    pub(crate) fn recover(&self, dead: Tag) {
        self.give_back_of(dead.bits());
        self.endpoints().recover(dead);
        if !mutation(254) {
            self.wake_all();
        }
    }

    /// Gives back the cells of whoever has these bits, whom no registry knows as alive any more.
    fn give_back_of(&self, dead: u32) {
        let is_being_sent =
            |word: CellWord| word.state() == Some(State::Sending) && word.owner() == dead;
        let mut returned = false;
        let mut knows_sent = false;
        let mut walker = Cursor::default();
        for cell in 0..self.rules.cells {
            let mut word = self.look(cell);
            if is_being_sent(word) && !knows_sent {
                self.keep_sent(is_being_sent);
                knows_sent = true;
                word = self.look(cell);
            }
            match word.state() {
                Some(State::Returned | State::Delayed) => returned = true,
                Some(State::Loaned | State::Sending | State::Freeing)
                    if word.owner() == dead && !mutation(251) =>
                {
                    self.free_of_dead(cell, word);
                }
                Some(State::Held) if word.owner() == dead && !mutation(252) => {
                    // (W8).
                    let may_be_named = word.attempts() == 1 && !mutation(640);
                    if may_be_named && !mutation(641) {
                        self.has_next(&mut walker);
                    }
                    // A time that stands beside it was not committed.
                    let not_before = mutation(635).then(|| self.not_before(cell));
                    self.swap(cell, word, self.come_back(word, not_before));
                    if may_be_named && mutation(641) {
                        self.has_next(&mut walker);
                    }
                    returned = true;
                }
                _ => {}
            }
        }
        if returned && !mutation(253) {
            self.tell_of_returned();
        }
    }

    /// Keeps what a dead one has sent.
    #[cold]
    fn keep_sent(&self, is_its: impl Fn(CellWord) -> bool) {
        // (W7): it may live, and put a message into a slot just now.
        if !mutation(266) {
            fence(Ordering::SeqCst);
        }
        for entry in self.entries() {
            if let Ok((word, true)) = self.find(entry)
                && is_its(word)
                && !mutation(250)
            {
                self.swap(entry.cell, word, word.at_rest(State::Queued));
            }
        }
    }

    /// Gives back what dead participants hold, unless somebody did so a moment ago and it is not
    /// urgent; whether it did.
    fn reap(&self, cursor: &mut Cursor, peers: &impl Liveness, urgent: bool) -> bool {
        let does = peers.reap(urgent);
        if does {
            self.look_for_strangers(cursor, peers);
        }
        does
    }

    /// Gives back what those have who are in no registry: who was reaped, but is alive, may have taken a
    /// cell since, and whoever reaps will not hear of it again. And has the next look find what was returned
    /// by one that is stopped before it has told. Looks at some of the cells.
    pub(super) fn look_for_strangers<Q: Liveness>(&self, cursor: &mut Cursor, peers: &Q) {
        if !Q::KNOWS_UNREGISTERED {
            return;
        }
        for _ in 0..self.rules.cells.min(AT_ONCE) {
            let cell = cursor.asked;
            cursor.asked = self.after(cell);
            let word = self.look(cell);
            let has_owner = matches!(
                word.state(),
                Some(State::Loaned | State::Sending | State::Held | State::Freeing)
            );
            if self.may_come_again(cell, word) && !mutation(270) {
                cursor.epoch = self.epoch_before();
            }
            let tag = Tag::in_word(word.owner(), peers.participants());
            let is_unregistered = tag.is_none_or(|tag| peers.is_unregistered(tag) || mutation(274));
            if has_owner && is_unregistered && !mutation(269) {
                self.give_back_of(word.owner());
                self.wake_all();
            }
        }
    }

    /// Gives back what dead participants hold, and finds out whether anybody is left at the other
    /// side.
    pub(crate) fn reap_dead(&self, cursor: &mut Cursor, side: Endpoint, peers: &impl Liveness) {
        self.reap(cursor, peers, false);
        let is_there = |tag| {
            peers.sleeps_for(tag);
            peers.is_marked_live(tag)
        };
        if self.endpoints().settle(side.other(), is_there) {
            self.wake_all();
        }
    }

    /// What it means that so many cells are not free: it looks once more if somebody may have died.
    #[cold]
    pub(crate) fn full(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        cells: u32,
        peers: &impl Liveness,
    ) -> Result<Mine, TryError> {
        if self.endpoints().is_over(Endpoint::Sender) {
            return Err(TryError::Disconnected);
        }
        if !self.reap(cursor, peers, false) {
            return Err(TryError::WouldBlock);
        }
        self.loan_span(cursor, me, cells)
    }

    /// What it means that a receiver found nothing: it looks once more, and says so if nothing will
    /// ever come.
    #[cold]
    pub(crate) fn nothing(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Mine, TryError> {
        let over = self.endpoints().is_over(Endpoint::Receiver);
        if over && !mutation(255) {
            // (W5).
            fence(Ordering::SeqCst);
        }
        // One that died with a message in its hands has left it to us.
        let looked = self.reap(cursor, peers, over);
        if !over && !looked {
            return Err(TryError::WouldBlock);
        }
        // What may still come is looked for first: it may have come when that is known.
        let expects = over && !mutation(256) && self.expects(Some(me));
        match self.receive(cursor, me) {
            Err(TryError::WouldBlock) if over && expects => Err(TryError::Busy),
            Err(TryError::WouldBlock) if over => Err(TryError::Disconnected),
            other => other,
        }
    }

    /// Whether anything is being sent, or is in the hands of another thread than the calling one and may come
    /// back.
    pub(super) fn expects(&self, me: Option<Tag>) -> bool {
        (0..self.rules.cells).any(|cell| {
            let word = self.look(cell);
            match word.state() {
                Some(State::Sending | State::Queued | State::Returned | State::Delayed) => {
                    !mutation(257)
                }
                Some(State::Held) if !mutation(258) => {
                    // The notes of a forked child are its parent's.
                    let is_own =
                        me.is_some_and(|me| word.is_of(me)) && self.places.is_own(cell, word);
                    !is_own && word.attempts() < self.rules.most_attempts
                }
                _ => false,
            }
        })
    }
}

//! Recovery of the cells of a dead participant, and the end of a queue.
//!
//! # State
//!
//! That of [`work`](super).
//!
//! # Protocol
//!
//! The cells: a cell that the dead participant had loaned, was sending or freeing, is freed; a
//! message that was delivered to it is returned, or becomes a dead letter, after its slot is freed
//! if that still names it. But at the first cell that it was sending, all slots are loaded: a
//! message that a slot names, and that the dead participant was sending, is QUEUED. Then, if a
//! returned message was observed, whichever process left it, advance the epoch; then recover the
//! endpoint counts; then wake all.
//!
//! A process that was reaped while alive, because other code of its process unmapped its lock, does
//! not know it, and may claim a cell for which it is not reaped again. Each reaper therefore checks
//! some of the cells each time for owners that are unregistered; and for returned messages that it
//! has not searched for, because the process that returned them is stopped before the epoch.
//!
//! A message that the dead participant sent stays in its slot until a process has claimed its cell,
//! so a cell that is still SENDING after all slots were loaded was not sent.
//!
//! # Crash
//!
//! Any number of processes do this at once, and each step is a CAS whose expected value has the
//! dead participant's tag. If a reaper is killed anywhere, the dead participant is still to be
//! reaped, and the next reaper observes everything again.
//!
//! # Ordering
//!
//! (W4), (W5), (W7), (W8) of [`work`](super). The dead participant's stores are ordered before the
//! kernel's answer that it is dead.

use super::{Cursor, OwnedCell, Storage, Work};
use crate::algorithm::work::layout::{CellWord, State};
use crate::facade::{Ordering, fence, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::on_event::TryError;

/// The number of cells that are checked for unregistered owners at a time.
const CELLS_PER_CHECK: u32 = 256;

impl<P: Storage> Work<'_, P> {
    /// Recovers the cells of the participant `dead`, and wakes each sleeper that it may have owed a
    /// wake.
    pub(crate) fn recover(&self, dead: Tag) {
        self.recover_cells_of(dead.bits());
        self.endpoints().recover(dead);
        if !mutation(254) {
            self.wake_all();
        }
    }

    /// Recovers the cells of the owner `dead`, which no registry knows as alive any more.
    fn recover_cells_of(&self, dead: u32) {
        let is_being_sent =
            |word: CellWord| word.state() == Some(State::Sending) && word.owner() == dead;
        let mut returned = false;
        let mut has_kept_sent = false;
        let mut walker = Cursor::default();
        for cell in 0..self.rules.cells {
            let mut word = self.load_cell(cell);
            if is_being_sent(word) && !has_kept_sent {
                self.keep_sent(is_being_sent);
                has_kept_sent = true;
                word = self.load_cell(cell);
            }
            match word.state() {
                Some(State::Returned | State::Delayed) => returned = true,
                Some(State::Loaned | State::Sending | State::Freeing)
                    if word.owner() == dead && !mutation(251) =>
                {
                    self.free_dead(cell, word);
                }
                Some(State::Delivered) if word.owner() == dead && !mutation(252) => {
                    // (W8).
                    let may_be_named = word.attempts() == 1 && !mutation(640);
                    if may_be_named && !mutation(641) {
                        self.has_next(&mut walker);
                    }
                    // A time beside the word was not committed.
                    let not_before = mutation(635).then(|| self.not_before(cell));
                    self.transition(cell, word, self.after_return(word, not_before));
                    if may_be_named && mutation(641) {
                        self.has_next(&mut walker);
                    }
                    returned = true;
                }
                _ => {}
            }
        }
        if returned && !mutation(253) {
            self.advance_epoch();
        }
    }

    /// Returns how many messages `dead` holds at their last attempt.
    #[cfg(feature = "tracing")]
    pub(super) fn last_attempts(&self, dead: Tag) -> u32 {
        let is_last = |cell: &u32| {
            let word = self.load_cell(*cell);
            word.state() == Some(State::Delivered)
                && word.is_of(dead)
                && word.attempts() == self.rules.max_attempts
        };
        let last = (0..self.rules.cells).filter(is_last).count();
        u32::try_from(last).unwrap_or(u32::MAX)
    }

    /// Keeps the messages that a dead participant has sent.
    #[cold]
    fn keep_sent(&self, is_of_dead: impl Fn(CellWord) -> bool) {
        // (W7): the owner may be alive, and may be putting a message into a slot just now.
        if !mutation(266) {
            fence(Ordering::SeqCst);
        }
        for entry in self.entries() {
            if let Ok((word, true)) = self.resolve(entry)
                && is_of_dead(word)
                && !mutation(250)
            {
                self.transition(entry.cell, word, word.unowned(State::Queued));
            }
        }
    }

    /// Reaps dead participants, unless a process did so a moment ago and it is not urgent; returns
    /// whether it did.
    fn reap(&self, cursor: &mut Cursor, peers: &impl Liveness, urgent: bool) -> bool {
        let has_reaped = peers.reap(urgent);
        if has_reaped {
            self.recover_unregistered(cursor, peers);
        }
        has_reaped
    }

    /// Recovers the cells of unregistered owners: a process that was reaped while alive may have
    /// claimed a cell since, for which it is not reaped again. Makes the next receipt search for
    /// messages returned by a process that is stopped before the epoch. Checks some of the cells.
    pub(super) fn recover_unregistered<Q: Liveness>(&self, cursor: &mut Cursor, peers: &Q) {
        if !Q::KNOWS_UNREGISTERED {
            return;
        }
        for _ in 0..self.rules.cells.min(CELLS_PER_CHECK) {
            let cell = cursor.checked;
            cursor.checked = self.next_cell(cell);
            let word = self.load_cell(cell);
            let has_owner = matches!(
                word.state(),
                Some(State::Loaned | State::Sending | State::Delivered | State::Freeing)
            );
            if self.is_redeliverable(cell, word) && !mutation(270) {
                cursor.epoch = self.other_epoch();
            }
            let tag = Tag::in_word(word.owner(), peers.participants());
            let is_unregistered = tag.is_none_or(|tag| peers.is_unregistered(tag) || mutation(274));
            if has_owner && is_unregistered && !mutation(269) {
                self.recover_cells_of(word.owner());
                self.wake_all();
            }
        }
    }

    /// Reaps dead participants, and recounts the other endpoint.
    pub(crate) fn reap_dead(&self, cursor: &mut Cursor, endpoint: Endpoint, peers: &impl Liveness) {
        self.reap(cursor, peers, false);
        let is_there = |tag| {
            peers.sleeps_for(tag);
            peers.is_marked_live(tag)
        };
        if self.endpoints().settle(endpoint.other(), is_there) {
            self.wake_all();
        }
    }

    /// Reaps dead participants after fewer than `cells` cells were found free, and retries if any
    /// was reaped.
    #[cold]
    pub(crate) fn on_full(
        &self,
        cursor: &mut Cursor,
        cells: u32,
        peers: &impl Liveness,
    ) -> Result<OwnedCell, TryError> {
        let me = peers.me();
        if self.endpoints().is_over(Endpoint::Sender) {
            return Err(TryError::Disconnected);
        }
        if !self.reap(cursor, peers, false) {
            return Err(TryError::WouldBlock);
        }
        self.loan_span(cursor, me, cells)
    }

    /// Decides what a receiver does that found no message: it retries after dead participants were
    /// reaped, and returns whether any message can still come.
    #[cold]
    pub(crate) fn on_empty(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<OwnedCell, TryError> {
        let me = peers.me();
        let is_over = self.endpoints().is_over(Endpoint::Receiver);
        if is_over && !mutation(255) {
            // (W5).
            fence(Ordering::SeqCst);
        }
        // The message of a receiver that has died is returned.
        let has_reaped = self.reap(cursor, peers, is_over);
        if !is_over && !has_reaped {
            return Err(TryError::WouldBlock);
        }
        // Messages that may still come are searched for first: one may have come by the time that
        // is known.
        let may_receive = is_over && !mutation(256) && self.may_receive(Some(me));
        match self.receive(cursor, me) {
            Err(TryError::WouldBlock) if is_over && may_receive => Err(TryError::Busy),
            Err(TryError::WouldBlock) if is_over => Err(TryError::Disconnected),
            other => other,
        }
    }

    /// Returns whether a message is being sent, is pending, or is in flight with a thread other
    /// than the calling one and may be redelivered.
    pub(super) fn may_receive(&self, me: Option<Tag>) -> bool {
        (0..self.rules.cells).any(|cell| {
            let word = self.load_cell(cell);
            match word.state() {
                Some(State::Sending | State::Queued | State::Returned | State::Delayed) => {
                    !mutation(257)
                }
                Some(State::Delivered) if !mutation(258) => {
                    // The records of a forked child are its parent's.
                    let is_own =
                        me.is_some_and(|me| word.is_of(me)) && self.storage.is_own(cell, word);
                    !is_own && word.attempts() < self.rules.max_attempts
                }
                _ => false,
            }
        })
    }
}

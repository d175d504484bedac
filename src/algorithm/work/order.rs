//! The order of a work queue: the slot of a new message, and the next message.
//!
//! # State
//!
//! The slots of [`work`](super), and the hints.
//!
//! # Protocol
//!
//! - a slot that is taken for the own endpoint in this lap, or is in a later lap: go on
//! - to send: a free slot is taken by the CAS that names the message
//! - to receive: the message's cell decides. A process that finds the message received frees the
//!   slot for the next lap, and goes on.
//! - now and then, before a slot counts as free or the ring as empty, and wherever the words are
//!   inconsistent, load the shared hint: it is believed if the slot before it was passed. Words
//!   that are inconsistent there as well are corrupt.
//!
//! A slot's lap has fewer bits than a position: for a handle that was idle while the ring wrapped
//! as often as laps have numbers, a slot far from the end looks like the end. The hint
//! distinguishes them.
//!
//! # Crash
//!
//! A walker holds nothing but its message, whose cell says so. A slot that names a message that was
//! received is freed by the next process at it, sender or receiver.
//!
//! # Ordering
//!
//! (W1), (W3) of [`work`](super).

use super::{Cursor, OwnedCell, Storage, Work};
use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::layout::{CellWord, Entry, SlotWord, State, WordFormat};
use crate::facade::{Ordering, ShortSpin, mutation, ordering};
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::on_event::TryError;

impl<P: Storage> Work<'_, P> {
    #[inline(always)]
    fn load_slot(&self, index: u64) -> SlotWord {
        // ORDERING: Acquire; (W1), (W3).
        let acquire = ordering(Ordering::Acquire, 220);
        SlotWord(self.storage.slot(index).load(acquire))
    }

    #[inline(always)]
    fn transition_slot(&self, index: u64, from: SlotWord, to: SlotWord) -> bool {
        // ORDERING: Release; (W1), (W3). Acquire; (W3).
        let both = ordering(Ordering::AcqRel, 221);
        let word = self.storage.slot(index);
        word.compare_exchange(from.0, to.0, both, Ordering::Relaxed)
            .is_ok()
    }

    #[inline(always)]
    fn format(&self) -> WordFormat {
        self.rules.format
    }

    /// Returns the index of the slot at a position, and the lap.
    #[inline(always)]
    fn slot_at(&self, at: Position) -> (u64, u64) {
        (self.rules.order.index(at), self.rules.order.whole_lap(at))
    }

    /// Returns the number of laps by which a slot's word is ahead of `lap`, and the message in it.
    #[inline(always)]
    fn decode(&self, word: SlotWord, lap: u64) -> (i64, Option<Entry>) {
        let format = self.format();
        (format.laps_after(word, lap), format.entry(word))
    }

    /// Returns whether a slot can be `ahead` laps ahead of a handle at the hint.
    #[inline(always)]
    fn is_near(&self, ahead: i64) -> bool {
        ahead <= self.rules.order.max_laps_behind().into()
    }

    /// Returns the word of a message's cell, and whether the message is still pending.
    #[inline(always)]
    pub(super) fn resolve(&self, entry: Entry) -> Result<(CellWord, bool), TryError> {
        if entry.cell >= self.rules.cells {
            return Err(TryError::Corrupt);
        }
        let word = self.load_cell(entry.cell);
        let is_pending = matches!(word.state(), Some(State::Sending | State::Queued));
        Ok((word, is_pending && Entry::of(entry.cell, word) == entry))
    }

    /// Puts a message that is being sent into the order: the commit.
    #[inline(always)]
    pub(super) fn enqueue(&self, cursor: &mut Cursor, owned: OwnedCell) -> Result<(), TryError> {
        let entry = Entry::of(owned.cell, owned.word);
        let mut steps = 0_u32;
        loop {
            let at = cursor.tail;
            let (index, lap) = self.slot_at(at);
            let seen = self.load_slot(index);
            match self.decode(seen, lap) {
                // Laps are distinct only within one wrap of their bits.
                (0, None) if self.follow_hint(Endpoint::Sender, &mut cursor.tail)? => continue,
                (0, None) => {
                    if self.transition_slot(index, seen, self.format().ready(lap, entry)) {
                        cursor.tail = self.advance(Endpoint::Sender, at);
                        return Ok(());
                    }
                    continue;
                }
                // The message of the lap before was received: there are no more messages than
                // slots, and this message is not among them.
                (-1, Some(before)) if !self.resolve(before)?.1 && !mutation(222) => {
                    self.transition_slot(index, seen, self.format().free(lap));
                    continue;
                }
                (0, Some(_)) => {}
                (ahead @ 1.., _) if self.is_near(ahead) => {}
                _ if self.follow_hint(Endpoint::Sender, &mut cursor.tail)? => continue,
                _ => return Err(TryError::Corrupt),
            }
            self.step_on(Endpoint::Sender, &mut cursor.tail, &mut steps)?;
        }
    }

    /// Receives the first message in the order.
    #[inline(always)]
    pub(super) fn receive_next(&self, cursor: &mut Cursor, me: Tag) -> Result<OwnedCell, TryError> {
        let mut steps = 0_u32;
        loop {
            let at = cursor.head;
            let (index, lap) = self.slot_at(at);
            let seen = self.load_slot(index);
            match self.decode(seen, lap) {
                (0, None) => {
                    let stream = at.0.saturating_sub(cursor.caught_up.0);
                    cursor.caught_up = at;
                    if ShortSpin::follow(stream)
                        || self.follow_hint(Endpoint::Receiver, &mut cursor.head)?
                    {
                        continue;
                    }
                    return Err(TryError::WouldBlock);
                }
                (0, Some(entry)) => {
                    let (word, is_pending) = self.resolve(entry)?;
                    // After the load of the cell: its message is that of the slot.
                    if is_pending && self.load_slot(index) != seen && !mutation(636) {
                        continue;
                    }
                    let delivered = word.delivered(me);
                    if is_pending && !self.transition(entry.cell, word, delivered) {
                        continue;
                    }
                    self.transition_slot(index, seen, self.format().free(lap + 1));
                    cursor.head = self.advance(Endpoint::Receiver, at);
                    if is_pending {
                        return Ok(OwnedCell {
                            cell: entry.cell,
                            word: delivered,
                        });
                    }
                    continue;
                }
                (ahead @ 1.., _) if self.is_near(ahead) => {}
                _ if self.follow_hint(Endpoint::Receiver, &mut cursor.head)? => continue,
                _ => return Err(TryError::Corrupt),
            }
            self.step_on(Endpoint::Receiver, &mut cursor.head, &mut steps)?;
        }
    }

    /// Returns whether a message, or a corrupt word, is at the head, as far as this handle knows
    /// the head.
    pub(super) fn has_next(&self, cursor: &mut Cursor) -> bool {
        let mut steps = 0_u32;
        loop {
            let at = cursor.head;
            let (index, lap) = self.slot_at(at);
            let seen = self.load_slot(index);
            match self.decode(seen, lap) {
                (0, None) => match self.follow_hint(Endpoint::Receiver, &mut cursor.head) {
                    Ok(false) => return false,
                    Ok(true) => continue,
                    Err(_) => return true,
                },
                (0, Some(entry)) => match self.resolve(entry) {
                    // INVARIANT: the head of a handle passes no slot that is not free for the next
                    // lap.
                    Ok((_, false)) if !mutation(224) => {
                        self.transition_slot(index, seen, self.format().free(lap + 1));
                    }
                    Ok((_, false)) => {}
                    _ => return true,
                },
                (ahead @ 1.., _) if self.is_near(ahead) => {}
                _ => match self.follow_hint(Endpoint::Receiver, &mut cursor.head) {
                    Ok(true) => continue,
                    _ => return true,
                },
            }
            let stepped = self.step_on(Endpoint::Receiver, &mut cursor.head, &mut steps);
            if stepped.is_err() {
                return true;
            }
        }
    }

    /// Returns the entries of the slots, whatever their laps: messages that are pending or were
    /// received.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.rules.order.capacity())
            .filter_map(|index| self.format().entry(self.load_slot(index)))
    }

    #[inline(always)]
    fn step_on(
        &self,
        endpoint: Endpoint,
        at: &mut Position,
        steps: &mut u32,
    ) -> Result<(), TryError> {
        *at = self.rules.order.next(*at);
        *steps += 1;
        if *steps % 4 == 1 {
            self.follow_hint(endpoint, at)?;
        }
        Ok(())
    }

    /// Returns the position after `at`, which was passed. Sets the shared hint at every marked
    /// position.
    #[inline(always)]
    fn advance(&self, endpoint: Endpoint, at: Position) -> Position {
        let next = self.rules.order.next(at);
        if self.rules.order.is_marked(at) {
            self.publish_hint(endpoint, next);
        }
        next
    }

    #[cold]
    fn publish_hint(&self, endpoint: Endpoint, next: Position) {
        let hint = self.state.hint(endpoint);
        // ORDERING: Relaxed; the CAS decides. Release; (W3).
        let seen = hint.load(Ordering::Relaxed);
        if seen < next.0 {
            let _ = hint.compare_exchange(seen, next.0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn hint(&self, endpoint: Endpoint) -> Position {
        // ORDERING: Acquire; (W3).
        let acquire = ordering(Ordering::Acquire, 223);
        Position(self.state.hint(endpoint).load(acquire))
    }

    /// Moves to the position of the shared hint if that is further; returns whether it was.
    #[inline(always)]
    fn follow_hint(&self, endpoint: Endpoint, at: &mut Position) -> Result<bool, TryError> {
        let hint = self.hint(endpoint);
        if hint <= *at {
            return Ok(false);
        }
        self.follow_hint_to(hint, endpoint, at)
    }

    #[cold]
    fn follow_hint_to(
        &self,
        hint: Position,
        endpoint: Endpoint,
        at: &mut Position,
    ) -> Result<bool, TryError> {
        let mut hint = hint;
        while !self.is_passed(hint, endpoint)? {
            // A walker that was stopped in between finds a slot that others have passed so often
            // since that it seems to be behind. They have set the hint, too.
            let now = self.hint(endpoint);
            if now <= hint || mutation(275) {
                return Err(TryError::Corrupt);
            }
            hint = now;
        }
        *at = hint;
        Ok(true)
    }

    /// Returns whether the slot before a hint was passed, as the process that set the hint had
    /// done.
    fn is_passed(&self, hint: Position, endpoint: Endpoint) -> Result<bool, TryError> {
        let before = self.rules.order.previous(hint).ok_or(TryError::Corrupt)?;
        let seen = self.load_slot(self.rules.order.index(before));
        let lap = self.rules.order.whole_lap(before);
        Ok(match self.decode(seen, lap) {
            (1.., _) => true,
            (0, Some(entry)) => endpoint == Endpoint::Sender || !self.resolve(entry)?.1,
            _ => false,
        })
    }
}

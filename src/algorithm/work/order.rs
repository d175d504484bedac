//! The order of a work queue: where a message is put, and which comes next.
//!
//! # State
//!
//! The slots of [`work`](super), and the hints.
//!
//! # Protocol
//!
//! - a slot that is taken for the own side in this lap, or is in a later lap: go on
//! - to send: a free slot is taken by the CAS that names the message
//! - to receive: the message's cell decides. Whoever finds that it was received frees the slot for the
//!   next lap, and goes on.
//! - now and then, before a slot is taken for free or the ring for empty, and wherever the words make
//!   no sense, look at the shared hint: it is believed if the slot before it was passed. Words that
//!   make no sense there either are garbage.
//!
//! A slot's lap has fewer bits than a position: to a handle that was idle while the ring went round as often as
//! laps have numbers, a slot far from the end looks like the end. The hint tells it.
//!
//! # Crash
//!
//! A walker holds nothing but its message, whose cell says so. A slot that names a message that was
//! received is freed by the next to come, at either side.
//!
//! # Ordering
//!
//! (W1), (W3) of [`work`](super).

use super::{Cursor, Mine, Places, Work};
use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::layout::{CellWord, Entry, SlotWord, State, WordFormat};
use crate::facade::{Ordering, Patience, mutation, ordering};
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::on_event::TryError;

impl<P: Places> Work<'_, P> {
    #[inline(always)]
    fn look_at_slot(&self, index: u64) -> SlotWord {
        // ORDERING: Acquire; (W1), (W3).
        let acquire = ordering(Ordering::Acquire, 220);
        SlotWord(self.places.slot(index).load(acquire))
    }

    #[inline(always)]
    fn swap_slot(&self, index: u64, from: SlotWord, to: SlotWord) -> bool {
        // ORDERING: Release; (W1), (W3). Acquire; (W3).
        let both = ordering(Ordering::AcqRel, 221);
        let word = self.places.slot(index);
        word.compare_exchange(from.0, to.0, both, Ordering::Relaxed)
            .is_ok()
    }

    #[inline(always)]
    fn format(&self) -> WordFormat {
        self.rules.format
    }

    /// The index of the slot at a position, and the lap.
    #[inline(always)]
    fn place(&self, at: Position) -> (u64, u64) {
        (self.rules.order.index(at), self.rules.order.whole_lap(at))
    }

    /// How many laps a slot's word is ahead of `lap`, and the message in it.
    #[inline(always)]
    fn read(&self, word: SlotWord, lap: u64) -> (i64, Option<Entry>) {
        let format = self.format();
        (format.laps_after(word, lap), format.entry(word))
    }

    /// Whether a slot that is so many laps ahead can be ahead of a handle that knows the hint.
    #[inline(always)]
    fn is_near(&self, ahead: i64) -> bool {
        ahead <= self.rules.order.max_laps_behind().into()
    }

    /// The word of a message's cell, and whether the message still waits to be received.
    #[inline(always)]
    pub(super) fn find(&self, entry: Entry) -> Result<(CellWord, bool), TryError> {
        if entry.cell >= self.rules.cells {
            return Err(TryError::Corrupt);
        }
        let word = self.look(entry.cell);
        let waits = matches!(word.state(), Some(State::Sending | State::Queued));
        Ok((word, waits && Entry::of(entry.cell, word) == entry))
    }

    /// Puts a message that is being sent into the order: the commit.
    #[inline(always)]
    pub(super) fn publish(&self, cursor: &mut Cursor, mine: Mine) -> Result<(), TryError> {
        let entry = Entry::of(mine.cell, mine.word);
        let mut steps = 0_u32;
        loop {
            let at = cursor.tail;
            let (index, lap) = self.place(at);
            let seen = self.look_at_slot(index);
            match self.read(seen, lap) {
                // A lap is told from another only within a turn of its bits.
                (0, None) if self.jump(Endpoint::Sender, &mut cursor.tail)? => continue,
                (0, None) => {
                    if self.swap_slot(index, seen, self.format().ready(lap, entry)) {
                        cursor.tail = self.passed(Endpoint::Sender, at);
                        return Ok(());
                    }
                    continue;
                }
                // What stands there from the lap before was received: there are no more messages
                // than slots, and this one is not among them.
                (-1, Some(before)) if !self.find(before)?.1 && !mutation(222) => {
                    self.swap_slot(index, seen, self.format().free(lap));
                    continue;
                }
                (0, Some(_)) => {}
                (ahead @ 1.., _) if self.is_near(ahead) => {}
                _ if self.jump(Endpoint::Sender, &mut cursor.tail)? => continue,
                _ => return Err(TryError::Corrupt),
            }
            self.go_on(Endpoint::Sender, &mut cursor.tail, &mut steps)?;
        }
    }

    /// Takes the first message in the order.
    #[inline(always)]
    pub(super) fn take_next(&self, cursor: &mut Cursor, me: Tag) -> Result<Mine, TryError> {
        let mut steps = 0_u32;
        loop {
            let at = cursor.head;
            let (index, lap) = self.place(at);
            let seen = self.look_at_slot(index);
            match self.read(seen, lap) {
                (0, None) => {
                    let stream = at.0.saturating_sub(cursor.caught_up.0);
                    cursor.caught_up = at;
                    if Patience::follow(stream)
                        || self.jump(Endpoint::Receiver, &mut cursor.head)?
                    {
                        continue;
                    }
                    return Err(TryError::WouldBlock);
                }
                (0, Some(entry)) => {
                    let (word, waits) = self.find(entry)?;
                    // Behind the look at the cell: the message in it is the one that stood here.
                    if waits && self.look_at_slot(index) != seen && !mutation(636) {
                        continue;
                    }
                    let held = word.delivered(me);
                    if waits && !self.swap(entry.cell, word, held) {
                        continue;
                    }
                    self.swap_slot(index, seen, self.format().free(lap + 1));
                    cursor.head = self.passed(Endpoint::Receiver, at);
                    if waits {
                        return Ok(Mine {
                            cell: entry.cell,
                            word: held,
                        });
                    }
                    continue;
                }
                (ahead @ 1.., _) if self.is_near(ahead) => {}
                _ if self.jump(Endpoint::Receiver, &mut cursor.head)? => continue,
                _ => return Err(TryError::Corrupt),
            }
            self.go_on(Endpoint::Receiver, &mut cursor.head, &mut steps)?;
        }
    }

    /// Whether a message stands at the head, or garbage, as far as this handle knows where that is.
    pub(super) fn has_next(&self, cursor: &mut Cursor) -> bool {
        let mut steps = 0_u32;
        loop {
            let at = cursor.head;
            let (index, lap) = self.place(at);
            let seen = self.look_at_slot(index);
            match self.read(seen, lap) {
                (0, None) => match self.jump(Endpoint::Receiver, &mut cursor.head) {
                    Ok(false) => return false,
                    Ok(true) => continue,
                    Err(_) => return true,
                },
                (0, Some(entry)) => match self.find(entry) {
                    // INVARIANT: the head of a handle passes no slot that is not free for the next lap.
                    Ok((_, false)) if !mutation(224) => {
                        self.swap_slot(index, seen, self.format().free(lap + 1));
                    }
                    Ok((_, false)) => {}
                    _ => return true,
                },
                (ahead @ 1.., _) if self.is_near(ahead) => {}
                _ => match self.jump(Endpoint::Receiver, &mut cursor.head) {
                    Ok(true) => continue,
                    _ => return true,
                },
            }
            let went_on = self.go_on(Endpoint::Receiver, &mut cursor.head, &mut steps);
            if went_on.is_err() {
                return true;
            }
        }
    }

    /// What stands in the slots, whatever their laps: names of messages that wait, or were received.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.rules.order.capacity())
            .filter_map(|index| self.format().entry(self.look_at_slot(index)))
    }

    #[inline(always)]
    fn go_on(&self, side: Endpoint, at: &mut Position, steps: &mut u32) -> Result<(), TryError> {
        *at = self.rules.order.next(*at);
        *steps += 1;
        if *steps % 4 == 1 {
            self.jump(side, at)?;
        }
        Ok(())
    }

    /// The position after one that was passed. Sets the shared hint now and then.
    #[inline(always)]
    fn passed(&self, side: Endpoint, at: Position) -> Position {
        let next = self.rules.order.next(at);
        if self.rules.order.is_marked(at) {
            self.publish_hint(side, next);
        }
        next
    }

    #[cold]
    fn publish_hint(&self, side: Endpoint, next: Position) {
        let hint = self.state.hint(side);
        // ORDERING: Relaxed; the CAS decides. Release; (W3).
        let seen = hint.load(Ordering::Relaxed);
        if seen < next.0 {
            let _ = hint.compare_exchange(seen, next.0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn hint(&self, side: Endpoint) -> Position {
        // ORDERING: Acquire; (W3).
        let acquire = ordering(Ordering::Acquire, 223);
        Position(self.state.hint(side).load(acquire))
    }

    /// Goes to where the shared hint says, if that is further; whether it was.
    #[inline(always)]
    fn jump(&self, side: Endpoint, at: &mut Position) -> Result<bool, TryError> {
        let hint = self.hint(side);
        if hint <= *at {
            return Ok(false);
        }
        self.jump_to(hint, side, at)
    }

    #[cold]
    fn jump_to(&self, hint: Position, side: Endpoint, at: &mut Position) -> Result<bool, TryError> {
        let mut hint = hint;
        while !self.is_passed(hint, side)? {
            // One that was stopped in between finds a slot that others have passed so often since that it
            // looks like one behind. They have set the hint, too.
            let now = self.hint(side);
            if now <= hint || mutation(275) {
                return Err(TryError::Corrupt);
            }
            hint = now;
        }
        *at = hint;
        Ok(true)
    }

    /// Whether the slot before a hint was passed, as whoever set it had done.
    fn is_passed(&self, hint: Position, side: Endpoint) -> Result<bool, TryError> {
        let before = self.rules.order.previous(hint).ok_or(TryError::Corrupt)?;
        let seen = self.look_at_slot(self.rules.order.index(before));
        let lap = self.rules.order.whole_lap(before);
        Ok(match self.read(seen, lap) {
            (1.., _) => true,
            (0, Some(entry)) => side == Endpoint::Sender || !self.find(entry)?.1,
            _ => false,
        })
    }
}

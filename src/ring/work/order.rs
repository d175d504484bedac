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
//! A slot's lap has few bits: to a handle that was idle while the ring went round 2^20 times, a slot far
//! from the end looks like the end. The hint tells it.
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
use crate::facade::{Ordering, Patience, mutation, ordering};
use crate::layout::Tag;
use crate::layout::slots::Position;
use crate::layout::work::{CellWord, Entry, SlotWord, State};
use crate::ring::ends::Side;
use crate::ring::wait::Refused;

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

    /// The word of a message's cell, and whether the message still waits to be received.
    #[inline(always)]
    pub(super) fn find(&self, entry: Entry) -> Result<(CellWord, bool), Refused> {
        if entry.cell >= self.rules.cells {
            return Err(Refused::Corrupt);
        }
        let word = self.look(entry.cell);
        let waits = matches!(word.state(), Some(State::Sending | State::Queued));
        Ok((word, waits && word.version() == entry.version))
    }

    /// Puts a message that is being sent into the order: the commit.
    #[inline(always)]
    pub(super) fn publish(&self, cursor: &mut Cursor, mine: Mine) -> Result<(), Refused> {
        let entry = Entry {
            cell: mine.cell,
            version: mine.word.version(),
        };
        let mut steps = 0_u32;
        loop {
            let at = cursor.tail;
            let (index, lap) = (self.rules.order.index(at), self.rules.order.lap(at));
            let seen = self.look_at_slot(index);
            match (seen.laps_after(lap), seen.entry()) {
                // A lap is told from another only within a turn of its bits.
                (0, None) if self.jump(Side::Sender, &mut cursor.tail)? => continue,
                (0, None) => {
                    if self.swap_slot(index, seen, SlotWord::ready(lap, entry)) {
                        cursor.tail = self.passed(Side::Sender, at);
                        return Ok(());
                    }
                    continue;
                }
                // What stands there from the lap before was received: there are no more messages
                // than slots, and this one is not among them.
                (-1, Some(before)) if !self.find(before)?.1 && !mutation(222) => {
                    self.swap_slot(index, seen, SlotWord::free(lap));
                    continue;
                }
                (0, Some(_)) => {}
                (ahead @ 1.., _) if ahead <= self.rules.order.laps_behind_at_most() => {}
                _ if self.jump(Side::Sender, &mut cursor.tail)? => continue,
                _ => return Err(Refused::Corrupt),
            }
            self.go_on(Side::Sender, &mut cursor.tail, &mut steps)?;
        }
    }

    /// Takes the first message in the order.
    #[inline(always)]
    pub(super) fn take_next(&self, cursor: &mut Cursor, me: Tag) -> Result<Mine, Refused> {
        let mut steps = 0_u32;
        loop {
            let at = cursor.head;
            let (index, lap) = (self.rules.order.index(at), self.rules.order.lap(at));
            let seen = self.look_at_slot(index);
            match (seen.laps_after(lap), seen.entry()) {
                (0, None) => {
                    let stream = at.0.saturating_sub(cursor.caught_up.0);
                    cursor.caught_up = at;
                    if Patience::follow(stream) || self.jump(Side::Receiver, &mut cursor.head)? {
                        continue;
                    }
                    return Err(Refused::Nothing);
                }
                (0, Some(entry)) => {
                    let (word, waits) = self.find(entry)?;
                    let held = word.delivered(me);
                    if waits && !self.swap(entry.cell, word, held) {
                        continue;
                    }
                    self.swap_slot(index, seen, SlotWord::free(lap.wrapping_add(1)));
                    cursor.head = self.passed(Side::Receiver, at);
                    if waits {
                        return Ok(Mine {
                            cell: entry.cell,
                            word: held,
                        });
                    }
                    continue;
                }
                (ahead @ 1.., _) if ahead <= self.rules.order.laps_behind_at_most() => {}
                _ if self.jump(Side::Receiver, &mut cursor.head)? => continue,
                _ => return Err(Refused::Corrupt),
            }
            self.go_on(Side::Receiver, &mut cursor.head, &mut steps)?;
        }
    }

    /// Whether a message stands at the head, or garbage, as far as this handle knows where that is.
    pub(super) fn has_next(&self, cursor: &mut Cursor) -> bool {
        let mut steps = 0_u32;
        loop {
            let at = cursor.head;
            let (index, lap) = (self.rules.order.index(at), self.rules.order.lap(at));
            let seen = self.look_at_slot(index);
            match (seen.laps_after(lap), seen.entry()) {
                (0, None) => match self.jump(Side::Receiver, &mut cursor.head) {
                    Ok(false) => return false,
                    Ok(true) => continue,
                    Err(_) => return true,
                },
                (0, Some(entry)) => match self.find(entry) {
                    // INVARIANT: the head of a handle passes no slot that is not free for the next lap.
                    Ok((_, false)) if !mutation(224) => {
                        self.swap_slot(index, seen, SlotWord::free(lap.wrapping_add(1)));
                    }
                    Ok((_, false)) => {}
                    _ => return true,
                },
                (ahead @ 1.., _) if ahead <= self.rules.order.laps_behind_at_most() => {}
                _ => match self.jump(Side::Receiver, &mut cursor.head) {
                    Ok(true) => continue,
                    _ => return true,
                },
            }
            let went_on = self.go_on(Side::Receiver, &mut cursor.head, &mut steps);
            if went_on.is_err() {
                return true;
            }
        }
    }

    /// What stands in the slots, whatever their laps: names of messages that wait, or were received.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.rules.order.capacity()).filter_map(|index| self.look_at_slot(index).entry())
    }

    #[inline(always)]
    fn go_on(&self, side: Side, at: &mut Position, steps: &mut u32) -> Result<(), Refused> {
        *at = self.rules.order.next(*at);
        *steps += 1;
        if *steps % 4 == 1 {
            self.jump(side, at)?;
        }
        Ok(())
    }

    /// The position after one that was passed. Sets the shared hint now and then.
    #[inline(always)]
    fn passed(&self, side: Side, at: Position) -> Position {
        let next = self.rules.order.next(at);
        if self.rules.order.is_marked(at) {
            self.publish_hint(side, next);
        }
        next
    }

    #[cold]
    fn publish_hint(&self, side: Side, next: Position) {
        let hint = self.state.hint(side);
        // ORDERING: Relaxed; the CAS decides. Release; (W3).
        let seen = hint.load(Ordering::Relaxed);
        if seen < next.0 {
            let _ = hint.compare_exchange(seen, next.0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn hint(&self, side: Side) -> Position {
        // ORDERING: Acquire; (W3).
        let acquire = ordering(Ordering::Acquire, 223);
        Position(self.state.hint(side).load(acquire))
    }

    /// Goes to where the shared hint says, if that is further; whether it was.
    #[inline(always)]
    fn jump(&self, side: Side, at: &mut Position) -> Result<bool, Refused> {
        let hint = self.hint(side);
        if hint <= *at {
            return Ok(false);
        }
        self.jump_to(hint, side, at)
    }

    #[cold]
    fn jump_to(&self, hint: Position, side: Side, at: &mut Position) -> Result<bool, Refused> {
        let mut hint = hint;
        while !self.is_passed(hint, side)? {
            // One that was stopped in between finds a slot that others have passed so often since that it
            // looks like one behind. They have set the hint, too.
            let now = self.hint(side);
            if now <= hint || mutation(275) {
                return Err(Refused::Corrupt);
            }
            hint = now;
        }
        *at = hint;
        Ok(true)
    }

    /// Whether the slot before a hint was passed, as whoever set it had done.
    fn is_passed(&self, hint: Position, side: Side) -> Result<bool, Refused> {
        let before = self.rules.order.previous(hint).ok_or(Refused::Corrupt)?;
        let seen = self.look_at_slot(self.rules.order.index(before));
        Ok(
            match (seen.laps_after(self.rules.order.lap(before)), seen.entry()) {
                (1.., _) => true,
                (0, Some(entry)) => side == Side::Sender || !self.find(entry)?.1,
                _ => false,
            },
        )
    }
}

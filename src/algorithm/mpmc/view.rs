//! A queue of slots as it is seen from outside.

use core::mem::offset_of;

use super::SlotsState;
use super::entry::layout_of;
use super::layout::{Geometry, Position, State, Word};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};
use crate::algorithm::region::WORD;
use crate::participant::endpoints::view::EndpointsSeen;

/// How many items went through a ring, as the laps of its slots say.
///
/// A slot's lap is the number of items that left it. Its word has the low bits of that; the high
/// bits are those of a hint, which is some laps behind at most. So the numbers grow by one for each
/// item, to 2^63. An item counts as received if its sender died while it wrote it.
#[derive(Debug)]
pub(crate) struct Passed {
    lap: u64,
    /// As the hints have it, which are some items behind.
    hinted: (u64, u64),
    sent: u64,
    received: u64,
}

impl Passed {
    /// From the hints at these offsets.
    pub(crate) fn hinted(
        look: &Look<'_>,
        order: &Geometry,
        (tail, head): (usize, usize),
    ) -> Option<Self> {
        let (tail, head) = (Position(look.long(tail)?), Position(look.long(head)?));
        Some(Self {
            lap: order.whole_lap(tail),
            hinted: (order.before(tail), order.before(head)),
            sent: 0,
            received: 0,
        })
    }

    /// The lap of the hint.
    pub(crate) fn lap(&self) -> u64 {
        self.lap
    }

    /// Adds a slot that is `ahead` of the hint's lap, and has an item in it, or has not.
    pub(crate) fn add(&mut self, ahead: i64, has_item: bool) {
        let left = self.lap.saturating_add_signed(ahead);
        self.received = self.received.saturating_add(left);
        let sent = left.saturating_add(u64::from(has_item));
        self.sent = self.sent.saturating_add(sent);
    }

    /// Adds the numbers: those of the hints, unless `all` slots were added.
    pub(crate) fn tell(&self, sight: Sight, all: bool) -> Sight {
        let (sent, received) = match all {
            true => (self.sent, self.received),
            false => self.hinted,
        };
        sight.with("sent", sent).with("received", received)
    }
}

/// The depth, the slots in the middle of an operation, and the endpoints.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let layout = layout_of(look.record, look.participants)?;
    let capacity = layout.geometry.capacity();
    let value = WORD.checked_next_multiple_of(look.payload().align().max(1))?;
    let hints = (offset_of!(SlotsState, tail), offset_of!(SlotsState, head));
    let mut passed = Passed::hinted(look, &layout.geometry, hints)?;
    let lap = u32::try_from(passed.lap() & u64::from(u32::MAX)).ok()?;
    let (mut ready, mut orphans, mut corrupt) = (0_u64, 0_u64, 0_u64);
    let (mut rows, mut values) = (Rows::default(), Vec::new());
    let all = look.each(capacity, |index| {
        let slot = layout.slots + index * layout.stride;
        let word = Word(look.u64(slot)?);
        let state = word.state();
        let has_item = matches!(state, Some(State::Ready | State::Reading | State::Orphan));
        passed.add(word.laps_after(lap).into(), has_item);
        let doing = match state {
            Some(State::Ready) => {
                ready += 1;
                if values.len() < 64 {
                    values.push((index, slot));
                }
                return Some(());
            }
            Some(State::Orphan) => {
                orphans += 1;
                return Some(());
            }
            Some(State::Writing) => "sending",
            Some(State::Reading) => "receiving",
            Some(State::Free) => return Some(()),
            None => {
                corrupt += 1;
                return Some(());
            }
        };
        rows.push([
            field("slot", index),
            field(doing, word.tag(look.participants)),
        ]);
        Some(())
    })?;
    let ends = endpoints(
        look,
        offset_of!(SlotsState, common.0.endpoints),
        layout.cells,
    )?;
    let sight = Sight::new()
        .with("depth", ready + orphans)
        .with("capacity", capacity)
        .with("to be redelivered", orphans);
    let sight = passed.tell(with_endpoints(sight, ends), all);
    let sight = counted(sight, all, corrupt).rows("in work", rows);
    let size = look.payload().size();
    Some(values.into_iter().fold(sight, |sight, (index, slot)| {
        sight.numbered("slot", index, slot + value, size)
    }))
}

/// The endpoints whose word is at `word`, and whose cells are `cells` bytes into the entry.
pub(crate) fn endpoints(look: &Look<'_>, word: usize, cells: u64) -> Option<EndpointsSeen> {
    let mut seen = EndpointsSeen::of(look.long(word)?);
    look.each(look.participants.into(), |index| {
        seen.add(look.u64(cells + index * WORD)?, look.participants);
        Some(())
    })?;
    Some(seen)
}

/// Adds the endpoints.
pub(crate) fn with_endpoints(sight: Sight, seen: EndpointsSeen) -> Sight {
    let mut rows = Rows::default();
    for (tag, senders, receivers) in seen.counted {
        rows.push([
            field("participant", tag),
            field("senders", senders),
            field("receivers", receivers),
        ]);
    }
    sight
        .with("senders", seen.senders)
        .with("receivers", seen.receivers)
        .with("closed", seen.closed)
        .rows("counted", rows)
}

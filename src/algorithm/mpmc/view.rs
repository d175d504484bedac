//! A queue of slots as it is seen from outside.

use core::mem::offset_of;

use super::SlotsState;
use super::entry::layout_of;
use super::layout::{State, Word};
use crate::algorithm::look::{Look, Rows, Sight, field};
use crate::algorithm::region::WORD;
use crate::participant::endpoints::view::EndpointsSeen;

/// The depth, the slots in the middle of an operation, and the endpoints.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let layout = layout_of(look.record, look.participants)?;
    let capacity = layout.geometry.capacity();
    let value = WORD.checked_next_multiple_of(look.payload().align().max(1))?;
    let (mut ready, mut orphans, mut rows) = (0_u64, 0_u64, Rows::default());
    let mut values = Vec::new();
    let all = look.each(capacity, |index| {
        let slot = layout.slots + index * layout.stride;
        let word = Word(look.u64(slot)?);
        let doing = match word.state() {
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
            Some(State::Free) | None => return Some(()),
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
    let sight = if all {
        sight
    } else {
        sight.with("counted", "in part")
    };
    let sight = with_endpoints(sight, ends).rows("in work", rows);
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

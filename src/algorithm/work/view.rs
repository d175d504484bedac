//! A work queue as it is seen from outside.

use core::mem::offset_of;

use super::WorkState;
use super::entry::layout_of;
use super::layout::{CellWord, SlotWord, State};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};
use crate::algorithm::mpmc::view::{Passed, endpoints, with_endpoints};
use crate::algorithm::region::WORD;

/// The offset of a message's length in its first cell, in a queue of bytes.
const LEN: u64 = 16;

/// A queue of values or of bytes.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let layout = layout_of(look.record, look.participants)?;
    let rules = &layout.rules;
    let [_, _, cell_size, _] = look.record.config;
    let size = match rules.spans {
        true => cell_size,
        false => look.payload().size(),
    };
    let hints = (offset_of!(WorkState, tail), offset_of!(WorkState, head));
    let mut passed = Passed::hinted(look, &rules.order, hints)?;
    let all_slots = look.each(rules.order.capacity(), |index| {
        let word = SlotWord(look.u64(layout.slots + index * WORD)?);
        let ahead = rules.format.laps_after(word, passed.lap());
        passed.add(ahead, rules.format.entry(word).is_some());
        Some(())
    })?;
    let mut counts = [0_u64; 10];
    let mut corrupt = 0_u64;
    let (mut rows, mut values) = (Rows::default(), Vec::new());
    let all = look.each(rules.cells.into(), |index| {
        let cell = layout.cells + index * layout.stride;
        let word = CellWord(look.u64(cell)?);
        let Some(state) = word.state() else {
            corrupt += 1;
            return Some(());
        };
        counts[state as usize] += 1;
        let label = match state {
            // The word may say that it is being sent for as long as its sender lives.
            State::Queued | State::Sending => "waiting",
            State::Delivered => "held by",
            State::Returned | State::Delayed => "returned",
            State::DeadLetter => "dead letter",
            State::Loaned => "written by",
            State::Free | State::Freeing | State::Part => return Some(()),
        };
        if matches!(state, State::Delivered | State::Loaned) {
            rows.push([
                field("cell", index),
                field(label, look.tag(word.owner())),
                field("attempt", u32::from(word.attempts())),
                field("of", u32::from(rules.max_attempts)),
            ]);
        }
        if values.len() < 64 && state != State::Loaned {
            let len = if rules.spans {
                look.u64(cell + LEN)?.min(size)
            } else {
                size
            };
            values.push((label, index, cell + layout.message, len));
        }
        Some(())
    })?;
    let count = |state: State| counts[state as usize];
    let ends = endpoints(
        look,
        offset_of!(WorkState, common.0.endpoints),
        layout.counts,
    )?;
    let sight = Sight::new()
        .with("waiting", count(State::Queued) + count(State::Sending))
        .with("held", count(State::Delivered))
        .with("returned", count(State::Returned) + count(State::Delayed))
        .with("dead letters", count(State::DeadLetter))
        .with("loaned", count(State::Loaned))
        .with("free cells", count(State::Free))
        .with("cells", u64::from(rules.cells))
        .with(
            "receivers wait",
            look.has_waiters(offset_of!(WorkState, common.0.items))?,
        )
        .with(
            "senders wait",
            look.has_waiters(offset_of!(WorkState, common.0.free_cells))?,
        );
    let sight = passed.tell(with_endpoints(sight, ends), all_slots);
    let sight = counted(sight, all && all_slots, corrupt).rows("in work", rows);
    Some(
        values
            .into_iter()
            .fold(sight, |sight, (label, index, at, len)| {
                sight.numbered(label, index, at, len)
            }),
    )
}

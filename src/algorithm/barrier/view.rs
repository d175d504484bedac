//! A barrier as it is seen from outside.

use core::mem::offset_of;

use super::BarrierState;
use super::layout::{Phase, SEATS, Seat, SeatState, entry_len};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};

/// The generation, and the seats.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let [parties, shrinks, ..] = look.record.config;
    entry_len(parties, shrinks)?;
    let phase = Phase(look.long(offset_of!(BarrierState, 0.0.phase))?);
    let (mut arrived, mut out, mut corrupt) = (0_u64, 0_u64, 0_u64);
    let mut rows = Rows::default();
    let all = look.each(parties, |number| {
        let seat = Seat(look.u64(SEATS + number * 8)?);
        if seat.is_corrupt(look.participants) {
            corrupt += 1;
            return Some(());
        }
        let waits = seat.state() == SeatState::Arrived && seat.is_of(phase.generation());
        arrived += u64::from(waits);
        out += u64::from(seat.is_taken_out());
        if let Some(holder) = look.tag(seat.holder()) {
            rows.push([
                field("seat", number),
                field("holder", holder),
                field("arrived", waits),
            ]);
        }
        Some(())
    })?;
    let sight = Sight::new()
        .with("parties", parties - out.min(parties))
        .with("arrived", arrived)
        .with("generation", phase.generation())
        .with("broken", phase.is_broken());
    Some(counted(sight, all, corrupt).rows("seats", rows))
}

//! The words of a barrier in an entry, and their recovery after a death.

use super::layout::{SEATS, entry_len};
use super::{Barrier, BarrierState};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for BarrierState {}

/// Returns the barrier of an entry with that configuration, or `None` if the entry is too short, or
/// no barrier has it.
pub(crate) fn view(region: &impl Region, config: [u64; 4]) -> Option<Barrier<'_>> {
    let [parties, shrinks, ..] = config;
    entry_len(parties, shrinks)?;
    Some(Barrier {
        state: region.state::<BarrierState>()?,
        seats: region.states(SEATS, parties)?,
        shrinks: shrinks == 1,
    })
}

/// Recovers the seats of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    view(&entry.region, entry.record.config)?.recover(dead);
    Some(())
}

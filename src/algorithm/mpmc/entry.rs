//! The words of a ring in an entry, and their recovery after a death.

use super::layout::SlotsLayout;
use super::{Ring, Slots, SlotsState};
use crate::algorithm::region::WORD;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::facade::AtomicU64;
use crate::format::Record;
use crate::participant::Tag;
#[cfg(any(loom, feature = "process"))]
use crate::participant::{
    Liveness,
    hand_over::{Ends, HandOverStep, TakeOverError},
};

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SlotsState {}

/// The words of slots, which are `stride` words apart.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    words: &'a [AtomicU64],
    stride: usize,
}

impl Slots for Strided<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "as many as are in memory")]
    fn word(&self, index: u64) -> &AtomicU64 {
        &self.words[index as usize * self.stride]
    }
}

/// Returns the ring with this layout, or `None` if the entry is too short.
pub(crate) fn view<'a>(
    region: &'a impl Region,
    layout: &'a SlotsLayout,
    participants: u32,
) -> Option<Ring<'a, Strided<'a>>> {
    Some(Ring {
        state: region.state::<SlotsState>()?,
        cells: region.states(layout.cells, participants.into())?,
        slots: Strided {
            words: region.states(layout.slots, layout.slots_len() / WORD)?,
            stride: usize::try_from(layout.stride / WORD).ok()?,
        },
        geometry: &layout.geometry,
    })
}

/// Recovers the slots of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    let layout = layout_of(entry.record, entry.participants)?;
    view(&entry.region, &layout, entry.participants)?.recover(dead);
    Some(())
}

/// Takes over or gives up an end of the entry; `None` if it is too short.
#[cfg(any(loom, feature = "process"))]
pub(crate) fn perform(
    entry: &Located<'_, impl Region>,
    step: HandOverStep,
    peers: &impl Liveness,
) -> Option<Result<(), TakeOverError>> {
    let layout = layout_of(entry.record, entry.participants)?;
    Some(view(&entry.region, &layout, entry.participants)?.perform(step, peers))
}

/// Returns the layout of the ring in the entry of a record.
pub(super) fn layout_of(record: &Record, participants: u32) -> Option<SlotsLayout> {
    let [capacity, ..] = record.config;
    let payload = record.payload;
    SlotsLayout::new(capacity, payload.size(), payload.align(), participants)
}

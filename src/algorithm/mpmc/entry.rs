//! The words of a ring in an entry, and their recovery after a death.

use super::layout::SlotsLayout;
use super::{Ring, Slots, SlotsState};
use crate::algorithm::region::WORD;
use crate::algorithm::region::{Region, SharedState};
use crate::facade::AtomicU64;
use crate::format::Record;
use crate::participant::Tag;

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
pub(crate) fn recover(
    record: &Record,
    participants: u32,
    region: &impl Region,
    dead: Tag,
) -> Option<()> {
    let layout = layout_of(record, participants)?;
    view(region, &layout, participants)?.recover(dead);
    Some(())
}

/// Returns the layout of the ring in the entry of a record.
pub(super) fn layout_of(record: &Record, participants: u32) -> Option<SlotsLayout> {
    let [capacity, ..] = record.config;
    let payload = record.payload;
    SlotsLayout::new(capacity, payload.size(), payload.align(), participants)
}

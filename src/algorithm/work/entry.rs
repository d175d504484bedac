//! The words of a work queue in an entry, and their recovery after a death.

use super::layout::WorkLayout;
use super::{Storage, Work, WorkState};
use crate::algorithm::region::WORD;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::facade::AtomicU64;
use crate::format::{Kind, Record};
use crate::participant::Tag;
#[cfg(any(loom, feature = "process"))]
use crate::participant::{
    Liveness,
    hand_over::{Ends, HandOverStep, TakeOverError},
};

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for WorkState {}

/// The slots and cells of a work queue, as words.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub(crate) slots: &'a [AtomicU64],
    cells: &'a [AtomicU64],
    stride: usize,
}

impl Storage for Strided<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "as many as are in memory")]
    fn slot(&self, index: u64) -> &AtomicU64 {
        &self.slots[index as usize]
    }

    fn cell(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride]
    }

    fn not_before(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride + 1]
    }

    fn len(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride + 2]
    }

    fn next(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride + 3]
    }
}

/// Returns the work queue with this layout, or `None` if the entry is too short.
pub(crate) fn view<'a>(
    region: &'a impl Region,
    layout: &'a WorkLayout,
    participants: u32,
) -> Option<Work<'a, Strided<'a>>> {
    Some(Work {
        state: region.state::<WorkState>()?,
        counts: region.states(layout.counts, participants.into())?,
        storage: Strided {
            slots: region.states(layout.slots, layout.rules.order.capacity())?,
            cells: region.states(layout.cells, layout.cells_len() / WORD)?,
            stride: usize::try_from(layout.stride / WORD).ok()?,
        },
        rules: &layout.rules,
    })
}

/// Recovers the cells of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    let layout = layout_of(entry.record, entry.participants)?;
    view(&entry.region, &layout, entry.participants)?.recover(dead);
    Some(())
}

/// Returns how many messages `dead` holds that were delivered as often as they may be: they become
/// dead letters when it is reaped. `None` if the entry is too short.
#[cfg(feature = "tracing")]
pub(crate) fn last_attempts(entry: &Located<'_, impl Region>, dead: Tag) -> Option<u32> {
    let layout = layout_of(entry.record, entry.participants)?;
    Some(view(&entry.region, &layout, entry.participants)?.last_attempts(dead))
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

/// Returns the layout of the work queue in the entry of a record. A message of a queue of bytes has
/// one cell or several.
pub(super) fn layout_of(record: &Record, participants: u32) -> Option<WorkLayout> {
    if record.kind != Kind::WorkQueue as u32 {
        return WorkLayout::of_bytes(record.config, participants);
    }
    let [cells, attempts, ..] = record.config;
    let message = (record.payload.size(), record.payload.align());
    WorkLayout::new(cells, attempts, message, participants)
}

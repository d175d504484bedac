//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::layout::BlocksLayout;
use super::{Blocks, BlocksState, Shape};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for BlocksState {}

/// Returns the words of an object; `None` if the entry is too short.
pub(crate) fn view<'a>(
    region: &'a impl Region,
    layout: &BlocksLayout,
    shape: Shape,
) -> Option<Blocks<'a>> {
    Some(Blocks {
        state: region.state()?,
        shape,
        ring: region.states(layout.ring, layout.blocks)?,
        tables: region.states(layout.tables, layout.table_words())?,
        blocks: region.states(layout.cells, layout.cell_words())?,
        slots: usize::try_from(layout.slots).ok()?,
        payload: usize::try_from(layout.payload).ok()?,
    })
}

/// Recovers what `dead` held in the entry of a record; `None` if the entry is too short to be one.
/// What it was writing is left to the next writer.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    entry.region.state::<BlocksState>()?.recover(dead);
    Some(())
}

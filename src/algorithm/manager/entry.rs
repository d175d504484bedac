//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::layout::ManagerLayout;
use super::{HEAD, Manager, ManagerState};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::format::Record;
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for ManagerState {}

/// Returns the words of the manager in the entry of a record; `None` if the entry is too short, or
/// no manager.
pub(crate) fn view<'a>(
    record: &Record,
    participants: u32,
    region: &'a impl Region,
) -> Option<Manager<'a>> {
    let layout = ManagerLayout::of(record.config, participants)?;
    if layout.len() > record.len {
        return None;
    }
    let pool = record.offset.checked_add(layout.pool)?;
    Some(Manager {
        state: region.state()?,
        heads: region.states(layout.heads, layout.records * HEAD as u64)?,
        records: region.states(layout.directory, layout.records)?,
        cells: region.states(layout.cells, layout.records * layout.participants)?,
        pool,
        blocks: layout.blocks,
        block: layout.block,
    })
}

/// Recovers the mutex if `dead` held it; `None` if the entry is too short to be a manager's. The
/// objects are visited by the caller of [`Manager::visit`].
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    entry.region.state::<ManagerState>()?.lock().recover(dead);
    Some(())
}

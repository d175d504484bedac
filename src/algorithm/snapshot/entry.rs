//! The words of a snapshot in an entry, and their recovery after a death.

use super::layout::SnapshotLayout;
use super::{Snapshot, SnapshotState};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SnapshotState {}

/// Returns the snapshot with this layout, or `None` if the entry is too short.
pub(crate) fn view<'a>(region: &'a impl Region, layout: &SnapshotLayout) -> Option<Snapshot<'a>> {
    Some(Snapshot {
        state: region.state::<SnapshotState>()?,
        slots: region.states(layout.slots, layout.readers)?,
        buffer_versions: region.states(layout.buffer_versions, layout.count())?,
    })
}

/// Recovers the claims of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    let layout = SnapshotLayout::new(entry.record.config[0], entry.record.payload.size())?;
    view(&entry.region, &layout)?.recover(dead);
    Some(())
}

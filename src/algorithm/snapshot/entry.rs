//! The words of a snapshot in an entry, and their recovery after a death.

use super::layout::SnapshotLayout;
use super::{Snapshot, SnapshotState};
use crate::algorithm::region::{Region, SharedState};
use crate::format::Record;
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
pub(crate) fn recover(
    record: &Record,
    _participants: u32,
    region: &impl Region,
    dead: Tag,
) -> Option<()> {
    let layout = SnapshotLayout::new(record.config[0], record.payload.size())?;
    view(region, &layout)?.recover(dead);
    Some(())
}

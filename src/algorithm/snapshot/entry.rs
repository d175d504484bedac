//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::layout::SnapshotLayout;
use super::{Snapshot, SnapshotState};
use crate::algorithm::region::{Region, SharedState};
use crate::format::Record;
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SnapshotState {}

/// Returns the snapshot that is laid out so.
pub(crate) fn view<'a>(region: &'a impl Region, layout: &SnapshotLayout) -> Option<Snapshot<'a>> {
    Some(Snapshot {
        state: region.state::<SnapshotState>()?,
        seats: region.states(layout.seats, layout.readers)?,
        stamps: region.states(layout.stamps, layout.count())?,
    })
}

/// Recovers what `dead` held in the entry of a record; `None` if the entry is too short to be one.
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

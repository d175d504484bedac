//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::layout::ArrayLayout;
use super::{LeaseTable, LeaseTableState};
use crate::algorithm::region::{Region, SharedState};
use crate::algorithm::rwlock;
use crate::format::Record;
use crate::participant::Tag;

// SAFETY: one atomic word.
unsafe impl SharedState for LeaseTableState {}

/// Returns the chunks of an array that is laid out so.
pub(crate) fn view<'a>(region: &'a impl Region, layout: &ArrayLayout) -> Option<LeaseTable<'a>> {
    Some(LeaseTable {
        state: region.states(ArrayLayout::TABLE, 1)?.first()?,
        chunks: region.states(layout.chunks, layout.cut.count() as u64)?,
    })
}

/// Recovers what `dead` held in the entry of a record; `None` if the entry is too short to be one.
pub(crate) fn recover(
    record: &Record,
    participants: u32,
    region: &impl Region,
    dead: Tag,
) -> Option<()> {
    let [len, chunk, ..] = record.config;
    let payload = (record.payload.size(), record.payload.align());
    let layout = ArrayLayout::new((len, chunk), payload, participants)?;
    let table = view(region, &layout)?;
    let lock = rwlock::entry::view(region, layout.cells, participants, table)?;
    table.recover(dead);
    lock.recover(dead);
    Some(())
}

//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::layout::ArrayLayout;
use super::{LeaseTable, LeaseTableState};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::algorithm::rwlock;
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
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    let [len, chunk, ..] = entry.record.config;
    let payload = (entry.record.payload.size(), entry.record.payload.align());
    let layout = ArrayLayout::new((len, chunk), payload, entry.participants)?;
    let table = view(&entry.region, &layout)?;
    let lock = rwlock::entry::view(&entry.region, layout.cells, entry.participants, table)?;
    table.recover(dead);
    lock.recover(dead);
    Some(())
}

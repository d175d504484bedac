//! A snapshot as it is seen from outside.

use core::mem::offset_of;

use super::SnapshotState;
use super::layout::{ReaderState, ReaderWord, SnapshotLayout, Version};
use crate::algorithm::look::{Look, Rows, Sight, field};
use crate::format::PADDING;

/// The edition, its writer, and the readers' slots.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let size = look.payload().size();
    let layout = SnapshotLayout::new(look.record.config[0], size)?;
    let latest = Version(look.long(offset_of!(SnapshotState, latest))?);
    let buffers = u32::try_from(layout.count()).ok()?;
    let (mut readers, mut rows) = (0_u64, Rows::default());
    look.each(layout.readers, |number| {
        let word = ReaderWord(look.u64(layout.slots + number * PADDING as u64)?);
        if let Some(reader) = word.tag(look.participants) {
            readers += 1;
            let reads = !matches!(word.state(buffers), Some(ReaderState::Idle));
            rows.push([field("reader", reader), field("reads now", reads)]);
        }
        Some(())
    })?;
    let buffer = u64::from(latest.index());
    let sight = Sight::new()
        .with("edition", latest.number())
        .with(
            "writer",
            look.holder(offset_of!(SnapshotState, writer.0.claim))?,
        )
        .with("readers", readers)
        .with("reader slots", layout.readers)
        .with(
            "waited for",
            look.has_waiters(offset_of!(SnapshotState, writer.0.event))?,
        )
        .rows("read by", rows);
    if buffer >= layout.count() {
        return Some(sight);
    }
    Some(sight.value("value", layout.buffers + buffer * layout.stride, size))
}

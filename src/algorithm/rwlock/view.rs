//! A reader-writer lock as it is seen from outside.

use core::mem::offset_of;

use super::cell::CellValue;
use super::layout::RwLockLayout;
use super::{OWNER_DIED, POISONED, RwLockState};
use crate::algorithm::look::{Look, Rows, Sight, field};
use crate::algorithm::mutex::marked::MarkedWord;
use crate::format::PADDING;

/// A lock, and the value that it protects.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let size = look.payload().size();
    let layout = RwLockLayout::new(size, look.participants)?;
    Some(lock(look, layout.cells)?.value("value", RwLockLayout::DATA, size))
}

/// The lock whose cells are `cells` bytes into the entry.
pub(crate) fn lock(look: &Look<'_>, cells: u64) -> Option<Sight> {
    let writing = look.word(offset_of!(RwLockState, writing))?;
    let writer_mutex = look.word(offset_of!(RwLockState, mutex))?;
    // Where no process has read, the mutex names the writer.
    let marked = MarkedWord(writer_mutex);
    let unread = marked.owner().and_then(|owner| look.tag(owner.bits()));
    let writer = look.tag(writing).or(unread);
    let owner_died = writing & OWNER_DIED != 0 || marked.is_left_by_the_dead();
    let (mut readers, mut waits, mut rows) = (0_u32, false, Rows::default());
    look.each(look.participants.into(), |index| {
        let cell = CellValue::of_word(look.u32(cells + index * PADDING as u64)?);
        readers = readers.saturating_add(cell.readers());
        waits |= cell.has_sleepers();
        let owner = cell.owner(u32::try_from(index).ok()?);
        if let (Some(owner), true) = (owner, cell.readers() > 0) {
            rows.push([field("reader", owner), field("threads", cell.readers())]);
        }
        Some(())
    })?;
    Some(
        Sight::new()
            .with("writer", writer)
            .with("writer mutex", look.tag(writer_mutex))
            .with("readers", readers)
            .with("contended", waits)
            .with("owner died", owner_died)
            .with("poisoned", writing & POISONED != 0)
            .rows("read by", rows),
    )
}

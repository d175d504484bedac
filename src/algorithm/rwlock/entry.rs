//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::layout::RwLockLayout;
use super::{Cell, LockHook, NoHook, RwLock, RwLockState};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::format::Padded;
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for RwLockState {}
// SAFETY: `repr(transparent)` over one atomic word.
unsafe impl SharedState for Cell {}

/// Returns the lock whose cells are `cells` bytes into the entry.
pub(crate) fn view<A: LockHook>(
    region: &impl Region,
    cells: u64,
    participants: u32,
    hook: A,
) -> Option<RwLock<'_, A>> {
    let cells = region.states(cells, participants.into())?;
    Some(RwLock::new(region.state::<RwLockState>()?, cells, hook))
}

impl<'a, A> RwLock<'a, A> {
    /// Returns the cells of the participants.
    pub(crate) fn cells(&self) -> &'a [Padded<Cell>] {
        self.cells
    }
}

/// Recovers what `dead` held in the entry of a record; `None` if the entry is too short to be one.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    let layout = RwLockLayout::new(entry.record.payload.size(), entry.participants)?;
    view(&entry.region, layout.cells, entry.participants, NoHook)?.recover(dead);
    Some(())
}

//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::MutexState;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: one atomic word.
unsafe impl SharedState for MutexState {}

/// Recovers what `dead` held in the entry of a record; `None` if the entry is too short to be one.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    entry.region.state::<MutexState>()?.recover(dead);
    Some(())
}

//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::PromiseState;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 8.
unsafe impl SharedState for PromiseState {}

/// Recovers what `dead` held in the entry of a record; `None` if the entry is too short to be one.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    entry.region.state::<PromiseState>()?.recover(dead);
    Some(())
}

//! The words of a ring in an entry, and their recovery after a death.

use super::SpscState;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SpscState {}

/// Recovers the claims of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    entry.region.state::<SpscState>()?.recover(dead);
    Some(())
}

//! Where the words of an entry are, and the notification that a dead participant may have owed.

use super::CondvarState;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for CondvarState {}

/// Notifies the waiters of the entry of a record, since `dead` may have owed it; `None` if the
/// entry is too short to be one.
pub(crate) fn recover(entry: &Located<'_, impl Region>, _dead: Tag) -> Option<()> {
    entry.region.state::<CondvarState>()?.recover();
    Some(())
}

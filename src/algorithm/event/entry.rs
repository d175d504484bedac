//! Where the words of an entry are, and the wakes that a dead participant owed there.

use super::EventState;
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for EventState {}

/// Makes the wakes that `dead` may have owed in the entry of a record; `None` if the entry is too
/// short to be one.
pub(crate) fn recover(entry: &Located<'_, impl Region>, _dead: Tag) -> Option<()> {
    entry.region.state::<EventState>()?.recover();
    Some(())
}

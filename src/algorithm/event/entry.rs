//! Where the words of an entry are, and the wakes that a dead participant owed there.

use super::EventState;
use crate::algorithm::region::{Region, SharedState};
use crate::format::Record;
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for EventState {}

/// Makes the wakes that `dead` may have owed in the entry of a record; `None` if the entry is too
/// short to be one.
pub(crate) fn recover(
    _record: &Record,
    _participants: u32,
    region: &impl Region,
    _dead: Tag,
) -> Option<()> {
    region.state::<EventState>()?.recover();
    Some(())
}

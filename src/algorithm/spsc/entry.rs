//! The words of a ring in an entry, and their recovery after a death.

use super::SpscState;
use crate::algorithm::region::{Region, SharedState};
use crate::format::Record;
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SpscState {}

/// Recovers the claims of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(
    _record: &Record,
    _participants: u32,
    region: &impl Region,
    dead: Tag,
) -> Option<()> {
    region.state::<SpscState>()?.recover(dead);
    Some(())
}

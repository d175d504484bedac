//! The words of a semaphore in an entry, and their recovery after a death.

use super::layout::{WORDS, entry_len};
use super::{Semaphore, SemaphoreState};
use crate::algorithm::region::{Located, Region, SharedState};
use crate::participant::Tag;

// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SemaphoreState {}

/// Returns the semaphore with room for `most` permits, or `None` if the entry is too short.
pub(crate) fn view(region: &impl Region, most: u64) -> Option<Semaphore<'_>> {
    Some(Semaphore {
        state: region.state::<SemaphoreState>()?,
        words: region.states(WORDS, most)?,
    })
}

/// Recovers the permits of `dead` in the entry of a record; `None` if the entry is too short.
pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> Option<()> {
    let [permits, most, ..] = entry.record.config;
    entry_len(permits, most)?;
    view(&entry.region, most)?.recover(dead);
    Some(())
}

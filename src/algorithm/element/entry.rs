//! Where the event counts of a counter and of an array are in their entries, and the wakes that a
//! dead participant owed there.

use super::wait::events_of;
use crate::algorithm::region::{Located, Region, SharedState, WORD};
use crate::facade::mutation;
use crate::wait::event_count::EventCount;

// SAFETY: `repr(transparent)` over one atomic word.
unsafe impl SharedState for EventCount {}

const EVENT: u64 = size_of::<EventCount>() as u64;

/// Makes the wakes that a dead process may have owed.
pub(super) fn wake(waiters: &[EventCount]) {
    if !mutation(803) {
        waiters.iter().for_each(EventCount::wake_all);
    }
}

/// A counter: a value of 64 bits, and an event count behind it.
pub(crate) mod counter {
    use super::{EventCount, Located, Region, WORD, wake};
    use crate::participant::Tag;

    /// Returns the event count of a counter; `None` if the entry is too short.
    pub(crate) fn waiters(region: &impl Region) -> Option<&EventCount> {
        region.states(WORD, 1)?.first()
    }

    /// Makes the wakes that `dead` may have owed in the entry of a record; `None` if the entry is
    /// too short to be one.
    pub(crate) fn recover(entry: &Located<'_, impl Region>, _dead: Tag) -> Option<()> {
        wake(core::slice::from_ref(waiters(&entry.region)?));
        Some(())
    }
}

/// An array: its values, and the event counts at the next multiple of 4.
pub(crate) mod array {
    use super::{EVENT, EventCount, Located, Region, events_of, wake};
    use crate::participant::Tag;

    /// Returns how long an entry is whose `len` values take `bytes`.
    pub(crate) fn entry_len(len: u64, bytes: u64) -> Option<u64> {
        let values = bytes.checked_next_multiple_of(EVENT)?;
        values.checked_add(events_of(len) * EVENT)
    }

    /// Returns the event counts of an array of `len` elements in an entry of `entry_len` bytes;
    /// `None` if it is too short.
    pub(crate) fn waiters(region: &impl Region, len: u64, entry_len: u64) -> Option<&[EventCount]> {
        let count = events_of(len);
        region.states(entry_len.checked_sub(count * EVENT)?, count)
    }

    /// Makes the wakes that `dead` may have owed in the entry of a record; `None` if the entry is
    /// too short to be one.
    pub(crate) fn recover(entry: &Located<'_, impl Region>, _dead: Tag) -> Option<()> {
        let record = entry.record;
        wake(waiters(&entry.region, record.config[0], record.len)?);
        Some(())
    }
}

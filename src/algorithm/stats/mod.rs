//! Counters of what happens on the slow paths of a segment's operations: waits that sleep, dead
//! owners whose locks are taken over, participants that are reaped.
//!
//! # State
//!
//! A row of words for each participant's index; a word for each [`SlowEvent`]. The rows outlive the
//! participants: the next one of an index goes on with the row.
//!
//! # Protocol
//!
//! A process adds to the row of its own index. A reader sums the rows.
//!
//! # Crash
//!
//! An event of a process that is killed is counted or is not. Nothing else depends on a row.
//!
//! # Ordering
//!
//! None: the words are read by people.

#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;

use crate::algorithm::region::Region;
use crate::facade::{AtomicU64, Ordering};
use crate::participant::{SlowEvent, Tag};

/// The words of a row: a cache line.
pub(crate) const ROW: u64 = 8;

/// Returns the bytes of an entry for so many participants.
pub(crate) fn len(participants: u32) -> u64 {
    u64::from(participants) * ROW * size_of::<u64>() as u64
}

/// Adds an event of a participant to the rows in an entry, if they are there.
pub(crate) fn count(region: &impl Region, participant: Tag, event: SlowEvent) {
    let row = u64::from(participant.index()) * ROW;
    let place = (row + event as u64) * size_of::<u64>() as u64;
    if let Some([word]) = region.states::<AtomicU64>(place, 1) {
        // ORDERING: Relaxed; for people.
        word.fetch_add(1, Ordering::Relaxed);
    }
}

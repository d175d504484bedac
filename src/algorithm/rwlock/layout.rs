//! Where the parts of a lock of readers and writers are in its entry.

use crate::format::PADDING;

/// The bytes of the lock's own state.
pub(crate) const RWLOCK_STATE: usize = 2 * PADDING;

/// Where data and cells are, in bytes from the start of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RwLockLayout {
    /// One of 128 bytes for each participant.
    pub(crate) cells: u64,
    /// Of all.
    pub(crate) len: u64,
}

impl RwLockLayout {
    /// Data begins here, whatever it is.
    pub(crate) const DATA: u64 = RWLOCK_STATE as u64;

    /// For data of so many bytes; `None` if nothing can be as long.
    pub(crate) fn new(size: u64, participants: u32) -> Option<Self> {
        let cells = Self::DATA.checked_add(size)?;
        let cells = cells.checked_next_multiple_of(PADDING as u64)?;
        let len = cells.checked_add(u64::from(participants) * PADDING as u64)?;
        Some(Self { cells, len })
    }
}

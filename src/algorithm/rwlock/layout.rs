//! The layout of a reader-writer lock in its entry.

use crate::format::PADDING;

/// The bytes of the lock's own state.
pub(crate) const RWLOCK_STATE: usize = 2 * PADDING;

/// The offsets of data and cells, in bytes from the start of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RwLockLayout {
    /// The cells, of 128 bytes for each participant.
    pub(crate) cells: u64,
    /// The length of the entry.
    pub(crate) len: u64,
}

impl RwLockLayout {
    /// The offset of the data.
    pub(crate) const DATA: u64 = RWLOCK_STATE as u64;

    /// The layout for `size` bytes of data; `None` if it would be too long.
    pub(crate) fn new(size: u64, participants: u32) -> Option<Self> {
        let cells = Self::DATA.checked_add(size)?;
        let cells = cells.checked_next_multiple_of(PADDING as u64)?;
        let len = cells.checked_add(u64::from(participants) * PADDING as u64)?;
        Some(Self { cells, len })
    }
}

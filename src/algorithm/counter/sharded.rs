//! A sharded counter: a padded cell for each participant's index.
//!
//! # State
//!
//! As many counters as the registry has indices, each on two cache lines of its own. The value is
//! their sum.
//!
//! # Protocol
//!
//! A process adds to the cell of its index, so processes on different cores do not share a line.
//! The addition is still atomic: a process may have threads, and a process that could not join adds
//! to the first cell, which has another owner.
//!
//! # Crash
//!
//! Cells have no owner: a cell outlives the process that added to it, and the index's next owner
//! continues to add. There is nothing to recover. As with a counter, a process killed in the middle
//! of an addition has made it or has not. A stopped process delays no other.
//!
//! # Ordering
//!
//! As a counter's, cell by cell (C1). The sum is not a snapshot: it contains every addition that
//! was made before the reading began, and perhaps some that were made meanwhile.

use crate::algorithm::counter::CounterState;

/// The cells of a sharded counter, in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Sharded<'a, W> {
    cells: &'a [W],
}

impl<'a, W: AsRef<CounterState>> Sharded<'a, W> {
    pub(crate) fn new(cells: &'a [W]) -> Self {
        Self { cells }
    }

    /// Adds to the cell of participant `index`.
    #[inline]
    pub(crate) fn add(self, index: u32, amount: u64) {
        if let Some(cell) = self.cells.get(index as usize) {
            cell.as_ref().add(amount);
        }
    }

    /// The sum of all cells; wraps.
    pub(crate) fn sum(self) -> u64 {
        self.cells
            .iter()
            .fold(0, |sum: u64, cell| sum.wrapping_add(cell.as_ref().get()))
    }
}

impl AsRef<Self> for CounterState {
    fn as_ref(&self) -> &Self {
        self
    }
}

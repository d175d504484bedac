//! What a work queue is created with.

use crate::layout::work::WorkLayout;

/// What a [`WorkQueue`](super::WorkQueue) is created with.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{WorkOptions, WorkQueue};
///
/// let segment = Segment::anonymous()?;
/// let options = WorkOptions::new(64).max_attempts(3);
/// let orders = segment.create::<WorkQueue<u64>>("orders", options)?;
/// assert_eq!((orders.capacity(), orders.max_attempts()), (64, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkOptions {
    pub(super) capacity: u64,
    pub(super) max_attempts: u8,
}

/// How often a message is delivered unless something else is asked for.
pub(super) const MAX_ATTEMPTS: u8 = 5;

impl WorkOptions {
    /// For so many messages at once: being written, waiting, delivered and not yet acknowledged, and
    /// dead letters. 1 to 1,048,575, as far as the segment has room.
    pub const fn new(capacity: u64) -> Self {
        Self {
            capacity,
            max_attempts: MAX_ATTEMPTS,
        }
    }

    /// After so many deliveries a message that comes back is a dead letter: 1 to 126, and 5 if this is
    /// not called.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u8) -> Self {
        self.max_attempts = attempts;
        self
    }
}

/// The bounds of what can be asked for.
pub(super) const CAPACITIES: (u64, u64) = WorkLayout::CELLS;

//! How often a process has slept in this library.

use crate::facade::slept;

/// How often this process has slept while it waited for others: see [`sleeps`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sleeps {
    /// How often it has slept. A wait that found what it waited for changed just before is none.
    pub all: u64,
    /// How many of its sleeps were not ended by a wake, but because their time was up: a waiter
    /// wakes by itself from time to time, to ask whether a process that it waits for has died.
    pub timed_out: u64,
    /// Whether the sleep that ended last, of whichever thread, is one of
    /// [`timed_out`](Self::timed_out).
    pub last_timed_out: bool,
}

/// Returns how often this process has slept while it waited for others, in all locks, queues and
/// snapshots together.
///
/// The difference between two calls says what waiting costs in between. A waiter that nothing
/// happens to sleeps longer and longer. Sleeps of a [`Monitor`](crate::segment::Monitor), and those
/// in [`join`](crate::process), are not counted. A forked child goes on from its parent's counts.
///
/// Never blocks. The three numbers are read one after the other, while other threads may sleep.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use crossdock::{Segment, queue::Queue, sync};
///
/// # fn main() -> Result<(), crossdock::Error> {
/// let queue = Segment::anonymous()?.create::<Queue<u64>>("empty", 4)?;
/// let before = sync::sleeps();
/// assert!(queue.recv_timeout(Duration::from_millis(20)).is_err());
/// let after = sync::sleeps();
/// assert!(after.timed_out > before.timed_out && after.last_timed_out);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn sleeps() -> Sleeps {
    let (all, timed_out, last_timed_out) = slept();
    Sleeps {
        all,
        timed_out,
        last_timed_out,
    }
}

//! How long a waiter spins, and how long it sleeps before it looks again.
//!
//! # State
//!
//! The waiter's own: how it waits, and the length of its next slice.
//!
//! # Protocol
//!
//! Spin, unless the waiter parks; sleep for a slice; spin again after each sleep. The first slice is of
//! 1 ms, each further one twice as long as the one before, the longest of 4 ms. A waiter that never
//! sleeps spins through its slices.
//!
//! # Crash
//!
//! A schedule is gone with its waiter.
//!
//! # Ordering
//!
//! None.

use core::time::Duration;

use crate::facade::{Backoff, Deadline, Left, Pace};

/// How long a waiter sleeps before it looks again: the first slice, and the longest.
const SLICES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(4));

/// When a waiter spins, and how long it sleeps; private to the waiter.
pub(crate) struct WaitSchedule {
    pace: Pace,
    backoff: Backoff,
    slice: Duration,
}

impl WaitSchedule {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            backoff: Backoff::of(pace),
            slice: SLICES.0,
        }
    }

    /// Pauses and returns true, or returns false when it is time to sleep.
    #[inline]
    pub(super) fn spin(&mut self) -> bool {
        self.backoff.spin()
    }

    /// How long to sleep now; `None` if the deadline has passed.
    pub(super) fn slice(&self, deadline: &Deadline) -> Option<Duration> {
        match deadline.left() {
            Left::Forever => Some(self.slice),
            Left::For(left) => Some(self.slice.min(left)),
            Left::Passed => None,
        }
    }

    /// Whether this waiter never sleeps. It spins for another `slice` then.
    pub(super) fn spins_on(&mut self, slice: Duration) -> bool {
        let spins = self.backoff.spin_on(slice);
        if spins {
            self.grow();
        }
        spins
    }

    /// To be called after a sleep.
    pub(super) fn slept(&mut self) {
        self.grow();
        self.backoff = Backoff::of(self.pace);
    }

    fn grow(&mut self) {
        self.slice = (self.slice * 2).min(SLICES.1);
    }
}

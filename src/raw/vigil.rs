//! What one that waits for another does between two looks.
//!
//! # State
//!
//! The waiter's own: how long it sleeps next, and for whom it slept last. Nothing is shared.
//!
//! # Protocol
//!
//! Spin some microseconds; then ask whether the one that is waited for lives, whether there is time
//! left, and, before the first sleep and whenever the same one lasts, whether the waiter itself is
//! still a participant: other code may close descriptors at any time. Then sleep for a slice, of 1 ms
//! at first and of 4 ms in the end, and spin again.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | a waiter | nothing of this | - |
//! | the one that is waited for | its tag, where the waiter found it | the waiter, who asks at the end of each slice |
//!
//! One that is stopped is waited for.
//!
//! # Ordering
//!
//! None: the waiter's word orders what it finds.

use core::time::Duration;

use crate::facade::{Backoff, Deadline, Left};
use crate::layout::Tag;
use crate::raw::Peers;

/// How long a waiter sleeps before it looks at the owner again: the first slice, and the longest.
const SLICES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(4));

/// The state of one that waits.
pub(crate) struct Vigil {
    backoff: Backoff,
    slice: Duration,
    /// The bits of the tag that this waiter last was to sleep for.
    suspect: u32,
    member: bool,
}

/// Why a waiter does not sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    /// The deadline has passed.
    Late,
    /// The waiter is no participant any more.
    Expelled,
}

impl Vigil {
    pub(crate) fn new() -> Self {
        Self {
            backoff: Backoff::new(),
            slice: SLICES.0,
            suspect: 0,
            member: false,
        }
    }

    /// Pauses and returns true, or returns false when it is time to sleep.
    #[inline]
    pub(crate) fn spin(&mut self) -> bool {
        self.backoff.spin()
    }

    /// How long to sleep now for `tag`, which lives.
    pub(crate) fn slice(
        &mut self,
        tag: Tag,
        peers: &impl Peers,
        deadline: &Deadline,
    ) -> Result<Duration, Awake> {
        let lasts = core::mem::replace(&mut self.suspect, tag.bits()) == tag.bits();
        let sleep = match deadline.left() {
            Left::Forever => self.slice,
            Left::For(left) => self.slice.min(left),
            Left::Passed => return Err(Awake::Late),
        };
        if lasts || !self.member {
            self.member = true;
            if !peers.am_alive() {
                return Err(Awake::Expelled);
            }
        }
        Ok(sleep)
    }

    /// To be called after a sleep.
    pub(crate) fn slept(&mut self) {
        self.slice = (self.slice * 2).min(SLICES.1);
        self.backoff = Backoff::new();
    }
}

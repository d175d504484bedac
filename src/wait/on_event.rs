//! Waiting for an event count that several waiters share.
//!
//! # State
//!
//! An [event count](crate::wait::event_count), by which waiters for the same thing sleep.
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait), asleep by the event count. A waiter that slept and got what it
//! wanted notifies its own event count if another would get something as well: commits come in any
//! order, and two wakes may have gone to a waiter that could not use the first. A waiter that
//! learns of the end need not wake others: those that checked before it do not sleep, since WAITERS
//! was cleared then, or is set in another generation.
//!
//! # Crash
//!
//! A waiter holds nothing. Killed after it was woken, it leaves others that needed the wake asleep
//! until their slices end. The processes that it waits for may be dead: it checks at the end of
//! each slice.
//!
//! # Ordering
//!
//! That of the [event count](crate::wait::event_count).

use core::time::Duration;

use crate::facade::{Deadline, lacks_heavy_barrier, mutation};
use crate::participant::Liveness;
use crate::wait::event_count::EventCount;
use crate::wait::{
    FIRST, LONGEST, LONGEST_UNTIL_END, LONGEST_UNTOLD, SleepOn, Step, Stepped, WaitMode, WaitOp,
    block_on, by_peers, waits_end_with,
};

/// Why an attempt did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TryError {
    /// The queue is full, or empty.
    WouldBlock,
    /// A live participant is at work on the next slot.
    Busy,
    /// The queue is closed, or empty for good, or no receiver is left.
    Disconnected,
    /// A word has an impossible value.
    Corrupt,
    /// This process is not a participant any more.
    MembershipLost,
}

/// Why a wait did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventWaitError {
    /// The queue is closed, or empty for good, or no receiver is left.
    Disconnected,
    /// The deadline has passed.
    TimedOut,
    /// A word has an impossible value.
    Corrupt,
    /// This process is not a participant any more.
    MembershipLost,
}

/// An operation that waiters for one event count attempt.
pub(crate) trait EventOp {
    /// What a successful attempt returns.
    type Output;

    /// As in [`WaitOp`].
    const MAY_BE_SPURIOUS: bool = false;

    /// Attempts the operation.
    fn attempt(&mut self) -> Result<Self::Output, TryError>;

    /// Returns whether an attempt may return anything but [`TryError::WouldBlock`].
    fn is_ready(&mut self) -> bool;

    /// Returns whether an attempt of another waiter may succeed as well, which is not awake: never
    /// where a notification wakes all.
    fn leaves_more(&mut self) -> bool {
        false
    }

    /// The progress of the handle: how much it has received or sent.
    fn progress(&self) -> u64 {
        0
    }

    /// The longest slice.
    fn longest(&self) -> Duration {
        longest()
    }

    /// The time until the next attempt without a notification: until a message is due.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Reaps the dead, and recovers what they held.
    fn reap_dead(&mut self, peers: &impl Liveness) {
        peers.reap(false);
    }
}

waits_end_with!(EventWaitError::TimedOut);

/// The longest time between two reapings of a segment with a waiter that may be told of an end.
const TOLD_WITHIN: Duration = Duration::from_millis(450);

/// The longest slice of a waiter for an event count.
pub(crate) fn longest() -> Duration {
    if lacks_heavy_barrier() {
        LONGEST_UNTOLD
    } else {
        LONGEST
    }
}

/// The longest slice of a waiter for an event count, which `may_end` by a death that no process
/// notifies of.
pub(crate) fn longest_until_end(may_end: bool) -> Duration {
    if may_end {
        LONGEST_UNTIL_END.min(longest())
    } else {
        longest()
    }
}

/// An operation whose waiters sleep by one event count.
struct OnEvent<'a, O, P> {
    op: &'a mut O,
    event: &'a EventCount,
    peers: &'a P,
    /// Whether this waiter has announced itself.
    announced: bool,
}

/// Blocks until an attempt succeeds or fails, or `deadline` has passed.
pub(crate) fn wait<O: EventOp>(
    op: &mut O,
    event: &EventCount,
    peers: &impl Liveness,
    deadline: &Deadline,
    mode: WaitMode<'_>,
) -> Result<O::Output, EventWaitError> {
    let mut on_event = OnEvent {
        op,
        event,
        peers,
        announced: false,
    };
    block_on(&mut on_event, deadline, mode)
}

impl<O: EventOp, P: Liveness> WaitOp for OnEvent<'_, O, P> {
    type Output = O::Output;
    type Error = EventWaitError;

    fn attempt(&mut self) -> Stepped<Self> {
        match self.op.attempt() {
            Ok(found) => {
                if self.announced && !mutation(118) && self.op.leaves_more() {
                    self.event.notify();
                }
                Ok(Step::Done(found))
            }
            Err(TryError::Disconnected) => Err(EventWaitError::Disconnected),
            Err(TryError::Corrupt) => Err(EventWaitError::Corrupt),
            Err(TryError::MembershipLost) => Err(EventWaitError::MembershipLost),
            Err(TryError::WouldBlock | TryError::Busy) => Ok(Step::Blocked),
        }
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        self.op.reap_dead(self.peers);
        Ok(Step::Blocked)
    }

    const REAPS_FIRST: bool = false;
    const MAY_BE_SPURIOUS: bool = O::MAY_BE_SPURIOUS;

    by_peers!();

    fn progress(&self) -> u64 {
        self.op.progress()
    }

    fn longest(&self) -> Duration {
        self.op.longest()
    }

    fn due(&self) -> Option<Duration> {
        let due = self.op.due();
        if self.op.longest() > LONGEST_UNTIL_END {
            return due;
        }
        // Others have reaped in its stead, and may leave before they would again.
        let reaps = self.peers.since_reap();
        let reaps = reaps.map(|since| TOLD_WITHIN.saturating_sub(since).max(FIRST));
        due.into_iter().chain(reaps).min()
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        self.announced = true;
        self.event.announce(|| self.op.is_ready())
    }

    /// The dead have been reaped since the last attempt.
    fn timed_out(&mut self) -> Result<O::Output, EventWaitError> {
        match self.attempt()? {
            Step::Done(found) => Ok(found),
            Step::Retry | Step::Blocked => Err(EventWaitError::TimedOut),
        }
    }
}

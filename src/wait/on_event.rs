//! Waiting at a side of a ring that several share.
//!
//! # State
//!
//! An [event count](crate::wait::event_count), by which those who want the same sleep.
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait), asleep by the event count. One that slept and got what it wanted
//! rings its own event count again if the next one would get something as well: commits come in any
//! order, and two wakes may have gone to one that could not use the first. One that is told of the
//! end need wake none: those that looked before it do not sleep, since the event count was disarmed
//! then, and has another generation if it was armed once more.
//!
//! # Crash
//!
//! A waiter holds nothing. Killed after it was woken, it leaves others that needed the wake asleep
//! until their slices end. Whom it waits for may be dead: at the end of each slice it looks.
//!
//! # Ordering
//!
//! That of [event count](crate::wait::event_count).

use core::time::Duration;

use crate::facade::{Deadline, lacks_heavy_barrier, mutation};
use crate::participant::Liveness;
use crate::wait::event_count::EventCount;
use crate::wait::{
    LONGEST, LONGEST_UNTOLD, SleepOn, Step, Stepped, WaitError, WaitMode, WaitOp, block_on,
};

/// Why nothing was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TryError {
    /// There is no room, or no item.
    WouldBlock,
    /// Somebody alive is at work on what would be next.
    Busy,
    /// There is none, and never will be.
    Disconnected,
    /// The words cannot be a ring's.
    Corrupt,
    /// This process is no participant any more.
    MembershipLost,
}

/// Why a wait ended without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventWaitError {
    /// There is nothing, and never will be.
    Disconnected,
    /// The deadline has passed.
    TimedOut,
    /// The words cannot be a ring's.
    Corrupt,
    /// This process is no participant any more.
    MembershipLost,
}

/// What is done while waiting.
pub(crate) trait EventOp {
    /// What is wanted.
    type Output;

    /// Tries to get it.
    fn attempt(&mut self) -> Result<Self::Output, TryError>;

    /// Whether an attempt may get it, or say something else than that there is nothing.
    fn is_ready(&mut self) -> bool;

    /// Whether another one that wants the same would get it.
    fn leaves_more(&mut self) -> bool;

    /// How far the handle has come: what it got counts.
    fn progress(&self) -> u64;

    /// In what time it is to look again, though it is not rung for: a message is due then.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Finds out who is dead, and gives back what they held.
    fn reap_dead(&mut self);
}

impl From<WaitError> for EventWaitError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            WaitError::MembershipLost => Self::MembershipLost,
        }
    }
}

/// The longest slice of one that sleeps by an event count.
pub(crate) fn longest() -> Duration {
    if lacks_heavy_barrier() {
        LONGEST_UNTOLD
    } else {
        LONGEST
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
        self.op.reap_dead();
        Ok(Step::Blocked)
    }

    const REAPS_FIRST: bool = false;

    fn is_member(&self) -> bool {
        self.peers.is_member()
    }

    fn progress(&self) -> u64 {
        self.op.progress()
    }

    fn longest(&self) -> Duration {
        longest()
    }

    fn due(&self) -> Option<Duration> {
        self.op.due()
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        self.announced = true;
        self.event.announce(|| self.op.is_ready())
    }

    /// The dead have been looked after since the last attempt.
    fn timed_out(&mut self) -> Result<O::Output, EventWaitError> {
        match self.attempt()? {
            Step::Done(found) => Ok(found),
            Step::Retry | Step::Blocked => Err(EventWaitError::TimedOut),
        }
    }
}

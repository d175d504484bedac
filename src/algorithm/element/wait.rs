//! Waiting for the value of an element.
//!
//! # State
//!
//! An [event count](crate::wait::event_count) beside the values: one for a counter; for an array up
//! to [`MOST`], of which element `i` has the one at `i` modulo their number.
//!
//! # Protocol
//!
//! - a waiter attempts by loading the value and asking its condition.
//! - a change is what it is without waiters: it does not load the event count. A process that
//!   changes a value for others to see at once notifies afterwards, and wakes all waiters of that
//!   event count: each has its own condition, and several elements may share it.
//!
//! A waiter that is not notified looks again when its slice has ended.
//!
//! # Crash
//!
//! No process holds anything.
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | between a change and its notification | waiters whose wake is owed | they, when their slices end; the next notification; a reaper, which wakes all |
//! | a waiter | nothing | - |
//!
//! A process that is stopped between the two delays waiters by their slices.
//!
//! # Ordering
//!
//! The value's own, (E1): a waiter sees what was written before the change that ended its wait.
//! Sleeping and waking are ordered by the event count.
//!
//! # Trade-offs
//!
//! A waiter could sleep on the value itself. The kernel compares 32 bits, values have 8 to 64, and
//! a notification would be a system call, or would need a bit of the value for sleepers. By an
//! event count a notification without waiters is a load, and a change by itself costs nothing at
//! all.

use crate::facade::{Deadline, mutation};
use crate::participant::Liveness;
use crate::wait::WaitMode;
use crate::wait::event_count::EventCount;
use crate::wait::on_event::{EventOp, EventWaitError, TryError, wait as wait_on_event};

/// The most event counts of an array.
const MOST: u64 = 16;

/// Returns how many event counts an array of `len` elements has: a power of two.
pub(crate) fn events_of(len: u64) -> u64 {
    len.min(MOST).next_power_of_two()
}

/// Wakes the waiters that sleep by `waiters`. Must be called after the change.
#[inline(always)]
pub(crate) fn notify(waiters: &EventCount) {
    if mutation(801) {
        waiters.notify();
    } else if !mutation(800) {
        waiters.notify_all();
    }
}

/// Blocks until `value` returns one.
pub(crate) fn wait<'m, T>(
    value: impl FnMut() -> Option<T>,
    waiters: &EventCount,
    peers: &impl Liveness,
    deadline: &Deadline,
    mode: impl Into<WaitMode<'m>>,
) -> Result<T, EventWaitError> {
    wait_on_event(
        &mut WaitForValue(value),
        waiters,
        peers,
        deadline,
        mode.into(),
    )
}

/// The wait for a value.
struct WaitForValue<V>(V);

impl<T, V: FnMut() -> Option<T>> EventOp for WaitForValue<V> {
    type Output = T;

    fn attempt(&mut self) -> Result<T, TryError> {
        (self.0)().ok_or(TryError::WouldBlock)
    }

    fn is_ready(&mut self) -> bool {
        !mutation(802) && (self.0)().is_some()
    }
}

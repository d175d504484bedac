//! What is told of waits: counted, if the segment counts; and events for the crate `tracing` of
//! those that last long, with the feature of that name. An operation that does not sleep pays one
//! comparison.
//!
//! # State
//!
//! The waiter's own: whether its wait was told.
//!
//! # Protocol
//!
//! One event when a slice has ended and the wait has lasted a second; another when that wait is
//! over, or was given up.
//!
//! # Crash
//!
//! Nothing is left.
//!
//! # Ordering
//!
//! None.

use core::time::Duration;

use super::WaitOp;
use super::schedule::WaitSchedule;
use crate::participant::SlowEvent;

/// A wait of this length is a long one.
const LONG: Duration = Duration::from_secs(1);

/// What was told of a wait.
#[derive(Debug, Default)]
pub(super) struct LongWait {
    #[cfg(feature = "tracing")]
    told: bool,
}

impl LongWait {
    /// The wait is over, or was given up.
    #[inline(always)]
    pub(super) fn ended<O: WaitOp>(&self, op: &O, schedule: &WaitSchedule<'_>) {
        if schedule.has_slept() {
            self.count(op, schedule);
        }
    }

    #[cold]
    fn count<O: WaitOp>(&self, op: &O, schedule: &WaitSchedule<'_>) {
        op.count(SlowEvent::Wait);
        if schedule.age() >= LONG {
            op.count(SlowEvent::LongWait);
        }
        self.tell_end::<O>(schedule);
    }
}

#[cfg(not(feature = "tracing"))]
impl LongWait {
    /// A slice has ended, and the wait goes on.
    #[inline(always)]
    pub(super) fn goes_on<O: WaitOp>(&mut self, _: &WaitSchedule<'_>) {}

    /// The wait is over, or was given up.
    #[inline(always)]
    fn tell_end<O: WaitOp>(&self, _: &WaitSchedule<'_>) {}
}

#[cfg(feature = "tracing")]
mod told {
    use core::time::Duration;

    use super::{LONG, LongWait, WaitOp, WaitSchedule};

    impl LongWait {
        /// A slice has ended, and the wait goes on.
        #[cold]
        pub(in crate::wait) fn goes_on<O: WaitOp>(&mut self, schedule: &WaitSchedule<'_>) {
            let age = schedule.age();
            if self.told || age < LONG {
                return;
            }
            self.told = true;
            tracing::warn!(
                target: "crossdock",
                operation = operation::<O>(),
                milliseconds = milliseconds(age),
                "a wait goes on"
            );
        }

        /// The wait is over, or was given up.
        #[inline]
        pub(super) fn tell_end<O: WaitOp>(&self, schedule: &WaitSchedule<'_>) {
            if self.told {
                tracing::info!(
                    target: "crossdock",
                    operation = operation::<O>(),
                    milliseconds = milliseconds(schedule.age()),
                    "a long wait has ended"
                );
            }
        }
    }

    fn milliseconds(age: Duration) -> u64 {
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }

    /// The algorithm whose operation waits: the name of its room.
    fn operation<O>() -> &'static str {
        room_of(core::any::type_name::<O>())
    }

    fn room_of(name: &'static str) -> &'static str {
        const ROOM: &str = "::algorithm::";
        let room = name.split_once(ROOM).map(|(_, rest)| rest);
        let room = room.and_then(|rest| rest.split("::").next());
        room.unwrap_or("several")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn an_operation_is_called_by_its_room() {
            let name = "crossdock::wait::on_event::OnEvent<crossdock::algorithm::work::wait::X<T>>";
            assert_eq!(room_of(name), "work");
            assert_eq!(room_of("crossdock::algorithm::mutex::wait::Lock"), "mutex");
            assert_eq!(room_of("crossdock::wait::select::Any"), "several");
        }
    }
}

//! Events for the crate `tracing` of waits that last long. Without the feature `tracing` these
//! functions are empty. None of them is on a path of an operation that does not sleep.
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

use super::WaitOp;
use super::schedule::WaitSchedule;

/// What was told of a wait.
#[derive(Debug, Default)]
pub(super) struct LongWait {
    #[cfg(feature = "tracing")]
    told: bool,
}

#[cfg(not(feature = "tracing"))]
impl LongWait {
    /// A slice has ended, and the wait goes on.
    #[inline(always)]
    pub(super) fn goes_on<O: WaitOp>(&mut self, _: &WaitSchedule<'_>) {}

    /// The wait is over, or was given up.
    #[inline(always)]
    pub(super) fn ended<O: WaitOp>(&self, _: &WaitSchedule<'_>) {}
}

#[cfg(feature = "tracing")]
mod told {
    use core::time::Duration;

    use super::{LongWait, WaitOp, WaitSchedule};

    /// A wait of this length is worth an event.
    const LONG: Duration = Duration::from_secs(1);

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
        pub(in crate::wait) fn ended<O: WaitOp>(&self, schedule: &WaitSchedule<'_>) {
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

//! The schedule of a waiter: how long it spins, and how long it sleeps between two attempts.
//!
//! # State
//!
//! The waiter's own: when the wait began, when its slice ends. And a [`WaitHistory`] of the handle,
//! private to the process: the beginning of a wait that was given up, and whether spinning was in
//! vain.
//!
//! # Protocol
//!
//! - spin, unless the waiter parks. A handle whose last spins were in vain skips it, and tries
//!   again after some waits: if both sides share a processor, or the other side is slow, a spin is
//!   lost time.
//! - sleep for a slice. A slice is as long as the wait so far, from [`FIRST`] to the longest that
//!   the operation allows, so a wait of n seconds takes some eight slices and n more, and a death
//!   is found after twice the wait at most. The wait continues until the handle succeeds: over
//!   time-outs, and over wakes by which others were faster.
//! - ask which processes are dead when a slice has ended, and before a wait is given up; not before
//!   the first sleep.
//! - a waiter that may be told of an end by a death has slices of [`LONGEST_UNTIL_END`] at most. If
//!   the dead were just reaped by others, it sleeps so long that the next reaping is in time.
//!
//! # Crash
//!
//! A schedule disappears with its waiter.
//!
//! # Ordering
//!
//! None: a history is a hint.

use core::time::Duration;

use crate::facade::{Backoff, Deadline, Left, Pace, WaitHistory, clock_here, has_passed};

/// The first slice: beyond the kernel's next tick, so that the timer need not be set for it, and
/// reset when the sleeper is woken.
pub(super) const FIRST: Duration = Duration::from_millis(5);
/// The first slice of a waiter for an owner: the sooner it asks, the sooner it has the lock.
pub(super) const FIRST_FOR_AN_OWNER: Duration = Duration::from_millis(1);
/// The longest slice of a waiter that is woken for what it waits for.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);
/// The longest slice of a waiter at a queue, ring or pipe that ends when the other side dies: it
/// learns of the end within half a second.
pub(crate) const LONGEST_UNTIL_END: Duration = Duration::from_millis(400);
/// The longest slice of a waiter for a lock whose owner no monitor watches.
pub(crate) const LONGEST_FOR_AN_OWNER: Duration = Duration::from_millis(50);
/// The longest slice of a waiter that may miss a wake: without membarrier(2), and for more words
/// than the kernel waits for at a time.
pub(crate) const LONGEST_UNTOLD: Duration = Duration::from_millis(4);

/// The longest time after which a waiter asks whether its own process is still a participant.
/// Nothing depends on it, and asking takes two system calls.
const OWN: Duration = Duration::from_secs(4);

/// How a handle waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WaitMode<'a> {
    pace: Pace,
    history: Option<&'a WaitHistory>,
    /// Whether the history decides about spinning.
    learns: bool,
    /// Whether the waiter looks after each single pause at first.
    close: bool,
}

impl<'a> WaitMode<'a> {
    /// The mode of a queue's handle.
    pub(crate) fn new(pace: Pace, history: &'a WaitHistory) -> Self {
        Self {
            pace,
            history: Some(history),
            learns: pace == Pace::Adaptive,
            close: pace == Pace::Adaptive,
        }
    }

    /// The same for a waiter at a word that its holders use meanwhile, as those of a lock do: a
    /// look after each pause would take the word's cache line away from them.
    pub(crate) fn at_a_distance(self) -> Self {
        Self {
            close: false,
            ..self
        }
    }

    fn backoff(self) -> Backoff {
        if self.close {
            Backoff::close(self.pace)
        } else {
            Backoff::of(self.pace)
        }
    }

    /// The mode of a lock's handle, if it has a history.
    pub(crate) fn of_a_lock(history: Option<&'a WaitHistory>) -> Self {
        Self {
            pace: Pace::Adaptive,
            history,
            learns: false,
            close: false,
        }
    }
}

impl From<Pace> for WaitMode<'_> {
    fn from(pace: Pace) -> Self {
        Self {
            pace,
            ..Self::default()
        }
    }
}

/// When a waiter spins, and how long it sleeps; private to the waiter.
pub(super) struct WaitSchedule<'a> {
    mode: WaitMode<'a>,
    /// The progress of the handle when it began to wait.
    progress: u64,
    backoff: Backoff,
    /// Whether this waiter spins before its next sleep, once that is decided.
    spins: Option<bool>,
    /// When the wait began, and when the slice ends; before the first sleep nothing.
    slice: Option<(u64, u64)>,
    /// How long the wait was when it last asked about its own process.
    asked_own: u64,
}

impl<'a> WaitSchedule<'a> {
    pub(super) fn new(mode: WaitMode<'a>, progress: u64) -> Self {
        Self {
            mode,
            progress,
            backoff: mode.backoff(),
            spins: None,
            slice: None,
            asked_own: 0,
        }
    }

    fn history(&self) -> Option<&'a WaitHistory> {
        self.mode.history.filter(|_| self.mode.learns)
    }

    /// Pauses and returns true, or returns false when it is time to sleep.
    #[inline]
    pub(super) fn spin(&mut self) -> bool {
        let history = self.history();
        let spins = || history.is_none_or(WaitHistory::spins);
        *self.spins.get_or_insert_with(spins) && self.backoff.spin()
    }

    /// Returns whether it is time to reap the dead: a slice has ended.
    pub(super) fn asks(&self) -> bool {
        self.slice.is_some_and(|(_, end)| has_passed(end))
    }

    /// Returns whether it is time to ask, at the end of a slice, whether this process is still a
    /// participant: when the wait is twice as long as it was then, or [`OWN`] longer.
    pub(super) fn asks_about_own(&mut self) -> bool {
        let age = self
            .slice
            .map_or(0, |(began, _)| clock_here().saturating_sub(began));
        let is_due = age
            >= self
                .asked_own
                .saturating_add(self.asked_own.min(nanos(OWN)));
        if is_due {
            self.asked_own = age;
        }
        is_due
    }

    /// Returns for how long the wait has lasted, if it has slept.
    pub(super) fn age(&self) -> Duration {
        let began = self.slice.map(|(began, _)| began);
        let age = began.map_or(0, |began| clock_here().saturating_sub(began));
        Duration::from_nanos(age)
    }

    pub(super) fn has_slept(&self) -> bool {
        self.slice.is_some()
    }

    /// Returns how long to sleep now: until the slice ends, for `longest` at most; `None` if the
    /// deadline has passed.
    pub(super) fn sleep(
        &mut self,
        deadline: &Deadline,
        (first, longest): (Duration, Duration),
    ) -> Option<Duration> {
        let left = match deadline.left() {
            Left::Forever => Duration::MAX,
            Left::For(left) => left,
            Left::Passed => return None,
        };
        let now = clock_here();
        let began = match (self.slice, self.mode.history) {
            (Some((began, _)), _) => began,
            (None, Some(history)) => history.resume(self.progress, now),
            (None, None) => now,
        };
        let end = match self.slice {
            Some((_, end)) if end > now => end,
            _ => {
                let age = Duration::from_nanos(now.saturating_sub(began));
                now.saturating_add(nanos(age.clamp(first, longest.max(first))))
            }
        };
        self.slice = Some((began, end));
        let slice = Duration::from_nanos(end.saturating_sub(now));
        Some(slice.min(longest).min(left))
    }

    /// Returns whether this waiter never sleeps; it spins for another `slice` then.
    pub(super) fn spins_on(&mut self, slice: Duration) -> bool {
        self.backoff.spin_on(slice)
    }

    /// Notes that the waiter is about to sleep.
    pub(super) fn sleeps(&mut self) {
        if let Some(history) = self.history()
            && self.spins.take() == Some(true)
        {
            history.spun(true);
        }
        self.backoff = self.mode.backoff();
    }

    /// Notes that the wait has succeeded. At the end of a slice that may be `spurious`: the age of
    /// the wait goes on then.
    pub(super) fn done(&self, spurious: bool) {
        let Some(history) = self.mode.history else {
            return;
        };
        if spurious && self.asks() {
            history.keep(clock_here());
        } else if self.slice.is_some() {
            history.end();
        } else if self.mode.learns && self.spins == Some(true) {
            history.spun(false);
        }
    }

    /// Notes that the wait was given up.
    pub(super) fn given_up(&self) {
        if let (Some(history), Some(_)) = (self.mode.history, self.slice) {
            history.keep(clock_here());
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_spurious_success_keeps_the_age_of_the_wait() {
        for (spurious, after_slice) in [(true, true), (true, false), (false, true)] {
            let history = WaitHistory::default();
            let mode = WaitMode::new(Pace::Park, &history);
            let mut schedule = WaitSchedule::new(mode, 0);
            let slice = schedule.sleep(&Deadline::never(), (FIRST, LONGEST));
            assert_eq!(slice, Some(FIRST));
            let (began, end) = schedule.slice.unwrap();
            // A slice that ends, or goes on.
            let end = if after_slice { end } else { u64::MAX };
            schedule.slice = Some((began, end));
            while after_slice && !has_passed(end) {
                std::hint::spin_loop();
            }
            schedule.done(spurious);
            let now = clock_here();
            let resumed = history.resume(0, now);
            let expected = if spurious && after_slice { began } else { now };
            assert_eq!(resumed, expected, "spurious {spurious}, {after_slice}");
        }
    }

    /// A schedule whose wait is as old as that, or as the machine's clock if it is younger, and
    /// whose slice has just ended.
    fn aged(age: Duration) -> WaitSchedule<'static> {
        let now = clock_here();
        WaitSchedule {
            slice: Some((now.saturating_sub(nanos(age)), now)),
            ..WaitSchedule::new(Pace::Park.into(), 0)
        }
    }

    #[test]
    fn a_slice_is_as_long_as_the_wait_and_never_longer_than_it_may_be() {
        for longest in [LONGEST, LONGEST_UNTIL_END, LONGEST_FOR_AN_OWNER] {
            for millis in [0, 1, 5, 70, 399, 401, 900, 5_000, 1_000_000] {
                let age = Duration::from_millis(millis);
                let slice = aged(age).sleep(&Deadline::never(), (FIRST, longest));
                let slice = slice.expect("no deadline");
                assert!(slice <= longest, "{slice:?} of {longest:?}");
                assert!(
                    slice >= age.clamp(FIRST, longest),
                    "{slice:?} after {age:?}"
                );
            }
        }
    }

    #[test]
    fn a_waiter_asks_about_itself_when_it_has_waited_twice_as_long_or_four_seconds_more() {
        let at = |asked: u64, age: u64| {
            let mut schedule = aged(Duration::from_millis(age));
            schedule.asked_own = asked * 1_000_000;
            schedule.asks_about_own()
        };
        assert!(at(0, 5) && at(5, 11) && at(600, 1_201) && at(60_000, 64_001));
        assert!(!at(600, 1_000) && !at(60_000, 63_000));
    }
}

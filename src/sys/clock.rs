//! Deadlines on the monotonic clock.

use std::time::{Duration, Instant};

/// clock_gettime(2), `CLOCK_MONOTONIC`: for calls that want a point of this clock.
pub(crate) fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// The same, as it was at the last tick, some milliseconds ago at most: a few nanoseconds to read.
pub(crate) fn monotonic_coarse() -> Duration {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut now = super::timespec(Duration::ZERO);
    // SAFETY: `now` is a timespec, and the call's to write.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    let part = |number: i64| number.try_into().unwrap_or_default();
    Duration::new(
        part(now.tv_sec),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// nanosleep(2): lets so much time pass, or less if a signal comes.
pub(crate) fn pause(time: Duration) {
    let time = super::timespec(time);
    // SAFETY: the time outlives the call, and what would be left of it is not asked for.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// When a wait ends: a timeout from now, or an instant. Every `_timeout` method takes either.
///
/// It is absolute, so that a wait in several parts does not grow. A timeout that the clock cannot
/// tell, such as [`Duration::MAX`], never passes.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use crossdock::Deadline;
///
/// let soon = Deadline::from(Duration::from_millis(20));
/// let later = Deadline::from(Instant::now() + Duration::from_secs(1));
/// # let _ = (soon, later);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl From<Duration> for Deadline {
    fn from(timeout: Duration) -> Self {
        Self::after(timeout)
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Self {
        Self::at(instant)
    }
}

/// How long a waiter may still sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// As long as it takes.
    Forever,
    /// This long; never zero.
    For(Duration),
    /// Not at all: the deadline has passed.
    Passed,
}

impl Deadline {
    /// A deadline that never comes.
    pub(crate) const fn never() -> Self {
        Self(None)
    }

    /// A deadline `timeout` from now; never, if the clock cannot tell that time.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// A deadline at an instant.
    pub(crate) const fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// This deadline, or one `longest` from now if that is earlier.
    pub(crate) fn within(&self, longest: Duration) -> Self {
        let latest = Self::after(longest);
        match (self.0, latest.0) {
            (Some(end), Some(other)) if end < other => *self,
            (Some(_), None) => *self,
            _ => latest,
        }
    }

    /// How long is left.
    pub(crate) fn left(&self) -> Left {
        match self
            .0
            .map(|end| end.saturating_duration_since(Instant::now()))
        {
            None => Left::Forever,
            Some(Duration::ZERO) => Left::Passed,
            Some(left) => Left::For(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_too_long_for_the_clock_is_unbounded() {
        assert_eq!(Deadline::after(Duration::MAX).left(), Left::Forever);
        assert_eq!(Deadline::never().left(), Left::Forever);
    }

    #[test]
    fn the_monotonic_clock_is_that_of_instants() {
        let (began, instant) = (monotonic(), Instant::now());
        std::thread::yield_now();
        let between = monotonic().checked_sub(began).unwrap();
        assert!(instant.elapsed() >= Duration::ZERO && between > Duration::ZERO);
    }

    #[test]
    fn the_earlier_of_two_deadlines_counts() {
        let minute = Duration::from_secs(60);
        let of = |deadline: Deadline| match deadline.within(minute).left() {
            Left::For(left) => left,
            Left::Passed => Duration::ZERO,
            Left::Forever => Duration::MAX,
        };
        assert!(of(Deadline::never()) <= minute && of(Deadline::never()) > minute / 2);
        assert!(of(Deadline::after(minute * 9)) > minute / 2);
        assert!(of(Deadline::after(minute * 9)) <= minute);
        assert!(of(Deadline::after(minute / 4)) <= minute / 4);
        assert_eq!(of(Deadline::after(Duration::ZERO)), Duration::ZERO);
    }

    #[test]
    fn a_past_instant_has_passed() {
        assert_eq!(Deadline::at(Instant::now()).left(), Left::Passed);
        assert_eq!(Deadline::after(Duration::ZERO).left(), Left::Passed);
        assert!(matches!(
            Deadline::after(Duration::from_secs(60)).left(),
            Left::For(_)
        ));
    }
}

//! What a handle remembers of its waits.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How long a handle has waited without getting anything, and whether spinning was in vain; private
/// to the process. Its threads share it, and all of it is a hint: a race costs a slice or a spin.
#[derive(Debug, Default)]
pub(crate) struct WaitHistory {
    /// When the wait began, on the monotonic clock; 0 for none.
    since: AtomicU64,
    /// When it was given up last.
    until: AtomicU64,
    /// How far the handle had come then.
    progress: AtomicU64,
    /// How many spins in a row were in vain, [`MOST_COUNTED`](Self::MOST_COUNTED) at most.
    vain: AtomicU32,
    /// How many waits did without since the last spin.
    without: AtomicU32,
}

impl WaitHistory {
    /// After this many spins in vain a waiter skips spinning.
    const MOST_VAIN: u32 = 4;
    /// For this many waits, and after each further spin in vain for twice as many.
    const WITHOUT: u32 = 64;
    /// So for 1,024 in the end.
    const MOST_COUNTED: u32 = Self::MOST_VAIN + 4;

    /// Returns when the wait began that continues at `now`: the wait that was given up last, unless
    /// the handle has succeeded since, or has done something else for longer than it waited.
    pub(crate) fn resume(&self, progress: u64, now: u64) -> u64 {
        // ORDERING: Relaxed; hints, here and below.
        let (since, until) = (self.since.load(Relaxed), self.until.load(Relaxed));
        let same = since != 0 && self.progress.load(Relaxed) == progress;
        let pause = now.saturating_sub(until);
        if same && since <= until && pause <= until - since {
            return since;
        }
        self.progress.store(progress, Relaxed);
        self.since.store(now, Relaxed);
        self.until.store(now, Relaxed);
        now
    }

    /// The wait goes on at `now`, or is given up.
    pub(crate) fn keep(&self, now: u64) {
        self.until.store(now, Relaxed);
    }

    /// The handle has got something.
    pub(crate) fn end(&self) {
        self.since.store(0, Relaxed);
    }

    /// Whether to spin this time.
    pub(crate) fn spins(&self) -> bool {
        let vain = self.vain.load(Relaxed);
        if vain < Self::MOST_VAIN {
            return true;
        }
        let without = self.without.load(Relaxed);
        let last = without >= Self::longest(vain);
        self.without
            .store(if last { 0 } else { without + 1 }, Relaxed);
        last
    }

    /// How many waits do without after this many spins in vain.
    fn longest(vain: u32) -> u32 {
        Self::WITHOUT << (vain.min(Self::MOST_COUNTED) - Self::MOST_VAIN)
    }

    /// Notes whether a spin was in vain.
    pub(crate) fn spun(&self, in_vain: bool) {
        let vain = self.vain.load(Relaxed);
        match (in_vain, vain) {
            (false, 0) => {}
            (false, _) => self.vain.store(0, Relaxed),
            (true, _) => self.vain.store((vain + 1).min(Self::MOST_COUNTED), Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_wait_goes_on_over_time_outs() {
        let history = WaitHistory::default();
        assert_eq!(history.resume(7, 10 * MS), 10 * MS);
        history.keep(110 * MS);
        assert_eq!(history.resume(7, 111 * MS), 10 * MS);
        history.keep(211 * MS);
        assert_eq!(history.resume(7, 211 * MS), 10 * MS);
    }

    #[test]
    fn it_begins_anew_when_something_came_and_after_a_pause() {
        let history = WaitHistory::default();
        history.resume(7, 10 * MS);
        history.keep(110 * MS);
        assert_eq!(history.resume(8, 111 * MS), 111 * MS);
        history.keep(121 * MS);
        assert_eq!(history.resume(8, 132 * MS), 132 * MS);
        history.keep(142 * MS);
        history.end();
        assert_eq!(history.resume(8, 143 * MS), 143 * MS);
    }

    #[test]
    fn a_clock_that_goes_back_begins_anew() {
        let history = WaitHistory::default();
        history.resume(0, 100 * MS);
        assert_eq!(history.resume(0, 50 * MS), 100 * MS);
        history.until.store(MS, Relaxed);
        assert_eq!(history.resume(0, 50 * MS), 50 * MS);
    }

    #[test]
    fn spins_in_vain_are_given_up_and_tried_again() {
        let history = WaitHistory::default();
        for _ in 0..WaitHistory::MOST_VAIN {
            assert!(history.spins());
            history.spun(true);
        }
        let without = || (0..10_000).take_while(|_| !history.spins()).count();
        for expected in [64, 128, 256, 512, 1024, 1024] {
            assert_eq!(without(), expected);
            history.spun(true);
        }
        assert_eq!(without(), 1024);
        history.spun(false);
        assert!((0..1_000).all(|_| history.spins()));
        for _ in 0..WaitHistory::MOST_VAIN {
            history.spun(true);
        }
        assert_eq!(without(), 64, "it begins anew");
    }
}

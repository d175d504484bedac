//! Work of a known length, which a program does beside locking.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// So much arithmetic. It takes processor time and not time on the clock: a process that is not
/// running gets nothing done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    rounds: u64,
}

/// How fast this machine does [`Work`].
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    rounds_per_ns: f64,
}

impl Speed {
    /// Measures it: the fastest of some tries, in ten milliseconds or so.
    pub fn measure() -> Self {
        const ROUNDS: u64 = 200_000;
        let once = || {
            let start = Instant::now();
            Work { rounds: ROUNDS }.run();
            start.elapsed()
        };
        let fastest = (0..20).map(|_| once()).min().unwrap_or(Duration::ZERO);
        let nanos = u32::try_from(fastest.as_nanos()).unwrap_or(u32::MAX).max(1);
        Self {
            rounds_per_ns: 200_000.0 / f64::from(nanos),
        }
    }

    /// Work of `nanos` nanoseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a length that is known to two digits; the cast saturates"
    )]
    pub fn work(self, nanos: u64) -> Work {
        Work {
            rounds: (nanos as f64 * self.rounds_per_ns).round() as u64,
        }
    }
}

impl Work {
    /// No work.
    pub const fn none() -> Self {
        Self { rounds: 0 }
    }

    /// Does it.
    #[inline(always)]
    pub fn run(self) {
        let mut state = 1_u64;
        for _ in 0..self.rounds {
            state = black_box(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_no_work() {
        assert_eq!(Speed::measure().work(0), Work::none());
    }

    #[test]
    fn twice_the_time_is_twice_the_work() {
        let speed = Speed::measure();
        let (one, two) = (speed.work(10_000).rounds, speed.work(20_000).rounds);
        assert!(one > 100, "{one}");
        assert!(two.abs_diff(2 * one) <= 1);
    }

    #[test]
    fn work_takes_its_time_at_least_roughly() {
        let work = Speed::measure().work(1_000_000);
        let start = Instant::now();
        work.run();
        // From below only: a busy machine takes longer.
        assert!(start.elapsed() > Duration::from_micros(500));
    }
}

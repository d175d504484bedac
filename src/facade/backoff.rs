//! Spinning: what a waiter does before it sleeps, or instead.

use core::time::Duration;

use super::Pace;
use super::real::{Deadline, Left};

/// Bounded spinning before a waiter sleeps: 8, 16 .. 512 pauses with one attempt after each.
///
/// A hundred single pauses made a contended lock slower than no spinning at all; this shape halves
/// its cost (`docs/design.md`, Mutex). One pause takes 3 to 50 ns, as the processor has it, so the
/// clock says when it is enough: after the first three steps, which are too short to ask it, no
/// step begins later than [`Self::LONGEST`]. Where a pause takes 13 ns that makes seven steps of
/// 13 us together; where it is longer there are fewer steps, where it is shorter more long ones.
///
/// A waiter that never sleeps ([`Pace::Spin`]) attempts after every pause, and reads the clock at
/// every 32nd attempt. It yields after 1 us, and again after 2, 4 .. 32 us: if there are more
/// spinners than processors, the process that it waits for may have none, and would have to wait
/// for the end of a scheduler's slice of some milliseconds. In the end that costs less than 1 us in
/// 32 if there is nothing else to run.
#[derive(Debug)]
pub(crate) struct Backoff {
    pace: Pace,
    /// The number of attempts still to come after a single pause each.
    close: u32,
    step: u32,
    end: Option<Deadline>,
    /// When a waiter that never sleeps yields next.
    rest: Option<Deadline>,
    /// How long it keeps the processor.
    keeps: Duration,
}

impl Backoff {
    const FIRST: u32 = 8;
    /// The steps that ask no clock.
    const BRIEF: u32 = 3;
    /// The last step that is longer than the one before.
    const LAST: u32 = 6;
    const LONGEST: Duration = Duration::from_micros(8);
    /// The steps in all, should the clock stand still.
    const MOST: u32 = 64;

    /// For a waiter that never sleeps: its first slice, the attempts for each reading of the clock,
    /// and how long it keeps the processor, at first and in the end.
    const SLICE: Duration = Duration::from_micros(64);
    const LOOKS: u32 = 32;
    const KEEPS: (Duration, Duration) = (Duration::from_micros(1), Duration::from_micros(32));

    pub(crate) fn new() -> Self {
        Self::of(Pace::Adaptive)
    }

    pub(crate) fn of(pace: Pace) -> Self {
        Self {
            pace,
            close: 0,
            step: 0,
            end: None,
            rest: None,
            keeps: Self::KEEPS.0,
        }
    }

    /// As [`of`](Self::of), for a waiter at a queue: it looks after every single pause at first.
    /// The other side is alone with its cache lines there, and an answer that comes in half a
    /// microsecond is not to wait for a long step's end.
    pub(crate) fn close(pace: Pace) -> Self {
        Self {
            close: Self::LOOKS * 2,
            ..Self::of(pace)
        }
    }

    /// Pauses and returns true, or returns false when it is time to sleep, or to
    /// [`spin_on`](Self::spin_on).
    #[inline]
    pub(crate) fn spin(&mut self) -> bool {
        match self.pace {
            Pace::Adaptive => self.brief(),
            Pace::Spin => self.steady(),
            Pace::Park => false,
        }
    }

    /// To be asked instead of sleeping: whether this one never sleeps. Then it spins for another
    /// `slice`.
    pub(crate) fn spin_on(&mut self, slice: Duration) -> bool {
        let spins = self.pace == Pace::Spin;
        if spins {
            self.end = Some(Deadline::after(slice));
            self.rest = Some(Deadline::after(slice.min(self.keeps)));
        }
        spins
    }

    fn brief(&mut self) -> bool {
        if self.close > 0 {
            self.close -= 1;
            core::hint::spin_loop();
            return true;
        }
        if self.step >= Self::MOST {
            return false;
        }
        if self.step >= Self::BRIEF {
            let end = self
                .end
                .get_or_insert_with(|| Deadline::after(Self::LONGEST));
            if end.left() == Left::Passed {
                return false;
            }
        }
        pause(Self::FIRST << self.step.min(Self::LAST));
        self.step += 1;
        true
    }

    #[inline]
    fn steady(&mut self) -> bool {
        core::hint::spin_loop();
        self.step = (self.step + 1) % Self::LOOKS;
        self.step != 0 || self.is_early()
    }

    fn is_early(&mut self) -> bool {
        let keeps = self.keeps;
        let rest = self.rest.get_or_insert_with(|| Deadline::after(keeps));
        if rest.left() != Left::Passed {
            return true;
        }
        std::thread::yield_now();
        self.keeps = (keeps * 2).min(Self::KEEPS.1);
        self.rest = Some(Deadline::after(self.keeps));
        let end = self.end.get_or_insert_with(|| Deadline::after(Self::SLICE));
        end.left() != Left::Passed
    }
}

/// A short spin for a participant that is about to finish: 8, 16 and 32 pauses with an attempt
/// after each, less than a microsecond if a pause takes 13 ns. More frequent attempts would take
/// the other's cache line away in the middle of its work.
///
/// A participant that catches up with another after several steps in a row follows a stream, and
/// was faster than it: first of all it waits for 128 pauses, 2 or 3 us, so that the other gets
/// ahead and both use cache lines of their own. After a single step, as when question and answer
/// alternate, that would only add latency.
#[derive(Debug)]
pub(crate) struct ShortSpin(u32);

impl ShortSpin {
    const FIRST: u32 = 8;
    const LAST: u32 = 32;
    const FOLLOWING: u32 = 128;

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// Lets a participant get ahead that was caught up with after this many steps; returns whether
    /// it did.
    pub(crate) fn follow(steps: u64) -> bool {
        let is_stream = steps > 1;
        if is_stream {
            pause(Self::FOLLOWING);
        }
        is_stream
    }

    /// Pauses and returns true, or returns false when it has taken long enough.
    pub(crate) fn wait(&mut self) -> bool {
        if self.0 > Self::LAST {
            return false;
        }
        pause(self.0);
        self.0 *= 2;
        true
    }
}

fn pause(times: u32) {
    for _ in 0..times {
        core::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn spinning_ends() {
        let mut backoff = Backoff::new();
        let steps = (0..1_000_000).take_while(|_| backoff.spin()).count();
        assert!((4..=64).contains(&steps), "{steps}");
        assert!(!backoff.spin());
        assert!(!backoff.spin_on(Duration::from_secs(1)));
    }

    #[test]
    fn spin_ends_and_only_a_stream_is_followed() {
        let mut spin = ShortSpin::new();
        assert_eq!((0..100).take_while(|_| spin.wait()).count(), 3);
        assert_eq!(
            [0, 1, 2, 99].map(ShortSpin::follow),
            [false, false, true, true]
        );
    }

    #[test]
    fn a_parking_waiter_does_not_spin() {
        let mut backoff = Backoff::of(Pace::Park);
        assert!(!backoff.spin());
        assert!(!backoff.spin_on(Duration::from_secs(1)));
    }

    #[test]
    fn a_spinner_pauses_to_reap_when_its_slice_ends() {
        let mut backoff = Backoff::of(Pace::Spin);
        let slice = Duration::from_millis(2);
        let mut looks = 0;
        for _ in 0..3 {
            while backoff.spin() {
                looks += 1;
            }
            let begin = Instant::now();
            assert!(backoff.spin_on(slice));
            while backoff.spin() {}
            assert!(begin.elapsed() >= slice);
            assert!(backoff.spin_on(slice));
        }
        assert!(looks >= Backoff::LOOKS);
    }
}

//! Waiting: the one place that sleeps.
//!
//! # State
//!
//! The waiter's own: a [`WaitSchedule`], and what its [`WaitOp`] keeps between two attempts. The
//! words that it sleeps on are those of the primitive.
//!
//! # Protocol
//!
//! Attempt; spin for some microseconds, with an attempt after each pause; then, until an attempt
//! succeeds: check the deadline, announce the sleeper, sleep for a slice at most, attempt. When a
//! slice has ended, and before the wait is given up, reap the dead and check the own membership;
//! a long wait checks that less often. How long a slice is says [`schedule`].
//!
//! A waiter for one owner asks whether it is alive before every sleep, too: it is one question, and
//! an owner that died before the waiter came costs microseconds. A waiter that may be blocked by
//! any participant does not: a round trip would pay for it.
//!
//! An operation announces its sleeper in a word that those it waits for read. It returns the word
//! and the value to sleep on, or that something has changed meanwhile. A sleeper returns when its
//! word is woken or has another value, when its slice ends, and for no reason.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | a waiter | an announcement too many | the next to read it, which wakes no sleeper |
//! | a waiter that was woken | a wake that others needed | they, when their slices end |
//! | a waiter that was woken, and is told that its membership is lost | the same | the same |
//! | the owner that is waited for | its tag, where the waiter found it | the waiter, which asks when its slice ends |
//! | a process that owes a wake | a sleeper | the sleeper, when its slice ends; each process that reaps |
//!
//! A stopped owner is waited for. A process that is stopped before a wake that it owes delays the
//! sleeper by its slice.
//!
//! # Ordering
//!
//! None of its own: each operation orders its announcement and its attempt.

pub(crate) mod event_count;
pub(crate) mod on_event;
mod owner;
mod schedule;
pub(crate) mod select;
mod trace;

use core::time::Duration;

use crate::facade::{Deadline, Futex, futex_wait, futex_wait_any, mutation};

use crate::participant::SlowEvent;
pub(crate) use owner::longest_for;
use schedule::{FIRST, FIRST_FOR_AN_OWNER, WaitSchedule};
pub(crate) use schedule::{
    LONGEST, LONGEST_FOR_AN_OWNER, LONGEST_UNTIL_END, LONGEST_UNTOLD, WaitMode,
};
use trace::LongWait;

/// The most words that the kernel waits for at a time.
pub(crate) const AT_ONCE: usize = 128;

/// Why a wait ended without its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// The deadline has passed.
    TimedOut,
    /// This process is not a participant any more.
    MembershipLost,
}

/// The outcome of one step of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// The operation is done.
    Done(T),
    /// The state has changed: attempt again at once.
    Retry,
    /// The operation has to wait.
    Blocked,
}

/// What a step returns.
pub(crate) type Stepped<O> = Result<Step<<O as WaitOp>::Output>, <O as WaitOp>::Error>;

/// The words that a sleeper sleeps on, each with the value that it sleeps at.
pub(crate) enum SleepOn<'a> {
    One(&'a Futex, u32),
    /// Up to [`AT_ONCE`].
    Any(&'a [(&'a Futex, u32)]),
}

impl SleepOn<'_> {
    fn sleep(self, slice: Duration) {
        match self {
            Self::One(word, expected) => futex_wait(word, expected, slice),
            Self::Any(words) => futex_wait_any(words, slice),
        }
    }
}

/// Sleeps once, for a model that has a loop of its own.
#[cfg(all(test, loom))]
pub(crate) fn sleep_once(on: Option<SleepOn<'_>>) {
    if let Some(on) = on {
        on.sleep(Duration::from_millis(1));
    }
}

/// An operation that may have to wait.
pub(crate) trait WaitOp {
    /// What it returns when it is done.
    type Output;
    /// Why it can fail.
    type Error: From<WaitError>;

    /// Attempts the operation, without reaping.
    fn attempt(&mut self) -> Stepped<Self>;

    /// Returns whether a blocked waiter may spin: not if others sleep already.
    fn may_spin(&self) -> bool {
        true
    }

    /// Asks whether the owners that block it are alive, and takes over from dead ones.
    fn reap_dead(&mut self) -> Stepped<Self>;

    /// Whether the dead are reaped before every sleep, not only when a slice has ended: for waits
    /// for one owner.
    const REAPS_FIRST: bool;

    /// Whether a success at the end of a slice may be in vain: the age of the wait goes on then, if
    /// the caller waits again.
    const MAY_BE_SPURIOUS: bool = false;

    /// Returns whether this process is still a participant.
    fn is_member(&self) -> bool;

    /// Counts something that has happened while it waited, if the segment counts.
    fn count(&self, _event: SlowEvent) {}

    /// The progress of the handle. The age of a wait that was given up counts while this is
    /// unchanged.
    fn progress(&self) -> u64 {
        0
    }

    /// The longest slice.
    fn longest(&self) -> Duration {
        LONGEST
    }

    /// The time until it has to act without being woken.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Announces that this waiter is about to sleep, and returns the words to sleep on; `None` if
    /// they have changed since the attempt.
    fn announce(&mut self) -> Option<SleepOn<'_>>;

    /// Notes that it has slept.
    fn slept(&mut self) {}

    /// The last attempt, when the deadline has passed.
    fn timed_out(&mut self) -> Result<Self::Output, Self::Error> {
        Err(WaitError::TimedOut.into())
    }
}

/// What an operation says of its process by its `peers`: two methods of [`WaitOp`].
macro_rules! by_peers {
    () => {
        fn is_member(&self) -> bool {
            self.peers.is_member()
        }

        fn count(&self, event: $crate::participant::SlowEvent) {
            self.peers.count(event);
        }
    };
}
pub(crate) use by_peers;

/// Converts a [`WaitError`] into the error of an operation, with the variant that says that the
/// deadline has passed.
macro_rules! waits_end_with {
    ($error:ident::$timed_out:ident) => {
        impl From<$crate::wait::WaitError> for $error {
            fn from(error: $crate::wait::WaitError) -> Self {
                match error {
                    $crate::wait::WaitError::TimedOut => Self::$timed_out,
                    $crate::wait::WaitError::MembershipLost => Self::MembershipLost,
                }
            }
        }
    };
}
pub(crate) use waits_end_with;

/// Blocks until the operation is done, fails, or `deadline` has passed.
pub(crate) fn block_on<O: WaitOp>(
    op: &mut O,
    deadline: &Deadline,
    mode: WaitMode<'_>,
) -> Result<O::Output, O::Error> {
    let mut schedule = WaitSchedule::new(mode, op.progress());
    let mut long = LongWait::default();
    loop {
        match op.attempt()? {
            Step::Done(output) => {
                schedule.done(O::MAY_BE_SPURIOUS);
                long.ended(op, &schedule);
                return Ok(output);
            }
            Step::Retry => continue,
            Step::Blocked => {}
        }
        if op.may_spin() && schedule.spin() {
            continue;
        }
        let asks = schedule.asks() && !mutation(660);
        let longest = op.longest();
        let longest = op.due().map_or(longest, |due| due.min(longest));
        let first = if O::REAPS_FIRST {
            FIRST_FOR_AN_OWNER
        } else {
            FIRST
        };
        let slice = schedule.sleep(deadline, (first, longest));
        if O::REAPS_FIRST || asks || slice.is_none() {
            match op.reap_dead()? {
                Step::Done(output) => {
                    schedule.done(O::MAY_BE_SPURIOUS);
                    long.ended(op, &schedule);
                    return Ok(output);
                }
                Step::Retry => continue,
                Step::Blocked => {}
            }
        }
        let gives_up = slice.is_none() && schedule.has_slept();
        let asks_own = asks && schedule.asks_about_own();
        if (asks_own || gives_up) && !op.is_member() {
            return Err(WaitError::MembershipLost.into());
        }
        let Some(slice) = slice else {
            schedule.given_up();
            long.ended(op, &schedule);
            return op.timed_out();
        };
        if schedule.spins_on(slice) {
            continue;
        }
        if asks {
            long.goes_on::<O>(&schedule);
        }
        if let Some(on) = op.announce() {
            schedule.sleeps();
            on.sleep(slice);
            op.count(SlowEvent::Sleep);
            op.slept();
        }
    }
}

/// Attempts the operation, and takes over from dead owners, without waiting; `None` if it is
/// blocked.
pub(crate) fn try_now<O: WaitOp>(op: &mut O) -> Result<Option<O::Output>, O::Error> {
    loop {
        let step = match op.attempt()? {
            Step::Blocked => op.reap_dead()?,
            step => step,
        };
        match step {
            Step::Done(output) => return Ok(Some(output)),
            Step::Retry => {}
            Step::Blocked => return Ok(None),
        }
    }
}

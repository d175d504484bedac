//! Waiting: the one place that sleeps.
//!
//! # State
//!
//! The waiter's own: a [`WaitSchedule`], and what its [`WaitOp`] keeps between two attempts. The words
//! that it sleeps on are those of the primitive.
//!
//! # Protocol
//!
//! Attempt; spin for some microseconds, with an attempt after each pause; then, until an attempt
//! succeeds: reap the dead, check the deadline and the own membership, announce the sleeper, sleep
//! for a slice at most, attempt.
//!
//! An operation announces its sleeper in a word that those it waits for read. It returns the word
//! and the value to sleep on, or that something has changed meanwhile. A sleeper returns when its
//! word is woken or has another value, when its slice ends, and for no reason.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | a waiter | an announcement too many | the next to read it, which wakes no sleeper |
//! | a waiter that was woken | a wake that others needed | they, when their slices end |
//! | the owner that is waited for | its tag, where the waiter found it | the waiter, which asks when its slice ends |
//! | a process that owes a wake | a sleeper | the sleeper, when its slice ends; each process that reaps |
//!
//! A stopped owner is waited for. A process that is stopped before a wake that it owes delays the
//! sleeper by its slice.
//!
//! # Ordering
//!
//! None of its own: each operation orders its announcement and its attempt.

mod schedule;

use core::time::Duration;

use crate::facade::{Deadline, Futex, futex_wait, futex_wait_any};

pub(crate) use schedule::WaitSchedule;

/// How many words the kernel waits for at a time.
pub(crate) const AT_ONCE: usize = 128;

/// Why a wait ended without its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// The deadline has passed.
    TimedOut,
    /// This process is not a participant any more.
    NotMember,
}

/// What a step of an operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    /// The operation is done.
    Done(T),
    /// Something has changed: to be attempted again at once.
    Retry,
    /// It has to wait.
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

/// Sleeps once, as a model does that has a loop of its own.
#[cfg(all(test, loom))]
pub(crate) fn sleep_once(on: Option<SleepOn<'_>>) {
    if let Some(on) = on {
        on.sleep(Duration::from_millis(1));
    }
}

/// An operation that may have to wait.
pub(crate) trait WaitOp {
    /// What it waits for.
    type Output;
    /// Why it can fail.
    type Error: From<WaitError>;

    /// Attempts it, without asking who is dead.
    fn attempt(&mut self) -> Stepped<Self>;

    /// Whether a blocked waiter may spin: not if others sleep already.
    fn may_spin(&self) -> bool {
        true
    }

    /// Asks whether those that it is blocked by are alive, and takes from the dead.
    fn reap_dead(&mut self) -> Stepped<Self>;

    /// Whether this process is a participant still.
    fn is_member(&self) -> bool;

    /// Announces that this waiter is about to sleep; `None` if what it waits for has changed since
    /// the attempt.
    fn announce(&mut self) -> Option<SleepOn<'_>>;

    /// Notes that it has slept.
    fn slept(&mut self) {}

    /// The last attempt, when the deadline has passed.
    fn timed_out(&mut self) -> Result<Self::Output, Self::Error> {
        Err(WaitError::TimedOut.into())
    }
}

/// Waits until the operation is done, or fails, or `deadline` has passed.
pub(crate) fn block_on<O: WaitOp>(
    op: &mut O,
    deadline: &Deadline,
    mut schedule: WaitSchedule,
) -> Result<O::Output, O::Error> {
    loop {
        match op.attempt()? {
            Step::Done(output) => return Ok(output),
            Step::Retry => continue,
            Step::Blocked => {}
        }
        if op.may_spin() && schedule.spin() {
            continue;
        }
        match op.reap_dead()? {
            Step::Done(output) => return Ok(output),
            Step::Retry => continue,
            Step::Blocked => {}
        }
        let Some(slice) = schedule.slice(deadline) else {
            return op.timed_out();
        };
        if !op.is_member() {
            return Err(WaitError::NotMember.into());
        }
        if schedule.spins_on(slice) {
            continue;
        }
        match op.announce() {
            None => continue,
            Some(on) => on.sleep(slice),
        }
        op.slept();
        schedule.slept();
    }
}

/// Attempts the operation, and takes from the dead, without waiting: `None` if it is blocked.
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

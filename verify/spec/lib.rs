//! Sequential specifications: what each primitive of crossdock is when one process does one thing
//! after the other.
//!
//! A specification has a state, operations, and what each of these returns and leaves. What is
//! allowed when processes are stopped or killed, or run at the same time, follows from it:
//! [`Run`](run::Run) has what two of them have yet to do, and [`Allowed`](allowed::Allowed) keeps
//! the states that explain all that was seen. The sweep of instructions, the suites of the fuzzer,
//! the property tests and the models judge by the same ones. There is no code of crossdock here.

#![expect(
    missing_docs,
    reason = "an operation's name says what it is, where no sentence does"
)]

pub mod allowed;
pub mod barrier;
pub mod conn;
pub mod event;
pub mod hand_over;
pub mod leases;
pub mod lock;
pub mod manager;
pub mod number;
pub mod objects;
pub mod promise;
pub mod queue;
pub mod run;
pub mod rwlock;
pub mod semaphore;
pub mod snapshot;
pub mod work;

use std::fmt;

/// A process that does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The process that is killed or stopped.
    Victim,
    /// A process that waits.
    Waiter,
    /// Any other.
    Other,
}

/// An operation may return anything, as far as a specification knows.
pub const ANY: u8 = 255;
/// What no specification knows: an error that must not be.
pub const FAILED: u8 = 250;

/// A process is told nothing: it has done a part of an operation.
pub const NOTHING: u8 = 254;

/// What operations return.
pub trait Told: Clone + PartialEq + fmt::Debug {
    /// As a byte, for a process that ends with it; [`FAILED`] only for what must not be.
    fn byte(&self) -> u8;

    /// Whether an operation may return anything.
    fn is_any(&self) -> bool {
        false
    }
}

impl Told for u8 {
    fn byte(&self) -> u8 {
        *self
    }

    fn is_any(&self) -> bool {
        *self == ANY
    }
}

/// What a primitive is between two operations.
pub trait Specification: Clone + Default + PartialEq + fmt::Debug {
    /// An operation on it.
    type Op: Copy + PartialEq + fmt::Debug + 'static;
    /// What its operations return.
    type Ret: Told;

    /// Does an operation of a process: what it returns, which may be anything; `None` if it blocks,
    /// or would, and then nothing is changed that matters.
    fn apply(&mut self, op: Self::Op, by: Actor) -> Option<Self::Ret>;

    /// All that an operation of a process may come to, where that is not one thing.
    fn choices(&self, op: Self::Op, by: Actor) -> Vec<(Self::Ret, Self)> {
        self.outcome(op, by).into_iter().collect()
    }

    /// What an operation of a process returns, and what it leaves; `None` if it blocks.
    fn outcome(&self, op: Self::Op, by: Actor) -> Option<(Self::Ret, Self)> {
        let mut next = self.clone();
        Some((next.apply(op, by)?, next))
    }

    /// A process dies.
    fn dies(&mut self, _who: Actor) {}
}

/// What a process tells that has done operations: what all of them returned that returned
/// something.
#[must_use]
pub fn tell(told: u8, returned: u8) -> u8 {
    if returned == NOTHING {
        told
    } else {
        told.rotate_left(3) ^ returned
    }
}

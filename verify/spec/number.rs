//! One number, a counter or an element of an array.

use crate::{Actor, Specification, tell};
use Op::{Do, Wrongly};
use Verb::{Add, And, CompareExchange, HalveAndAdd, Max, Min, Not, Or, Store, Sub, Swap, Xor};

/// What is done to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verb {
    Add,
    Sub,
    Swap,
    /// From [`START`], or from `false`.
    CompareExchange,
    Max,
    Min,
    And,
    Or,
    Xor,
    Not,
    Store,
    HalveAndAdd,
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Load,
    Do(Verb, u8),
    /// The same as a load, a computation and a store, or in more steps than one.
    Wrongly(Verb, u8),
}

/// Which number is worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Kind {
    #[default]
    Counter,
    Sharded,
    Float,
    Byte,
    Short,
    Flag,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub kind: Kind,
    pub value: u64,
}

pub const START: u64 = 40;

impl Default for State {
    fn default() -> Self {
        of(Kind::Counter)
    }
}

#[must_use]
pub const fn of(kind: Kind) -> State {
    let value = if matches!(kind, Kind::Flag) { 0 } else { START };
    State { kind, value }
}

/// The value after, and what is returned.
#[must_use]
pub fn specified(kind: Kind, verb: Verb, value: u64, amount: u64) -> (u64, u64) {
    let after = match verb {
        Add => value + amount,
        Sub => value.wrapping_sub(amount),
        Swap | Store => amount,
        CompareExchange if kind == Kind::Flag || value == START => amount,
        CompareExchange => value,
        Max => value.max(amount),
        Min => value.min(amount),
        And => value & amount,
        Or => value | amount,
        Xor => value ^ amount,
        Not => 1 - value,
        HalveAndAdd => value / 2 + amount,
    };
    let returned = match (kind, verb) {
        (Kind::Sharded, _) | (_, Store) => 0,
        (Kind::Counter, Add | Sub) => after,
        _ => value,
    };
    (after, returned)
}

/// What is told of a number: all of it.
#[must_use]
pub fn digest(number: u64) -> u8 {
    number.to_le_bytes().into_iter().rev().fold(0, tell)
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, _: Actor) -> Option<u8> {
        let (Do(verb, amount) | Wrongly(verb, amount)) = op else {
            return Some(digest(self.value));
        };
        let (after, returned) = specified(self.kind, verb, self.value, amount.into());
        self.value = after;
        Some(digest(returned))
    }
}

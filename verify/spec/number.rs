//! One number, a counter or an element of an array.

use crate::{Actor, FAILED, Specification, Told, tell};
use Op::{Do, Wrongly};
use Verb::{Add, And, CompareExchange, HalveAndAdd, Max, Min, Not, Or, Store, Sub, Swap, Xor};

/// What is done to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verb {
    Add,
    Sub,
    Swap,
    /// From what it is at first.
    CompareExchange,
    Max,
    Min,
    And,
    Or,
    Xor,
    Not,
    Store,
    /// Of a number that is not negative.
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
    /// Of so many bits.
    Unsigned(u32),
    Signed(u32),
    Float32,
    Float64,
    Flag,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub kind: Kind,
    /// Its bits.
    pub value: u64,
}

pub const START: u8 = 40;

/// What an operation returns: bits; none if a number's neighbours have changed, or it has no such
/// operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bits(pub Option<u64>);

impl Default for State {
    fn default() -> Self {
        of(Kind::Counter)
    }
}

#[must_use]
pub fn of(kind: Kind) -> State {
    let start = if kind == Kind::Flag { 0 } else { START };
    State {
        kind,
        value: kind.bits(start),
    }
}

impl Kind {
    /// The bits of a small number.
    #[must_use]
    pub fn bits(self, number: u8) -> u64 {
        match self {
            Self::Float32 => f32::from(number).to_bits().into(),
            Self::Float64 => f64::from(number).to_bits(),
            _ => number.into(),
        }
    }

    /// Keeps the bits that there are.
    fn wrap(self, value: u64) -> u64 {
        match self {
            Self::Unsigned(bits) | Self::Signed(bits) => value & (u64::MAX >> (64 - bits)),
            Self::Flag => value & 1,
            _ => value,
        }
    }

    fn float(self, bits: u64) -> f64 {
        match self {
            Self::Float32 => f32::from_bits(low(bits)).into(),
            _ => f64::from_bits(bits),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a sum of two is the same if it is rounded once more"
    )]
    fn bits_of(self, value: f64) -> u64 {
        match self {
            Self::Float32 => (value as f32).to_bits().into(),
            _ => value.to_bits(),
        }
    }

    /// As a number with a sign, the order of which is that of what it stands for.
    fn signed(self, value: u64) -> i128 {
        match self {
            Self::Signed(bits) => {
                let unused = 64 - bits;
                i128::from((value << unused).cast_signed() >> unused)
            }
            _ => value.into(),
        }
    }

    /// Whether one is to take the place of the other, in a search for the greatest or the least.
    fn is_better(self, verb: Verb, one: u64, other: u64) -> bool {
        match self {
            Self::Float32 | Self::Float64 => {
                let (one, other) = (self.float(one), self.float(other));
                other.is_nan()
                    || if verb == Max {
                        one > other
                    } else {
                        one < other
                    }
            }
            _ if verb == Max => self.signed(one) > self.signed(other),
            _ => self.signed(one) < self.signed(other),
        }
    }

    /// The bits after, and those that are returned.
    #[must_use]
    pub fn specified(self, verb: Verb, value: u64, amount: u64) -> (u64, u64) {
        let is_float = matches!(self, Self::Float32 | Self::Float64);
        let after = match verb {
            Add if is_float => self.bits_of(self.float(value) + self.float(amount)),
            Sub if is_float => self.bits_of(self.float(value) - self.float(amount)),
            Add => value.wrapping_add(amount),
            Sub => value.wrapping_sub(amount),
            Swap | Store => amount,
            CompareExchange if value == of(self).value => amount,
            CompareExchange => value,
            Max | Min if self.is_better(verb, amount, value) => amount,
            Max | Min => value,
            And => value & amount,
            Or => value | amount,
            Xor => value ^ amount,
            Not => !value,
            HalveAndAdd => value / 2 + amount,
        };
        let after = self.wrap(after);
        let returned = match (self, verb) {
            (Self::Sharded, _) | (_, Store) => 0,
            (Self::Counter, Add | Sub) => after,
            _ => value,
        };
        (after, returned)
    }
}

/// The lower half.
fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0)
}

impl Told for Bits {
    fn byte(&self) -> u8 {
        self.0.map_or(FAILED, |bits| {
            bits.to_le_bytes().into_iter().rev().fold(0, tell) % FAILED
        })
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = Bits;

    fn apply(&mut self, op: Op, _: Actor) -> Option<Bits> {
        let (Do(verb, amount) | Wrongly(verb, amount)) = op else {
            return Some(Bits(Some(self.value)));
        };
        let amount = self.kind.bits(amount);
        let (after, returned) = self.kind.specified(verb, self.value, amount);
        self.value = after;
        Some(Bits(Some(returned)))
    }
}

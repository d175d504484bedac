//! A promise: its value is set once, and a waiter is told of a claimer's death.

use crate::{Actor, Specification};
use Op::{Claim, Get, GetOrInit, GiveBack, Set, Wait};

/// What a waiter is told of a claimer's death.
pub const ABANDONED: u8 = 201;

/// What a claimer is told that comes too late.
pub const IS_SET: u8 = 202;

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub claimer: Option<Actor>,
    /// Its last claimer has died.
    pub is_abandoned: bool,
    /// A claimer has died since the waiter began to wait.
    pub has_died: bool,
    /// The number that the value is made of; 0 is no value.
    pub value: u8,
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Claim,
    /// Sets a claimed promise.
    Set(u8),
    GiveBack,
    GetOrInit(u8),
    Get,
    Wait,
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        match op {
            Claim if self.value > 0 => return Some(IS_SET),
            Claim if self.claimer.is_some() => return None,
            Claim => (self.claimer, self.is_abandoned) = (Some(by), false),
            Set(_) | GiveBack if self.claimer != Some(by) => {}
            Set(value) => (self.claimer, self.value) = (None, value),
            GiveBack => self.claimer = None,
            GetOrInit(_) if self.claimer.is_some() => return None,
            GetOrInit(value) => {
                if self.value == 0 {
                    (self.value, self.is_abandoned) = (value, false);
                }
                return Some(self.value);
            }
            Get => return Some(self.value),
            Wait if self.value > 0 => return Some(self.value),
            Wait => {
                let is_told = self.is_abandoned || by == Actor::Waiter && self.has_died;
                return is_told.then_some(ABANDONED);
            }
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        if self.claimer == Some(who) {
            (self.claimer, self.is_abandoned, self.has_died) = (None, true, true);
        }
    }
}

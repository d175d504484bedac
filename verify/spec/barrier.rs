//! A barrier of two: all that meet are told the same, and no process waits for one that died.

use std::mem::take;

use crate::{ANY, Actor, Specification};
use Op::{
    Abort, Arrive, InVain, IsBroken, Keep, Leave, Meet, NWaiting, Parties, Register, Reset,
    TimeOut, Wait,
};

pub const PARTIES: u8 = 2;

/// What a waiter is told of a broken barrier.
pub const BROKEN: u8 = 7;

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub shrinks: bool,
    pub arrived: u8,
    /// The victim has a seat.
    pub is_seated: bool,
    pub is_party: bool,
    /// What those are told that have arrived.
    pub told: Option<u8>,
    pub is_broken: bool,
    pub has_died: bool,
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Arrive,
    /// Arrives, and waits; as the specification has it, for what is told to those that arrived.
    Wait,
    /// Waits in vain, for a moment.
    TimeOut,
    /// The same and resets, so often that the handle spins no longer, thousands of steps long.
    InVain,
    Abort,
    Reset,
    Register,
    /// Drops the party.
    Leave,
    /// Has the party live on.
    Keep,
    IsBroken,
    NWaiting,
    Parties,
    /// Waits with another process.
    Meet,
}

impl State {
    fn tell(&mut self, told: u8) {
        if take(&mut self.arrived) > 0 {
            self.told.get_or_insert(told);
        }
    }

    fn breaks(&mut self) {
        self.is_broken = true;
        self.tell(BROKEN);
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        match op {
            Arrive => {
                self.arrived += 1;
                self.is_seated = true;
            }
            Wait => {
                let gone = u8::from(self.has_died && self.shrinks);
                if self.arrived + gone >= PARTIES {
                    self.tell(0);
                }
                if by == Actor::Victim {
                    self.is_seated = self.is_party;
                }
                return self.told;
            }
            TimeOut | Abort => {
                self.breaks();
                self.is_seated = self.is_party;
            }
            Reset => {
                self.breaks();
                (self.is_broken, self.has_died) = (false, false);
            }
            Register => (self.is_seated, self.is_party) = (true, true),
            Leave => {
                self.breaks();
                (self.is_seated, self.is_party) = (false, false);
            }
            IsBroken if self.has_died && !self.is_broken => return Some(ANY),
            IsBroken => return Some(self.is_broken.into()),
            Parties => return Some(PARTIES),
            NWaiting => return Some(self.arrived),
            InVain | Keep | Meet => {}
        }
        Some(0)
    }

    /// Whether a process has found out that the victim had a seat is not known.
    fn dies(&mut self, who: Actor) {
        if who != Actor::Victim || !take(&mut self.is_seated) {
            return;
        }
        self.has_died = true;
        if self.shrinks {
            self.arrived = self.arrived.min(1);
        } else {
            self.tell(BROKEN);
        }
    }
}

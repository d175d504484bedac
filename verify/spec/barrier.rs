//! A barrier: all that meet are told the same, and no process waits for one that died.

use std::mem::take;

use crate::{ANY, Actor, Specification};
use Op::{
    Abort, Alone, Arrive, ArriveAsParty, InVain, IsBroken, Keep, Leave, Meet, NWaiting, Parties,
    Reap, Register, Reset, TimeOut, Wait,
};

/// How many meet, if no more is said.
pub const PARTIES: u8 = 2;

/// What a waiter is told of a broken barrier.
pub const BROKEN: u8 = 7;
/// All seats are those of parties, or taken.
pub const FULL: u8 = 8;
/// It has waited in vain.
pub const TIMED_OUT: u8 = 9;

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub shrinks: bool,
    /// How many seats it was created with.
    seats: u8,
    /// How many were taken out, of those that have left or died.
    taken_out: u8,
    /// How many seats the parties of each actor have.
    registered: [u8; 3],
    arrived: u8,
    /// How many of these are no parties.
    unregistered: u8,
    /// The victim has a seat, which may be in vain.
    is_seated: bool,
    /// And waits in it; whether as a party.
    waits: Option<bool>,
    /// What those are told that have arrived.
    told: Option<u8>,
    pub is_broken: bool,
    has_died: bool,
}

impl Default for State {
    fn default() -> Self {
        of(PARTIES, false)
    }
}

/// A barrier of so many.
#[must_use]
pub const fn of(seats: u8, shrinks: bool) -> State {
    State {
        shrinks,
        seats,
        taken_out: 0,
        registered: [0; 3],
        arrived: 0,
        unregistered: 0,
        is_seated: false,
        waits: None,
        told: None,
        is_broken: false,
        has_died: false,
    }
}

/// A barrier of two at which another process has arrived.
#[must_use]
pub const fn with_one(shrinks: bool) -> State {
    State {
        arrived: 1,
        unregistered: 1,
        ..of(PARTIES, shrinks)
    }
}

/// An operation on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Arrive,
    ArriveAsParty,
    /// Arrives, and waits; as the specification has it, for what is told to those that arrived.
    Wait,
    /// Arrives, and waits in vain for others, for a moment.
    Alone {
        as_party: bool,
    },
    /// Has waited in vain.
    TimeOut,
    /// Waits in vain and resets, so often that the handle spins no longer, thousands of steps long.
    InVain,
    Abort,
    Reset,
    Register,
    /// Drops the party.
    Leave,
    /// Has the party live on.
    Keep,
    /// Finds the dead.
    Reap,
    IsBroken,
    NWaiting,
    Parties,
    /// Waits with another process.
    Meet,
}

impl State {
    /// How many must arrive.
    #[must_use]
    pub fn parties(&self) -> u8 {
        self.seats - self.taken_out
    }

    /// The seats for processes that are no parties.
    #[must_use]
    pub fn free(&self) -> u8 {
        let taken = self.registered.iter().sum::<u8>() + self.unregistered;
        self.parties().saturating_sub(taken)
    }

    fn tell(&mut self, told: u8) {
        (self.unregistered, self.waits) = (0, None);
        if take(&mut self.arrived) > 0 {
            self.told.get_or_insert(told);
        }
    }

    fn breaks(&mut self) {
        self.is_broken = true;
        self.tell(BROKEN);
    }

    /// A seat is empty for good.
    fn loses_a_seat(&mut self) {
        if self.shrinks {
            self.taken_out += 1;
            self.releases();
        } else {
            self.breaks();
        }
    }

    /// Tells those that have arrived, if all have.
    fn releases(&mut self) {
        let gone = u8::from(self.has_died && self.shrinks);
        if self.arrived + gone >= self.parties() {
            self.tell(0);
        }
    }

    /// Why a process cannot arrive, if it cannot.
    fn refuses(&self, as_party: bool) -> Option<u8> {
        if self.is_broken {
            return Some(BROKEN);
        }
        (!as_party && self.free() == 0).then_some(FULL)
    }

    fn arrives(&mut self, by: Actor, as_party: bool) -> u8 {
        if let Some(refused) = self.refuses(as_party) {
            return refused;
        }
        if self.arrived == 0 {
            self.told = None;
        }
        self.arrived += 1;
        self.unregistered += u8::from(!as_party);
        if by == Actor::Victim {
            (self.is_seated, self.waits) = (true, Some(as_party));
        }
        0
    }

    /// The victim has a seat only if it is a party.
    fn rises(&mut self) {
        self.is_seated = self.registered[Actor::Victim as usize] > 0;
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        match op {
            Arrive => return Some(self.arrives(by, false)),
            ArriveAsParty => return Some(self.arrives(by, true)),
            Wait => {
                self.releases();
                if by == Actor::Victim {
                    self.rises();
                }
                return self.told;
            }
            Alone { as_party } => {
                if let Some(refused) = self.refuses(as_party) {
                    return Some(refused);
                }
                if self.parties() > 1 {
                    self.breaks();
                    return Some(TIMED_OUT);
                }
            }
            TimeOut | Abort => {
                self.breaks();
                self.rises();
                return Some(if op == Abort { 0 } else { TIMED_OUT });
            }
            Reset => {
                self.breaks();
                (self.is_broken, self.has_died, self.taken_out) = (false, false, 0);
            }
            Register if self.free() == 0 => return Some(FULL),
            Register => {
                self.registered[by as usize] += 1;
                self.is_seated |= by == Actor::Victim;
            }
            Leave => {
                self.registered[by as usize] -= 1;
                self.loses_a_seat();
                self.rises();
            }
            Reap => {
                if take(&mut self.has_died) {
                    self.loses_a_seat();
                }
            }
            IsBroken if self.has_died && !self.is_broken && !self.shrinks => return Some(ANY),
            Parties if self.has_died && self.shrinks => return Some(ANY),
            IsBroken => return Some(self.is_broken.into()),
            Parties => return Some(self.parties()),
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
        self.registered[who as usize] = 0;
        if let Some(as_party) = self.waits.take() {
            self.arrived -= 1;
            self.unregistered -= u8::from(!as_party);
        }
        if !self.shrinks {
            self.tell(BROKEN);
        }
    }
}

//! Operations on a barrier of two: whatever a victim leaves, no waiter waits for it, all are told
//! the same, and after a reset two processes pass.

use std::mem::{forget, take};
use std::time::Duration;

use crossdock::sync::{Barrier, BarrierError, BarrierOptions, OnDeath, Party};

use crate::crash::operation::Base;
use crate::crash::specified::{ANY, Actor, FAILED, Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::{End, Rig, forked};
use Op::{
    Abort, Arrive, InVain, IsBroken, Keep, Leave, Meet, NWaiting, Parties, Register, Reset,
    TimeOut, Wait,
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    shrinks: bool,
    arrived: u8,
    /// The victim has a seat.
    is_seated: bool,
    is_party: bool,
    /// What those are told that have arrived.
    told: Option<u8>,
    is_broken: bool,
    has_died: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
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

const MOMENT: Duration = Duration::from_millis(1);
const PARTIES: u8 = 2;
/// What a waiter is told of a broken barrier.
const BROKEN: u8 = 7;

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

fn wait(barrier: &Barrier, party: Option<&mut Party<'_>>) -> u8 {
    match party.map_or_else(|| barrier.wait(), Party::wait) {
        Ok(_) => 0,
        Err(BarrierError::Broken) => BROKEN,
        Err(_) => FAILED,
    }
}

impl Subject for Barrier {
    type State = State;
    type Op = Op;
    type Hand<'a> = Option<Party<'a>>;

    fn create(base: &Base, first: &State) -> Rig<Self> {
        let on_death = if first.shrinks {
            OnDeath::Shrink
        } else {
            OnDeath::Break
        };
        let options = BarrierOptions::new(PARTIES.into()).on_death(on_death);
        Ok(base.segment.create("barrier", options)?)
    }

    fn apply(op: Op, by: Actor, state: &mut State) -> Option<u8> {
        match op {
            Arrive => {
                state.arrived += 1;
                state.is_seated = true;
            }
            Wait => {
                let gone = u8::from(state.has_died && state.shrinks);
                if state.arrived + gone >= PARTIES {
                    state.tell(0);
                }
                if by == Actor::Victim {
                    state.is_seated = state.is_party;
                }
                return state.told;
            }
            TimeOut | Abort => {
                state.breaks();
                state.is_seated = state.is_party;
            }
            Reset => {
                state.breaks();
                (state.is_broken, state.has_died) = (false, false);
            }
            Register => (state.is_seated, state.is_party) = (true, true),
            Leave => {
                state.breaks();
                (state.is_seated, state.is_party) = (false, false);
            }
            IsBroken if state.has_died && !state.is_broken => return Some(ANY),
            IsBroken => return Some(state.is_broken.into()),
            Parties => return Some(PARTIES),
            NWaiting => return Some(state.arrived),
            InVain | Keep | Meet => {}
        }
        Some(0)
    }

    /// Whether a process has found out that the victim had a seat is not known.
    fn dies(state: &mut State) {
        if !take(&mut state.is_seated) {
            return;
        }
        state.has_died = true;
        if state.shrinks {
            state.arrived = state.arrived.min(1);
        } else {
            state.tell(BROKEN);
        }
    }

    fn run<'a>(
        &'a self,
        _: &Base,
        op: Op,
        party: &mut Self::Hand<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let few = |count: u32| u8::try_from(count).unwrap_or(FAILED);
        let is_done = match op {
            Wait => return Some(wait(self, party.as_mut())),
            TimeOut => self.wait_timeout(MOMENT).is_err(),
            InVain => (0..6).all(|_| self.wait_timeout(MOMENT).is_err() && self.reset().is_ok()),
            Abort => {
                self.abort();
                true
            }
            Reset => self.reset().is_ok(),
            Register => {
                *party = self.register().ok();
                party.is_some()
            }
            Leave => party.take().is_some(),
            Keep => {
                forget(party.take()?);
                true
            }
            IsBroken => return Some(self.is_broken().into()),
            Parties => return Some(few(self.parties())),
            NWaiting => return Some(few(self.n_waiting())),
            Meet => {
                let mut other = forked(|| wait(self, None)).ok()?;
                let passed = self.wait_timeout(patience?).is_ok();
                passed && other.end_within(patience?).ok()? == Some(End::Exited(0))
            }
            Arrive => return None,
        };
        Some(if is_done { 0 } else { FAILED })
    }
}

/// Another process has arrived.
const ARRIVED: State = State {
    shrinks: false,
    arrived: 1,
    is_seated: false,
    is_party: false,
    told: None,
    is_broken: false,
    has_died: false,
};
const LAST: &[Op] = &[Reset, IsBroken, Parties, NWaiting, Meet];

/// The operations on barriers.
pub(crate) const LISTED: &[Listed] = specified! { Barrier;
    "Barrier::wait, the last to arrive" "an abort where a release is due" {
        first: ARRIVED, act: &[Wait], steps: &[Arrive, Wait], bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], rescue: &[Abort], last: LAST,
    }
    "Party::wait, the last to arrive" "an abort where a release is due" {
        first: ARRIVED, before: &[Register], act: &[Wait], steps: &[Arrive, Wait], bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], last: LAST,
    }
    "Party::wait at a barrier that shrinks" "an abort where a release is due" {
        first: State { shrinks: true, ..ARRIVED }, before: &[Register],
        act: &[Wait], steps: &[Arrive, Wait], bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], last: LAST,
    }
    "Barrier::wait_timeout" "a time-out that breaks nothing" {
        before: &[InVain], act: &[TimeOut], steps: &[Arrive, Abort], bug: &[TimeOut, Reset],
        meanwhile: &[IsBroken, Parties], after: &[IsBroken], last: LAST,
    }
    "Barrier::reset beside a waiter" "an abort where a reset is due" {
        first: ARRIVED, act: &[Reset], steps: &[Abort, Reset], bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], after: &[IsBroken],
        rescue: &[Abort], last: LAST,
    }
    "Barrier::register, drop(Party)" "a party that leaves and breaks nothing" {
        act: &[Register, Leave], bug: &[Register, Keep, Reset],
        meanwhile: &[IsBroken, Parties], after: &[IsBroken], last: LAST,
    }
};

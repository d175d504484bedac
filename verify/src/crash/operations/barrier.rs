//! Operations on a barrier of two: whatever a victim leaves, no waiter waits for it, all are told
//! the same, and after a reset two processes pass.

use std::mem::forget;
use std::time::Duration;

use crossdock::sync::{Barrier, BarrierError, BarrierOptions, BarrierTimeoutError, OnDeath, Party};
use crossdock_spec::FAILED;
use crossdock_spec::barrier::Op::{
    Abort, Alone, Arrive, ArriveAsParty, InVain, IsBroken, Keep, Leave, Meet, NWaiting, Parties,
    Reap, Register, Reset, TimeOut, Wait,
};
use crossdock_spec::barrier::{BROKEN, Op, PARTIES, State, TIMED_OUT, with_one};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::{End, Rig, forked};

const MOMENT: Duration = Duration::from_millis(1);
const ALONE: Op = Alone { as_party: false };

fn wait(barrier: &Barrier, party: Option<&mut Party<'_>>) -> u8 {
    match party.map_or_else(|| barrier.wait(), Party::wait) {
        Ok(_) => 0,
        Err(BarrierError::Broken) => BROKEN,
        Err(_) => FAILED,
    }
}

fn alone(barrier: &Barrier) -> u8 {
    match barrier.wait_timeout(MOMENT) {
        Err(BarrierTimeoutError::Timeout) => TIMED_OUT,
        _ => FAILED,
    }
}

impl Subject for Barrier {
    type Spec = State;
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
            Alone { .. } => return Some(alone(self)),
            InVain => (0..6).all(|_| alone(self) == TIMED_OUT && self.reset().is_ok()),
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
            Arrive | ArriveAsParty | TimeOut | Reap => return None,
        };
        Some(if is_done { 0 } else { FAILED })
    }
}

const LAST: &[Op] = &[Reset, IsBroken, Parties, NWaiting, Meet];

/// The operations on barriers.
pub(crate) const LISTED: &[Listed] = specified! { Barrier;
    "Barrier::wait, the last to arrive" "an abort where a release is due" {
        first: with_one(false), act: &[Wait], steps: &[Arrive, Wait], bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], rescue: &[Abort], last: LAST,
    }
    "Party::wait, the last to arrive" "an abort where a release is due" {
        first: with_one(false), before: &[Register], act: &[Wait], steps: &[ArriveAsParty, Wait],
        bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], last: LAST,
    }
    "Party::wait at a barrier that shrinks" "an abort where a release is due" {
        first: with_one(true), before: &[Register], act: &[Wait], steps: &[ArriveAsParty, Wait],
        bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], last: LAST,
    }
    "Barrier::wait_timeout" "a time-out that breaks nothing" {
        before: &[InVain], act: &[ALONE], steps: &[Arrive, TimeOut], bug: &[ALONE, Reset],
        meanwhile: &[IsBroken, Parties], after: &[IsBroken], last: LAST,
    }
    "Barrier::reset beside a waiter" "an abort where a reset is due" {
        first: with_one(false), act: &[Reset], steps: &[Abort, Reset], bug: &[Abort],
        waiter: &[Wait], meanwhile: &[IsBroken, Parties], after: &[IsBroken],
        rescue: &[Abort], last: LAST,
    }
    "Barrier::register, drop(Party)" "a party that leaves and breaks nothing" {
        act: &[Register, Leave], bug: &[Register, Keep, Reset],
        meanwhile: &[IsBroken, Parties], after: &[IsBroken], last: LAST,
    }
};

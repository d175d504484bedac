//! Operations on a barrier of two: whatever a victim leaves, no waiter waits for it, all are told
//! the same, and after a reset two processes pass.

use std::mem::forget;
use std::time::Duration;

use crossdock::sync::{Barrier, BarrierError, BarrierOptions, OnDeath, Party};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Child, End, Rig, forked};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Arrives last, beside a waiter.
    Arrive,
    /// The same as a party, whose death breaks the barrier.
    Party,
    /// The same as a party, without which the barrier goes on.
    Shrink,
    /// Waits in vain, and breaks the barrier.
    TimeOut,
    /// Resets, beside a waiter.
    Reset,
    /// Registers and leaves.
    Register,
}

struct Meeting {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    barrier: Barrier,
}

#[derive(Default)]
struct Seen {
    waiter: Option<Child>,
}

const MOMENT: Duration = Duration::from_millis(1);
/// Waits in vain after which a handle no longer spins, which would be thousands of steps.
const IN_VAIN: usize = 6;
/// What a waiter ends with that was told of a broken barrier.
const TOLD: u8 = 7;

fn wait(barrier: &Barrier) -> u8 {
    match barrier.wait() {
        Ok(_) => 0,
        Err(BarrierError::Broken) => TOLD,
        Err(_) => 1,
    }
}

impl Meeting {
    fn operate(&self, world: &World, party: Option<Party<'_>>) -> Option<()> {
        let barrier = &world.barrier;
        match (self.verb, party) {
            (Verb::Arrive | Verb::Party | Verb::Shrink, _) if self.seeded => barrier.abort(),
            (Verb::Arrive, _) => drop(barrier.wait().ok()?),
            (Verb::Party | Verb::Shrink, Some(mut party)) => {
                party.wait().ok()?;
                forget(party);
            }
            (Verb::TimeOut, _) => {
                let waited = barrier.wait_timeout(MOMENT);
                if self.seeded {
                    barrier.reset().ok()?;
                }
                waited.err()?;
            }
            (Verb::Reset, _) if self.seeded => barrier.abort(),
            (Verb::Reset, _) => barrier.reset().ok()?,
            (Verb::Register, _) => {
                let party = barrier.register().ok()?;
                if !self.seeded {
                    drop(party);
                    return Some(());
                }
                forget(party);
                barrier.reset().ok()?;
            }
            _ => return None,
        }
        Some(())
    }

    /// What the waiter may end with, besides what a kill before the first change leaves.
    fn expected(&self, done: bool) -> &'static [u8] {
        match self.verb {
            Verb::Arrive | Verb::Party if done => &[0],
            Verb::Arrive | Verb::Party => &[0, TOLD],
            Verb::Shrink => &[0],
            _ => &[TOLD],
        }
    }
}

impl Operation for Meeting {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        let base = Base::new(5)?;
        let on_death = match self.verb {
            Verb::Shrink => OnDeath::Shrink,
            _ => OnDeath::Break,
        };
        let options = BarrierOptions::new(2).on_death(on_death);
        let barrier = base.segment.create("barrier", options)?;
        Ok(World { base, barrier })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        if self.verb == Verb::TimeOut {
            for _ in 0..IN_VAIN {
                let waited = world.barrier.wait_timeout(MOMENT);
                if waited.is_ok() || world.barrier.reset().is_err() {
                    return 1;
                }
            }
        }
        let party = matches!(self.verb, Verb::Party | Verb::Shrink);
        let party = if party {
            world.barrier.register().ok()
        } else {
            None
        };
        begin();
        u8::from(self.operate(&world, party).is_none())
    }

    fn assemble(&self, world: &World, seen: &mut Seen) -> Rig {
        if matches!(self.verb, Verb::TimeOut | Verb::Register) {
            return Ok(());
        }
        let waiter = forked(|| wait(&world.barrier))?;
        if !waiter.sleeps_on_a_futex(Duration::from_secs(10)) {
            return Err(Broken("the waiter does not sleep".into()));
        }
        seen.waiter = Some(waiter);
        Ok(())
    }

    fn meanwhile(&self, world: &World, _: &mut Seen, _: &mut Scene) -> Rig {
        let _ = (world.barrier.n_waiting(), world.barrier.parties());
        Ok(())
    }

    fn judge(&self, world: &World, seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        let barrier = &world.barrier;
        let broken = match self.verb {
            Verb::TimeOut | Verb::Register => Some(true),
            Verb::Reset => Some(false),
            _ => None,
        };
        if done && broken.is_some_and(|broken| broken != barrier.is_broken()) {
            scene.lost(format!("the barrier is broken: {}", barrier.is_broken()));
        }
        if let Some(mut waiter) = seen.waiter {
            let mut end = None;
            if !matches!(self.verb, Verb::Party | Verb::Shrink) && !done {
                // The victim may not have come to its change, and it is no party: no word says
                // that it was to come.
                end = waiter.end_within(MOMENT)?;
                if end.is_none() {
                    barrier.abort();
                }
            }
            if end.is_none() {
                end = waiter.end_within(scene.patience)?;
            }
            match end {
                Some(End::Exited(code)) if self.expected(done).contains(&code) => {
                    scene.outcome(if code == 0 { "released" } else { "broken" });
                }
                Some(other) => scene.lost(format!("the waiter ends with {other:?}")),
                None => scene.stuck("the waiter waits for a dead process"),
            }
        } else {
            scene.outcome(if barrier.is_broken() {
                "broken"
            } else {
                "whole"
            });
        }
        barrier.reset()?;
        if barrier.is_broken() || barrier.parties() != 2 || barrier.n_waiting() != 0 {
            scene.stuck(format!("after a reset {barrier:?}"));
        }
        let mut other = forked(|| wait(barrier))?;
        if barrier.wait_timeout(scene.patience).is_err() {
            scene.stuck("two processes do not pass after a reset");
        }
        match other.end_within(scene.patience)? {
            Some(End::Exited(0)) => {}
            other => scene.stuck(format!("the second after a reset: {other:?}")),
        }
        Ok(())
    }
}

/// The operations on barriers.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Meeting { verb, seeded };
    "Barrier::wait, the last to arrive" Arrive "an abort where a release is due"
    "Party::wait, the last to arrive" Party "an abort where a release is due"
    "Party::wait at a barrier that shrinks" Shrink "an abort where a release is due"
    "Barrier::wait_timeout" TimeOut "a time-out that breaks nothing"
    "Barrier::reset beside a waiter" Reset "an abort where a reset is due"
    "Barrier::register, drop(Party)" Register "a party that leaves and breaks nothing"
};

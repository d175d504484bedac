//! The promise under loom. The byte locks say which processes live.

use crossdock_spec::promise::{IS_SET, Op, State};
use loom::sync::Arc;

use super::super::{PromiseClaimError, PromiseOutcome, PromiseState};
use crate::algorithm::promise::ThreadNumber;
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, explore_two_deaths, is_byte_locked,
};
use crate::facade::{Deadline, Pace, Words, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::model::{Roles, Specified, explore_as_specified};
use crate::participant::stage::{ReapingLiveness, StartWith, finish, players, start, tag};

mutants! {
    model_promise_a_value_is_seen_whole_by_every_waiter:
        821 "setting does not publish the value",
        822 "a waiter does not acquire what the claimer did",
        823 "setting makes no wake",
        828 "a waiter does not look again before it sleeps";
    model_promise_a_claim_that_is_given_back_wakes_the_next_claimer:
        825 "giving back makes no wake";
    model_promise_a_waiter_is_told_of_a_claimer_that_died_before_it_looked:
        826 "claimers that died are not counted";
    model_promise_a_live_claimer_keeps_its_claim:
        827 "a claim is taken from a live claimer";
    model_promise_a_reaper_wakes_waiters:
        824 "a reaper makes no wake",
        830 "a reaper leaves the claim to the dead";
    model_promise_is_as_specified:
        944 "a claim is a load and a store";
}

/// A promise, and the value.
struct Fixture {
    promise: PromiseState,
    value: Words<1>,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            promise: PromiseState::new(),
            value: Words::new([0]),
        })
    }

    fn claim(&self, id: u32) -> Result<(), PromiseClaimError> {
        let thread = ThreadNumber::new(1).unwrap();
        self.promise.claim(thread, &self.peers(id))
    }

    /// Writes the value and sets it, with the claim.
    fn set(&self, id: u32) {
        self.value.write(&[7]);
        assert!(self.promise.end_claim(tag(id), true));
    }

    /// Waits until it is set, or abandoned; with `claims`, or unclaimed.
    fn wait(&self, id: u32, claims: bool) -> PromiseOutcome {
        let (from, never) = (self.promise.load(), Deadline::never());
        let peers = self.peers(id);
        let waited = self.promise.wait(from, claims, &peers, &never, Pace::Park);
        waited.expect("no deadline")
    }

    /// Has the value, which it sets itself if it must.
    fn get_or_set(&self, id: u32) {
        loop {
            match self.claim(id) {
                Ok(()) => self.set(id),
                Err(PromiseClaimError::Set) => break,
                Err(_) => {
                    self.wait(id, true);
                }
            }
        }
        assert_eq!(self.value.read(), [7]);
    }

    fn peers(&self, id: u32) -> impl Liveness {
        ReapingLiveness(id, |dead| self.reap(dead))
    }

    /// Recovers what `dead` holds, if it is dead.
    fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.promise.recover(tag(dead));
        }
    }
}

/// Hunts: a value that is seen before it is written; a waiter that sleeps through it.
#[test]
fn model_promise_a_value_is_seen_whole_by_every_waiter() {
    explore_one_less(|| {
        let fixture = Fixture::open();
        let waiters = [2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                assert_eq!(fixture.wait(id, false), PromiseOutcome::Set);
                assert_eq!(fixture.value.read(), [7]);
            })
        });
        let claimer = fixture.start(1, None, move |claimer| {
            claimer.claim(1).unwrap();
            claimer.set(1);
        });
        finish(waiters.into_iter().chain([claimer]));
    });
}

/// Hunts: a value of two claimers.
#[test]
fn model_promise_a_live_claimer_keeps_its_claim() {
    explore(|| {
        let fixture = Fixture::open();
        finish([1, 2].map(|id| fixture.start(id, None, move |fixture| fixture.get_or_set(id))));
    });
}

/// Hunts: a process that would claim, and sleeps beside a promise that no process has claimed.
#[test]
fn model_promise_a_claim_that_is_given_back_wakes_the_next_claimer() {
    explore(|| {
        let fixture = Fixture::open();
        fixture.claim(1).unwrap();
        finish([
            fixture.start(1, None, move |first| {
                assert!(first.promise.end_claim(tag(1), false))
            }),
            fixture.start(2, None, move |second| second.get_or_set(2)),
        ]);
    });
}

/// Hunts: a promise that a killed claimer leaves to none, or half written.
#[test]
fn model_promise_wherever_a_claimer_dies_the_next_sets_the_value() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.get_or_set(1)),
            fixture.start(2, None, move |other| other.get_or_set(2)),
        ]);
        assert!(fixture.promise.load().is_set());
    });
}

/// Hunts: a waiter that is not told that a claimer died, because the next claim was made before it
/// looked.
#[test]
fn model_promise_a_waiter_is_told_of_a_claimer_that_died_before_it_looked() {
    explore(|| {
        let fixture = Fixture::open();
        fixture.claim(1).unwrap();
        let from = fixture.promise.load();
        finish([
            fixture.start(3, None, move |next| {
                next.promise.recover(tag(1));
                next.claim(3).unwrap();
            }),
            fixture.start(2, None, move |waiter| {
                let (peers, never) = (waiter.peers(2), Deadline::never());
                let waited = waiter.promise.wait(from, false, &peers, &never, Pace::Park);
                assert_eq!(waited, Ok(PromiseOutcome::Abandoned));
            }),
        ]);
    });
}

/// Hunts: a waiter that no reaper wakes: the claimer leaves with its claim.
#[test]
fn model_promise_a_reaper_wakes_waiters() {
    explore(|| {
        let fixture = Fixture::open();
        fixture.claim(1).unwrap();
        finish([
            fixture.start(1, None, move |reaper| reaper.promise.recover(tag(1))),
            fixture.start(2, None, move |waiter| {
                assert_eq!(waiter.wait(2, false), PromiseOutcome::Abandoned)
            }),
        ]);
    });
}

/// Hunts: a promise that two deaths leave to none.
#[test]
fn model_promise_two_deaths_leave_the_promise_to_the_third() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::open();
        let try_set = |fixture: &Fixture, id| match fixture.claim(id) {
            Ok(()) => fixture.set(id),
            Err(PromiseClaimError::Set) => assert_eq!(fixture.value.read(), [7]),
            Err(PromiseClaimError::Claimed(_)) => {}
            Err(other) => panic!("{other:?}"),
        };
        let players = [(1, deaths[0]), (2, deaths[1]), (3, None)];
        finish(
            players
                .map(|(id, death)| fixture.start(id, death, move |fixture| try_set(&fixture, id))),
        );
        try_set(&fixture, 3);
        assert!(fixture.promise.load().is_set());
    });
}

impl Specified for Fixture {
    type Spec = State;
    /// Whether the process has the claim.
    type Hand = bool;

    fn fixture() -> Arc<Self> {
        Self::open()
    }

    fn run(&self, id: u32, op: Op, claimed: &mut bool, blocks: bool) -> Option<u8> {
        let value = || u8::try_from(self.value.read()[0]).expect("small");
        match op {
            Op::Claim => loop {
                match self.claim(id) {
                    Ok(()) => *claimed = true,
                    Err(PromiseClaimError::Set) => return Some(IS_SET),
                    Err(_) if blocks => {
                        self.wait(id, true);
                        continue;
                    }
                    Err(_) => return None,
                }
                break;
            },
            Op::Set(number) if *claimed => {
                self.value.write(&[number.into()]);
                assert!(self.promise.end_claim(tag(id), true));
                *claimed = false;
            }
            Op::GiveBack if *claimed => {
                assert!(self.promise.end_claim(tag(id), false));
                *claimed = false;
            }
            Op::GetOrInit(number) => {
                if self.run(id, Op::Claim, claimed, blocks)? == IS_SET {
                    return Some(value());
                }
                self.run(id, Op::Set(number), claimed, blocks);
                return Some(number);
            }
            Op::Get => {
                return Some(if self.promise.load().is_set() {
                    value()
                } else {
                    0
                });
            }
            _ => {}
        }
        Some(0)
    }

    fn recover(&self) {
        self.promise.recover(tag(1));
    }
}

/// Hunts: a value that is set twice, or taken back, or seen before it is set.
#[test]
fn model_promise_is_as_specified() {
    use Op::{Claim, Get, GetOrInit, GiveBack, Set};
    explore_as_specified::<Fixture>(&Roles {
        victim: &[Claim, GiveBack, Claim, Set(5)],
        other: &[GetOrInit(9), Get],
        last: &[Get, GetOrInit(7), Get],
    });
}

//! A barrier beside its specification: which of its seats are registered or taken out, and whether
//! it is broken.

use std::time::Duration;

use crossdock::Segment;
use crossdock::segment::Fault;
use crossdock::sync::{Barrier, BarrierError, BarrierOptions, BarrierTimeoutError, OnDeath, Party};
use crossdock_spec::barrier::Op::{
    Abort, Alone, Arrive, ArriveAsParty, IsBroken, Leave, NWaiting, Parties, Reap, Register, Reset,
    Wait,
};
use crossdock_spec::barrier::{BROKEN, FULL, Op, State, TIMED_OUT, of};
use crossdock_spec::{Actor, Specification};

use crate::place::{NAME, input};
use crate::suites::child::{PATIENCE, forked, in_child, killed_with, until};
use crate::suites::segment;

/// A barrier, and what it is expected to be.
struct Model<'b> {
    segment: &'b Segment,
    expected: State,
    registered: Vec<Party<'b>>,
    /// The seeded bug: a party that is dropped does not leave.
    has_bug: bool,
}

/// What came of a wait at a barrier of so many parties, as the specification has it.
fn told<T, E: Into<BarrierTimeoutError>>(came: Result<T, E>, of: u8) -> u8 {
    match came.map_err(Into::into) {
        Ok(_) => 0,
        Err(BarrierTimeoutError::Timeout) => TIMED_OUT,
        Err(BarrierTimeoutError::Barrier(BarrierError::Broken)) => BROKEN,
        Err(BarrierTimeoutError::Barrier(BarrierError::Full { parties })) => {
            assert_eq!(parties, of.into());
            FULL
        }
        Err(error) => panic!("{error}"),
    }
}

/// What ends a step that lacks one party.
#[derive(Clone, Copy, Debug)]
enum End {
    Abort,
    Reset,
    Leave,
    Death,
}

const ENDS: [End; 4] = [End::Abort, End::Reset, End::Leave, End::Death];

impl<'b> Model<'b> {
    /// An actor does it; what it must be told.
    fn told(&mut self, op: Op, by: Actor) -> u8 {
        let told = self.expected.apply(op, by);
        told.unwrap_or_else(|| panic!("{op:?} blocks"))
    }

    /// This process does it, and the specification allows it.
    fn does(&mut self, op: Op) {
        assert_eq!(self.told(op, Actor::Other), 0, "{op:?}");
    }

    fn step(&mut self, barrier: &'b Barrier, [verb, a, b, c]: [u8; 4]) {
        let which = usize::from(a);
        match verb % 20 {
            0 if b % 4 == 0 => {
                let came = barrier.wait_timeout(Duration::ZERO);
                let came = told(
                    came.inspect(|result| assert!(result.is_leader())),
                    self.expected.parties(),
                );
                assert_eq!(came, self.told(Alone { as_party: false }, Actor::Other));
            }
            1 | 2 => {
                let came = barrier.register();
                let came = told(
                    came.map(|party| self.registered.push(party)),
                    self.expected.parties(),
                );
                assert_eq!(came, self.told(Register, Actor::Other));
            }
            3 | 4 if !self.registered.is_empty() => {
                let which = which % self.registered.len();
                let party = self.registered.swap_remove(which);
                // Where it is seen at once; later it would be waited for.
                if self.has_bug && !self.expected.is_broken {
                    std::mem::forget(party);
                }
                self.does(Leave);
            }
            5 if b % 4 == 0 && !self.registered.is_empty() => {
                let which = which % self.registered.len();
                let came = self.registered[which].wait_timeout(Duration::ZERO);
                let came = told(
                    came.inspect(|result| assert!(result.is_leader())),
                    self.expected.parties(),
                );
                assert_eq!(came, self.told(Alone { as_party: true }, Actor::Other));
            }
            6 if b % 4 == 0 => {
                barrier.abort();
                self.does(Abort);
            }
            7..10 => {
                barrier.reset().expect("a member");
                self.does(Reset);
            }
            10..13 => self.all(barrier),
            13 | 14 if c % 2 == 0 => self.all_but_one(barrier, ENDS[which % ENDS.len()]),
            15 if c % 4 == 0 => self.party_dies(barrier),
            16 if c % 4 == 0 => self.waiter_dies(barrier),
            17 if c % 4 == 0 => self.fork(barrier),
            _ => {}
        }
        self.look(barrier);
    }

    /// All parties arrive, and that many others.
    fn arrive(&mut self, others: u8) {
        for _ in &self.registered {
            assert_eq!(self.expected.apply(ArriveAsParty, Actor::Other), Some(0));
        }
        (0..others).for_each(|_| self.does(Arrive));
    }

    /// What is told to all of them; one of those that are released leads.
    fn all_are_told(&mut self, came: Vec<Result<bool, BarrierTimeoutError>>) {
        if came.is_empty() {
            return;
        }
        let expected = self.told(Wait, Actor::Other);
        let leaders = came.iter().filter(|came| **came == Ok(true)).count();
        assert_eq!(leaders, usize::from(expected == 0));
        for came in came {
            assert_eq!(told(came, self.expected.parties()), expected);
        }
    }

    /// All parties arrive, and as many others as there are free seats.
    fn all(&mut self, barrier: &Barrier) {
        let others = self.expected.free();
        if self.expected.is_broken || others == 0 {
            let came = told(barrier.wait(), self.expected.parties());
            assert_eq!(came, self.told(Arrive, Actor::Other));
        }
        if self.expected.is_broken {
            return;
        }
        let came = waited(&mut self.registered, barrier, others, || ());
        self.arrive(others);
        self.all_are_told(came);
    }

    /// All but one arrive, and what then happens is told to all of them.
    fn all_but_one(&mut self, barrier: &'b Barrier, end: End) {
        if self.expected.is_broken || self.expected.parties() < 2 || self.expected.free() == 0 {
            return;
        }
        let others = self.expected.free() - 1;
        self.arrive(others);
        let waiting = u32::from(self.told(NWaiting, Actor::Other));
        let (segment, parties) = (self.segment, self.expected.parties());
        let came = waited(&mut self.registered, barrier, others, || {
            until("all but one wait", || barrier.n_waiting() == waiting);
            match end {
                End::Abort => barrier.abort(),
                End::Reset => barrier.reset().expect("a member"),
                // The last seat is that of a party, in this process or in another one.
                End::Leave => {
                    let _party = barrier.register().expect("a free seat");
                    assert_eq!(told(barrier.wait(), parties), FULL);
                }
                End::Death => {
                    killed_with(|| barrier.register().expect("a free seat"));
                    segment.reap();
                }
            }
        });
        match end {
            End::Abort => self.does(Abort),
            End::Reset => self.does(Reset),
            End::Leave => {
                self.does(Register);
                assert_eq!(self.told(Arrive, Actor::Other), FULL);
                self.does(Leave);
            }
            End::Death => {
                assert_eq!(self.told(Register, Actor::Victim), 0);
                self.expected.dies(Actor::Victim);
                self.does(Reap);
            }
        }
        self.all_are_told(came);
    }

    /// A process is killed as a party that has not arrived.
    fn party_dies(&mut self, barrier: &Barrier) {
        let parties = self.expected.parties();
        let expected = self.told(Register, Actor::Victim);
        killed_with(|| {
            let party = barrier.register();
            assert_eq!(
                told(party.as_ref().map_err(|error| *error), parties),
                expected
            );
            party
        });
        self.reaps();
    }

    /// A process is killed while it waits.
    fn waiter_dies(&mut self, barrier: &Barrier) {
        if self.expected.is_broken || self.expected.parties() < 2 || self.expected.free() == 0 {
            return;
        }
        let child = forked(|| {
            let _ = barrier.wait();
        });
        until("a child waits", || barrier.n_waiting() == 1);
        assert_eq!(self.told(Arrive, Actor::Victim), 0);
        child.kill();
        self.reaps();
    }

    fn reaps(&mut self) {
        self.expected.dies(Actor::Victim);
        self.segment.reap();
        self.does(Reap);
    }

    /// What a forked child inherits is not its own.
    fn fork(&mut self, barrier: &Barrier) {
        in_child(|| {
            for mut party in self.registered.drain(..) {
                let not_owner = BarrierError::Fault(Fault::NotOwner);
                assert_eq!(party.wait(), Err(not_owner));
            }
            self.look(barrier);
        });
    }

    fn look(&self, barrier: &Barrier) {
        let expected = |op| self.expected.clone().apply(op, Actor::Other);
        let few = |count: u32| u8::try_from(count).ok();
        assert_eq!(Some(barrier.is_broken().into()), expected(IsBroken));
        assert_eq!(few(barrier.parties()), expected(Parties));
        assert_eq!(few(barrier.n_waiting()), expected(NWaiting));
    }
}

/// Has all parties and that many others wait while something happens; what came of that.
fn waited(
    parties: &mut [Party<'_>],
    barrier: &Barrier,
    others: u8,
    happens: impl FnOnce(),
) -> Vec<Result<bool, BarrierTimeoutError>> {
    std::thread::scope(|scope| {
        let parties = parties.iter_mut();
        let parties = parties.map(|party| scope.spawn(|| party.wait_timeout(PATIENCE)));
        let mut waiters: Vec<_> = parties.collect();
        let wait = || barrier.wait_timeout(PATIENCE);
        waiters.extend((0..others).map(|_| scope.spawn(wait)));
        happens();
        let came = waiters.into_iter().map(|waiter| waiter.join());
        let came = came.map(|came| came.expect("no panic").map(|result| result.is_leader()));
        came.collect()
    })
}

/// Does to a barrier what the data say, and what is expected of it beside it.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let seats = capacity % 5 + 1;
    let shrinks = data.get(1).is_some_and(|byte| byte % 2 == 1);
    let on_death = if shrinks {
        OnDeath::Shrink
    } else {
        OnDeath::Break
    };
    let segment = segment();
    let options = BarrierOptions::new(seats).on_death(on_death);
    let first = segment.create::<Barrier>(NAME, options).expect("room");
    // Handles, each with its own idea of where a free seat is.
    let handles = [
        first.clone(),
        first,
        segment.open(NAME).expect("it is there"),
    ];
    let mut model = Model {
        segment: &segment,
        expected: of(u8::try_from(seats).expect("few"), shrinks),
        registered: Vec::new(),
        has_bug,
    };
    for step in steps {
        model.step(&handles[usize::from(step[2]) % handles.len()], step);
    }
}

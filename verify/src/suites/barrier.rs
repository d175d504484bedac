//! A barrier: which of its seats are registered or taken out, and whether it is broken.

use std::time::Duration;

use crossdock::Segment;
use crossdock::segment::Fault;
use crossdock::sync::{Barrier, BarrierError, BarrierOptions, BarrierTimeoutError, OnDeath, Party};

use crate::place::{NAME, input};
use crate::suites::child::{PATIENCE, forked, in_child, killed_with, until};
use crate::suites::segment;

/// What a wait must say: whether all are released, or why not.
type Expected = Result<(), BarrierTimeoutError>;

const BROKEN: BarrierTimeoutError = BarrierTimeoutError::Barrier(BarrierError::Broken);

/// What a barrier is expected to be.
struct Model<'b> {
    segment: &'b Segment,
    /// The seats that it was created with.
    seats: u32,
    taken_out: u32,
    shrinks: bool,
    is_broken: bool,
    registered: Vec<Party<'b>>,
    /// The seeded bug: a party that is dropped does not leave.
    has_bug: bool,
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
    fn parties(&self) -> u32 {
        self.seats - self.taken_out
    }

    /// The seats for processes that are no parties.
    fn free(&self) -> u32 {
        self.parties() - u32::try_from(self.registered.len()).expect("few")
    }

    fn full(&self) -> BarrierError {
        let parties = self.parties();
        BarrierError::Full { parties }
    }

    /// A party has died or left.
    fn leaves(&mut self) {
        if self.shrinks {
            self.taken_out += 1;
        } else {
            self.is_broken = true;
        }
    }

    fn step(&mut self, barrier: &'b Barrier, [verb, a, b, c]: [u8; 4]) {
        let which = usize::from(a);
        match verb % 20 {
            0 if b % 4 == 0 => {
                let expected = self.alone(None);
                let came = barrier.wait_timeout(Duration::ZERO);
                assert_eq!(came.map(|result| assert!(result.is_leader())), expected);
            }
            1 | 2 => match barrier.register() {
                Ok(party) => {
                    assert!(self.free() > 0);
                    self.registered.push(party);
                }
                Err(error) => assert_eq!((error, self.free()), (self.full(), 0)),
            },
            3 | 4 if !self.registered.is_empty() => {
                let which = which % self.registered.len();
                let party = self.registered.swap_remove(which);
                // Where it is seen at once; later it would be waited for.
                if self.has_bug && !self.is_broken {
                    std::mem::forget(party);
                }
                self.leaves();
            }
            5 if b % 4 == 0 && !self.registered.is_empty() => {
                let which = which % self.registered.len();
                let expected = self.alone(Some(which));
                let came = self.registered[which].wait_timeout(Duration::ZERO);
                assert_eq!(came.map(|result| assert!(result.is_leader())), expected);
            }
            6 if b % 4 == 0 => {
                barrier.abort();
                self.is_broken = true;
            }
            7..10 => self.reset(barrier),
            10..13 => self.all(barrier),
            13 | 14 if c % 2 == 0 => self.all_but_one(barrier, ENDS[which % ENDS.len()]),
            15 if c % 4 == 0 => self.party_dies(barrier),
            16 if c % 4 == 0 => self.waiter_dies(barrier),
            17 if c % 4 == 0 => self.fork(barrier),
            _ => {}
        }
        self.look(barrier);
    }

    /// What a wait must say that waits for no others: of a party, or of another process.
    fn alone(&mut self, party: Option<usize>) -> Expected {
        if self.is_broken {
            return Err(BROKEN);
        }
        if party.is_none() && self.free() == 0 {
            return Err(self.full().into());
        }
        if self.parties() == 1 {
            return Ok(());
        }
        self.is_broken = true;
        Err(BarrierTimeoutError::Timeout)
    }

    fn reset(&mut self, barrier: &Barrier) {
        barrier.reset().expect("a member");
        self.is_broken = false;
        self.taken_out = 0;
    }

    /// All parties arrive, and as many others as there are free seats.
    fn all(&mut self, barrier: &Barrier) {
        if self.is_broken {
            assert_eq!(barrier.wait(), Err(BarrierError::Broken));
            return;
        }
        if self.free() == 0 {
            assert_eq!(barrier.wait(), Err(self.full()));
        }
        let others = self.free();
        std::thread::scope(|scope| {
            let parties = self.registered.iter_mut();
            let parties = parties.map(|party| scope.spawn(|| party.wait_timeout(PATIENCE)));
            let mut waiters: Vec<_> = parties.collect();
            let wait = || barrier.wait_timeout(PATIENCE);
            waiters.extend((0..others).map(|_| scope.spawn(wait)));
            let is_none = waiters.is_empty();
            let leads = waiters.into_iter().map(|waiter| {
                let came = waiter.join().expect("no panic");
                came.expect("all have arrived").is_leader()
            });
            let leaders = leads.filter(|leads| *leads).count();
            assert_eq!(leaders, usize::from(!is_none));
        });
    }

    /// All but one arrive, and what then happens is told to all of them.
    fn all_but_one(&mut self, barrier: &'b Barrier, end: End) {
        if self.is_broken || self.parties() < 2 || self.free() == 0 {
            return;
        }
        // The last seat is that of a party, in this process or in another one, or stays free.
        let mut last = None;
        let waits = self.parties() - 1;
        let others = self.free() - 1;
        std::thread::scope(|scope| {
            let parties = self.registered.iter_mut();
            let parties = parties.map(|party| scope.spawn(|| party.wait_timeout(PATIENCE)));
            let mut waiters: Vec<_> = parties.collect();
            let wait = || barrier.wait_timeout(PATIENCE);
            waiters.extend((0..others).map(|_| scope.spawn(wait)));
            until("all but one wait", || barrier.n_waiting() == waits);
            if matches!(end, End::Leave) {
                last = Some(barrier.register().expect("a free seat"));
                let full = BarrierError::Full { parties: waits + 1 };
                assert_eq!(barrier.wait().err(), Some(full));
            }
            let expected = match end {
                End::Abort => {
                    barrier.abort();
                    Err(BROKEN)
                }
                End::Reset => {
                    barrier.reset().expect("a member");
                    Err(BROKEN)
                }
                End::Leave | End::Death => {
                    drop(last.take());
                    if matches!(end, End::Death) {
                        killed_with(|| barrier.register().expect("a free seat"));
                        self.segment.reap();
                    }
                    if self.shrinks { Ok(()) } else { Err(BROKEN) }
                }
            };
            let mut leaders = 0;
            for waiter in waiters {
                let came = waiter.join().expect("no panic");
                leaders += u32::from(came.as_ref().is_ok_and(|result| result.is_leader()));
                assert_eq!(came.map(drop), expected, "{end:?}");
            }
            assert_eq!(leaders, u32::from(expected.is_ok()));
        });
        match end {
            End::Abort => self.is_broken = true,
            End::Reset => self.taken_out = 0,
            End::Leave | End::Death => self.leaves(),
        }
    }

    /// A process is killed as a party that has not arrived.
    fn party_dies(&mut self, barrier: &Barrier) {
        let is_free = self.free() > 0;
        killed_with(|| {
            let party = barrier.register();
            assert_eq!(party.is_ok(), is_free);
            party
        });
        self.segment.reap();
        if is_free {
            self.leaves();
        }
    }

    /// A process is killed while it waits.
    fn waiter_dies(&mut self, barrier: &Barrier) {
        if self.is_broken || self.parties() < 2 || self.free() == 0 {
            return;
        }
        let child = forked(|| {
            let _ = barrier.wait();
        });
        until("a child waits", || barrier.n_waiting() == 1);
        child.kill();
        self.segment.reap();
        self.leaves();
    }

    /// What a forked child inherits is not its own.
    fn fork(&mut self, barrier: &Barrier) {
        in_child(|| {
            for mut party in self.registered.drain(..) {
                let not_owner = BarrierError::Fault(Fault::NotOwner);
                assert_eq!(party.wait(), Err(not_owner));
            }
            assert_eq!(barrier.is_broken(), self.is_broken);
            assert_eq!(barrier.parties(), self.parties());
        });
    }

    fn look(&self, barrier: &Barrier) {
        assert_eq!(barrier.is_broken(), self.is_broken);
        assert_eq!(barrier.parties(), self.parties());
        assert_eq!(barrier.n_waiting(), 0);
    }
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
        seats: u32::try_from(seats).expect("few"),
        taken_out: 0,
        shrinks,
        is_broken: false,
        registered: Vec::new(),
        has_bug,
    };
    for step in steps {
        model.step(&handles[usize::from(step[2]) % handles.len()], step);
    }
}

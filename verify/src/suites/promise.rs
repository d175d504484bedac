//! Promises beside their specification: each is unset, claimed, abandoned or set, once and for all.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{WaitAnyError, Waitable, wait_any_timeout};
use crossdock::sync::{
    ClaimPromiseError, Holder, Promise, PromiseClaim, PromiseError, PromiseTimeoutError,
};
use crossdock_spec::promise::Op::{Claim, GetOrInit, GiveBack, Set, Wait};
use crossdock_spec::promise::{ABANDONED, IS_SET, Op, State};
use crossdock_spec::{Actor, Specification};

use crate::place::input;
use crate::suites::child::{PATIENCE, in_child, in_thread, killed_with};
use crate::suites::segment;

/// Three words, so that a half-written value would be seen.
type Value = [u64; 3];

fn value(number: u8) -> Value {
    [number.into(); 3]
}

fn of_this_process() -> ClaimPromiseError {
    ClaimPromiseError::Claimed {
        holder: Holder::ThisProcess,
    }
}

/// A promise, and what is expected of it. Another thread, which has ended, is the waiter of the
/// specification.
struct Model<'p> {
    segment: &'p Segment,
    expected: State,
    /// If this thread has it.
    claim: Option<PromiseClaim<'p, Value>>,
    /// The seeded bug: a claim that is dropped is not given back.
    has_bug: bool,
}

impl<'p> Model<'p> {
    /// What an operation of this thread would come to.
    fn would(&self, op: Op) -> Option<u8> {
        self.expected.clone().apply(op, Actor::Other)
    }

    /// Whether the next process may claim it.
    fn is_open(&self) -> bool {
        self.would(Claim) == Some(0)
    }

    fn is_claimed(&self) -> bool {
        self.expected.claimer.is_some()
    }

    /// What a claim must say.
    fn may_claim(&self) -> Result<(), ClaimPromiseError> {
        match self.would(Claim) {
            None if self.claim.is_some() => Err(ClaimPromiseError::OwnClaim),
            None => Err(of_this_process()),
            Some(IS_SET) => Err(ClaimPromiseError::Set),
            Some(_) => Ok(()),
        }
    }

    /// What a wait that does not block must say; to another thread, which has no claim, or to this.
    fn may_wait(&self, is_other: bool) -> Result<Value, PromiseTimeoutError> {
        match self.would(Wait) {
            None if self.claim.is_some() && !is_other => Err(PromiseError::OwnClaim.into()),
            None => Err(PromiseTimeoutError::Timeout),
            Some(ABANDONED) => Err(PromiseError::Abandoned.into()),
            Some(number) => Ok(value(number)),
        }
    }

    fn step(&mut self, promise: &'p Promise<Value>, [verb, a, b, c]: [u8; 4]) {
        let number = a % (IS_SET - 10) + 1;
        match verb % 20 {
            0..3 => self.claim(promise),
            3 if c % 4 == 0 => {
                let expected = self.may_claim();
                match promise.set(value(number)) {
                    Ok(set) => {
                        assert_eq!((*set, expected), (value(number), Ok(())));
                        self.expected.apply(GetOrInit(number), Actor::Other);
                    }
                    Err(error) => assert_eq!(expected, Err(error)),
                }
            }
            4..7 => self.end_claim((c % 8 == 0).then_some(number)),
            7 => self.waited(promise.wait_timeout(Duration::ZERO).copied()),
            // What blocks, where it does not.
            8 if self.may_wait(false) != Err(PromiseTimeoutError::Timeout) => {
                self.waited(
                    promise
                        .wait()
                        .copied()
                        .map_err(PromiseTimeoutError::Promise),
                );
            }
            9 | 10 => self.get_or_init(promise, number, c),
            11 if c % 2 == 0 => self.claimer_dies(promise, b),
            12 if c % 16 == 0 => self.setter_dies(promise, number),
            13 | 14 => self.other_thread(promise, value(number), b),
            15 if c % 16 == 0 => self.hand_over(promise, number, b),
            16 if c % 8 == 0 => self.fork(promise),
            _ => {}
        }
        self.look(promise);
    }

    fn claim(&mut self, promise: &'p Promise<Value>) {
        let expected = self.may_claim();
        match promise.claim() {
            Ok(claim) => {
                assert_eq!(expected, Ok(()));
                self.expected.apply(Claim, Actor::Other);
                self.claim = Some(claim);
            }
            Err(error) => assert_eq!(expected, Err(error)),
        }
    }

    /// Sets the value, or gives the claim back, if this thread has it.
    fn end_claim(&mut self, number: Option<u8>) {
        let op = number.map_or(GiveBack, Set);
        self.expected.apply(op, Actor::Other);
        match (self.claim.take(), number) {
            (Some(claim), Some(number)) => {
                assert_eq!(claim.set(value(number)), Ok(&value(number)));
            }
            (claim, _) if self.has_bug => std::mem::forget(claim),
            (claim, _) => drop(claim),
        }
    }

    #[track_caller]
    fn waited(&self, came: Result<Value, PromiseTimeoutError>) {
        assert_eq!(came, self.may_wait(false));
    }

    fn get_or_init(&mut self, promise: &Promise<Value>, number: u8, how: u8) {
        match self.would(GetOrInit(number)) {
            Some(_) if self.is_open() && !how.is_multiple_of(4) => {
                let panics = catch_unwind(AssertUnwindSafe(|| {
                    promise.get_or_init(|| resume_unwind(Box::new(()))).copied()
                }));
                assert!(panics.is_err());
                self.expected.apply(Claim, Actor::Other);
                self.expected.apply(GiveBack, Actor::Other);
            }
            Some(got) if !self.is_open() || how.is_multiple_of(8) => {
                let is_open = self.is_open();
                let new = || {
                    assert!(is_open, "it is set");
                    value(number)
                };
                assert_eq!(promise.get_or_init(new), Ok(&value(got)));
                self.expected.apply(GetOrInit(number), Actor::Other);
            }
            None if self.claim.is_some() => {
                let got = promise.get_or_init(|| unreachable!("it is claimed"));
                assert_eq!(got, Err(PromiseError::OwnClaim));
            }
            // It would block.
            _ => {}
        }
    }

    /// A process claims the promise, if it may, and is killed.
    fn claimer_dies(&mut self, promise: &'p Promise<Value>, how: u8) {
        let pid = std::process::id();
        let expected = match self.would(Claim) {
            Some(0) => None,
            Some(_) => Some(ClaimPromiseError::Set),
            None => {
                let holder = Holder::Process { pid };
                Some(ClaimPromiseError::Claimed { holder })
            }
        };
        killed_with(|| {
            let claimed = promise.claim();
            assert_eq!(claimed.as_ref().err(), expected.as_ref());
            claimed
        });
        if !self.is_open() {
            self.segment.reap();
            return;
        }
        self.expected.apply(Claim, Actor::Victim);
        self.expected.dies(Actor::Victim);
        assert!(promise.claimer().is_some());
        // The next claimer asks the kernel itself.
        match how % 2 {
            0 => self.claim(promise),
            _ => drop(self.segment.reap()),
        }
        self.segment.reap();
    }

    /// A process sets the value, if it may, and is killed.
    fn setter_dies(&mut self, promise: &Promise<Value>, number: u8) {
        let is_open = self.is_open();
        killed_with(|| assert_eq!(promise.set(value(number)).is_ok(), is_open));
        self.expected.apply(GetOrInit(number), Actor::Victim);
        self.segment.reap();
    }

    /// Another thread finds what this one has claimed; or claims it, and leaks that.
    fn other_thread(&mut self, promise: &'p Promise<Value>, value: Value, how: u8) {
        let leaks = self.is_open() && how < 16;
        let is_claimed = self.is_claimed();
        let waits = self.may_wait(true);
        in_thread(|| {
            assert_eq!(promise.wait_timeout(Duration::ZERO).copied(), waits);
            if is_claimed {
                assert_eq!(promise.claim().err(), Some(of_this_process()));
                assert_eq!(promise.set(value), Err(of_this_process()));
            }
            if leaks {
                std::mem::forget(promise.claim().expect("it is open"));
            }
        });
        if leaks {
            self.expected.apply(Claim, Actor::Waiter);
        }
    }

    /// A thread that waits for the value, or for the claim, gets it from this one.
    fn hand_over(&mut self, promise: &'p Promise<Value>, number: u8, how: u8) {
        if self.claim.is_none() || self.has_bug {
            return;
        }
        std::thread::scope(|scope| {
            if how.is_multiple_of(2) {
                let waiter = scope.spawn(|| promise.wait_timeout(PATIENCE).copied());
                self.end_claim(Some(number));
                assert_eq!(waiter.join().expect("no panic"), Ok(value(number)));
            } else {
                let waiter = scope.spawn(|| promise.get_or_init(|| value(number)).copied());
                self.end_claim(None);
                assert_eq!(waiter.join().expect("no panic"), Ok(value(number)));
                self.expected.apply(GetOrInit(number), Actor::Waiter);
            }
        });
    }

    /// What a forked child inherits is not its own.
    fn fork(&mut self, promise: &'p Promise<Value>) {
        in_child(|| {
            if let Some(claim) = self.claim.take() {
                assert!(claim.set([7; 3]).is_err());
            }
            let pid = std::os::unix::process::parent_id();
            let holder = self.is_claimed().then_some(Holder::Process { pid });
            assert_eq!(promise.claimer(), holder);
        });
    }

    fn look(&self, promise: &Promise<Value>) {
        let got = promise.get().copied();
        assert_eq!(got, self.may_wait(true).ok());
        let holder = self.is_claimed().then_some(Holder::ThisProcess);
        assert_eq!(promise.claimer(), holder);
        let ready = match wait_any_timeout(&[promise as &dyn Waitable], Duration::ZERO) {
            Ok(index) => index == 0,
            Err(WaitAnyError::Timeout) => false,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(ready, self.would(Wait).is_some());
    }
}

/// Does to promises what the data say, and what is expected of them beside them. A promise is set
/// once, so there are several.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    const PROMISES: usize = 6;
    let Some((_, steps)) = input(data) else {
        return;
    };
    let segment = segment();
    let promises: Vec<[Promise<Value>; 2]> = (0..PROMISES)
        .map(|at| {
            let name = format!("promise {at}");
            let first = segment.create(&name, ()).expect("room");
            [first, segment.open(&name).expect("it is there")]
        })
        .collect();
    let mut models: [Model<'_>; PROMISES] = std::array::from_fn(|_| Model {
        segment: &segment,
        expected: State::default(),
        claim: None,
        has_bug,
    });
    for (number, step) in steps.enumerate() {
        // One after the other, and now and then one of before.
        let at = if step[0] < 32 {
            step[1].into()
        } else {
            number / 12
        };
        let at = at % PROMISES;
        models[at].step(&promises[at][usize::from(step[2] % 2)], step);
    }
}

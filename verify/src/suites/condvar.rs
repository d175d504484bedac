//! Condition variables: which mutex each belongs to, and what the mutex, beside its specification,
//! says of its last owner.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Duration;

use crossdock::segment::Fault;
use crossdock::sync::{Condvar, CondvarError, LockError, MutexGuard};
use crossdock::{Mutex, Segment};
use crossdock_spec::lock::Op::{self, ClearPoison, Lock, MarkConsistent, Panic};
use crossdock_spec::lock::{OWNER_DIED, POISONED, State};
use crossdock_spec::{Actor, Specification};

use crate::place::input;
use crate::suites::child::{PATIENCE, in_child, killed_with};
use crate::suites::segment;

/// The mutexes, the last of which is in another segment.
const MUTEXES: usize = 3;
const CONDVARS: usize = 2;

/// What a mutex is expected to be.
#[derive(Debug, Default)]
struct Expected {
    value: u64,
    lock: State,
}

/// What locking says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Clean,
    OwnerDied,
    Poisoned,
    OtherMutex,
}

impl Expected {
    fn told(&self) -> Told {
        match self.lock.told() {
            OWNER_DIED => Told::OwnerDied,
            POISONED => Told::Poisoned,
            _ => Told::Clean,
        }
    }

    /// This process does something with the lock, which it has for that long.
    fn does(&mut self, op: Op) {
        self.lock.apply(Lock, Actor::Other);
        self.lock.apply(op, Actor::Other);
        self.lock.owner = None;
    }

    /// A process dies that has the lock.
    fn owner_dies(&mut self) {
        self.lock.apply(Lock, Actor::Victim);
        self.lock.dies(Actor::Victim);
    }
}

/// The guard, and what was said with it.
fn locked<G>(came: Result<G, LockError<G>>) -> (Told, Option<G>) {
    match came {
        Ok(guard) => (Told::Clean, Some(guard)),
        Err(LockError::OwnerDied(guard)) => (Told::OwnerDied, Some(guard)),
        Err(LockError::Poisoned(guard)) => (Told::Poisoned, Some(guard)),
        Err(error) => panic!("{error}"),
    }
}

/// The same of a wait.
fn waited<G>(came: Result<G, CondvarError<G>>) -> (Told, Option<G>) {
    match came {
        Ok(guard) => (Told::Clean, Some(guard)),
        Err(CondvarError::Lock(error)) => locked(Err(error)),
        Err(CondvarError::OtherMutex) => (Told::OtherMutex, None),
        Err(error) => panic!("{}", error.without_guard()),
    }
}

/// Condition variables and mutexes, and what is expected of them.
struct Model<'s> {
    segments: &'s [Segment; 2],
    condvars: &'s [Condvar; CONDVARS],
    mutexes: &'s [Mutex<u64>; MUTEXES],
    /// The mutex to which each belongs.
    bound: [Option<usize>; CONDVARS],
    expected: [Expected; MUTEXES],
    /// The seeded bug: a wait with another mutex is one with its own.
    has_bug: bool,
}

impl<'s> Model<'s> {
    fn guard(&self, at: usize) -> MutexGuard<'s, u64> {
        let (told, guard) = locked(self.mutexes[at].lock());
        let guard = guard.expect("locked");
        assert_eq!(told, self.expected[at].told());
        assert_eq!(*guard, self.expected[at].value);
        guard
    }

    /// Notes a wait of condition variable `of` with mutex `at`, and returns what it must say.
    fn bind(&mut self, of: usize, at: usize) -> Told {
        let is_foreign = at == MUTEXES - 1;
        if is_foreign || *self.bound[of].get_or_insert(at) != at {
            return Told::OtherMutex;
        }
        self.expected[at].told()
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let (of, at) = (usize::from(a) % CONDVARS, usize::from(b) % MUTEXES);
        let condvar = &self.condvars[of];
        match verb % 16 {
            // There is no waiter.
            0 => condvar.notify_one(),
            1 => condvar.notify_all(),
            2 | 3 => {
                let expected = self.bind(of, at);
                let is_other = expected == Told::OtherMutex && self.has_bug;
                let used = self.bound[of].filter(|_| is_other).unwrap_or(at);
                let guard = self.guard(used);
                let (told, guard) = waited(condvar.wait_timeout(guard, Duration::ZERO));
                assert_eq!(told, expected);
                if let Some((guard, result)) = guard {
                    assert!(result.timed_out());
                    assert_eq!(*guard, self.expected[at].value);
                }
            }
            4 => self.wait_while(of, at, c),
            5 => {
                let mut guard = self.guard(at);
                *guard += u64::from(c);
                self.expected[at].value += u64::from(c);
            }
            6 if c % 2 == 0 => {
                let guard = self.guard(at);
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = guard;
                    resume_unwind(Box::new(()))
                }));
                assert!(panicked.is_err());
                self.expected[at].does(Panic);
            }
            7 | 8 => {
                self.mutexes[at].clear_poison();
                self.expected[at].does(ClearPoison);
            }
            9 | 10 => {
                self.guard(at).mark_consistent();
                self.expected[at].does(MarkConsistent);
            }
            11 if c % 4 == 0 => {
                killed_with(|| {
                    let mut guard = self.guard(at);
                    *guard += 1;
                    guard
                });
                self.expected[at].value += 1;
                self.expected[at].owner_dies();
                self.reap();
            }
            12 if c % 2 == 0 => self.units(of, at, b),
            13 if c % 8 == 0 => self.owner_dies_while_one_waits(of, at),
            14 if c % 8 == 0 => {
                let guard = self.guard(at);
                in_child(|| match condvar.wait(guard) {
                    Err(CondvarError::Lock(LockError::Fault(Fault::NotOwner))) => {}
                    other => panic!("{:?}", other.map(drop).map_err(CondvarError::without_guard)),
                });
            }
            _ => {}
        }
        self.look();
    }

    /// Waits that end by their condition.
    fn wait_while(&mut self, of: usize, at: usize, how: u8) {
        let condvar = &self.condvars[of];
        // None waits, so it becomes no mutex's.
        let guard = condvar
            .wait_while(self.guard(at), |_| false)
            .expect("no wait");
        let repair = |_: &mut u64| unreachable!("no wait, no repair");
        let guard = condvar
            .wait_while_or_repair(guard, |_| false, repair)
            .expect("no wait");
        let none = condvar.wait_timeout_while(guard, Duration::ZERO, |_| false);
        let (guard, result) = none.expect("no wait");
        assert!(!result.timed_out());
        if how.is_multiple_of(2) {
            return;
        }
        let expected = self.bind(of, at);
        let (told, guard) = waited(condvar.wait_timeout_while(guard, Duration::ZERO, |_| true));
        assert_eq!(told, expected);
        if let Some((_, result)) = guard {
            assert!(result.timed_out());
        }
    }

    /// Waits in vain, so that the condition variable belongs to the mutex. False if it cannot, or
    /// if the mutex has something to tell.
    fn is_usable(&mut self, of: usize, at: usize) -> bool {
        let expected = self.bind(of, at);
        let came = self.condvars[of].wait_timeout(self.guard(at), Duration::ZERO);
        assert_eq!(waited(came).0, expected);
        expected == Told::Clean
    }

    /// Threads take one unit each, and this one gives as many.
    fn units(&mut self, of: usize, at: usize, how: u8) {
        let count = u64::from(how / 16 % 3 + 1);
        if !self.is_usable(of, at) {
            return;
        }
        *self.guard(at) = 0;
        let (condvar, mutex) = (&self.condvars[of], &self.mutexes[at]);
        std::thread::scope(|scope| {
            let take = || {
                let (_, guard) = locked(mutex.lock());
                let guard = guard.expect("locked");
                let waited = condvar.wait_timeout_while(guard, PATIENCE, |units| *units == 0);
                let (mut guard, result) =
                    waited.map_err(CondvarError::without_guard).expect("clean");
                assert!(!result.timed_out());
                *guard -= 1;
            };
            let takers: Vec<_> = (0..count).map(|_| scope.spawn(take)).collect();
            if how.is_multiple_of(2) {
                *mutex
                    .lock()
                    .map_err(LockError::without_guard)
                    .expect("clean") += count;
                condvar.notify_all();
            } else {
                for _ in 0..count {
                    *mutex
                        .lock()
                        .map_err(LockError::without_guard)
                        .expect("clean") += 1;
                    condvar.notify_one();
                }
            }
            for taker in takers {
                taker.join().expect("no panic");
            }
        });
        self.expected[at].value = 0;
    }

    /// A waiter is told of an owner that is killed, though that notifies no waiter.
    fn owner_dies_while_one_waits(&mut self, of: usize, at: usize) {
        if !self.is_usable(of, at) {
            return;
        }
        let (condvar, mutex) = (&self.condvars[of], &self.mutexes[at]);
        let (locks, has_locked) = mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(move || {
                let (_, guard) = locked(mutex.lock());
                locks.send(()).expect("it listens");
                let guard = guard.expect("locked");
                let (told, guard) = waited(condvar.wait_timeout(guard, PATIENCE));
                assert!(guard.is_some_and(|(_, result)| !result.timed_out()));
                told
            });
            has_locked.recv().expect("it locks");
            killed_with(|| self.guard(at));
            self.reap();
            assert_eq!(waiter.join().expect("no panic"), Told::OwnerDied);
        });
        self.expected[at].owner_dies();
    }

    fn reap(&self) {
        for segment in self.segments {
            segment.reap();
        }
    }

    fn look(&self) {
        for (mutex, expected) in self.mutexes.iter().zip(&self.expected) {
            assert!(!mutex.is_locked());
            assert_eq!(mutex.is_poisoned(), expected.lock.is_poisoned);
        }
    }
}

/// Does to condition variables what the data say, and what is expected of them beside them.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    let Some((_, steps)) = input(data) else {
        return;
    };
    let segments = [segment(), segment()];
    let condvar = |at: usize| segments[0].create::<Condvar>(&format!("condvar {at}"), ());
    let condvars = std::array::from_fn(|at| condvar(at).expect("room"));
    let mutex = |at: usize| {
        let segment = &segments[usize::from(at == MUTEXES - 1)];
        segment.create::<Mutex<u64>>(&format!("mutex {at}"), 0)
    };
    let mutexes = std::array::from_fn(|at| mutex(at).expect("room"));
    let mut model = Model {
        segments: &segments,
        condvars: &condvars,
        mutexes: &mutexes,
        bound: [None; CONDVARS],
        expected: Default::default(),
        has_bug,
    };
    steps.for_each(|step| model.step(step));
}

//! Reentrant mutexes beside their specification: how deep this thread is in each, what is in it,
//! and what it says of its last owner.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossdock::Segment;
use crossdock::sync::{
    Holder, LockError, LockTimeoutError, ReentrantMutex, ReentrantMutexGuard, TryLockError,
};
use crossdock_spec::lock::Op::{self, ClearPoison, MarkConsistent, Panic, TryLock, Unlock};
use crossdock_spec::lock::{OWNER_DIED, POISONED, State};
use crossdock_spec::{Actor, Specification};

use crate::place::input;
use crate::suites::child::{PATIENCE, in_child, in_thread, killed_with};
use crate::suites::segment;

type Guard<'m> = ReentrantMutexGuard<'m, u64>;

/// What locking says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Clean,
    OwnerDied,
    Poisoned,
    /// This participant holds it.
    Held(Holder),
}

fn locked<G>(came: Result<G, LockError<G>>) -> (Told, Option<G>) {
    match came {
        Ok(guard) => (Told::Clean, Some(guard)),
        Err(LockError::OwnerDied(guard)) => (Told::OwnerDied, Some(guard)),
        Err(LockError::Poisoned(guard)) => (Told::Poisoned, Some(guard)),
        Err(error) => panic!("{error}"),
    }
}

fn tried<G>(came: Result<G, TryLockError<G>>) -> (Told, Option<G>) {
    match came {
        Ok(guard) => (Told::Clean, Some(guard)),
        Err(TryLockError::Lock(error)) => locked(Err(error)),
        Err(TryLockError::WouldBlock { holder }) => (Told::Held(holder), None),
        Err(error) => panic!("{error}"),
    }
}

fn timed<G>(came: Result<G, LockTimeoutError<G>>) -> (Told, Option<G>) {
    match came {
        Ok(guard) => (Told::Clean, Some(guard)),
        Err(LockTimeoutError::Lock(error)) => locked(Err(error)),
        Err(LockTimeoutError::Timeout { holder }) => (Told::Held(holder), None),
        Err(error) => panic!("{error}"),
    }
}

/// What the specification tells.
fn told(told: u8) -> Told {
    match told {
        OWNER_DIED => Told::OwnerDied,
        POISONED => Told::Poisoned,
        _ => Told::Clean,
    }
}

/// A mutex, and what it is expected to be. Another thread, which has ended, is the waiter of the
/// specification.
struct Model<'m> {
    segment: &'m Segment,
    /// Those of this thread.
    guards: Vec<Guard<'m>>,
    value: u64,
    expected: State,
    /// The seeded bug: a guard that is dropped does not unlock.
    has_bug: bool,
}

impl<'m> Model<'m> {
    /// This thread does it.
    fn does(&mut self, op: Op) {
        self.expected.apply(op, Actor::Other);
    }

    /// What locking tells this thread of this process, or another.
    fn told(&self, by: Actor) -> Told {
        let locked = self.expected.clone().apply(TryLock, by);
        locked.map_or(Told::Held(Holder::ThisProcess), told)
    }

    fn is_held(&self) -> bool {
        self.expected.owner.is_some()
    }

    /// Whether a thread that has ended leaked a guard.
    fn is_leaked(&self) -> bool {
        matches!(self.told(Actor::Other), Told::Held(_))
    }

    #[track_caller]
    fn came(&mut self, (told, guard): (Told, Option<Guard<'m>>)) {
        assert_eq!(told, self.told(Actor::Other));
        if guard.is_some() {
            self.does(TryLock);
        }
        self.guards.extend(guard);
    }

    fn step(&mut self, mutex: &'m ReentrantMutex<u64>, [verb, a, b, c]: [u8; 4]) {
        let which = usize::from(a);
        let value = u64::from_le_bytes([a, b, c, 0, verb, 0, a, b]);
        match verb % 24 {
            0..3 => self.came(tried(mutex.try_lock())),
            3 => self.came(timed(mutex.lock_timeout(Duration::ZERO))),
            // What blocks, where it does not.
            4 | 5 if !self.is_leaked() => self.came(locked(mutex.lock())),
            6 if !self.is_leaked() => self.lock_or_repair(mutex, value),
            7..11 => {
                if let Some(guard) = self.take(which) {
                    self.unlock(guard);
                }
            }
            11 => {
                if let Some(guard) = self.guards.last() {
                    guard.set(value);
                    self.value = value;
                }
            }
            12 => self.panic_with(which),
            13 | 14 => {
                mutex.clear_poison();
                self.does(ClearPoison);
            }
            15 | 16 => {
                if let Some(guard) = self.guards.first_mut() {
                    guard.mark_consistent();
                    self.does(MarkConsistent);
                }
            }
            17 | 18 => self.other_thread(mutex, a, c),
            19 if c % 16 == 0 => self.hand_over(mutex),
            20 if c % 4 == 0 => self.owner_dies(mutex, a, value),
            21 if c % 4 == 0 => self.fork(mutex),
            _ => {}
        }
        self.look(mutex);
    }

    fn take(&mut self, which: usize) -> Option<Guard<'m>> {
        let len = self.guards.len();
        (len > 0).then(|| self.guards.swap_remove(which % len))
    }

    fn unlock(&mut self, guard: Guard<'m>) {
        self.does(Unlock);
        if self.has_bug {
            std::mem::forget(guard);
        }
    }

    fn lock_or_repair(&mut self, mutex: &'m ReentrantMutex<u64>, value: u64) {
        let mut is_repaired = false;
        let came = mutex.lock_or_repair(|data| {
            is_repaired = true;
            data.set(value);
        });
        let is_poisoned = self.expected.is_poisoned;
        let repairs = self.expected.owner_died && !is_poisoned;
        assert_eq!(is_repaired, repairs);
        if repairs {
            self.value = value;
            self.does(MarkConsistent);
        }
        match came {
            Ok(guard) => {
                assert!(!is_poisoned);
                self.does(TryLock);
                self.guards.push(guard);
            }
            Err(error) => {
                assert!(is_poisoned);
                assert_eq!(error, LockError::Poisoned(()));
            }
        }
    }

    /// A thread panics with one of its guards.
    fn panic_with(&mut self, which: usize) {
        let Some(guard) = self.take(which) else {
            return;
        };
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = guard;
            resume_unwind(Box::new(()))
        }));
        assert!(panicked.is_err());
        self.does(Panic);
    }

    /// Another thread locks, or is told that it cannot; or it leaks a guard and ends.
    fn other_thread(&mut self, mutex: &ReentrantMutex<u64>, depth: u8, how: u8) {
        // As any that has no guard yet: the one that leaked is another.
        let (expected, value) = (self.told(Actor::Victim), self.value);
        let is_held = matches!(expected, Told::Held(_));
        let leaks = !is_held && how < 8;
        in_thread(move || {
            assert!(!mutex.is_held_by_this_thread());
            let mut guards = Vec::new();
            for _ in 0..depth % 4 + 1 {
                let (told, guard) = match how % 2 {
                    0 => tried(mutex.try_lock()),
                    _ => timed(mutex.lock_timeout(Duration::ZERO)),
                };
                assert_eq!(told, expected);
                guards.extend(guard);
            }
            assert_eq!(mutex.is_held_by_this_thread(), !is_held);
            for guard in guards {
                assert_eq!(guard.get(), value);
                guard.set(value + 1);
                guard.set(value);
                if leaks {
                    std::mem::forget(guard);
                }
            }
        });
        if leaks {
            // As often as it has locked does not matter: it does not unlock any more.
            self.expected.apply(TryLock, Actor::Waiter);
        }
    }

    /// A thread that waits gets the lock when this one has dropped its last guard.
    fn hand_over(&mut self, mutex: &ReentrantMutex<u64>) {
        if self.is_leaked() || self.has_bug {
            return;
        }
        let expected = told(self.expected.told());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| timed(mutex.lock_timeout(PATIENCE)).0);
            while let Some(guard) = self.take(0) {
                self.unlock(guard);
            }
            assert_eq!(waiter.join().expect("no panic"), expected);
        });
    }

    /// A process locks, if it may, as often as `depth` says, and is killed.
    fn owner_dies(&mut self, mutex: &'m ReentrantMutex<u64>, depth: u8, value: u64) {
        let pid = std::process::id();
        let locked = self.expected.apply(TryLock, Actor::Victim);
        let is_held = locked.is_none();
        let expected = locked.map_or(Told::Held(Holder::Process { pid }), told);
        killed_with(|| {
            let lock = |_| {
                let (told, guard) = tried(mutex.try_lock());
                assert_eq!(told, expected);
                if let Some(guard) = &guard {
                    guard.set(value);
                }
                guard
            };
            (0..depth % 4 + 1).map(lock).collect::<Vec<_>>()
        });
        if !is_held {
            self.value = value;
            self.expected.dies(Actor::Victim);
        }
        self.segment.reap();
    }

    /// What a forked child inherits is not its own.
    fn fork(&mut self, mutex: &ReentrantMutex<u64>) {
        in_child(|| {
            assert!(!mutex.is_held_by_this_thread());
            let is_held = self.is_held();
            for mut guard in self.guards.drain(..) {
                guard.mark_consistent();
            }
            let pid = std::os::unix::process::parent_id();
            let holder = is_held.then_some(Holder::Process { pid });
            assert_eq!(mutex.holder(), holder);
        });
    }

    fn look(&self, mutex: &ReentrantMutex<u64>) {
        let depth = self.guards.len();
        let (expected, is_held) = (&self.expected, self.is_held());
        assert_eq!(mutex.is_locked(), is_held);
        assert_eq!(mutex.holder(), is_held.then_some(Holder::ThisProcess));
        assert_eq!(mutex.is_held_by_this_thread(), depth > 0);
        assert_eq!(mutex.is_poisoned(), expected.is_poisoned);
        let shown = format!("{mutex:?}");
        assert!(shown.contains(&format!("depth: {depth},")), "{shown}");
        for guard in &self.guards {
            assert_eq!(guard.get(), self.value);
            let flags = (guard.owner_died(), guard.is_poisoned());
            assert_eq!(flags, (expected.owner_died, expected.is_poisoned));
        }
    }
}

/// Does to reentrant mutexes what the data say, and what is expected of them beside them.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    const MUTEXES: usize = 3;
    let Some((first, steps)) = input(data) else {
        return;
    };
    let segment = segment();
    let mutexes: Vec<[ReentrantMutex<u64>; 2]> = (0..MUTEXES)
        .map(|at| {
            let name = format!("mutex {at}");
            let mutex = segment.create(&name, first).expect("room");
            [mutex, segment.open(&name).expect("it is there")]
        })
        .collect();
    let mut models: [Model<'_>; MUTEXES] = std::array::from_fn(|_| Model {
        segment: &segment,
        guards: Vec::new(),
        value: first,
        expected: State::default(),
        has_bug,
    });
    for (number, step) in steps.enumerate() {
        // Mostly the same one for some steps.
        let at = if step[1] < 64 {
            step[3].into()
        } else {
            number / 16
        };
        let at = at % MUTEXES;
        models[at].step(&mutexes[at][usize::from(step[2] % 2)], step);
    }
}

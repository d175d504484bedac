//! Two words that are equal, but while a process has their lock or has died with it.
//!
//! A process that enters finds two equal words or is told that an owner died; repairs; counts both
//! up. So every entry is counted, every half-done one is told, and nothing else is.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossdock::sync::{
    Condvar, LockError, LockTimeoutError, MutexGuard, ReentrantMutex, ReentrantMutexGuard,
    TryLockError,
};
use crossdock::{Counter, Mutex};
use crossdock_spec::FAILED;
use crossdock_spec::lock::Op::{
    Await, ClearByForce, ClearPoison, Enter, First, Give, HasDied, Hold, InVain, IsListed,
    IsPoisoned, LetGo, Lock, LockOrRepair, MarkConsistent, Mend, Newcomer, NotifyAll, NotifyOne,
    Peek, Reap, ReapByForce, Second, TimeOut, TryLock, Unlock, UnlockByForce, WaitMoment,
};
use crossdock_spec::lock::{Guard, OWNER_DIED, Op, POISONED, State, found};

use crate::crash::operation::Base;
use crate::crash::operations::hand::Hand;
use crate::crash::operations::naive::FutexWord;
use crate::crash::operations::words::Words;
use crate::crash::specified::{Guards, Subject};
use crate::process::{Broken, End, Rig, forked, until};

pub(crate) struct Room {
    guard: Guard,
    mutex: Mutex<[u64; 2]>,
    raw: Mutex<()>,
    reentrant: ReentrantMutex<()>,
    ownerless: Counter,
    futex: FutexWord,
    condvar: Condvar,
    words: Words,
    holder: RefCell<Option<Hand>>,
}

/// A guard, of one of the locks.
pub(crate) enum Held<'a> {
    Mutex(MutexGuard<'a, [u64; 2]>),
    Raw(MutexGuard<'a, ()>),
    Reentrant(ReentrantMutexGuard<'a, ()>),
    Ownerless,
    Futex,
}

macro_rules! held {
    ($($kind:ident $guard:ty;)*) => {$(
        impl<'a> From<$guard> for Held<'a> {
            fn from(guard: $guard) -> Self {
                Self::$kind(guard)
            }
        }
    )*};
}
held! {
    Mutex MutexGuard<'a, [u64; 2]>;
    Raw MutexGuard<'a, ()>;
    Reentrant ReentrantMutexGuard<'a, ()>;
}

/// Locks as long as `patience`, or not at all, or as long as it takes; what is told, or
/// `None` if a live process has the lock.
macro_rules! locked {
    ($lock:expr, $patience:expr, $held:expr) => {{
        let came = match $patience {
            None => $lock.lock().map_err(LockTimeoutError::Lock),
            Some(Duration::ZERO) => match $lock.try_lock() {
                Ok(guard) => Ok(guard),
                Err(TryLockError::Lock(error)) => Err(LockTimeoutError::Lock(error)),
                Err(TryLockError::WouldBlock { .. }) => return None,
                Err(_) => return Some(FAILED),
            },
            Some(patience) => $lock.lock_timeout(patience),
        };
        let (guard, told) = match came {
            Ok(guard) => (guard, 0),
            Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => (guard, POISONED),
            Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => (guard, OWNER_DIED),
            Err(LockTimeoutError::Timeout { .. }) => return None,
            Err(_) => return Some(FAILED),
        };
        $held.push(guard.into());
        Some(told)
    }};
}

impl Room {
    fn lock<'a>(&'a self, held: &mut Vec<Held<'a>>, patience: Option<Duration>) -> Option<u8> {
        let guard = match self.guard {
            Guard::Mutex => return locked!(self.mutex, patience, held),
            Guard::Raw => return locked!(self.raw, patience, held),
            Guard::Reentrant => return locked!(self.reentrant, patience, held),
            Guard::Futex if patience.is_none() => {
                self.futex.lock();
                held.push(Held::Futex);
                return Some(0);
            }
            Guard::Futex => Held::Futex,
            Guard::Ownerless => Held::Ownerless,
        };
        let is_had = || match guard {
            Held::Futex => self.futex.try_lock(),
            _ => self.ownerless.compare_exchange(0, 1).is_ok(),
        };
        if !until(patience.unwrap_or(Duration::from_secs(60)), is_had) {
            return None;
        }
        held.push(guard);
        Some(0)
    }

    fn unlock(&self, held: Option<Held<'_>>) {
        match held {
            Some(Held::Ownerless) => self.ownerless.store(0),
            Some(Held::Futex) => self.futex.unlock(),
            _ => {}
        }
    }

    /// Writes to the mutex's word, whatever it holds by now.
    fn force(base: &Base, to: impl FnOnce(u32) -> u32) -> Rig {
        let (at, mut word) = (base.offset_of("words")?, [0; 4]);
        base.file().read_exact_at(&mut word, at)?;
        let word = to(u32::from_le_bytes(word)).to_le_bytes();
        Ok(base.file().write_all_at(&word, at)?)
    }
}

/// A few of a waiter's slices, at the pace of a process that is stepped.
const SLICES: Duration = Duration::from_millis(100);
const MOMENT: Duration = Duration::from_millis(1);
const POISON_BIT: u32 = 1 << 31;

impl Subject for Room {
    type Spec = State;
    type Hand<'a> = Guards<Held<'a>>;

    fn create(base: &Base, first: &State) -> Rig<Self> {
        let mutex: Mutex<[u64; 2]> = base.segment.create("words", [0, 0])?;
        let mut guard = mutex.lock().map_err(|error| Broken(error.to_string()))?;
        let words = Words::of(&mut guard);
        drop(guard);
        if first.is_poisoned {
            let panics = || {
                let _guard = mutex.lock();
                resume_unwind(Box::new(()));
            };
            let _ = catch_unwind(AssertUnwindSafe(panics));
        }
        let ownerless = base.segment.create("ownerless", 0)?;
        Ok(Self {
            guard: first.guard,
            mutex,
            condvar: base.segment.create("condvar", ())?,
            raw: base.segment.create("raw", ())?,
            reentrant: base.segment.create("reentrant", ())?,
            futex: FutexWord::map(base.file(), base.offset_of("ownerless")?)?,
            ownerless,
            words,
            holder: RefCell::new(None),
        })
    }

    fn run<'a>(
        &'a self,
        base: &Base,
        op: Op,
        guards: &mut Guards<Held<'a>>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let held = &mut guards.0;
        match op {
            Lock => return self.lock(held, patience),
            TryLock => return self.lock(held, Some(Duration::ZERO)),
            LockOrRepair => match self.mutex.lock_or_repair(|words| words[1] = words[0]) {
                Ok(guard) => held.push(Held::Mutex(guard)),
                Err(_) => return Some(FAILED),
            },
            First => self.words.change(|first, second| [first + 1, second]),
            Second => self.words.change(|first, second| [first, second + 1]),
            Mend => self.words.change(|first, _| [first, first]),
            MarkConsistent => match held.last_mut() {
                Some(Held::Mutex(guard)) => guard.mark_consistent(),
                Some(Held::Raw(guard)) => guard.mark_consistent(),
                Some(Held::Reentrant(guard)) => guard.mark_consistent(),
                _ => {}
            },
            Unlock => self.unlock(held.pop()),
            NotifyOne => self.condvar.notify_one(),
            NotifyAll => self.condvar.notify_all(),
            ClearPoison => self.mutex.clear_poison(),
            _ => return self.run_slowly(base, op, guards, patience),
        }
        Some(0)
    }
}

impl Room {
    /// Does what no victim does where each step counts: what is beside its own would be more.
    #[inline(never)]
    fn run_slowly<'a>(
        &'a self,
        base: &Base,
        op: Op,
        guards: &mut Guards<Held<'a>>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let or_failed = |is_done: bool| if is_done { 0 } else { FAILED };
        let small = |word: u64| u8::try_from(word).unwrap_or(FAILED);
        let held = &mut guards.0;
        match op {
            TimeOut => {
                let outcome = self.mutex.lock_timeout(SLICES);
                let is_so = matches!(outcome, Err(LockTimeoutError::Timeout { .. }));
                return Some(or_failed(is_so));
            }
            Enter => {
                let died = self.lock(held, patience)?;
                if died == FAILED {
                    return Some(died);
                }
                let [first, second] = self.words.load();
                let found = found(died & OWNER_DIED, small(first), small(second));
                self.words.change(|first, _| [first + 1; 2]);
                self.run(base, MarkConsistent, guards, patience);
                self.unlock(guards.0.pop());
                return Some(found);
            }
            WaitMoment => match held.pop() {
                Some(Held::Mutex(guard)) => match self.condvar.wait_timeout(guard, MOMENT) {
                    Ok((guard, _)) => held.push(Held::Mutex(guard)),
                    Err(_) => return Some(FAILED),
                },
                _ => return Some(FAILED),
            },
            InVain => {
                for op in [Lock, WaitMoment, Unlock].into_iter().cycle().take(18) {
                    self.run(base, op, guards, None);
                }
            }
            Await => {
                let guard = self.mutex.lock_or_repair(|_| ()).ok()?;
                let is_first = |words: &mut [u64; 2]| words[0] == 0;
                let waited = self.condvar.wait_while_or_repair(guard, is_first, |_| ());
                return Some(or_failed(waited.is_ok()));
            }
            Peek => {
                let guard = self.mutex.lock_or_repair(|_| ()).ok()?;
                return Some(small(guard[0]));
            }
            HasDied => {
                let came = self
                    .mutex
                    .try_lock()
                    .map(drop)
                    .map_err(TryLockError::without_guard);
                return Some(
                    matches!(came, Err(TryLockError::Lock(LockError::OwnerDied(())))).into(),
                );
            }
            Give => *self.mutex.lock_or_repair(|_| ()).ok()? = [self.words.load()[0] + 1; 2],
            IsPoisoned => return Some(self.mutex.is_poisoned().into()),
            Hold => {
                let lock = || {
                    let mut held = Vec::new();
                    self.lock(&mut held, None).map(|_| held)
                };
                let hand = Hand::hold(lock, |held| held.into_iter().all(|_| true));
                *self.holder.borrow_mut() = Some(hand.ok()?);
            }
            LetGo => {
                if let Some(hand) = self.holder.borrow_mut().take() {
                    return Some(or_failed(
                        hand.let_go(Duration::from_secs(20)).ok()? == Some(0),
                    ));
                }
            }
            IsListed => {
                let Some(pid) = self.holder.borrow().as_ref().map(Hand::pid) else {
                    return Some(1);
                };
                let listed = base.segment.participants();
                let is_it = |pid_there: u32| i32::try_from(pid_there) == Ok(pid.as_raw());
                let is_listed = listed.iter().any(|one| one.alive && is_it(one.pid));
                return Some(is_listed.into());
            }
            Newcomer => {
                let joins = || {
                    base.join();
                    u8::from(!base.is_member())
                };
                let end = forked(joins)
                    .ok()?
                    .end_within(Duration::from_secs(20))
                    .ok()?;
                return Some(or_failed(end == Some(End::Exited(0))));
            }
            Reap => return Some(or_failed(base.segment.reap().stuck == 0)),
            ReapByForce => {
                let listed = base.segment.participants();
                if listed.iter().any(|one| !one.alive) {
                    return Self::force(base, |_| 0).ok().map(|()| 0);
                }
            }
            UnlockByForce => return Self::force(base, |_| 0).ok().map(|()| 0),
            ClearByForce => {
                return Self::force(base, |word| word & !POISON_BIT)
                    .ok()
                    .map(|()| 0);
            }
            _ => return None,
        }
        Some(0)
    }
}

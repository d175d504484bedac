//! The victims at the locks, and at the registry beside a lock, each with the seeded bug that the
//! judge must catch.

use crossdock_spec::lock::Op::{
    self, Await, ClearByForce, ClearPoison, Enter, First, Give, HasDied, Hold, InVain, IsListed,
    IsPoisoned, LeaveSegment, LetGo, Lock, LockOrRepair, LockUntold, MarkConsistent, Mend,
    Newcomer, NotifyAll, NotifyOne, Peek, Reap, ReapByForce, Second, TimeOut, TryLock, Unlock,
    UnlockByForce, WaitMoment,
};
use crossdock_spec::lock::{Guard, State};

use crate::crash::operations::lock::Room;
use crate::crash::specified::specified;
use crate::crash::sweep::Listed;

const fn by(guard: Guard) -> State {
    State {
        guard,
        is_poisoned: false,
        owner: None,
        owner_died: false,
        words: [0; 2],
    }
}

/// A critical section: two stores, in this order.
const UPDATE: &[Op] = &[Lock, First, Second, Unlock];
/// The same with the second store too late.
const UPDATE_LATE: &[Op] = &[Lock, First, Unlock, Second];
/// A repair, and a critical section.
const REPAIR: &[Op] = &[LockOrRepair, First, Second, Unlock];
const REPAIR_STEPS: &[Op] = &[LockUntold, Mend, MarkConsistent, First, Second, Unlock];
const REPAIR_LATE: &[Op] = &[LockOrRepair, First, Unlock, LockOrRepair, Mend, Unlock];
/// Dies between the two stores.
const TORN: &[Op] = &[Lock, First];
/// A process that waits for the lock.
const WAITER: &[Op] = &[Lock, Mend, MarkConsistent, First, Second, Unlock];
/// Two more entries: one that may be told of a death, and one that finds all in order.
const LAST: &[Op] = &[Enter, Enter];

/// The operations on locks.
pub(crate) const LISTED: &[Listed] = specified! { Room;
    "Mutex::lock" "a lock that does not say whose it is" {
        act: &[Lock], bug: &[Lock], bug_first: Some(by(Guard::Ownerless)),
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::lock, update, unlock" "the second word is written after the unlock" {
        act: UPDATE, bug: UPDATE_LATE, meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::unlock beside a sleeper" "sleepers without a time limit" {
        before: &[Lock, First, Second], act: &[Unlock], bug: &[Unlock],
        bug_first: Some(by(Guard::Futex)),
        waiter: WAITER, meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::lock from a dead owner" "a successor that declares all well and repairs nothing" {
        dead: TORN, act: &[Lock], bug: &[Lock, MarkConsistent, Unlock], bug_of: &[Lock, Unlock],
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::unlock, not repaired" "data declared consistent as it is" {
        dead: TORN, before: &[Lock], act: &[Unlock], bug: &[MarkConsistent, Unlock],
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::lock_or_repair" "a repair after the unlock" {
        dead: TORN, act: REPAIR, steps: REPAIR_STEPS, bug: REPAIR_LATE,
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::try_lock, update, unlock" "two critical sections where one is needed" {
        act: &[TryLock, First, Second, Unlock],
        bug: &[TryLock, First, Unlock, TryLock, Second, Unlock],
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    // The waiter also saves the victim from spinning, thousands of steps long.
    "Mutex::lock_timeout" "a time-out that takes the owner for dead" {
        ready: &[Hold], act: &[TimeOut], bug: &[TimeOut, UnlockByForce],
        waiter: WAITER, meanwhile: &[Enter], after: &[Enter, LetGo], last: LAST,
    }
    "MutexGuard::mark_consistent" "data declared consistent, unlocked, then repaired" {
        dead: TORN, before: &[Lock, Mend], act: &[MarkConsistent, Unlock],
        bug: &[First, MarkConsistent, Unlock, Lock, Second, Unlock],
        bug_of: &[First, Second, MarkConsistent, Unlock],
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "Mutex::clear_poison" "the flag cleared by a load and a store" {
        first: State { is_poisoned: true, ..by(Guard::Mutex) },
        act: &[ClearPoison], bug: &[ClearByForce],
        meanwhile: &[Enter], again: &[Hold],
        after: &[IsListed, IsPoisoned, Enter, LetGo], last: LAST,
    }
    "Mutex<()>::lock, update, unlock" "the second word is written after the unlock" {
        first: by(Guard::Raw), bug_first: Some(by(Guard::Raw)),
        act: UPDATE, bug: UPDATE_LATE, meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "ReentrantMutex::lock twice, update, unlock" "the second word is written after the last unlock" {
        first: by(Guard::Reentrant),
        act: &[Lock, Lock, First, Unlock, Second, Unlock],
        bug: &[Lock, Lock, First, Unlock, Unlock, Second],
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
};

/// The operations of the registry, each beside a lock that a process has.
pub(crate) const LISTED_REGISTRY: &[Listed] = specified! { Room;
    "registry: join" "survivors that never reap" {
        joins: true, act: UPDATE, bug: UPDATE, is_left: true, tells: true,
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "registry: join when full of the dead" "a joiner that writes the second word after its unlock" {
        participants: 3, dead: TORN, ready: &[Newcomer],
        joins: true, act: REPAIR, steps: REPAIR_STEPS, bug: REPAIR_LATE,
        meanwhile: &[Enter, Newcomer], again: &[Enter], last: LAST,
    }
    "registry: leave with a leaked guard" "a leaver that unlocks what it leaked as if it were whole" {
        before: TORN, act: &[], steps: &[LeaveSegment], bug: &[Unlock], leaves: true,
        meanwhile: &[Enter], again: &[Enter], last: LAST,
    }
    "registry: reap a dead owner" "a reaper that frees the lock with a blind store" {
        participants: 2, dead: TORN, joins: true, act: &[Reap], bug: &[ReapByForce],
        meanwhile: &[Enter], again: &[Hold], after: &[IsListed, Enter, LetGo], last: LAST,
    }
};

/// The operations on condition variables: no waiter sleeps through a change.
pub(crate) const LISTED_CONDVARS: &[Listed] = specified! { Room;
    "Condvar::notify_one beside a waiter" "a notification of nothing" {
        act: &[Lock, First, Second, Unlock, NotifyOne], bug: &[Lock, Unlock, NotifyOne],
        waiter: &[Await], meanwhile: &[NotifyAll],
        after: &[HasDied, Peek], rescue: &[Give, NotifyOne],
        last: &[Enter, Enter, Await],
    }
    "Condvar::notify_all beside a waiter" "a notification of nothing" {
        act: &[Lock, First, Second, Unlock, NotifyAll], bug: &[Lock, Unlock, NotifyAll],
        waiter: &[Await], meanwhile: &[NotifyAll],
        after: &[HasDied, Peek], rescue: &[Give, NotifyAll],
        last: &[Enter, Enter, Await],
    }
    "Condvar::wait_timeout" "a mutex that stays locked" {
        before: &[InVain], act: &[Lock, WaitMoment, First, Second, Unlock],
        steps: &[Lock, Unlock, Lock, First, Second, Unlock],
        bug: &[Lock, WaitMoment, First, Second],
        meanwhile: &[NotifyAll], last: &[Enter, Enter, Await],
    }
};

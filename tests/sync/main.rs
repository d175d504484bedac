//! Locks between processes that are killed, stopped, forked, replaced, and cheated on.

mod barrier;
mod condvar;
mod contention;
mod dead_segment;
mod death;
mod event;
mod expelled;
mod forked;
mod holders;
mod kept;
mod lost;
mod monitor;
mod promise;
mod reentrant;
mod rwlock;
mod rwlock_deaths;
mod rwlock_fairness;
mod rwlock_garbage;
mod rwlock_model;
mod semaphore;
mod sticky;
mod stopped;

#[path = "../support/mod.rs"]
mod support;

use crossdock::sync::{LockError, LockTimeoutError, MutexGuard, TryLockError};
use crossdock::{Mutex, Payload, Segment, bytemuck};

/// A segment with one mutex.
fn sample() -> (Segment, Mutex<u64>) {
    let segment = Segment::anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    (segment, mutex)
}

/// What an attempt came to, whichever it was.
#[derive(Debug)]
enum Came<'a, T> {
    Clean(MutexGuard<'a, T>),
    OwnerDied(MutexGuard<'a, T>),
    Poisoned(MutexGuard<'a, T>),
    Busy,
    Refused(String),
}

/// The ways to lock that give a guard, under one name each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Lock,
    Try,
    Timed,
    Deadline,
}

const WAYS: [Way; 4] = [Way::Lock, Way::Try, Way::Timed, Way::Deadline];

/// Locks in one of the ways. Waits as long as the tests have patience, where there is an end.
fn lock<T: Payload + bytemuck::Pod>(mutex: &Mutex<T>, way: Way) -> Came<'_, T> {
    let timed = match way {
        Way::Lock => {
            return match mutex.lock() {
                Ok(guard) => Came::Clean(guard),
                Err(LockError::OwnerDied(guard)) => Came::OwnerDied(guard),
                Err(LockError::Poisoned(guard)) => Came::Poisoned(guard),
                Err(error) => Came::Refused(error.to_string()),
            };
        }
        Way::Try => {
            return match mutex.try_lock() {
                Ok(guard) => Came::Clean(guard),
                Err(TryLockError::Lock(LockError::OwnerDied(guard))) => Came::OwnerDied(guard),
                Err(TryLockError::Lock(LockError::Poisoned(guard))) => Came::Poisoned(guard),
                Err(TryLockError::WouldBlock { .. }) => Came::Busy,
                Err(error) => Came::Refused(error.to_string()),
            };
        }
        Way::Timed => mutex.lock_timeout(support::PATIENCE),
        Way::Deadline => mutex.lock_timeout(std::time::Instant::now() + support::PATIENCE),
    };
    match timed {
        Ok(guard) => Came::Clean(guard),
        Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Came::OwnerDied(guard),
        Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => Came::Poisoned(guard),
        Err(LockTimeoutError::Timeout { .. }) => Came::Busy,
        Err(error) => Came::Refused(error.to_string()),
    }
}

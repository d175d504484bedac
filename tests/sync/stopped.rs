//! Owners that are stopped: never taken for dead.

use std::time::{Duration, Instant};

use crossdock::sync::{LockError, LockTimeoutError, TryLockError};

use crate::support::process::{Line, child, holder};
use crate::support::watch;
use crate::{Came, WAYS, lock, sample};

#[test]
fn a_stopped_owner_is_not_taken_over_and_waits_end_at_their_time() {
    let _watch = watch();
    let (segment, mutex) = sample();
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.stop();
    for _ in 0..3 {
        assert!(matches!(
            mutex.try_lock(),
            Err(TryLockError::WouldBlock { .. })
        ));
        let begin = Instant::now();
        let timeout = Duration::from_millis(50);
        assert!(matches!(
            mutex.lock_timeout(timeout),
            Err(LockTimeoutError::Timeout { .. })
        ));
        assert!(begin.elapsed() >= timeout);
        let deadline = Instant::now() + timeout;
        assert!(matches!(
            mutex.lock_timeout(deadline),
            Err(LockTimeoutError::Timeout { .. })
        ));
        assert!(Instant::now() >= deadline);
        assert_eq!(segment.reap().freed, 0);
    }
    holder.child.cont();
    holder.release();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::Clean(_)));
}

#[test]
fn a_waiter_gets_the_lock_when_the_stopped_owner_goes_on() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.stop();
    let line = Line::new();
    let waiter = child(|| {
        line.say(1);
        drop(mutex.lock().unwrap());
    });
    line.hear();
    holder.child.cont();
    holder.tell_to_release();
    waiter.join();
}

#[test]
fn a_stopped_owner_that_is_killed_is_dead() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.stop();
    holder.kill();
    assert!(matches!(lock(&mutex, WAYS[0]), Came::OwnerDied(_)));
}

#[test]
fn a_stopped_waiter_blocks_nobody() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let line = Line::new();
    let guard = mutex.lock().unwrap();
    let waiter = child(|| {
        line.say(1);
        drop(mutex.lock().unwrap());
    });
    line.hear();
    waiter.stop();
    drop(guard);
    for _ in 0..100 {
        drop(mutex.lock().unwrap());
    }
    waiter.cont();
    waiter.join();
}

#[test]
fn a_timeout_of_nothing_and_a_deadline_in_the_past_try_once() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let past = Instant::now();
    assert!(mutex.lock_timeout(Duration::ZERO).is_ok());
    assert!(mutex.lock_timeout(past).is_ok());
    let taken = holder(|| mutex.lock().unwrap());
    assert!(matches!(
        mutex.lock_timeout(Duration::ZERO),
        Err(LockTimeoutError::Timeout { .. })
    ));
    assert!(matches!(
        mutex.lock_timeout(past),
        Err(LockTimeoutError::Timeout { .. })
    ));
    taken.kill();
    assert!(matches!(
        mutex.lock_timeout(Duration::ZERO),
        Err(LockTimeoutError::Lock(LockError::OwnerDied(_)))
    ));
    holder(|| drop(mutex.lock())).kill();
    assert!(matches!(
        mutex.lock_timeout(past),
        Err(LockTimeoutError::Lock(LockError::OwnerDied(_)))
    ));
}

#[test]
fn the_longest_timeout_is_as_good_as_none() {
    let _watch = watch();
    let (_segment, mutex) = sample();
    let holder = holder(|| mutex.lock().unwrap());
    let line = Line::new();
    let waiter = child(|| {
        line.say(1);
        drop(mutex.lock_timeout(Duration::MAX).unwrap());
    });
    line.hear();
    holder.release();
    waiter.join();
}

//! Condition variables whose waiters and notifiers are killed, stopped and forked.

use std::mem::ManuallyDrop;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use crossdock::segment::MembershipError;
use crossdock::sync::{Condvar, CondvarError, LockError};
use crossdock::{Fault, Mutex, Segment};

use crate::support::careless::lose_membership;
use crate::support::process::{Line, asleep, holder, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

struct Fixture {
    segment: Segment,
    mutex: Mutex<u64>,
    condvar: Condvar,
}

fn sample() -> Fixture {
    let segment = Segment::anonymous().unwrap();
    Fixture {
        mutex: segment.create("m", 0).unwrap(),
        condvar: segment.create("c", ()).unwrap(),
        segment,
    }
}

impl Fixture {
    /// Waits for one and takes it.
    fn take(&self) {
        let guard = self.mutex.lock_or_repair(|_| ()).unwrap();
        let empty = |stock: &mut u64| *stock == 0;
        let guard = self.condvar.wait_while_or_repair(guard, empty, |_| ());
        *guard.unwrap() -= 1;
    }

    fn add(&self, count: u64) {
        *self.mutex.lock_or_repair(|_| ()).unwrap() += count;
    }
}

#[test]
fn one_is_notified_or_all_are() {
    let _watch = watch();
    let it = sample();
    for _ in 0..20 {
        let waiters = [(); 3].map(|()| asleep(|| it.take()));
        it.add(1);
        it.condvar.notify_one();
        it.add(2);
        it.condvar.notify_all();
        waiters.into_iter().for_each(|waiter| waiter.join());
    }
    assert_eq!(*it.mutex.lock().unwrap(), 0);
}

#[test]
fn a_notification_that_comes_first_is_none() {
    let it = sample();
    it.condvar.notify_all();
    let guard = it.mutex.lock().unwrap();
    let (guard, result) = it.condvar.wait_timeout(guard, SHORT).unwrap();
    assert!(result.timed_out());
    let begun = Instant::now();
    let waited = it
        .condvar
        .wait_timeout_while(guard, SHORT, |stock| *stock == 0);
    let (guard, result) = waited.unwrap();
    assert!(result.timed_out() && begun.elapsed() >= SHORT);
    let waited = it
        .condvar
        .wait_timeout_while(guard, Duration::ZERO, |stock| *stock != 0);
    let (guard, result) = waited.unwrap();
    assert!(!result.timed_out(), "there was nothing to wait for");
    let guard = it.condvar.wait_while(guard, |stock| *stock != 0).unwrap();
    assert!(it.mutex.is_locked());
    drop(guard);
}

#[test]
fn killed_waiters_keep_no_notification_from_others() {
    let _watch = watch();
    let it = sample();
    for _ in 0..20 {
        let killed = [(); 2].map(|()| asleep(|| it.take()));
        let others = [(); 2].map(|()| asleep(|| it.take()));
        killed.into_iter().for_each(|waiter| waiter.kill());
        for _ in 0..2 {
            it.add(1);
            it.condvar.notify_one();
        }
        others.into_iter().for_each(|waiter| waiter.join());
    }
}

#[test]
fn a_waiter_that_is_killed_after_it_was_woken_leaves_the_wake_to_others() {
    let _watch = watch();
    let it = sample();
    for _ in 0..5 {
        let first = asleep(|| it.take());
        first.stop();
        let second = asleep(|| it.take());
        it.add(1);
        // It goes to the first, which is stopped, and does not get to run any more.
        it.condvar.notify_one();
        first.kill();
        second.join();
    }
}

#[test]
fn waiters_are_told_of_an_owner_that_dies_before_it_notifies() {
    let _watch = watch();
    let it = sample();
    let waiter = asleep(|| {
        let guard = it.mutex.lock().unwrap();
        let waited = it.condvar.wait_while(guard, |stock| *stock == 0);
        let Err(CondvarError::Lock(LockError::OwnerDied(mut guard))) = waited else {
            panic!("not told")
        };
        assert_eq!(*guard, 7);
        guard.mark_consistent();
    });
    let owner = holder(|| {
        let mut guard = it.mutex.lock().unwrap();
        *guard = 7;
        guard
    });
    owner.kill();
    waiter.join();
}

#[test]
fn waiters_return_if_a_process_dies_between_unlocking_and_notifying() {
    let _watch = watch();
    let it = sample();
    let waiters = [(); 2].map(|()| asleep(|| it.take()));
    holder(|| it.add(2)).kill();
    waiters.into_iter().for_each(|waiter| waiter.join());
}

#[test]
fn another_mutex_is_an_error() {
    let _watch = watch();
    let it = sample();
    let guard = it.mutex.lock().unwrap();
    drop(it.condvar.wait_timeout(guard, Duration::ZERO).unwrap());
    let other = it.segment.create::<Mutex<u64>>("other", 0).unwrap();
    let waited = it.condvar.wait(other.lock().unwrap());
    assert_eq!(
        waited.unwrap_err().without_guard(),
        CondvarError::OtherMutex
    );
    assert!(!other.is_locked());
    // One of another segment, also at the same offset and as the first.
    let foreign = sample();
    let fresh = it.segment.create::<Condvar>("fresh", ()).unwrap();
    for condvar in [&it.condvar, &fresh] {
        let waited = condvar.wait(foreign.mutex.lock().unwrap());
        assert!(matches!(waited, Err(CondvarError::OtherMutex)));
    }
    // Other handles of the same two are the same two.
    in_child(|| {
        let segment = &it.segment;
        let (mutex, condvar) = (
            segment.open::<Mutex<u64>>("m"),
            segment.open::<Condvar>("c"),
        );
        let (mutex, condvar) = (mutex.unwrap(), condvar.unwrap());
        let guard = mutex.lock().unwrap();
        drop(condvar.wait_timeout(guard, Duration::ZERO).unwrap());
    });
}

#[test]
fn a_guard_of_the_parent_cannot_wait_in_a_forked_child() {
    let _watch = watch();
    let it = sample();
    let guard = ManuallyDrop::new(it.mutex.lock().unwrap());
    in_child(|| {
        // SAFETY: as `guard` is not used afterwards in this process.
        let inherited = unsafe { std::ptr::read(&*guard) };
        let waited = it.condvar.wait(inherited);
        let not_owner = LockError::Fault(Fault::NotOwner);
        assert_eq!(
            waited.unwrap_err().without_guard(),
            CondvarError::Lock(not_owner)
        );
    });
    assert!(it.mutex.is_locked());
    drop(ManuallyDrop::into_inner(guard));
}

#[test]
fn a_waiter_whose_membership_is_lost_is_told() {
    let _watch = watch();
    let it = sample();
    let line = Line::new();
    in_child(|| {
        let guard = it.mutex.lock().unwrap();
        lose_membership(&it.segment);
        let waited = it.condvar.wait(guard);
        let lost = LockError::Fault(Fault::NotMember(MembershipError::Lost));
        assert_eq!(
            waited.unwrap_err().without_guard(),
            CondvarError::Lock(lost)
        );
        it.condvar.notify_all();
        line.say(1);
    });
    line.hear();
}

#[test]
fn a_poisoned_mutex_is_told_and_not_repaired() {
    let _watch = watch();
    let it = sample();
    let waiter = asleep(|| {
        let guard = it.mutex.lock().unwrap();
        let empty = |stock: &mut u64| *stock == 0;
        let waited = it
            .condvar
            .wait_while_or_repair(guard, empty, |_| panic!("no owner died"));
        let poisoned = CondvarError::Lock(LockError::Poisoned(()));
        assert_eq!(waited.unwrap_err(), poisoned);
    });
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let _guard = it.mutex.lock().unwrap();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(caught.is_err() && it.mutex.is_poisoned());
    it.condvar.notify_all();
    waiter.join();
}

//! Semaphores whose holders and waiters are killed, stopped, forked, and lose their membership.

use std::mem::forget;
use std::time::Duration;

use crossdock::queue::{Queue, WaitAnyError, wait_any, wait_any_timeout};
use crossdock::segment::{EntryError, MembershipError};
use crossdock::sync::{
    AcquireError, AcquireTimeoutError, AddPermitsError, Holder, Semaphore, SemaphoreOptions,
    TryAcquireError,
};
use crossdock::{Fault, Segment};

use crate::support::careless::Reaped;
use crate::support::image::Window;
use crate::support::process::{asleep, holder, in_child};
use crate::support::{PATIENCE, watch};

const SHORT: Duration = Duration::from_millis(20);

/// A segment with a semaphore of so many permits.
fn sample(permits: u64) -> (Segment, Semaphore) {
    let segment = Segment::anonymous().unwrap();
    let semaphore = segment.create::<Semaphore>("s", permits).unwrap();
    (segment, semaphore)
}

#[test]
fn a_permit_is_held_until_it_is_dropped() {
    let (_segment, semaphore) = sample(2);
    let first = semaphore.acquire().unwrap();
    let second = semaphore.try_acquire().unwrap();
    assert_eq!(semaphore.available(), 0);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::WouldBlock
    );
    assert_eq!(
        semaphore.acquire_timeout(SHORT).unwrap_err(),
        AcquireTimeoutError::Timeout
    );
    drop(first);
    assert_eq!(semaphore.available(), 1);
    let third = semaphore.acquire_timeout(SHORT).unwrap();
    drop((second, third));
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn the_permits_of_a_killed_holder_return() {
    let _watch = watch();
    let (segment, semaphore) = sample(3);
    let one = holder(|| semaphore.acquire().unwrap());
    let two = holder(|| semaphore.acquire_many(2).unwrap());
    assert_eq!(semaphore.available(), 0);
    let pids = semaphore.holders();
    for (process, count) in [(&one, 1), (&two, 2)] {
        let pid = process.child.pid();
        let its = pids
            .iter()
            .filter(|found| **found == Holder::Process { pid });
        assert_eq!(its.count(), count);
    }
    one.kill();
    two.kill();
    let permit = semaphore.acquire().unwrap();
    assert_eq!(segment.reap().stuck, 0);
    assert_eq!(semaphore.holders(), [Holder::ThisProcess]);
    drop(permit);
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn a_waiter_that_sleeps_gets_the_permit_of_a_killed_holder() {
    let _watch = watch();
    let (_segment, semaphore) = sample(1);
    let holder = holder(|| semaphore.acquire().unwrap());
    let waiters = [(); 3].map(|()| asleep(|| drop(semaphore.acquire().unwrap())));
    let many = asleep(|| drop(semaphore.acquire_many(1).unwrap()));
    holder.kill();
    waiters.into_iter().for_each(|waiter| waiter.join());
    many.join();
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_killed_waiter_takes_nothing_along() {
    let _watch = watch();
    let (_segment, semaphore) = sample(1);
    for _ in 0..10 {
        let permit = semaphore.acquire().unwrap();
        let waiters = [(); 2].map(|()| asleep(|| drop(semaphore.acquire())));
        let last = asleep(|| drop(semaphore.acquire().unwrap()));
        drop(permit);
        waiters.into_iter().for_each(|waiter| waiter.kill());
        last.join();
        // One of the killed may have had it for a moment.
        drop(semaphore.acquire().unwrap());
    }
}

#[test]
fn a_stopped_holder_keeps_its_permit() {
    let _watch = watch();
    let (segment, semaphore) = sample(1);
    let holder = holder(|| semaphore.acquire().unwrap());
    holder.child.stop();
    assert_eq!(segment.reap().freed, 0);
    assert_eq!(
        semaphore.acquire_timeout(SHORT).unwrap_err(),
        AcquireTimeoutError::Timeout
    );
    holder.child.cont();
    holder.release();
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_release_wakes_the_waiter_for_one_beside_waiters_for_several() {
    let _watch = watch();
    let (_segment, semaphore) = sample(2);
    let (first, second) = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
    let several = [(); 2].map(|()| asleep(|| drop(semaphore.acquire_many(2).unwrap())));
    let one = asleep(|| drop(semaphore.acquire().unwrap()));
    drop(first);
    one.join();
    drop(second);
    several.into_iter().for_each(|waiter| waiter.join());
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn several_permits_are_acquired_together_or_not_at_all() {
    let (_segment, semaphore) = sample(3);
    let one = semaphore.acquire().unwrap();
    assert_eq!(
        semaphore.try_acquire_many(3).unwrap_err(),
        TryAcquireError::WouldBlock
    );
    assert_eq!(
        semaphore.acquire_many_timeout(3, SHORT).unwrap_err(),
        AcquireTimeoutError::Timeout
    );
    assert_eq!(semaphore.available(), 2);
    let two = semaphore.try_acquire_many(2).unwrap();
    let mut two = two.into_permits();
    drop(two.pop());
    assert_eq!(semaphore.available(), 1);
    drop((one, two));
    assert_eq!(semaphore.available(), 3);
    for asked in [0, 4] {
        let refused = AcquireError::OutOfRange { asked, most: 3 };
        assert_eq!(semaphore.acquire_many(asked).unwrap_err(), refused);
    }
}

#[test]
fn a_close_ends_every_wait_and_leaves_what_is_held() {
    let _watch = watch();
    let (_segment, semaphore) = sample(2);
    let permit = semaphore.acquire().unwrap();
    let other = semaphore.acquire().unwrap();
    let one = asleep(|| assert_eq!(semaphore.acquire().unwrap_err(), AcquireError::Closed));
    let two = asleep(|| assert_eq!(semaphore.acquire_many(2).unwrap_err(), AcquireError::Closed));
    let any = asleep(|| assert_eq!(wait_any(&[&semaphore]), Ok(0)));
    semaphore.close();
    for waiter in [one, two, any] {
        waiter.join();
    }
    drop((permit, other));
    assert!(semaphore.is_closed() && semaphore.available() == 2);
    assert_eq!(semaphore.acquire().unwrap_err(), AcquireError::Closed);
    let refused = semaphore.try_acquire_many(1).unwrap_err();
    assert_eq!(refused, TryAcquireError::Acquire(AcquireError::Closed));
}

#[test]
fn signals_are_added_and_consumed() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let options = SemaphoreOptions::new(0).most(4);
    let signals = segment.create::<Semaphore>("s", options).unwrap();
    let consumers = [(); 2].map(|()| asleep(|| signals.acquire().unwrap().forget()));
    signals.add_permits(2).unwrap();
    consumers.into_iter().for_each(|consumer| consumer.join());
    assert_eq!((signals.available(), signals.most()), (0, 4));
    signals.add_permits(4).unwrap();
    let refused = AddPermitsError::NoRoom {
        asked: 1,
        added: 0,
        most: 4,
    };
    assert_eq!(signals.add_permits(1).unwrap_err(), refused);
    signals.acquire_many(3).unwrap().forget();
    assert_eq!(signals.available(), 1);
}

#[test]
fn a_permit_is_released_by_any_thread_and_not_by_a_forked_child() {
    let _watch = watch();
    let (_segment, semaphore) = sample(1);
    let permit = semaphore.acquire().unwrap();
    in_child(|| {
        let inherited = &raw const permit;
        // SAFETY: the child ends by _exit, and drops this copy of its own memory once.
        drop(unsafe { inherited.read() });
        assert_eq!(semaphore.available(), 0);
    });
    assert_eq!(semaphore.available(), 0);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(permit));
    });
    assert_eq!(semaphore.available(), 1);
    in_child(|| forget(semaphore.acquire().unwrap()));
    drop(semaphore.acquire().unwrap());
}

#[test]
fn what_cannot_be_is_a_typed_error() {
    let segment = Segment::anonymous().unwrap();
    let create = |options| segment.create::<Semaphore>("s", options).unwrap_err();
    let capacity = |found, least, most| EntryError::Capacity { found, least, most };
    assert_eq!(create(SemaphoreOptions::new(0)), capacity(0, 1, 65_535));
    let refused = create(SemaphoreOptions::new(1).most(65_536));
    assert_eq!(refused, capacity(65_536, 1, 65_535));
    let refused = create(SemaphoreOptions::new(3).most(2));
    assert_eq!(refused, capacity(3, 0, 2));
    segment.create::<Semaphore>("s", 2).unwrap();
    let other = segment.open_or_create::<Semaphore>("s", 3).unwrap_err();
    let OtherCapacityOf(expected, found) = OtherCapacityOf::of(other);
    assert_eq!((expected, found), (3, 2));
}

/// The numbers of an [`EntryError::OtherCapacity`].
struct OtherCapacityOf(u64, u64);

impl OtherCapacityOf {
    fn of(error: EntryError) -> Self {
        match error {
            EntryError::OtherCapacity {
                expected, found, ..
            } => Self(expected, found),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn garbage_is_told_and_never_waited_for() {
    let _watch = watch();
    let (segment, semaphore) = sample(2);
    let window = Window::of(&segment);
    let offset = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    let word = |index: usize| window.word(offset + 128 + 4 * index);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    for garbage in [1 << 30, 1 << 31 | 5, u32::MAX, 1, 1023 | 1 << 10] {
        word(0).store(garbage, relaxed);
        let valid = semaphore.acquire().unwrap();
        let fault = match semaphore.acquire().unwrap_err() {
            AcquireError::Fault(fault @ Fault::Corrupt { .. }) => fault,
            other => panic!("{garbage:#x}: {other:?}"),
        };
        assert!(fault.to_string().contains(&format!("{garbage:#x}")));
        assert!(semaphore.try_acquire().is_err() && semaphore.acquire_many(2).is_err());
        drop(valid);
    }
    word(0).store(0, relaxed);
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn a_process_that_was_reaped_is_told_and_keeps_no_permit() {
    let _watch = watch();
    let (segment, semaphore) = sample(1);
    let lost = Reaped::after(
        &segment,
        || drop(semaphore.acquire().unwrap()),
        |()| {
            let lost = Fault::NotMember(MembershipError::Lost);
            assert_eq!(semaphore.acquire().unwrap_err(), AcquireError::Fault(lost));
            drop(semaphore.acquire().unwrap());
        },
    );
    lost.goes_on();
    drop(semaphore.acquire_timeout(PATIENCE).unwrap());
    lost.ends();
}

#[test]
fn a_free_permit_is_one_of_several_things_to_wait_for() {
    let _watch = watch();
    let (segment, semaphore) = sample(1);
    let queue = segment.create::<Queue<u32>>("q", 4).unwrap();
    assert_eq!(wait_any(&[&queue, &semaphore]), Ok(1));
    let holder = holder(|| semaphore.acquire().unwrap());
    assert_eq!(
        wait_any_timeout(&[&queue, &semaphore], SHORT),
        Err(WaitAnyError::Timeout)
    );
    let waiter = asleep(|| assert_eq!(wait_any(&[&queue, &semaphore]), Ok(1)));
    holder.kill();
    waiter.join();
}

//! Events whose setters and waiters are killed, stopped and forked.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::queue::{Queue, WaitAnyError, wait_any, wait_any_timeout};
use crossdock::segment::MembershipError;
use crossdock::sync::{Event, EventTimeoutError};
use crossdock::{Counter, Fault, Segment};

use crate::support::careless::lose_membership;
use crate::support::image::Window;
use crate::support::process::{asleep, child, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

fn sample() -> (Segment, Event) {
    let segment = Segment::anonymous().unwrap();
    let event = segment.create::<Event>("e", false).unwrap();
    (segment, event)
}

#[test]
fn an_event_is_what_was_last_done_to_it() {
    let (segment, event) = sample();
    assert!(!event.is_set());
    assert_eq!(event.wait_timeout(SHORT), Err(EventTimeoutError::Timeout));
    assert!(event.set() && !event.set() && event.is_set());
    assert_eq!(event.wait(), Ok(()));
    assert_eq!(event.wait_timeout(SHORT), Ok(()));
    in_child(|| assert!(event.is_set() && event.clear()));
    assert!(!event.is_set() && !event.clear());
    let other = segment.create::<Event>("set", true).unwrap();
    assert!(other.is_set());
    assert!(
        segment
            .open_or_create::<Event>("set", false)
            .unwrap()
            .is_set()
    );
}

#[test]
fn a_set_wakes_every_waiter() {
    let _watch = watch();
    let (_segment, event) = sample();
    let waiters = [(); 4].map(|()| asleep(|| event.wait().unwrap()));
    event.set();
    waiters.into_iter().for_each(|waiter| waiter.join());
}

#[test]
fn a_set_and_a_clear_are_not_missed_by_those_that_sleep() {
    let _watch = watch();
    let (segment, event) = sample();
    let queue = segment.create::<Queue<u32>>("q", 4).unwrap();
    for _ in 0..20 {
        let waiters = [(); 2].map(|()| asleep(|| event.wait().unwrap()));
        let any = asleep(|| assert_eq!(wait_any(&[&queue, &event]), Ok(1)));
        event.set();
        event.clear();
        waiters.into_iter().for_each(|waiter| waiter.join());
        any.join();
    }
    assert_eq!(event.wait_timeout(SHORT), Err(EventTimeoutError::Timeout));
}

#[test]
fn a_waiter_that_is_stopped_through_a_set_and_a_clear_is_told() {
    let _watch = watch();
    let (_segment, event) = sample();
    let waiter = asleep(|| event.wait().unwrap());
    waiter.stop();
    event.set();
    event.clear();
    waiter.cont();
    waiter.join();
}

#[test]
fn killed_waiters_keep_no_wake_from_others() {
    let _watch = watch();
    let (_segment, event) = sample();
    for _ in 0..20 {
        let killed = [(); 2].map(|()| asleep(|| event.wait().unwrap()));
        let others = [(); 2].map(|()| asleep(|| event.wait().unwrap()));
        killed.into_iter().for_each(|waiter| waiter.kill());
        event.set();
        others.into_iter().for_each(|waiter| waiter.join());
        event.clear();
    }
}

#[test]
fn what_the_setter_wrote_is_seen() {
    let _watch = watch();
    let (segment, event) = sample();
    let value = segment.create::<Counter>("value", 0).unwrap();
    for round in 1..=100 {
        let waiter = child(|| {
            event.wait().unwrap();
            assert_eq!(value.load(), round);
        });
        value.store(round);
        event.set();
        waiter.join();
        event.clear();
    }
}

#[test]
fn an_event_is_one_of_several_things_to_wait_for() {
    let _watch = watch();
    let (segment, event) = sample();
    let other = segment.create::<Event>("other", false).unwrap();
    assert_eq!(
        wait_any_timeout(&[&event, &other], SHORT),
        Err(WaitAnyError::Timeout)
    );
    let waiters = [(); 2].map(|()| asleep(|| assert_eq!(wait_any(&[&event, &other]), Ok(1))));
    other.set();
    waiters.into_iter().for_each(|waiter| waiter.join());
    assert_eq!(wait_any(&[&event, &other]), Ok(1));
    event.set();
    assert_eq!(wait_any(&[&event, &other]), Ok(0));
}

#[test]
fn any_bytes_are_an_event() {
    let _watch = watch();
    let (segment, event) = sample();
    let window = Window::of(&segment);
    let offset = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    for garbage in [u64::MAX, u64::MAX - 1, 1 << 63, 6] {
        window.long(offset).store(garbage, Relaxed);
        assert_eq!(event.is_set(), garbage % 2 == 1);
        window.word(offset + 8).store(u32::MAX, Relaxed);
        assert_eq!(event.set(), garbage % 2 == 0);
        assert!(event.is_set() && event.wait().is_ok() && event.clear());
        let waited = event.wait_timeout(SHORT);
        assert_eq!(waited, Err(EventTimeoutError::Timeout));
    }
}

#[test]
fn a_waiter_whose_membership_is_lost_is_told() {
    let _watch = watch();
    let (segment, event) = sample();
    in_child(|| {
        assert!(event.wait_timeout(SHORT).is_err());
        lose_membership(&segment);
        let lost = Fault::NotMember(MembershipError::Lost);
        assert_eq!(event.wait(), Err(lost));
        event.set();
        assert_eq!(event.wait(), Ok(()));
    });
}

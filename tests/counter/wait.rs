//! Processes that wait for a number, and are killed, stopped and forked.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossdock::array::{Init, NumberTimeoutError};
use crossdock::queue::{Queue, WaitAnyError, wait_any, wait_any_timeout};
use crossdock::segment::MembershipError;
use crossdock::{AtomicArray, Counter, Fault, Segment};

use crate::support::careless::lose_membership;
use crate::support::image::Window;
use crate::support::process::{asleep, child, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

fn sample() -> (Segment, Counter) {
    let segment = Segment::anonymous().unwrap();
    let counter = segment.create::<Counter>("n", 0).unwrap();
    (segment, counter)
}

#[test]
fn a_condition_that_holds_is_not_waited_for() {
    let (segment, counter) = sample();
    assert_eq!(counter.wait_until(|n| n == 0), Ok(0));
    let late = counter.wait_until_timeout(SHORT, |n| n > 0);
    assert_eq!(late, Err(NumberTimeoutError::Timeout));
    assert_eq!(counter.add_and_notify(u64::MAX), u64::MAX);
    assert_eq!(counter.add_and_notify(3), 2);
    assert_eq!(counter.wait_until_timeout(SHORT, |n| n > 0), Ok(2));
    let passed = Instant::now();
    assert_eq!(counter.wait_until_timeout(passed, |n| n > 0), Ok(2));

    let signed = segment.create::<Counter<i64>>("i", -5).unwrap();
    assert_eq!(signed.add_and_notify(-1), -6);
    assert_eq!(signed.wait_until(|n| n < -5), Ok(-6));

    let floats = segment.create::<AtomicArray<f64>>("f", [0.0, f64::NAN]);
    let floats = floats.unwrap();
    assert_eq!(floats.wait_while_eq(0, -0.0).unwrap().to_bits(), 0);
    let nan = floats.wait_while_eq_timeout(1, f64::NAN, SHORT);
    assert_eq!(nan, Err(NumberTimeoutError::Timeout));
}

#[test]
fn five_that_are_ready_wake_each_waiter_for_its_number() {
    let _watch = watch();
    let (_segment, counter) = sample();
    let waiters = [1, 3, 5, 5]
        .map(|least| asleep(|| assert!(counter.wait_until(|n| n >= least).unwrap() >= least)));
    for _ in 0..5 {
        let adder = child(|| assert!(counter.add_and_notify(1) <= 5));
        adder.join();
    }
    waiters.into_iter().for_each(|waiter| waiter.join());
}

#[test]
fn a_change_without_a_notification_is_noticed() {
    let _watch = watch();
    let (segment, counter) = sample();
    let flags = segment.create::<AtomicArray<bool>>("f", Init::zeroed(3));
    let flags = flags.unwrap();
    let waiters = [
        asleep(|| assert_eq!(counter.wait_until(|n| n >= 7), Ok(7))),
        asleep(|| assert_eq!(flags.wait_while_eq(2, false), Ok(true))),
    ];
    counter.add(7);
    flags[2].store(true);
    waiters.into_iter().for_each(|waiter| waiter.join());
}

#[test]
fn an_element_wakes_the_processes_that_wait_for_it() {
    let _watch = watch();
    let (segment, _) = sample();
    let phases = segment.create::<AtomicArray<u8>>("p", Init::zeroed(40));
    let phases = phases.unwrap();
    // 3, 19 and 35 share an event count.
    let waiters = [3, 19, 35, 4, 39].map(|index| {
        let waiter = asleep(|| assert_eq!(phases.wait_while_eq(index, 0), Ok(9)));
        (index, waiter)
    });
    for (index, waiter) in waiters {
        phases[index].store(9);
        phases.notify(index);
        waiter.join();
    }
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn an_element_that_is_not_there_is_not_notified() {
    let (segment, _) = sample();
    let phases = segment.create::<AtomicArray<u8>>("p", Init::zeroed(40));
    phases.unwrap().notify(40);
}

#[test]
fn killed_waiters_keep_no_wake_from_others() {
    let _watch = watch();
    let (_segment, counter) = sample();
    for round in 0..20 {
        let [killed, others] = [0, 1].map(|_| {
            [(); 2].map(|()| asleep(|| assert!(counter.wait_until(|n| n > round).is_ok())))
        });
        killed.into_iter().for_each(|waiter| waiter.kill());
        counter.add_and_notify(1);
        others.into_iter().for_each(|waiter| waiter.join());
    }
}

#[test]
fn a_stopped_waiter_is_told_when_it_goes_on() {
    let _watch = watch();
    let (_segment, counter) = sample();
    let waiter = asleep(|| assert_eq!(counter.wait_until(|n| n > 0), Ok(1)));
    waiter.stop();
    counter.add_and_notify(1);
    waiter.cont();
    waiter.join();
}

#[test]
fn a_number_is_one_of_several_things_to_wait_for() {
    let _watch = watch();
    let (segment, counter) = sample();
    let queue = segment.create::<Queue<u32>>("q", 4).unwrap();
    let flags = segment.create::<AtomicArray<u8>>("f", [0, 0]).unwrap();
    let three = counter.until(|n| n >= 3);
    let one = flags.until(1, |flag| flag == 1);
    let late = wait_any_timeout(&[&queue, &three, &one], SHORT);
    assert_eq!(late, Err(WaitAnyError::Timeout));
    let waiter = asleep(|| assert_eq!(wait_any(&[&queue, &three, &one]), Ok(1)));
    counter.add_and_notify(2);
    counter.add_and_notify(1);
    waiter.join();
    let waiter = asleep(|| assert_eq!(wait_any(&[&queue, &one]), Ok(1)));
    flags[1].store(1);
    flags.notify(1);
    waiter.join();
    assert_eq!(wait_any(&[&one, &three]), Ok(0));
}

#[test]
fn a_waiter_whose_membership_is_lost_is_told() {
    let _watch = watch();
    let (segment, counter) = sample();
    in_child(|| {
        assert!(counter.wait_until_timeout(SHORT, |n| n > 0).is_err());
        lose_membership(&segment);
        let lost = Fault::NotMember(MembershipError::Lost);
        assert_eq!(counter.wait_until(|n| n > 0), Err(lost));
        counter.add_and_notify(1);
        assert_eq!(counter.wait_until(|n| n > 0), Ok(1));
    });
}

#[test]
fn any_bytes_are_waiters() {
    let _watch = watch();
    let (segment, counter) = sample();
    let window = Window::of(&segment);
    let offset = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    for garbage in [u32::MAX, 1, 2, 1 << 31, 6] {
        window.word(offset + 8).store(garbage, Relaxed);
        counter.add_and_notify(1);
        let late = counter.wait_until_timeout(SHORT, |n| n == 0);
        assert_eq!(late, Err(NumberTimeoutError::Timeout));
        assert!(counter.wait_until(|n| n > 0).is_ok());
    }
}

//! Promises whose claimers are killed, stopped, forked, and wait for themselves.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::queue::{Queue, WaitAnyError, wait_any, wait_any_timeout};
use crossdock::segment::MembershipError;
use crossdock::sync::{ClaimPromiseError, Holder, Promise, PromiseError, PromiseTimeoutError};
use crossdock::{Fault, Segment};

use crate::support::careless::lose_membership;
use crate::support::image::Window;
use crate::support::process::{Line, asleep, child, holder, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

fn sample() -> (Segment, Promise<[u64; 3]>) {
    let segment = Segment::anonymous().unwrap();
    let promise = segment.create::<Promise<[u64; 3]>>("p", ()).unwrap();
    (segment, promise)
}

#[test]
fn a_value_is_set_once_and_stays() {
    let (segment, promise) = sample();
    assert_eq!((promise.get(), promise.claimer()), (None, None));
    assert_eq!(
        promise.wait_timeout(SHORT),
        Err(PromiseTimeoutError::Timeout)
    );
    assert_eq!(promise.set([1, 2, 3]), Ok(&[1, 2, 3]));
    assert_eq!(promise.set([4, 5, 6]), Err(ClaimPromiseError::Set));
    assert_eq!(promise.claim().unwrap_err(), ClaimPromiseError::Set);
    assert_eq!(promise.get_or_init(|| [7; 3]), Ok(&[1, 2, 3]));
    assert_eq!((promise.wait(), promise.claimer()), (Ok(&[1, 2, 3]), None));
    in_child(|| assert_eq!(promise.get(), Some(&[1, 2, 3])));
    let unit = segment.create::<Promise<()>>("unit", ()).unwrap();
    assert_eq!(
        (unit.get(), unit.set(()), unit.get()),
        (None, Ok(&()), Some(&()))
    );
}

#[test]
fn a_claim_that_is_dropped_is_given_back() {
    let _watch = watch();
    let (_segment, promise) = sample();
    let claim = promise.claim().unwrap();
    let next = asleep(|| assert_eq!(promise.get_or_init(|| [5; 3]), Ok(&[5; 3])));
    let waiter = asleep(|| assert_eq!(promise.wait(), Ok(&[5; 3])));
    drop(claim);
    next.join();
    waiter.join();
}

#[test]
fn a_panic_in_the_function_gives_the_claim_back() {
    let (_segment, promise) = sample();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = promise.get_or_init(|| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(promise.get_or_init(|| [8; 3]), Ok(&[8; 3]));
}

#[test]
fn a_thread_that_would_wait_for_itself_is_told() {
    let _watch = watch();
    let (_segment, promise) = sample();
    let claim = promise.claim().unwrap();
    assert_eq!(promise.claim().unwrap_err(), ClaimPromiseError::OwnClaim);
    assert_eq!(promise.set([1; 3]), Err(ClaimPromiseError::OwnClaim));
    assert_eq!(promise.wait(), Err(PromiseError::OwnClaim));
    let inner = promise.get_or_init(|| unreachable!("this thread has the claim"));
    assert_eq!(inner, Err(PromiseError::OwnClaim));
    // Another thread of the process waits for this one.
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let holder = Holder::ThisProcess;
            let refused = promise.claim().unwrap_err();
            assert_eq!(refused, ClaimPromiseError::Claimed { holder });
            both.wait();
            promise.wait().copied()
        });
        both.wait();
        assert_eq!(claim.set([9; 3]), Ok(&[9; 3]));
        assert_eq!(other.join().unwrap(), Ok([9; 3]));
    });
}

#[test]
fn waiters_are_told_that_the_claimer_was_killed() {
    let _watch = watch();
    let (_segment, promise) = sample();
    let claimer = holder(|| promise.claim().unwrap());
    assert!(matches!(promise.claimer(), Some(Holder::Process { .. })));
    let waiters =
        [(); 2].map(|()| asleep(|| assert_eq!(promise.wait(), Err(PromiseError::Abandoned))));
    claimer.kill();
    waiters.into_iter().for_each(|waiter| waiter.join());
    assert!(promise.claim().is_ok(), "the next claim may be made");
}

#[test]
fn a_process_that_waits_for_the_claim_gets_it_from_the_dead() {
    let _watch = watch();
    let (_segment, promise) = sample();
    let claimer = holder(|| promise.claim().unwrap());
    let next = asleep(|| assert_eq!(promise.get_or_init(|| [6; 3]), Ok(&[6; 3])));
    claimer.kill();
    next.join();
    assert_eq!(promise.wait(), Ok(&[6; 3]));
}

#[test]
fn a_process_that_comes_after_the_death_is_told_too() {
    let _watch = watch();
    let (segment, promise) = sample();
    holder(|| promise.claim().unwrap()).kill();
    assert_eq!(promise.wait(), Err(PromiseError::Abandoned));
    segment.reap();
    assert_eq!(promise.wait(), Err(PromiseError::Abandoned));
    assert_eq!(promise.set([2; 3]), Ok(&[2; 3]));
}

#[test]
fn a_stopped_claimer_keeps_its_claim() {
    let _watch = watch();
    let (_segment, promise) = sample();
    let (line, go) = (Line::new(), Line::new());
    let claimer = child(|| {
        let claim = promise.claim().unwrap();
        line.say(1);
        go.hear();
        claim.set([3; 3]).unwrap();
    });
    line.hear();
    claimer.stop();
    assert_eq!(
        promise.wait_timeout(SHORT),
        Err(PromiseTimeoutError::Timeout)
    );
    assert!(matches!(
        promise.claim(),
        Err(ClaimPromiseError::Claimed { .. })
    ));
    claimer.cont();
    go.say(1);
    assert_eq!(promise.wait(), Ok(&[3; 3]));
    claimer.join();
}

#[test]
fn a_forked_child_has_not_its_parents_claim() {
    let _watch = watch();
    let (_segment, promise) = sample();
    let mut claim = Some(promise.claim().unwrap());
    in_child(|| {
        let inherited = claim.take().unwrap();
        assert!(inherited.set([1; 3]).is_err());
        assert!(matches!(
            promise.claim(),
            Err(ClaimPromiseError::Claimed { .. })
        ));
    });
    assert_eq!(claim.unwrap().set([2; 3]), Ok(&[2; 3]));
}

#[test]
fn a_promise_is_one_of_several_things_to_wait_for() {
    let _watch = watch();
    let (segment, promise) = sample();
    let queue = segment.create::<Queue<u32>>("q", 4).unwrap();
    let late = wait_any_timeout(&[&queue, &promise], SHORT);
    assert_eq!(late, Err(WaitAnyError::Timeout));
    let waiter = asleep(|| assert_eq!(wait_any(&[&queue, &promise]), Ok(1)));
    let claimer = holder(|| promise.claim().unwrap());
    claimer.kill();
    waiter.join();
    let waiter = asleep(|| {
        let claim = promise.claim().unwrap();
        assert!(wait_any_timeout(&[&queue, &promise], SHORT).is_err());
        claim.set([4; 3]).unwrap();
    });
    waiter.join();
    assert_eq!(wait_any(&[&queue, &promise]), Ok(1));
}

#[test]
fn a_claimer_whose_membership_is_lost_sets_nothing() {
    let _watch = watch();
    let (segment, promise) = sample();
    in_child(|| {
        let claim = promise.claim().unwrap();
        lose_membership(&segment);
        in_child(|| assert_eq!(promise.set([1; 3]), Ok(&[1; 3])));
        assert!(claim.set([2; 3]).is_err());
    });
    assert_eq!(promise.get(), Some(&[1; 3]));
    let promise = segment.create::<Promise<u64>>("other", ()).unwrap();
    in_child(|| {
        assert!(promise.wait_timeout(SHORT).is_err());
        lose_membership(&segment);
        let lost = Fault::NotMember(MembershipError::Lost);
        assert!(matches!(
            promise.wait(),
            Err(PromiseError::Fault(found)) if found == lost
        ));
    });
}

#[test]
fn any_bytes_are_a_promise_or_corrupt() {
    let _watch = watch();
    let (segment, promise) = sample();
    let window = Window::of(&segment);
    let offset = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    for garbage in [0x3ff, 3 << 29, 1 << 31, u64::from(u32::MAX)] {
        window.long(offset + 8).store(garbage, Relaxed);
        assert_eq!((promise.get(), promise.claimer()), (None, None));
        let claimed = promise.claim().unwrap_err();
        assert!(matches!(
            claimed,
            ClaimPromiseError::Fault(Fault::Corrupt { .. })
        ));
        let waited = promise.wait().unwrap_err();
        assert!(matches!(waited, PromiseError::Fault(Fault::Corrupt { .. })));
    }
    window.long(offset + 8).store(7 << 32 | 1 << 29, Relaxed);
    assert_eq!(promise.get(), Some(&[0; 3]));
}

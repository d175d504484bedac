//! Barriers whose parties are killed, stopped and forked.

use std::time::Duration;

use crossdock::segment::{EntryError, MembershipError};
use crossdock::sync::{Barrier, BarrierError, BarrierOptions, BarrierTimeoutError, OnDeath, Party};
use crossdock::{Counter, Fault, Segment};

use crate::support::careless::lose_membership;
use crate::support::process::{Child, Line, asleep, child, in_child};
use crate::support::watch;

const SHORT: Duration = Duration::from_millis(20);

fn sample(parties: u64, on_death: OnDeath) -> (Segment, Barrier) {
    let segment = Segment::anonymous().unwrap();
    let options = BarrierOptions::new(parties).on_death(on_death);
    let barrier = segment.create::<Barrier>("b", options).unwrap();
    (segment, barrier)
}

/// A process that registers, and then does `then`, having said that it has registered.
fn party(barrier: &Barrier, then: impl FnOnce(Party<'_>)) -> Child {
    let line = Line::new();
    let child = child(|| {
        let party = barrier.register().unwrap();
        line.say(1);
        then(party);
    });
    line.hear();
    child
}

#[test]
fn none_goes_on_before_all_have_arrived() {
    let _watch = watch();
    let (segment, barrier) = sample(3, OnDeath::Break);
    let [arrived, leaders] =
        ["arrived", "leaders"].map(|name| segment.create::<Counter>(name, 0).unwrap());
    let parties = [(); 3].map(|()| {
        child(|| {
            for step in 1..=200 {
                arrived.add(1);
                let result = barrier.wait().unwrap();
                assert!(arrived.load() >= 3 * step);
                leaders.add(result.is_leader().into());
                barrier.wait().unwrap();
                assert!(arrived.load() >= 3 * step && leaders.load() == step);
            }
        })
    });
    parties.into_iter().for_each(|party| party.join());
    assert_eq!((arrived.load(), leaders.load()), (600, 200));
    assert_eq!((barrier.n_waiting(), barrier.parties()), (0, 3));
    assert!(!barrier.is_broken());
}

#[test]
fn no_parties_are_refused() {
    let segment = Segment::anonymous().unwrap();
    for found in [0, 65_536] {
        let refused = segment.create::<Barrier>("b", found).unwrap_err();
        let (least, most) = (1, 65_535);
        assert_eq!(refused, EntryError::Capacity { found, least, most });
    }
    let options = BarrierOptions::new(2).on_death(OnDeath::Shrink);
    segment.create::<Barrier>("b", options).unwrap();
    let other = segment.open_or_create::<Barrier>("b", 2);
    assert!(matches!(other, Err(EntryError::OtherConfig { .. })));
}

#[test]
fn a_timeout_breaks_the_barrier_for_all() {
    let _watch = watch();
    let (_segment, barrier) = sample(3, OnDeath::Break);
    let waiter = asleep(|| assert_eq!(barrier.wait(), Err(BarrierError::Broken)));
    assert_eq!(barrier.n_waiting(), 1);
    let waited = barrier.wait_timeout(SHORT);
    assert_eq!(waited, Err(BarrierTimeoutError::Timeout));
    waiter.join();
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BarrierError::Broken));
    barrier.reset().unwrap();
    let others = [(); 2].map(|()| child(|| assert!(barrier.wait().is_ok())));
    barrier.wait().unwrap();
    others.into_iter().for_each(|other| other.join());
}

#[test]
fn an_abort_and_a_reset_end_every_wait() {
    let _watch = watch();
    let (_segment, barrier) = sample(3, OnDeath::Break);
    for aborts in [true, false] {
        let waiters =
            [(); 2].map(|()| asleep(|| assert_eq!(barrier.wait(), Err(BarrierError::Broken))));
        if aborts {
            barrier.abort();
        } else {
            barrier.reset().unwrap();
        }
        waiters.into_iter().for_each(|waiter| waiter.join());
        assert_eq!(barrier.is_broken(), aborts);
        barrier.reset().unwrap();
    }
}

#[test]
fn more_waiters_than_parties_are_refused() {
    let _watch = watch();
    let (_segment, barrier) = sample(3, OnDeath::Break);
    let parties = [(); 2].map(|()| party(&barrier, |party| std::mem::forget(party)));
    let waiter = asleep(|| assert_eq!(barrier.wait(), Err(BarrierError::Broken)));
    parties.into_iter().for_each(|party| party.join());
    waiter.join();
    let (_segment, barrier) = sample(2, OnDeath::Break);
    let mut mine = barrier.register().unwrap();
    let other = barrier.register().unwrap();
    let full = BarrierError::Full { parties: 2 };
    assert_eq!(barrier.wait(), Err(full));
    assert_eq!(barrier.register().unwrap_err(), full);
    drop(other);
    assert_eq!(mine.wait(), Err(BarrierError::Broken));
    // A process that comes beside the waiters is refused, and they are released by their party.
    let (_segment, barrier) = sample(3, OnDeath::Break);
    let mut mine = barrier.register().unwrap();
    let waiters = [(); 2].map(|()| asleep(|| assert!(barrier.wait().is_ok())));
    let full = BarrierError::Full { parties: 3 };
    assert_eq!(barrier.wait(), Err(full));
    assert_eq!(barrier.wait_timeout(SHORT), Err(full.into()));
    assert_eq!((barrier.n_waiting(), barrier.is_broken()), (2, false));
    assert!(mine.wait().unwrap().is_leader());
    waiters.into_iter().for_each(|waiter| waiter.join());
}

#[test]
fn a_waiter_that_is_killed_breaks_the_barrier() {
    let _watch = watch();
    let (_segment, barrier) = sample(3, OnDeath::Break);
    for _ in 0..5 {
        let killed = asleep(|| assert!(barrier.wait().is_ok()));
        let waiter = asleep(|| assert_eq!(barrier.wait(), Err(BarrierError::Broken)));
        killed.kill();
        waiter.join();
        barrier.reset().unwrap();
    }
}

#[test]
fn a_party_that_is_killed_before_it_arrives_breaks_the_barrier() {
    let _watch = watch();
    let (_segment, barrier) = sample(2, OnDeath::Break);
    for _ in 0..5 {
        let line = Line::new();
        let killed = party(&barrier, |_party| line.sleep_until_killed());
        let waiter = asleep(|| {
            let mut mine = barrier.register().unwrap();
            assert_eq!(mine.wait(), Err(BarrierError::Broken));
        });
        killed.kill();
        waiter.join();
        barrier.reset().unwrap();
    }
}

#[test]
fn a_barrier_that_shrinks_goes_on_without_the_killed() {
    let _watch = watch();
    let (_segment, barrier) = sample(3, OnDeath::Shrink);
    let line = Line::new();
    let killed = party(&barrier, |_party| line.sleep_until_killed());
    let others = [(); 2].map(|()| {
        party(&barrier, |mut party| {
            for _ in 0..50 {
                party.wait().unwrap();
            }
        })
    });
    killed.kill();
    others.into_iter().for_each(|other| other.join());
    // They have left, too.
    assert_eq!(barrier.parties(), 0);
    assert_eq!(barrier.wait(), Err(BarrierError::Full { parties: 0 }));
    barrier.reset().unwrap();
    assert_eq!(barrier.parties(), 3);
}

#[test]
fn a_stopped_party_is_waited_for_and_told_late_what_the_others_were_told() {
    let _watch = watch();
    let (_segment, barrier) = sample(2, OnDeath::Break);
    let stopped = asleep(|| {
        barrier.wait().unwrap();
    });
    stopped.stop();
    barrier.wait().unwrap();
    // Others go on meanwhile, as far as there are seats.
    let waited = barrier.wait_timeout(SHORT);
    assert_eq!(waited, Err(BarrierTimeoutError::Timeout));
    barrier.reset().unwrap();
    assert_eq!(
        barrier.wait_timeout(SHORT),
        Err(BarrierTimeoutError::Timeout)
    );
    stopped.cont();
    stopped.join();
}

#[test]
fn a_waiter_that_is_stopped_through_a_reset_is_told_that_it_was_cut_off() {
    let _watch = watch();
    let (_segment, barrier) = sample(2, OnDeath::Break);
    let stopped = asleep(|| assert_eq!(barrier.wait(), Err(BarrierError::Broken)));
    stopped.stop();
    barrier.reset().unwrap();
    assert!(!barrier.is_broken());
    stopped.cont();
    stopped.join();
}

#[test]
fn a_party_of_the_parent_is_none_in_a_forked_child() {
    let _watch = watch();
    let (_segment, barrier) = sample(2, OnDeath::Break);
    let mut mine = barrier.register().unwrap();
    let not_owner = BarrierError::Fault(Fault::NotOwner);
    in_child(|| {
        assert_eq!(mine.wait(), Err(not_owner));
        // SAFETY: the child's copy; the parent's is dropped by the parent.
        drop(unsafe { std::ptr::read(&mine) });
    });
    assert!(!barrier.is_broken());
    let other = child(|| assert!(barrier.wait().is_ok()));
    mine.wait().unwrap();
    other.join();
    drop(mine);
    assert!(barrier.is_broken());
}

#[test]
fn a_waiter_whose_membership_is_lost_is_told() {
    let _watch = watch();
    let (segment, barrier) = sample(2, OnDeath::Break);
    in_child(|| {
        assert_eq!(
            barrier.wait_timeout(SHORT),
            Err(BarrierTimeoutError::Timeout)
        );
        barrier.reset().unwrap();
        lose_membership(&segment);
        let lost = Fault::NotMember(MembershipError::Lost);
        assert_eq!(barrier.wait(), Err(BarrierError::Fault(lost)));
    });
}

#[test]
fn steps_go_on_while_parties_are_killed_and_replaced() {
    let _watch = watch();
    let (segment, barrier) = sample(3, OnDeath::Break);
    let steps = segment.create::<Counter>("steps", 0).unwrap();
    for _ in 0..20 {
        let before = steps.load();
        let parties = [(); 3].map(|()| {
            child(|| {
                let Ok(mut party) = barrier.register() else {
                    return;
                };
                while let Ok(result) = party.wait() {
                    steps.add(result.is_leader().into());
                }
            })
        });
        while steps.load() < before + 20 {
            std::thread::yield_now();
        }
        let mut parties = parties.into_iter();
        parties.next().unwrap().kill();
        parties.for_each(|party| party.join());
        assert!(barrier.is_broken());
        barrier.reset().unwrap();
        assert_eq!((barrier.parties(), barrier.n_waiting()), (3, 0));
    }
}

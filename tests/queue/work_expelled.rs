//! The work queue, and a process whose descriptors other code of it has closed.

use std::mem::forget;
use std::time::Duration;

use crossdock::Fault;
use crossdock::queue::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, WaitIdleError, wait_any_timeout,
};
use crossdock::segment::MembershipError;

use crate::SOON;
use crate::support::careless::{Reaped, close_all_from_3, lose_membership};
use crate::support::process::in_child;
use crate::support::watch;
use crate::work::{done, goes_on, work};

#[test]
fn who_was_taken_for_dead_has_lost_what_it_held() {
    let _watch = watch();
    let (segment, queue) = work::<u64>(4);
    type End<'a> = &'a dyn Fn(crossdock::queue::Delivery<'_, u64>) -> Result<(), Fault>;
    let ends: [End<'_>; 4] = [
        &|held| held.ack(),
        &|held| held.nack(Duration::from_secs(3600)),
        &|held| held.reject(),
        &|held| {
            drop(held);
            Err(Fault::NotOwner)
        },
    ];
    for end in ends {
        queue.send(7).unwrap();
        let holds = || (queue.recv().unwrap(), queue.loan().unwrap());
        let careless = Reaped::after(&segment, holds, |(held, loan)| {
            assert_eq!(end(held), Err(Fault::NotOwner));
            assert!(matches!(
                loan.send(),
                Err(SendError::Fault(
                    (),
                    Fault::NotMember(MembershipError::Lost)
                ))
            ));
        });
        let again = queue.recv().unwrap();
        assert_eq!((*again, again.attempt()), (7, 2));
        careless.goes_on();
        assert_eq!(queue.free_capacity(), 3);
        // Neither its end nor its delay has touched what is another's by now.
        drop(again);
        assert_eq!(done(&queue), (7, 3));
        goes_on(&queue);
        careless.ends();
        goes_on(&queue);
    }
}

/// It does not know, and goes on with the tag of one that was reaped.
#[test]
fn what_it_takes_after_it_was_reaped_comes_back_when_it_is_killed() {
    let _watch = watch();
    let (segment, queue) = work::<u64>(4);
    for loans in [false, true] {
        let begins = || {
            queue.send(1).unwrap();
            done(&queue);
        };
        let careless = Reaped::after(&segment, begins, |()| {
            let loan = loans.then(|| queue.try_loan().unwrap());
            let held = queue.try_recv().unwrap();
            assert_eq!(
                (*held, queue.free_capacity()),
                (2, 4 - 1 - u64::from(loans))
            );
            forget((loan, held));
        });
        queue.send(2).unwrap();
        careless.goes_on();
        careless.child.kill();
        assert_eq!(done(&queue), (2, 2));
        queue.wait_idle().unwrap();
        goes_on(&queue);
    }
}

#[test]
fn it_is_told_when_it_waits_and_joins_anew() {
    let _watch = watch();
    let (segment, queue) = work::<u64>(2);
    let told = |error: &MembershipError| matches!(error, MembershipError::Lost);
    type Way<'a> = &'a dyn Fn() -> Option<MembershipError>;
    let recv: Way<'_> = &|| match queue.recv_timeout(SOON) {
        Err(RecvTimeoutError::Fault(Fault::NotMember(error))) => Some(error),
        other => {
            assert!(matches!(other, Err(RecvTimeoutError::Timeout)));
            None
        }
    };
    let send: Way<'_> = &|| {
        let loans = [queue.loan().unwrap(), queue.loan().unwrap()];
        let sent = queue.send_timeout(3, SOON);
        drop(loans);
        match sent {
            Err(SendTimeoutError::Fault(3, Fault::NotMember(error))) => Some(error),
            other => {
                assert!(matches!(other, Err(SendTimeoutError::Timeout(3))));
                None
            }
        }
    };
    let idle: Way<'_> = &|| {
        queue.send(4).unwrap();
        let waited = queue.wait_idle_timeout(SOON);
        assert_eq!(done(&queue).0, 4);
        match waited {
            Err(WaitIdleError::Fault(Fault::NotMember(error))) => Some(error),
            other => {
                assert!(matches!(other, Err(WaitIdleError::Timeout)));
                None
            }
        }
    };
    for way in [recv, send, idle] {
        in_child(|| {
            queue.send(5).unwrap();
            assert_eq!(done(&queue), (5, 1));
            lose_membership(&segment);
            assert!(way().as_ref().is_some_and(told));
            assert!(way().is_none(), "it has joined anew");
        });
        goes_on(&queue);
    }
}

/// It is a participant anew, and the loan is of the one that it was.
#[test]
fn a_loan_of_one_that_has_joined_anew_is_lost() {
    let _watch = watch();
    let (segment, queue) = work::<u64>(2);
    let loans = || queue.loan().unwrap();
    let careless = Reaped::after(&segment, loans, |loan| {
        assert!(matches!(
            queue.recv_timeout(SOON),
            Err(RecvTimeoutError::Fault(Fault::NotMember(
                MembershipError::Lost
            )))
        ));
        queue.send(6).unwrap();
        assert!(matches!(
            loan.send(),
            Err(SendError::Fault((), Fault::NotOwner))
        ));
    });
    careless.goes_on();
    careless.ends();
    assert_eq!(done(&queue), (6, 1));
    goes_on(&queue);
}

/// It does not know that it was reaped; what it is told it has sent is there, also when it is dead.
#[test]
fn what_it_sends_after_it_was_reaped_arrives() {
    let _watch = watch();
    let (segment, queue) = work::<u64>(2);
    let begins = || {
        queue.send(1).unwrap();
        done(&queue);
    };
    let careless = Reaped::after(&segment, begins, |()| queue.send(2).unwrap());
    careless.goes_on();
    careless.child.kill();
    segment.reap();
    assert_eq!(done(&queue), (2, 1));
    goes_on(&queue);
}

#[test]
fn closing_every_descriptor_is_an_error_of_who_waits_and_nobody_hangs() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(2);
    in_child(|| {
        queue.send(1).unwrap();
        let held = queue.recv().unwrap();
        close_all_from_3();
        // There is no way back to a segment without a name.
        for _ in 0..2 {
            assert!(matches!(
                queue.recv(),
                Err(RecvError::Fault(Fault::NotMember(MembershipError::System(
                    _
                ))))
            ));
            assert!(wait_any_timeout(&[&queue], SOON).is_err());
        }
        // What it holds is its own, and what needs nobody else goes on.
        assert_eq!(held.ack(), Ok(()));
        queue.try_send(2).unwrap();
    });
    assert_eq!(done(&queue), (2, 1));
    goes_on(&queue);
}

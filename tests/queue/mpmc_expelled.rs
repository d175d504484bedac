//! The queue for many, and a process whose descriptors other code of it has closed.

use crossdock::Fault;
use crossdock::queue::{
    Queue, RecvError, RecvTimeoutError, SendTimeoutError, TryRecvError, wait_any_timeout,
};
use crossdock::segment::MembershipError;

use crate::support::careless::{Reaped, close_all_from_3, lose_membership};
use crate::support::process::in_child;
use crate::support::watch;
use crate::{SOON, queue};

#[test]
fn who_was_taken_for_dead_is_told_when_it_waits_and_joins_anew() {
    let _watch = watch();
    let (segment, empty) = queue::<u64>(4);
    let full: Queue<u64> = segment.create("full", 2).unwrap();
    full.send_slice(&[1, 2]).unwrap();
    let told = |error: &MembershipError| matches!(error, MembershipError::Lost);
    type Way<'a> = &'a dyn Fn() -> Option<MembershipError>;
    let recv: Way<'_> = &|| match empty.recv_timeout(SOON) {
        Err(RecvTimeoutError::Fault(Fault::NotMember(error))) => Some(error),
        other => {
            assert!(matches!(other, Err(RecvTimeoutError::Timeout)));
            None
        }
    };
    let send: Way<'_> = &|| match full.send_timeout(3, SOON) {
        Err(SendTimeoutError::Fault(3, Fault::NotMember(error))) => Some(error),
        other => {
            assert!(matches!(other, Err(SendTimeoutError::Timeout(3))));
            None
        }
    };
    for way in [recv, send] {
        in_child(|| {
            empty.send(5).unwrap();
            assert_eq!(empty.recv().unwrap(), 5);
            lose_membership(&segment);
            assert!(way().as_ref().is_some_and(told));
            assert!(way().is_none(), "it has joined anew");
            empty.send(6).unwrap();
            assert_eq!(empty.recv().unwrap(), 6);
        });
    }
    assert_eq!((full.recv().unwrap(), full.recv().unwrap()), (1, 2));
}

#[test]
fn closing_every_descriptor_is_an_error_of_who_waits_and_nobody_hangs() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(4);
    in_child(|| {
        queue.send(1).unwrap();
        assert_eq!(queue.recv().unwrap(), 1);
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
        // What needs nobody else goes on.
        queue.try_send(1).unwrap();
        assert_eq!(queue.recv().unwrap(), 1);
    });
    queue.send(2).unwrap();
    assert_eq!(queue.recv().unwrap(), 2);
}

#[test]
fn an_expelled_sender_is_counted_no_more_and_its_drop_uncounts_nobody() {
    let _watch = watch();
    let (segment, queue) = queue::<u64>(4);
    let careless = Reaped::after(&segment, || queue.sender().unwrap(), drop);
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    let mine = queue.sender().unwrap();
    careless.goes_on();
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    drop(mine);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
    careless.ends();
}

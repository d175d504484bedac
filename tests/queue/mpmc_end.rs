//! The end of a queue for many while an item can still come back: nobody is told it too early, and
//! everybody is told it then. Nobody comes afterwards who would take what is left.

use crossdock::Segment;
use crossdock::queue::{
    Queue, Received, RecvError, RecvTimeoutError, SenderOf, TryRecvError, WaitAnyError, wait_any,
    wait_any_timeout,
};

use crate::caught::{At, Large, caught, large, number};
use crate::support::process::{Child, asleep};
use crate::support::watch;
use crate::{SOON, queue};

/// How a queue with something in it ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    LastSenderGone,
}

const ENDS: [End; 2] = [End::Closed, End::LastSenderGone];

fn end(queue: &Queue<Large>, how: End, sender: SenderOf<Queue<Large>>) {
    match how {
        End::Closed => {
            queue.close();
            std::mem::forget(sender);
        }
        End::LastSenderGone => drop(sender),
    }
}

/// A queue of 4 that has ended, with one item in it, which a receiver that was stopped has in its hands.
fn ended_with_a_receiver_in_mid_read(how: End) -> (Segment, Queue<Large>, Child) {
    let (segment, queue) = queue::<Large>(4);
    let sender = queue.sender().unwrap();
    sender.send(large(1)).unwrap();
    let receiver = caught(&segment, 0, At::Touch, || {
        assert_eq!(number(&queue.recv().unwrap()), 1);
    });
    end(&queue, how, sender);
    (segment, queue, receiver)
}

#[track_caller]
fn is_not_told(queue: &Queue<Large>) {
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Busy)));
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    let waited = wait_any_timeout(&[queue], SOON);
    assert!(matches!(waited, Err(WaitAnyError::Timeout)));
}

#[track_caller]
fn is_told(queue: &Queue<Large>) {
    assert_eq!(wait_any(&[queue]).unwrap(), 0);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    assert!(queue.is_empty());
}

#[track_caller]
fn comes_again(got: &Received<Large>) {
    assert_eq!((number(&got.value), got.redelivered), (1, true));
}

#[test]
fn a_stopped_receiver_delays_the_end_and_its_item_comes_again() {
    let _watch = watch();
    for how in ENDS {
        let (_segment, queue, receiver) = ended_with_a_receiver_in_mid_read(how);
        is_not_told(&queue);
        receiver.kill();
        comes_again(&queue.recv_marked().unwrap());
        is_told(&queue);
    }
}

#[test]
fn a_stopped_receiver_that_goes_on_takes_the_last_item() {
    let _watch = watch();
    for how in ENDS {
        let (_segment, queue, receiver) = ended_with_a_receiver_in_mid_read(how);
        is_not_told(&queue);
        receiver.cont();
        assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
        receiver.join();
        is_told(&queue);
    }
}

#[test]
fn sleepers_are_told_of_the_end_by_the_last_receipt() {
    let _watch = watch();
    for how in ENDS {
        let (_segment, queue, receiver) = ended_with_a_receiver_in_mid_read(how);
        let receives = || assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
        let sleepers = [
            asleep(receives),
            asleep(receives),
            asleep(|| is_told(&queue)),
        ];
        receiver.cont();
        receiver.join();
        sleepers.into_iter().for_each(Child::join);
    }
}

#[test]
fn of_two_sleepers_one_gets_what_the_dead_had_and_both_are_told() {
    let _watch = watch();
    for how in ENDS {
        let (segment, queue, receiver) = ended_with_a_receiver_in_mid_read(how);
        let takes = segment.create::<crossdock::Counter>("takes", 0).unwrap();
        let receives = || {
            for item in &queue {
                assert_eq!(number(&item.unwrap()), 1);
                takes.add(1);
            }
        };
        let sleepers = [asleep(receives), asleep(receives)];
        receiver.kill();
        sleepers.into_iter().for_each(Child::join);
        assert_eq!(takes.load(), 1);
    }
}

#[test]
fn two_die_over_the_last_item_and_a_third_gets_it() {
    let _watch = watch();
    for how in ENDS {
        let (segment, queue, receiver) = ended_with_a_receiver_in_mid_read(how);
        receiver.kill();
        let second = caught(&segment, 0, At::Touch, || {
            // All of it: what nobody looks at need not be copied.
            let _ = std::hint::black_box(queue.recv());
        });
        is_not_told(&queue);
        let third = asleep(|| {
            comes_again(&queue.recv_marked().unwrap());
            assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
        });
        second.kill();
        third.join();
        is_told(&queue);
    }
}

#[test]
fn one_who_replaces_in_a_queue_that_is_closed_meanwhile_is_waited_for() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(2);
    queue.send_slice(&[0, 1].map(large)).unwrap();
    let replacer = caught(&segment, 0, At::Write, || {
        let oldest = queue.force_send(large(2)).unwrap();
        assert_eq!(oldest.map(|item| number(&item)), Some(0));
    });
    queue.close();
    assert_eq!(number(&queue.recv().unwrap()), 1);
    is_not_told(&queue);
    replacer.cont();
    assert_eq!(number(&queue.recv().unwrap()), 2);
    replacer.join();
    is_told(&queue);
}

#[test]
fn while_an_item_is_taken_a_queue_that_has_not_ended_is_empty() {
    let _watch = watch();
    // The next place is the one of the item that is being taken, or another one.
    for more in [0, 3] {
        let (segment, queue) = queue::<Large>(4);
        queue.send(large(1)).unwrap();
        let receiver = caught(&segment, 0, At::Touch, || {
            assert_eq!(number(&queue.recv().unwrap()), 1);
        });
        for item in 0..more {
            queue.send(large(item)).unwrap();
            assert_eq!(number(&queue.recv().unwrap()), item);
        }
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        assert!(queue.is_empty());
        assert!(queue.try_iter().next().is_none());
        receiver.cont();
        receiver.join();
    }
}

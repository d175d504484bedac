//! The queue for many, and processes that are killed or stopped while they copy an item.

use crossdock::Segment;
use crossdock::queue::{
    Queue, Received, RecvError, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError,
    wait_any,
};

use crate::caught::{At, Large, caught, large, number};
use crate::support::process::{Child, Line, asleep, child};
use crate::support::watch;
use crate::{SOON, queue};

/// A queue of 4 with items from 0 on in it, and a receiver that was stopped while it copies the
/// first one.
fn with_a_receiver_in_mid_read(items: u64) -> (Segment, Queue<Large>, Child) {
    let (segment, queue) = queue::<Large>(4);
    for item in 0..items {
        queue.send(large(item)).unwrap();
    }
    let receiver = caught(&segment, 0, At::Touch, || {
        assert_eq!(number(&queue.try_recv().unwrap()), 0);
    });
    (segment, queue, receiver)
}

/// A process that was stopped while it copies an item into that slot.
fn in_mid_send(segment: &Segment, queue: &Queue<Large>, slot: usize, item: u64) -> Child {
    caught(segment, slot, At::Touch, || {
        queue.send(large(item)).unwrap()
    })
}

/// Receives what comes, without ever waiting for it, and whether it comes again.
#[track_caller]
fn polled(queue: &Queue<Large>) -> (u64, bool) {
    loop {
        match queue.try_recv_marked() {
            Ok(received) => return marked(&received),
            Err(TryRecvError::Empty | TryRecvError::Busy) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Receives the two items that are left, of which either may come first.
#[track_caller]
fn two(queue: &Queue<Large>) -> [(u64, bool); 2] {
    let mut got = [polled(queue), polled(queue)];
    got.sort_unstable();
    got
}

#[track_caller]
fn marked(received: &Received<Large>) -> (u64, bool) {
    (number(&received.value), received.redelivered)
}

#[track_caller]
fn rest(queue: &Queue<Large>) -> Vec<u64> {
    let items = queue.try_iter().map(|item| number(&item.unwrap()));
    items.collect()
}

/// Sends and receives some laps of items.
#[track_caller]
fn goes_on(queue: &Queue<Large>) {
    for item in 0..3 * queue.capacity() {
        queue.send(large(item)).unwrap();
        assert_eq!(number(&queue.recv().unwrap()), item);
    }
    let all: Vec<_> = (100..100 + queue.capacity()).collect();
    for item in &all {
        queue.try_send(large(*item)).unwrap();
    }
    assert!(matches!(
        queue.try_send(large(0)),
        Err(TrySendError::Full(_))
    ));
    assert_eq!(rest(queue), all);
    assert_eq!(queue.len(), 0);
}

#[test]
fn what_a_killed_sender_was_writing_is_skipped() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(4);
    queue.send(large(1)).unwrap();
    let sender = in_mid_send(&segment, &queue, 1, 2);
    queue.send(large(3)).unwrap();
    sender.kill();
    assert_eq!(polled(&queue), (1, false));
    assert_eq!(polled(&queue), (3, false));
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    goes_on(&queue);
}

#[test]
fn a_sleeping_receiver_gets_what_was_sent_after_a_killed_sender() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(4);
    let sender = in_mid_send(&segment, &queue, 0, 2);
    queue.send(large(3)).unwrap();
    let receiver = asleep(|| {
        assert_eq!(marked(&queue.recv_marked().unwrap()), (3, false));
    });
    sender.kill();
    receiver.join();
    goes_on(&queue);
}

#[test]
fn a_sleeping_sender_gets_the_slot_of_a_killed_one() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(2);
    queue.send(large(1)).unwrap();
    let dies = in_mid_send(&segment, &queue, 1, 2);
    let line = Line::new();
    let sender = child(|| {
        line.say(1);
        queue.send(large(3)).unwrap();
        queue.send(large(4)).unwrap();
    });
    line.hear();
    assert_eq!(number(&queue.recv().unwrap()), 1);
    sender.sleeps();
    dies.kill();
    assert_eq!(number(&queue.recv().unwrap()), 3);
    assert_eq!(number(&queue.recv().unwrap()), 4);
    sender.join();
    goes_on(&queue);
}

#[test]
fn of_a_slice_whose_sender_was_killed_what_was_committed_arrives() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(4);
    let sender = caught(&segment, 2, At::Touch, || {
        let items = [1, 2, 3, 4].map(large);
        assert_eq!(queue.send_slice(&items).unwrap(), 4);
    });
    sender.kill();
    segment.reap();
    assert_eq!(rest(&queue), [1, 2]);
    goes_on(&queue);
}

#[test]
fn what_a_killed_receiver_was_reading_comes_again_with_a_mark() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(2);
    receiver.kill();
    assert_eq!(two(&queue), [(0, true), (1, false)]);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    goes_on(&queue);
}

#[test]
fn it_comes_again_to_one_who_waits_for_it() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(1);
    receiver.kill();
    assert_eq!(marked(&queue.recv_marked().unwrap()), (0, true));
    goes_on(&queue);
}

#[test]
fn it_comes_again_to_one_who_sleeps_already() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(1);
    let sleeper = asleep(|| {
        assert_eq!(marked(&queue.recv_marked().unwrap()), (0, true));
    });
    receiver.kill();
    sleeper.join();
    goes_on(&queue);
}

#[test]
fn it_comes_again_to_one_who_asks_which_queue_is_ready() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(1);
    let sleeper = asleep(|| {
        assert_eq!(wait_any(&[&queue]).unwrap(), 0);
        assert_eq!(marked(&queue.recv_marked().unwrap()), (0, true));
    });
    receiver.kill();
    sleeper.join();
}

#[test]
fn it_comes_again_when_whoever_got_it_again_was_killed_too() {
    let _watch = watch();
    let (segment, queue, receiver) = with_a_receiver_in_mid_read(1);
    receiver.kill();
    for _ in 0..3 {
        segment.reap();
        let next = caught(&segment, 0, At::Touch, || {
            // All of it: what nobody looks at need not be copied.
            let _ = std::hint::black_box(queue.recv());
        });
        next.kill();
    }
    assert_eq!(marked(&queue.recv_marked().unwrap()), (0, true));
    goes_on(&queue);
}

#[test]
fn the_end_is_told_only_after_it_has_come_again() {
    let _watch = watch();
    for counted in [false, true] {
        let (_segment, queue, receiver) = with_a_receiver_in_mid_read(2);
        if counted {
            drop(queue.sender().unwrap());
        } else {
            queue.close();
        }
        receiver.kill();
        let mut got = Vec::new();
        let over = loop {
            match queue.try_recv_marked() {
                Ok(received) => got.push(marked(&received)),
                Err(error) => break error,
            }
        };
        assert!(matches!(over, TryRecvError::Disconnected), "{over:?}");
        got.sort_unstable();
        assert_eq!(got, [(0, true), (1, false)], "counted: {counted}");
        assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    }
}

#[test]
fn of_a_slice_whose_receiver_was_killed_what_was_not_received_comes_again() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(4);
    queue.send_slice(&[0, 1, 2].map(large)).unwrap();
    let receiver = caught(&segment, 1, At::Touch, || {
        let mut items = [large(9); 3];
        assert_eq!(queue.recv_slice(&mut items).unwrap(), 3);
    });
    receiver.kill();
    assert_eq!(two(&queue), [(1, true), (2, false)]);
    goes_on(&queue);
}

#[test]
fn an_item_whose_replacer_was_killed_over_it_comes_again() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(2);
    queue.send_slice(&[0, 1].map(large)).unwrap();
    let replacer = caught(&segment, 0, At::Touch, || {
        queue.force_send(large(2)).unwrap();
    });
    replacer.kill();
    assert_eq!(two(&queue), [(0, true), (1, false)]);
    goes_on(&queue);
}

#[test]
fn an_item_that_was_replaced_is_gone_whatever_becomes_of_the_other() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(2);
    queue.send_slice(&[0, 1].map(large)).unwrap();
    let replacer = caught(&segment, 0, At::Write, || {
        queue.force_send(large(2)).unwrap();
    });
    replacer.kill();
    segment.reap();
    assert_eq!(rest(&queue), [1]);
    goes_on(&queue);
}

#[test]
fn a_full_queue_goes_on_after_its_receiver_was_killed_in_mid_read() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(4);
    assert!(matches!(
        queue.try_send(large(4)),
        Err(TrySendError::Busy(_))
    ));
    let sender = asleep(|| {
        queue.send(large(4)).unwrap();
    });
    receiver.kill();
    let mut got: Vec<_> = (0..5).map(|_| number(&queue.recv().unwrap())).collect();
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3, 4]);
    sender.join();
    goes_on(&queue);
}

#[test]
fn one_who_replaces_gets_the_slot_of_a_killed_receiver() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(4);
    let replacer = asleep(|| {
        let oldest = queue.force_send(large(4)).unwrap();
        assert_eq!(oldest.map(|item| number(&item)), Some(0));
    });
    receiver.kill();
    replacer.join();
    assert_eq!(rest(&queue), [1, 2, 3, 4]);
    goes_on(&queue);
}

#[test]
fn a_glance_after_a_death_counts_what_comes_again_once() {
    let _watch = watch();
    let (segment, queue, receiver) = with_a_receiver_in_mid_read(2);
    receiver.kill();
    assert_eq!(segment.reap().freed, 1);
    assert_eq!((queue.len(), queue.clone().len()), (2, 2));
}

#[test]
fn a_stopped_sender_is_waited_for_and_its_item_comes_in_its_place() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(4);
    let sender = caught(&segment, 0, At::Touch, || {
        queue.send(large(1)).unwrap();
        queue.send(large(3)).unwrap();
    });
    queue.send(large(2)).unwrap();
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Busy)));
    assert!(!queue.is_empty());
    assert!(matches!(
        queue.try_iter().next(),
        Some(Err(TryRecvError::Busy))
    ));
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    assert_eq!(segment.reap().freed, 0);
    sender.cont();
    let got = [(); 3].map(|()| number(&queue.recv().unwrap()));
    assert_eq!(got, [1, 2, 3]);
    sender.join();
    goes_on(&queue);
}

#[test]
fn the_end_is_not_told_before_a_stopped_sender_in_mid_write_has_made_its_item() {
    let _watch = watch();
    let (segment, queue) = queue::<Large>(4);
    let sender = in_mid_send(&segment, &queue, 0, 1);
    queue.close();
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Busy)));
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    sender.cont();
    assert_eq!(number(&queue.recv().unwrap()), 1);
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    sender.join();
}

#[test]
fn a_stopped_receiver_keeps_its_item_and_its_slot() {
    let _watch = watch();
    let (segment, queue, receiver) = with_a_receiver_in_mid_read(1);
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    for item in 1..4 {
        queue.send(large(item)).unwrap();
    }
    let refused = queue.try_send(large(4));
    assert!(matches!(refused, Err(TrySendError::Busy(_))));
    let refused = queue.send_timeout(large(4), SOON);
    assert!(matches!(refused, Err(SendTimeoutError::Timeout(_))));
    assert_eq!(segment.reap().freed, 0);
    assert_eq!(rest(&queue), [1, 2, 3]);
    let refused = queue.send_timeout(large(4), SOON);
    assert!(matches!(refused, Err(SendTimeoutError::Timeout(_))));
    receiver.cont();
    queue.send(large(4)).unwrap();
    receiver.join();
    assert_eq!(rest(&queue), [4]);
    goes_on(&queue);
}

#[test]
fn one_who_replaces_waits_for_a_stopped_receiver() {
    let _watch = watch();
    let (_segment, queue, receiver) = with_a_receiver_in_mid_read(4);
    let replacer = asleep(|| {
        let oldest = queue.force_send(large(4)).unwrap();
        assert!(oldest.is_none());
    });
    receiver.cont();
    receiver.join();
    replacer.join();
    assert_eq!(rest(&queue), [1, 2, 3, 4]);
}

//! The queue for many, between processes that come, leave, are killed, stopped and forked.

use std::time::Instant;

use crossdock::queue::{
    Queue, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
    Wait,
};

use crate::support::process::{Child, Holder, Line, child, holder, in_child};
use crate::support::watch;
use crate::{SOON, queue};

const ALL: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Park];

#[test]
fn every_item_arrives_once_and_in_order_whatever_the_capacity() {
    let _watch = watch();
    for (capacity, items) in [(2, 5_000), (3, 20_000), (8, 20_000), (1024, 200_000)] {
        let (_segment, queue) = queue::<u64>(capacity);
        let line = Line::new();
        let sender = child(|| {
            let sender = queue.sender().unwrap();
            line.say(1);
            for item in 0..items {
                sender.send(item).unwrap();
            }
        });
        line.hear();
        for item in 0..items {
            assert_eq!(queue.recv().unwrap(), item, "capacity {capacity}");
        }
        assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
        sender.join();
    }
}

#[test]
fn slices_arrive_whole_and_in_order() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(100);
    let items: Vec<u64> = (0..100_000).collect();
    let sender = child(|| {
        let mut rest = &items[..];
        while let Some(first) = rest.first() {
            let sent = match queue.send_slice(&rest[..rest.len().min(37)]) {
                Ok(sent) => sent,
                Err(TrySendError::Full(()) | TrySendError::Busy(())) => {
                    queue.send(*first).unwrap();
                    1
                }
                Err(error) => panic!("{error}"),
            };
            rest = &rest[sent..];
        }
        queue.close();
    });
    let (mut got, mut next) = ([0; 64], 0);
    loop {
        match queue.recv_slice(&mut got) {
            Ok(count) => {
                for item in &got[..count] {
                    assert_eq!(*item, next);
                    next += 1;
                }
            }
            Err(TryRecvError::Empty | TryRecvError::Busy) => std::thread::yield_now(),
            Err(error) => {
                assert!(matches!(error, TryRecvError::Disconnected), "{error}");
                break;
            }
        }
    }
    assert_eq!(next, items.len() as u64);
    sender.join();
}

#[test]
fn of_many_senders_and_receivers_each_gets_each_ones_items_in_order_and_all_are_got() {
    const SENDERS: usize = 3;
    const EACH: u64 = 5_000;
    let _watch = watch();
    for wait in ALL {
        let (segment, queue) = queue::<u64>(5);
        let queue = queue.with_wait(wait);
        let got = segment.create::<crossdock::Counter>("got", 0).unwrap();
        let sum = segment.create::<crossdock::Counter>("sum", 0).unwrap();
        let (ready, go) = (Line::new(), Line::new());
        let senders: Vec<_> = (0..SENDERS as u64)
            .map(|id| {
                child(|| {
                    let sender = queue.sender().unwrap();
                    ready.say(1);
                    go.hear();
                    for item in 0..EACH {
                        sender.send(id << 32 | item).unwrap();
                    }
                })
            })
            .collect();
        senders.iter().for_each(|_| assert_eq!(ready.hear(), 1));
        let receivers: Vec<_> = (0..2)
            .map(|_| {
                child(|| {
                    let mut next = [0; SENDERS];
                    for item in &queue {
                        let item = item.unwrap();
                        let (id, item) = ((item >> 32) as usize, item & 0xffff_ffff);
                        assert!(item >= next[id], "{item} after {}", next[id]);
                        next[id] = item + 1;
                        got.add(1);
                        sum.add(item);
                    }
                })
            })
            .collect();
        senders.iter().for_each(|_| go.say(1));
        senders.into_iter().for_each(Child::join);
        receivers.into_iter().for_each(Child::join);
        let senders = SENDERS as u64;
        assert_eq!(got.load(), senders * EACH, "{wait:?}");
        assert_eq!(sum.load(), senders * (EACH * (EACH - 1) / 2), "{wait:?}");
    }
}

/// A child that waits so in `waits` goes on when `peer`, the last of the other side, was killed or has
/// left.
fn is_told(wait: Wait, peer: Holder, killed: bool, waits: impl FnOnce()) {
    let line = Line::new();
    let waiter = child(|| {
        line.say(1);
        waits();
    });
    line.hear();
    if wait != Wait::Spin {
        waiter.sleeps();
    }
    if killed {
        peer.kill();
    } else {
        peer.release();
    }
    waiter.join();
}

#[test]
fn a_sleeping_receiver_is_told_that_the_last_sender_was_killed_or_has_left() {
    let _watch = watch();
    for (wait, killed) in ALL.iter().flat_map(|wait| [(*wait, true), (*wait, false)]) {
        let (_segment, queue) = queue::<u64>(2);
        let queue = queue.with_wait(wait);
        let (first, last) = (
            holder(|| queue.sender().unwrap()),
            holder(|| queue.sender().unwrap()),
        );
        first.kill();
        let ended = queue.recv_timeout(SOON);
        assert!(matches!(ended, Err(RecvTimeoutError::Timeout)), "{wait:?}");
        is_told(wait, last, killed, || {
            let ended = queue.recv();
            assert!(matches!(ended, Err(RecvError::Disconnected)), "{wait:?}");
        });
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
        let _another = queue.sender().unwrap();
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    }
}

#[test]
fn a_sleeping_sender_is_told_that_the_last_receiver_was_killed_or_has_left() {
    let _watch = watch();
    for (wait, killed) in ALL.iter().flat_map(|wait| [(*wait, true), (*wait, false)]) {
        let (_segment, queue) = queue::<u64>(2);
        let queue = queue.with_wait(wait);
        queue.send_slice(&[1, 2]).unwrap();
        let receiver = holder(|| queue.receiver().unwrap());
        is_told(wait, receiver, killed, || {
            let ended = queue.send(3);
            assert!(matches!(ended, Err(SendError::Disconnected(3))), "{wait:?}");
        });
        assert!(matches!(
            queue.try_send(4),
            Err(TrySendError::Disconnected(4))
        ));
        assert!(matches!(
            queue.send_slice(&[4]),
            Err(TrySendError::Disconnected(()))
        ));
        assert!(matches!(
            queue.force_send(4),
            Err(SendError::Disconnected(4))
        ));
        let again = queue.receiver().unwrap();
        assert_eq!((again.recv().unwrap(), again.recv().unwrap()), (1, 2));
        queue.send(4).unwrap();
    }
}

#[test]
fn whoever_sleeps_is_told_that_the_queue_was_closed() {
    let _watch = watch();
    let (segment, empty) = queue::<u64>(2);
    let full: Queue<u64> = segment.create("full", 2).unwrap();
    full.send_slice(&[1, 2]).unwrap();
    let line = Line::new();
    let waiters: Vec<_> = [(true, false), (true, false), (false, true), (false, true)]
        .into_iter()
        .map(|(receives, sends)| {
            child(|| {
                line.say(1);
                if receives {
                    assert!(matches!(empty.recv(), Err(RecvError::Disconnected)));
                }
                if sends {
                    assert!(matches!(full.send(3), Err(SendError::Disconnected(3))));
                }
            })
        })
        .collect();
    waiters.iter().for_each(|_| assert_eq!(line.hear(), 1));
    waiters.iter().for_each(Child::sleeps);
    empty.close();
    full.close();
    waiters.into_iter().for_each(Child::join);
    assert_eq!((full.recv().unwrap(), full.recv().unwrap()), (1, 2));
    assert!(matches!(full.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_stopped_sender_still_counts() {
    let _watch = watch();
    for wait in ALL {
        let (segment, queue) = queue::<u64>(2);
        let queue = queue.with_wait(wait);
        let sender = holder(|| queue.sender().unwrap());
        sender.child.stop();
        let begin = Instant::now();
        assert!(matches!(
            queue.recv_timeout(SOON),
            Err(RecvTimeoutError::Timeout)
        ));
        assert!(begin.elapsed() >= SOON, "{wait:?}");
        let ended = queue.recv_timeout(begin);
        assert!(matches!(ended, Err(RecvTimeoutError::Timeout)), "{wait:?}");
        assert_eq!(segment.reap().freed, 0);
        sender.child.cont();
        sender.release();
        assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    }
}

#[test]
fn a_full_queue_waits_until_its_time_and_gives_the_value_back() {
    let _watch = watch();
    for wait in ALL {
        let (_segment, queue) = queue::<u64>(2);
        let queue = queue.with_wait(wait);
        queue.send_slice(&[1, 2]).unwrap();
        let begin = Instant::now();
        let refused = queue.send_timeout(3, SOON);
        assert!(
            matches!(refused, Err(SendTimeoutError::Timeout(3))),
            "{wait:?}"
        );
        assert!(begin.elapsed() >= SOON, "{wait:?}");
        let refused = queue.send_timeout(3, begin);
        assert!(
            matches!(refused, Err(SendTimeoutError::Timeout(3))),
            "{wait:?}"
        );
    }
}

#[test]
fn a_leaked_sender_is_counted_no_more_when_its_process_ends() {
    let _watch = watch();
    let (segment, queue) = queue::<u64>(2);
    in_child(|| std::mem::forget(queue.sender().unwrap()));
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    in_child(|| std::mem::forget(queue.sender().unwrap()));
    segment.reap();
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
}

#[test]
fn in_a_forked_child_an_inherited_queue_is_a_participants_of_its_own() {
    let _watch = watch();
    let (segment, queue) = queue::<u64>(4);
    queue.send(1).unwrap();
    in_child(|| {
        let before = segment.participants().len();
        queue.send(2).unwrap();
        assert_eq!(queue.recv().unwrap(), 1);
        assert_eq!(segment.participants().len(), before + 1);
    });
    assert_eq!(queue.recv().unwrap(), 2);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
}

#[test]
fn in_a_forked_child_inherited_senders_and_receivers_do_not_count() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(4);
    let (sender, receiver) = (queue.sender().unwrap(), queue.receiver().unwrap());
    in_child(|| {
        // SAFETY: this process's copies, which it does not touch again.
        drop(unsafe { std::ptr::read(&sender) });
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&receiver) });
    });
    in_child(|| {
        // Used, so that the child has a tag of its own when it drops them.
        sender.send(1).unwrap();
        assert_eq!(receiver.recv().unwrap(), 1);
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&sender) });
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(&receiver) });
    });
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    queue.send(2).unwrap();
    assert_eq!(queue.recv().unwrap(), 2);
    let child = holder(|| ());
    drop(sender);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
    drop(receiver);
    assert!(matches!(
        queue.try_send(3),
        Err(TrySendError::Disconnected(3))
    ));
    child.release();
}

#[test]
fn a_forked_childs_own_sender_counts_beside_its_parents() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(4);
    let sender = queue.sender().unwrap();
    let child = holder(|| sender.sender().unwrap());
    drop(sender);
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    child.kill();
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
}

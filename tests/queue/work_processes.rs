//! The work queue between processes that are killed, stopped and forked, and that sleep.

use std::time::{Duration, Instant};

use crossdock::Fault;
use crossdock::queue::{
    ByteOptions, ByteQueue, Queue, RecvError, RecvTimeoutError, SendError, SendTimeoutError,
    TryRecvError, TrySendError, Wait, wait_any, wait_any_timeout,
};
use crossdock::{Counter, Segment};

use crate::SOON;
use crate::support::process::{Child, Line, asleep, child, holder, in_child};
use crate::support::watch;
use crate::work::{done, goes_on, work};

const ALL: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Park];

#[test]
fn several_workers_do_each_message_once() {
    let _watch = watch();
    const EACH: u64 = 3000;
    for wait in ALL {
        let (segment, queue) = work::<u64>(8);
        let queue = queue.with_wait(wait);
        let [acked, sum] = ["acked", "sum"].map(|name| segment.create::<Counter>(name, 0).unwrap());
        let (go, ready) = (Line::new(), Line::new());
        let senders = [(); 2].map(|()| {
            child(|| {
                let sender = queue.sender().unwrap();
                ready.say(1);
                go.hear();
                (0..EACH).for_each(|item| sender.send(item).unwrap());
            })
        });
        senders.iter().for_each(|_| assert_eq!(ready.hear(), 1));
        let workers = [(); 3].map(|()| {
            child(|| {
                for delivery in queue.iter() {
                    let delivery = delivery.unwrap();
                    sum.add(*delivery);
                    acked.add(1);
                    delivery.ack().unwrap();
                }
            })
        });
        senders.iter().for_each(|_| go.say(1));
        senders.into_iter().for_each(Child::join);
        workers.into_iter().for_each(Child::join);
        assert_eq!(acked.load(), 2 * EACH, "{wait:?}");
        assert_eq!(sum.load(), EACH * (EACH - 1), "{wait:?}");
        queue.wait_idle().unwrap();
        assert_eq!(queue.free_capacity(), 8);
    }
}

#[test]
fn what_a_killed_holder_had_comes_again_one_attempt_later() {
    let _watch = watch();
    for (wait, sleeps) in ALL.iter().flat_map(|wait| [(*wait, false), (*wait, true)]) {
        let (_segment, queue) = work::<u64>(4);
        let queue = queue.with_wait(wait);
        queue.send(7).unwrap();
        let held = holder(|| queue.recv().unwrap());
        queue.send(8).unwrap();
        if sleeps {
            assert_eq!(done(&queue), (8, 1), "it delays nobody");
            let begin = Instant::now();
            assert!(matches!(
                queue.recv_timeout(SOON),
                Err(RecvTimeoutError::Timeout)
            ));
            assert!(begin.elapsed() >= SOON);
            let line = Line::new();
            let waiter = child(|| {
                line.say(1);
                assert_eq!(done(&queue), (7, 2), "{wait:?}");
            });
            line.hear();
            if wait != Wait::Spin {
                waiter.sleeps();
            }
            held.kill();
            waiter.join();
        } else {
            held.kill();
            let mut got = [done(&queue), done(&queue)];
            got.sort_unstable();
            assert_eq!(got, [(7, 2), (8, 1)], "{wait:?}");
        }
        goes_on(&queue);
    }
}

#[test]
fn who_only_tries_finds_what_a_killed_holder_had() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(1);
    queue.send(7).unwrap();
    for attempt in 1..=3 {
        let held = holder(|| {
            let held = queue.recv().unwrap();
            assert_eq!((*held, held.attempt()), (7, attempt));
            held
        });
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        assert!(matches!(queue.try_send(8), Err(TrySendError::Full(8))));
        held.kill();
    }
    // Whoever finds no place looks as well.
    assert!(matches!(
        queue.send_timeout(8, SOON),
        Err(SendTimeoutError::Timeout(8))
    ));
    let taker = holder(|| queue.dead_letters().take().unwrap().unwrap());
    assert!(queue.dead_letters().is_empty() && queue.is_idle());
    taker.kill();
    queue.wait_idle().unwrap();
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    let letter = queue.dead_letters().take().unwrap().unwrap();
    assert_eq!((*letter, letter.attempt()), (7, 3));
    letter.ack().unwrap();
    goes_on(&queue);
}

#[test]
fn the_place_of_a_killed_loaner_is_free_and_nothing_is_sent() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(2);
    let held = holder(|| {
        let mut loan = queue.loan().unwrap();
        *loan = 7;
        loan
    });
    queue.send(8).unwrap();
    let sender = asleep(|| queue.send(9).unwrap());
    held.kill();
    sender.join();
    assert_eq!([done(&queue), done(&queue)], [(8, 1), (9, 1)]);
    goes_on(&queue);
}

#[test]
fn what_a_killed_sender_had_sent_arrives() {
    let _watch = watch();
    let (segment, queue) = work::<u64>(3);
    let sender = holder(|| (1..=3).for_each(|item| queue.send(item).unwrap()));
    sender.kill();
    assert_eq!(segment.reap().freed, 1);
    assert!(!queue.is_idle());
    (1..=3).for_each(|item| assert_eq!(done(&queue), (item, 1)));
    goes_on(&queue);
}

#[test]
fn a_stopped_loaner_or_holder_delays_nobody() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(4);
    queue.send(7).unwrap();
    let stopped = holder(|| (queue.recv().unwrap(), queue.loan().unwrap()));
    stopped.child.stop();
    for item in 0..1000 {
        queue.send(item).unwrap();
        assert_eq!(done(&queue), (item, 1));
    }
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    assert_eq!(queue.free_capacity(), 2);
    stopped.child.cont();
    stopped.release();
    assert_eq!(done(&queue), (7, 2));
    goes_on(&queue);
}

#[test]
fn a_sleeping_sender_is_woken_by_an_acknowledgement() {
    let _watch = watch();
    for loans in [false, true] {
        let (_segment, queue) = work::<u64>(2);
        queue.send(1).unwrap();
        queue.send(2).unwrap();
        let waiter = asleep(|| {
            if loans {
                let mut loan = queue.loan().unwrap();
                *loan = 3;
                loan.send().unwrap();
            } else {
                queue.send(3).unwrap();
            }
        });
        let held = queue.recv().unwrap();
        assert!(
            matches!(queue.try_loan(), Err(TrySendError::Full(()))),
            "held"
        );
        held.ack().unwrap();
        waiter.join();
        assert_eq!([done(&queue), done(&queue)], [(2, 1), (3, 1)]);
        goes_on(&queue);
    }
}

/// Whether a waiting receiver of a closed queue is told its end by what another does with the last
/// message that is in its hands.
fn end_of_a_held_message(ends: impl FnOnce(crate::support::process::Holder), comes: Option<u8>) {
    let (_segment, queue) = work::<u64>(4);
    queue.send(7).unwrap();
    let held = holder(|| queue.recv().unwrap());
    queue.close();
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    let waiters = [(); 2].map(|()| {
        asleep(|| {
            let got: Vec<_> = queue.iter().map(|got| got.unwrap()).collect();
            for got in got {
                assert_eq!((*got, Some(got.attempt())), (7, comes));
                got.ack().unwrap();
            }
        })
    });
    ends(held);
    waiters.into_iter().for_each(Child::join);
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    queue.wait_idle().unwrap();
    assert_eq!(queue.free_capacity(), 4);
}

#[test]
fn receivers_of_a_closed_queue_wait_for_what_others_hold() {
    let _watch = watch();
    end_of_a_held_message(|held| held.kill(), Some(2));
    end_of_a_held_message(|held| held.release(), Some(2));
}

#[test]
fn an_acknowledgement_tells_the_end_to_who_waits_for_it() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(4);
    queue.send(7).unwrap();
    let go = Line::new();
    let held = Line::new();
    let holder = child(|| {
        let delivery = queue.recv().unwrap();
        held.say(1);
        go.hear();
        delivery.ack().unwrap();
        go.hear();
    });
    held.hear();
    queue.close();
    let waiters =
        [(); 3].map(|()| asleep(|| assert!(matches!(queue.recv(), Err(RecvError::Disconnected)))));
    go.say(1);
    waiters.into_iter().for_each(Child::join);
    go.say(1);
    holder.join();
}

#[test]
fn whoever_sleeps_is_told_that_the_queue_was_closed() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(1);
    let receiver = asleep(|| assert!(matches!(queue.recv(), Err(RecvError::Disconnected))));
    queue.close();
    receiver.join();
    let (_segment, queue) = work::<u64>(1);
    queue.send(1).unwrap();
    let sender = asleep(|| assert!(matches!(queue.send(2), Err(SendError::Disconnected(2)))));
    queue.close();
    sender.join();
    assert_eq!(done(&queue), (1, 1));
}

#[test]
fn the_last_sender_or_receiver_that_is_killed_is_the_end() {
    let _watch = watch();
    for wait in ALL {
        let (_segment, queue) = work::<u64>(1);
        let queue = queue.with_wait(wait);
        let (first, last) = (
            holder(|| queue.sender().unwrap()),
            holder(|| queue.sender().unwrap()),
        );
        first.kill();
        assert!(matches!(
            queue.recv_timeout(SOON),
            Err(RecvTimeoutError::Timeout)
        ));
        let line = Line::new();
        let waiter = child(|| {
            line.say(1);
            assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
        });
        line.hear();
        last.kill();
        waiter.join();
        let receiver = holder(|| queue.receiver().unwrap());
        let _sender = queue.sender().unwrap();
        queue.send(1).unwrap();
        let waiter = child(|| {
            line.say(1);
            assert!(matches!(queue.send(2), Err(SendError::Disconnected(2))));
        });
        line.hear();
        receiver.kill();
        waiter.join();
        let again = queue.receiver().unwrap();
        assert_eq!(done(&again), (1, 1));
        goes_on(&queue);
    }
}

/// A counted receiver that is killed with a message in hand is gone, and its message is not.
#[test]
fn a_killed_receiver_leaves_its_message_to_the_next() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(2);
    queue.send(1).unwrap();
    let worker = holder(|| {
        let receiver = queue.receiver().unwrap();
        std::mem::forget(receiver.recv().unwrap());
        receiver
    });
    queue.send(2).unwrap();
    worker.kill();
    assert!(matches!(
        queue.send_timeout(3, SOON),
        Err(SendTimeoutError::Disconnected(3))
    ));
    let receiver = queue.receiver().unwrap();
    assert_eq!([done(&receiver), done(&receiver)], [(1, 2), (2, 1)]);
    goes_on(&queue);
}

#[test]
fn wait_idle_waits_for_holders_and_for_what_killed_ones_had() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(4);
    let idle = queue.clone().with_wait(Wait::Park);
    queue.send(1).unwrap();
    let dies = holder(|| queue.recv().unwrap());
    let waiter = asleep(|| idle.wait_idle().unwrap());
    dies.kill();
    // It is not idle: the message is there again.
    let again = queue.recv().unwrap();
    assert_eq!((*again, again.attempt()), (1, 2));
    waiter.sleeps();
    queue.send(2).unwrap();
    again.ack().unwrap();
    waiter.sleeps();
    assert_eq!(done(&queue), (2, 1));
    waiter.join();
    queue.send(3).unwrap();
    let waiters = [(); 2].map(|()| asleep(|| idle.wait_idle().unwrap()));
    queue.recv().unwrap().reject().unwrap();
    waiters.into_iter().for_each(Child::join);
}

#[test]
fn wait_idle_is_not_told_in_between_by_processes_that_pass_messages_on() {
    let _watch = watch();
    const STEPS: u64 = 5000;
    let (segment, queue) = work::<u64>(4);
    let last = segment.create::<Counter>("last", 0).unwrap();
    queue.send(0).unwrap();
    let workers = [(); 2].map(|()| {
        child(|| {
            while let Ok(held) = queue.recv() {
                if *held == STEPS {
                    last.add(1);
                } else {
                    queue.send(*held + 1).unwrap();
                }
                held.ack().unwrap();
            }
        })
    });
    queue.wait_idle().unwrap();
    assert_eq!(last.load(), 1);
    queue.close();
    workers.into_iter().for_each(Child::join);
}

/// What a child has inherited, which its parent goes on to use.
fn copy<T>(inherited: &T) -> T {
    // SAFETY: called in a child only, which owns its memory, and ends without dropping the original.
    unsafe { std::ptr::read(inherited) }
}

#[test]
fn in_a_forked_child_what_is_inherited_does_nothing() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(4);
    queue.send(1).unwrap();
    let held = queue.recv().unwrap();
    let mut loan = queue.loan().unwrap();
    *loan = 2;
    let room = queue.free_capacity();
    for joins in [false, true] {
        in_child(|| {
            if joins {
                // It is a participant of its own now.
                queue.send(9).unwrap();
                assert_eq!(done(&queue), (9, 1));
            }
            drop((copy(&held), copy(&loan)));
            assert_eq!(copy(&held).ack(), Err(Fault::NotOwner));
            let late = Duration::from_secs(3600);
            assert_eq!(copy(&held).nack(late), Err(Fault::NotOwner));
            assert_eq!(copy(&held).reject(), Err(Fault::NotOwner));
            let error = copy(&loan).send().unwrap_err();
            assert!(
                matches!(error, SendError::Fault((), Fault::NotOwner)),
                "{error}"
            );
        });
        assert_eq!(queue.free_capacity(), room);
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    }
    loan.send().unwrap();
    assert_eq!(done(&queue), (2, 1));
    drop(held);
    assert_eq!(done(&queue), (1, 2));
    goes_on(&queue);
}

#[test]
fn in_a_forked_child_an_inherited_loan_of_bytes_says_that_it_is_lost() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let options = ByteOptions::new(4).cell_size(16);
    let queue = segment.create::<ByteQueue>("bytes", options).unwrap();
    for len in [3, 40] {
        let loan = queue.loan(len).unwrap();
        let room = queue.free_capacity();
        in_child(|| {
            drop(copy(&loan));
            let error = copy(&loan).send().unwrap_err();
            assert!(
                matches!(error, SendError::Fault((), Fault::NotOwner)),
                "{error}"
            );
            assert!(error.to_string().contains("a forked child of the owner"));
        });
        assert_eq!(queue.free_capacity(), room);
        loan.send().unwrap();
        let sent = queue.try_recv().unwrap();
        assert_eq!(sent.len(), len);
        sent.ack().unwrap();
    }
}

#[test]
fn several_queues_of_both_kinds_are_waited_for_at_once() {
    let _watch = watch();
    let (segment, jobs) = work::<u64>(4);
    let ring = segment.create::<Queue<u64>>("ring", 4).unwrap();
    let both = || wait_any(&[&ring, &jobs]).unwrap();
    let (line, go) = (Line::new(), Line::new());
    let waiter = asleep(|| {
        assert_eq!(both(), 1);
        let held = jobs.try_recv().unwrap();
        line.say(1);
        assert_eq!(both(), 0);
        assert_eq!(ring.try_recv().unwrap(), 6);
        // A message that comes back.
        held.nack(Duration::from_millis(5)).unwrap();
        assert_eq!(both(), 1);
        assert_eq!(done(&jobs), (5, 2));
        // One whose holder is killed.
        line.say(1);
        go.hear();
        line.say(1);
        assert_eq!(both(), 1);
        assert_eq!(done(&jobs), (7, 2));
        assert_eq!(both(), 1, "the end");
        assert!(matches!(jobs.try_recv(), Err(TryRecvError::Disconnected)));
    });
    jobs.send(5).unwrap();
    line.hear();
    waiter.sleeps();
    ring.send(6).unwrap();
    line.hear();
    let sender = jobs.sender().unwrap();
    let dies = holder(|| {
        sender.send(7).unwrap();
        jobs.recv().unwrap()
    });
    go.say(1);
    line.hear();
    waiter.sleeps();
    dies.kill();
    drop(sender);
    waiter.join();
    let (_segment, empty) = work::<u64>(2);
    assert!(wait_any_timeout(&[&empty, &ring], SOON).is_err());
}

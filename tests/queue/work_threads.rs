//! The end of a work queue between the threads of one process: a message that another thread has can come
//! back, since a thread can end by a panic; what a thread has itself cannot.

use std::sync::mpsc::channel;

use crossdock::Segment;
use crossdock::queue::{
    ByteQueue, Delivery, RecvError, RecvTimeoutError, TryRecvError, WaitAnyError, WorkQueue,
    wait_any, wait_any_timeout,
};

use crate::SOON;
use crate::support::process::{asleep, child};
use crate::support::watch;

fn work(capacity: u64) -> (Segment, WorkQueue<u64>) {
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create("work", capacity).unwrap();
    (segment, queue)
}

/// What a thread does with a delivery of a closed queue, and what another one gets then that has waited
/// for it: the message once more, or the end.
#[track_caller]
fn while_another_has_it(
    queue: &WorkQueue<u64>,
    end: impl FnOnce(Delivery<'_, u64>) + Send,
) -> Option<u64> {
    std::thread::scope(|scope| {
        // Of the thread's own ends, so that a test that fails ends.
        let ((say, has), (told, hear)) = (channel(), channel());
        let holder = scope.spawn(move || {
            let delivery = queue.recv().unwrap();
            say.send(()).unwrap();
            hear.recv().unwrap();
            end(delivery);
        });
        has.recv().unwrap();
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        assert!(matches!(
            queue.recv_timeout(SOON),
            Err(RecvTimeoutError::Timeout)
        ));
        let waited = wait_any_timeout(&[queue], SOON);
        assert!(matches!(waited, Err(WaitAnyError::Timeout)));
        told.send(()).unwrap();
        let got = match queue.recv() {
            Ok(delivery) => {
                assert_eq!(delivery.attempt(), 2);
                let item = *delivery;
                delivery.ack().unwrap();
                Some(item)
            }
            Err(RecvError::Disconnected) => None,
            Err(error) => panic!("{error}"),
        };
        // Some of them panic.
        let _ = holder.join();
        got
    })
}

#[test]
fn what_a_thread_has_that_panics_comes_to_another_before_the_end() {
    let _watch = watch();
    type End = fn(Delivery<'_, u64>);
    let ends: [(End, Option<u64>); 4] = [
        (|_delivery| std::panic::panic_any("as it should"), Some(7)),
        (|delivery| drop(delivery), Some(7)),
        (|delivery| delivery.ack().unwrap(), None),
        (|delivery| delivery.reject().unwrap(), None),
    ];
    for (end, comes) in ends {
        let (_segment, queue) = work(4);
        queue.send(7).unwrap();
        queue.close();
        assert_eq!(while_another_has_it(&queue, end), comes);
        assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
        assert!(queue.is_idle());
    }
}

#[test]
fn a_thread_that_has_seven_and_takes_the_eighth_is_told_of_the_end() {
    let _watch = watch();
    let (segment, queue) = work(8);
    // Handles of one queue, one of them opened apart.
    let handles = [
        queue.clone(),
        segment.open::<WorkQueue<u64>>("work").unwrap(),
    ];
    for item in 0..8 {
        queue.send(item).unwrap();
    }
    let mut held: Vec<_> = (0..7).map(|at| handles[at % 2].recv().unwrap()).collect();
    queue.close();
    held.push(handles[1].recv().unwrap());
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    for handle in &handles {
        assert!(matches!(handle.try_recv(), Err(TryRecvError::Disconnected)));
        assert_eq!(wait_any(&[handle]).unwrap(), 0);
    }
    held.into_iter().for_each(|one| one.ack().unwrap());
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    assert!(queue.is_idle());
}

#[test]
fn what_a_thread_gave_back_and_another_took_is_the_others() {
    let _watch = watch();
    let (_segment, queue) = work(1);
    queue.send(7).unwrap();
    queue.close();
    // The note of the first delivery is this thread's.
    drop(queue.recv().unwrap());
    assert_eq!(
        while_another_has_it_again(&queue),
        Some(7),
        "it was taken for this thread's"
    );
}

#[track_caller]
fn while_another_has_it_again(queue: &WorkQueue<u64>) -> Option<u64> {
    std::thread::scope(|scope| {
        let ((say, has), (told, hear)) = (channel(), channel::<()>());
        scope.spawn(move || {
            let delivery = queue.recv().unwrap();
            assert_eq!(delivery.attempt(), 2);
            say.send(()).unwrap();
            let _ = hear.recv();
            drop(delivery);
        });
        has.recv().unwrap();
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
        drop(told);
        let delivery = queue.recv().ok()?;
        let item = *delivery;
        delivery.ack().ok()?;
        Some(item)
    })
}

#[test]
fn many_threads_of_two_processes_leave_nothing_when_some_panic() {
    let _watch = watch();
    for round in 0..20 {
        let (_segment, queue) = work(64);
        for item in 0..64 {
            queue.send(item).unwrap();
        }
        queue.close();
        // Fewer threads panic than there are.
        let panics = |delivery: &Delivery<'_, u64>| {
            let item = (**delivery + round) % 64;
            delivery.attempt() == 1 && matches!(item, 7 | 31 | 63)
        };
        let works = || {
            std::thread::scope(|scope| {
                let worker = || {
                    for delivery in queue.clone().iter() {
                        let delivery = delivery.unwrap();
                        if panics(&delivery) {
                            std::panic::panic_any("as it should");
                        }
                        delivery.ack().unwrap();
                    }
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
                for thread in threads {
                    let _ = thread.join();
                }
            });
        };
        let other = child(works);
        works();
        other.join();
        assert!(queue.is_idle(), "somebody was told of the end too early");
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
    }
}

#[test]
fn bytes_that_another_thread_has_are_waited_for() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let queue: ByteQueue = segment.create("bytes", 4).unwrap();
    queue.send(b"message").unwrap();
    queue.close();
    let delivery = queue.recv().unwrap();
    // To its own thread it is the end.
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert!(matches!(
                queue.recv_timeout(SOON),
                Err(RecvTimeoutError::Timeout)
            ));
        });
        other.join().unwrap();
    });
    drop(delivery);
    queue.recv().unwrap().ack().unwrap();
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_forked_child_has_none_of_its_parents_threads_messages() {
    let _watch = watch();
    let (_segment, queue) = work(2);
    queue.send(7).unwrap();
    let delivery = queue.recv().unwrap();
    queue.close();
    let waits = asleep(|| {
        let again = queue.recv().unwrap();
        assert_eq!((*again, again.attempt()), (7, 2));
        again.ack().unwrap();
    });
    drop(delivery);
    waits.join();
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
}

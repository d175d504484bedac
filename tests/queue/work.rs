//! The work queue in one process: what its operations do, and refuse.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossdock::bytemuck::{Pod, Zeroable};
use crossdock::queue::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
    WaitIdleError, WorkOptions, WorkQueue,
};
use crossdock::{Fault, Payload, Segment, SegmentOptions};

use crate::SOON;
use crate::support::image::bytes;
use crate::support::watch;

/// A work queue in a segment of its own, whose messages are dead letters after 3 deliveries.
pub(crate) fn work<T: Payload + Pod>(capacity: u64) -> (Segment, WorkQueue<T>) {
    let segment = Segment::anonymous().unwrap();
    let options = WorkOptions::new(capacity).max_attempts(3);
    let queue = segment.create("work", options).unwrap();
    (segment, queue)
}

/// Receives a message that is there, and acknowledges it: what it says, and its attempt.
#[track_caller]
pub(crate) fn done(queue: &WorkQueue<u64>) -> (u64, u8) {
    let delivery = queue.recv().unwrap();
    let seen = (*delivery, delivery.attempt());
    delivery.ack().unwrap();
    seen
}

/// Sends and acknowledges some laps of messages.
#[track_caller]
pub(crate) fn goes_on(queue: &WorkQueue<u64>) {
    assert_eq!(queue.free_capacity(), queue.capacity());
    for item in 0..3 * queue.capacity() {
        queue.send(item).unwrap();
        assert_eq!(done(queue), (item, 1));
    }
    let all = || 100..100 + queue.capacity();
    all().for_each(|item| queue.try_send(item).unwrap());
    assert!(matches!(queue.try_send(0), Err(TrySendError::Full(0))));
    assert_eq!(queue.free_capacity(), 0);
    all().for_each(|item| assert_eq!(done(queue), (item, 1)));
    queue.wait_idle().unwrap();
}

#[test]
fn messages_come_in_order_over_many_laps() {
    for capacity in [1, 2, 3, 5, 64, 100] {
        let (_segment, queue) = work::<u64>(capacity);
        let other = queue.clone();
        for lap in 0..5 {
            let items: Vec<_> = (0..capacity).map(|item| lap * 1000 + item).collect();
            for item in &items {
                queue.try_send(*item).unwrap();
            }
            assert!(matches!(other.try_send(9), Err(TrySendError::Full(9))));
            let held: Vec<_> = items.iter().map(|_| other.recv().unwrap()).collect();
            let got: Vec<_> = held.iter().map(|held| **held).collect();
            assert_eq!(got, items);
            assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
            assert!(
                matches!(queue.try_send(9), Err(TrySendError::Full(9))),
                "held"
            );
            for delivery in held.into_iter().rev() {
                delivery.ack().unwrap();
            }
        }
        goes_on(&queue);
    }
}

#[test]
fn a_message_is_written_and_read_where_it_is() {
    let (segment, queue) = work::<[u64; 100]>(3);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let of_a_memfd = |at: usize| {
        let line = maps.lines().find(|line| {
            let (range, _) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            (number(from)..number(to)).contains(&at)
        });
        line.unwrap().contains("/memfd:")
    };
    let mut loan = queue.loan().unwrap();
    let written = std::ptr::from_ref(&*loan).addr();
    assert!(of_a_memfd(written));
    loan[99] = 0x7777_1234_5678_9abc;
    let is_in_the_file = || {
        let needle = 0x7777_1234_5678_9abc_u64.to_le_bytes();
        bytes(&segment.as_fd())
            .windows(8)
            .any(|window| window == needle)
    };
    assert!(is_in_the_file());
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    loan.send().unwrap();
    let delivery = queue.recv().unwrap();
    assert_eq!(std::ptr::from_ref(&*delivery).addr(), written);
    assert_eq!(delivery[99], 0x7777_1234_5678_9abc);
    let message = format!("{delivery:?}");
    assert!(message.contains("attempt: 1"), "{message}");
    delivery.ack().unwrap();
}

#[test]
fn a_loan_that_is_dropped_is_a_place_again() {
    let (_segment, queue) = work::<u64>(2);
    let loans = [queue.loan().unwrap(), queue.try_loan().unwrap()];
    assert_eq!(queue.free_capacity(), 0);
    assert!(matches!(queue.try_loan(), Err(TrySendError::Full(()))));
    assert!(queue.is_idle(), "nothing was sent");
    drop(loans);
    goes_on(&queue);
}

#[test]
fn loans_are_sent_in_the_order_of_their_sending() {
    let (_segment, queue) = work::<u64>(3);
    let mut loans = [(); 3].map(|()| queue.loan().unwrap());
    for (number, loan) in loans.iter_mut().enumerate() {
        **loan = number as u64;
    }
    let [first, second, third] = loans;
    third.send().unwrap();
    first.send().unwrap();
    drop(second);
    assert_eq!([(); 2].map(|()| done(&queue).0), [2, 0]);
    goes_on(&queue);
}

#[test]
fn what_waits_ends_at_its_time() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(1);
    let begin = Instant::now();
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    queue.send(1).unwrap();
    assert!(matches!(
        queue.loan_timeout(SOON),
        Err(SendTimeoutError::Timeout(()))
    ));
    assert!(matches!(
        queue.send_timeout(2, SOON),
        Err(SendTimeoutError::Timeout(2))
    ));
    assert!(matches!(
        queue.wait_idle_timeout(SOON),
        Err(WaitIdleError::Timeout)
    ));
    assert!(begin.elapsed() >= 4 * SOON);
    assert!(matches!(
        queue.loan_timeout(begin),
        Err(SendTimeoutError::Timeout(()))
    ));
    assert!(matches!(
        queue.send_timeout(2, begin),
        Err(SendTimeoutError::Timeout(2))
    ));
    assert!(matches!(
        queue.wait_idle_timeout(begin),
        Err(WaitIdleError::Timeout)
    ));
    // What is there is had, however late it is.
    queue.recv_timeout(begin).unwrap().ack().unwrap();
    assert!(matches!(
        queue.recv_timeout(begin),
        Err(RecvTimeoutError::Timeout)
    ));
    queue.wait_idle_timeout(begin).unwrap();
    queue.send_timeout(3, begin).unwrap();
    assert_eq!(done(&queue), (3, 1));
}

#[test]
fn what_is_dropped_or_given_back_comes_again_before_what_waits() {
    let (_segment, queue) = work::<u64>(4);
    (1..=3).for_each(|item| queue.send(item).unwrap());
    drop(queue.recv().unwrap());
    let again = queue.recv().unwrap();
    assert_eq!((*again, again.attempt()), (1, 2));
    again.nack(Duration::ZERO).unwrap();
    assert_eq!(done(&queue), (1, 3));
    assert_eq!([done(&queue), done(&queue)], [(2, 1), (3, 1)]);
    goes_on(&queue);
}

#[test]
fn after_the_most_attempts_it_is_a_dead_letter_until_it_is_acknowledged() {
    let (_segment, queue) = work::<u64>(2);
    queue.send(5).unwrap();
    let letters = queue.dead_letters();
    for attempt in 1..=3 {
        assert!(letters.is_empty() && letters.take().unwrap().is_none());
        assert!(!queue.is_idle());
        let delivery = queue.recv().unwrap();
        assert_eq!((*delivery, delivery.attempt()), (5, attempt));
        assert!(!queue.is_idle());
    }
    assert_eq!(letters.len(), 1);
    assert!(queue.is_idle(), "a dead letter is done");
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(queue.free_capacity(), 1, "it takes up a place");
    // More often than attempts are counted.
    for _ in 0..200 {
        let letter = letters.take().unwrap().unwrap();
        assert_eq!((*letter, letter.attempt()), (5, 3));
        assert!(letters.is_empty() && queue.is_idle());
        assert!(letters.take().unwrap().is_none());
    }
    letters
        .take()
        .unwrap()
        .unwrap()
        .nack(Duration::from_secs(1))
        .unwrap();
    letters.take().unwrap().unwrap().reject().unwrap();
    letters.take().unwrap().unwrap().ack().unwrap();
    assert!(letters.is_empty());
    goes_on(&queue);
}

#[test]
fn a_message_that_is_rejected_is_a_dead_letter_at_once() {
    let (_segment, queue) = work::<u64>(2);
    queue.send(5).unwrap();
    queue.recv().unwrap().reject().unwrap();
    assert!(queue.is_idle());
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    let letter = queue.dead_letters().take().unwrap().unwrap();
    assert_eq!((*letter, letter.attempt()), (5, 3), "the last");
    letter.ack().unwrap();
    goes_on(&queue);
}

#[test]
fn what_is_delayed_comes_no_sooner_and_not_for_ever_later() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(2);
    let late = Duration::from_millis(20);
    for asks in [false, true] {
        queue.send(1).unwrap();
        let delivery = queue.recv().unwrap();
        let begin = Instant::now();
        delivery.nack(late).unwrap();
        queue.send(2).unwrap();
        assert_eq!(done(&queue), (2, 1), "the others go on");
        assert!(!queue.is_idle());
        let again = if asks {
            loop {
                match queue.try_recv() {
                    Ok(again) => break again,
                    Err(error) => assert!(matches!(error, TryRecvError::Empty)),
                }
            }
        } else {
            queue.recv().unwrap()
        };
        assert!(begin.elapsed() >= late);
        assert_eq!((*again, again.attempt()), (1, 2));
        again.ack().unwrap();
        goes_on(&queue);
    }
}

#[test]
fn of_several_that_are_delayed_each_comes_at_its_time() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(4);
    let begin = Instant::now();
    for millis in [30, 10, 20] {
        queue.send(millis).unwrap();
        let delivery = queue.recv().unwrap();
        delivery.nack(Duration::from_millis(millis)).unwrap();
    }
    let mut in_time = true;
    for expected in [10, 20, 30] {
        let (millis, attempt) = done(&queue);
        assert_eq!(attempt, 2);
        assert!(begin.elapsed() >= Duration::from_millis(millis));
        // Whoever came too late once has several at once, in no order.
        in_time &= begin.elapsed() < Duration::from_millis(expected + 10);
        if in_time {
            assert_eq!(millis, expected);
        }
    }
}

#[test]
fn a_later_message_in_the_same_cell_is_not_delayed() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(1);
    let long = Duration::from_secs(3600);
    queue.send(1).unwrap();
    for _ in 0..2 {
        queue.recv().unwrap().nack(Duration::ZERO).unwrap();
    }
    // At the last attempt a delay is none: it is a dead letter.
    queue.recv().unwrap().nack(long).unwrap();
    queue.dead_letters().take().unwrap().unwrap().ack().unwrap();
    queue.send(2).unwrap();
    assert_eq!(queue.recv_timeout(SOON).map(|held| *held).unwrap(), 2);
    assert_eq!(done(&queue), (2, 2), "dropped, not delayed");
    queue.send(3).unwrap();
    queue.recv().unwrap().nack(Duration::MAX).unwrap();
    assert!(matches!(
        queue.recv_timeout(SOON),
        Err(RecvTimeoutError::Timeout)
    ));
    assert!(!queue.is_idle());
}

#[test]
fn a_closed_queue_refuses_loans_and_gives_out_the_rest() {
    let _watch = watch();
    let (_segment, queue) = work::<u64>(4);
    queue.send(1).unwrap();
    queue.send(2).unwrap();
    let loan = queue.loan().unwrap();
    queue.close();
    assert!(queue.is_closed());
    assert!(matches!(loan.send(), Err(SendError::Disconnected(()))));
    assert!(matches!(queue.loan(), Err(SendError::Disconnected(()))));
    assert!(matches!(
        queue.try_loan(),
        Err(TrySendError::Disconnected(()))
    ));
    assert!(matches!(queue.send(3), Err(SendError::Disconnected(3))));
    assert!(matches!(
        queue.try_send(3),
        Err(TrySendError::Disconnected(3))
    ));
    drop(queue.recv().unwrap());
    let delayed = queue.recv().unwrap();
    delayed.nack(Duration::from_millis(5)).unwrap();
    assert_eq!(done(&queue), (2, 1));
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!(done(&queue), (1, 3), "it is waited for");
    assert!(matches!(queue.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(queue.try_recv(), Err(TryRecvError::Disconnected)));
    assert_eq!(queue.iter().count(), 0);
    assert_eq!(queue.free_capacity(), 4);
    queue.wait_idle().unwrap();
}

#[test]
fn the_last_sender_or_receiver_that_goes_is_the_end() {
    let (_segment, queue) = work::<u64>(4);
    let first = queue.sender().unwrap();
    let second = first.sender().unwrap();
    first.send(1).unwrap();
    drop(first);
    second.send(2).unwrap();
    drop(second);
    let got: Vec<_> = queue
        .iter()
        .map(|delivery| {
            let delivery = delivery.unwrap();
            let item = *delivery;
            delivery.ack().unwrap();
            item
        })
        .collect();
    assert_eq!(got, [1, 2]);
    let receiver = queue.receiver().unwrap();
    let _sender = queue.sender().unwrap();
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    queue.send(3).unwrap();
    let held = receiver.recv().unwrap();
    let loan = queue.loan().unwrap();
    drop(held);
    drop(receiver);
    assert!(matches!(loan.send(), Err(SendError::Disconnected(()))));
    assert!(matches!(queue.send(4), Err(SendError::Disconnected(4))));
    let receiver = queue.receiver().unwrap();
    let again = receiver.recv().unwrap();
    assert_eq!((*again, again.attempt()), (3, 2));
    again.ack().unwrap();
    queue.send(4).unwrap();
}

#[test]
fn a_delivery_is_acknowledged_by_another_thread_of_its_process() {
    let (_segment, queue) = work::<u64>(2);
    queue.send(1).unwrap();
    queue.send(2).unwrap();
    let (first, second) = (queue.recv().unwrap(), queue.recv().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(*first, 1);
            first.ack().unwrap();
        });
        scope.spawn(move || drop(second));
    });
    assert_eq!(done(&queue), (2, 2));
    let loan = queue.loan().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut loan = loan;
            *loan = 9;
            loan.send().unwrap();
        });
    });
    assert_eq!(done(&queue), (9, 1));
    goes_on(&queue);
}

#[test]
fn threads_of_one_handle_do_each_message_once() {
    let _watch = watch();
    const EACH: u64 = 20_000;
    let (_segment, queue) = work::<u64>(8);
    let senders: Vec<_> = (0..2).map(|_| queue.sender().unwrap()).collect();
    let sum = std::thread::scope(|scope| {
        for sender in senders {
            scope.spawn(move || (0..EACH).for_each(|item| sender.send(item).unwrap()));
        }
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut sum = 0;
                    while let Ok(delivery) = queue.recv() {
                        // Now and then one is given back.
                        if delivery.attempt() == 1 && *delivery % 64 == 0 {
                            delivery.nack(Duration::from_micros(50)).unwrap();
                            continue;
                        }
                        sum += *delivery;
                        delivery.ack().unwrap();
                    }
                    sum
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|it| it.join().unwrap())
            .sum::<u64>()
    });
    assert_eq!(sum, 2 * (EACH * (EACH - 1) / 2));
    assert!(queue.is_idle() && queue.dead_letters().is_empty());
}

/// What another thread of the same handle knows does not make it forget a message.
#[test]
fn threads_of_one_handle_do_not_forget_what_is_delayed() {
    let _watch = watch();
    const ROUNDS: u64 = 4000;
    let (_segment, queue) = work::<u64>(8);
    let (end, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let one = |delivery: crossdock::queue::Delivery<'_, u64>| match (*delivery, delivery.attempt())
    {
        (2, 1) => delivery.nack(Duration::from_micros(100)).unwrap(),
        (2, _) => {
            delivery.ack().unwrap();
            done.store(true, Ordering::Release);
        }
        _ => delivery.ack().unwrap(),
    };
    let try_one = || match queue.try_recv() {
        Ok(delivery) => one(delivery),
        Err(error) => assert!(matches!(error, TryRecvError::Empty)),
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    queue.send(1).unwrap();
                    try_one();
                }
            });
        }
        for _ in 0..ROUNDS {
            queue.send(2).unwrap();
            // Forgotten, it would not come before the watchdog does.
            while !done.swap(false, Ordering::Acquire) {
                try_one();
            }
        }
        end.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_holder_that_sends_before_it_acknowledges_is_not_idle_in_between() {
    let _watch = watch();
    const STEPS: u64 = 20_000;
    let (_segment, queue) = work::<u64>(3);
    queue.send(0).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for step in 1..=STEPS {
                let held = queue.recv().unwrap();
                queue.send(step).unwrap();
                held.ack().unwrap();
            }
            let last = queue.recv().unwrap();
            assert!(!queue.is_idle());
            assert_eq!(*last, STEPS);
            last.ack().unwrap();
        });
        let mut looks = 0_u64;
        while !queue.is_idle() {
            looks += 1;
        }
        // That it was idle means that all steps were made.
        assert_eq!(queue.free_capacity(), 3, "after {looks} looks");
        assert!(matches!(queue.try_recv(), Err(TryRecvError::Empty)));
    });
}

/// A payload of 1 MiB.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Mebi([[u64; 256]; 512]);
crossdock::payload!(Mebi, "test.mebi/1");

#[test]
fn a_message_of_a_mebibyte_is_written_in_place() {
    let segment = SegmentOptions::new().size(4 << 20).anonymous().unwrap();
    let queue: WorkQueue<Mebi> = segment.create("work", 3).unwrap();
    for round in 0..5 {
        let mut loan = queue.loan().unwrap();
        loan.0.as_flattened_mut().fill(round);
        loan.send().unwrap();
        let delivery = queue.recv().unwrap();
        assert!(delivery.0.as_flattened().iter().all(|word| *word == round));
        delivery.ack().unwrap();
    }
    let refused = segment.create::<WorkQueue<Mebi>>("another", 1);
    assert!(refused.is_err());
}

/// A payload without bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Nothing;
crossdock::payload!(Nothing, "test.nothing/1");

#[test]
fn messages_of_a_byte_and_of_none_come_one_by_one() {
    let (_segment, queue) = work::<Nothing>(2);
    queue.send(Nothing).unwrap();
    queue.send(Nothing).unwrap();
    assert!(matches!(
        queue.try_send(Nothing),
        Err(TrySendError::Full(Nothing))
    ));
    drop(queue.recv().unwrap());
    assert_eq!(queue.recv().unwrap().attempt(), 2);
    for _ in 0..2 {
        queue.recv().unwrap().ack().unwrap();
    }
    queue.wait_idle().unwrap();
    let (_segment, queue) = work::<u8>(3);
    (1..=3).for_each(|item| queue.send(item).unwrap());
    let held = [(); 3].map(|()| queue.recv().unwrap());
    assert_eq!(held.each_ref().map(|held| **held), [1, 2, 3]);
    held.into_iter().for_each(|held| held.ack().unwrap());
    queue.wait_idle().unwrap();
}

#[test]
fn what_is_lost_says_so() {
    let said = Fault::NotOwner.to_string();
    assert!(said.contains("no longer owns it"), "{said}");
}

//! Whoever has sent an item receives one: as many are there as have sent and not received, so a
//! queue that says that there is none is wrong. The tests of crossbeam and of flume, with `Busy` taken as
//! "try again"; by threads, and by processes.

use crossdock::Segment;
use crossdock::queue::{Queue, TryRecvError, TrySendError, WorkOptions, WorkQueue};

use crate::queue;
use crate::support::process::{Child, child};
use crate::support::watch;

/// More than there are processors, so that they are preempted in the middle.
const MANY: u64 = 8;
const ROUNDS: u64 = 20_000;

/// Sends one item, for which there is room, and receives one, which is there.
#[track_caller]
fn one_in_one_out(queue: &Queue<u64>) {
    loop {
        match queue.try_send(7) {
            Ok(()) => break,
            Err(TrySendError::Busy(7)) => std::thread::yield_now(),
            Err(error) => panic!("{error}, and {} of {MANY} are in it", queue.len()),
        }
    }
    takes_one(queue);
}

#[track_caller]
fn takes_one(queue: &Queue<u64>) {
    loop {
        assert!(!queue.is_empty(), "an item is in it");
        match queue.try_recv() {
            Ok(7) => break,
            Err(TryRecvError::Busy) => std::thread::yield_now(),
            other => panic!("{other:?}, and an item is in it"),
        }
    }
}

fn by_threads(body: impl Fn(u64) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..MANY {
            let body = &body;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    body(number);
                }
            });
        }
    });
}

fn by_processes(body: impl Fn(u64)) {
    let children: Vec<_> = (0..MANY)
        .map(|number| child(|| (0..ROUNDS).for_each(|_| body(number))))
        .collect();
    children.into_iter().for_each(Child::join);
}

#[test]
fn each_thread_finds_an_item_that_has_sent_one() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(MANY);
    by_threads(|_| one_in_one_out(&queue));
    assert!(queue.is_empty());
}

#[test]
fn each_process_finds_an_item_that_has_sent_one() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(MANY);
    by_processes(|_| one_in_one_out(&queue));
    assert!(queue.is_empty());
}

#[test]
fn each_thread_with_a_handle_of_its_own_finds_an_item() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(MANY);
    std::thread::scope(|scope| {
        for _ in 0..MANY {
            let queue = queue.clone();
            scope.spawn(move || (0..ROUNDS).for_each(|_| one_in_one_out(&queue)));
        }
    });
    assert!(queue.is_empty());
}

#[test]
fn one_that_replaced_nothing_has_sent_one_more() {
    let _watch = watch();
    let (_segment, queue) = queue::<u64>(MANY);
    let replaces = |number: u64| {
        if number.is_multiple_of(2) {
            one_in_one_out(&queue);
        } else if queue.force_send(7).unwrap().is_none() {
            takes_one(&queue);
        }
    };
    by_threads(replaces);
    by_processes(replaces);
    assert!(queue.is_empty());
}

/// A message is there, whose place is free again when it is acknowledged: who has a place finds a message, but
/// may not find a place at the first look.
fn one_done(queue: &WorkQueue<u64>) {
    queue.send(7).unwrap();
    queue.try_recv().unwrap().ack().unwrap();
}

#[test]
fn whoever_has_sent_a_message_finds_one() {
    let _watch = watch();
    let segment = Segment::anonymous().unwrap();
    let options = WorkOptions::new(2 * MANY);
    let queue = segment.create::<WorkQueue<u64>>("work", options).unwrap();
    by_threads(|_| one_done(&queue));
    by_processes(|_| one_done(&queue));
    assert!(queue.is_idle());
}

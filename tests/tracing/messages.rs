//! Events of messages that are delivered again, or no more, and of waits that last long.

use std::time::Duration;

use crossdock::queue::{WorkOptions, WorkQueue};
use crossdock::sync::{LockTimeoutError, Mutex};
use crossdock::{Segment, process};

use crate::support::{lines, record};

/// The lines about an entry that contain all of `what`.
fn told(entry: &str, what: &str) -> Vec<String> {
    let entry = format!("entry={entry}");
    let is_told = |line: &String| line.contains(&entry) && line.contains(what);
    lines().into_iter().filter(is_told).collect()
}

#[test]
fn a_redelivery_is_an_event_and_so_is_a_dead_letter() {
    record();
    process::init_test("crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let options = WorkOptions::new(4).max_attempts(2);
    let queue = segment.create::<WorkQueue<u64>>("traced_orders", options);
    let queue = queue.expect("a queue");
    queue.send(7).expect("sent");
    drop(queue.recv().expect("received"));
    assert_eq!(told("traced_orders", ""), Vec::<String>::new());

    drop(queue.recv().expect("received again"));
    let redelivered = told("traced_orders", "message redelivered");
    assert!(
        matches!(&redelivered[..], [line] if line.contains("attempt=2") && line.contains("kind=WorkQueue")),
        "{redelivered:?}"
    );
    let dead = told("traced_orders", "dead letter");
    assert!(
        matches!(&dead[..], [line] if line.contains("attempts=2")),
        "{dead:?}"
    );
    // Taken and given back, it is no new one.
    drop(queue.dead_letters().take().expect("asked").expect("there"));
    assert_eq!(told("traced_orders", "dead letter").len(), 1);

    queue.send(8).expect("sent");
    queue.recv().expect("received").reject().expect("held");
    assert_eq!(told("traced_orders", "dead letter").len(), 2);
}

#[test]
fn a_message_that_dies_with_its_last_receiver_is_an_event_of_the_reaping() {
    record();
    process::init_test("crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let options = WorkOptions::new(4).max_attempts(1);
    let queue = segment.create::<WorkQueue<u64>>("traced_last", options);
    let queue = queue.expect("a queue");
    queue.send(7).expect("sent");
    let receiver = |queue: WorkQueue<u64>| {
        std::mem::forget(queue.recv().expect("received"));
        // SAFETY: raise takes an integer.
        unsafe { libc::raise(libc::SIGKILL) };
    };
    let killed = process::spawn(receiver, queue.clone()).expect("spawned");
    let pid = format!("pid={}", killed.id());
    killed.join().expect_err("killed");
    segment.reap();
    assert_eq!(queue.dead_letters().len(), 1);
    let dead = told("traced_last", "dead letters");
    assert!(
        matches!(&dead[..], [line] if line.contains("messages=1") && line.contains(&pid)),
        "{dead:?}"
    );
}

#[test]
fn a_wait_of_a_second_is_an_event_while_it_goes_on_and_when_it_ends() {
    record();
    process::init_test("crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let stock = segment.create::<Mutex<u64>>("traced wait", 1);
    let stock = stock.expect("a mutex");
    let told = |what: &str| {
        let is_told = |line: &String| line.contains(what) && line.contains("operation=\"mutex\"");
        lines().into_iter().filter(is_told).count()
    };
    let guard = stock.lock().expect("free");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let outcome = stock.lock_timeout(Duration::from_millis(2500));
            matches!(outcome, Err(LockTimeoutError::Timeout { .. }))
        });
        assert!(waiter.join().expect("no panic"));
    });
    drop(guard);
    assert_eq!(
        (told("a wait goes on"), told("a long wait has ended")),
        (1, 1)
    );
    // One that does not last long is not told.
    drop(stock.lock().expect("free"));
    assert_eq!(told("a wait goes on"), 1);
}

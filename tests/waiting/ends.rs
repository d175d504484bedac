//! A waiter hears of an end within half a second, however long it has waited.

use std::time::{Duration, Instant};

use crossdock::queue::spsc::Spsc;
use crossdock::queue::{ByteQueue, Channel, Queue, WorkQueue, wait_any};
use crossdock::{Segment, SegmentOptions};

use super::idle::pass;
use crate::support::process::{Child, Holder, asleep, holder};
use crate::support::watch;

/// By then the slices of any waiter are as long as they get.
const LONG: Duration = Duration::from_millis(10_500);
/// What the issue of an end is given, once a process is dead.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// A segment of its own, whose waiters nobody helps.
fn segment() -> Segment {
    SegmentOptions::new().size(1 << 20).anonymous().unwrap()
}

/// Kills the process and returns when each of the waiters has ended, beside how late this process is
/// by itself: what a busy machine adds to a sleep.
fn told(dead: Holder, waiters: Vec<(&'static str, Child)>) -> Vec<(&'static str, Duration)> {
    dead.kill();
    let killed = Instant::now();
    let late = std::thread::spawn(move || {
        pass(HALF_A_SECOND);
        killed.elapsed().saturating_sub(HALF_A_SECOND)
    });
    let told: Vec<_> = waiters
        .into_iter()
        .map(|(name, waiter)| {
            waiter.join();
            (name, killed.elapsed())
        })
        .collect();
    let late = late.join().unwrap();
    let less = |(name, after): (&'static str, Duration)| (name, after.saturating_sub(late));
    told.into_iter().map(less).collect()
}

#[test]
fn an_end_is_heard_within_half_a_second_after_ten() {
    let _watch = watch();
    let segments = [(); 8].map(|()| segment());
    let queue = segments[0].create::<Queue<u64>>("queue", 8).unwrap();
    let work = segments[1].create::<WorkQueue<u64>>("work", 8).unwrap();
    let bytes = segments[2].create::<ByteQueue>("bytes", 8).unwrap();
    let channel = segments[3].create::<Channel<String>>("channel", 8).unwrap();
    let ring = segments[4].create::<Spsc<u64>>("ring", 8).unwrap();
    let any = segments[5].create::<Queue<u64>>("any", 8).unwrap();
    let full = segments[6].create::<Queue<u64>>("full", 2).unwrap();
    let late = segments[7].create::<Queue<u64>>("late", 8).unwrap();
    while full.try_send(1).is_ok() {}
    let peer = holder(|| {
        (
            (queue.sender().unwrap(), work.sender().unwrap()),
            (bytes.sender().unwrap(), channel.sender().unwrap()),
            ring.producer().unwrap(),
            (any.sender().unwrap(), full.receiver().unwrap()),
        )
    });
    let waiters = vec![
        ("Queue::recv", asleep(|| assert!(queue.recv().is_err()))),
        ("WorkQueue::recv", asleep(|| assert!(work.recv().is_err()))),
        ("ByteQueue::recv", asleep(|| assert!(bytes.recv().is_err()))),
        ("Channel::recv", asleep(|| assert!(channel.recv().is_err()))),
        (
            "Consumer::pop",
            asleep(|| assert!(ring.consumer().unwrap().pop().is_err())),
        ),
        ("wait_any", asleep(|| assert!(wait_any(&[&any]).is_ok()))),
        ("Queue::send", asleep(|| assert!(full.send(1).is_err()))),
    ];
    // It has waited for long before there is a sender at all.
    let unsent = asleep(|| assert!(late.recv().is_err()));
    pass(LONG);
    for (name, after) in told(peer, waiters) {
        assert!(after < HALF_A_SECOND, "{name}: {after:?}");
    }
    let sender = holder(|| late.sender().unwrap());
    for (name, after) in told(sender, vec![("the first sender", unsent)]) {
        assert!(after < HALF_A_SECOND, "{name}: {after:?}");
    }
}

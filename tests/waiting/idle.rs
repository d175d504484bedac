//! Idle waiters hardly ever wake up.

use std::time::{Duration, Instant};

use crossdock::array::{ArrayOptions, Init};
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{Queue, RecvTimeoutError, Wait, WorkQueue, wait_any};
use crossdock::segment::Monitor;
use crossdock::{Array, Mutex, RwLock, Segment, SegmentOptions, Snapshot};

use crate::support::process::{Child, asleep, child, holder};
use crate::support::watch;

/// Before the first look: by then a slice is as long as this.
const WARM: Duration = Duration::from_millis(1100);
/// Between the two looks.
const IDLE: Duration = Duration::from_secs(3);

/// How often a child has gone to sleep by itself so far: each wake-up shows once it sleeps again.
fn sleeps(child: &Child) -> u64 {
    let path = format!("/proc/{}/status", child.pid());
    let status = std::fs::read_to_string(path).expect("/proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("a count").trim().parse().expect("a number")
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "it is what is measured against; nothing is waited for"
)]
pub(crate) fn pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        std::thread::sleep(left);
    }
}

/// A waiter that a death may end asks every 0.4 s, and else once a second.
const UNTIL_END: f64 = 2.5;

/// Looks at waiters twice, and asserts that each woke up `most` times a second at most.
#[track_caller]
fn assert_idle(waiters: Vec<(&str, f64, Child)>) {
    pass(WARM);
    let look = |(_, _, waiter): &(&str, f64, Child)| (Instant::now(), sleeps(waiter));
    let before: Vec<_> = waiters.iter().map(look).collect();
    pass(IDLE);
    for ((name, most, waiter), (began, before)) in waiters.iter().zip(before) {
        let after = sleeps(waiter);
        let seconds = began.elapsed().as_secs_f64();
        let wakes = after - before;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let wakes = wakes as f64;
        // One more for each end of the time, and one for a page that was not there.
        assert!(
            wakes <= *most * seconds + 3.0,
            "{name} woke up {wakes} times in {seconds} s"
        );
    }
    for (_, _, waiter) in waiters {
        waiter.kill();
    }
}

fn segment() -> Segment {
    SegmentOptions::new().size(1 << 20).anonymous().unwrap()
}

#[test]
fn one_that_waits_for_an_item_wakes_up_once_a_second_or_every_400_ms_if_it_may_end() {
    let _watch = watch();
    let segment = segment();
    let queue = segment.create::<Queue<u64>>("queue", 8).unwrap();
    let work = segment.create::<WorkQueue<u64>>("work", 8).unwrap();
    let ring = segment.create::<Spsc<u64>>("ring", 8).unwrap();
    let snapshot = segment.create::<Snapshot<u64>>("snapshot", 0).unwrap();
    let sent = segment.create::<WorkQueue<u64>>("sent", 8).unwrap();
    sent.send(1).unwrap();
    let ended = segment.create::<Queue<u64>>("ended", 8).unwrap();
    // It could send, and does not.
    let _sender = ended.sender().unwrap();
    let _writer = snapshot.writer().unwrap();
    assert_idle(vec![
        ("Queue::recv", 1.0, asleep(|| _ = queue.recv())),
        ("until an end", UNTIL_END, asleep(|| _ = ended.recv())),
        (
            "a parked one",
            1.0,
            asleep(|| _ = queue.clone().with_wait(Wait::Park).recv()),
        ),
        ("WorkQueue::recv", 1.0, asleep(|| drop(work.recv()))),
        (
            "Consumer::pop",
            UNTIL_END,
            asleep(|| assert!(ring.consumer().unwrap().pop().is_err())),
        ),
        ("wait_idle", 1.0, asleep(|| sent.wait_idle().unwrap())),
        ("wait_any", 1.0, asleep(|| _ = wait_any(&[&queue, &work]))),
        (
            "wait_any until an end",
            UNTIL_END,
            asleep(|| _ = wait_any(&[&queue, &ended])),
        ),
        (
            "wait_newer",
            1.0,
            asleep(|| {
                let mut reader = snapshot.reader().unwrap();
                drop(reader.read());
                drop(reader.wait_newer());
            }),
        ),
        (
            "recv_timeout in a loop",
            11.0,
            asleep(|| {
                while let Err(RecvTimeoutError::Timeout) =
                    queue.recv_timeout(Duration::from_millis(100))
                {}
            }),
        ),
    ]);
}

#[test]
fn one_that_waits_for_room_wakes_up_once_a_second_or_every_400_ms_if_it_may_end() {
    let _watch = watch();
    let segment = segment();
    let queue = segment.create::<Queue<u64>>("queue", 2).unwrap();
    let work = segment.create::<WorkQueue<u64>>("work", 2).unwrap();
    for number in 0..2 {
        queue.send(number).unwrap();
        work.send(number).unwrap();
    }
    let _receiver = queue.receiver().unwrap();
    assert_idle(vec![
        ("Queue::send", UNTIL_END, asleep(|| _ = queue.send(1))),
        ("WorkQueue::send", 1.0, asleep(|| _ = work.send(1))),
    ]);
}

#[test]
fn one_that_waits_for_a_lock_wakes_up_twenty_times_a_second() {
    let _watch = watch();
    let segment = segment();
    let mutex = segment.create::<Mutex<u64>>("mutex", 0).unwrap();
    let timed = segment.create::<Mutex<u64>>("timed", 0).unwrap();
    let rwlock = segment.create::<RwLock<u64>>("rwlock", 0).unwrap();
    let read = segment.create::<RwLock<u64>>("read", 0).unwrap();
    let options = ArrayOptions::new(Init::zeroed(4)).chunk(2);
    let array = segment.create::<Array<u64>>("array", options).unwrap();
    // One that gives up wakes another in its place, so it has a mutex of its own.
    let _guards = (
        mutex.lock().unwrap(),
        timed.lock().unwrap(),
        rwlock.write().unwrap(),
        read.read().unwrap(),
    );
    let _leases = (array.lease_chunk().unwrap(), array.lease_chunk().unwrap());
    assert_idle(vec![
        ("Mutex::lock", 20.0, asleep(|| drop(mutex.lock()))),
        ("RwLock::read", 20.0, asleep(|| drop(rwlock.read()))),
        ("RwLock::write", 20.0, asleep(|| drop(read.write()))),
        ("lease_chunk", 20.0, asleep(|| drop(array.lease_chunk()))),
        (
            "lock_timeout in a loop",
            31.0,
            asleep(|| while timed.lock_timeout(Duration::from_millis(100)).is_err() {}),
        ),
    ]);
}

#[test]
fn one_whose_monitor_watches_the_owner_wakes_up_once_a_second() {
    let _watch = watch();
    let segment = segment();
    let mutex = segment.create::<Mutex<u64>>("mutex", 0).unwrap();
    let owner = holder(|| mutex.lock().unwrap());
    let waiter = child(|| {
        let monitor = Monitor::start().unwrap();
        monitor.watch(&segment).unwrap();
        // The owner is killed in the end.
        assert!(mutex.lock().is_err());
    });
    waiter.sleeps();
    assert_idle(vec![("Mutex::lock", 1.0, waiter)]);
    owner.kill();
}

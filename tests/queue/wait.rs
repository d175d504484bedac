//! How blocking operations wait, whatever becomes of the other end.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use crossdock::Segment;
use crossdock::queue::spsc::Spsc;
use crossdock::queue::{RecvError, RecvTimeoutError, SendTimeoutError, Wait};

use crate::support::process::{Line, child, holder, in_child};
use crate::support::watch;

const ALL: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Park];
const SOON: Duration = Duration::from_millis(20);

fn ring(capacity: u64) -> (Segment, Spsc<u64>) {
    let segment = Segment::anonymous().unwrap();
    let ring = segment.create("ring", capacity).unwrap();
    (segment, ring)
}

/// How often this thread has gone to sleep.
fn sleeps() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills in what it is given.
    let outcome = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    assert_eq!(outcome, 0);
    // SAFETY: a structure of integers, and filled in.
    unsafe { usage.assume_init() }.ru_nvcsw
}

#[test]
fn only_one_that_spins_never_sleeps() {
    let _watch = watch();
    for wait in ALL {
        let (_segment, ring) = ring(1);
        // One thread, all that it needs in memory: nothing else makes it sleep.
        in_child(|| {
            let mut push = ring.producer().unwrap().with_wait(wait);
            let mut pop = ring.consumer().unwrap().with_wait(wait);
            let mut round = || {
                let before = sleeps();
                assert_eq!(pop.pop_timeout(SOON), Err(RecvTimeoutError::Timeout));
                push.push(1).unwrap();
                assert_eq!(
                    push.push_timeout(2, SOON),
                    Err(SendTimeoutError::Timeout(2))
                );
                assert_eq!(pop.pop(), Ok(1));
                sleeps() - before
            };
            round();
            assert_eq!(round() == 0, wait == Wait::Spin, "{wait:?}");
        });
    }
}

#[test]
fn however_the_two_wait_every_item_arrives_once_and_in_order() {
    let _watch = watch();
    for (producers, consumers) in ALL.iter().flat_map(|one| ALL.map(|other| (*one, other))) {
        let (_segment, ring) = ring(2);
        let producer = child(|| {
            let mut push = ring.producer().unwrap().with_wait(producers);
            for item in 0..2_000 {
                push.push(item).unwrap();
            }
        });
        let mut pop = ring.consumer().unwrap();
        pop.set_wait(consumers);
        for item in 0..2_000 {
            assert_eq!(pop.pop(), Ok(item), "{producers:?} {consumers:?}");
        }
        assert_eq!(pop.pop(), Err(RecvError::Disconnected));
        producer.join();
    }
}

#[test]
fn however_it_waits_it_is_told_that_the_other_end_was_killed_or_has_left() {
    let _watch = watch();
    for (wait, killed) in ALL.iter().flat_map(|wait| [(*wait, true), (*wait, false)]) {
        let (_segment, ring) = ring(1);
        let producer = holder(|| ring.producer().unwrap());
        let line = Line::new();
        let waiter = child(|| {
            let mut pop = ring.consumer().unwrap().with_wait(wait);
            line.say(1);
            assert_eq!(pop.pop(), Err(RecvError::Disconnected), "{wait:?}");
        });
        line.hear();
        if killed {
            producer.kill();
        } else {
            producer.release();
        }
        waiter.join();
    }
}

#[test]
fn however_it_waits_a_stopped_peer_is_not_gone_and_the_deadline_is_kept() {
    let _watch = watch();
    for wait in ALL {
        let (_segment, ring) = ring(1);
        let producer = holder(|| ring.producer().unwrap());
        producer.child.stop();
        let mut pop = ring.consumer().unwrap().with_wait(wait);
        let begin = Instant::now();
        assert_eq!(
            pop.pop_timeout(SOON),
            Err(RecvTimeoutError::Timeout),
            "{wait:?}"
        );
        assert!(begin.elapsed() >= SOON);
        producer.child.cont();
        producer.release();
        assert_eq!(pop.pop(), Err(RecvError::Disconnected));
    }
}

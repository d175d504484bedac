//! Delays between processes whose monotonic clocks differ by days.

use std::time::{Duration, Instant};

use crossdock::queue::WorkQueue;
use crossdock::{Segment, segment::ParticipantInfo};

use crate::support::PATIENCE;
use crate::support::process::{child, exit, write_error};
use crate::support::watch;

const DELAY: Duration = Duration::from_secs(1);
/// Ticks of a millisecond, in which the next time is kept.
const NEARLY: Duration = Duration::from_millis(995);
const SKIPPED: i32 = 77;

fn queue() -> (Segment, WorkQueue<u64>) {
    let segment = Segment::anonymous().unwrap();
    let queue = segment.create("queue", 4).unwrap();
    (segment, queue)
}

/// Runs `body` in a process whose monotonic clock is 10 days ahead of this one's; false, and a line on standard
/// error that says why, if the kernel does not let this one make a time namespace.
fn ten_days_ahead(body: impl Fn()) -> bool {
    let outer = child(|| {
        // SAFETY: changes which namespace this process's children are in.
        let unshared = unsafe { libc::unshare(libc::CLONE_NEWTIME) } == 0;
        let offset = std::fs::write("/proc/self/timens_offsets", "monotonic 864000 0\n");
        if !unshared || offset.is_err() {
            exit(SKIPPED);
        }
        child(&body).join();
    });
    let status = outer.status();
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == SKIPPED {
        write_error("skipped: this process may not make a time namespace\n");
        return false;
    }
    assert_eq!(status, 0, "the process in the namespace failed");
    true
}

#[test]
fn a_message_given_back_ten_days_ahead_comes_after_its_delay() {
    let _watch = watch();
    let (_segment, queue) = queue();
    queue.send(7).unwrap();
    let begin = Instant::now();
    let made = ten_days_ahead(|| {
        queue.try_recv().unwrap().nack(DELAY).unwrap();
    });
    if made {
        let again = queue.recv_timeout(PATIENCE).expect("it is hidden");
        assert_eq!((*again, again.attempt()), (7, 2));
        assert!(begin.elapsed() >= NEARLY, "{:?}", begin.elapsed());
    }
}

#[test]
fn a_message_given_back_here_comes_ten_days_ahead_after_its_delay() {
    let _watch = watch();
    let (_segment, queue) = queue();
    queue.send(8).unwrap();
    let begin = Instant::now();
    queue.try_recv().unwrap().nack(DELAY).unwrap();
    ten_days_ahead(|| {
        let again = queue.recv_timeout(PATIENCE).expect("it is hidden");
        assert_eq!((*again, again.attempt()), (8, 2));
        // An instant of this process's parent is one of another clock.
        let days = Duration::from_secs(864_000);
        assert!(begin.elapsed() >= days + NEARLY, "{:?}", begin.elapsed());
    });
}

#[test]
fn a_participant_says_in_which_time_namespace_it_is() {
    let _watch = watch();
    let (segment, queue) = queue();
    queue.send(7).unwrap();
    let own = |all: Vec<ParticipantInfo>| all.into_iter().find(|one| one.is_self).unwrap();
    let here = own(segment.participants()).time_namespace;
    ten_days_ahead(|| {
        queue.send(8).unwrap();
        assert_ne!(own(segment.participants()).time_namespace, here);
    });
}

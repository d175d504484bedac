//! Queues between a process that may use membarrier(2) and one that a filter refuses it.

use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{Queue, Wait};

use crate::support::start;

#[path = "../../src/sys/filter.rs"]
#[expect(dead_code, reason = "its other half is for threads")]
mod filter;

/// Bit 31 of an event count: who notifies makes a real fence.
const FENCES: u32 = 1 << 31;
const ROUNDS: u64 = 2_000;
/// What hangs is ended by this, and nothing else depends on it.
const WATCHDOG: Duration = Duration::from_secs(60);

fn queue(segment: &Segment, name: &str) -> Queue<u64> {
    let queue: Queue<u64> = segment.open(name).expect("opened");
    queue.with_wait(Wait::Park)
}

fn refuse_membarrier() {
    filter::refuse(libc::SYS_membarrier, filter::Refused::Always, libc::EPERM);
}

fn echo(there: &Queue<u64>, back: &Queue<u64>) {
    for _ in 0..ROUNDS {
        let item = there.recv_timeout(WATCHDOG).expect("received");
        back.send(item).expect("sent");
    }
}

/// The words of the event counts of a queue: for items, for free slots.
fn event_counts(segment: &Segment, name: &str) -> [u32; 2] {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    let entries = segment.entries().expect("listed");
    let entry = entries.iter().find(|entry| entry.name == name).unwrap();
    let file = std::fs::File::from(segment.as_fd().try_clone_to_owned().expect("dup"));
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, entry.offset + 24)
        .expect("read");
    let [a, b, c, d, e, f, g, h] = bytes;
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}

fn have_fences(segment: &Segment, name: &str) -> [bool; 2] {
    event_counts(segment, name).map(|word| word & FENCES != 0)
}

/// Round trips between this process and a worker, which runs `echo`.
fn round_trips(worker: fn(Segment)) -> Segment {
    let segment = Segment::anonymous().expect("made");
    segment.create::<Queue<u64>>("there", 2).expect("created");
    segment.create::<Queue<u64>>("back", 2).expect("created");
    let process = start(worker, segment.clone());
    let (there, back) = (queue(&segment, "there"), queue(&segment, "back"));
    for round in 0..ROUNDS {
        there.send(round).expect("sent");
        assert_eq!(back.recv_timeout(WATCHDOG).expect("received"), round);
    }
    process.join().expect("joined");
    segment
}

#[test]
fn where_no_process_is_refused_no_process_makes_fences() {
    let segment = round_trips(|segment| {
        echo(&queue(&segment, "there"), &queue(&segment, "back"));
    });
    for name in ["there", "back"] {
        assert_eq!(have_fences(&segment, name), [false; 2], "{name}");
    }
}

#[test]
fn a_process_that_takes_part_in_no_barrier_says_so_before_it_notifies() {
    let segment = round_trips(|segment| {
        refuse_membarrier();
        let (there, back) = (queue(&segment, "there"), queue(&segment, "back"));
        for name in ["there", "back"] {
            assert_eq!(have_fences(&segment, name), [true; 2], "{name}");
        }
        echo(&there, &back);
    });
    for name in ["there", "back"] {
        assert_eq!(have_fences(&segment, name), [true; 2], "{name}");
    }
}

#[test]
fn a_sleeper_that_is_refused_its_barrier_says_so() {
    let segment = round_trips(|segment| {
        let (there, back) = (queue(&segment, "there"), queue(&segment, "back"));
        // Where the parent sleeps as well, the parent's barrier does for both.
        segment.create::<Queue<u64>>("alone", 2).expect("created");
        let alone = queue(&segment, "alone");
        refuse_membarrier();
        while !have_fences(&segment, "alone")[0] {
            assert!(alone.recv_timeout(Duration::from_millis(2)).is_err());
        }
        echo(&there, &back);
    });
    assert!(have_fences(&segment, "alone")[0]);
}

//! Readers that wait, and writers that come later.

use crossdock::{Counter, RwLock, Segment};

use crate::support::process::{Child, Line, child};
use crate::support::watch;

fn sample() -> (Segment, RwLock<u64>, Counter) {
    let segment = Segment::anonymous().unwrap();
    let lock = segment.create::<RwLock<u64>>("l", 0).unwrap();
    let reads = segment.create::<Counter>("reads", 0).unwrap();
    (segment, lock, reads)
}

/// A child that has read before, and sleeps in a read now.
fn waiting_reader(lock: &RwLock<u64>, reads: &Counter, write: impl FnOnce()) -> Child {
    let (line, go_on) = (Line::new(), Line::new());
    let reader = child(|| {
        drop(lock.read().unwrap());
        line.say(1);
        go_on.hear();
        let guard = lock.read().unwrap();
        reads.add(1);
        drop(guard);
    });
    line.hear();
    write();
    go_on.say(1);
    reader.sleeps();
    reader
}

#[test]
fn a_reader_that_sleeps_comes_before_a_writer_that_is_later() {
    let _watch = watch();
    let (_segment, lock, reads) = sample();
    // A reader that finds no processor for 10 ms loses its turn.
    let mut overtaken = 0;
    for round in 1..=20 {
        let mut guard = None;
        let reader = waiting_reader(&lock, &reads, || guard = Some(lock.write().unwrap()));
        drop(guard);
        let guard = lock.write().unwrap();
        overtaken += u64::from(reads.load() < round);
        drop(guard);
        reader.join();
    }
    assert_eq!(reads.load(), 20);
    assert!(overtaken < 10, "{overtaken} of 20 readers were overtaken");
}

#[test]
fn a_reader_that_is_stopped_or_killed_in_its_turn_keeps_no_writer_waiting() {
    let _watch = watch();
    let (_segment, lock, reads) = sample();
    for kills in [false, true] {
        let mut guard = None;
        let reader = waiting_reader(&lock, &reads, || guard = Some(lock.write().unwrap()));
        reader.stop();
        drop(guard);
        if kills {
            reader.kill();
            *lock.write().unwrap() += 1;
            continue;
        }
        *lock.write().unwrap() += 1;
        assert_eq!(reads.load(), 0);
        reader.cont();
        reader.join();
    }
    assert_eq!((*lock.read().unwrap(), reads.load()), (2, 1));
}

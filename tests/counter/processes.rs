//! Counters between processes.

use std::sync::atomic::Ordering;

use crossdock::{Counter, Mutex, Segment, SegmentOptions, ShardedCounter};

use crate::support::image::Window;
use crate::support::process::{at_once, child, holder, in_child};
use crate::support::watch;

const PROCESSES: u64 = 4;
const EACH: u64 = 100_000;

fn segment() -> Segment {
    Segment::anonymous().unwrap()
}

#[test]
fn additions_of_many_processes_are_all_there() {
    let _watch = watch();
    let total = segment().create::<Counter>("total", 0).unwrap();
    at_once(0..PROCESSES, |_| {
        for _ in 0..EACH {
            total.add(1);
        }
    });
    assert_eq!(total.load(), PROCESSES * EACH);
}

#[test]
fn every_addition_returns_a_value_of_its_own() {
    let _watch = watch();
    const LEN: usize = 4 * 2000;
    let segment = SegmentOptions::new().entries(256).anonymous().unwrap();
    let ticket = segment.create::<Counter>("ticket", 0).unwrap();
    let seen: Vec<Counter> = (0..LEN / 64)
        .map(|word| segment.create(&format!("word {word}"), 0).unwrap())
        .collect();
    at_once(0..PROCESSES, |_| {
        for _ in 0..2000 {
            let number = usize::try_from(ticket.add(1) - 1).unwrap();
            let before = seen[number / 64].fetch_or(1 << (number % 64));
            assert_eq!(before & 1 << (number % 64), 0, "given out twice");
        }
    });
    assert!(seen.iter().all(|word| word.load() == u64::MAX));
}

#[test]
fn the_best_of_many_processes_wins() {
    let _watch = watch();
    let segment = segment();
    let most = segment.create::<Counter<i64>>("most", i64::MIN).unwrap();
    let least = segment.create::<Counter<i64>>("least", i64::MAX).unwrap();
    at_once(0..PROCESSES, |number| {
        let number = number.cast_signed();
        for step in 0..10_000 {
            most.fetch_max(step * 10 + number);
            least.fetch_min(-step * 10 - number);
        }
    });
    assert_eq!((most.load(), least.load()), (99_993, -99_993));
}

#[test]
fn sharded_additions_of_many_processes_are_all_there() {
    let _watch = watch();
    let sharded = segment().create::<ShardedCounter>("s", ()).unwrap();
    at_once(0..PROCESSES, |_| {
        for _ in 0..EACH {
            sharded.add(1);
        }
    });
    assert_eq!(sharded.load(), PROCESSES * EACH);
}

#[test]
fn what_was_added_stays_when_those_who_added_are_killed() {
    let _watch = watch();
    let segment = segment();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    let plain = segment.create::<Counter>("c", 0).unwrap();
    for _ in 0..20 {
        holder(|| {
            for _ in 0..100 {
                sharded.add(3);
                plain.add(3);
            }
        })
        .kill();
    }
    assert_eq!((sharded.load(), plain.load()), (6000, 6000));
    assert_eq!(segment.reap().freed, 20);
    assert_eq!((sharded.load(), plain.load()), (6000, 6000));
    // The next owners of those cells go on.
    for _ in 0..200 {
        in_child(|| sharded.add(1));
    }
    assert_eq!(sharded.load(), 6200);
}

#[test]
fn participants_add_to_cells_of_their_own() {
    let segment = segment();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    let window = Window::of(&segment);
    let cells = usize::try_from(segment.entries().unwrap()[0].offset).unwrap();
    sharded.add(1);
    in_child(|| sharded.add(10));
    in_child(|| sharded.add(100));
    let cells: Vec<u64> = (0..128)
        .map(|index| window.long(cells + index * 128).load(Ordering::Relaxed))
        .collect();
    assert_eq!(cells[..4], [1, 10, 100, 0]);
}

#[test]
fn a_process_that_cannot_join_still_adds() {
    let _watch = watch();
    let options = SegmentOptions::new().size(1 << 16).participants(2);
    let segment = options.anonymous().unwrap();
    let sharded = segment.create::<ShardedCounter>("s", ()).unwrap();
    let plain = segment.create::<Counter>("c", 0).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    let _other = holder(|| drop(mutex.lock().unwrap()));
    at_once(0..PROCESSES, |_| {
        assert!(mutex.try_lock().is_err(), "the registry is full");
        for _ in 0..1000 {
            sharded.add(1);
            plain.add(1);
        }
    });
    assert_eq!((sharded.load(), plain.load()), (4000, 4000));
}

#[test]
fn a_value_that_is_seen_brings_what_was_written_before() {
    let _watch = watch();
    let segment = segment();
    let data = segment.create::<Counter>("data", 0).unwrap();
    let flag = segment.create::<Counter>("flag", 0).unwrap();
    let writer = child(|| {
        for round in 1..=EACH {
            data.store(round);
            flag.store(round);
        }
    });
    loop {
        let seen = flag.load();
        assert!(data.load() >= seen);
        if seen == EACH {
            break;
        }
    }
    writer.join();
}

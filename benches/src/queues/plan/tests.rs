//! What rows come to, of runs that are made up.

use std::cell::Cell as Count;

use super::*;
use crate::queues::Can;

thread_local! {
    /// How many runs were made.
    static RUNS: Count<usize> = const { Count::new(0) };
}

/// Runs of a machine that takes several times as long in the second round, in the fourth, and in
/// the first run of the third.
const SLOW: std::ops::RangeInclusive<usize> = 2..=4;
const SLOW_AGAIN: std::ops::RangeInclusive<usize> = 6..=7;

/// Nanoseconds of something in the next run that take so many where the machine is fast.
fn nanos(fast: u64) -> u64 {
    let run = RUNS.replace(RUNS.get() + 1);
    let slow = SLOW.contains(&run) || SLOW_AGAIN.contains(&run);
    if slow { fast * 4 } else { fast }
}

fn passed(fast: u64) -> Result<Sample, Failure> {
    Ok(Sample {
        items: vec![1000],
        elapsed: Duration::from_nanos(nanos(fast) * 1000),
        sent: 1000,
        received: 1000,
        wrong: 0,
    })
}

fn returned(fast: u64) -> Result<Trips, Failure> {
    let mut times = Times::default();
    times.record(Duration::from_nanos(nanos(fast)));
    Ok(Trips { times })
}

const FIRST: Kind = Kind {
    name: "first",
    about: "",
    can: Can::ONE_TO_ONE,
    batched: false,
    most_runs: u32::MAX,
    throughput: |_| passed(10),
    round_trip: |_| returned(10),
};
const SECOND: Kind = Kind {
    name: "second",
    throughput: |_| passed(20),
    round_trip: |_| returned(20),
    ..FIRST
};

fn plan() -> Plan {
    RUNS.set(0);
    Plan {
        kinds: vec![FIRST, SECOND],
        sizes: vec![8],
        capacity: 64,
        batch: 16,
        pairs: Vec::new(),
        idle: Idle::Spin,
        round_trips: Vec::new(),
        runs: 5,
        pin: Pin::Free,
        time: Duration::ZERO,
    }
}

#[test]
fn rates_are_compared_within_a_round() {
    let plan = Plan {
        pairs: vec![(1, 1)],
        ..plan()
    };
    let rows = run(&plan, &mut |_| ()).unwrap().throughput;
    // The third round begins with the first kind.
    let by_round = [10.0, 40.0, 40.0, 40.0, 10.0].map(Some);
    assert_eq!(rows[0].ns_by_round, by_round);
    let by_round = [20.0, 80.0, 20.0, 80.0, 20.0].map(Some);
    assert_eq!(rows[1].ns_by_round, by_round);
    assert_eq!((rows[0].ns_per_item, rows[1].ns_per_item), (40.0, 20.0));
    assert_eq!((rows[0].ratio, rows[1].ratio), (Some(1.0), Some(0.5)));
    assert_eq!(rows[1].ratio_range, Some((0.5, 2.0)));
}

#[test]
fn round_trips_are_compared_within_a_round() {
    let plan = Plan {
        round_trips: vec![Idle::Spin],
        ..plan()
    };
    let rows = run(&plan, &mut |_| ()).unwrap().round_trips;
    assert_eq!((rows[0].p50_ns, rows[1].p50_ns), (Some(40), Some(20)));
    assert_eq!((rows[0].ratio, rows[1].ratio), (Some(1.0), Some(2.0)));
    assert_eq!(rows[1].ratio_range, Some((0.5, 2.0)));
}

#[test]
fn a_kind_of_few_runs_is_compared_in_the_rounds_that_it_has() {
    let plan = Plan {
        kinds: vec![FIRST, SECOND.at_most(2)],
        pairs: vec![(1, 1)],
        ..plan()
    };
    let mut steps = Vec::new();
    let measured = run(&plan, &mut |step| steps.push((step.done, step.of))).unwrap();
    assert_eq!(steps, (0..7).map(|done| (done, 7)).collect::<Vec<_>>());
    let first = [10.0, 40.0, 40.0, 10.0, 40.0].map(Some);
    assert_eq!(measured.throughput[0].ns_by_round, first);
    let second = &measured.throughput[1];
    let by_round = [Some(20.0), None, None, Some(80.0), None];
    assert_eq!(second.ns_by_round, by_round);
    assert_eq!(second.items, 2000);
    assert_eq!(second.ratio_range, Some((0.125, 0.5)));
}

#[test]
fn a_worker_that_fails_is_named() {
    let fails = Kind {
        throughput: |_| Err(Failure::Worker("no luck".to_owned())),
        ..SECOND
    };
    let plan = Plan {
        kinds: vec![FIRST, fails],
        pairs: vec![(1, 1)],
        ..plan()
    };
    let failure = run(&plan, &mut |_| ()).unwrap_err().to_string();
    let expected = "a worker failed: second, 1x1, 8 bytes, Spin: no luck";
    assert_eq!(failure, expected);
}

//! What counting costs one process: additions and reads of a `Counter` and a `ShardedCounter`.
//!
//! ```text
//! cargo bench -p benches --features criterion --bench counters
//! cargo bench -p benches --features criterion --bench counters -- add
//! ```
//!
//! A `ShardedCounter` has a cell for each participant that its segment has room for; reading it
//! sums them, so it is read with few and with many. What sharding gains shows only when several
//! processes add: `crossdock contention --kinds counter,sharded`.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use crossdock::{Counter, Error, Segment, SegmentOptions, ShardedCounter};

fn add(criterion: &mut Criterion) -> Result<(), Error> {
    let segment = Segment::anonymous()?;
    let counter = segment.create::<Counter>("counter", 0)?;
    let sharded = segment.create::<ShardedCounter>("sharded", ())?;
    let atomic = AtomicU64::new(0);

    let mut group = criterion.benchmark_group("add");
    group.bench_function("Counter", |bencher| {
        bencher.iter(|| black_box(&counter).add(1));
    });
    group.bench_function("ShardedCounter", |bencher| {
        bencher.iter(|| black_box(&sharded).add(1));
    });
    group.bench_function("AtomicU64", |bencher| {
        bencher.iter(|| black_box(&atomic).fetch_add(1, Ordering::Relaxed));
    });
    group.finish();
    Ok(())
}

fn get(criterion: &mut Criterion) -> Result<(), Error> {
    let segment = Segment::anonymous()?;
    let counter = segment.create::<Counter>("counter", 0)?;

    let mut group = criterion.benchmark_group("get");
    group.bench_function("Counter", |bencher| {
        bencher.iter(|| black_box(&counter).load());
    });
    for participants in [8, 128] {
        let segment = SegmentOptions::new()
            .participants(participants)
            .anonymous()?;
        let sharded = segment.create::<ShardedCounter>("sharded", ())?;
        let id = BenchmarkId::new("ShardedCounter", participants);
        group.bench_function(id, |bencher| {
            bencher.iter(|| black_box(&sharded).load());
        });
    }
    group.finish();
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    add(&mut criterion)?;
    get(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

//! What it costs to begin: to create a segment, to open an entry, to start a process and end it.
//!
//! ```text
//! cargo bench -p benches --features criterion --bench segment
//! cargo bench -p benches --features criterion --bench segment -- spawn
//! ```
//!
//! Processes are started from this program, so its `main` begins with `process::init`.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use crossdock::{Counter, Error, Segment, process};

/// A segment of the default size, made in memory and given back.
fn create(criterion: &mut Criterion) {
    criterion.bench_function("Segment::anonymous and drop", |bencher| {
        bencher.iter(|| drop(black_box(Segment::anonymous().expect("there is memory"))));
    });
}

/// An entry, found by its name among ten, and its handle dropped.
fn open(criterion: &mut Criterion) -> Result<(), Error> {
    let segment = Segment::anonymous()?;
    for name in 0..10 {
        segment.create::<Counter>(&format!("counter{name}"), 0)?;
    }
    criterion.bench_function("Segment::open and drop", |bencher| {
        let opened = || segment.open::<Counter>(black_box("counter7"));
        bencher.iter(|| drop(black_box(opened().expect("it was created"))));
    });
    Ok(())
}

/// A process that counts to one, from its start to its end.
fn spawn(criterion: &mut Criterion) -> Result<(), Error> {
    let segment = Segment::anonymous()?;
    let counter = segment.create::<Counter>("counter", 0)?;

    let mut group = criterion.benchmark_group("spawn and join");
    group.bench_function("without shared memory", |bencher| {
        bencher.iter(|| {
            let worker = process::spawn(|number: u64| number + 1, 1).expect("it starts");
            assert_eq!(worker.join().expect("it ends"), 2);
        });
    });
    group.bench_function("with a Counter", |bencher| {
        bencher.iter(|| {
            let add = |counter: Counter| counter.add(1);
            let worker = process::spawn(add, counter.clone()).expect("it starts");
            worker.join().expect("it ends")
        });
    });
    group.finish();
    Ok(())
}

fn main() -> Result<(), Error> {
    process::init();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    create(&mut criterion);
    open(&mut criterion)?;
    spawn(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

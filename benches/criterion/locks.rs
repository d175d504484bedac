//! What a lock costs that is not wanted elsewhere: one thread locks, adds one to the data and
//! unlocks.
//!
//! ```text
//! cargo bench -p benches --features criterion --bench locks
//! cargo bench -p benches --features criterion --bench locks -- try_lock
//! ```
//!
//! `std::sync::Mutex` is there to compare with: it has the same fast path, of threads, and knows
//! nothing of owners that are killed. Several processes at one lock are measured by
//! `crossdock contention`, and other locks by `cargo xtask compare locks`.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use crossdock::{Error, Mutex, Segment};

const UNCONTENDED: &str = "no other process wants the lock";

fn uncontended(criterion: &mut Criterion, segment: &Segment) -> Result<(), Error> {
    let mutex = segment.create::<Mutex<u64>>("mutex", 0)?;
    let raw = segment.create::<Mutex<()>>("raw", ())?;
    let threads = std::sync::Mutex::new(0u64);

    let mut group = criterion.benchmark_group("lock and unlock");
    group.bench_function("Mutex::lock", |bencher| {
        bencher.iter(|| *black_box(&mutex).lock().expect(UNCONTENDED) += 1);
    });
    group.bench_function("Mutex::lock_or_repair", |bencher| {
        let locked = || black_box(&mutex).lock_or_repair(|data| *data = 0);
        bencher.iter(|| *locked().expect(UNCONTENDED) += 1);
    });
    group.bench_function("Mutex::try_lock", |bencher| {
        bencher.iter(|| *black_box(&mutex).try_lock().expect(UNCONTENDED) += 1);
    });
    group.bench_function("Mutex<()>::lock", |bencher| {
        bencher.iter(|| drop(black_box(&raw).lock().expect(UNCONTENDED)));
    });
    group.bench_function("std::sync::Mutex::lock", |bencher| {
        bencher.iter(|| *black_box(&threads).lock().expect(UNCONTENDED) += 1);
    });
    group.finish();
    Ok(())
}

/// A `try_lock` that finds the lock taken, here by this process itself.
fn refused(criterion: &mut Criterion, segment: &Segment) -> Result<(), Error> {
    let held = segment.create::<Mutex<u64>>("held", 0)?;
    let _guard = held.lock_or_repair(|_| ())?;
    criterion.bench_function("Mutex::try_lock, refused", |bencher| {
        bencher.iter(|| assert!(black_box(&held).try_lock().is_err()));
    });
    Ok(())
}

fn main() -> Result<(), Error> {
    let segment = Segment::anonymous()?;
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    uncontended(&mut criterion, &segment)?;
    refused(&mut criterion, &segment)?;
    criterion.final_summary();
    Ok(())
}

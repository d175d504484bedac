//! Pools of this library.

use std::collections::VecDeque;
use std::time::Instant;

use crossdock::process::Pool;

use crate::{Failed, Load, cores, work};

/// Runs `run` with a pool of the load's workers, and returns its seconds and its sum.
fn with_pool(
    load: Load,
    in_flight: u32,
    run: impl FnOnce(&Pool) -> Result<u64, Failed>,
) -> Result<(f64, u64), Failed> {
    let pool = Pool::builder()
        .workers(u32::try_from(load.workers)?)
        .in_flight(in_flight)
        .build()?;
    let workers = pool.worker_ids().into_iter().map(u32::cast_signed);
    cores::pin(load.cores, workers);
    pool.call(work, 1)?;
    let begun = Instant::now();
    let sum = run(&pool)?;
    Ok((begun.elapsed().as_secs_f64(), sum))
}

pub(crate) fn calls(load: Load) -> Result<(f64, u64), Failed> {
    with_pool(load, 64, |pool| {
        let mut sum = 0u64;
        for item in 0..load.items {
            sum = sum.wrapping_add(pool.call(work, item)?);
        }
        Ok(sum)
    })
}

/// With so many items a chunk, and so many chunks in flight.
pub(crate) fn imap(load: Load, chunk: u32, in_flight: u32) -> Result<(f64, u64), Failed> {
    with_pool(load, in_flight, |pool| {
        let options = pool
            .options()
            .chunk_size(chunk)
            .in_flight(u64::from(chunk) * u64::from(in_flight));
        let mut sum = 0u64;
        for result in options.imap_unordered(work, 0..load.items) {
            sum = sum.wrapping_add(result?);
        }
        Ok(sum)
    })
}

pub(crate) fn submits(load: Load) -> Result<(f64, u64), Failed> {
    const WINDOW: usize = 256;
    with_pool(load, 256, |pool| {
        let mut tasks = VecDeque::with_capacity(WINDOW);
        let mut sum = 0u64;
        for item in 0..load.items {
            if tasks.len() == WINDOW {
                let oldest: Option<crossdock::process::Task<u64>> = tasks.pop_front();
                sum = sum.wrapping_add(oldest.map_or(Ok(0), |task| task.wait())?);
            }
            tasks.push_back(pool.submit(work, item)?);
        }
        for task in tasks {
            sum = sum.wrapping_add(task.wait()?);
        }
        Ok(sum)
    })
}

pub(crate) fn map(load: Load) -> Result<(f64, u64), Failed> {
    with_pool(load, 64, |pool| {
        let results = pool.map(work, 0..load.items)?;
        Ok(results.into_iter().fold(0, u64::wrapping_add))
    })
}

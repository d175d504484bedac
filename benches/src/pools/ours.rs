//! crossdock's pool.

use std::time::Instant;

use crossdock::process::{Pool, SubmitError, Task};
use crossdock_cli::Failure;

use super::{Moment, Outcome, PATIENCE, Speed, TASKS, Toll, VICTIM, WORKERS, die, pause, square};

fn pool() -> Result<Pool, Failure> {
    Ok(Pool::builder()
        .workers(u32::try_from(WORKERS).unwrap_or(u32::MAX))
        .in_flight(256)
        .build()?)
}

#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub(super) fn speed(singles: u64, items: u64) -> Result<Speed, Failure> {
    let pool = pool()?;
    let options = pool.options().in_flight(256);
    let begun = Instant::now();
    for (number, result) in (0..).zip(options.imap(square, 0..singles)) {
        assert_eq!(result?, square(number));
    }
    let single = begun.elapsed() / u32::try_from(singles).unwrap_or(u32::MAX);
    let begun = Instant::now();
    let squares = pool.map(square, 0..items)?;
    let took = begun.elapsed().as_nanos() as f64;
    assert!(
        (0..)
            .zip(&squares)
            .all(|(number, found)| square(number) == *found)
    );
    Ok(Speed {
        single_ns: single.as_nanos() as f64,
        item_ns: took / items as f64,
    })
}

fn outcome(task: Result<Task<u64>, SubmitError>, end: Instant) -> Outcome {
    match task.map(|mut task| task.wait_timeout(end)) {
        Ok(Ok(Some(_))) => Outcome::Answered,
        Ok(Ok(None)) => Outcome::Hung,
        Ok(Err(_)) | Err(_) => Outcome::Failed,
    }
}

pub(super) fn kill(moment: Moment) -> Result<Toll, Failure> {
    let pool = pool()?;
    pool.map(pause, 0..TASKS as u64)?;
    if moment == Moment::Idle {
        let worker = pool.worker_ids()[fastrand::usize(..WORKERS)];
        let worker = libc::pid_t::try_from(worker).map_err(Failure::worker)?;
        // SAFETY: a signal to a worker of this pool, which has not been waited for.
        unsafe { libc::kill(worker, libc::SIGKILL) };
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| match (number, moment) {
            (VICTIM, Moment::InTask) => pool.submit(die, number as u64),
            _ => pool.submit(pause, number as u64),
        })
        .collect();
    let end = Instant::now() + PATIENCE;
    let outcomes = tasks.into_iter().map(|task| outcome(task, end));
    let outcomes = outcomes.collect();
    let after = outcome(pool.submit(pause, 1), Instant::now() + PATIENCE);
    Ok(Toll::of(outcomes, moment, after))
}

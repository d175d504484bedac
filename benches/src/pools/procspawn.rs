//! procspawn's pool: a channel of its own for the arguments of each task, and one for its result.

use std::collections::VecDeque;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crossdock_cli::Failure;
use procspawn::{JoinHandle, Pool, SpawnError};

use super::{Moment, Outcome, PATIENCE, Speed, TASKS, Toll, VICTIM, WORKERS, die, pause, square};

/// The items of a task of the map, which it does not have by itself.
const CHUNK: u64 = 100;
/// The tasks in flight: far below those at which it has no descriptors left.
const AHEAD: usize = 256;

/// What its processes begin with.
pub(crate) fn init() {
    procspawn::init();
    // SAFETY: all functions of the tasks are in this program, none in a shared library.
    unsafe { procspawn::assert_spawn_is_safe() };
}

fn squares(numbers: Vec<u64>) -> Vec<u64> {
    numbers.into_iter().map(square).collect()
}

fn pool() -> Result<Pool, Failure> {
    Pool::new(WORKERS).map_err(Failure::worker)
}

/// Passes tasks, and takes their results in order.
fn pass<A, R>(
    pool: &Pool,
    tasks: impl Iterator<Item = A>,
    task: fn(A) -> R,
    mut take: impl FnMut(R),
) -> Result<(), Failure>
where
    A: serde::Serialize + serde::de::DeserializeOwned,
    R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
{
    let mut ahead = VecDeque::new();
    for argument in tasks {
        if ahead.len() == AHEAD
            && let Some(oldest) = ahead.pop_front()
        {
            take(JoinHandle::join(oldest).map_err(Failure::worker)?);
        }
        ahead.push_back(pool.spawn(argument, task));
    }
    for task in ahead {
        take(task.join().map_err(Failure::worker)?);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub(super) fn speed(singles: u64, items: u64) -> Result<Speed, Failure> {
    // A task costs it as much as hundreds do elsewhere.
    let (singles, items) = (singles / 10, items / 10);
    let pool = pool()?;
    pass(&pool, 0..WORKERS as u64, pause, |_| {})?;
    let begun = Instant::now();
    let mut expected = (0..).map(square);
    pass(&pool, 0..singles, square, |found| {
        assert_eq!(Some(found), expected.next());
    })?;
    let single = begun.elapsed().as_nanos() as f64 / singles as f64;
    let begun = Instant::now();
    let mut found = Vec::new();
    let chunk = |from: u64| (from * CHUNK..(from + 1) * CHUNK).collect();
    pass(&pool, (0..items / CHUNK).map(chunk), squares, |chunk| {
        found.extend(chunk);
    })?;
    let took = begun.elapsed().as_nanos() as f64;
    assert!(
        (0..)
            .map(square)
            .zip(&found)
            .all(|(square, found)| square == *found)
    );
    Ok(Speed {
        single_ns: single,
        item_ns: took / found.len() as f64,
    })
}

/// A submission panics where its workers are gone.
fn submit(pool: &Pool, task: fn(u64) -> u64, number: u64) -> Option<JoinHandle<u64>> {
    catch_unwind(AssertUnwindSafe(|| pool.spawn(number, task))).ok()
}

fn outcome(task: Option<JoinHandle<u64>>, end: Instant) -> Outcome {
    let left = end.saturating_duration_since(Instant::now());
    let left = left.max(Duration::from_millis(1));
    match task.map(|mut task| task.join_timeout(left)) {
        Some(Ok(_)) => Outcome::Answered,
        Some(Err(error)) if SpawnError::is_timeout(&error) => Outcome::Hung,
        Some(Err(_)) | None => Outcome::Failed,
    }
}

/// The children of this process: the workers, as long as it has no others.
fn workers() -> Result<Vec<libc::pid_t>, Failure> {
    let mut found = Vec::new();
    let threads =
        fs::read_dir(format!("/proc/{}/task", std::process::id())).map_err(Failure::worker)?;
    for thread in threads.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace();
        found.extend(children.filter_map(|child| child.parse::<libc::pid_t>().ok()));
    }
    Ok(found)
}

pub(super) fn kill(moment: Moment) -> Result<Toll, Failure> {
    let pool = pool()?;
    pass(&pool, 0..TASKS as u64, pause, |_| {})?;
    if moment == Moment::Idle {
        let workers = workers()?;
        let worker = workers
            .first()
            .ok_or_else(|| Failure::worker("a pool without workers"))?;
        // SAFETY: a signal to a child of this process, which has not been waited for.
        unsafe { libc::kill(*worker, libc::SIGKILL) };
    }
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| match (number, moment) {
            (VICTIM, Moment::InTask) => submit(&pool, die, number as u64),
            _ => submit(&pool, pause, number as u64),
        })
        .collect();
    let end = Instant::now() + PATIENCE;
    let outcomes = tasks.into_iter().map(|task| outcome(task, end));
    let outcomes = outcomes.collect();
    let after = outcome(submit(&pool, pause, 1), Instant::now() + PATIENCE);
    Ok(Toll::of(outcomes, moment, after))
}

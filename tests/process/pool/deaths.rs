//! Workers that are killed, stopped, or too slow.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossdock::array::Init;
use crossdock::process::TaskError;
use crossdock::{AtomicArray, Segment};

use super::{NEVER, assert_died, builder, die, hang, kill, pool, square};
use crate::support::{Gate, wait_at};

#[test]
fn a_killed_worker_costs_its_task_and_nothing_else() {
    let pool = pool(2);
    let gate = Gate::new();
    let wait = |gate: PathBuf| wait_at(&gate);
    let other = pool.submit(wait, gate.path()).expect("submitted");
    let arrived = gate.arrival();
    let error = pool.call(die, libc::SIGKILL).expect_err("killed");
    assert_died(&error, Some(libc::SIGKILL), None);
    drop(arrived);
    assert_eq!(other.wait(), Ok(()));
    let squares = pool.map(square, 0..50).expect("mapped");
    assert_eq!(squares[49], 49 * 49);
    // The successor is started by another thread.
    let end = Instant::now() + NEVER;
    while pool.worker_ids().len() < 2 {
        assert!(Instant::now() < end, "no successor");
        assert_eq!(pool.call(square, 3), Ok(9));
    }
}

#[test]
fn a_worker_that_exits_says_its_code() {
    let error = pool(1)
        .call(|code: i32| std::process::exit(code), 3)
        .map(|(): ()| ())
        .expect_err("exited");
    assert_died(&error, None, Some(3));
}

#[test]
fn idle_workers_that_are_killed_are_replaced() {
    let pool = pool(2);
    for _ in 0..5 {
        pool.worker_ids().into_iter().for_each(kill);
        for number in 0..10 {
            assert_eq!(pool.call(square, number), Ok(number * number));
        }
    }
}

/// A segment in which tasks count how often each of them ran.
fn runs(tasks: usize) -> AtomicArray<u32> {
    let segment = Segment::anonymous().expect("a segment");
    segment
        .create("runs", Init::zeroed(tasks))
        .expect("created")
}

#[test]
fn a_task_is_retried_as_often_as_it_says() {
    let runs = runs(2);
    let pool = builder(1)
        .initializer(|runs: AtomicArray<u32>| runs, runs.clone())
        .build()
        .expect("built");
    let dies = |runs: &mut AtomicArray<u32>, (task, deaths): (usize, u32)| {
        if runs[task].fetch_add(1) < deaths {
            die(libc::SIGKILL);
        }
        task
    };
    let twice = pool.options().retries(2);
    assert_eq!(twice.call(dies, (0, 2)), Ok(0));
    let error = twice.call(dies, (1, 9)).expect_err("three deaths");
    assert!(
        matches!(error, TaskError::WorkerDied { attempts: 3, .. }),
        "{error}"
    );
    assert_eq!(runs.to_vec(), [3, 3]);
    let never = twice.retry_if(|error| !error.is_death());
    let error = never.call(dies, (1, 99)).expect_err("a death");
    assert!(matches!(error, TaskError::WorkerDied { attempts: 1, .. }));
}

#[test]
fn a_panic_of_what_is_asked_for_retries_is_a_no() {
    let pool = pool(1);
    let options = pool.options().retries(1).retry_if(|_| panic!("on purpose"));
    for _ in 0..2 {
        let mut task = options.submit(die, libc::SIGKILL).expect("submitted");
        let error = task.wait_timeout(NEVER / 4).expect_err("a death");
        assert!(
            matches!(error, TaskError::WorkerDied { attempts: 1, .. }),
            "{error}"
        );
        assert_eq!(pool.call(square, 3), Ok(9));
    }
    pool.join();
}

/// Not 0 once the program is asked, and once it may answer.
static IS_ASKED: AtomicU32 = AtomicU32::new(0);
static MAY_ANSWER: AtomicU32 = AtomicU32::new(0);

/// Waits until it may answer; a no if that takes too long.
fn thinks(_: &TaskError) -> bool {
    IS_ASKED.store(1, Relaxed);
    let begun = Instant::now();
    while MAY_ANSWER.load(Relaxed) == 0 {
        if begun.elapsed() > NEVER / 4 {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Has the program asked by the death of a task's worker.
fn until_it_is_asked<R>(submit: impl FnOnce() -> R) -> R {
    MAY_ANSWER.store(0, Relaxed);
    IS_ASKED.store(0, Relaxed);
    let task = submit();
    while IS_ASKED.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    task
}

#[test]
fn the_pool_goes_on_while_the_program_is_asked_for_a_retry() {
    let runs = runs(2);
    let pool = builder(2)
        .initializer(|runs: AtomicArray<u32>| runs, runs.clone())
        .build()
        .expect("built");
    let dies = |runs: &mut AtomicArray<u32>, task: usize| {
        if runs[task].fetch_add(1) == 0 {
            die(libc::SIGKILL);
        }
        task
    };
    let careful = pool.options().retries(1).retry_if(thinks);
    let task = until_it_is_asked(|| careful.submit(dies, 0).expect("submitted"));
    assert_eq!(pool.call(|_, number: u64| square(number), 3), Ok(9));
    assert_eq!(pool.progress().in_flight, 1);
    MAY_ANSWER.store(1, Relaxed);
    assert_eq!(task.wait(), Ok(0));

    // What is killed meanwhile does not run again, whatever the answer is.
    let task = until_it_is_asked(|| careful.submit(dies, 1).expect("submitted"));
    assert!(task.kill());
    MAY_ANSWER.store(1, Relaxed);
    assert_eq!(task.wait(), Err(TaskError::Cancelled));
    assert_eq!(runs.to_vec(), [2, 1]);
}

#[test]
fn a_chunk_goes_on_from_the_item_that_was_running() {
    let runs = runs(40);
    let pool = builder(2)
        .initializer(|runs: AtomicArray<u32>| runs, runs.clone())
        .build()
        .expect("built");
    let step = |runs: &mut AtomicArray<u32>, item: usize| {
        if runs[item].fetch_add(1) == 0 && item % 10 == 5 {
            die(libc::SIGKILL);
        }
        item * 2
    };
    let results = pool.options().chunk_size(20).retries(1).map(step, 0..40);
    assert_eq!(results, Ok((0..40).map(|item| item * 2).collect()));
    for (item, runs) in runs.to_vec().into_iter().enumerate() {
        assert_eq!(runs, if item % 10 == 5 { 2 } else { 1 }, "item {item}");
    }
}

/// Runs four items in one chunk with one retry; the second item ends its worker, or hangs, each
/// time, up to ten times. Returns its error, and how often each item ran.
fn retried_in_mid_chunk(limit: Option<Duration>) -> (TaskError, Vec<u32>) {
    let runs = runs(4);
    let pool = builder(1)
        .initializer(|runs: AtomicArray<u32>| runs, runs.clone())
        .build()
        .expect("built");
    let step = |runs: &mut AtomicArray<u32>, (item, hangs): (usize, bool)| {
        if runs[item].fetch_add(1) < 10 && item == 1 {
            match hangs {
                true => hang(()),
                false => std::process::exit(3),
            }
        }
        item
    };
    let mut options = pool.options().chunk_size(4).retries(1);
    if let Some(limit) = limit {
        options = options.timeout(limit);
    }
    let items = (0..4).map(|item| (item, limit.is_some()));
    let mut results: Vec<_> = options.imap(step, items).collect();
    let error = results.remove(1).expect_err("it ends each worker");
    assert_eq!(results, [Ok(0), Ok(2), Ok(3)]);
    (error, runs.to_vec())
}

#[test]
fn an_item_that_always_kills_in_mid_chunk_is_retried_as_often_as_it_says() {
    let (error, runs) = retried_in_mid_chunk(None);
    assert!(
        matches!(
            error,
            TaskError::WorkerDied {
                code: Some(3),
                attempts: 2,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(runs, [1, 2, 1, 1]);
}

#[test]
fn an_item_that_is_always_late_in_mid_chunk_is_retried_as_often_as_it_says() {
    let limit = Duration::from_millis(500);
    let (error, runs) = retried_in_mid_chunk(Some(limit));
    assert_eq!(error, TaskError::TimedOut { limit, attempts: 2 });
    assert_eq!(runs, [1, 2, 1, 1]);
}

#[test]
fn items_behind_a_death_in_a_chunk_have_results() {
    let pool = pool(1);
    let step = |item: u32| {
        if item == 3 {
            die(libc::SIGKILL);
        }
        "x".repeat(item as usize * 5000)
    };
    let results: Vec<_> = pool.options().chunk_size(10).imap(step, 0..10).collect();
    for (item, result) in results.iter().enumerate() {
        match result {
            Ok(text) => assert_eq!(text.len(), item * 5000),
            Err(error) => {
                assert_eq!(item, 3);
                assert!(matches!(error, TaskError::WorkerDied { .. }), "{error}");
            }
        }
    }
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}

const SOON: Duration = Duration::from_millis(30);

/// Results of a chunk that leave in several replies, as they do not fit into the worker's place
/// together, and one not at all.
#[test]
fn long_results_of_a_chunk_are_kept_when_its_worker_dies() {
    fn len(item: usize) -> usize {
        if item == 5 { 300_000 } else { 20_000 + item }
    }
    let runs = runs(12);
    let pool = builder(1)
        .initializer(|runs: AtomicArray<u32>| runs, runs.clone())
        .build()
        .expect("built");
    let step = |runs: &mut AtomicArray<u32>, item: usize| {
        if runs[item].fetch_add(1) == 0 && item == 10 {
            die(libc::SIGKILL);
        }
        "x".repeat(len(item))
    };
    let results = pool.options().chunk_size(12).retries(1).map(step, 0..12);
    let lengths = results.map(|texts| texts.iter().map(String::len).collect::<Vec<_>>());
    assert_eq!(lengths, Ok((0..12).map(len).collect()));
    for (item, runs) in runs.to_vec().into_iter().enumerate() {
        assert_eq!(runs, if item == 10 { 2 } else { 1 }, "item {item}");
    }
}

#[test]
fn a_task_over_its_limit_is_ended_and_the_others_go_on() {
    let pool = pool(2);
    let gate = Gate::new();
    let other = pool
        .submit(|gate: PathBuf| wait_at(&gate), gate.path())
        .expect("submitted");
    let arrived = gate.arrival();
    let error = pool
        .options()
        .timeout(SOON)
        .call(hang, ())
        .expect_err("late");
    assert_eq!(
        error,
        TaskError::TimedOut {
            limit: SOON,
            attempts: 1
        }
    );
    drop(arrived);
    assert_eq!(other.wait(), Ok(()));
    assert_eq!(pool.call(square, 3), Ok(9));
}

#[test]
fn a_limit_is_of_each_item_of_a_chunk() {
    let pool = pool(1);
    let step = |item: u32| {
        if item == 4 {
            hang(());
        }
        item
    };
    let options = pool.options().timeout(SOON).chunk_size(8);
    let results: Vec<_> = options.imap(step, 0..8).collect();
    for (item, result) in (0..).zip(results) {
        match result {
            Err(TaskError::TimedOut { .. }) => assert_eq!(item, 4),
            result => assert_eq!(result, Ok(item)),
        }
    }
}

#[test]
fn a_stopped_worker_is_killed_at_the_limit_of_its_task() {
    let pool = pool(1);
    let error = pool
        .options()
        .timeout(SOON)
        .call(die, libc::SIGSTOP)
        .expect_err("stopped");
    assert!(matches!(error, TaskError::TimedOut { .. }), "{error}");
    assert_eq!(pool.call(square, 3), Ok(9));
}

#[test]
fn workers_killed_at_random_lose_nothing_with_retries() {
    const TASKS: u64 = 4000;
    let pool = pool(3);
    let mut seed = 88_172_645_463_325_252_u64;
    let options = pool.options().retries(100).in_flight(64);
    let mut count = 0;
    for (number, result) in (0..).zip(options.imap(square, 0..TASKS)) {
        assert_eq!(result, Ok(number * number));
        count += 1;
        if number % 50 == 7 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let ids = pool.worker_ids();
            if let Some(id) = ids.get(usize::try_from(seed % 3).expect("small")) {
                kill(*id);
            }
        }
    }
    assert_eq!(count, TASKS);
    assert!(pool.progress().restarts > 0);
}

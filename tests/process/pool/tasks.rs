//! Single tasks, their handles and the state of workers.

use std::collections::BTreeSet;

use crossdock::process::{Pool, SubmitError, TaskError, as_completed};
use crossdock::{Counter, Segment};

use super::{NEVER, builder, pool, square};
use crate::support::{Gate, wait_at};

#[test]
fn tasks_give_their_results() {
    let pool = pool(2);
    assert_eq!(pool.call(square, 12), Ok(144));
    let tasks: Vec<_> = (0..100)
        .map(|number| pool.submit(square, number).expect("submitted"))
        .collect();
    for (number, task) in (0..).zip(tasks) {
        assert_eq!(task.wait(), Ok(number * number));
    }
    let progress = pool.progress();
    assert_eq!((progress.submitted, progress.done), (101, 101));
    assert_eq!((progress.failed, progress.in_flight), (0, 0));
}

#[test]
fn text_and_large_values_pass_both_ways() {
    let pool = pool(1);
    let text = "x".repeat(1 << 20);
    let shouted = pool.call(|text: String| text.to_uppercase(), text);
    assert_eq!(shouted.map(|text| text.len()), Ok(1 << 20));
}

#[test]
fn a_state_stays_in_its_worker_and_need_not_be_portable() {
    fn count(state: &mut std::rc::Rc<std::cell::Cell<u64>>, add: u64) -> u64 {
        state.set(state.get() + add);
        state.get()
    }
    let pool = builder(1)
        .initializer(
            |first: u64| std::rc::Rc::new(std::cell::Cell::new(first)),
            40,
        )
        .build()
        .expect("built");
    assert_eq!(pool.call(count, 1), Ok(41));
    assert_eq!(pool.call(count, 1), Ok(42));
}

#[test]
fn a_handle_of_the_initializer_may_be_an_argument_and_a_result() {
    let segment = Segment::anonymous().expect("a segment");
    let known: Counter = segment.create("known", 0).expect("created");
    let pool = builder(2)
        .initializer(|counter: Counter| counter, known.clone())
        .build()
        .expect("built");
    let add = |own: &mut Counter, given: Counter| {
        own.add(1);
        given.add(10);
        given
    };
    let back = pool.call(add, known.clone()).expect("a handle");
    assert_eq!((known.load(), back.load()), (11, 11));
}

#[test]
fn a_panic_is_the_error_of_its_task_and_says_where_it_was() {
    let pool = pool(1);
    let before = pool.worker_ids();
    let error = pool
        .call(
            |number: u32| assert!(number > 3, "{number} is too small"),
            2,
        )
        .expect_err("a panic");
    let TaskError::Panicked(panic) = error else {
        panic!("{error}");
    };
    assert_eq!(panic.message(), "2 is too small");
    let location = panic.location().expect("a place").to_string();
    assert!(location.contains("tasks.rs:"), "{location}");
    assert_eq!(pool.call(square, 3), Ok(9));
    assert_eq!(pool.worker_ids(), before, "the worker is the same");
}

#[test]
fn a_worker_with_a_state_is_replaced_after_a_panic() {
    let pool = builder(1)
        .initializer(|first: u64| first, 7)
        .build()
        .expect("built");
    let set = |state: &mut u64, to: u64| {
        *state = to;
        assert!(to != 13, "unlucky");
        *state
    };
    let before = pool.worker_ids();
    assert_eq!(pool.call(set, 8), Ok(8));
    let error = pool.call(set, 13).expect_err("a panic");
    assert!(matches!(error, TaskError::Panicked(_)), "{error}");
    assert_eq!(pool.call(|state: &mut u64, (): ()| *state, ()), Ok(7));
    assert_ne!(pool.worker_ids(), before);
}

#[test]
fn a_task_that_has_not_begun_is_cancelled_and_never_runs() {
    let segment = Segment::anonymous().expect("a segment");
    let ran: Counter = segment.create("ran", 0).expect("created");
    let pool = builder(1)
        .initializer(|ran: Counter| ran, ran.clone())
        .build()
        .expect("built");
    let gate = Gate::new();
    let wait = |_: &mut Counter, gate: std::path::PathBuf| wait_at(&gate);
    let running = pool.submit(wait, gate.path()).expect("submitted");
    let arrived = gate.arrival();
    let count = |ran: &mut Counter, add: u64| ran.add(add);
    let queued = pool.submit(count, 1).expect("submitted");
    assert!(queued.cancel(), "it waits behind the first");
    assert!(!queued.cancel(), "once");
    assert!(queued.is_ready());
    assert_eq!(queued.wait(), Err(TaskError::Cancelled));
    assert!(!running.cancel(), "it has begun");
    drop(arrived);
    assert_eq!(running.wait(), Ok(()));
    assert_eq!(pool.call(count, 10), Ok(10));
    assert_eq!(ran.load(), 10);
    assert!(pool.wait_idle_timeout(NEVER));
}

#[test]
fn a_task_that_runs_is_killed_and_only_that_one() {
    let pool = pool(2);
    let (gate, hanging_gate) = (Gate::new(), Gate::new());
    let wait = |gate: std::path::PathBuf| wait_at(&gate);
    let other = pool.submit(wait, gate.path()).expect("submitted");
    let arrived = gate.arrival();
    let hanging = pool.submit(wait, hanging_gate.path()).expect("submitted");
    let _running = hanging_gate.arrival();
    assert!(!hanging.cancel(), "it has begun");
    assert!(hanging.kill());
    assert_eq!(hanging.wait(), Err(TaskError::Cancelled));
    drop(arrived);
    assert_eq!(other.wait(), Ok(()));
    assert_eq!(pool.call(square, 5), Ok(25));
}

#[test]
fn a_timed_wait_consumes_nothing() {
    let pool = pool(1);
    let gate = Gate::new();
    let mut task = pool
        .submit(|gate: std::path::PathBuf| wait_at(&gate), gate.path())
        .expect("submitted");
    let arrived = gate.arrival();
    assert_eq!(
        task.wait_timeout(std::time::Duration::from_millis(5)),
        Ok(None)
    );
    assert!(!task.is_ready());
    drop(arrived);
    assert_eq!(task.wait_timeout(NEVER), Ok(Some(())));
    assert_eq!(task.wait_timeout(NEVER), Err(TaskError::Closed));
}

#[test]
fn tasks_come_as_they_are_completed() {
    let (one, two) = (pool(1), pool(1));
    let gate = Gate::new();
    let hold = |(gate, number): (Option<std::path::PathBuf>, u32)| {
        if let Some(gate) = gate {
            wait_at(&gate);
        }
        number
    };
    let slow = one.submit(hold, (Some(gate.path()), 1)).expect("submitted");
    let arrived = gate.arrival();
    let fast = two.submit(hold, (None, 2)).expect("submitted");
    let mut results = as_completed([slow, fast]);
    assert_eq!(results.next(), Some(Ok(2)));
    drop(arrived);
    assert_eq!(results.next(), Some(Ok(1)));
    assert_eq!(results.next(), None);
}

#[test]
fn a_pool_that_is_full_says_so_and_goes_on() {
    let pool = builder(1).in_flight(1).build().expect("built");
    let gate = Gate::new();
    let running = pool
        .submit(|gate: std::path::PathBuf| wait_at(&gate), gate.path())
        .expect("submitted");
    let arrived = gate.arrival();
    let full = pool.try_submit(square, 1).expect_err("full");
    assert_eq!(full, SubmitError::Full);
    drop(arrived);
    assert_eq!(running.wait(), Ok(()));
    assert_eq!(pool.submit(square, 2).expect("submitted").wait(), Ok(4));
}

#[test]
fn threads_use_a_pool_at_once() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                for number in 0..200 {
                    let number = thread * 1000 + number;
                    assert_eq!(pool.call(square, number), Ok(number * number));
                }
                let squares = pool.map(square, 0..100).expect("mapped");
                assert_eq!(squares.len(), 100);
            });
        }
    });
}

#[test]
fn a_worker_has_a_pool_of_its_own() {
    fn sum(numbers: Vec<u64>) -> u64 {
        let pool = Pool::builder().workers(2).build().expect("built");
        pool.map(square, numbers).expect("mapped").iter().sum()
    }
    assert_eq!(pool(1).call(sum, vec![1, 2, 3]), Ok(14));
}

#[test]
fn workers_are_named_by_their_places() {
    let pool = builder(2).name("Kitchen").build().expect("built");
    let gate = Gate::new();
    let name = |gate: std::path::PathBuf| {
        wait_at(&gate);
        let name = std::fs::read_to_string("/proc/self/comm").expect("a name");
        name.trim_end().to_owned()
    };
    let tasks = [0, 1].map(|_| pool.submit(name, gate.path()).expect("submitted"));
    let both = [gate.arrival(), gate.arrival()];
    drop(both);
    let names: BTreeSet<String> = tasks.map(|task| task.wait().expect("a name")).into();
    assert_eq!(
        names,
        ["Kitchen-1".to_owned(), "Kitchen-2".to_owned()].into()
    );
}

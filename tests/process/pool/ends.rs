//! How pools are built and ended.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossdock::process::{BuildError, Pool, StartMethod, SubmitError, TaskError};
use crossdock::{Counter, Segment};

use super::{assert_died, builder, die, hang, pool, square};
use crate::support::{Gate, call, has_children, start, wait_at};

#[test]
fn a_pool_that_is_joined_has_done_its_tasks() {
    let pool = pool(2);
    let tasks: Vec<_> = (0..20)
        .map(|number| pool.submit(square, number).expect("submitted"))
        .collect();
    pool.close();
    assert_eq!(
        pool.submit(square, 1).expect_err("closed"),
        SubmitError::Closed
    );
    pool.join();
    for (number, task) in (0..).zip(tasks) {
        assert_eq!(task.wait(), Ok(number * number));
    }
}

#[test]
fn a_pool_that_is_dropped_ends_its_tasks_and_leaves_no_process() {
    fn drop_a_pool((): ()) -> bool {
        let pool = Pool::builder().workers(2).build().expect("built");
        let task = pool.submit(hang, ()).expect("submitted");
        drop(pool);
        assert_eq!(task.wait(), Err(TaskError::Closed));
        has_children()
    }
    assert_eq!(call(drop_a_pool, ()), Ok(false));
}

#[test]
fn a_pool_joined_with_cancels_ends_what_has_begun() {
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool
        .submit(|gate: PathBuf| wait_at(&gate), gate.path())
        .expect("submitted");
    let arrived = gate.arrival();
    let queued = pool.submit(square, 1).expect("submitted");
    std::thread::scope(|scope| {
        scope.spawn(move || pool.join_cancelling());
        assert_eq!(queued.wait(), Err(TaskError::Cancelled));
        drop(arrived);
    });
    assert_eq!(running.wait(), Ok(()));
}

#[test]
fn an_initializer_that_panics_or_fails_is_an_error_of_the_build() {
    let panicked = builder(2)
        .initializer(|number: u32| assert!(number > 9, "too small"), 3)
        .build()
        .expect_err("a panic");
    let BuildError::Initializer { message } = &panicked else {
        panic!("{panicked}");
    };
    assert!(message.contains("too small"), "{message}");

    let failed = builder(2)
        .try_initializer(|text: String| text.parse::<u32>(), "x".to_owned())
        .build()
        .expect_err("no number");
    let message = "invalid digit found in string".to_owned();
    assert_eq!(failed, BuildError::Initializer { message });

    let died = builder(1).initializer(die, libc::SIGKILL).build();
    assert!(
        matches!(&died, Err(BuildError::Initializer { message }) if message.contains("signal 9")),
        "{died:?}"
    );
}

#[test]
fn a_pool_whose_initializer_always_fails_later_is_broken() {
    let segment = Segment::anonymous().expect("a segment");
    let starts: Counter = segment.create("starts", 0).expect("created");
    let first_only = |starts: Counter| match starts.add(1) {
        1 => Ok(()),
        _ => Err("only once"),
    };
    let pool = builder(1)
        .try_initializer(first_only, starts.clone())
        .build()
        .expect("built");
    let kill = |_: &mut (), (): ()| die(libc::SIGKILL);
    let error = pool.call(kill, ()).expect_err("killed");
    assert!(matches!(error, TaskError::WorkerDied { .. }), "{error}");
    let error = pool.call(|_: &mut (), (): ()| (), ()).expect_err("broken");
    assert_eq!(error, TaskError::Broken("only once".to_owned()));
    assert_eq!(starts.load(), 6, "one success, five failures");
    assert!(matches!(
        pool.try_submit(|_: &mut (), (): ()| (), ()),
        Err(SubmitError::Broken(_))
    ));
}

#[test]
fn workers_that_leave_after_some_tasks_are_replaced() {
    let pool = builder(2).max_tasks_per_worker(10).build().expect("built");
    let first = pool.worker_ids();
    for number in 0..100 {
        assert_eq!(pool.call(square, number), Ok(number * number));
    }
    let results = pool.options().chunk_size(3).map(square, 0..100);
    assert_eq!(results.map(|results| results.len()), Ok(100));
    // 200 items, and a worker does 12 at most; an exit may be noted a moment later.
    assert!(pool.progress().restarts >= 10);
    assert_ne!(pool.worker_ids(), first);
    assert_eq!(pool.progress().retried, 0);
}

#[test]
fn busy_workers_end_with_a_parent_that_is_killed() {
    fn parent(gate: PathBuf) {
        let pool = Pool::builder().workers(2).build().expect("built");
        let wait = |gate: PathBuf| wait_at(&gate);
        let tasks = [0, 1].map(|_| pool.submit(wait, gate.clone()).expect("submitted"));
        for task in tasks {
            task.wait().expect("never");
        }
    }
    let gate = Gate::new();
    let parent = start(parent, gate.path());
    let workers = [gate.arrival(), gate.arrival()];
    parent.kill().expect("killed");
    for mut worker in workers {
        // The stream ends with the process.
        let _ = std::io::Read::read_to_end(&mut worker, &mut Vec::new());
    }
}

#[test]
fn a_fork_of_the_parent_has_no_part_in_the_pool() {
    fn forks((): ()) -> (i32, u64) {
        let pool = Pool::builder().workers(1).build().expect("built");
        // SAFETY: the child calls only what works in a forked child: it fails before any lock.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = pool.try_submit(square, 1).is_err();
            drop(pool);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if refused { 7 } else { 8 }) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        (
            libc::WEXITSTATUS(status),
            pool.call(square, 3).expect("the pool is the parent's"),
        )
    }
    assert_eq!(call(forks, ()), Ok((7, 9)));
}

#[test]
fn interrupts_do_not_end_workers() {
    let pool = pool(1);
    assert_eq!(pool.call(die, libc::SIGINT), Ok(()));
}

/// Whether the process is in that state, as /proc has it.
fn is_in_state(process: u32, state: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| stat.contains(&format!(") {state} ")))
}

#[test]
fn a_stopped_fork_server_does_not_hold_up_the_workers_that_live() {
    fn calls((): ()) -> (u32, usize) {
        let builder = Pool::builder().workers(2).start(StartMethod::ForkServer);
        let pool = builder.build().expect("built");
        let server = pool.call(|()| std::os::unix::process::parent_id(), ());
        let server = server.expect("a server");
        let signal = |signal: i32| {
            // SAFETY: takes integers; the process is this one's fork server.
            unsafe { libc::kill(server.cast_signed(), signal) };
        };
        signal(libc::SIGSTOP);
        while !is_in_state(server, "T") {
            std::thread::yield_now();
        }
        let killed = pool.worker_ids()[0];
        super::kill(killed);
        while !is_in_state(killed, "Z") {
            std::thread::yield_now();
        }
        let (mut count, end) = (0, Instant::now() + Duration::from_secs(2));
        while Instant::now() < end {
            assert_eq!(pool.call(square, 3), Ok(9));
            count += 1;
        }
        signal(libc::SIGCONT);
        let end = Instant::now() + super::NEVER / 2;
        while pool.progress().restarts == 0 || pool.worker_ids().len() < 2 {
            assert!(Instant::now() < end, "no successor");
            std::thread::yield_now();
        }
        (count, pool.worker_ids().len())
    }
    let (count, workers) = call(calls, ()).expect("joined");
    // Under the lock, the supervisor waited for a tenth of a second at a time.
    assert!(count > 60, "{count} calls in two seconds");
    assert_eq!(workers, 2);
}

#[test]
fn workers_of_the_fork_server_are_replaced_as_others_are() {
    let pool = builder(2)
        .start(StartMethod::ForkServer)
        .max_tasks_per_worker(30)
        .build()
        .expect("built");
    for _ in 0..5 {
        let error = pool.call(die, libc::SIGKILL).expect_err("killed");
        assert_died(&error, Some(libc::SIGKILL), None);
        let squares = pool.map(square, 0..100).expect("mapped");
        assert_eq!(squares[99], 99 * 99);
    }
    assert!(pool.progress().restarts >= 5);
    pool.join();
}

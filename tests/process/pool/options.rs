//! What the options of a pool say of each worker.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossdock::process::{BuildError, OnParentDeath, Pool, StartMethod, TaskError};
use crossdock::{Counter, Segment};

use super::{builder, die, hang, square};
use crate::support::{Gate, start, wait_at};

fn id((): ()) -> u32 {
    std::process::id()
}

/// Waits for the end of the process that has the other end.
fn await_end(mut stream: UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn a_spare_worker_takes_the_tasks_of_one_that_died_before_its_successor_is_ready() {
    let segment = Segment::anonymous().expect("a segment");
    let starts: Counter = segment.create("starts", 0).expect("created");
    let gate = Gate::new();
    let hold_successors = |(starts, gate): (Counter, PathBuf)| {
        if starts.add(1) > 2 {
            wait_at(&gate);
        }
    };
    let pool = builder(1)
        .spare(1)
        .initializer(hold_successors, (starts.clone(), gate.path()))
        .build()
        .expect("built");
    assert_eq!((pool.workers(), pool.worker_ids().len()), (1, 2));
    let error = pool.call(|(): &mut (), signal: i32| die(signal), libc::SIGKILL);
    assert!(
        matches!(error, Err(TaskError::WorkerDied { .. })),
        "{error:?}"
    );
    let successor = gate.arrival();
    assert_eq!(pool.call(|(): &mut (), n: u64| n * n, 3), Ok(9));
    drop(successor);
}

#[test]
fn only_as_many_workers_as_the_pool_has_take_tasks_and_spare_ones_wait() {
    let pool = builder(1)
        .spare(2)
        .max_tasks_per_worker(5)
        .start(StartMethod::ForkServer)
        .build()
        .expect("built");
    let ids = pool.options().chunk_size(1).map(id, (0..50).map(|_| ()));
    let ids = ids.expect("mapped");
    // Five tasks of one worker follow each other: no two workers take turns.
    for of_one in ids.chunks(5) {
        assert!(of_one.iter().all(|id| *id == of_one[0]), "{ids:?}");
    }
    // The supervisor may replace the last ones only now.
    let deadline = Instant::now() + Duration::from_secs(60);
    while pool.progress().restarts < 8 {
        assert!(Instant::now() < deadline, "{:?}", pool.progress());
        thread::yield_now();
    }
    pool.join();
}

#[test]
fn too_many_workers_and_spare_ones_are_refused() {
    let refused = builder(1).spare(500).build().expect_err("refused");
    let most = 500;
    assert_eq!(refused, BuildError::Workers { found: 501, most });
    let refused = builder(1).spare(u32::MAX).build().expect_err("refused");
    assert!(matches!(refused, BuildError::Workers { .. }), "{refused}");
}

#[test]
fn a_worker_that_has_grown_too_large_is_replaced_between_tasks() {
    let pool = builder(1)
        .max_memory_per_worker(32 << 20)
        .build()
        .expect("built");
    let first = pool.call(id, ());
    assert_eq!(pool.call(square, 3), Ok(9));
    assert_eq!(pool.call(id, ()), first, "it has not grown");
    let grow = |bytes: usize| {
        std::mem::forget(vec![1_u8; bytes]);
        std::process::id()
    };
    assert_eq!(pool.call(grow, 64 << 20), first, "its task is finished");
    assert_ne!(pool.call(id, ()), first);
    assert_eq!(pool.progress().restarts, 1);
}

/// Starts a program that has the stream and never ends.
fn start_program(gate: PathBuf) {
    let stream = UnixStream::connect(gate).expect("the gate");
    let program = Command::new("sleep")
        .arg("1000")
        .stdin(OwnedFd::from(stream))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    drop(program.expect("started"));
}

#[test]
fn what_tasks_have_started_ends_with_their_worker_if_that_is_asked_for() {
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let gate = Gate::new();
        let pool = builder(1)
            .kill_group(true)
            .start(method)
            .build()
            .expect("built");
        // Killed by the pool, by itself, and at the end of the pool.
        let started = pool
            .submit(
                |gate: PathBuf| {
                    start_program(gate);
                    hang(());
                },
                gate.path(),
            )
            .expect("submitted");
        let program = gate.arrival();
        assert!(started.kill());
        await_end(program);
        let started = pool.call(
            |gate: PathBuf| {
                start_program(gate);
                die(libc::SIGKILL);
            },
            gate.path(),
        );
        assert!(started.is_err(), "{started:?}");
        await_end(gate.arrival());
        assert_eq!(pool.call(start_program, gate.path()), Ok(()));
        let program = gate.arrival();
        pool.join();
        await_end(program);
    }
}

#[test]
fn what_tasks_have_started_ends_with_the_parent_of_their_pool() {
    fn parent(gate: PathBuf) {
        let pool = Pool::builder().workers(1).kill_group(true);
        let pool = pool.build().expect("built");
        pool.call(start_program, gate).expect("started");
        hang(());
    }
    let gate = Gate::new();
    let parent = start(parent, gate.path());
    let program = gate.arrival();
    parent.kill().expect("killed");
    await_end(program);
}

#[test]
fn workers_run_where_and_when_they_are_told() {
    fn place((): ()) -> (bool, i32) {
        // SAFETY: an empty set of processors.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is as long as the size says.
        unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
        // SAFETY: reads the set.
        let has_first = unsafe { libc::CPU_ISSET(0, &set) };
        // SAFETY: as above.
        let only = has_first && unsafe { libc::CPU_COUNT(&set) } == 1;
        // SAFETY: takes integers.
        let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        (only, nice)
    }
    let (_, own) = place(());
    let pool = builder(2).affinity([[0]]).nice(1).build().expect("built");
    assert_eq!(pool.call(place, ()), Ok((true, (own + 1).min(19))));
    let refused = builder(2).affinity([vec![0], vec![]]).build();
    let BuildError::Initializer { message } = refused.expect_err("no processor") else {
        panic!("another error");
    };
    assert!(message.contains("processors []"), "{message}");
}

#[test]
fn workers_finish_their_task_after_the_parents_death_if_they_are_told_so() {
    type Gates = (PathBuf, PathBuf);
    fn work((first, second): Gates) {
        wait_at(&first);
        let stream = UnixStream::connect(second).expect("the gate");
        // It ends with the process.
        std::mem::forget(stream);
    }
    fn parent((gates, spare): (Gates, u32)) {
        let pool = Pool::builder()
            .workers(1)
            .spare(spare)
            .parent_death(OnParentDeath::FinishTask)
            .build()
            .expect("built");
        let tasks = [0, 1].map(|_| pool.submit(work, gates.clone()).expect("submitted"));
        hang(());
        drop(tasks);
    }
    for spare in [0, 1] {
        let gates = (Gate::new(), Gate::new());
        let parent = start(parent, ((gates.0.path(), gates.1.path()), spare));
        let arrived = gates.0.arrival();
        let mut parent = parent;
        parent.kill().expect("killed");
        parent.wait().expect("ended");
        // Only then the worker goes on.
        drop(arrived);
        await_end(gates.1.arrival());
        assert!(!gates.0.has_arrival(), "the second task has begun");
    }
}

#[test]
fn ends_among_the_arguments_of_the_initializer_are_there_for_replacements() {
    use crossdock::queue::{Queue, SenderOf, pair};
    let (sender, numbers) = pair::<Queue<u64>>(16).expect("a queue");
    let pool = builder(1)
        .initializer(|sender: SenderOf<Queue<u64>>| sender, sender)
        .build()
        .expect("built");
    let send = |sender: &mut SenderOf<Queue<u64>>, number: u64| sender.send(number).expect("sent");
    for number in 0..3 {
        assert_eq!(pool.call(send, number), Ok(()));
        let error = pool.call(|_: &mut SenderOf<Queue<u64>>, signal: i32| die(signal), 9);
        assert!(error.is_err(), "{error:?}");
    }
    pool.join();
    let received: Vec<u64> = numbers.iter().collect::<Result<_, _>>().expect("an end");
    assert_eq!(received, [0, 1, 2]);
}

#[test]
fn programs_that_a_task_starts_do_not_ignore_interrupts() {
    let ignored = |(): ()| {
        let output = Command::new("sh")
            .args(["-c", "kill -INT $$; echo ignored"])
            .output()
            .expect("run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let pool = builder(1).build().expect("built");
    assert_eq!(pool.call(ignored, ()).as_deref(), Ok(""));
}

//! Pools of workers.

mod bad_input;
mod deaths;
mod ends;
mod fallible;
mod forks;
mod iterators;
mod lingering;
mod memory;
mod options;
mod orphans;
mod passed;
mod tasks;

use std::time::Duration;

use crossdock::process::{self, Pool, PoolBuilder, TaskError};

/// A pool of so many workers, in a test.
fn builder(workers: u32) -> PoolBuilder {
    process::init_test("crossdock_worker");
    Pool::builder().workers(workers)
}

fn pool(workers: u32) -> Pool {
    builder(workers).build().expect("built")
}

/// Long enough for what never comes: no test waits so long.
const NEVER: Duration = Duration::from_secs(60);

fn kill(pid: u32) {
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: a signal to a worker of this test's own pool.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// A function that never returns.
fn hang((): ()) {
    loop {
        std::thread::park();
    }
}

/// Kills the process that runs it.
fn die(signal: i32) {
    // SAFETY: the signal of this process to itself.
    unsafe { libc::raise(signal) };
}

fn square(number: u64) -> u64 {
    number * number
}

/// Asserts that a worker died in a task, and not for want of memory as far as that is known.
fn assert_died(error: &TaskError, killed_by: Option<i32>, exited_with: Option<i32>) {
    match error {
        TaskError::WorkerDied {
            signal,
            code,
            oom: None | Some(false),
            started: true,
            attempts: 1,
            ..
        } => assert_eq!((*signal, *code), (killed_by, exited_with)),
        other => panic!("{other}"),
    }
}

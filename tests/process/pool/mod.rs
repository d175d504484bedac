//! Pools of workers.

mod bad_input;
mod deaths;
mod ends;
mod iterators;
mod options;
mod tasks;

use std::time::Duration;

use crossdock::process::{self, Pool, PoolBuilder};

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

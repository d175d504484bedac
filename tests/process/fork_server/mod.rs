//! Processes that a fork server starts.

mod deaths;
mod preload;
mod spare;
mod starts;
mod surroundings;
mod timeouts;

use crossdock::process::{self, Builder, JoinError, Process, StartMethod};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::support::{call, outcome};

fn forking() -> Builder {
    process::init_test("crossdock_worker");
    Builder::new().start(StartMethod::ForkServer)
}

fn fork<A, R>(function: fn(A) -> R, args: A) -> Process<R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    forking().spawn(function, args).expect("started")
}

/// The result of a process that the fork server starts.
fn forked<A, R>(function: fn(A) -> R, args: A) -> Result<R, JoinError>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    outcome(&mut fork(function, args))
}

/// The result of a check that has a process, and so a fork server, of its own.
fn alone<R: Serialize + DeserializeOwned>(check: fn(()) -> R) -> R {
    call(check, ()).expect("joined")
}

fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// The server of the calling process.
fn server() -> u32 {
    forked(|()| parent(), ()).expect("joined")
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let ids = children.split_whitespace();
    ids.map(|id| id.parse().expect("a pid")).collect()
}

fn kill(process: u32, signal: i32) {
    let process = i32::try_from(process).expect("a pid");
    // SAFETY: takes two integers; the process is this test's, and has not been waited for.
    unsafe { libc::kill(process, signal) };
}

/// Whether the process has not ended; one that is not waited for yet has.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until it is stopped.
fn stop(process: u32) {
    kill(process, libc::SIGSTOP);
    let stat = format!("/proc/{process}/stat");
    while !std::fs::read_to_string(&stat)
        .expect("/proc")
        .contains(") T ")
    {
        std::thread::yield_now();
    }
}

fn wait_for_the_end_of(process: u32) {
    while runs(process) {
        std::thread::yield_now();
    }
}

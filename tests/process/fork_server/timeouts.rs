//! Starts while a server, or a process that it forks, is stopped.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crossdock::process::{self, ForkServerError, SpawnError};

use super::{alone, forking, kill};
use crate::support::Gate;

/// A start that takes longer waits for ever.
const BOUND: Duration = Duration::from_secs(30);
/// Names the gate at which a new server tells its process id.
const GATE: &str = "FORK_SERVER_TEST_GATE";

/// Starts a process on a thread of its own; what the start returns is received.
fn starting(
    timeout: Option<Duration>,
    function: fn(()) -> u8,
) -> mpsc::Receiver<Result<(), SpawnError>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let builder = match timeout {
            Some(timeout) => forking().start_timeout(timeout),
            None => forking(),
        };
        let _ = sender.send(builder.spawn(function, ()).map(drop));
    });
    receiver
}

/// Has the next server call `function`, which tells its process id at the gate.
fn preload_with_gate(function: fn()) -> Gate {
    let gate = Gate::new();
    // SAFETY: no other thread of this process reads or writes the environment meanwhile.
    unsafe { std::env::set_var(GATE, gate.path()) };
    process::preload(function).expect("in the program");
    gate
}

/// Tells this server's process id.
fn tell() {
    let gate = PathBuf::from(std::env::var_os(GATE).expect("a gate"));
    let mut stream = UnixStream::connect(gate).expect("the gate");
    let id = std::process::id().to_le_bytes();
    stream.write_all(&id).expect("written");
}

fn told_at(gate: &Gate) -> u32 {
    let mut id = [0; 4];
    gate.arrival().read_exact(&mut id).expect("read");
    u32::from_le_bytes(id)
}

#[test]
fn a_forked_child_of_the_asker_keeps_no_start_waiting_for_a_dead_server() {
    fn tell_and_stop() {
        tell();
        // SAFETY: takes an integer.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
    let told = alone(|()| {
        let gate = preload_with_gate(tell_and_stop);
        let start = starting(None, |()| 7);
        // At each moment of the server's start, until it has told that it runs.
        let mut copies = Vec::new();
        while !gate_is_reached(&gate) && copies.len() < 500 {
            copies.push(paused_copy());
        }
        let server = told_at(&gate);
        kill(server, libc::SIGKILL);
        let ended = start.recv_timeout(BOUND);
        for copy in copies {
            kill(copy, libc::SIGKILL);
            // SAFETY: a null pointer asks for no status; a child of this process.
            unsafe { libc::waitpid(copy.cast_signed(), std::ptr::null_mut(), 0) };
        }
        match ended {
            Ok(Err(SpawnError::ForkServer(ForkServerError::Died))) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(told, Ok(()));
}

/// Whether a connection waits at the gate.
fn gate_is_reached(gate: &Gate) -> bool {
    let mut poll = libc::pollfd {
        fd: gate.number(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd is passed and counted.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
}

/// fork(2): a copy of this process that does nothing, and ends with this one.
fn paused_copy() -> u32 {
    // SAFETY: the child makes system calls only.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: takes integers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        loop {
            // SAFETY: takes nothing.
            unsafe { libc::pause() };
        }
    }
    child.cast_unsigned()
}

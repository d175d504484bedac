//! What `start_timeout` bounds while a server, or a process that it forks, is stopped.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crossdock::process::{self, ForkServerError, Process, SpawnError};

use super::spare::spare;
use super::{alone, children, forked, forking, kill, parent, server, stop, wait_for_the_end_of};
use crate::support::Gate;

/// A start that takes longer waits for ever.
const BOUND: Duration = Duration::from_secs(30);
/// Names the gate at which a new server tells its process id.
const GATE: &str = "FORK_SERVER_TEST_GATE";

fn is_late<R>(started: &Result<Process<R>, SpawnError>) -> bool {
    matches!(started, Err(SpawnError::StartTimeout { .. }))
}

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

fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| stat.contains(") T "))
}

#[test]
fn a_request_that_fills_the_socket_of_a_stopped_process_ends_at_the_timeout() {
    let late = alone(|()| {
        // The last part of a request is taken while there is room for a byte: so in some of these
        // sizes the request is sent whole, and nothing more can be.
        (13..23_usize)
            .map(|size| {
                let waiting = spare(server());
                stop(waiting);
                let late = forking()
                    .start_timeout(Duration::from_millis(20))
                    .spawn(|text: String| text.len(), "x".repeat(size * 10_000));
                kill(waiting, libc::SIGKILL);
                wait_for_the_end_of(waiting);
                is_late(&late)
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(late, [true; 10]);
}

#[test]
fn any_number_of_starts_end_at_their_timeouts_while_the_server_is_stopped() {
    let told = alone(|()| {
        let server = server();
        stop(server);
        let late = (0..400)
            .filter(|_| {
                let builder = forking().start_timeout(Duration::from_millis(2));
                is_late(&builder.spawn(|()| 7_u8, ()))
            })
            .count();
        kill(server, libc::SIGCONT);
        // The process that waited may have been quick.
        (late >= 399, forked(|()| 8_u8, ()))
    });
    assert_eq!(told, (true, Ok(8)));
}

#[test]
fn a_server_stopped_before_its_report_holds_up_no_start_beyond_its_timeout() {
    fn tell_and_stop() {
        tell();
        // SAFETY: takes an integer.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
    let told = alone(|()| {
        let gate = preload_with_gate(tell_and_stop);
        let timeout = Some(Duration::from_millis(500));
        let starts = [timeout; 3].map(|timeout| starting(timeout, |()| 7));
        let waits = starting(None, |()| 7);
        let server = told_at(&gate);
        let late = starts.map(|start| {
            let ended = start.recv_timeout(BOUND);
            matches!(ended, Ok(Err(SpawnError::StartTimeout { .. })))
        });
        let waited = waits.try_recv().is_err();
        kill(server, libc::SIGCONT);
        let started = matches!(waits.recv_timeout(BOUND), Ok(Ok(())));
        let result = forked(|()| parent(), ());
        (late, waited, started, result == Ok(server))
    });
    assert_eq!(told, ([true; 3], true, true, true));
}

#[test]
fn a_process_killed_before_its_answer_to_a_stopped_server_ends_the_start_at_the_timeout() {
    extern "C" fn stop_self() {
        // SAFETY: takes an integer.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
    fn stop_children() {
        // SAFETY: the handler is async-signal-safe, and a function of this program.
        unsafe { libc::pthread_atfork(None, None, Some(stop_self)) };
        tell();
    }
    let told = alone(|()| {
        let gate = preload_with_gate(stop_children);
        let start = starting(Some(Duration::from_secs(2)), |()| 7);
        let server = told_at(&gate);
        let asked = loop {
            if let Some(child) = children(server)
                .into_iter()
                .find(|child| is_stopped(*child))
            {
                break child;
            }
            thread::yield_now();
        };
        stop(server);
        kill(asked, libc::SIGKILL);
        let ended = start.recv_timeout(BOUND);
        kill(server, libc::SIGKILL);
        matches!(ended, Ok(Err(SpawnError::StartTimeout { .. })))
    });
    assert!(told);
}

/// Has the kernel refuse this process to tell that it has begun.
extern "C" fn never_tell() {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let send = u32::try_from(libc::SYS_sendto).unwrap_or(0);
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    let mut program = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, send),
        step(0x06, 0, 0, refused),
        step(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: 4,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the filter and its program outlive the call, which copies them.
    unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
}

#[test]
fn a_process_that_does_not_begin_is_given_up_though_its_server_is_stopped() {
    fn silence_children() {
        // SAFETY: the handler is async-signal-safe, and a function of this program.
        unsafe { libc::pthread_atfork(None, None, Some(never_tell)) };
    }
    fn stop_the_server((): ()) -> u8 {
        kill(parent(), libc::SIGSTOP);
        loop {
            thread::park();
        }
    }
    let told = alone(|()| {
        process::preload(silence_children).expect("in the program");
        let server = server();
        let start = starting(Some(Duration::from_secs(1)), stop_the_server);
        let ended = start.recv_timeout(BOUND);
        kill(server, libc::SIGCONT);
        matches!(ended, Ok(Err(SpawnError::StartTimeout { .. })))
    });
    assert!(told);
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

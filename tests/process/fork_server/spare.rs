//! The process that a server forks ahead of the next start: used, killed, stopped, left behind.

use std::fs::{DirEntry, metadata};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crossdock::process::{JoinError, SpawnError};
use crossdock::{Counter, Segment};

use super::{
    alone, children, fork, forked, forking, kill, parent, runs, server, stop, wait_for_the_end_of,
};
use crate::support::{Gate, call, outcome, wait_at};

/// The process that waits for the next start, once it is there.
pub(super) fn spare(server: u32) -> u32 {
    loop {
        let names = children(server).into_iter().map(|child| {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm"));
            (child, name.unwrap_or_default())
        });
        let mut spares = names.filter(|(child, name)| name == "fork-spare\n" && runs(*child));
        if let Some((child, _)) = spares.next() {
            return child;
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_next_start_takes_the_process_that_waits_and_leaves_another() {
    let told = alone(|()| {
        let server = server();
        let first = spare(server);
        let taken = forked(|()| std::process::id(), ()).expect("joined");
        let second = spare(server);
        let name = fork(|()| std::fs::read_to_string("/proc/self/comm").ok(), ());
        (
            first == taken,
            first != second,
            name.join().expect("joined"),
        )
    });
    let (taken, another, name) = told;
    assert!(taken && another);
    assert!(name.is_some_and(|name| name.starts_with("Process-")));
}

#[test]
fn a_start_after_the_waiting_process_was_killed_succeeds() {
    let told = alone(|()| {
        let server = server();
        (0..20)
            .map(|number: u32| {
                let waiting = spare(server);
                kill(waiting, libc::SIGKILL);
                // With the status posted, and without.
                if number.is_multiple_of(2) {
                    wait_for_the_end_of(waiting);
                }
                forked(|number: u32| (number, parent()), number) == Ok((number, server))
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(told, [true; 20]);
}

#[test]
fn a_waiting_process_killed_at_any_time_leaves_each_start_done_once() {
    let segment = Segment::anonymous().expect("made");
    let begun = segment.create::<Counter>("begun", 0).expect("created");
    let told = call(
        |begun: Counter| {
            let server = server();
            let (mut results, mut killed) = (0_u64, 0_u64);
            for round in 0..300_u32 {
                let victim = spare(server);
                let killer = std::thread::spawn(move || {
                    // Before the hand-over, in it, in the run or the end.
                    for _ in 0..round * 20 {
                        std::hint::spin_loop();
                    }
                    kill(victim, libc::SIGKILL);
                });
                let count = |begun: Counter| {
                    begun.add(1);
                    7_u8
                };
                let mut worker = forking().spawn(count, begun.clone()).expect("started");
                match outcome(&mut worker) {
                    Ok(7) => results += 1,
                    Err(JoinError::Killed {
                        signal: libc::SIGKILL,
                    }) => killed += 1,
                    other => panic!("{other:?}"),
                }
                killer.join().expect("joined");
            }
            (results, killed)
        },
        begun.clone(),
    );
    let (results, killed) = told.expect("joined");
    assert_eq!(results + killed, 300);
    // One that was killed after its answer may have begun, or not; none has begun twice.
    let begun = begun.load();
    assert!(results <= begun && begun <= 300, "{results} of {begun}");
}

#[test]
fn a_stopped_waiting_process_is_given_up_at_the_timeout() {
    let told = alone(|()| {
        let server = server();
        let waiting = spare(server);
        stop(waiting);
        let timeout = Duration::from_millis(50);
        let late = forking()
            .start_timeout(timeout)
            .spawn(|()| 7_u8, ())
            .expect_err("stopped");
        kill(waiting, libc::SIGCONT);
        wait_for_the_end_of(waiting);
        let large = "x".repeat(1 << 20);
        assert_eq!(server, self::server());
        stop(spare(server));
        // More than the socket takes at once.
        let large_late = forking()
            .start_timeout(timeout)
            .spawn(|text: String| text.len(), large)
            .expect_err("stopped");
        let is_late = |error: &SpawnError| matches!(error, SpawnError::StartTimeout { .. });
        let late = is_late(&late) && is_late(&large_late);
        (late, forked(|()| 8_u8, ()), server == self::server())
    });
    assert_eq!(told, (true, Ok(8), true));
}

#[test]
fn large_arguments_reach_a_waiting_process_whole() {
    let text: String = ('a'..='z').cycle().take(3 << 20).collect();
    let expected = text.clone();
    server();
    assert_eq!(forked(|text: String| text, text), Ok(expected));
}

#[test]
fn a_waiting_process_ends_with_its_server_and_with_its_asker() {
    let told = alone(|()| {
        let server = server();
        let waiting = spare(server);
        kill(server, libc::SIGKILL);
        wait_for_the_end_of(waiting);
        let next = self::server();
        (server != next, next, spare(next))
    });
    let (another, next, waiting) = told;
    assert!(another);
    // Their asker has ended by itself.
    wait_for_the_end_of(next);
    wait_for_the_end_of(waiting);
    // This one is killed.
    let gate = Gate::new();
    let segment = Segment::anonymous().expect("made");
    let ids = ["server", "spare"].map(|name| segment.create::<Counter>(name, 0).expect("created"));
    let asks = |(gate, [first, second]): (PathBuf, [Counter; 2])| {
        let server = server();
        first.store(server.into());
        second.store(spare(server).into());
        wait_at(&gate);
    };
    let asker = crate::support::start(asks, (gate.path(), ids.clone()));
    let _arrived = gate.arrival();
    asker.kill().expect("killed");
    for id in ids {
        wait_for_the_end_of(u32::try_from(id.load()).expect("a pid"));
    }
}

/// The sockets of a process: their numbers and inodes.
fn sockets(process: &str) -> Vec<(i32, u64)> {
    let fds = std::fs::read_dir(format!("/proc/{process}/fd")).expect("/proc");
    let of = |fd: std::io::Result<DirEntry>| {
        let path = fd.ok()?.path();
        let target = std::fs::read_link(&path).ok()?;
        let inode = target
            .to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?;
        let number = path.file_name()?.to_str()?;
        Some((number.parse().ok()?, inode.parse().ok()?))
    };
    fds.filter_map(of).collect()
}

/// Starts a server and returns its spare process, and the sockets to the two.
fn spare_and_sockets() -> (u32, Vec<(i32, u64)>) {
    let before = sockets("self");
    let waiting = spare(server());
    let mut sockets = sockets("self");
    sockets.retain(|socket| !before.contains(socket));
    (waiting, sockets)
}

#[test]
fn a_socket_that_has_the_number_of_a_closed_one_is_neither_written_to_nor_closed() {
    let told = alone(|()| {
        let (waiting, sockets) = spare_and_sockets();
        assert_eq!(sockets.len(), 2, "the server's and the spare process's");
        // The one that was made last.
        let (number, _) = sockets
            .into_iter()
            .max_by_key(|(_, inode)| *inode)
            .expect("two");
        // It does not end when its socket is closed.
        stop(waiting);
        let (mut theirs, other) = UnixStream::pair().expect("made");
        let own = metadata(format!("/proc/self/fd/{}", other.as_raw_fd()));
        let own = own.expect("/proc").ino();
        // SAFETY: what a careless library does to a number that is not its own.
        unsafe { libc::dup2(other.as_raw_fd(), number) };
        drop(other);
        let started = forked(|()| 7_u8, ());
        let is_open = self::sockets("self").contains(&(number, own));
        theirs.set_nonblocking(true).expect("set");
        let read = theirs.read(&mut [0; 64]).map_err(|error| error.kind());
        (started, is_open, read == Err(ErrorKind::WouldBlock))
    });
    assert_eq!(told, (Ok(7), true, true));
}

#[test]
fn a_forked_child_has_no_socket_of_the_process_that_waits() {
    let shared = alone(|()| {
        let (_, sockets) = spare_and_sockets();
        let (mut here, there) = UnixStream::pair().expect("made");
        // SAFETY: the child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: a byte that outlives the call.
            unsafe { libc::write(there.as_raw_fd(), [0_u8].as_ptr().cast(), 1) };
            loop {
                // SAFETY: takes nothing.
                unsafe { libc::pause() };
            }
        }
        let child = u32::try_from(child).expect("a pid");
        // Its handlers of the fork have run.
        here.read_exact(&mut [0]).expect("begun");
        let copies = self::sockets(&child.to_string());
        kill(child, libc::SIGKILL);
        // SAFETY: a child that has not been waited for.
        unsafe { libc::waitpid(child.cast_signed(), std::ptr::null_mut(), 0) };
        let is_ours = |copy: &&(i32, u64)| sockets.iter().any(|(_, inode)| *inode == copy.1);
        copies.iter().filter(is_ours).count()
    });
    assert_eq!(shared, 0);
}

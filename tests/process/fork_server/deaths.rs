//! Fork servers, their owners and their processes, killed and stopped.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use crossdock::process::{ForkServerError, JoinError, SpawnError, StatusError};
use crossdock::{Counter, Segment};

use super::{alone, fork, forked, forking, kill, parent, runs, server, stop, wait_for_the_end_of};
use crate::support::{Gate, call, outcome, wait_at};

#[test]
fn a_killed_server_harms_no_process_and_the_next_start_starts_another() {
    let told = alone(|()| {
        let gate = Gate::new();
        let mut waits = fork(
            |gate: PathBuf| {
                wait_at(&gate);
                parent()
            },
            gate.path(),
        );
        let mut dies = fork(|gate: PathBuf| wait_at(&gate), gate.path());
        let mut exits = fork(|()| -> u8 { std::process::exit(5) }, ());
        let exited = outcome(&mut exits);
        let arrived = [gate.arrival(), gate.arrival()];
        let first = server();
        kill(first, libc::SIGKILL);
        wait_for_the_end_of(first);
        let second = server();
        assert!(waits.is_alive() && dies.is_alive());
        dies.kill().expect("killed");
        let died = outcome(&mut dies);
        let status = dies.exit_status();
        drop(arrived);
        let result = outcome(&mut waits);
        let known = exits
            .exit_status()
            .map(|status| status.and_then(|s| s.code()));
        let lost = status.map(|status| status.and_then(|status| status.signal()));
        (
            first != second,
            result.map(|parent| parent != first),
            (died, lost),
            (exited, known),
        )
    });
    let (replaced, result, death, exited) = told;
    assert!(replaced);
    assert_eq!(result, Ok(true));
    let signal = libc::SIGKILL;
    // The kernel tells, if it is new enough.
    let from_the_kernel = (Err(JoinError::Killed { signal }), Ok(Some(signal)));
    let lost = (Err(JoinError::ServerDied), Err(StatusError::ServerDied));
    assert!(death == from_the_kernel || death == lost, "{death:?}");
    assert_eq!(exited, (Err(JoinError::Exited { code: 5 }), Ok(Some(5))));
}

#[test]
fn a_server_killed_at_any_time_leaves_each_start_done_once_or_refused() {
    let segment = Segment::anonymous().expect("made");
    let begun = segment.create::<Counter>("begun", 0).expect("created");
    let told = call(
        |begun: Counter| {
            let mut started = 0_u64;
            let mut results = 0_u64;
            let mut servers = std::collections::BTreeSet::new();
            for round in 0..300_u32 {
                let victim = (round % 3 == 0).then(server);
                let killer = victim.map(|victim| {
                    servers.insert(victim);
                    std::thread::spawn(move || {
                        // Somewhere in the start, the run or the end.
                        for _ in 0..round * 20 {
                            std::hint::spin_loop();
                        }
                        kill(victim, libc::SIGKILL);
                    })
                });
                let worker = forking().spawn(
                    |begun: Counter| {
                        begun.add(1);
                        7_u8
                    },
                    begun.clone(),
                );
                match worker {
                    Ok(mut worker) => {
                        started += 1;
                        results += u64::from(outcome(&mut worker) == Ok(7));
                    }
                    Err(SpawnError::ForkServer(ForkServerError::Died)) => {}
                    Err(other) => panic!("{other}"),
                }
                if let Some(killer) = killer {
                    killer.join().expect("joined");
                }
            }
            (started, results, servers.len() > 50)
        },
        begun.clone(),
    );
    let (started, results, killed) = told.expect("joined");
    assert!(killed);
    // A function that began was that of a start that succeeded, and each of these had its result.
    assert_eq!((begun.load(), results), (started, started));
}

#[test]
fn a_process_killed_at_any_time_is_told_as_killed_or_done() {
    alone(|()| {
        let mut done = 0;
        for round in 0..200_u32 {
            let mut worker = fork(|n: u32| n, round);
            for _ in 0..round * 10 {
                std::hint::spin_loop();
            }
            worker.kill().expect("sent");
            match outcome(&mut worker) {
                Ok(number) => {
                    assert_eq!(number, round);
                    done += 1;
                }
                Err(JoinError::Killed {
                    signal: libc::SIGKILL,
                }) => {}
                Err(other) => panic!("{other:?}"),
            }
            let status = worker.exit_status().expect("told").expect("ended");
            assert!(status.code() == Some(0) || status.signal() == Some(libc::SIGKILL));
        }
        assert!(done < 200);
    });
}

/// Starts a process at the gate, and another one, then waits at the gate.
fn owns((gate, daemon): (PathBuf, bool)) {
    let builder = forking().daemon(daemon);
    let child = builder.spawn(|gate: PathBuf| tell_and_wait(&gate), gate.clone());
    let _child = child.expect("started");
    tell_and_wait(&gate);
}

/// Tells its parent and itself, and waits until the gate is closed; answers whether the process that
/// started it runs.
fn tell_and_wait(gate: &Path) {
    let mut stream = std::os::unix::net::UnixStream::connect(gate).expect("the gate");
    let numbers = [parent(), std::process::id()].map(u32::to_le_bytes);
    stream.write_all(numbers.as_flattened()).expect("written");
    while let Ok(1) = stream.read(&mut [0]) {
        let lives = crossdock::process::parent().is_some_and(|parent| parent.is_alive());
        stream.write_all(&[u8::from(lives)]).expect("written");
    }
}

/// Whether the process at the other end says that its parent runs.
fn has_parent(stream: &mut std::os::unix::net::UnixStream) -> bool {
    let mut answer = [0];
    stream.write_all(&[0]).expect("written");
    stream.read_exact(&mut answer).expect("read");
    answer == [1]
}

fn told_at(gate: &Gate) -> (u32, u32, std::os::unix::net::UnixStream) {
    let mut stream = gate.arrival();
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes).expect("read");
    let [a, b, c, d, e, f, g, h] = bytes;
    let number = u32::from_le_bytes;
    (number([a, b, c, d]), number([e, f, g, h]), stream)
}

#[test]
fn a_killed_owner_takes_its_server_and_its_daemons_with_it_and_no_others() {
    for daemon in [false, true] {
        let gate = Gate::new();
        let owner = crate::support::start(owns, (gate.path(), daemon));
        let both = [told_at(&gate), told_at(&gate)];
        let [child, parent]: [_; 2] = match both {
            [first, second] if first.1 == owner.id() => [second, first],
            [first, second] => [first, second],
        };
        assert_eq!(parent.1, owner.id());
        let (server, child, mut stream) = child;
        assert!(runs(server) && server != owner.id());
        assert!(has_parent(&mut stream));
        owner.kill().expect("killed");
        wait_for_the_end_of(server);
        if daemon {
            // The stream ends with the process.
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            wait_for_the_end_of(child);
        } else {
            assert!(runs(child) && !has_parent(&mut stream));
            drop(stream);
            wait_for_the_end_of(child);
        }
    }
}

#[test]
fn a_daemon_outlives_its_server_and_ends_with_the_asker() {
    let gate = Gate::new();
    let owner = crate::support::start(owns, (gate.path(), true));
    let both = [told_at(&gate), told_at(&gate)];
    let [(server, child, mut stream), _parent]: [_; 2] = match both {
        [first, second] if first.1 == owner.id() => [second, first],
        [first, second] => [first, second],
    };
    kill(server, libc::SIGKILL);
    wait_for_the_end_of(server);
    // It has another parent now, and goes on.
    stream.set_nonblocking(true).expect("set");
    for _ in 0..1_000 {
        assert!(stream.read(&mut [0]).is_err());
        std::thread::yield_now();
    }
    assert!(runs(child));
    stream.set_nonblocking(false).expect("set");
    owner.kill().expect("killed");
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    wait_for_the_end_of(child);
}

#[test]
fn an_owner_that_ends_takes_its_server_with_it() {
    let server = alone(|()| server());
    wait_for_the_end_of(server);
}

#[test]
fn a_stopped_server_holds_up_no_result() {
    let told = alone(|()| {
        let gate = Gate::new();
        let mut waits = fork(
            |gate: PathBuf| {
                wait_at(&gate);
                7
            },
            gate.path(),
        );
        let arrived = gate.arrival();
        let server = server();
        stop(server);
        drop(arrived);
        let result = outcome(&mut waits);
        let meanwhile = waits.exit_status();
        kill(server, libc::SIGCONT);
        let status = loop {
            match waits.exit_status() {
                Ok(None) => std::thread::yield_now(),
                told => break told,
            }
        };
        let status = status.map(|status| status.and_then(|status| status.code()));
        (result, meanwhile.map(|status| status.is_none()), status)
    });
    assert_eq!(told, (Ok(7), Ok(true), Ok(Some(0))));
}

#[test]
fn a_stopped_server_holds_up_no_thread_but_those_that_wait() {
    let told = alone(|()| {
        let gate = Gate::new();
        let mut dies = fork(|gate: PathBuf| wait_at(&gate), gate.path());
        let _arrived = gate.arrival();
        let server = server();
        stop(server);
        dies.kill().expect("killed");
        wait_for_the_end_of(dies.id());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| dies.wait().map(|status| status.signal()));
            // Each of these asks how it ended; the thread waits meanwhile.
            for _ in 0..10 {
                let _ = crossdock::process::active_children();
            }
            kill(server, libc::SIGCONT);
            waiter.join().expect("joined")
        })
    });
    assert_eq!(told, Ok(Some(libc::SIGKILL)));
}

/// Has the kernel refuse to tell how processes ended, as kernels before 6.15 do.
fn refuse_to_tell() {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let ioctl = u32::try_from(libc::SYS_ioctl).expect("a number");
    let get_info = 0xc040_ff0b;
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOTTY.cast_unsigned();
    let mut program = [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 3, ioctl),
        step(LOAD, 0, 0, 24),
        step(EQUAL, 0, 1, get_info),
        step(RETURN, 0, 0, refused),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: 6,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes integers.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the filter and its program outlive the call, which copies them.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn where_the_kernel_does_not_tell_a_dead_servers_statuses_are_a_typed_error() {
    let told = alone(|()| {
        refuse_to_tell();
        let gate = Gate::new();
        let mut waits = fork(
            |gate: PathBuf| {
                wait_at(&gate);
                7
            },
            gate.path(),
        );
        let mut dies = fork(|gate: PathBuf| wait_at(&gate), gate.path());
        let arrived = [gate.arrival(), gate.arrival()];
        let first = server();
        kill(first, libc::SIGKILL);
        wait_for_the_end_of(first);
        dies.kill().expect("killed");
        drop(arrived);
        let ends = (outcome(&mut waits), outcome(&mut dies));
        (ends, waits.exit_status().map(drop), forked(|()| 8, ()))
    });
    let (ends, status, next) = told;
    assert_eq!(ends, (Ok(7), Err(JoinError::ServerDied)));
    assert_eq!(status, Err(StatusError::ServerDied));
    assert_eq!(next, Ok(8));
}

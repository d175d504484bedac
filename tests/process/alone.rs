//! Claims about a whole process: each test runs in a worker, where no other test interferes.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::Command;

use crossdock::process::{self, active_children};

use crate::support::{Gate, call, has_children, start, wait_at};

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

#[test]
fn two_hundred_leave_no_zombie_and_no_descriptor() {
    let counted = call(
        |()| {
            let before = open_files();
            for number in 0..200_u32 {
                assert_eq!(
                    call(|number: u32| number + 1, number).expect("joined"),
                    number + 1
                );
            }
            (before, open_files(), has_children())
        },
        (),
    );
    let (before, after, children) = counted.expect("joined");
    assert_eq!((after, children), (before, false));
}

#[test]
fn a_dropped_process_runs_on_and_is_reaped_at_a_later_spawn() {
    let left = call(
        |()| {
            let before = open_files();
            let gate = Gate::new();
            let worker = start(|gate: PathBuf| wait_at(&gate), gate.path());
            let arrived = gate.arrival();
            let pidfd = worker.as_fd().try_clone_to_owned().expect("a copy");
            drop(worker);
            drop(arrived);
            let mut poll = libc::pollfd {
                fd: pidfd.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: one pollfd is passed and counted.
            let ready = unsafe { libc::poll(&raw mut poll, 1, 60_000) };
            assert_eq!(ready, 1);
            assert!(has_children());
            call(|()| (), ()).expect("joined");
            drop((pidfd, gate));
            (open_files() == before, has_children())
        },
        (),
    );
    assert_eq!(left.expect("joined"), (true, false));
}

#[test]
fn what_the_function_starts_sees_neither_the_job_nor_its_descriptors() {
    let seen = call(
        |()| {
            let environment = Command::new("env").output().expect("env").stdout;
            let listing = Command::new("ls")
                .arg("/proc/self/fd")
                .output()
                .expect("ls")
                .stdout;
            let own = std::env::vars().any(|(name, _)| name.starts_with("CROSSDOCK_SPAWN"));
            (
                own || String::from_utf8_lossy(&environment).contains("CROSSDOCK_SPAWN"),
                String::from_utf8_lossy(&listing).split_whitespace().count(),
            )
        },
        (),
    );
    // The three standard ones, and that of the directory.
    let (variable, descriptors) = seen.expect("joined");
    assert!(!variable);
    let inherited = Command::new("ls")
        .arg("/proc/self/fd")
        .output()
        .expect("ls")
        .stdout;
    assert_eq!(
        descriptors,
        String::from_utf8_lossy(&inherited)
            .split_whitespace()
            .count()
    );
}

#[test]
fn standard_input_is_empty() {
    let read = call(
        |()| std::io::read_to_string(std::io::stdin()).expect("read"),
        (),
    );
    assert_eq!(read.expect("joined"), "");
}

#[test]
fn the_latest_worker_named_wins_and_one_that_does_not_init_starts_nothing() {
    let told = call(
        |()| {
            let mut told = Vec::new();
            for worker in [
                "no_such_test",
                "harness::never_initialises",
                "crossdock_worker",
            ] {
                process::init_test(worker);
                let joined = process::spawn(|()| 1_u8, ()).expect("spawned").join();
                told.push(format!("{joined:?}"));
            }
            told
        },
        (),
    );
    let expected = [
        "Err(NotStarted { code: 0 })",
        "Err(NotStarted { code: 7 })",
        "Ok(1)",
    ];
    assert_eq!(told.expect("joined"), expected);
}

#[test]
fn a_job_is_not_taken_by_a_process_that_the_child_starts() {
    let joined = call(
        |()| {
            process::init_test("harness::passes_its_environment_on");
            let joined = process::spawn(|()| 1_u8, ()).expect("spawned").join();
            format!("{joined:?}")
        },
        (),
    );
    assert_eq!(joined.expect("joined"), "Err(NotStarted { code: 8 })");
}

#[test]
fn a_process_without_standard_descriptors_spawns_and_joins() {
    let seen = call(
        |()| {
            for fd in 0..3 {
                // SAFETY: numbers that only the C library and std know, who bear with it.
                unsafe { libc::close(fd) };
            }
            let segment = crossdock::Segment::anonymous().expect("made");
            let counter = segment
                .create::<crossdock::Counter>("total", 0)
                .expect("created");
            let back = call(
                |counter: crossdock::Counter| {
                    counter.add(1);
                    counter
                },
                counter.clone(),
            );
            let back = back.expect("joined");
            // SAFETY: asks whether the number is open.
            let is_open = |fd: &libc::c_int| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1;
            let open: Vec<_> = (0..3).filter(is_open).collect();
            println!("lost");
            (back.load(), open)
        },
        (),
    );
    assert_eq!(seen.expect("joined"), (1, Vec::new()));
}

#[test]
fn a_child_forked_while_another_thread_looks_at_the_children_can_do_so() {
    let all = call(
        |()| {
            use std::sync::atomic::{AtomicBool, Ordering};
            static ENDS: AtomicBool = AtomicBool::new(false);
            let other = std::thread::spawn(|| {
                while !ENDS.load(Ordering::Relaxed) {
                    let _ = active_children();
                }
            });
            let looks = || forked_child(|| active_children().is_empty());
            let all = (0..100).all(|_| looks());
            ENDS.store(true, Ordering::Relaxed);
            other.join().expect("joined");
            all
        },
        (),
    );
    assert!(all.expect("joined"), "a child hung");
}

#[test]
fn a_child_forked_while_another_thread_asks_for_an_exit_can_do_so() {
    let all = call(
        |()| {
            use std::sync::atomic::{AtomicBool, Ordering};
            static ENDS: AtomicBool = AtomicBool::new(false);
            let worker = process::spawn(|()| std::thread::park(), ()).expect("spawned");
            let all = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !ENDS.load(Ordering::Relaxed) {
                        let _ = worker.exit_status();
                    }
                });
                let asks = || forked_child(|| matches!(worker.exit_status(), Ok(None)));
                let all = (0..100).all(|_| asks());
                ENDS.store(true, Ordering::Relaxed);
                all
            });
            worker.kill().expect("killed");
            all
        },
        (),
    );
    assert_eq!(all, Ok(true));
}

#[test]
fn a_child_forked_while_another_thread_initialises_can_start_processes() {
    let all = call(
        |()| {
            let forks = std::thread::spawn(|| {
                let starts = || process::spawn(|()| 7, ()).is_ok_and(|child| child.join() == Ok(7));
                (0..100).all(|_| forked_child(starts))
            });
            while !forks.is_finished() {
                process::init_test("crossdock_worker");
                let _ = process::current().name();
            }
            forks.join().expect("joined")
        },
        (),
    );
    assert!(all.expect("joined"), "a child hung");
}

/// Returns whether a forked child finds that `body` holds, in time.
fn forked_child(body: impl Fn() -> bool) -> bool {
    // SAFETY: the child allocates, which the C library allows in a child of fork, and ends at once.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let holds = body();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(!holds)) }
    }
    // SAFETY: takes integers; a child that was not waited for.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) };
    let mut poll = libc::pollfd {
        fd: i32::try_from(pidfd).expect("a pidfd"),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd is passed and counted.
    let ended = unsafe { libc::poll(&raw mut poll, 1, 30_000) } == 1;
    // SAFETY: takes integers; a child that was not waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(poll.fd) };
    ended && status == 0
}

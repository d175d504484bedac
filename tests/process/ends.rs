//! The ways in which a process ends, and what its parent is told.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

use crossdock::process::{JoinError, JoinTimeoutError, SpawnError, StatusError};

use crate::support::{Gate, call, outcome, start, wait_at};

#[test]
fn a_panic_exits_with_101() {
    let mut worker = start(|()| -> u8 { panic!("now") }, ());
    outcome(&mut worker).expect_err("panicked");
    let status = worker.exit_status().expect("a status").expect("ended");
    assert_eq!(status.code(), Some(101));
}

#[test]
fn a_signal_is_reported() {
    let error = call(|()| -> u8 { std::process::abort() }, ()).expect_err("aborted");
    assert!(matches!(
        error,
        JoinError::Killed {
            signal: libc::SIGABRT
        }
    ));
}

#[test]
fn an_exit_without_result_is_reported() {
    let error = call(|()| -> u8 { std::process::exit(9) }, ()).expect_err("exited");
    assert!(matches!(error, JoinError::Exited { code: 9 }));
    let error = call(|()| -> u8 { std::process::exit(0) }, ()).expect_err("exited");
    assert!(matches!(error, JoinError::Exited { code: 0 }));
}

#[test]
fn values_beyond_a_limit_are_refused_and_kill_nobody() {
    let told = call(
        |()| {
            let limit = libc::rlimit {
                rlim_cur: 100 << 10,
                rlim_max: 100 << 10,
            };
            // SAFETY: `limit` lives during the call, and this process is the test's.
            unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
            let spawned = crossdock::process::spawn(|_: Vec<u8>| (), vec![0; 200 << 10]);
            let refused = matches!(
                spawned,
                Err(SpawnError::TooLarge {
                    size: 204_800..,
                    ..
                })
            );
            let joined = call(|()| vec![0_u8; 200 << 10], ());
            let unsent = matches!(joined, Err(JoinError::Unsent(error))
                if error.errno() == libc::EFBIG);
            (refused, unsent)
        },
        (),
    );
    assert_eq!(told.expect("joined"), (true, true));
}

#[test]
fn terminate_ends_it() {
    let gate = Gate::new();
    let mut worker = start(|gate: PathBuf| wait_at(&gate), gate.path());
    let _arrived = gate.arrival();
    worker.terminate().expect("sent");
    assert!(matches!(
        outcome(&mut worker),
        Err(JoinError::Killed {
            signal: libc::SIGTERM
        })
    ));
}

#[test]
fn kill_ends_it_and_again_is_no_error() {
    let gate = Gate::new();
    let mut worker = start(|gate: PathBuf| wait_at(&gate), gate.path());
    let _arrived = gate.arrival();
    worker.kill().expect("sent");
    assert!(matches!(
        outcome(&mut worker),
        Err(JoinError::Killed {
            signal: libc::SIGKILL
        })
    ));
    worker.kill().expect("already ended");
    worker.terminate().expect("already ended");
}

#[test]
fn kill_ends_a_stopped_one() {
    let mut worker = start(
        |()| {
            // SAFETY: raise takes an integer.
            unsafe { libc::raise(libc::SIGSTOP) };
        },
        (),
    );
    assert!(worker.is_alive());
    worker.kill().expect("sent");
    assert!(matches!(
        outcome(&mut worker),
        Err(JoinError::Killed {
            signal: libc::SIGKILL
        })
    ));
}

#[test]
fn a_timeout_neither_kills_nor_consumes() {
    let gate = Gate::new();
    let mut worker = start(
        |gate: PathBuf| {
            wait_at(&gate);
            "done".to_owned()
        },
        gate.path(),
    );
    let arrived = gate.arrival();
    for timeout in [Duration::ZERO, Duration::from_millis(3)] {
        assert!(matches!(
            worker.join_timeout(timeout),
            Err(JoinTimeoutError::Timeout)
        ));
    }
    assert!(worker.is_alive());
    assert!(worker.exit_status().expect("asked").is_none());
    drop(arrived);
    assert_eq!(worker.join_timeout(Duration::MAX).expect("joined"), "done");
}

#[test]
fn an_outcome_is_given_once() {
    let mut worker = start(|()| 1_u8, ());
    assert_eq!(outcome(&mut worker).expect("joined"), 1);
    assert!(!worker.is_alive());
    assert!(matches!(outcome(&mut worker), Err(JoinError::Taken)));
    assert_eq!(
        worker
            .exit_status()
            .expect("a status")
            .and_then(|s| s.code()),
        Some(0)
    );
    assert!(matches!(worker.join(), Err(JoinError::Taken)));
}

#[test]
fn what_was_committed_is_delivered_though_the_process_was_killed() {
    extern "C" fn die() {
        // SAFETY: raise takes an integer.
        unsafe { libc::raise(libc::SIGKILL) };
    }
    let mut worker = start(
        |()| {
            // SAFETY: `die` is a function without arguments that does not unwind. It runs in
            // exit(3), after the commit.
            unsafe { libc::atexit(die) };
            42_u64
        },
        (),
    );
    assert_eq!(outcome(&mut worker).expect("committed"), 42);
    let status = worker.exit_status().expect("a status").expect("ended");
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

/// Takes the status of any child that has ended, waiting for one.
fn wait_for_any_child() -> i32 {
    // SAFETY: a null status pointer asks for none.
    unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) }
}

#[test]
fn foreign_reaping_loses_the_status_and_not_the_result() {
    let told = call(
        |()| {
            let mut told = Vec::new();
            let mut worker = start(|()| 7_u8, ());
            assert_eq!(u32::try_from(wait_for_any_child()), Ok(worker.id()));
            assert!(matches!(worker.exit_status(), Err(StatusError::Reaped)));
            told.push(format!("{:?}", outcome(&mut worker)));
            let mut worker = start(|()| -> u8 { std::process::exit(3) }, ());
            assert_eq!(u32::try_from(wait_for_any_child()), Ok(worker.id()));
            assert!(!worker.is_alive());
            worker.kill().expect("already gone");
            told.push(format!("{:?}", outcome(&mut worker)));
            told
        },
        (),
    );
    assert_eq!(told.expect("joined"), ["Ok(7)", "Err(Reaped)"]);
}

#[test]
fn where_sigchld_is_ignored_results_arrive_still() {
    let told = call(
        |()| {
            // SAFETY: SIG_IGN is a valid disposition of SIGCHLD, and this process is the test's.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            let mut told = Vec::new();
            for _ in 0..20 {
                told.push(format!("{:?}", call(|()| 7_u8, ())));
            }
            told.push(format!(
                "{:?}",
                call(|()| -> u8 { std::process::exit(3) }, ())
            ));
            told.dedup();
            told
        },
        (),
    );
    assert_eq!(told.expect("joined"), ["Ok(7)", "Err(Reaped)"]);
}

#[test]
fn a_forked_copy_of_the_worker_does_not_answer_for_it() {
    let result = call(
        |()| {
            // SAFETY: the worker has one thread besides the harness's, which waits; the child
            // returns from here and exits.
            let forked = unsafe { libc::fork() };
            if forked > 0 {
                assert_eq!(wait_for_any_child(), forked);
            }
            forked > 0
        },
        (),
    );
    assert!(result.expect("joined"));
}

#[test]
fn a_limit_of_a_few_bytes_is_an_error_and_no_signal() {
    let told = call(
        |()| {
            let set = |soft: u64| {
                let limit = libc::rlimit {
                    rlim_cur: soft,
                    rlim_max: libc::RLIM_INFINITY,
                };
                // SAFETY: `limit` lives during the call, and this process is the test's.
                unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
            };
            let refused = [0, 4, 16].map(|bytes| {
                set(bytes);
                let spawned = crossdock::process::spawn(|()| (), ());
                matches!(spawned, Err(SpawnError::TooLarge { .. }))
            });
            set(libc::RLIM_INFINITY);
            refused
        },
        (),
    );
    assert_eq!(told.expect("joined"), [true; 3]);
}

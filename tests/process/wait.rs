//! Waiting for the end of a process without its result, and what its status says.

use std::path::PathBuf;
use std::time::Duration;

use crossdock::process::{Builder, JoinError, StatusError, Stdio, WaitTimeoutError};

use crate::support::{Gate, call, outcome, spawn_with, start, wait_at};

#[test]
fn after_a_wait_the_handle_answers_and_the_result_is_still_to_be_joined() {
    let mut worker = start(|number: u32| number + 1, 1);
    assert!(worker.wait().expect("waited").success());
    assert!(!worker.is_alive());
    assert_eq!(worker.exit_code(), Ok(Some(0)));
    assert!(worker.wait().expect("waited again").success());
    let now = Duration::ZERO;
    assert!(worker.wait_timeout(now).expect("waited again").success());
    assert!(worker.name().starts_with("Process-"));
    worker.kill().expect("gone already");
    assert_eq!(worker.join(), Ok(2));
}

#[test]
fn a_wait_that_times_out_changes_nothing() {
    let gate = Gate::new();
    let mut worker = start(|gate: PathBuf| wait_at(&gate), gate.path());
    let arrived = gate.arrival();
    for timeout in [Duration::ZERO, Duration::from_millis(3)] {
        let waited = worker.wait_timeout(timeout);
        assert_eq!(waited, Err(WaitTimeoutError::Timeout));
    }
    assert_eq!(worker.exit_code(), Ok(None));
    assert!(worker.is_alive());
    drop(arrived);
    assert!(worker.wait_timeout(Duration::MAX).expect("ended").success());
    outcome(&mut worker).expect("joined");
}

#[test]
fn the_exit_code_is_as_pythons() {
    let code_of = |function: fn(()) -> ()| {
        let mut worker = spawn_with(&Builder::new().stderr(Stdio::Null), function, ());
        worker.wait().expect("waited");
        worker.exit_code().expect("a code")
    };
    assert_eq!(code_of(|()| ()), Some(0));
    assert_eq!(code_of(|()| std::process::exit(7)), Some(7));
    assert_eq!(code_of(|()| panic!("now")), Some(101));
    assert_eq!(code_of(|()| std::process::abort()), Some(-libc::SIGABRT));
}

#[test]
fn signals_end_a_process_that_waits_and_the_code_says_which() {
    let gate = Gate::new();
    let worker = || {
        let worker = start(|gate: PathBuf| wait_at(&gate), gate.path());
        (worker, gate.arrival())
    };
    let (mut interrupted, _first) = worker();
    interrupted.interrupt().expect("sent");
    interrupted.wait().expect("waited");
    assert_eq!(interrupted.exit_code(), Ok(Some(-2)));
    let (mut terminated, _second) = worker();
    terminated.terminate().expect("sent");
    terminated.wait().expect("waited");
    assert_eq!(terminated.exit_code(), Ok(Some(-15)));
    let (mut killed, _third) = worker();
    killed.kill().expect("sent");
    killed.wait().expect("waited");
    assert_eq!(killed.exit_code(), Ok(Some(-9)));
    for ended in [interrupted, terminated, killed] {
        assert!(matches!(ended.join(), Err(JoinError::Killed { .. })));
    }
}

#[test]
fn a_wait_ends_the_input_of_a_process() {
    let builder = Builder::new().stdin(Stdio::Piped);
    let mut worker = spawn_with(
        &builder,
        |()| std::io::read_to_string(std::io::stdin()).expect("read"),
        (),
    );
    assert!(worker.wait().expect("waited").success());
    assert_eq!(worker.join().as_deref(), Ok(""));
}

#[test]
fn a_status_that_other_code_took_is_an_error_of_the_wait() {
    let told = call(
        |()| {
            let mut worker = start(|()| 7_u8, ());
            // SAFETY: a null status pointer asks for none.
            unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
            let now = Duration::ZERO;
            let timeout = worker.wait_timeout(now).map_err(|error| error.to_string());
            let code = worker.exit_code();
            let waited = worker.wait().map(drop);
            (waited, code, timeout.map(drop), worker.join())
        },
        (),
    );
    let (waited, code, timeout, joined) = told.expect("joined");
    assert_eq!(waited, Err(StatusError::Reaped));
    assert_eq!(code, Err(StatusError::Reaped));
    assert_eq!(timeout, Err(StatusError::Reaped.to_string()));
    assert_eq!(joined, Ok(7));
}

//! Processes of a scope end with it.

use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crossdock::process::{
    Builder, JoinError, Process, SpawnError, Stdio, active_children, current, init_test, scope,
};

use crate::support::{Gate, call, has_children, outcome, spawn_with, wait_at};

/// The error of the scopes here.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Spawn(SpawnError),
    Join(JoinError),
    Own,
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        Self::Spawn(error)
    }
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::Join(error)
    }
}

fn parks((): ()) {
    loop {
        std::thread::park();
    }
}

#[test]
fn a_scope_returns_its_value_and_has_waited_for_all() {
    let gate = Gate::new();
    let mut worker = spawn_with(
        &Builder::new(),
        |gate: PathBuf| {
            let value = scope(|scope| {
                let square = scope.spawn(|number: u32| number * number, 12)?;
                // Neither joined nor kept.
                scope.spawn(|gate: PathBuf| wait_at(&gate), gate)?;
                // Leaked.
                std::mem::forget(scope.spawn(|()| (), ())?);
                assert!(square.name().starts_with("Process-"));
                Ok::<_, Failure>(square.join()?)
            });
            (
                value.expect("joined"),
                has_children(),
                active_children().len(),
            )
        },
        gate.path(),
    );
    drop(gate.arrival());
    assert_eq!(outcome(&mut worker), Ok((144, false, 0)));
}

#[test]
fn an_error_of_the_body_kills_what_runs() {
    let told = call(
        |()| {
            let failed = scope(|scope| {
                let _kept = scope.spawn(parks, ())?;
                scope.spawn(parks, ())?;
                std::mem::forget(scope.spawn(parks, ())?);
                Err::<(), _>(Failure::Own)
            });
            (failed == Err(Failure::Own), has_children())
        },
        (),
    );
    assert_eq!(told, Ok((true, false)));
}

#[test]
fn a_panic_of_the_body_kills_what_runs_and_goes_on() {
    let told = call(
        |()| {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                scope(|scope| {
                    scope.spawn(parks, ())?;
                    if active_children().len() == 1 {
                        panic!("as planned");
                    }
                    Ok::<_, Failure>(())
                })
            }));
            let payload = panicked.expect_err("panicked");
            (
                payload.downcast_ref() == Some(&"as planned"),
                has_children(),
            )
        },
        (),
    );
    assert_eq!(told, Ok((true, false)));
}

/// The error of a scope in which `dies` is not joined and another process waits indefinitely.
fn death_of(dies: fn(()) -> ()) -> (Option<JoinError>, bool) {
    init_test("crossdock_worker");
    let failed = scope(|scope| {
        scope.spawn(parks, ())?;
        let quiet = Builder::new().stderr(Stdio::Null);
        quiet.spawn_scoped(scope, dies, ())?;
        scope.spawn(parks, ())?;
        Ok::<_, Failure>(())
    });
    let error = match failed {
        Err(Failure::Join(error)) => Some(error),
        _ => None,
    };
    (error, has_children())
}

#[test]
fn the_death_of_one_ends_the_others_whatever_they_wait_for() {
    let told = call(|()| death_of(|()| panic!("burnt")), ()).expect("joined");
    assert!(matches!(&told.0, Some(JoinError::Panicked(panic)) if panic.message() == "burnt"));
    assert!(!told.1);
    let told = call(|()| death_of(|()| std::process::exit(3)), ());
    assert_eq!(told, Ok((Some(JoinError::Exited { code: 3 }), false)));
    let told = call(|()| death_of(|()| std::process::abort()), ());
    let signal = libc::SIGABRT;
    assert_eq!(told, Ok((Some(JoinError::Killed { signal }), false)));
}

#[test]
fn what_was_joined_is_no_error_again() {
    let told = call(
        |()| {
            let ended = scope(|scope| {
                let joined = scope.spawn(|()| -> u8 { std::process::exit(3) }, ())?;
                let error = joined.join().expect_err("exited");
                let mut taken = scope.spawn(|()| -> u8 { std::process::exit(4) }, ())?;
                outcome(&mut taken).expect_err("exited");
                Ok::<_, Failure>(error)
            });
            (ended == Ok(JoinError::Exited { code: 3 }), has_children())
        },
        (),
    );
    assert_eq!(told, Ok((true, false)));
}

#[test]
fn a_process_that_prints_into_a_dropped_pipe_does_not_hold_the_scope() {
    let told = call(
        |()| {
            let ended = scope(|scope| {
                let piped = Builder::new().stdout(Stdio::Piped);
                let prints = |()| {
                    let line = [b'x'; 1 << 10];
                    // More than a pipe holds; without a reader it is an error, or SIGPIPE.
                    while std::io::Write::write_all(&mut std::io::stdout(), &line).is_ok() {}
                };
                piped.spawn_scoped(scope, prints, ())?;
                Ok::<_, Failure>(())
            });
            (format!("{ended:?}"), has_children())
        },
        (),
    );
    let (ended, left) = told.expect("joined");
    assert!(
        ended == "Ok(())" || ended.contains("Killed { signal: 13 }"),
        "{ended}"
    );
    assert!(!left);
}

#[test]
fn threads_share_a_scope() {
    let told = call(
        |()| {
            let sum = scope(|scope| {
                let sums = std::thread::scope(|threads| {
                    [1_u32, 2, 3]
                        .map(|number| {
                            threads.spawn(move || {
                                let worker = scope.spawn(|number: u32| number * 10, number)?;
                                worker.join().map_err(Failure::from)
                            })
                        })
                        .map(|thread| thread.join().expect("no panic"))
                });
                sums.into_iter().sum::<Result<u32, _>>()
            });
            (sum == Ok(60), has_children())
        },
        (),
    );
    assert_eq!(told, Ok((true, false)));
}

#[test]
fn no_process_of_a_scope_outlives_a_parent_that_is_killed() {
    let builder = Builder::new().stdout(Stdio::Piped);
    let gate = Gate::new();
    let mut parent: Process<()> = spawn_with(
        &builder,
        |gate: PathBuf| {
            let ended = scope(|scope| {
                for _ in 0..3 {
                    let daemons = |gate: PathBuf| {
                        assert!(current().is_daemon());
                        wait_at(&gate);
                    };
                    // What `daemon` says does not matter.
                    let builder = Builder::new().daemon(false);
                    builder.spawn_scoped(scope, daemons, gate.clone())?;
                }
                Ok::<_, Failure>(())
            });
            ended.expect("not reached");
        },
        gate.path(),
    );
    // All of them have this end of its standard output.
    let stdout = parent.stdout.take().expect("a pipe");
    let mut all = PipeReader::from(OwnedFd::from(stdout));
    let _arrived: Vec<_> = (0..3).map(|_| gate.arrival()).collect();
    parent.kill().expect("killed");
    parent.join().expect_err("killed");
    let mut printed = Vec::new();
    all.read_to_end(&mut printed).expect("all have ended");
}

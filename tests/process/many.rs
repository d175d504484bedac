//! Hundreds of starts and ends, and what is left of them.

use std::os::fd::AsFd;
use std::path::Path;

use crossdock::process::{Builder, JoinError, Stdio};

use crate::support::{call, has_children, outcome, spawn_with};

/// How many processes are started.
const STARTS: u32 = 500;

fn entries(directory: &str) -> usize {
    std::fs::read_dir(Path::new(directory))
        .expect("a directory")
        .count()
}

/// What a process has open, and how many threads it has.
fn held() -> (usize, usize) {
    (entries("/proc/self/fd"), entries("/proc/self/task"))
}

#[test]
fn hundreds_of_starts_and_ends_leave_nothing() {
    let left = call(
        |()| {
            // What is made once is made.
            outcome(&mut spawn_with(&Builder::new(), |()| (), ())).expect("joined");
            let before = held();
            for number in 0..STARTS {
                let builder = Builder::new().daemon(number % 2 == 0);
                match number % 5 {
                    0 => {
                        let piped = builder.stdout(Stdio::Piped);
                        let mut worker = spawn_with(&piped, |number: u32| number + 1, number);
                        assert_eq!(outcome(&mut worker), Ok(number + 1));
                    }
                    1 => {
                        let mut worker = spawn_with(&builder, |()| std::thread::park(), ());
                        worker.kill().expect("killed");
                        let killed = outcome(&mut worker);
                        assert_eq!(
                            killed,
                            Err(JoinError::Killed {
                                signal: libc::SIGKILL
                            })
                        );
                    }
                    // Not joined: it is reaped by a later start.
                    2 => {
                        let worker = spawn_with(&builder, |()| std::thread::park(), ());
                        worker.kill().expect("killed");
                        drop(worker);
                    }
                    3 => drop(spawn_with(&builder, |()| (), ())),
                    _ => {
                        let worker = spawn_with(&builder, |()| -> u8 { std::process::exit(3) }, ());
                        assert!(worker.as_fd().try_clone_to_owned().is_ok());
                        assert_eq!(worker.join(), Err(JoinError::Exited { code: 3 }));
                    }
                }
            }
            // The dropped ones end by themselves; a start reaps them.
            loop {
                outcome(&mut spawn_with(&Builder::new(), |()| (), ())).expect("joined");
                if !has_children() {
                    break;
                }
            }
            (before, held())
        },
        (),
    );
    let (before, after) = left.expect("joined");
    assert_eq!(before, after);
}

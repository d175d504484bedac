//! Waiting for processes and queues at once.

use std::path::PathBuf;
use std::time::Duration;

use crossdock::Segment;
use crossdock::process::{JoinError, Process, WaitAnyError, wait_any, wait_any_timeout};
use crossdock::queue::{Queue, Waitable};

use crate::support::{Gate, call, outcome, start, wait_at};

fn held(gate: &Gate) -> Process<()> {
    start(|gate: PathBuf| wait_at(&gate), gate.path())
}

fn sources(processes: &[Process<()>]) -> Vec<&dyn Waitable> {
    processes.iter().map(|process| process as _).collect()
}

#[test]
fn the_one_that_is_ready_is_returned() {
    let segment = Segment::anonymous().expect("a segment");
    let queue = segment.create::<Queue<u32>>("queue", 4).expect("a queue");
    let gate = Gate::new();
    let mut process = held(&gate);
    let arrived = gate.arrival();
    let sources: [&dyn Waitable; 2] = [&queue, &process];
    let soon = Duration::from_millis(5);
    assert_eq!(wait_any_timeout(&sources, soon), Err(WaitAnyError::Timeout));
    queue.send(1).expect("sent");
    assert_eq!(wait_any(&sources), Ok(0));
    assert_eq!(queue.try_recv(), Ok(1));
    drop(arrived);
    assert_eq!(wait_any(&sources), Ok(1));
    assert_eq!(outcome(&mut process), Ok(()));
    assert_eq!(wait_any(&[&process]), Ok(0), "also after the join");
}

#[test]
fn each_of_several_killed_processes_is_heard_of() {
    let gates: Vec<Gate> = (0..5).map(|_| Gate::new()).collect();
    let mut processes: Vec<Process<()>> = gates.iter().map(held).collect();
    let _arrived: Vec<_> = gates.iter().map(Gate::arrival).collect();
    for index in [3, 1, 1, 0, 0] {
        let victim = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait_any(&sources(&processes)));
            processes[index].kill().expect("killed");
            waiter.join().expect("waited")
        });
        assert_eq!(victim, Ok(index));
        let killed = outcome(&mut processes.remove(index)).expect_err("killed");
        assert!(matches!(
            killed,
            JoinError::Killed {
                signal: libc::SIGKILL
            }
        ));
    }
}

/// The number of threads of this process that poll for exits.
fn polling_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names
        .filter(|name| name.trim() == "crossdock-exits")
        .count()
}

#[test]
fn one_thread_polls_and_ends_when_no_process_is_left() {
    let gate = Gate::new();
    let told = call(
        |gate: PathBuf| {
            let mut before = vec![polling_threads()];
            let mut waiting: Vec<Process<()>> = (0..3)
                .map(|_| start(|gate: PathBuf| wait_at(&gate), gate.clone()))
                .collect();
            let now = Duration::ZERO;
            assert_eq!(
                wait_any_timeout(&sources(&waiting), now),
                Err(WaitAnyError::Timeout)
            );
            // A thread names itself when it runs first.
            while polling_threads() == 0 {
                std::thread::yield_now();
            }
            before.push(polling_threads());
            for mut process in waiting.drain(..) {
                process.kill().expect("killed");
                assert_eq!(wait_any(&[&process]), Ok(0));
                outcome(&mut process).expect_err("killed");
            }
            while polling_threads() > 0 {
                std::thread::yield_now();
            }
            before
        },
        gate.path(),
    );
    assert_eq!(told.expect("joined"), [0, 1]);
}

#[test]
fn threads_that_wait_at_once_share_one_poll() {
    let gate = Gate::new();
    let told = call(
        |gate: PathBuf| {
            let waiting: Vec<Process<()>> = (0..8)
                .map(|_| start(|gate: PathBuf| wait_at(&gate), gate.clone()))
                .collect();
            std::thread::scope(|scope| {
                for process in &waiting {
                    scope.spawn(|| wait_any_timeout(&[process], Duration::ZERO));
                }
            });
            // It has its name a moment after its start.
            while polling_threads() == 0 {
                std::thread::yield_now();
            }
            let threads = polling_threads();
            for mut process in waiting {
                process.kill().expect("killed");
                assert_eq!(wait_any(&[&process]), Ok(0));
                outcome(&mut process).expect_err("killed");
            }
            threads
        },
        gate.path(),
    );
    assert_eq!(told.expect("joined"), 1);
}

#[test]
fn a_forked_child_hears_of_it_without_the_thread() {
    let gate = Gate::new();
    let status = call(
        |gate: PathBuf| {
            let process = start(|gate: PathBuf| wait_at(&gate), gate);
            let now = Duration::ZERO;
            assert_eq!(
                wait_any_timeout(&[&process], now),
                Err(WaitAnyError::Timeout)
            );
            // SAFETY: the child calls only what works in a forked child of a process with threads:
            // the wait, which takes no lock that another thread may have held.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let heard = wait_any(&[&process]) == Ok(0);
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(if heard { 7 } else { 1 }) };
            }
            process.kill().expect("killed");
            let mut status = 0;
            // SAFETY: waits for the child that was forked above, into a local.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            libc::WEXITSTATUS(status)
        },
        gate.path(),
    );
    assert_eq!(status, Ok(7));
}

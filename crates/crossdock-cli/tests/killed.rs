//! The command's own process is killed: none of those that it has started stays.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What hangs is found by this, and nothing else depends on it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// What the command is killed in.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many milliseconds after its start: wherever it is by then.
    After(u64),
    /// As soon as so many processes of its are there.
    With(usize),
}

const MOMENTS: [Moment; 7] = [
    Moment::After(1),
    Moment::After(4),
    Moment::With(1),
    Moment::With(2),
    Moment::After(16),
    Moment::After(64),
    Moment::After(250),
];

/// Kills the command at each moment, and waits until no process has its standard output any more,
/// which all of them inherit.
#[track_caller]
fn leaves_no_process(arguments: &[&str]) {
    for moment in MOMENTS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crossdock"));
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().unwrap();
        let mut output = driver.stdout.take().unwrap();
        let (sender, ended) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut printed = Vec::new();
            let read = output.read_to_end(&mut printed);
            sender.send(()).unwrap();
            read.unwrap()
        });
        moment.comes(&mut driver);
        driver.kill().unwrap();
        driver.wait().unwrap();
        assert!(
            ended.recv_timeout(WATCHDOG).is_ok(),
            "{arguments:?}: killed at {moment:?}, and something has its output open still"
        );
        reader.join().unwrap();
    }
}

impl Moment {
    fn comes(self, driver: &mut Child) {
        match self {
            Self::After(milliseconds) => pass(Duration::from_millis(milliseconds)),
            Self::With(processes) => {
                // One that has ended by itself has no more of them.
                while children(driver.id()) < processes && driver.try_wait().unwrap().is_none() {
                    std::thread::yield_now();
                }
            }
        }
    }
}

/// How many processes a process has started that have not been waited for.
fn children(process: u32) -> usize {
    let listed = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    listed.map_or(0, |list| list.split_whitespace().count())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment of the kill is spread; nothing is waited for"
)]
fn pass(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn a_warehouse_whose_driver_is_killed_leaves_no_process() {
    let long = ["warehouse", "--products", "10000000000", "--counter"];
    for counter in ["atomic", "mutex"] {
        leaves_no_process(&[&long[..], &[counter]].concat());
    }
}

#[test]
fn squares_whose_driver_is_killed_leave_no_process() {
    leaves_no_process(&["demo", "squares", "--processes", "8"]);
}

#[test]
fn a_matrix_whose_driver_is_killed_leaves_no_process() {
    leaves_no_process(&["demo", "matrix", "--size", "512"]);
    leaves_no_process(&["demo", "matrix", "--size", "512", "--kill", "2"]);
}

#[test]
fn a_bakery_whose_driver_is_killed_leaves_no_process() {
    leaves_no_process(&["demo", "bakery", "--orders", "5000"]);
    leaves_no_process(&["demo", "bakery", "--orders", "5000", "--kill", "5"]);
}

#[test]
fn tasks_whose_driver_is_killed_leave_no_process() {
    leaves_no_process(&["demo", "tasks", "--tasks", "5000"]);
    leaves_no_process(&["demo", "tasks", "--tasks", "5000", "--kill", "5"]);
}

#[test]
fn a_contention_whose_driver_is_killed_leaves_no_process() {
    leaves_no_process(&["contention", "--secs", "1"]);
}

#[test]
fn a_recovery_whose_driver_is_killed_leaves_no_process() {
    leaves_no_process(&["recovery", "--rounds", "100000"]);
}

#[test]
fn queues_whose_driver_is_killed_leave_no_process() {
    leaves_no_process(&["queues", "--secs", "1"]);
}

#[test]
fn a_worker_is_shown_by_its_name_and_the_programs_command_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdock"));
    command.args(["warehouse", "--workers", "1", "--products", "10000000000"]);
    let mut driver = command.stdout(Stdio::null()).spawn().unwrap();
    Moment::With(1).comes(&mut driver);
    let id = driver.id();
    let listed = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let worker = listed.trim();
    let shown = || {
        let of_worker = |what: &str| std::fs::read(format!("/proc/{worker}/{what}")).unwrap();
        (of_worker("cmdline"), of_worker("comm"))
    };
    let program = [env!("CARGO_BIN_EXE_crossdock").as_bytes(), &[0]].concat();
    let expected = (program, b"Process-1\n".to_vec());
    // Before its exec it shows what the driver does, and before its main another name.
    let watchdog = Instant::now() + Duration::from_secs(60);
    while shown() != expected && Instant::now() < watchdog {
        std::thread::yield_now();
    }
    let found = shown();
    driver.kill().unwrap();
    driver.wait().unwrap();
    assert_eq!(found, expected);
}

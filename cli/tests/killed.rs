//! The command's own process is killed: none of those that it has started stays.

mod driver;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use driver::Moment;

#[track_caller]
fn leaves_no_process(arguments: &[&str]) {
    driver::leaves_no_process(env!("CARGO_BIN_EXE_crossdock"), arguments);
}

#[test]
fn a_warehouse_whose_driver_is_killed_leaves_no_process() {
    let long = ["warehouse", "--products", "10000000000", "--counter"];
    for counter in ["atomic", "mutex"] {
        leaves_no_process(&[&long[..], &[counter]].concat());
    }
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
    leaves_no_process(&["contention", "--secs", "1", "--processes", "2,4"]);
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

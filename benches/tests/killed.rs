//! `cargo xtask measure` is killed: none of the processes that it has started stays.

#[path = "../../cli/tests/driver/mod.rs"]
mod driver;

#[track_caller]
fn leaves_no_process(arguments: &[&str]) {
    driver::leaves_no_process(env!("CARGO_BIN_EXE_studies"), arguments);
}

#[test]
fn a_recovery_whose_driver_is_killed_leaves_no_process() {
    leaves_no_process(&["measure", "recovery", "--rounds", "100000"]);
}

#[test]
fn queues_whose_driver_is_killed_leave_no_process() {
    leaves_no_process(&["measure", "queues", "--secs", "1"]);
}

//! Torture jobs find nothing in a moment, and notice a seeded bug.

use std::process::{Command, Output};

/// Runs a job for a moment, with its seeded bug or without.
fn torture(job: &str, seeded: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdock-verify"));
    command.args(["torture", job, "--secs", "1", "--kill-rate", "20"]);
    command.args(["--processes", "4"]);
    if seeded {
        command.env("CROSSDOCK_TORTURE_BUG", "1");
    }
    command.output().expect("it runs")
}

/// A job balances, and its judge notices the bug.
fn judges(job: &str) {
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let good = torture(job, false);
    let text = said(&good);
    assert!(
        good.status.success() && text.contains("ledger balanced"),
        "{text}"
    );
    let seeded = torture(job, true);
    let text = said(&seeded);
    assert_eq!(seeded.status.code(), Some(1), "{text}");
    assert!(text.contains("ledger NOT balanced"), "{text}");
}

#[test]
fn the_judge_of_permits_notices_a_signal_that_is_consumed_twice() {
    judges("permits");
}

#[test]
fn the_judge_of_a_pool_notices_a_task_that_goes_on_after_its_outcome() {
    judges("pool");
}

#[test]
fn the_judge_of_ends_notices_an_item_that_is_not_sent() {
    judges("ends");
}

#[test]
fn the_judge_of_connections_notices_a_message_that_was_not_sent() {
    judges("conns");
}

#[test]
fn the_judge_of_families_notices_a_message_that_is_not_sent() {
    judges("processes");
}

#[test]
fn the_judge_of_starts_notices_descriptors_that_are_left() {
    judges("starts");
}

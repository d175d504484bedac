//! Torture jobs find nothing in a moment, and their judges notice a seeded bug.

use std::process::{Command, ExitStatus};

/// What a judge says of a run in which there was hardly anything to judge.
const TOO_LITTLE: &str = "too little was done";

/// Runs a job for a moment, with its seeded bug or without; so many times longer than on a fast
/// machine. Returns how it ended, and what it printed.
fn torture(job: &str, seeded: bool, times: u32) -> (ExitStatus, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdock-verify"));
    // One task in a thousand of a pool has the bug, and its worker may end first. Families are
    // killed one after the other.
    let tenths = match job {
        "pool" | "processes" => 16,
        _ => 8,
    };
    let secs = f64::from(tenths * times) / 10.0;
    // Some 30 kills or more, on a busy machine too; with the bug, workers live until they have it.
    let kill_rate = if seeded { "20" } else { "150" };
    command.args(["torture", job, "--secs", &secs.to_string()]);
    command.args(["--kill-rate", kill_rate, "--processes", "4"]);
    if seeded {
        command.env("CROSSDOCK_TORTURE_BUG", "1");
    }
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status, text)
}

/// A job balances, and its judge notices the bug.
fn judges(job: &str) {
    let (mut good, mut text) = torture(job, false, 1);
    // A slow machine that others keep busy needs more time for anything at all.
    for times in [4, 16] {
        if text.contains(TOO_LITTLE) {
            (good, text) = torture(job, false, times);
        }
    }
    let balanced = good.success() && text.contains("ledger balanced");
    assert!(balanced, "{text}");
    // On a busy machine no worker may have come to the bug: the question is whether the judge can
    // see it.
    let mut looks = [1, 2, 4].into_iter().map(|times| torture(job, true, times));
    let is_other = |line: &str| {
        let told = ["ledger", "seed", TOO_LITTLE];
        line.is_empty() || told.iter().any(|part| line.contains(part))
    };
    let is_fault = |line: &str| !is_other(line);
    let seeded = looks.find(|(seeded, text)| !seeded.success() && text.lines().any(is_fault));
    let (seeded, text) = seeded.expect("the judge notices the bug");
    assert_eq!(seeded.code(), Some(1), "{text}");
    assert!(text.contains("ledger NOT balanced"), "{text}");
}

/// A test of a job's judge, and what its seeded bug is.
macro_rules! judged {
    ($($test:ident: $job:literal)*) => {$(
        #[test]
        fn $test() {
            judges($job);
        }
    )*};
}

judged! {
    the_judge_of_locks_notices_an_operation_that_is_counted_once_only: "locks"
    the_judge_of_a_rwlock_notices_a_write_that_is_not_told: "rwlock"
    the_judge_of_permits_notices_a_signal_that_is_consumed_twice: "permits"
    the_judge_of_meetings_notices_goods_that_do_not_arrive: "meetings"
    the_judge_of_signals_notices_a_value_of_two_halves: "signals"
    the_judge_of_an_array_notices_a_chunk_that_is_finished_twice: "array"
    the_judge_of_objects_notices_a_change_that_was_not_made: "objects"
    the_judge_of_managers_notices_an_addition_to_another_object: "managers"
    the_judge_of_growth_notices_values_that_were_not_added: "growth"
    the_judge_of_snapshots_notices_a_value_of_another_version: "snapshots"
    the_judge_of_queues_notices_an_item_that_is_not_sent: "queues"
    the_judge_of_work_notices_a_message_that_is_not_sent: "work"
    the_judge_of_a_pool_notices_a_task_that_goes_on_after_its_outcome: "pool"
    the_judge_of_ends_notices_an_item_that_is_not_sent: "ends"
    the_judge_of_connections_notices_a_message_that_was_not_sent: "conns"
    the_judge_of_families_notices_a_message_that_is_not_sent: "processes"
    the_judge_of_starts_notices_descriptors_that_are_left: "starts"
}

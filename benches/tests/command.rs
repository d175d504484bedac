//! The command as it is called.

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_studies"))
        .args(arguments)
        .output()
        .expect("it can be started")
}

/// Runs what measures: one at a time, or the one takes the processor that the other is to get its
/// few milliseconds of.
fn measure(arguments: &[&str]) -> Output {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    run(arguments)
}

#[test]
fn a_wrong_call_is_told_in_one_line_and_ends_with_2() {
    for (arguments, words) in [
        (&["locks", "--secs", "0"][..], "more than 0"),
        (&["locks", "--runs", "0"], "1 to 1000 runs"),
        (&["locks", "--processes", "0"], "1 to 64 processes, found 0"),
        (&["locks", "--processes", "many"], "many"),
        (&["locks", "--kills", "10001"], "at most 10000 kills"),
        (&["locks", "--output", "/"], "/"),
        (&["locks", "--secs", "NaN"], "more than 0"),
        (&["queues", "--secs", "-1"], "-1"),
        (&["queues", "--secs", "0"], "more than 0"),
        (&["queues", "--runs", "1001"], "1 to 1000 runs, found 1001"),
        (&["queues", "--output", "/"], "/"),
        (&["work", "--secs", "0"], "more than 0"),
        (&["work", "--runs", "0"], "1 to 1000 runs"),
        (&["work", "--output", "/"], "/"),
        (&["arrays", "--secs", "0"], "more than 0"),
        (&["arrays", "--runs", "1001"], "1 to 1000 runs"),
        (&["chaos", "--kills", "10001"], "at most 10000 kills"),
        (&["chaos", "--kills", "some"], "some"),
        (&["pipes"], "pipes"),
        (&["chaos", "--secs", "1"], "no --secs of this study"),
        (&["poles"], "'pools'"),
        (&[], "locks, queues, work, arrays, chaos, pools or objects"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.starts_with("studies: "), "{said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_short_run_is_one_json_object_with_ours_and_theirs() {
    let effort = [
        "--secs",
        "0.02",
        "--runs",
        "1",
        "--processes",
        "2",
        "--kills",
        "1",
    ];
    let output = measure(&[&["locks", "--json"][..], &effort].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let settings = found["settings"].as_array().expect("settings");
    assert_eq!(settings.len(), 4);
    for setting in settings {
        let figures = setting["figures"].as_array().expect("figures");
        for figure in figures {
            assert!(figure["ns_per_op"].as_f64().is_some_and(|ns| ns > 0.0));
            assert_eq!(figure["lost"], 0, "{figure}");
        }
        for kind in ["mutex", "pthread-robust", "raw_sync", "flock", "std"] {
            let named = figures.iter().filter(|figure| figure["kind"] == kind);
            assert_eq!(named.count(), 1, "{kind} in {setting}");
        }
    }
    let kills = found["kills"].as_array().expect("kills");
    let ours = kills.iter().find(|toll| toll["kind"] == "mutex");
    assert!(ours.is_some_and(|toll| toll["kills"] == 1 && toll["wrong"] == 0));
    assert_eq!(
        found["command"],
        format!("cargo xtask compare locks {}", effort.join(" "))
    );
}

#[test]
fn a_short_run_of_queues_is_one_json_object_with_ours_and_theirs() {
    let effort = ["--secs", "0.01", "--runs", "1"];
    let output = measure(&[&["queues", "--json"][..], &effort].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let settings = found["settings"].as_array().expect("settings");
    assert_eq!(settings.len(), 8);
    for setting in settings {
        let figures = setting["figures"].as_array().expect("figures");
        for figure in figures {
            assert_eq!(figure["lost"], 0, "{figure}");
            assert_eq!(figure["wrong"], 0, "{figure}");
            // Of one run, so all of them are one.
            let ratio = &figure["to_pipe"];
            assert_eq!(ratio["ratio"], ratio["ratio_range"][0], "{figure}");
        }
        for kind in ["queue", "pipe", "kanal"] {
            let named = figures.iter().filter(|figure| figure["kind"] == kind);
            assert_eq!(named.count(), 1, "{kind} in {setting}");
        }
    }
    assert_eq!(found["round_trips"].as_array().map(Vec::len), Some(2));
    for goal in found["goals"].as_array().expect("goals") {
        assert_eq!(goal["found"], goal["found_range"][1], "{goal}");
    }
    let entrants = found["entrants"].as_array().expect("entrants");
    let boost = entrants.iter().find(|entrant| entrant["kind"] == "boost");
    let note = boost.map(|boost| boost["note"].as_str().unwrap_or_default());
    let built = settings[0]["figures"]
        .as_array()
        .is_some_and(|figures| figures.iter().any(|figure| figure["kind"] == "boost"));
    assert_eq!(note.map(|note| note.starts_with("not built")), Some(!built));
    assert_eq!(
        found["command"],
        format!("cargo xtask compare queues {}", effort.join(" "))
    );
}

#[test]
fn a_short_run_of_arrays_is_one_json_object_with_its_goals() {
    let effort = ["--secs", "0.01", "--runs", "1"];
    let output = measure(&[&["arrays", "--json"][..], &effort].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (part, figures) in [("atomics", 4), ("kernel", 2), ("goals", 7)] {
        let rows = found[part].as_array().map(Vec::len);
        assert_eq!(rows, Some(figures), "{part}");
    }
    for figure in found["kernel"].as_array().expect("figures") {
        assert!(figure["ns"].as_f64().is_some_and(|ns| ns > 0.0), "{figure}");
    }
    assert_eq!(
        found["command"],
        format!("cargo xtask compare arrays {}", effort.join(" "))
    );
}

#[test]
fn a_short_run_of_work_is_one_json_object_with_its_goals() {
    let effort = ["--secs", "0.01", "--runs", "1"];
    let output = measure(&[&["work", "--json"][..], &effort].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (table, rows) in [("untouched", 2), ("in_place", 3)] {
        let figures = found[table].as_array().expect("figures");
        assert_eq!(figures.len(), rows, "{table}");
        for figure in figures {
            assert!(figure["ns"].as_f64().is_some_and(|ns| ns > 0.0), "{figure}");
        }
    }
    assert_eq!(found["goals"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        found["command"],
        format!("cargo xtask compare work {}", effort.join(" "))
    );
}

#[test]
fn a_short_run_of_chaos_is_one_json_object_in_which_ours_go_on() {
    let output = measure(&["chaos", "--json", "--kills", "1"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tolls = found["tolls"].as_array().expect("tolls");
    for kind in ["spsc", "queue", "vyukov", "pipe"] {
        for killed in ["sender", "receiver"] {
            let mut of_kind = tolls.iter().filter(|toll| toll["kind"] == kind);
            let toll = of_kind.find(|toll| toll["killed"] == killed);
            assert!(
                toll.is_some_and(|toll| toll["kills"] == 1),
                "{kind} {killed}"
            );
        }
    }
    let ours = tolls
        .iter()
        .filter(|toll| toll["kind"] == "spsc" || toll["kind"] == "queue");
    for toll in ours {
        assert_eq!(toll["lost"], 0, "{toll}");
        assert_eq!(toll["doubled"], 0, "{toll}");
        assert_eq!(toll["cut"], 0, "{toll}");
    }
}

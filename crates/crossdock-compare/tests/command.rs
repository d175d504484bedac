//! The command as it is called.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossdock-compare"))
        .args(arguments)
        .output()
        .expect("it can be started")
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
        (&["spinning", "--secs", "NaN"], "more than 0"),
        (&["spinning", "--runs", "0"], "1 to 1000 runs"),
        (&["queues"], "queues"),
        (&[], "expected something to compare: locks"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.starts_with("crossdock-compare: "), "{said}");
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
    let output = run(&[&["locks", "--json"][..], &effort].concat());
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

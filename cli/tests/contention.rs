//! `crossdock contention`, run as a user runs it.

mod command;

use std::process::Command;

use command::{json, printed, refused};
use serde_json::Value;

const KINDS: [&str; 11] = [
    "racy",
    "mutex",
    "counter",
    "sharded",
    "rwlock-read",
    "rwlock-write",
    "futex",
    "pthread",
    "pthread-robust",
    "pthread-rwlock-read",
    "pthread-rwlock-write",
];

/// What a short run of contention prints, with further arguments.
fn contention(arguments: &[&str]) -> String {
    let short = ["contention", "--secs", "0.01", "--runs", "1"];
    printed(&[&short, arguments].concat())
}

/// Millions of additions a second of one process of a kind.
fn alone(rows: &[Value], kind: &str) -> f64 {
    let mut rows = rows.iter();
    let row = rows.find(|row| row["kind"] == kind && row["processes"] == 1);
    row.unwrap()["mops"].as_f64().unwrap()
}

#[test]
fn the_object_has_a_row_for_each_kind_and_number_of_processes() {
    let document = json(&contention(&["--processes", "1,2", "--json"]));
    assert!(document["machine"]["cores"].as_u64() > Some(0));
    assert!(document["machine"]["kernel"].is_string());
    let rows = document["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * KINDS.len());
    for (row, (processes, kind)) in rows.iter().zip(
        [1, 2]
            .iter()
            .flat_map(|processes| KINDS.map(|kind| (processes, kind))),
    ) {
        assert_eq!(row["kind"], kind);
        assert_eq!(row["processes"], *processes);
        assert_eq!(row["pin"], "cores");
        // A busy machine may come to no addition in the time.
        let mops = row["ns_per_op"].as_f64().map_or(0.0, |nanos| 1e3 / nanos);
        assert!((row["mops"].as_f64().unwrap() - mops).abs() <= 1e-6 * mops);
        assert_eq!(row["speedup"].is_f64(), alone(rows, kind) > 0.0);
        assert!((0.0..=1.0).contains(&row["fairness"].as_f64().unwrap()));
        assert!(row["p50_ns"].is_null() && row["p99_ns"].is_null());
        if kind != "racy" {
            assert_eq!(row["lost"], 0, "{kind}");
        }
    }
}

#[test]
fn one_process_is_needed_for_a_speed_up() {
    let document = json(&contention(&[
        "--processes",
        "2",
        "--kinds",
        "mutex",
        "--json",
    ]));
    assert!(document["rows"][0]["speedup"].is_null());
}

#[test]
fn latencies_are_there_when_asked_for() {
    let arguments = [
        "--processes",
        "2",
        "--kinds",
        "counter",
        "--latency",
        "--json",
    ];
    let document = json(&contention(&arguments));
    let row = &document["rows"][0];
    let at = |name: &str| row[name].as_u64().unwrap();
    assert!(at("p50_ns") <= at("p99_ns") && at("p99_ns") <= at("p999_ns"));
}

#[test]
fn the_table_names_the_machine_the_setting_and_every_kind() {
    let text = contention(&[
        "--processes",
        "1,2",
        "--pin",
        "free",
        "--work-outside",
        "100",
    ]);
    for word in KINDS.into_iter().chain([
        "procs",
        "ns/op",
        "Mops/s",
        "speed-up",
        "of robust",
        "fair",
        "lost",
        "core",
        "Linux",
        "not pinned",
        "100 ns outside",
    ]) {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("p99"), "{text}");
}

#[test]
fn help_and_tables_fit_in_80_columns() {
    let short = ["contention", "--secs", "0.01", "--runs", "1"];
    let run = |more: &[&str]| printed(&[&short[..], more].concat());
    let mut texts = vec![
        run(&["--processes", "1,2"]),
        run(&["--processes", "2", "--latency"]),
        printed(&["warehouse", "--counter", "all", "--products", "500"]),
        printed(&["--help"]),
    ];
    let commands = |help: &str| -> Vec<String> {
        let named = help.lines().filter_map(|line| line.strip_prefix("  "));
        let named = named.filter(|name| name.starts_with(|first: char| first.is_lowercase()));
        let named = named.filter(|name| *name != "help");
        named.map(str::to_owned).collect()
    };
    let all = commands(&printed(&["--help"]));
    assert!(all.len() > 10, "{all:?}");
    for command in &all {
        texts.push(printed(&[command, "--help"]));
    }
    for demo in commands(&printed(&["demo", "--help"])) {
        texts.push(printed(&["demo", &demo, "--help"]));
    }
    for text in texts {
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn a_command_that_is_nearly_one_is_suggested() {
    for (arguments, suggestion) in [
        (&["warehous"][..], "'warehouse'"),
        (&["contention", "--sec", "1"], "'--secs'"),
        (&["demo", "bakeri"], "'bakery'"),
    ] {
        refused(arguments);
        let said = command::crossdock(arguments).stderr;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(suggestion), "{said}");
    }
}

#[test]
fn more_processes_than_cores_are_said_to_share_them() {
    let text = contention(&["--processes", "256", "--kinds", "counter"]);
    assert!(text.contains("note: 256 processes share "), "{text}");
}

#[test]
fn values_are_separated_by_commas() {
    let text = contention(&["--processes", "1", "--kinds", "futex,mutex", "--csv"]);
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("kind,processes,pin,ns_per_op,mops,speedup,fairness,lost,p50_ns,p99_ns,p999_ns")
    );
    let kinds: Vec<&str> = lines
        .map(|line| {
            assert_eq!(line.split(',').count(), 11, "{line}");
            line.split(',').next().unwrap()
        })
        .collect();
    assert_eq!(kinds, ["futex", "mutex"]);
}

#[test]
fn a_run_too_short_for_its_work_has_no_figures() {
    // Longer than a run goes on in which nothing was added.
    let nanoseconds = "1000000000";
    let document = json(&contention(&[
        "--kinds",
        "mutex",
        "--processes",
        "1",
        "--work-inside",
        nanoseconds,
        "--json",
    ]));
    assert!(document["rows"][0]["ns_per_op"].is_null(), "{document}");
    assert_eq!(document["rows"][0]["mops"], 0.0);
    let notes = document["notes"].to_string();
    assert!(
        notes.contains("mutex, 1 processes: nothing was added"),
        "{notes}"
    );
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_crossdock"));
    command
        .args([
            "contention",
            "--runs",
            "1",
            "--secs",
            "0.01",
            "--processes",
            "1",
            "--json",
        ])
        .stdout(full);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("crossdock: standard output: "), "{said}");
}

#[test]
fn what_cannot_be_understood_is_one_line_and_exit_code_2() {
    let cases: &[&[&str]] = &[
        &["contention", "--processes", "0"],
        &["contention", "--processes", ""],
        &["contention", "--processes", "2,,4"],
        &["contention", "--processes", "1,257"],
        &["contention", "--processes", "4294967296"],
        &["contention", "--processes", "2,2"],
        &["contention", "--secs", "0"],
        &["contention", "--secs", "-1"],
        &["contention", "--secs", "NaN"],
        &["contention", "--secs", "1e9"],
        &["contention", "--runs", "0"],
        &["contention", "--runs", "1001"],
        &["contention", "--pin", "loosely"],
        &["contention", "--work-inside", "1000000001"],
        &["contention", "--work-outside", "-5"],
        &["contention", "--kinds", "abacus"],
        &["contention", "--kinds", ""],
        &["contention", "--kinds", "mutex,mutex"],
        &["contention", "--json", "--csv"],
        &["contention", "stray"],
    ];
    for arguments in cases {
        refused(arguments);
    }
}

//! `cargo xtask measure`: that is `studies measure`.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_studies"))
        .arg("measure")
        .args(arguments)
        .output()
        .expect("it can be started")
}

/// What it prints, all being well.
fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// Has it refuse arguments: in one line, with this exit code.
fn refused(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let said = String::from_utf8(output.stderr).expect("it prints UTF-8");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("studies: "), "{arguments:?}: {said}");
    said
}

/// The one object of one line.
fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1);
    serde_json::from_str(text).expect("it is JSON")
}

/// What a short run prints, with further arguments.
fn queues(arguments: &[&str]) -> String {
    let short = ["queues", "--secs", "0.01", "--runs", "1"];
    printed(&[&short, arguments].concat())
}

fn rows<'a>(document: &'a Value, table: &str) -> &'a [Value] {
    document[table].as_array().unwrap()
}

#[test]
fn the_object_has_a_row_for_each_kind_in_each_setting() {
    let document = json(&queues(&["--sizes", "8,1024", "--json"]));
    assert!(document["machine"]["cores"].as_u64() > Some(0));
    let throughput = rows(&document, "throughput");
    let of = |kind: &str| throughput.iter().filter(|row| row["kind"] == kind).count();
    // For one producer and one consumer, or for several too; of two sizes.
    for (kind, count) in [
        ("lamport", 2),
        ("spsc", 2),
        ("spsc-batch", 2),
        ("vyukov", 4),
        ("queue", 4),
        ("queue-batch", 4),
        ("work", 4),
        ("bytes", 4),
        ("pipe", 4),
        ("pipe-batch", 4),
        ("socket", 4),
    ] {
        assert_eq!(of(kind), count, "{kind}");
    }
    for row in throughput {
        assert_eq!(
            (&row["lost"], &row["wrong"]),
            (&Value::from(0), &Value::from(0))
        );
        assert!(row["items"].as_u64() > Some(0), "{row}");
        assert_eq!(
            (&row["idle"], &row["pin"]),
            (&Value::from("spin"), &Value::from("cores"))
        );
        let batch = row["kind"].as_str().unwrap().ends_with("-batch");
        assert_eq!(row["batch"], if batch { 64 } else { 1 });
    }
    let trips = rows(&document, "round_trips");
    let idles = |kind: &str| -> Vec<&Value> {
        let of = trips
            .iter()
            .filter(|row| row["kind"] == kind && row["size"] == 8);
        of.map(|row| &row["idle"]).collect()
    };
    assert_eq!(idles("lamport"), ["spin"]);
    assert_eq!(idles("spsc"), ["spin", "park"]);
    assert_eq!(idles("spsc-batch"), [""; 0]);
    for row in trips {
        let at = |name: &str| row[name].as_u64();
        // A busy machine may come to none in the time.
        assert_eq!(at("trips") > Some(0), at("p50_ns").is_some(), "{row}");
        assert!(at("p50_ns") <= at("p99_ns") && at("p99_ns") <= at("p999_ns"));
    }
}

#[test]
fn others_are_compared_with_the_first() {
    let kinds = "pipe,spsc";
    let arguments = ["--kinds", kinds, "--sizes", "8", "--pairs", "1x1", "--json"];
    // A busy machine may pass nothing in the time.
    let measured = (0..20).find_map(|_| {
        let document = json(&queues(&arguments));
        let throughput = rows(&document, "throughput");
        let at = |at: usize, name: &str| throughput[at][name].as_f64().filter(|value| *value > 0.0);
        let ratios = (at(0, "ratio")?, at(1, "ratio")?);
        let ratio = &throughput[1]["ratio"];
        assert_eq!(
            throughput[1]["ratio_range"],
            Value::from(vec![ratio.clone(); 2])
        );
        Some((ratios, at(1, "mitems")? / at(0, "mitems")?))
    });
    let ((first, second), expected) = measured.expect("something is passed in 20 runs");
    assert_eq!(first, 1.0);
    assert!((second / expected - 1.0).abs() < 1e-6, "of one run");
}

#[test]
fn the_tables_name_the_machine_the_setting_and_every_kind() {
    let text = queues(&["--sizes", "64", "--pairs", "1x1,2x1", "--pin", "free"]);
    for word in [
        "lamport",
        "spsc-batch",
        "bytes-adaptive",
        "vyukov",
        "pipe-batch",
        "socket",
        "core",
        "Linux",
        "not pinned",
        "queues of 1024 items, batches of 64",
        "throughput",
        "ns per item",
        "Mitems/s",
        "of first",
        "least..most",
        "ratios within each round",
        "2x1",
        "round trips",
        "p99.9 ns",
        "spinning",
        "parked",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn named_kinds_that_a_setting_is_not_for_are_noted() {
    let text = queues(&["--kinds", "lamport,queue", "--sizes", "8"]);
    assert!(text.contains("note: not made for 2x2: lamport\n"), "{text}");
    assert!(
        text.contains("note: not made for parked round trips: lamport\n"),
        "{text}"
    );
    assert!(!queues(&["--sizes", "8"]).contains("not made for"));
}

#[test]
fn processes_may_wait_and_round_trips_be_left_out() {
    let arguments = ["--idle", "park", "--round-trip", "none", "--sizes", "8"];
    let text = queues(&arguments);
    assert!(text.contains("of waiters that sleep"), "{text}");
    assert!(!text.contains("round trips of"), "{text}");
    let document = json(&queues(&[&arguments[..], &["--json"]].concat()));
    let kinds: Vec<&str> = rows(&document, "throughput")
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    for kind in ["spsc", "queue-adaptive", "work-adaptive", "bytes-adaptive"] {
        assert!(kinds.contains(&kind), "{kind}");
    }
    assert!(!kinds.contains(&"lamport") && !kinds.contains(&"spsc-batch"));
    assert_eq!(document["round_trips"], Value::Array(Vec::new()));
}

#[test]
fn what_cannot_be_understood_is_one_line_and_exit_code_2() {
    let nothing_left = [
        "queues",
        "--kinds",
        "spsc",
        "--pairs",
        "2x2",
        "--round-trip",
        "none",
    ];
    for arguments in [
        &["queues", "--capacity", "0"][..],
        &["queues", "--capacity", "1"],
        &["queues", "--capacity", "1000"],
        &["queues", "--capacity", "131072"],
        &["queues", "--capacity", "-1"],
        &["queues", "--sizes", "9"],
        &["queues", "--sizes", "8,8"],
        &["queues", "--sizes", ""],
        &["queues", "--pairs", "1"],
        &["queues", "--pairs", "1x"],
        &["queues", "--pairs", "0x1"],
        &["queues", "--pairs", "1x65"],
        &["queues", "--pairs", "1x1x1"],
        &["queues", "--pairs", "1x1,1x1"],
        &["queues", "--pairs", ""],
        &["queues", "--batch", "1"],
        &["queues", "--batch", "1025"],
        &["queues", "--idle", "sleep"],
        &["queues", "--round-trip", "never"],
        &["queues", "--kinds", "abacus"],
        &["queues", "--kinds", "spsc,spsc"],
        &nothing_left,
        &["queues", "--secs", "0"],
        &["queues", "--runs", "0"],
        &["queues", "--pin", "loosely"],
        &["queues", "stray"],
        &["recovery", "--rounds", "0"],
        &["recovery", "--rounds", "100001"],
        &["recovery", "--kinds", "abacus"],
        &["recovery", "--bogus"],
        &["plot", "only.json"],
        &["abacus"],
    ] {
        refused(arguments, 2);
    }
    let said = refused(&nothing_left, 2);
    assert!(said.contains("not made for 2x2: spsc"), "{said}");
}

#[test]
fn recovery_is_measured_beside_the_robust_mutex() {
    let document = json(&printed(&["recovery", "--rounds", "2", "--json"]));
    let rows = document["rows"].as_array().unwrap();
    let kinds: Vec<_> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    let expected = ["mutex", "mutex-monitor", "work", "pthread-robust"];
    assert_eq!(kinds, expected);
    for row in rows {
        assert_eq!(row["rounds"], 2);
        assert!(row["p50_us"].as_f64() > Some(0.0));
        assert!(row["p99_us"].as_f64() >= row["p50_us"].as_f64());
        assert!(row["p50_ratio"].is_f64() && row["p99_ratio"].is_f64());
    }
    let text = printed(&["recovery", "--rounds", "1", "--kinds", "mutex-monitor"]);
    assert!(
        text.contains("p50 us") && text.contains("mutex-monitor"),
        "{text}"
    );
}

#[test]
fn what_is_no_measurement_is_not_drawn() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let file = format!("{folder}/measure-{}.json", std::process::id());
    let name = format!("{folder}/measure-{}", std::process::id());
    let said = refused(&["plot", &file, &name], 1);
    assert!(said.contains("cannot read"), "{said}");
    for (text, words) in [
        ("{}", "expected the object of `crossdock contention --json`"),
        (
            r#"{"machine": {"cores": 1, "model": "", "arch": "", "kernel": "", "virtual_machine": false},
                "setting": "", "rows": []}"#,
            "expected a row with a figure, found none",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(&["plot", &file, &name], 1);
        assert!(said.contains(words), "{said}");
        assert!(!fs::exists(format!("{name}.svg")).unwrap());
    }
    fs::remove_file(file).unwrap();
}

//! `crossdock queues`, run as a user runs it.

mod command;
mod scratch;

use command::{crossdock, json, printed, refused};
use scratch::Scratch;
use serde_json::Value;

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
fn the_plot_has_a_line_for_each_kind() {
    let file = Scratch::new("queues.svg");
    queues(&["--pairs", "1x1", "--plot", file.path()]);
    let image = std::fs::read_to_string(file.path()).unwrap();
    assert!(image.starts_with("<svg") && image.trim_end().ends_with("</svg>"));
    for word in [
        "lamport",
        "spsc-batch",
        "bytes-adaptive",
        "socket",
        "bytes of an item",
        "prefers-color-scheme",
    ] {
        assert!(image.contains(word), "{word}");
    }
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
        &["queues", "--plot", "plot.png"],
        &["queues", "stray"],
    ] {
        refused(arguments);
    }
    let output = crossdock(&nothing_left);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not made for 2x2: spsc"), "{said}");
}

//! `crossdock warehouse`, run as a user runs it.

use std::process::{Command, Output};

use serde_json::Value;

fn warehouse(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crossdock"))
        .arg("warehouse")
        .args(arguments)
        .output()
        .unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = warehouse(arguments);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let printed = printed(arguments);
    assert_eq!(printed.lines().count(), 1);
    serde_json::from_str(&printed).unwrap()
}

/// The run of a counter in a `--json` object.
fn run<'a>(document: &'a Value, counter: &str) -> &'a Value {
    let runs = document["runs"].as_array().unwrap();
    runs.iter().find(|run| run["counter"] == counter).unwrap()
}

#[test]
fn five_workers_print_a_line_for_each_of_fifty_products() {
    let printed = printed(&[]);
    let mut lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.pop(), Some("Total products packed: 50"));
    assert_eq!(lines.len(), 50);
    let mut totals: Vec<u32> = lines
        .iter()
        .map(|line| {
            let (worker, total) = line.split_once(": packed 1 product (total: ").unwrap();
            assert!(worker.starts_with("Worker "));
            total.strip_suffix(')').unwrap().parse().unwrap()
        })
        .collect();
    totals.sort_unstable();
    assert_eq!(totals, (1..=50).collect::<Vec<_>>());
}

#[test]
fn quiet_leaves_the_last_line() {
    assert_eq!(printed(&["--quiet"]), "Total products packed: 50\n");
}

#[test]
fn above_a_thousand_products_no_line_is_printed_for_each() {
    let printed = printed(&["--products", "201"]);
    assert_eq!(printed, "Total products packed: 1005\n");
}

#[test]
fn the_racy_counter_loses_and_the_others_do_not() {
    let document = json(&[
        "--counter",
        "all",
        "--workers",
        "8",
        "--products",
        "200000",
        "--json",
    ]);
    assert!(run(&document, "racy")["lost"].as_u64() > Some(0));
    for counter in ["mutex", "atomic", "sharded"] {
        assert_eq!(run(&document, counter)["lost"], 0, "{counter}");
        assert_eq!(run(&document, counter)["total"], 1_600_000, "{counter}");
    }
}

#[test]
fn lost_updates_are_red_at_a_terminal() {
    for counter in ["racy", "all"] {
        let output = Command::new(env!("CARGO_BIN_EXE_crossdock"))
            .args(["warehouse", "--counter", counter, "--workers", "8"])
            .args(["--products", "200000"])
            .env("CLICOLOR_FORCE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("\u{1b}[31mLost updates: "), "{said}");
    }
    let plain = printed(&[
        "--counter",
        "racy",
        "--workers",
        "8",
        "--products",
        "200000",
    ]);
    assert!(plain.contains("Lost updates: "), "{plain}");
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn a_table_shows_all_kinds() {
    let printed = printed(&["--counter", "all"]);
    for word in [
        "kind",
        "expected",
        "total",
        "lost",
        "ns per op",
        "racy",
        "mutex",
        "sharded",
    ] {
        assert!(printed.contains(word), "{word}: {printed}");
    }
}

#[test]
fn twenty_kills_lose_nothing_under_the_mutex() {
    let arguments = [
        "--counter",
        "mutex",
        "--products",
        "200000",
        "--kill",
        "20",
        "--json",
    ];
    let document = json(&arguments);
    let run = run(&document, "mutex");
    assert_eq!(document["kills"], 20);
    assert_eq!(run["killed"], 20);
    assert_eq!(run["lost"], 0);
    assert_eq!(run["unsettled"], 0);
    assert_eq!(run["total"], 1_000_000);
    assert!(run["recovered"].as_u64() >= Some(1));
}

#[test]
fn as_many_kills_as_products_lose_nothing_under_the_mutex() {
    for (workers, products, kills) in [("1", "1", "1"), ("2", "2", "4"), ("3", "5", "15")] {
        let document = json(&[
            "--counter",
            "mutex",
            "--workers",
            workers,
            "--products",
            products,
            "--kill",
            kills,
            "--json",
        ]);
        let run = run(&document, "mutex");
        assert_eq!(run["killed"].to_string(), kills);
        assert_eq!(run["total"], run["expected"]);
    }
}

#[test]
fn without_a_lock_a_kill_leaves_one_product_unsettled_at_most_and_says_so() {
    for counter in ["atomic", "sharded"] {
        let document = json(&[
            "--counter",
            counter,
            "--products",
            "2000",
            "--kill",
            "6",
            "--json",
        ]);
        let run = run(&document, counter);
        assert_eq!(run["killed"], 6);
        assert_eq!(run["lost"], 0);
        let off = run["total"]
            .as_u64()
            .unwrap()
            .abs_diff(run["expected"].as_u64().unwrap());
        assert_eq!(run["unsettled"], off);
        assert!(off <= 6);
    }
}

#[test]
fn the_object_has_the_fields_that_programs_read() {
    let document = json(&["--json"]);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let mut top = keys(&document);
    top.sort();
    assert_eq!(top, ["kills", "products", "runs", "workers"]);
    let mut fields = keys(&document["runs"][0]);
    fields.sort();
    assert_eq!(
        fields,
        [
            "counter",
            "expected",
            "killed",
            "lost",
            "ns_per_op",
            "recovered",
            "seconds",
            "total",
            "unsettled"
        ]
    );
}

#[test]
fn what_cannot_be_understood_is_one_line_and_exit_code_2() {
    let cases: &[&[&str]] = &[
        &["--workers", "0"],
        &["--workers", "501"],
        &["--workers", "-1"],
        &["--workers", "many"],
        &["--products", "0"],
        &["--products", "18446744073709551615"],
        &["--kill", "51"],
        &["--products", "1000000", "--kill", "10001"],
        &["--counter", "abacus"],
        &["--bogus"],
        &["stray"],
    ];
    for arguments in cases {
        let output = warehouse(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.starts_with("crossdock: "), "{arguments:?}: {said}");
    }
}

//! The programs of the tutorials on Python's multiprocessing print what they print there.

use std::path::PathBuf;
use std::process::Command;

/// Runs an example and returns the lines that it printed.
fn run(example: &str, arguments: &[&str]) -> Vec<String> {
    // target/PROFILE/deps/this-test, and target/PROFILE/examples/EXAMPLE.
    let here = std::env::current_exe().unwrap();
    let profile: PathBuf = here.ancestors().nth(2).unwrap().to_owned();
    let mut command = Command::new(profile.join("examples").join(example));
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{example}: {output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(str::to_owned).collect()
}

/// Asserts that an example printed these lines, in any order.
#[track_caller]
fn assert_lines(example: &str, arguments: &[&str], expected: &[&str]) {
    let mut printed = run(example, arguments);
    let mut expected = expected.to_vec();
    printed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(printed, expected);
}

/// Asserts that an example printed these lines in any order, and this one behind them.
#[track_caller]
fn assert_last(example: &str, arguments: &[&str], expected: &[&str], last: &str) {
    let mut printed = run(example, arguments);
    assert_eq!(printed.pop().as_deref(), Some(last));
    let mut expected = expected.to_vec();
    printed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(printed, expected);
}

#[test]
fn hello() {
    let lines = [
        "Hello !! Welcome to Rust Tutorial",
        "Hello from process Process-1",
    ];
    assert_lines("hello", &[], &lines);
}

#[test]
fn powers() {
    assert_last("powers", &[], &["Square: 100", "Cube: 1000"], "Done!");
    assert_last("powers", &["5"], &["Square: 25", "Cube: 125"], "Done!");
}

#[test]
fn process_ids() {
    let printed = run("process_ids", &[]);
    let id = |of: &str| {
        let line = printed.iter().find_map(|line| line.strip_prefix(of));
        line.unwrap_or_else(|| panic!("{of}: {printed:?}"))
            .parse::<u32>()
            .unwrap()
    };
    let ids = [
        id("ID of main process: "),
        id("ID of process p1: "),
        id("ID of process p2: "),
    ];
    assert_eq!(id("ID of process running worker1: "), ids[1]);
    assert_eq!(id("ID of process running worker2: "), ids[2]);
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    let end = [
        "Both processes finished execution!",
        "Process p1 is alive: false",
        "Process p2 is alive: false",
    ];
    assert_eq!(printed[printed.len() - 3..], end);
    assert_eq!(printed.len(), 8);
}

#[test]
fn cooks() {
    let lines = [
        "person Process-1 is cooking salad…",
        "person Process-2 is cooking soup…",
        "person Process-3 is cooking main course…",
        "person Process-4 is cooking dessert…",
    ];
    assert_lines("cooks", &[], &lines);
}

#[test]
fn workers() {
    let lines = ["Worker 1 is running.", "Worker 2 is running."];
    assert_last("workers", &[], &lines, "All processes have finished.");
}

#[test]
fn squares() {
    let lines = [1, 2, 3, 4, 5].map(|n| format!("The square of {n} is {}", n * n));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_last("squares", &[], &lines, "All calculations completed.");
}

#[test]
fn warehouse() {
    let mut printed = run("warehouse", &[]);
    assert_eq!(printed.pop().as_deref(), Some("Total products packed: 50"));
    let mut totals = Vec::new();
    for line in &printed {
        let total = line
            .split_once("(total: ")
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        totals.push(total.unwrap().parse::<u32>().unwrap());
    }
    totals.sort_unstable();
    assert_eq!(totals, (1..=50).collect::<Vec<_>>());
}

#[test]
fn bakery() {
    let lines = [
        "Baker: Preparing Baguette bread",
        "Baker: Preparing Ciabatta bread",
        "Baker: Preparing Sourdough bread",
        "Bakery is closed for the day.",
    ];
    assert_eq!(run("bakery", &[]), lines);
}

#[test]
fn fruits() {
    let fruits = ["Apple", "Orange", "Guava", "Papaya", "Banana"];
    let items = |first: usize| {
        let numbered = fruits.iter().enumerate();
        numbered.map(move |(n, fruit)| format!("item no: {} {fruit}", n + first))
    };
    let mut lines = vec!["pushing items to queue:".to_owned()];
    lines.extend(items(1));
    lines.push("popping items from queue:".to_owned());
    lines.extend(items(0));
    assert_eq!(run("fruits", &[]), lines);
}

#[test]
fn tasks() {
    let printed = run("tasks", &[]);
    let mut tasks = Vec::new();
    for line in &printed {
        let (task, worker) = line.split_once(" is done by ").unwrap();
        assert!(
            ["Process-1", "Process-2", "Process-3"].contains(&worker),
            "{line}"
        );
        tasks.push(task.to_owned());
    }
    tasks.sort_unstable();
    let each_once: Vec<_> = (0..8).map(|number| format!("Task no {number}")).collect();
    assert_eq!(tasks, each_once);
}

#[test]
fn shared_list() {
    let lines = [
        "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]",
        "[4, 9, 16]",
        "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100]",
    ];
    assert_eq!(run("shared_list", &[]), lines);
}

#[test]
fn child_errors() {
    let lines = [
        "panicked: no flour left",
        "exited with code 3",
        "killed by signal 9",
        "returned an error: invalid digit found in string",
    ];
    assert_eq!(run("child_errors", &[]), lines);
}

#[test]
fn functions() {
    assert_eq!(run("functions", &[]), ["All functions did what they must."]);
}

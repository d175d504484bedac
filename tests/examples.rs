//! The examples do what they say. `cargo test` builds them; `cargo test --test examples` alone runs
//! them as they were last built.

use std::path::PathBuf;
use std::process::Command;

/// Runs an example and returns what it printed.
fn run(example: &str, arguments: &[&str]) -> String {
    let here = std::env::current_exe().unwrap();
    // target/PROFILE/deps/this-test, and target/PROFILE/examples/EXAMPLE.
    let built: PathBuf = here
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples")
        .join(example);
    let output = Command::new(&built).args(arguments).output().unwrap();
    assert!(output.status.success(), "{example}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn five_workers_pack_fifty_products() {
    let printed = run("warehouse", &[]);
    assert_eq!(printed.lines().count(), 51);
    for worker in 0..5 {
        let line = format!("Worker {worker}: packed 1 product (total: ");
        assert_eq!(printed.lines().filter(|l| l.starts_with(&line)).count(), 10);
    }
    assert_eq!(printed.lines().last(), Some("Total products packed: 50"));
}

#[test]
fn programs_that_run_one_after_the_other_share_a_stock() {
    let name = format!("example-{}", std::process::id());
    let first = run("stock", &[&name]);
    let second = run("stock", &[&name, "--forget"]);
    let third = run("stock", &[&name, "--forget"]);
    assert_eq!(first, "1 boxes, 1 labels\n");
    assert_eq!(second, "2 boxes, 2 labels\n");
    assert_eq!(third, "1 boxes, 1 labels\n");
}

#[test]
fn two_processes_square_and_cube() {
    let printed = run("squares", &[]);
    assert!(printed.lines().count() > 1, "{printed}");
}

#[test]
fn a_queue_is_drained_until_nobody_is_left_to_fill_it() {
    let all = "apple, banana, cherry, date, elderberry, fig";
    assert_eq!(run("fruits", &[]), format!("drained: {all}\n"));
}

#[test]
fn a_producer_and_a_consumer_that_are_killed_are_replaced_and_nothing_is_lost() {
    let printed = run("replaced", &[]);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("the first producer: "), "{printed}");
    assert!(lines[1].starts_with("the first consumer: "), "{printed}");
    assert_eq!(lines[2], "numbers that did not arrive: 0");
}

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
fn the_row_of_a_killed_process_is_done_again() {
    let expected = "the first process: the process was killed by signal 9\n\
                    1 of 64 rows done again\n\
                    the product is what one process computes\n\
                    and what the tasks of a pool compute\n";
    assert_eq!(run("matrix", &[]), expected);
}

#[test]
fn three_processes_square_a_list_where_it_is() {
    let expected = "numbers: [1, 2, 3, 4, 5, 6]\nsquares: [1, 4, 9, 16, 25, 36]\ntheir sum: 91\n";
    assert_eq!(run("squares_in_place", &[]), expected);
}

#[test]
fn a_queue_is_drained_until_the_last_sender_has_gone() {
    let all = ["apple", "banana", "cherry", "date", "elderberry", "fig"];
    let lines = all.iter().enumerate();
    let expected: String = lines
        .map(|(number, fruit)| format!("item no: {number} {fruit}\n"))
        .collect();
    assert_eq!(run("baskets", &[]), expected);
}

#[test]
fn a_producer_and_a_consumer_that_are_killed_are_replaced_and_nothing_is_lost() {
    let printed = run("replaced", &[]);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("the first producer: "), "{printed}");
    assert!(lines[1].starts_with("the first consumer: "), "{printed}");
    assert_eq!(lines[2], "numbers that did not arrive: 0");
}

#[test]
fn the_order_of_a_baker_that_was_killed_is_baked_by_another() {
    let printed = run("bakery_killed", &[]);
    assert!(printed.starts_with("the first baker: "), "{printed}");
    for line in [
        "two rolls, attempt 2",
        "a rye loaf, attempt 1",
        "twelve buns, attempt 1",
    ] {
        let line = format!("the second baker: {line}");
        assert_eq!(
            printed.lines().filter(|l| *l == line).count(),
            1,
            "{printed}"
        );
    }
    assert_eq!(printed.lines().count(), 4);
}

#[test]
fn a_sensor_is_killed_and_its_last_reading_is_whole() {
    let printed = run("snapshot", &[]);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("the first sensor: "), "{printed}");
    assert_eq!(lines[1], "its last reading is whole: true");
    assert_eq!(lines.len(), 4);
    assert!(lines[2..].iter().all(|line| line.ends_with(": true")));
}

#[test]
fn the_connections_of_killed_holders_are_free_again() {
    let printed = run("connections", &[]);
    let expected = "other holders have the permits of the semaphore\n\
                    a holder: the process was killed by signal 9\n\
                    a holder: the process was killed by signal 9\n\
                    a holder: the process was killed by signal 9\n\
                    3 of 3 connections are free again\n";
    assert_eq!(printed, expected);
}

#[test]
fn a_waiter_that_is_killed_takes_nothing_from_the_buffer() {
    let expected = "a waiter: the process was killed by signal 9\n\
                    the others took 1000 numbers, 500500 in all\n";
    assert_eq!(run("buffer", &[]), expected);
}

#[test]
fn a_process_that_is_killed_before_it_is_ready_is_replaced() {
    let printed = run("ready", &[]);
    let expected = "4 of 5 are ready\n\
                    one: the process was killed by signal 9\n\
                    all 5 have begun\n";
    assert_eq!(printed, expected);
}

#[test]
fn the_steps_of_a_stencil_go_on_after_a_party_is_killed() {
    let broken = "the middle: the process was killed by signal 9\n\
                  the barrier is broken: step 20 again\n\
                  steps: [40, 40, 40]\n";
    assert_eq!(run("stencil", &[]), broken);
    let shrunk = "the middle: the process was killed by signal 9\n\
                  steps: [40, 20, 40]\n";
    assert_eq!(run("stencil", &["--shrink"]), shrunk);
}

#[test]
fn every_task_is_in_the_log_once() {
    let printed = run("task_log", &[]);
    let mut lines: Vec<_> = printed
        .lines()
        .map(|line| line.split_once(": ").unwrap().1)
        .collect();
    lines.sort_unstable();
    let expected = [
        "168 primes below 1000",
        "303 primes below 2000",
        "430 primes below 3000",
        "550 primes below 4000",
        "669 primes below 5000",
        "the sum of [1, 2, 3, 4, 5] is 15",
        "the sum of [1, 2, 3, 4] is 10",
        "the sum of [1, 2, 3] is 6",
        "the sum of [1, 2] is 3",
        "the sum of [1] is 1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_pool_squares_a_list_in_order() {
    assert_eq!(run("pool_squares", &[]), "[1, 4, 9]\n");
}

#[test]
fn a_pool_of_two_logs_four_jobs_never_more_than_two_at_once() {
    let printed = run("work_log", &[]);
    let (mut running, mut begun) = (0, 0);
    for line in printed.lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            [
                "Process",
                "name",
                "is",
                name,
                "waiting",
                "time",
                "is",
                seconds,
                "seconds",
            ] => {
                let known = [("V", "5"), ("X", "2"), ("Y", "1"), ("Z", "3")];
                assert!(known.contains(&(name, seconds)), "{line}");
                (running, begun) = (running + 1, begun + 1);
            }
            ["Process", _, "Executed."] => running -= 1,
            _ => panic!("{line}"),
        }
        assert!((0..=2).contains(&running), "{printed}");
    }
    assert_eq!((running, begun), (0, 4), "{printed}");
}

#[test]
fn a_string_goes_through_a_pipe() {
    assert_eq!(run("send_receive", &[]), "Hello from the sender process!\n");
}

#[test]
fn a_consumer_takes_numbers_in_order_until_there_are_no_more() {
    let expected: String = (0..5)
        .map(|number| format!("Consumed {number}\n"))
        .collect();
    assert_eq!(run("produce_consume", &[]), expected);
}

#[test]
fn a_pool_processes_photos_although_its_workers_are_killed() {
    let done = "All images processed and saved.\n";
    let printed = run("photos", &["--workers", "4", "--kill", "3"]);
    assert_eq!(printed, format!("3 workers were killed meanwhile.\n{done}"));
}

#[test]
fn a_pool_downloads_pages() {
    let printed = run("downloads", &[]);
    let lengths = [1_200, 45_000, 3_000, 250_000];
    assert_eq!(printed.lines().count(), lengths.len());
    for (line, length) in printed.lines().zip(lengths) {
        assert!(line.starts_with("Downloaded http://127.0.0.1:"), "{line}");
        assert!(line.ends_with(&format!(" ({length} bytes)")), "{line}");
    }
}

#[test]
fn five_servers_go_on_by_a_new_configuration() {
    let line = "hello -> good evening [\"rye\"]\n";
    assert_eq!(run("config", &[]), line.repeat(5));
}

#[test]
fn lists_of_a_manager_come_and_go_with_a_job_that_is_killed() {
    let expected = "job 1: 40 results, Some(139) is the last; ended by itself: true\n\
                    job 2: 40 results, Some(239) is the last; ended by itself: false\n\
                    job 3: 40 results, Some(339) is the last; ended by itself: true\n\
                    all room is free: true\n";
    assert_eq!(run("manager", &[]), expected);
}

#[test]
fn a_cache_is_read_while_it_is_filled() {
    let expected = "3 9 27\n59049 3486784401\n239299329230617529590083\n50 powers\n";
    assert_eq!(run("cache", &[]), expected);
}

#[test]
fn words_are_counted_once_although_a_worker_is_killed() {
    let expected = "3 texts, a worker was killed: true\n6 the\n4 and\n2 bread\n2 of\n";
    assert_eq!(run("word_count", &[]), expected);
}

//! `crossdock demo`, run as a user runs it.

mod command;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use command::{json, printed, refused};

/// The lines that begin with that name, without it.
fn of<'a>(printed: &'a str, name: &str) -> Vec<&'a str> {
    let lines = printed.lines();
    lines.filter_map(|line| line.strip_prefix(name)).collect()
}

#[test]
fn a_baker_bakes_six_orders_in_their_order_until_exit() {
    let printed = printed(&["demo", "bakery"]);
    let ordered = of(&printed, "cashier: ");
    assert_eq!((ordered.len(), ordered[6]), (7, "exit"));
    assert_eq!(of(&printed, "baker 1: baked "), ordered[..6]);
    assert_eq!(of(&printed, "baker 1: goes "), ["home"]);
    let last = printed.lines().last();
    assert_eq!(last, Some("6 orders, 6 baked, each exactly once"));
}

#[test]
fn the_order_of_a_baker_that_is_killed_is_baked_by_the_next() {
    let printed = printed(&["demo", "bakery", "--kill"]);
    let in_hand = "order 4 (cinnamon buns)";
    assert_eq!(
        of(&printed, "baker 1: ")[3..],
        [format!("holds {in_hand}").as_str(), "killed"]
    );
    let second = of(&printed, "baker 2: ");
    assert_eq!((second[0], second[4]), ("replaces it", "goes home"));
    let again = format!("baked {in_hand}, attempt 2");
    assert!(second.contains(&again.as_str()), "{printed}");
    assert_eq!(
        printed.lines().last(),
        Some("6 orders, 6 baked, each exactly once; 1 baker killed, 1 order delivered again")
    );
}

#[test]
fn workers_do_every_task_once_and_end() {
    let printed = printed(&["demo", "tasks", "--tasks", "30", "--workers", "4"]);
    let mut numbers: Vec<u32> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("worker "))
        .map(|line| {
            let mut parts = line.split(": ");
            assert!(
                (1..=4).contains(&parts.next().unwrap().parse().unwrap()),
                "{line}"
            );
            let task = parts.next().unwrap().strip_prefix("task ").unwrap();
            assert!(parts.next().is_some(), "{line}");
            task.parse().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    let last = printed.lines().last();
    assert_eq!(last, Some("30 tasks, 30 done, each exactly once"));
}

#[test]
fn many_kills_lose_nothing_and_double_nothing() {
    for (arguments, messages, kills) in [
        (&["bakery", "--orders", "1"][..], 1, 1),
        (&["bakery", "--orders", "5"], 5, 5),
        (&["bakery", "--orders", "200"], 200, 10),
        (&["tasks", "--tasks", "1", "--workers", "1"], 1, 1),
        (&["tasks", "--tasks", "8", "--workers", "8"], 8, 8),
        (&["tasks", "--tasks", "200", "--workers", "3"], 200, 20),
    ] {
        let kill = kills.to_string();
        let rest = ["--json", "--kill", &kill];
        let document = json(&printed(&[&["demo"], arguments, &rest].concat()));
        for (field, value) in [
            ("messages", messages),
            ("done", messages),
            ("acknowledged", messages),
            ("missing", 0),
            ("doubled", 0),
            ("dead_letters", 0),
            ("killed", kills),
            ("redelivered", kills),
        ] {
            assert_eq!(document[field], value, "{field}: {document}");
        }
        assert_eq!(document["demo"], arguments[0]);
        assert_eq!(document["idle"], true);
    }
}

#[test]
fn quiet_leaves_the_last_line() {
    assert_eq!(
        printed(&["demo", "tasks", "--quiet", "--kill", "2"]),
        "12 tasks, 12 done, each exactly once; 2 workers killed, 2 tasks delivered again\n"
    );
}

#[test]
fn the_object_has_the_fields_that_programs_read() {
    let document = json(&printed(&["demo", "bakery", "--json"]));
    let mut fields: Vec<_> = document.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "acknowledged",
            "dead_letters",
            "demo",
            "done",
            "doubled",
            "idle",
            "killed",
            "messages",
            "missing",
            "redelivered"
        ]
    );
}

#[test]
fn what_cannot_be_understood_is_one_line_and_exit_code_2() {
    let cases: &[&[&str]] = &[
        &[],
        &["dairy"],
        &["squares"],
        &["bakery", "--orders", "0"],
        &["bakery", "--orders", "10001"],
        &["bakery", "--orders", "-1"],
        &["bakery", "--workers", "2"],
        &["bakery", "--kill", "7"],
        &["bakery", "--kill", "one"],
        &["bakery", "--orders", "1000", "--kill", "101"],
        &["tasks", "--tasks", "0"],
        &["tasks", "--workers", "0"],
        &["tasks", "--workers", "101"],
        &["tasks", "--kill", "13"],
        &["tasks", "stray"],
    ];
    for arguments in cases {
        refused(&[&["demo"], *arguments].concat());
    }
}

/// A demo in the middle of its work: it has said its first line, and stops where it finds no room
/// to say more.
fn begun(demo: &str, count: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut driver = Command::new(env!("CARGO_BIN_EXE_crossdock"))
        .args(["demo", demo, count, "10000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::with_capacity(1, driver.stdout.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "{line:?}");
    (driver, printed)
}

/// What is said on standard error until the last process that has it is gone.
fn said_in_the_end(driver: &mut Child) -> String {
    let mut errors = driver.stderr.take().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        let read = errors.read_to_string(&mut said);
        tell.send(read.map(|_| said))
    });
    let said = told.recv_timeout(Duration::from_secs(100));
    said.expect("a process is left").unwrap()
}

#[test]
fn the_processes_end_when_the_driver_is_killed() {
    for (demo, count) in [("bakery", "--orders"), ("tasks", "--tasks")] {
        let (mut driver, printed) = begun(demo, count);
        driver.kill().unwrap();
        driver.wait().unwrap();
        said_in_the_end(&mut driver);
        drop(printed);
    }
}

/// A child of a process, by what the system says.
fn child_of(parent: u32) -> Option<u32> {
    let parent = parent.to_string();
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        // "id (name) state parent ..."
        let (_, rest) = stat.rsplit_once(") ")?;
        (rest.split(' ').nth(1)? == parent).then_some(id)
    })
}

#[test]
fn a_process_that_dies_unasked_is_an_error_and_exit_code_1() {
    for (demo, count) in [("bakery", "--orders"), ("tasks", "--tasks")] {
        let (mut driver, mut printed) = begun(demo, count);
        let victim = child_of(driver.id()).unwrap().to_string();
        let kill = format!("kill -9 {victim}");
        let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(killed.success());
        std::io::copy(&mut printed, &mut std::io::sink()).unwrap();
        let said = said_in_the_end(&mut driver);
        assert_eq!(driver.wait().unwrap().code(), Some(1), "{demo}: {said}");
        assert_eq!(said.lines().count(), 1, "{demo}: {said}");
        assert!(said.starts_with("crossdock: "), "{demo}: {said}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_leaves_no_process() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut driver = Command::new(env!("CARGO_BIN_EXE_crossdock"))
        .args(["demo", "bakery", "--orders", "1000"])
        .stdout(full.unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = said_in_the_end(&mut driver);
    assert_eq!(driver.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.starts_with("crossdock: standard output: "), "{said}");
}

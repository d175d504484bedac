//! Short runs of everything: nothing is lost, none of ours is stuck, nothing hand-written is lost.

use std::time::Duration;

use crate::queues::{Idle, Shape};
use crossdock::process;
use crossdock_cli::contention::Setting;
use crossdock_cli::pin::Pin;
use crossdock_cli::work::{Speed, Work};

use crate::chaos::{self, Role};
use crate::kills::{TRIED, Trial};
use crate::peers::locks::{ENTRANTS, Entrant, OURS, ROBUST, Sort, python_version};
use crate::peers::queues::entrants as queues;
use crate::report;
use crate::study::{Call, Effort, Report as _};

/// A spawned process of these tests begins, and ends, here.
#[test]
fn crossdock_worker() {
    process::init();
}

fn measured(sort: impl Fn(Sort) -> bool) {
    process::init_test("tests::crossdock_worker");
    let setting = Setting {
        processes: 2,
        pin: Pin::Free,
        time: Duration::from_millis(20),
        inside: Work::none(),
        outside: Work::none(),
        latency: false,
    };
    let entrants: Vec<&Entrant> = ENTRANTS.iter().filter(|one| sort(one.sort)).collect();
    assert!(!entrants.is_empty());
    for entrant in entrants {
        let Some(kind) = entrant.kind() else {
            assert!(entrant.missing().is_some(), "{}", entrant.name);
            continue;
        };
        let sample = (kind.run)(&setting).expect(entrant.name);
        assert_eq!(sample.found, sample.expected, "{}", entrant.name);
        assert_eq!(sample.ops.len(), 2, "{}", entrant.name);
        assert!(sample.expected > 0, "{}", entrant.name);
    }
}

#[test]
fn no_lock_and_no_counter_loses_an_addition() {
    measured(|sort| sort != Sort::Interpreted);
}

#[test]
fn the_interpreter_loses_no_addition() {
    if python_version().is_some() {
        measured(|sort| sort == Sort::Interpreted);
    }
}

/// Nothing of a busy machine may look like a survivor that is stuck.
const LONG: Duration = Duration::from_secs(60);

fn killed(kind: &str, kills: usize, patience: Duration) -> Vec<Trial> {
    process::init_test("tests::crossdock_worker");
    let tried = TRIED.iter().find(|tried| tried.kind == kind);
    let once = tried.expect("it is tried").once;
    let speed = Speed::measure();
    let trial = |_| once(speed, patience).expect("a trial");
    (0..kills).map(trial).collect()
}

#[test]
fn the_survivors_of_a_killed_owner_of_our_mutex_are_told_and_go_on() {
    for trial in killed(OURS, 5, LONG) {
        assert!(!trial.stuck && !trial.wrong, "{trial:?}");
        assert!(trial.told || !trial.held, "{trial:?}");
    }
}

#[test]
fn the_survivors_of_a_killed_owner_of_a_robust_mutex_are_told() {
    for trial in killed(ROBUST, 2, LONG) {
        assert!(trial.told || !trial.held, "{trial:?}");
        assert!(trial.stuck || !trial.wrong, "{trial:?}");
    }
}

#[test]
fn the_survivors_of_a_killed_owner_of_a_plain_futex_are_stuck() {
    for trial in killed("futex", 3, Duration::from_millis(200)) {
        assert!(trial.stuck || !trial.held, "{trial:?}");
        assert!(!trial.told && !trial.wrong, "{trial:?}");
    }
}

#[test]
fn a_half_made_change_under_flock_is_found() {
    for trial in killed("flock", 3, LONG) {
        assert!(!trial.stuck && !trial.told, "{trial:?}");
        // Held says that it was between the marks, which lie outside of the change's halves.
        assert!(trial.held || !trial.wrong, "{trial:?}");
    }
}

fn passed(sort: impl Fn(queues::Sort) -> bool) {
    process::init_test("tests::crossdock_worker");
    let setting = |idle| crate::queues::Setting {
        shape: Shape {
            capacity: queues::CAPACITY,
            producers: 1,
            consumers: 1,
            idle,
        },
        size: 64,
        batch: 1,
        pin: Pin::Free,
        time: Duration::from_millis(10),
    };
    let entrants = queues::ENTRANTS.iter().filter(|one| sort(one.sort));
    let mut some = 0;
    for (entrant, kind) in entrants.filter_map(|one| Some((one, one.kind().ok()?))) {
        for idle in [Idle::Spin, Idle::Park] {
            if kind.can.take(1, 1, idle) {
                // On a busy machine not each run gets to pass something.
                let mut samples = (0..100).map(|_| {
                    let sample = (kind.throughput)(&setting(idle)).expect(entrant.name);
                    assert_eq!(sample.sent, sample.received, "{} {idle:?}", entrant.name);
                    assert_eq!(sample.wrong, 0, "{} {idle:?}", entrant.name);
                    sample
                });
                let passed = samples.any(|sample| sample.received > 0);
                assert!(passed, "{} {idle:?}", entrant.name);
            }
        }
        some += 1;
    }
    assert!(some > 0);
}

#[test]
fn no_queue_loses_an_item() {
    passed(|sort| sort != queues::Sort::Interpreted);
}

#[test]
fn the_interpreter_loses_no_item() {
    if python_version().is_some() {
        passed(|sort| sort == queues::Sort::Interpreted);
    }
}

fn chaos(kind: &str, role: Role, kills: usize) -> Vec<chaos::Trial> {
    process::init_test("tests::crossdock_worker");
    let tried = chaos::TRIED.iter().find(|tried| tried.kind == kind);
    let once = tried.expect("it is tried").once;
    (0..kills)
        .map(|_| once(role, LONG).expect("a trial"))
        .collect()
}

#[test]
fn the_survivors_of_a_killed_user_of_our_queues_go_on_and_nothing_is_lost() {
    for kind in [queues::SPSC, queues::QUEUE] {
        for role in [Role::Sender, Role::Receiver] {
            for trial in chaos(kind, role, 3) {
                let taken = trial.taken;
                assert!(!taken || role == Role::Receiver, "{kind} {role:?}");
                let expected = chaos::Trial {
                    taken,
                    ..chaos::Trial::default()
                };
                assert_eq!(trial, expected, "{kind} {role:?}");
            }
        }
    }
}

#[test]
fn a_pipe_goes_on_and_loses_what_its_killed_reader_had_taken_alone() {
    for trial in chaos(queues::PIPE, Role::Receiver, 3) {
        assert!(!trial.stuck && !trial.cut && trial.lost == 0, "{trial:?}");
    }
}

#[test]
fn each_command_writes_its_part_and_keeps_the_others() {
    let path = std::env::temp_dir().join(format!("crossdock-parts-{}.md", std::process::id()));
    let read = || std::fs::read_to_string(&path).expect("a document");
    report().write(&path).expect("written where nothing was");
    let locks = read();
    report::queues::tests::report()
        .write(&path)
        .expect("written");
    let queues = read();
    report::work::tests::report().write(&path).expect("written");
    report::arrays::tests::report()
        .write(&path)
        .expect("written");
    report::chaos::tests::report()
        .write(&path)
        .expect("written");
    report::pools::tests::report()
        .write(&path)
        .expect("written");
    report::objects::tests::report()
        .write(&path)
        .expect("written");
    let all = read();
    report().write(&path).expect("written again");
    let again = read();
    std::fs::remove_file(&path).expect("removed");
    let (before, after) = locks
        .split_once("<!-- hand-written: begin -->")
        .expect("a mark");
    for text in [&queues, &all] {
        assert!(text.starts_with(before) && text.ends_with(after), "{text}");
        assert_eq!(text.matches("\n## Queues\n").count(), 1);
    }
    assert_eq!(
        queues
            .matches("\n## Queues whose users are killed\n")
            .count(),
        0
    );
    assert_eq!(
        all.matches("\n## Queues whose users are killed\n").count(),
        1
    );
    assert_eq!(all.matches("\n## Large messages\n").count(), 1);
    assert_eq!(all.matches("\n## Arrays\n").count(), 1);
    assert_eq!(all.matches("\n## Pools\n").count(), 1);
    assert_eq!(all.matches("\n## Objects beside other stores\n").count(), 1);
    assert_eq!(all, again);
}

fn report() -> report::Report {
    let effort = Effort {
        secs: 0.1,
        runs: 1,
        processes: vec![2],
        ..Effort::default()
    };
    let command = "cargo xtask compare".into();
    let settings = vec![report::sample_setting()];
    report::Report::new(Call { command, effort }, settings, Vec::new(), Vec::new())
}

#[test]
fn what_is_hand_written_survives_a_new_report() {
    let path = std::env::temp_dir().join(format!("crossdock-studies-{}.md", std::process::id()));
    report().write(&path).expect("written where nothing was");
    let first = std::fs::read_to_string(&path).expect("a document");
    assert!(first.contains("## What was tried for the mutex"));
    let marks = ("<!-- hand-written: begin -->", "<!-- hand-written: end -->");
    let edited = first
        .replace(
            "Nothing is written here yet.",
            "Thirty ways; see the *table*.",
        )
        .replace("# Benchmarks", "# Edited where it is no use");
    std::fs::write(&path, &edited).expect("edited");
    report().write(&path).expect("written again");
    let second = std::fs::read_to_string(&path).expect("a document");
    std::fs::remove_file(&path).expect("removed");
    assert!(second.starts_with("# Benchmarks\n"), "{second}");
    let part = |text: &str| {
        let (_, rest) = text.split_once(marks.0).expect("its begin");
        rest.split_once(marks.1).expect("its end").0.to_owned()
    };
    assert_eq!(part(&second), part(&edited));
    assert!(part(&second).contains("Thirty ways; see the *table*."));
}

#[test]
fn a_document_without_marks_is_not_overwritten() {
    let path = std::env::temp_dir().join(format!("crossdock-own-{}.md", std::process::id()));
    std::fs::write(&path, "# All of it is mine\n").expect("written");
    let refused = report().write(&path).expect_err("refused").to_string();
    let text = std::fs::read_to_string(&path).expect("still there");
    std::fs::remove_file(&path).expect("removed");
    assert!(refused.contains("hand-written"), "{refused}");
    assert_eq!(text, "# All of it is mine\n");
}

#[test]
fn the_report_says_where_something_else_is_faster() {
    let text = report()
        .document(std::path::Path::new("/nowhere/at/all.md"))
        .expect("a document");
    let (_, slower) = text
        .split_once("## Where crossdock is slower")
        .expect("a section");
    let (slower, _) = slower.split_once("\n## ").expect("another one");
    assert!(slower.contains("| plain three-state futex |"), "{slower}");
    assert!(slower.contains("1.50"), "{slower}");
    assert!(!slower.contains("robust |"), "{slower}");
}

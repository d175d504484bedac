//! The tasks of a pool, seen from outside: which worker runs which, at which attempt, since when.

use std::collections::BTreeSet;
use std::fs;

use crossdock::process::Pool;
use crossdock::segment::{EntryView, Field, Inspection, Kind, Seen};
use crossdock::sync::Event;
use crossdock::{Counter, Segment};

use crate::support::watch;
use crate::views::{number, of, row};

type State = (Counter, Event);

/// A task that says when it runs, and runs until it may end.
fn run((began, end): &mut State, number: u64) -> u64 {
    began.add_and_notify(1);
    end.wait().expect("no fault");
    number
}

/// Dies in its first attempt, and runs in its second one.
fn die_first(state: &mut State, number: u64) -> u64 {
    if state.0.add(1) == 1 {
        std::process::abort();
    }
    run(state, number)
}

/// The segment of this process's only pool, as `ls --all` finds it.
fn of_the_pool() -> Inspection {
    let descriptors = fs::read_dir("/proc/self/fd").expect("/proc");
    let mut found = descriptors.flatten().filter_map(|descriptor| {
        let inspection = Inspection::open_path(&descriptor.path()).ok()?;
        let entries = inspection.overview().ok()?.entries;
        let is_pool = |kind: &str| kind == Kind::PoolTasks.to_string();
        let mut kinds = entries.iter().map(|entry| entry.kind.to_string());
        kinds.any(|kind| is_pool(&kind)).then_some(inspection)
    });
    found.next().expect("a pool has a segment")
}

/// The tasks that are shown, each with the pid of its worker.
fn tasks(inspection: &Inspection) -> (EntryView, Vec<(Vec<Field>, u32)>) {
    let view = inspection.open_dyn("running").expect("a view");
    let participants = inspection.overview().expect("an overview").participants;
    let Some(Seen::Rows(rows)) = view.field("tasks").cloned() else {
        return (view, Vec::new());
    };
    let pid = |row: &[Field]| match of(row, "worker") {
        Seen::Participant(id) => {
            let mut all = participants.iter();
            all.find(|one| one.id() == id).expect("it is listed").pid
        }
        other => panic!("{other:?}"),
    };
    let rows = rows.into_iter().map(|row| {
        let pid = pid(&row);
        (row, pid)
    });
    (view.clone(), rows.collect())
}

#[test]
fn running_tasks_have_their_workers_attempts_and_ages() {
    let _watch = watch();
    crossdock::process::init_test("crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let began = segment.create::<Counter>("began", 0).expect("made");
    let end = segment.create::<Event>("end", false).expect("made");
    let pool = Pool::builder()
        .workers(2)
        .initializer(|state: State| state, (began.clone(), end.clone()))
        .build()
        .expect("built");
    let all: Vec<_> = (0..3)
        .map(|number| pool.submit(run, number).expect("submitted"))
        .collect();
    began.wait_until(|began| began == 2).expect("two begin");
    let inspection = of_the_pool();
    let (view, rows) = tasks(&inspection);
    assert_eq!((number(&view, "running"), number(&view, "queued")), (2, 1));
    assert_eq!(number(&view, "workers"), 2);
    let workers: BTreeSet<u32> = pool.worker_ids().into_iter().collect();
    let shown: BTreeSet<u32> = rows.iter().map(|(_, pid)| *pid).collect();
    assert_eq!(shown, workers);
    for (row, _) in &rows {
        assert_eq!(of(row, "attempt"), Seen::Number(1));
        assert_eq!(of(row, "state"), Seen::Text("runs".into()));
        let Seen::Number(age) = of(row, "age ms") else {
            panic!("{row:?}");
        };
        assert!(age <= number(&view, "oldest ms"), "{view:?}");
        assert!(age < 3_600_000, "{view:?}");
    }
    let first = number(&view, "oldest ms");
    let later = loop {
        let (view, _) = tasks(&inspection);
        let later = number(&view, "oldest ms");
        if later > first {
            break later;
        }
        std::thread::yield_now();
    };
    assert!(later > first);
    end.set();
    for (number, task) in (0..).zip(all) {
        assert_eq!(task.wait(), Ok(number));
    }
    let (view, rows) = tasks(&inspection);
    assert_eq!((number(&view, "queued"), rows.len()), (0, 0));

    end.clear();
    began.store(0);
    let twice = pool.options().retries(1).submit(die_first, 9);
    let twice = twice.expect("submitted");
    began.wait_until(|began| began == 3).expect("it runs again");
    let (view, _) = tasks(&inspection);
    assert_eq!(of(&row(&view, "tasks"), "attempt"), Seen::Number(2));
    end.set();
    assert_eq!(twice.wait(), Ok(9));
}

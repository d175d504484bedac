//! Models of tasks. The queues are atomics here: a message is waiting, held by a process, dead or
//! done, and a result is there or not.

use loom::sync::Arc;

use super::super::*;
use crate::facade::model::{explore, explore_deaths, explore_two_deaths, is_byte_locked};
use crate::facade::{AtomicU64, Ordering, Words};
use crate::participant::stage::{StartWith, finish, players};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (667, CANCEL, "a task begins although it was cancelled"),
    (668, KILLED, "results are taken before the dead letters"),
    (669, CONDEMN, "a condemned worker sends its result"),
    (670, CONDEMN, "a task is condemned that has ended"),
    (671, ITEMS, "a condemned worker goes on to the next item"),
    (672, ITEMS, "the item behind the late one is condemned"),
    (
        673,
        CONDEMN,
        "the load of a task's word does not acquire its time",
    ),
    (
        674,
        CONDEMN,
        "the change of a task's word does not release its time",
    ),
    (675, CONDEMN, "the time is stored after the task has begun"),
    (676, BUFFER, "a buffer is another task's before it is empty"),
    (677, TWO, "the items of a dead worker are forgotten"),
];

const CANCEL: &str = "model_tasks_a_cancelled_task_never_runs";
const KILLED: &str = "model_tasks_a_result_that_was_committed_is_the_end_of_a_task";
const CONDEMN: &str = "model_tasks_a_task_is_condemned_or_ends";
const ITEMS: &str = "model_tasks_the_item_that_is_too_late_is_the_last_one";
const BUFFER: &str = "model_tasks_results_in_the_buffer_of_a_killed_worker_are_of_its_task";
const TWO: &str = "model_two_deaths_of_workers_of_one_task_keep_what_was_committed";

const FREE: u64 = 0;
/// The message is held by process `HELD + id`.
const HELD: u64 = 10;
const LETTER: u64 = 2;
const ACKED: u64 = 3;
const WAITS: u64 = 1;

/// A task's word, a place for each worker, and the queues.
struct Fixture {
    words: [AtomicU64; 2],
    places: [[AtomicU64; 2]; 3],
    buffers: [Words<1>; 3],
    message: AtomicU64,
    result: AtomicU64,
}

const ID: u64 = 5;

impl Fixture {
    fn new() -> Arc<Self> {
        players();
        let this = Self {
            words: [0, 0].map(AtomicU64::new),
            places: [[0; 2]; 3].map(|place| place.map(AtomicU64::new)),
            buffers: [[0]; 3].map(Words::new),
            message: AtomicU64::new(FREE),
            result: AtomicU64::new(0),
        };
        this.send(1);
        Arc::new(this)
    }

    fn task(&self) -> Task<'_> {
        Task {
            word: &self.words[0],
            since: &self.words[1],
        }
    }

    fn place(&self, id: u32) -> Place<'_> {
        let [task, done] = &self.places[id as usize - 1];
        Place { task, done }
    }

    fn send(&self, attempt: u32) {
        self.task().queue(TaskWord::queued(ID, attempt));
        self.message.store(WAITS, Ordering::Release);
    }

    /// Takes the message, if it waits.
    fn receive(&self, id: u32) -> bool {
        let held = HELD + u64::from(id);
        self.message
            .compare_exchange(WAITS, held, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Runs the task: the commit is the result.
    fn work(&self, id: u32, attempt: u32) {
        if !self.receive(id) {
            return;
        }
        let begun = self.task().begin(TaskWord::queued(ID, attempt), id, 1);
        let Ok(running) = begun else { return };
        if self.task().finish(running).is_ok() {
            let twice = self.result.swap(u64::from(attempt), Ordering::AcqRel);
            assert_eq!(twice, 0, "two results");
            self.message.store(ACKED, Ordering::Release);
        }
    }

    /// Makes a dead letter of a message whose holder has died. Any process may.
    fn reap(&self) {
        let held = self.message.load(Ordering::Acquire);
        if held > HELD && !is_byte_locked(u32::try_from(held - HELD).unwrap() - 1) {
            let _ =
                self.message
                    .compare_exchange(held, LETTER, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

/// The parent's mail.
struct Parent<'a> {
    fixture: &'a Fixture,
    letter: bool,
    result: u64,
    /// The state in which a task without a result was found.
    judged: Option<TaskWord>,
}

impl<'a> Parent<'a> {
    fn of(fixture: &'a Fixture) -> Self {
        Self {
            fixture,
            letter: false,
            result: 0,
            judged: None,
        }
    }
}

impl Mail for Parent<'_> {
    fn take_letters(&mut self) {
        self.letter = self.fixture.message.load(Ordering::Acquire) == LETTER;
    }

    fn take_results(&mut self) {
        if self.result == 0 {
            self.result = self.fixture.result.load(Ordering::Acquire);
        }
    }

    fn judge(&mut self) {
        if self.letter && self.result == 0 {
            self.judged = Some(self.fixture.task().load());
        }
    }
}

/// Hunts: a task whose result is committed and that is judged to have died with its worker, while
/// another process makes dead letters of what the dead hold.
#[test]
fn model_tasks_a_result_that_was_committed_is_the_end_of_a_task() {
    explore_deaths(|death| {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, death, move |worker| worker.work(1, 1)),
            fixture.start(2, None, move |reaper| reaper.reap()),
            fixture.start(3, None, move |parent| {
                let mut mail = Parent::of(parent);
                settle(&mut mail);
                if let Some(word) = mail.judged {
                    assert_eq!(parent.result.load(Ordering::Acquire), 0, "it was answered");
                    assert_ne!(word.state(), Some(TaskState::Free));
                }
            }),
        ]);
        fixture.reap();
        let mut mail = Parent::of(&fixture);
        settle(&mut mail);
        let waits = fixture.message.load(Ordering::Acquire) == WAITS;
        assert!(waits || mail.result != 0 || mail.judged.is_some(), "lost");
    });
}

/// Hunts: a task that was cancelled and runs, or is neither cancelled nor run.
#[test]
fn model_tasks_a_cancelled_task_never_runs() {
    explore(|| {
        let fixture = Fixture::new();
        let cancelled = Arc::new(AtomicU64::new(0));
        let told = cancelled.clone();
        finish([
            fixture.start(1, None, move |worker| worker.work(1, 1)),
            fixture.start(3, None, move |parent| {
                if parent.task().cancel(TaskWord::queued(ID, 1)) {
                    told.store(1, Ordering::Release);
                }
            }),
        ]);
        let cancelled = cancelled.load(Ordering::Acquire) == 1;
        let ran = fixture.result.load(Ordering::Acquire) == 1;
        assert_ne!(cancelled, ran);
    });
}

/// Hunts: a task that is condemned and ends as well, or whose time is that of what ran before.
#[test]
fn model_tasks_a_task_is_condemned_or_ends() {
    explore(|| {
        let fixture = Fixture::new();
        let condemned = Arc::new(AtomicU64::new(0));
        let told = condemned.clone();
        finish([
            fixture.start(1, None, move |worker| worker.work(1, 1)),
            fixture.start(3, None, move |parent| {
                let found = parent.task().load();
                if found.state() == Some(TaskState::Running) {
                    assert_eq!(parent.task().since(), 1, "the time of another task");
                    if parent.task().condemn(found) {
                        told.store(1, Ordering::Release);
                    }
                }
            }),
        ]);
        let condemned = condemned.load(Ordering::Acquire) == 1;
        let ended = fixture.result.load(Ordering::Acquire) == 1;
        assert_ne!(condemned, ended);
    });
}

/// Hunts: a limit that ends the item behind the late one, or does not end it.
#[test]
fn model_tasks_the_item_that_is_too_late_is_the_last_one() {
    explore(|| {
        let fixture = Fixture::new();
        let (late, last) = (Arc::new(AtomicU64::new(9)), Arc::new(AtomicU64::new(9)));
        let (told, ran) = (late.clone(), last.clone());
        finish([
            fixture.start(1, None, move |worker| {
                let queued = TaskWord::queued(ID, 1);
                let Ok(first) = worker.task().begin(queued, 1, 1) else {
                    return;
                };
                ran.store(0, Ordering::Release);
                let Ok(second) = worker.task().advance(first, 2) else {
                    return;
                };
                ran.store(1, Ordering::Release);
                if worker.task().finish(second).is_ok() {
                    ran.store(2, Ordering::Release);
                }
            }),
            fixture.start(3, None, move |parent| {
                let found = parent.task().load();
                if found.state() == Some(TaskState::Running) && parent.task().condemn(found) {
                    told.store(found.item().into(), Ordering::Release);
                }
            }),
        ]);
        let (late, last) = (late.load(Ordering::Acquire), last.load(Ordering::Acquire));
        assert_eq!(last, late.min(2), "item {late} was condemned");
    });
}

/// Hunts: results of a former task that are taken for those of the task that was running.
#[test]
fn model_tasks_results_in_the_buffer_of_a_killed_worker_are_of_its_task() {
    explore_deaths(|death| {
        let fixture = Fixture::new();
        let victim = fixture.start(1, death, move |worker| {
            for task in [8, ID] {
                worker.place(1).open(task);
                worker.buffers[0].write(&[task]);
                worker.place(1).record(Done { items: 1, bytes: 8 });
            }
        });
        let survived = victim.join().unwrap();
        let done = fixture.place(1).read(ID);
        if done.items == 1 {
            assert_eq!(fixture.buffers[0].read(), [ID]);
        }
        assert!(!survived || done.items == 1);
    });
}

/// Hunts: an item that was committed and runs again, or is lost, when the worker of a task
/// dies, and the worker that got the task after it.
#[test]
fn model_two_deaths_of_workers_of_one_task_keep_what_was_committed() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::new();
        let mut attempt = 1;
        for (id, death) in [(1, deaths[0]), (2, deaths[1]), (3, None)] {
            finish([fixture.start(id, death, move |worker| {
                if !worker.receive(id) {
                    return;
                }
                let ran = worker.places[0][1].load(Ordering::Acquire) != 0 && id > 1;
                assert!(!ran, "an item that was committed runs again");
                let queued = TaskWord::queued(ID, attempt);
                let Ok(running) = worker.task().begin(queued, id, 1) else {
                    return;
                };
                worker.place(id).open(ID);
                worker.buffers[id as usize - 1].write(&[100 + u64::from(id)]);
                worker.place(id).record(Done { items: 1, bytes: 8 });
                if worker.task().finish(running).is_ok() {
                    worker.result.store(1, Ordering::Release);
                    worker.message.store(ACKED, Ordering::Release);
                }
            })]);
            fixture.reap();
            let mut mail = Parent::of(&fixture);
            settle(&mut mail);
            if mail.result != 0 {
                return;
            }
            if fixture.message.load(Ordering::Acquire) == WAITS {
                continue;
            }
            let word = mail.judged.expect("the task is lost");
            // A task of one item: committed in the buffer, it is not sent again.
            if word.state() != Some(TaskState::Queued) {
                assert_eq!(word.place(), id);
                if fixture.place(id).read(ID).items > 0 {
                    let [result] = fixture.buffers[id as usize - 1].read();
                    assert_eq!(result, 100 + u64::from(id));
                    return;
                }
            }
            attempt += 1;
            fixture.send(attempt);
        }
        panic!("the third worker lives, and has not answered");
    });
}

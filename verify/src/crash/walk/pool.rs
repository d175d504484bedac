//! What a pool's process and its workers do in a walk, and what they note of each task.

use std::process::abort;

use crossdock::array::Init;
use crossdock::process::{BuildError, OnParentDeath, Pool, StartMethod, State, Task, TaskError};
use crossdock::{AtomicArray, Segment};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::crash::operation::Scene;
use crate::crash::walk::family::{Family, LISTENS};
use crate::crash::walk::roles::{
    DONE, ENDED, FAILED, KILLED, REFUSED, ZOMBIE, begin_of_walk, end_of_walk, waits_for_an_item,
};
use crate::process::{Rig, until};

/// The most tasks of a walk.
const TASKS: usize = 6;
/// The items of a chunk.
const CHUNK: u32 = 3;

/// What the processes of a pool note: no part of what is swept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TaskNotes(AtomicArray<u64>);

/// What one process says to the others.
#[derive(Clone, Copy, Debug)]
enum Said {
    /// All tasks are submitted.
    Submitted,
    /// The task that waits may end.
    Release,
    /// A task is to be ended.
    End,
    /// With a bug: the worker is to go on to the last task, while its number is aimed at.
    Aims,
    /// An end was asked for, and the answer is known.
    Asked,
}

/// How a task ended, in the eyes of the process that submitted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered = 1,
    Died,
    Cancelled,
    Wrong,
}

impl TaskNotes {
    pub(super) fn new() -> Rig<Self> {
        let words = 2 * TASKS + Said::Asked as usize + 1;
        Ok(Self(
            Segment::anonymous()?.create("tasks", Init::zeroed(words))?,
        ))
    }

    /// Counts a run of a task, and returns its number.
    fn begin(&self, task: usize) -> u64 {
        self.0[task].fetch_add(1) + 1
    }

    fn runs(&self, task: usize) -> u64 {
        self.0[task].load()
    }

    fn end(&self, task: usize, outcome: Outcome) {
        self.0[TASKS + task].store(outcome as u64);
    }

    fn has_outcome(&self, task: usize) -> bool {
        self.0[TASKS + task].load() != 0
    }

    fn say(&self, what: Said) {
        self.0[2 * TASKS + what as usize].store(1);
    }

    fn is_said(&self, what: Said) -> bool {
        self.0[2 * TASKS + what as usize].load() != 0
    }

    fn wait_for(&self, what: Said) {
        while !self.is_said(what) {
            std::thread::yield_now();
        }
    }

    /// In the rig, while a process is stopped: lets the others go on as far as they get. With
    /// `decided` until a task was ended, or could not be.
    pub(super) fn meanwhile(&self, decided: bool, scene: &mut Scene) -> Known {
        self.say(Said::Release);
        self.say(Said::End);
        let patience = if decided { scene.patience } else { 5 * LISTENS };
        let is_asked = until(patience, || self.is_said(Said::Asked));
        if self.is_said(Said::Aims) {
            until(10 * scene.patience, || self.runs(2) > 0);
        }
        if !is_asked && decided {
            scene.stuck("a task cannot be ended beside a stopped worker");
        }
        let known = |task| self.has_outcome(task).then(|| self.runs(task));
        Known(std::array::from_fn(known))
    }

    /// At the end: no task ran oftener than it may, or after its outcome was known.
    pub(super) fn judge(&self, rules: Rules, known: &Known, scene: &mut Scene) {
        let mut again = 0;
        for task in 0..TASKS {
            let runs = self.runs(task);
            again += runs.saturating_sub(1);
            if known.0[task].is_some_and(|known| known != runs) {
                scene.duplicated(format!("task {task} ran after its outcome was known"));
            }
        }
        if again > rules.retries {
            scene.duplicated(format!("{again} runs more than there are tasks"));
        }
        if again > 0 {
            scene.outcome("ran again");
        }
    }
}

/// What may be done to the tasks of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How often one of them may run again.
    pub(super) retries: u64,
}

/// How often the tasks had run whose outcomes were known at the stop.
#[derive(Debug, Default)]
pub(super) struct Known([Option<u64>; TASKS]);

type Workers = Pool<State<TaskNotes>>;
type Function = fn(&mut TaskNotes, usize) -> u64;

fn runs(notes: &mut TaskNotes, task: usize) -> u64 {
    notes.begin(task)
}

/// Waits for the others to be submitted, so that its worker does not sleep between them.
fn begins_the_walk(notes: &mut TaskNotes, task: usize) -> u64 {
    let run = notes.begin(task);
    notes.wait_for(Said::Submitted);
    begin_of_walk();
    run
}

fn ends_the_walk(notes: &mut TaskNotes, task: usize) -> u64 {
    let run = notes.begin(task);
    end_of_walk();
    run
}

fn waits_for_release(notes: &mut TaskNotes, task: usize) -> u64 {
    let run = notes.begin(task);
    notes.wait_for(Said::Release);
    run
}

fn waits_for_an_end(notes: &mut TaskNotes, task: usize) -> u64 {
    let run = notes.begin(task);
    notes.wait_for(Said::Asked);
    run
}

/// Ends the walk, and waits, forever if the rig stops no process.
fn stays(notes: &mut TaskNotes, task: usize) -> u64 {
    let run = ends_the_walk(notes, task);
    notes.wait_for(Said::Release);
    run
}

fn dies_once(notes: &mut TaskNotes, task: usize) -> u64 {
    let run = notes.begin(task);
    if run == 1 && raise(Signal::SIGKILL).is_err() {
        abort();
    }
    run
}

/// The same, but its second run does not end.
fn dies_once_and_stays(notes: &mut TaskNotes, task: usize) -> u64 {
    dies_once(notes, task);
    loop {
        std::thread::yield_now();
    }
}

fn item(notes: &mut TaskNotes, item: u32) -> u64 {
    const LAST: u32 = 2 * CHUNK - 1;
    let function = match item {
        0 => begins_the_walk,
        LAST => ends_the_walk,
        _ => runs,
    };
    function(notes, item as usize)
}

/// A pool of one worker. With the bug, that finishes its task when its parent has died.
fn pool(family: &Family, seeded: bool) -> Result<Workers, BuildError> {
    Pool::builder()
        .workers(1)
        .in_flight(8)
        .memory(1 << 16)
        .parent_death(match seeded {
            true => OnParentDeath::FinishTask,
            false => OnParentDeath::Exit,
        })
        .initializer(|notes: TaskNotes| notes, family.tasks.clone())
        .build()
}

/// Notes the outcome of a task: of a result that it is its last run's.
fn outcome(notes: &TaskNotes, task: usize, result: Result<u64, TaskError>) -> Outcome {
    let outcome = match result {
        Ok(run) if run == notes.runs(task) => Outcome::Answered,
        Err(TaskError::WorkerDied {
            signal: Some(libc::SIGKILL),
            ..
        }) => Outcome::Died,
        Err(TaskError::Cancelled) => Outcome::Cancelled,
        other => {
            eprintln!("crossdock-verify: task {task} gives {other:?}");
            Outcome::Wrong
        }
    };
    notes.end(task, outcome);
    outcome
}

/// The verdict of a pool's process: at most one task has died.
fn verdict(pool: Workers, outcomes: &[Outcome]) -> u8 {
    pool.join();
    end_of_walk();
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    if waitid(Id::All, flags) != Err(Errno::ECHILD) {
        return ZOMBIE;
    }
    let count = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
    match (count(Outcome::Died), count(Outcome::Cancelled)) {
        _ if count(Outcome::Wrong) > 0 => FAILED,
        (0, 0) => DONE,
        (1, 0) => KILLED,
        (0, 1) => ENDED,
        _ => FAILED,
    }
}

/// Submits a task for each function.
fn submitted(family: &Family, pool: &Workers, functions: [Function; 3]) -> Option<Vec<Task<u64>>> {
    let tasks = functions.into_iter().enumerate();
    let tasks: Result<Vec<_>, _> = tasks.map(|(task, does)| pool.submit(does, task)).collect();
    family.tasks.say(Said::Submitted);
    tasks.ok()
}

/// Has tasks run, and waits for them in their order. With the bug, a task whose worker died is
/// submitted again.
pub(super) fn has_tasks(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    waits_for_all(family, false, |pool, task, result| match result {
        Err(TaskError::WorkerDied { .. }) if seeded => pool.call(runs, task),
        result => result,
    })
}

fn waits_for_all(
    family: &Family,
    is_busy: bool,
    judge: impl Fn(&Workers, usize, Result<u64, TaskError>) -> Result<u64, TaskError>,
) -> u8 {
    let Ok(pool) = pool(family, is_busy) else {
        return FAILED;
    };
    let middle = if is_busy { stays } else { runs };
    let Some(tasks) = submitted(family, &pool, [begins_the_walk, middle, ends_the_walk]) else {
        return FAILED;
    };
    let waited = tasks.into_iter().map(|task| task.wait()).enumerate();
    let outcomes: Vec<_> = waited
        .map(|(task, result)| outcome(&family.tasks, task, judge(&pool, task, result)))
        .collect();
    verdict(pool, &outcomes)
}

/// The same. With the bug, its worker finishes a task that does not end.
pub(super) fn has_busy_workers(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    waits_for_all(family, seeded, |_, _, result| result)
}

/// Has two chunks run, whose items are retried. With the bug, they are not.
pub(super) fn has_chunks(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    let Ok(pool) = pool(family, false) else {
        return FAILED;
    };
    let options = pool.options().retries((!seeded).into()).chunk_size(CHUNK);
    let options = options.in_flight(u64::from(3 * CHUNK));
    let notes = family.tasks.clone();
    // Both are sent once there is no item more.
    let items = (0..2 * CHUNK).chain(std::iter::from_fn(|| {
        notes.say(Said::Submitted);
        None
    }));
    let results = options.imap(item, items).enumerate();
    let outcomes: Vec<_> = results
        .map(|(task, result)| outcome(&family.tasks, task, result))
        .collect();
    let is_whole = outcomes.len() == TASKS;
    match verdict(pool, &outcomes) {
        DONE if is_whole => DONE,
        _ => FAILED,
    }
}

/// Ends a task by its handle. With the bug, by its worker's number, after a look at both.
fn ends(pool: &Workers, task: &Task<u64>, seeded: bool) -> bool {
    if !seeded {
        return task.kill();
    }
    let workers = pool.worker_ids();
    let worker = workers.first().and_then(|id| i32::try_from(*id).ok());
    let signal = |signal| worker.is_some_and(|id| kill(Pid::from_raw(id), signal).is_ok());
    !task.is_ready() && signal(None) && signal(Some(Signal::SIGKILL))
}

/// Has tasks run, and ends the second when the rig says so. Its outcome is what the end said.
pub(super) fn ends_a_task(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    let Ok(pool) = pool(family, false) else {
        return FAILED;
    };
    let Some(tasks) = submitted(family, &pool, [begins_the_walk, runs, ends_the_walk]) else {
        return FAILED;
    };
    while !family.tasks.is_said(Said::End) && !tasks[2].is_ready() {
        std::thread::yield_now();
    }
    let ended = family.tasks.is_said(Said::End) && ends(&pool, &tasks[1], seeded);
    family.tasks.say(Said::Asked);
    conclude(family, pool, tasks, ended)
}

/// Waits for the tasks, whose second was ended, or not.
fn conclude(family: &Family, pool: Workers, tasks: Vec<Task<u64>>, ended: bool) -> u8 {
    let waited = tasks.into_iter().map(|task| task.wait()).enumerate();
    let outcomes: Vec<_> = waited
        .map(|(task, result)| outcome(&family.tasks, task, result))
        .collect();
    let as_said = match ended {
        true => outcomes[1] == Outcome::Cancelled,
        false => outcomes[1] == Outcome::Answered,
    };
    let others = [outcomes[0], outcomes[2]];
    let code = verdict(pool, &outcomes);
    match others == [Outcome::Answered; 2] && as_said {
        true => code,
        false => FAILED,
    }
}

/// Submits a task, and waits for it. With the bug, its worker finishes it when its parent has died.
pub(super) fn submits(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Ok(pool) = pool(family, seeded) else {
        return FAILED;
    };
    begin();
    let Ok(task) = pool.submit(waits_for_release as Function, 0) else {
        return FAILED;
    };
    if seeded {
        while family.tasks.runs(0) == 0 {
            std::hint::spin_loop();
        }
        // A call at which its worker is in the task.
        std::thread::yield_now();
    }
    family.tasks.say(Said::Release);
    let told = outcome(&family.tasks, 0, task.wait());
    verdict(pool, &[told])
}

/// Ends a task that runs, by its handle. With the bug, by the number of its worker, which may have
/// gone on to another task.
pub(super) fn kills(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    let Ok(pool) = pool(family, false) else {
        return FAILED;
    };
    let functions: [Function; 3] = [runs, waits_for_release, waits_for_an_end];
    let Some(tasks) = submitted(family, &pool, functions) else {
        return FAILED;
    };
    while family.tasks.runs(1) == 0 {
        std::thread::yield_now();
    }
    begin();
    if seeded {
        family.tasks.say(Said::Aims);
    }
    let ended = ends(&pool, &tasks[1], seeded);
    family.tasks.say(Said::Asked);
    if seeded {
        // What its worker dies of is told of the task that it is at.
        let died = tasks.into_iter().map(|task| task.wait()).nth(2);
        end_of_walk();
        return if died.is_some_and(|task| task.is_ok()) {
            DONE
        } else {
            FAILED
        };
    }
    conclude(family, pool, tasks, ended)
}

/// Has a task run whose worker dies once, and is replaced. With the bug, the workers finish their
/// tasks when their parent has died.
pub(super) fn replaces(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    let Ok(pool) = pool(family, seeded) else {
        return FAILED;
    };
    let options = pool.options().retries(1);
    if !seeded {
        let told = outcome(&family.tasks, 0, options.call(dies_once as Function, 0));
        return verdict(pool, &[told]);
    }
    let task = options.submit(dies_once_and_stays as Function, 0);
    while family.tasks.runs(0) < 2 {
        std::thread::yield_now();
    }
    pool.terminate();
    if task.is_ok_and(|task| task.wait().is_err()) {
        DONE
    } else {
        FAILED
    }
}

/// Builds a pool, and has a task run. With the bug, it waits for an item of a process that it has
/// started, as if that could not die.
pub(super) fn builds(family: &Family, seeded: bool, begin: &mut dyn FnMut()) -> u8 {
    begin();
    if seeded {
        return waits_for_an_item(family, StartMethod::Spawn);
    }
    let pool = match pool(family, false) {
        Ok(pool) => pool,
        Err(BuildError::Initializer { .. } | BuildError::Spawn(_)) => return REFUSED,
        Err(error) => {
            eprintln!("crossdock-verify: a pool gives {error:?}");
            return FAILED;
        }
    };
    let told = outcome(&family.tasks, 0, pool.call(ends_the_walk as Function, 0));
    verdict(pool, &[told])
}

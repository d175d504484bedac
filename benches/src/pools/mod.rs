//! Pools of processes: what they pass, and what becomes of their tasks when a worker is killed.

mod ours;
mod pipes;
#[cfg(feature = "procspawn")]
mod procspawn;
mod threads;

use std::time::Duration;

use crossdock_cli::Failure;
use crossdock_cli::stats::median;
use serde::{Deserialize, Serialize};

use crate::peers::locks::{Script, python_version};
use crate::study::Effort;

#[cfg(feature = "procspawn")]
pub(crate) use self::procspawn::init as init_procspawn;

/// The workers of each pool.
pub(crate) const WORKERS: usize = 4;
/// The tasks around a kill, of which one may kill its worker.
pub(crate) const TASKS: usize = 20;
const VICTIM: usize = 7;
/// What has no outcome after so long counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// For an interpreter that starts, and a pool that does its work.
const SILENCE: Duration = Duration::from_secs(90);
/// The single tasks, and the items of a map, of a compiled pool; an interpreter has a fraction.
const SINGLES: u64 = 20_000;
const ITEMS: u64 = 2_000_000;
const SLOWER: u64 = 10;

/// When the worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Moment {
    /// In one of the tasks.
    InTask,
    /// Before them, while all workers are idle.
    Idle,
}

pub(crate) const MOMENTS: [Moment; 2] = [Moment::InTask, Moment::Idle];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Answered,
    Failed,
    Hung,
}

/// What a kill did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Toll {
    /// The task that killed its worker.
    pub(crate) own: Option<Outcome>,
    /// Of the other tasks.
    pub(crate) failed: usize,
    pub(crate) hung: usize,
    /// A task that was submitted after all that.
    pub(crate) after: Outcome,
}

impl Toll {
    /// Of the outcomes of all tasks, and of one that was submitted after them.
    fn of(mut outcomes: Vec<Outcome>, moment: Moment, after: Outcome) -> Self {
        let own = (moment == Moment::InTask).then(|| outcomes.remove(VICTIM));
        let number = |of| outcomes.iter().filter(|outcome| **outcome == of).count();
        Self {
            own,
            failed: number(Outcome::Failed),
            hung: number(Outcome::Hung),
            after,
        }
    }
}

/// What a pool takes for a single task, and for an item of a map.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Speed {
    pub(crate) single_ns: f64,
    pub(crate) item_ns: f64,
}

/// What can be measured.
#[derive(Clone, Copy)]
enum Subject {
    Rust {
        speed: fn(u64, u64) -> Result<Speed, Failure>,
        kill: Option<fn(Moment) -> Result<Toll, Failure>>,
    },
    /// The number of a pool in the script.
    Python(u64),
    /// Not built.
    #[cfg(not(feature = "procspawn"))]
    Absent(&'static str),
}

#[cfg(feature = "procspawn")]
const PROCSPAWN: Subject = Subject::Rust {
    speed: procspawn::speed,
    kill: Some(procspawn::kill),
};
#[cfg(not(feature = "procspawn"))]
const PROCSPAWN: Subject = Subject::Absent("the feature `procspawn`");

const SUBJECTS: [(&str, Subject); 8] = [
    (
        "crossdock `Pool`",
        Subject::Rust {
            speed: ours::speed,
            kill: Some(ours::kill),
        },
    ),
    (
        "two pipes for each worker, by hand",
        Subject::Rust {
            speed: pipes::speed,
            kill: None,
        },
    ),
    (
        "threads: rayon",
        Subject::Rust {
            speed: threads::speed,
            kill: None,
        },
    ),
    ("procspawn `Pool`", PROCSPAWN),
    ("Python `multiprocessing.Pool`", Subject::Python(0)),
    ("Python `ProcessPoolExecutor`", Subject::Python(1)),
    ("loky `ProcessPoolExecutor`", Subject::Python(2)),
    ("mpire `WorkerPool`", Subject::Python(3)),
];

/// What was found of a pool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    /// Medians; `None` if it is not here.
    pub(crate) speed: Option<Speed>,
    pub(crate) tolls: Vec<(Moment, Vec<Toll>)>,
    /// What is missing for it.
    pub(crate) absent: Option<String>,
}

pub(crate) fn count(effort: &Effort) -> u64 {
    SUBJECTS.len() as u64 * u64::from(effort.runs + 2 * effort.kills)
}

pub(crate) fn run(effort: &Effort, step: impl Fn()) -> Result<Vec<Found>, Failure> {
    let subjects = SUBJECTS.iter();
    let one = |(name, subject): &(&'static str, Subject)| {
        let mut found = Found {
            name,
            speed: None,
            tolls: Vec::new(),
            absent: None,
        };
        match subject {
            Subject::Python(_) if python_version().is_none() => {
                found.absent = Some("python3".into());
            }
            #[cfg(not(feature = "procspawn"))]
            Subject::Absent(missing) => found.absent = Some((*missing).into()),
            _ => measure(*subject, effort, &mut found, &step)?,
        }
        Ok(found)
    };
    subjects.map(one).collect()
}

fn measure(
    subject: Subject,
    effort: &Effort,
    found: &mut Found,
    step: &impl Fn(),
) -> Result<(), Failure> {
    let mut speeds = Vec::new();
    for _ in 0..effort.runs {
        let speed = match subject {
            Subject::Rust { speed, .. } => speed(SINGLES, ITEMS)?,
            #[cfg(not(feature = "procspawn"))]
            Subject::Absent(_) => return Ok(()),
            Subject::Python(which) => {
                let numbers = [which, 0, SINGLES / SLOWER, ITEMS / SLOWER];
                match script(effort, &numbers)? {
                    Said::Absent { absent } => {
                        found.absent = Some(absent);
                        return Ok(());
                    }
                    Said::Speed(speed) => speed,
                    Said::Toll(_) => return Err(Failure::worker("a toll of a pool's speed")),
                }
            }
        };
        speeds.push(speed);
        step();
    }
    let middle = |of: fn(&Speed) -> f64| median(speeds.iter().map(of));
    found.speed = Some(Speed {
        single_ns: middle(|speed| speed.single_ns),
        item_ns: middle(|speed| speed.item_ns),
    });
    for moment in MOMENTS {
        let mut tolls = Vec::new();
        for _ in 0..effort.kills {
            match subject {
                Subject::Rust { kill: None, .. } => {}
                Subject::Rust {
                    kill: Some(kill), ..
                } => tolls.push(kill(moment)?),
                #[cfg(not(feature = "procspawn"))]
                Subject::Absent(_) => {}
                Subject::Python(which) => {
                    let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
                    let what = 1 + u64::from(moment == Moment::Idle);
                    match script(effort, &[which, what, patience])? {
                        Said::Toll(toll) => tolls.push(toll),
                        _ => return Err(Failure::worker("no toll of a kill")),
                    }
                }
            }
            step();
        }
        if !tolls.is_empty() {
            found.tolls.push((moment, tolls));
        }
    }
    Ok(())
}

/// A task.
fn square(number: u64) -> u64 {
    number.wrapping_mul(number)
}

/// A task that takes a while.
#[expect(clippy::disallowed_methods, reason = "that is what the task does")]
fn pause(number: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(2));
    number
}

/// A task that kills its worker.
fn die(number: u64) -> u64 {
    // SAFETY: a signal of this process to itself.
    unsafe { libc::raise(libc::SIGKILL) };
    number
}

/// What the script says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Absent { absent: String },
    Speed(Speed),
    Toll(Toll),
}

fn script(effort: &Effort, numbers: &[u64]) -> Result<Said, Failure> {
    let mut said = None;
    Script::Pools.run_by(&effort.python, numbers, SILENCE, |line| said = Some(line))?;
    said.ok_or_else(|| Failure::worker("the interpreter said nothing"))
}

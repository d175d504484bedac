//! Owners are killed: which waiters go on, and with what?
//!
//! Three processes work in a loop of lock; +1; work; +1 elsewhere; unlock. One of them, which
//! holds the lock most of the time, is killed (SIGKILL) at a random moment. Then the two others are
//! watched: a survivor that makes no progress within a time far longer than any recovery is stuck.
//! A time-out is right here, for the question is whether others hang; nothing rests on its answer.

mod trial;
mod worker;

use std::time::Duration;

use crossdock_cli::Failure;
use crossdock_cli::work::Speed;
use serde::{Deserialize, Serialize};

use crate::peers::locks::{
    Flock, Futex, Lock, Ours, Permits, Pthread, RawSync, Robust, Script, Semaphore, SystemV,
    python_version,
};

/// A survivor that has not gone on for so long is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// What the processes do, in microseconds: the victim's work under the lock and outside, a
/// survivor's under the lock and outside.
const VICTIM: (u64, u64) = (50, 10);
const SURVIVOR: (u64, u64) = (2, 20);
/// The kill comes so many microseconds after all have begun, at most.
const LATEST: u64 = 5_000;
/// How much a survivor must do to count as going on.
const PROGRESS: u64 = 3;

/// What one kill came to.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Trial {
    /// The one that was killed held the lock for sure.
    pub(crate) held: bool,
    /// A survivor made no progress.
    pub(crate) stuck: bool,
    /// The lock said that its owner had died.
    pub(crate) told: bool,
    /// The survivors went on with a half-made change, or with a number that lost additions.
    pub(crate) wrong: bool,
}

/// What all kills of one lock came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Toll {
    /// Its name among the entrants.
    pub(crate) kind: &'static str,
    pub(crate) kills: u32,
    pub(crate) held: u32,
    pub(crate) stuck: u32,
    pub(crate) told: u32,
    pub(crate) wrong: u32,
}

impl Toll {
    fn of(kind: &'static str) -> Self {
        Self {
            kind,
            kills: 0,
            held: 0,
            stuck: 0,
            told: 0,
            wrong: 0,
        }
    }

    fn add(&mut self, trial: Trial) {
        self.kills += 1;
        self.held += u32::from(trial.held);
        self.stuck += u32::from(trial.stuck);
        self.told += u32::from(trial.told);
        self.wrong += u32::from(trial.wrong);
    }
}

/// A lock that can be tried.
#[derive(Clone, Copy)]
pub(crate) struct Tried {
    pub(crate) kind: &'static str,
    pub(crate) once: fn(Speed, Duration) -> Result<Trial, Failure>,
}

impl Tried {
    const fn of<L: Lock>() -> Self {
        Self {
            kind: L::NAME,
            once: trial::once::<L>,
        }
    }
}

/// The locks of the Rust and C side; Python's comes after them.
pub(crate) const TRIED: &[Tried] = &[
    Tried::of::<Ours>(),
    Tried::of::<Robust>(),
    Tried::of::<Pthread>(),
    Tried::of::<Futex>(),
    Tried::of::<RawSync>(),
    Tried::of::<Semaphore>(),
    #[cfg(boost_locks)]
    Tried::of::<crate::peers::locks::BoostMutex>(),
    #[cfg(boost_locks)]
    Tried::of::<crate::peers::locks::BoostSemaphore>(),
    Tried::of::<Permits>(),
    Tried::of::<SystemV>(),
    Tried::of::<Flock>(),
];

/// What the script tries, by its numbers there.
pub(crate) const PYTHON: [(&str, &str); 6] = [
    ("python", "Python `Value`, its `get_lock()`"),
    ("python-rlock", "Python `RLock`"),
    ("python-semaphore", "Python `Semaphore`"),
    (
        "python-condition",
        "Python `Condition`: of 2 waiters 1 is killed",
    ),
    ("python-event", "Python `Event`: of 2 waiters 1 is killed"),
    (
        "python-barrier",
        "Python `Barrier`: of 3 parties 1 is killed",
    ),
];

/// How many locks will be tried.
pub(crate) fn count() -> u64 {
    let pythons = if python_version().is_some() {
        PYTHON.len()
    } else {
        0
    };
    (TRIED.len() + pythons) as u64
}

/// Kills `kills` processes with each lock, in turn; `step` is called after each kill.
pub(crate) fn run(kills: u32, mut step: impl FnMut()) -> Result<Vec<Toll>, Failure> {
    let mut tolls: Vec<Toll> = TRIED.iter().map(|tried| Toll::of(tried.kind)).collect();
    let speed = Speed::measure();
    for _ in 0..kills {
        for (tried, toll) in TRIED.iter().zip(&mut tolls) {
            toll.add((tried.once)(speed, PATIENCE)?);
            step();
        }
    }
    if kills > 0 && python_version().is_some() {
        for (number, (kind, _)) in (0..).zip(PYTHON) {
            tolls.push(python(number, kind, kills, &mut step)?);
        }
    }
    Ok(tolls)
}

fn python(
    number: u64,
    kind: &'static str,
    kills: u32,
    mut step: impl FnMut(),
) -> Result<Toll, Failure> {
    let mut toll = Toll::of(kind);
    let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
    let arguments = [
        number,
        kills.into(),
        patience,
        VICTIM.0,
        VICTIM.1,
        SURVIVOR.0,
        SURVIVOR.1,
        LATEST,
    ];
    Script::Kills.run(&arguments, Duration::from_secs(120), |trial: Trial| {
        toll.add(trial);
        step();
    })?;
    Ok(toll)
}

//! Senders and receivers are killed: which go on, and what becomes of the items?
//!
//! Processes send and receive without a pause; one of them is killed (SIGKILL) at a random moment,
//! and another one comes in its place. A survivor, or the newcomer, that makes no progress within a
//! time far longer than any recovery is stuck. A time-out is right here, for the question is
//! whether others hang; nothing rests on its answer. Then the senders end, the receivers take what
//! is left, and the board says of each item whose send had returned how often it arrived.

mod board;
mod links;
mod trial;
mod worker;

use std::time::Duration;

use crossdock_cli::{Failure, pin};
use serde::{Deserialize, Serialize};

use crate::peers::locks::{Script, python_version};
use crate::peers::queues::entrants::{ICEORYX2, PYTHON, entrant};
use crate::peers::queues::posix_mq::PosixMq;
use board::Balance;
use links::Link;

/// A process that has not gone on for so long is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// The kill comes so many microseconds after all have begun, at most.
const LATEST: u64 = 5_000;
/// How many items must pass for each process to count as going on: several times what is in a
/// queue.
const PROGRESS: u64 = 256;
/// After so many items a process lets others of its core run, so that none of them starves.
const TURN: u64 = 32;

/// iceoryx2 whose sends retry until they are delivered.
const RELIABLE: &str = "iceoryx2-reliable";

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Sender,
    Receiver,
}

impl Role {
    /// Where the processes of a role run, so that a sender and a receiver are at work at once.
    /// There is at least one core.
    fn core(self, cores: &[usize]) -> usize {
        match self {
            Self::Sender => cores[0],
            Self::Receiver => cores[1 % cores.len()],
        }
    }
}

/// What one kill came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Trial {
    /// A survivor, or the newcomer, made no progress.
    pub(crate) stuck: bool,
    /// One of them was told by an error that the queue is of no use any more.
    pub(crate) cut: bool,
    /// Items whose send had returned, and which never came; counted when all went on to the end.
    pub(crate) lost: u64,
    /// Items that came more than once, or came and were none.
    pub(crate) doubled: u64,
    /// An item was in the hands of the receiver that was killed.
    pub(crate) taken: bool,
}

impl Trial {
    fn judge(&mut self, balance: Balance, killed: Role) {
        self.doubled = balance.doubled + balance.torn;
        // What is left in a queue that is stuck is not lost.
        if !self.stuck {
            (self.lost, self.taken) = balance.lost(killed);
        }
    }
}

/// What all kills of one role came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Toll {
    /// Its name among the entrants.
    pub(crate) kind: &'static str,
    pub(crate) killed: Role,
    pub(crate) kills: u32,
    pub(crate) stuck: u32,
    pub(crate) cut: u32,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) taken: u32,
}

impl Toll {
    pub(crate) fn of(kind: &'static str, killed: Role) -> Self {
        Self {
            kind,
            killed,
            kills: 0,
            stuck: 0,
            cut: 0,
            lost: 0,
            doubled: 0,
            taken: 0,
        }
    }

    fn add(&mut self, trial: Trial) {
        self.kills += 1;
        self.stuck += u32::from(trial.stuck);
        self.cut += u32::from(trial.cut);
        self.lost += trial.lost;
        self.doubled += trial.doubled;
        self.taken += u32::from(trial.taken);
    }
}

/// A queue that can be tried.
#[derive(Clone, Copy)]
pub(crate) struct Tried {
    pub(crate) kind: &'static str,
    pub(crate) once: fn(Role, Duration) -> Result<Trial, Failure>,
}

impl Tried {
    const fn of<L: Link>() -> Self {
        Self {
            kind: L::NAME,
            once: trial::once::<L>,
        }
    }

    /// Whether it is to be had here.
    fn is_there(&self) -> bool {
        entrant(self.kind).is_none_or(|entrant| entrant.kind().is_ok())
    }
}

/// The queues of the Rust and C++ side; Python's comes after them.
pub(crate) const TRIED: &[Tried] = &[
    Tried::of::<links::ours::OurSpsc>(),
    Tried::of::<links::ours::OurQueue>(),
    Tried::of::<links::vyukov::Vyukov>(),
    Tried::of::<links::kernel::Pipe>(),
    Tried::of::<PosixMq>(),
    #[cfg(boost)]
    Tried::of::<crate::peers::queues::boost::Boost>(),
    #[cfg(feature = "foreign")]
    Tried::of::<links::foreign::Iceoryx2Reliable>(),
    #[cfg(feature = "foreign")]
    Tried::of::<links::foreign::Tries<crate::peers::queues::iceoryx2::Iceoryx2>>(),
    #[cfg(feature = "foreign")]
    Tried::of::<links::foreign::Tries<crate::peers::queues::ipc_channel::IpcChannel>>(),
];

const ROLES: [Role; 2] = [Role::Sender, Role::Receiver];

/// What a kind is, in the report.
pub(crate) fn label(kind: &str) -> &str {
    match kind {
        RELIABLE => "iceoryx2, `RetryUntilDelivered`",
        ICEORYX2 => "iceoryx2, sent again when discarded",
        _ => entrant(kind).map_or(kind, |entrant| entrant.label),
    }
}

/// How many kills there will be.
pub(crate) fn count(kills: u32) -> u64 {
    let tried = TRIED.len() as u64 + u64::from(python_version().is_some());
    tried * ROLES.len() as u64 * u64::from(kills)
}

/// Kills `kills` processes of each role with each queue, in turn; `step` is called after each kill.
pub(crate) fn run(kills: u32, mut step: impl FnMut()) -> Result<Vec<Toll>, Failure> {
    let tried: Vec<&Tried> = TRIED.iter().filter(|tried| tried.is_there()).collect();
    let cells = || {
        tried
            .iter()
            .flat_map(|tried| ROLES.map(|role| (tried, role)))
    };
    let toll = |(tried, role): (&&Tried, Role)| Toll::of(tried.kind, role);
    let mut tolls: Vec<Toll> = cells().map(toll).collect();
    for _ in 0..kills {
        for ((tried, role), toll) in cells().zip(&mut tolls) {
            let trial = (tried.once)(role, PATIENCE);
            let named =
                |error| Failure::Worker(format!("{}, {role:?} killed: {error}", tried.kind));
            toll.add(trial.map_err(named)?);
            step();
        }
    }
    if kills > 0 && python_version().is_some() {
        for role in ROLES {
            tolls.push(python(role, kills, &mut step)?);
        }
    }
    Ok(tolls)
}

fn python(killed: Role, kills: u32, step: &mut impl FnMut()) -> Result<Toll, Failure> {
    let mut toll = Toll::of(PYTHON, killed);
    let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
    let cores = pin::cores()?;
    let core = |role: Role| role.core(&cores) as u64;
    let arguments = [
        kills.into(),
        u64::from(killed == Role::Receiver),
        patience,
        PROGRESS,
        u64::try_from(trial::END.as_millis()).unwrap_or(u64::MAX),
        LATEST,
        links::CAPACITY.into(),
        core(Role::Sender),
        core(Role::Receiver),
    ];
    Script::Chaos.run(&arguments, Duration::from_secs(120), |trial: Trial| {
        toll.add(trial);
        step();
    })?;
    Ok(toll)
}

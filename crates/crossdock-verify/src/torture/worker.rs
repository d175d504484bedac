//! One process of `torture`, as it is started.

use std::process::ExitCode;

use clap::Args;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use crate::process::Broken;
use crate::random::Random;
use crate::torture::way::Way;
use crate::torture::{What, array, locks, queues, rwlock, snapshots, work as tasks};

/// How `torture` starts a worker.
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    what: What,
    #[arg(long)]
    slot: usize,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    parent: i32,
    /// Without a name, the segment is standard input.
    #[arg(long)]
    name: Option<String>,
    /// The parent's descriptor of the ledger, if that has a file of its own.
    #[arg(long)]
    ledger: Option<i32>,
}

/// What a worker knows when it begins.
pub(crate) struct Orders {
    pub(crate) slot: usize,
    pub(crate) way: Way,
    pub(crate) random: Random,
    /// The path of the ledger's file.
    pub(crate) ledger: Option<String>,
}

/// Why a worker goes on no longer.
pub(crate) enum Ended {
    /// It was asked to, or wants to be replaced.
    Left,
    /// What it found cannot be.
    Wrong(String),
}

impl<E: std::error::Error> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl Ended {
    /// How the process ends.
    pub(crate) fn of_worker(self, slot: usize) -> Result<ExitCode, Broken> {
        match self {
            Self::Left => Ok(ExitCode::SUCCESS),
            Self::Wrong(what) => Err(Broken(format!("worker {slot}: {what}"))),
        }
    }
}

/// nice(2): the driver, and workers on their way to death or to their beginning, come first.
fn give_way() {
    // SAFETY: takes a number. That it may fail changes nothing but the pace.
    unsafe { libc::nice(10) };
}

pub(crate) fn work(args: WorkerArgs) -> Result<ExitCode, Broken> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != args.parent {
        return Err(Broken("whoever started this worker is gone".into()));
    }
    give_way();
    let parent = args.parent;
    let orders = Orders {
        slot: args.slot,
        way: Way::told(args.name),
        random: Random::new(args.seed),
        ledger: args.ledger.map(|fd| format!("/proc/{parent}/fd/{fd}")),
    };
    match args.what {
        What::Locks => locks::work(orders),
        What::RwLock => rwlock::work(orders),
        What::Queues => queues::work(orders),
        What::Work => tasks::work(orders),
        What::Snapshots => snapshots::work(orders),
        What::Array => array::work(orders),
    }
}

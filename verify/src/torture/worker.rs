//! One process of `torture`, as it is started: one thread or several, each a worker in a slot of
//! its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use clap::Args;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, raise};
use nix::unistd::getppid;

use crate::process::{Broken, PANICKED, Rig, exit_now};
use crate::random::Random;
use crate::torture::way::Way;
use crate::torture::{
    What, array, growth, job, locks, managed, meetings, objects, permits, queues, rwlock, signals,
    snapshots, traffic, work as tasks,
};

/// How `torture` starts a worker.
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    what: What,
    /// The slot of its first thread; those of the others follow.
    #[arg(long)]
    slot: usize,
    #[arg(long)]
    threads: usize,
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

/// Whether this process has more than one thread at work.
static SEVERAL: AtomicBool = AtomicBool::new(false);

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
    /// It was asked to leave.
    Left,
    /// It wants to be replaced, perhaps with something in its hands that only its death gives back.
    Replaced,
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
    pub(crate) fn of_worker(self, slot: usize) -> Rig<ExitCode> {
        match self {
            Self::Left => Ok(ExitCode::SUCCESS),
            // Others of its threads are in the middle of something, and may wait for what it has.
            Self::Replaced if SEVERAL.load(Relaxed) => {
                raise(Signal::SIGKILL)?;
                Err(Broken("a worker outlives its SIGKILL".into()))
            }
            Self::Replaced => Ok(ExitCode::SUCCESS),
            Self::Wrong(what) => Err(Broken(format!("worker {slot}: {what}"))),
        }
    }
}

/// nice(2): the driver, and workers on their way to death or to their beginning, come first.
fn give_way() {
    // SAFETY: takes a number. That it may fail changes nothing but the pace.
    unsafe { libc::nice(10) };
}

pub(crate) fn work(args: WorkerArgs) -> Rig<ExitCode> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != args.parent {
        return Err(Broken(
            "the process that started this worker is gone".into(),
        ));
    }
    give_way();
    let parent = args.parent;
    let way = Way::told(args.name);
    let ledger = args.ledger.map(|fd| format!("/proc/{parent}/fd/{fd}"));
    let mut random = Random::new(args.seed);
    SEVERAL.store(args.threads > 1, Relaxed);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|thread| {
                let orders = Orders {
                    slot: args.slot + thread,
                    way: way.clone(),
                    random: Random::new(random.next()),
                    ledger: ledger.clone(),
                };
                scope.spawn(move || {
                    // The process ends with a thread that fails: others would wait for what it has.
                    match catch_unwind(AssertUnwindSafe(|| one(args.what, orders))) {
                        Ok(Ok(code)) => code,
                        Ok(Err(Broken(what))) => {
                            eprintln!("crossdock-verify: {what}");
                            exit_now(1)
                        }
                        Err(_) => exit_now(PANICKED),
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| {
            // A thread that fails has ended the process.
            let _ = thread.join();
        });
    });
    Ok(ExitCode::SUCCESS)
}

/// One thread of a worker.
fn one(what: What, orders: Orders) -> Rig<ExitCode> {
    match what {
        What::Locks => job::work::<locks::Locks>(orders),
        What::RwLock => job::work::<rwlock::Library>(orders),
        What::Permits => job::work::<permits::Sharing>(orders),
        What::Meetings => job::work::<meetings::Meetings>(orders),
        What::Signals => job::work::<signals::Signals>(orders),
        What::Queues => traffic::work::<queues::ItemNotes>(orders),
        What::Work => traffic::work::<tasks::TaskNotes>(orders),
        What::Snapshots => snapshots::work(orders),
        What::Objects => job::work::<objects::Objects>(orders),
        What::Managers => job::work::<managed::Managers>(orders),
        What::Growth => job::work::<growth::Growth>(orders),
        What::Array => job::work::<array::Field>(orders),
        What::Pool | What::Ends | What::Conns | What::Processes | What::Starts => {
            Err(Broken("such a job starts its processes itself".into()))
        }
    }
}

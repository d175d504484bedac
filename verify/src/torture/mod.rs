//! `torture`: processes at random work, killed and stopped at random, and a ledger that balances.

mod accounts;
mod array;
mod book;
mod conns;
mod driver;
mod endings;
mod ends;
mod growth;
mod job;
mod locks;
mod managed;
mod meetings;
mod objects;
mod permits;
mod pool;
mod processes;
mod queues;
mod rwlock;
mod sheet;
mod signals;
mod snapshots;
mod starts;
mod traffic;
mod way;
mod work;
mod worker;

use std::fs;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence};
use std::time::Duration;

use clap::{Args, ValueEnum};
use crossdock::Segment;

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::Tally;
pub(crate) use crate::torture::worker::{WorkerArgs, work};

/// What can be tortured.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Mutexes, counters, the registry and the directory.
    Locks,
    /// Locks of readers and writers.
    #[value(name = "rwlock")]
    RwLock,
    /// Semaphores.
    Permits,
    /// Condition variables and barriers.
    Meetings,
    /// Events, numbers and promises that processes wait for, and a reentrant mutex.
    Signals,
    /// Rings and queues.
    Queues,
    /// Work queues.
    Work,
    /// Snapshots.
    Snapshots,
    /// Dictionaries, lists and single values.
    Objects,
    /// Objects of a manager, which come and go.
    Managers,
    /// Lists and dictionaries of a manager that grow.
    Growth,
    /// Arrays with leases.
    Array,
    /// Pools of workers.
    Pool,
    /// Senders that go from process to process.
    Ends,
    /// Connections.
    Conns,
    /// Processes that start processes, in both ways, and hand ends to them.
    Processes,
    /// Processes that are started and end, and of which nothing is left.
    Starts,
}

/// How many faults are told: one is often followed by many.
const SHOWN: usize = 12;

/// How to torture.
#[derive(Args, Debug)]
pub(crate) struct TortureArgs {
    /// What to torture.
    what: What,
    /// For how many seconds.
    #[arg(long, default_value_t = 60.0)]
    secs: f64,
    /// Of `starts`: how many processes, of `pool`: how many replaced workers, in place of the time.
    #[arg(long)]
    count: Option<u64>,
    /// How many processes work at a time: 6 at locks of either kind, semaphores, meetings and
    /// arrays, 8 at pools, 64 at the others unless it is said.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=500))]
    processes: Option<u16>,
    /// How many threads work in a process at most: each that is started draws its number.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=8))]
    threads: u16,
    /// Repeats a run, as far as the scheduler lets it.
    #[arg(long)]
    seed: Option<u64>,
    /// How often a second a process is killed or stopped; two of three are killed.
    #[arg(long, default_value_t = 150.0)]
    kill_rate: f64,
    /// Have the fork server start the workers of a pool, which thousands of kills a second need.
    #[arg(long)]
    fork_server: bool,
}

impl TortureArgs {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.secs.clamp(0.0, 1e6))
    }
}

/// What a run has to say.
struct Report {
    what: &'static str,
    /// What was done, besides kills and stops.
    done: String,
    tally: Tally,
}

pub(crate) fn run(args: &TortureArgs) -> Rig<ExitCode> {
    let seed = args.seed.unwrap_or_else(random_seed);
    let random = Random::new(seed);
    let report = match args.what {
        What::Locks => job::run::<locks::Locks>(args, random)?,
        What::RwLock => job::run::<rwlock::Library>(args, random)?,
        What::Permits => job::run::<permits::Sharing>(args, random)?,
        What::Meetings => job::run::<meetings::Meetings>(args, random)?,
        What::Signals => job::run::<signals::Signals>(args, random)?,
        What::Queues => traffic::run::<queues::Queues>(args, random)?,
        What::Work => traffic::run::<work::Tasks>(args, random)?,
        What::Snapshots => snapshots::run(args, random)?,
        What::Objects => job::run::<objects::Objects>(args, random)?,
        What::Managers => job::run::<managed::Managers>(args, random)?,
        What::Growth => job::run::<growth::Growth>(args, random)?,
        What::Array => job::run::<array::Field>(args, random)?,
        What::Pool => pool::run(args, random)?,
        What::Ends => ends::run(args, random)?,
        What::Conns => conns::run(args, random)?,
        What::Processes => processes::run(args, random)?,
        What::Starts => starts::run(args, random)?,
    };
    let Report { what, done, tally } = report;
    let balance = if tally.faults.is_empty() {
        "balanced"
    } else {
        "NOT balanced"
    };
    println!(
        "torture {what}: {} s, {} kills, {} stops, {done}, ledger {balance}",
        args.secs, tally.kills, tally.stops,
    );
    println!("torture {what}: seed {seed}");
    for fault in tally.faults.iter().take(SHOWN) {
        println!("torture {what}: {fault}");
    }
    if tally.faults.len() > SHOWN {
        println!("torture {what}: and {} more", tally.faults.len() - SHOWN);
    }
    Ok(if tally.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Takes the name of a segment away, whatever happened to it.
fn take_away(segment: &Segment, faults: &mut Vec<String>) -> Rig {
    let name = segment.name().map(str::to_owned);
    segment.unlink()?;
    if let Some(name) = name
        && fs::exists(format!("/dev/shm/crossdock.{name}"))?
    {
        faults.push(format!("{name} is left in /dev/shm"));
    }
    Ok(())
}

/// What is wrong with a segment that all processes have left, or died in.
fn abandoned(segment: &Segment) -> Vec<String> {
    let mut faults = Vec::new();
    let reaping = segment.reap();
    if reaping.stuck > 0 {
        faults.push(format!("{} places are stuck", reaping.stuck));
    }
    for one in segment.participants() {
        if !one.is_self {
            faults.push(format!("{one} is still listed"));
        }
    }
    if let Err(error) = segment.entries() {
        faults.push(format!("the directory cannot be read: {error}"));
    }
    faults
}

/// Keeps the accesses before it before those after it: a kill falls between two instructions of the
/// program as it was compiled, not as it was written.
fn in_this_order() {
    compiler_fence(Ordering::SeqCst);
}

/// The environment variable with which a job does something wrong, which its judge must notice.
const BUG: &str = "CROSSDOCK_TORTURE_BUG";

/// Whether a bug is seeded, in any process of a run.
fn has_bug() -> bool {
    static BUGGY: OnceLock<bool> = OnceLock::new();
    *BUGGY.get_or_init(|| std::env::var_os(BUG).is_some())
}

/// A seed that is hardly any other run's.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 16
}

//! `torture`: processes at random work, killed and stopped at random, and a ledger that balances.

mod driver;
mod ledger;
mod shared;
mod worker;

use std::fs;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::process::Broken;
use crate::random::Random;
use crate::torture::driver::{Driver, Tally};
use crate::torture::shared::{Shared, Way};
pub(crate) use worker::{WorkerArgs, run as work};

/// What can be tortured.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Mutexes, counters, the registry and the directory.
    Locks,
}

/// How to torture.
#[derive(Args, Debug)]
pub(crate) struct TortureArgs {
    /// What to torture.
    what: What,
    /// For how many seconds.
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// How many processes work at a time.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=500))]
    processes: u16,
    /// Repeats a run, as far as the scheduler lets it.
    #[arg(long)]
    seed: Option<u64>,
    /// How often a second somebody is killed or stopped; two of three are killed.
    #[arg(long, default_value_t = 60.0)]
    kill_rate: f64,
}

pub(crate) fn run(args: &TortureArgs) -> Result<ExitCode, Broken> {
    let What::Locks = args.what;
    let seed = args.seed.unwrap_or_else(random_seed);
    let name = format!("torture-{}", std::process::id());
    let way = if Random::new(seed).below(2) == 0 {
        Way::Name(name.clone())
    } else {
        Way::Descriptor
    };
    let shared = Shared::create(&way, args.processes.into())?;
    let driven = Driver::new(args, seed, &way, &shared).and_then(Driver::run);
    let judged = driven.map(|tally| judge(&shared, tally));
    // Whatever happened, the name goes.
    shared.segment.unlink()?;
    let mut tally = judged?;
    if fs::exists(format!("/dev/shm/crossdock.{name}"))? {
        tally.faults.push(format!("{name} is left in /dev/shm"));
    }
    let balance = if tally.faults.is_empty() {
        "balanced"
    } else {
        "NOT balanced"
    };
    println!(
        "torture locks: {} s, {} kills, {} stops, {} operations, {} repairs, ledger {balance}",
        args.secs,
        tally.kills,
        tally.stops,
        shared.total.get(),
        shared.repairs.get(),
    );
    println!("torture locks: seed {seed}");
    for fault in &tally.faults {
        println!("torture locks: {fault}");
    }
    Ok(if tally.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What must hold when everybody has left or is dead.
fn judge(shared: &Shared, mut tally: Tally) -> Tally {
    let kills = tally.kills;
    let mut fault = |what: String| tally.faults.push(what);
    let reaping = shared.segment.reap();
    if reaping.stuck > 0 {
        fault(format!("{} places are stuck", reaping.stuck));
    }
    for one in shared.segment.participants() {
        if !one.is_self {
            fault(format!("{one} is still listed"));
        }
    }
    if let Err(error) = shared.segment.entries() {
        fault(format!("the directory cannot be read: {error}"));
    }
    if shared.ledger.is_locked() || shared.raw.is_locked() {
        fault("a lock is still held".into());
    }
    match shared.ledger.lock_or_repair(|ledger| ledger.repair()) {
        Ok(ledger) => {
            if !ledger.is_balanced() {
                fault(format!("the ledger is torn: {:?}", *ledger));
            }
            within(
                "transfers",
                ledger.transfers(),
                shared.transfers.get(),
                kills,
                &mut fault,
            );
        }
        Err(error) => fault(format!("the ledger cannot be locked: {error}")),
    }
    within(
        "operations",
        shared.total.get(),
        shared.cells.get(),
        kills,
        &mut fault,
    );
    let [left, right] = &shared.pair;
    within("the pair", left.get(), right.get(), kills, &mut fault);
    if shared.total.get() == 0 {
        fault("nobody has done anything".into());
    }
    tally
}

/// Two counts of the same may differ by as many as were killed between counting and counting.
fn within(what: &str, one: u64, other: u64, kills: u64, fault: &mut impl FnMut(String)) {
    if one.abs_diff(other) > kills {
        fault(format!(
            "{what}: {one} and {other} differ by more than {kills} kills"
        ));
    }
}

/// A seed that is hardly any other run's.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) >> 16
}

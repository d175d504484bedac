//! `torture locks`: transfers between accounts, counters, the registry and the directory.

mod ledger;
mod shared;
mod worker;

use std::process::Command;
use std::time::Duration;

use crossdock::Counter;

use crate::process::Broken;
use crate::random::Random;
use crate::torture::driver::{Job, Plan, Tally, drive};
use crate::torture::way::Way;
use crate::torture::{Report, TortureArgs, abandoned, take_away};
use shared::{Shared, progress_name};
pub(crate) use worker::work;

const PROCESSES: u16 = 6;

/// The work at one segment.
struct Bank {
    way: Way,
    shared: Shared,
    progress: Vec<Counter>,
}

impl Job for Bank {
    const NAME: &'static str = "locks";

    fn equip(&self, command: &mut Command) -> Result<(), Broken> {
        self.way.show(&self.shared.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.progress[slot].load()
    }

    fn dismiss(&self) {
        self.shared.stop.store(1);
    }
}

pub(crate) fn run(args: &TortureArgs, mut random: Random) -> Result<Report, Broken> {
    let plan = Plan::of(args, PROCESSES);
    let way = Way::any(&mut random);
    let shared = Shared::create(&way, plan)?;
    let progress = (0..plan.slots())
        .map(|slot| shared.segment.open(&progress_name(slot)))
        .collect::<Result<_, _>>()?;
    let mut bank = Bank {
        way,
        shared,
        progress,
    };
    let mut tally = Tally::default();
    let time = Duration::from_secs(args.secs);
    let driven = drive(plan, &mut bank, &mut random, &mut tally, time);
    let shared = bank.shared;
    if driven.is_ok() {
        judge(&shared, &mut tally);
    }
    take_away(&shared.segment, &mut tally.faults)?;
    driven?;
    Ok(Report {
        what: Bank::NAME,
        done: format!(
            "{} operations, {} repairs",
            shared.total.load(),
            shared.repairs.load()
        ),
        tally,
    })
}

/// What must hold when everybody has left or is dead.
fn judge(shared: &Shared, tally: &mut Tally) {
    let kills = tally.cut_off;
    let faults = &mut tally.faults;
    faults.extend(abandoned(&shared.segment));
    if shared.ledger.is_locked() || shared.raw.is_locked() {
        faults.push("a lock is still held".into());
    }
    match shared.ledger.lock_or_repair(|ledger| ledger.repair()) {
        Ok(ledger) => {
            if !ledger.is_balanced() {
                faults.push(format!("the ledger is torn: {:?}", *ledger));
            }
            let (made, told) = (ledger.transfers(), shared.transfers.load());
            faults.extend(apart("transfers", made, told, kills));
        }
        Err(error) => faults.push(format!("the ledger cannot be locked: {error}")),
    }
    let (total, cells) = (shared.total.load(), shared.cells.load());
    faults.extend(apart("operations", total, cells, kills));
    let sum: f64 = shared.sums.values().sum();
    if sum.fract() != 0.0 || (sum - total as f64).abs() > kills as f64 {
        faults.push(format!(
            "operations: {total}, and numbers that add up to {sum}, with {kills} threads killed"
        ));
    }
    let [left, right] = &shared.pair;
    faults.extend(apart("the pair", left.load(), right.load(), kills));
    if total == 0 {
        faults.push("nobody has done anything".into());
    }
}

/// Two counts of the same may differ by as many threads as were killed between counting and counting.
fn apart(what: &str, one: u64, other: u64, kills: u64) -> Option<String> {
    (one.abs_diff(other) > kills)
        .then(|| format!("{what}: {one} and {other} differ by more than {kills} killed threads"))
}

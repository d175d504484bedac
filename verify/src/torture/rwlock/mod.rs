//! `torture rwlock`: a book that many read and one writes; each edition is written once, and nobody reads
//! half of one.

mod book;
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
struct Library {
    way: Way,
    shared: Shared,
    progress: Vec<Counter>,
}

impl Job for Library {
    const NAME: &'static str = "rwlock";

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
    let mut library = Library {
        way,
        shared,
        progress,
    };
    let mut tally = Tally::default();
    let time = Duration::from_secs(args.secs);
    let driven = drive(plan, &mut library, &mut random, &mut tally, time);
    let shared = library.shared;
    if driven.is_ok() {
        judge(&shared, &mut tally);
    }
    take_away(&shared.segment, &mut tally.faults)?;
    driven?;
    Ok(Report {
        what: Library::NAME,
        done: format!(
            "{} reads, {} writes, {} repairs",
            shared.reads.load(),
            shared.writes.load(),
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
    // The tag of a dead writer is found by whoever locks.
    match shared.book.read_or_repair(|book| book.repair()) {
        Ok(book) => {
            if !book.is_whole() {
                faults.push(format!("the book is torn: {:?}", *book));
            }
            let (made, told) = (book.edition(), shared.writes.load());
            // Each thread that is killed can be cut off between writing and counting.
            if made < told || made - told > kills {
                faults.push(format!(
                    "edition {made} after {told} writes and {kills} threads killed"
                ));
            }
        }
        Err(error) => faults.push(format!("the book cannot be read: {error}")),
    }
    if shared.book.is_locked() || shared.book.is_poisoned() {
        faults.push(format!("the lock is left as {:?}", shared.book));
    }
    if shared.reads.load() == 0 || shared.writes.load() == 0 {
        faults.push("nobody has read, or nobody has written".into());
    }
}

//! `torture queues`: items through rings and queues; each that was sent arrives once.

mod audit;
pub(super) mod desk;
pub(super) mod item;
mod ledger;
mod many;
mod rings;
mod worker;
mod yard;

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Broken, watch_over};
use crate::random::Random;
use crate::torture::driver::{Plan, Tally, WINDOW, Workload, drive};
use crate::torture::endings;
use crate::torture::way::Way;
use crate::torture::worker::Ended;
use crate::torture::{Report, TortureArgs, abandoned, take_away};
use audit::{Balance, Doubts, audit};
use desk::Counted;
use item::Item;
use ledger::Ledger;
use worker::Worker;
pub(crate) use worker::work;
use yard::{LINES, Lines, Yard};

const PROCESSES: u16 = 64;
/// How long a round may be: its ledger has a bit for each item.
const ROUND: Duration = Duration::from_secs(10);
/// How many workers must have tried a line from both sides before it counts as stuck.
const TRIED: u64 = 16;
/// Seconds after which a round's end gives itself up.
const WATCHDOG: u32 = 60;

/// What was seen of a line when last something arrived.
#[derive(Clone, Copy, Debug)]
struct Flow {
    since: Instant,
    then: Counted,
}

/// The work at one segment, and its ledger.
struct Hub {
    way: Way,
    yard: Yard,
    ledger: Ledger,
    doubts: Doubts,
    flows: [Flow; LINES],
}

impl Workload for Hub {
    const NAME: &'static str = "queues";

    fn equip(&self, command: &mut Command) -> Result<(), Broken> {
        command.args(["--ledger", &self.ledger.fd().to_string()]);
        self.way.show(&self.yard.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.ledger.desk(slot).progress()
    }

    fn ended(&mut self, slot: usize) {
        self.doubts
            .add(self.ledger.desk(slot).clear(), &self.ledger);
    }

    fn stuck(&mut self) -> Vec<String> {
        let mut stuck = Vec::new();
        for (line, flow) in self.flows.iter_mut().enumerate() {
            let now: Counted = self.ledger.desks().map(|desk| desk.counted(line)).sum();
            let tried =
                now.sends >= flow.then.sends + TRIED && now.receives >= flow.then.receives + TRIED;
            if now.received != flow.then.received {
                *flow = Flow {
                    since: Instant::now(),
                    then: now,
                };
            } else if tried && flow.since.elapsed() > WINDOW {
                stuck.push(format!("nothing arrives any more from line {line}"));
            }
        }
        stuck
    }

    fn dismiss(&self) {
        self.ledger.dismiss();
    }
}

impl Hub {
    fn create(way: Way, plan: Plan) -> Result<Self, Broken> {
        let flow = Flow {
            since: Instant::now(),
            then: Counted::default(),
        };
        Ok(Self {
            yard: Yard::create(&way, plan.processes)?,
            // One slot more, for whoever drains what they leave.
            ledger: Ledger::create(plan.slots() + 1)?,
            way,
            doubts: Doubts::default(),
            flows: [flow; LINES],
        })
    }

    /// What must hold when everybody has left or is dead: all that is left is received, every line
    /// still has its capacity, and the ledger balances.
    fn balance(&mut self, slot: usize, random: &mut Random) -> Result<Balance, Broken> {
        watch_over(WATCHDOG)?;
        let mut faults = abandoned(&self.yard.segment);
        let random = Random::new(random.next());
        let mut last = Worker::new(&self.ledger, slot, random);
        let drained =
            clear(&mut last, &self.yard.small).and_then(|()| clear(&mut last, &self.yard.large));
        if let Err(Ended::Wrong(what)) = drained {
            faults.push(what);
        }
        let mut balance = audit(&self.ledger, &self.doubts);
        balance.faults.extend(faults);
        if balance.received == 0 {
            balance.faults.push("nobody has received anything".into());
        }
        self.doubts = Doubts::default();
        self.ledger.turn_over()?;
        Ok(balance)
    }

    /// Closes the queues, after the last round.
    fn close(&self) -> Option<String> {
        let closed = many::close(&self.yard.small).and_then(|()| many::close(&self.yard.large));
        match closed {
            Err(Ended::Wrong(what)) => Some(what),
            _ => None,
        }
    }

    fn redelivered(&self) -> u64 {
        let desks = self.ledger.desks();
        let counted = desks.flat_map(|desk| (0..LINES).map(|line| desk.counted(line)));
        counted.sum::<Counted>().redelivered
    }
}

/// Receives all that is left, and looks whether each line still has its capacity.
fn clear<T: Item>(worker: &mut Worker, lines: &Lines<T>) -> Result<(), Ended> {
    rings::drain(worker, lines)?;
    many::drain(worker, lines)?;
    rings::fill(worker, lines)?;
    many::fill(worker, lines)
}

pub(crate) fn run(args: &TortureArgs, mut random: Random) -> Result<Report, Broken> {
    let plan = Plan::of(args, PROCESSES);
    let mut hub = Hub::create(Way::any(&mut random), plan)?;
    let mut tally = Tally::default();
    let ran = rounds(args.time(), plan, &mut hub, &mut random, &mut tally);
    if tally.faults.is_empty() {
        tally.faults.extend(hub.close());
        tally.faults.extend(endings::of_queues(&mut random)?);
    }
    take_away(&hub.yard.segment, &mut tally.faults)?;
    let sum = ran?;
    Ok(Report {
        what: Hub::NAME,
        done: format!(
            "{} items sent, {} received, {} redelivered, {} in doubt ({} being sent, \
             {} being received)",
            sum.numbered - sum.unsent,
            sum.received,
            hub.redelivered(),
            sum.unsent + sum.buried,
            sum.unsent,
            sum.buried,
        ),
        tally,
    })
}

/// Rounds of about the same length, each with an end at which its ledger is balanced.
fn rounds(
    time: Duration,
    plan: Plan,
    hub: &mut Hub,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<Balance, Broken> {
    let rounds = u32::try_from(time.as_secs().div_ceil(ROUND.as_secs()))?.max(1);
    let time = time / rounds;
    let mut sum = Balance::default();
    for _ in 0..rounds {
        drive(plan, hub, random, tally, time)?;
        let balance = hub.balance(plan.slots(), random)?;
        sum.numbered += balance.numbered;
        sum.received += balance.received;
        sum.unsent += balance.unsent;
        sum.buried += balance.buried;
        tally.faults.extend(balance.faults);
        if !tally.faults.is_empty() {
            break;
        }
    }
    Ok(sum)
}

//! `torture work`: messages through work queues; each that was sent is done once.

mod audit;
mod desk;
mod ledger;
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
use ledger::Ledger;
pub(crate) use worker::work;
use worker::{Close, Last, Worker};
use yard::{LINES, Yard};

const PROCESSES: u16 = 64;
/// How long a round may be: its ledger has two bytes for each message.
const ROUND: Duration = Duration::from_secs(10);
/// How many workers must have tried a line from both sides before it counts as stuck.
const TRIED: u64 = 16;
/// Seconds after which a round's end gives itself up.
const WATCHDOG: u32 = 60;

/// What was seen of a line when last something was done.
#[derive(Clone, Copy, Debug)]
struct Flow {
    since: Instant,
    then: Counted,
}

/// The work at one segment, and its ledger.
struct Shop {
    way: Way,
    yard: Yard,
    ledger: Ledger,
    doubts: Doubts,
    /// Deliveries that nobody noted, in earlier rounds.
    unnoted: u64,
    flows: [Flow; LINES],
}

impl Workload for Shop {
    const NAME: &'static str = "work";

    fn equip(&self, command: &mut Command) -> Result<(), Broken> {
        command.args(["--ledger", &self.ledger.fd().to_string()]);
        self.way.show(&self.yard.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.ledger.desk(slot).progress()
    }

    fn ended(&mut self, slot: usize) {
        self.doubts.add(self.ledger.desk(slot).clear());
    }

    fn stuck(&mut self) -> Vec<String> {
        let mut stuck = Vec::new();
        for (line, flow) in self.flows.iter_mut().enumerate() {
            let now: Counted = self.ledger.desks().map(|desk| desk.counted(line)).sum();
            let tried =
                now.sends >= flow.then.sends + TRIED && now.receives >= flow.then.receives + TRIED;
            if now.done != flow.then.done {
                *flow = Flow {
                    since: Instant::now(),
                    then: now,
                };
            } else if tried && flow.since.elapsed() > WINDOW {
                stuck.push(format!("nothing is done any more at line {line}"));
            }
        }
        stuck
    }

    fn dismiss(&self) {
        self.ledger.dismiss();
    }
}

impl Shop {
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
            unnoted: 0,
            flows: [flow; LINES],
        })
    }

    /// What must hold when everybody has left or is dead: all that is left can be done, every line
    /// is idle and has all its cells, and the ledger balances.
    fn balance(&mut self, slot: usize, random: &mut Random) -> Result<Balance, Broken> {
        watch_over(WATCHDOG)?;
        let mut faults = abandoned(&self.yard.segment);
        let random = Random::new(random.next());
        let mut worker = Worker::new(&self.ledger, slot, random);
        if let Err(Ended::Wrong(what)) = self.yard.visit_all(&mut Last(&mut worker)) {
            faults.push(what);
        }
        let unnoted = self.ledger.deliveries().unnoted;
        let mut balance = audit(&self.ledger, &self.doubts, unnoted - self.unnoted);
        balance.faults.extend(faults);
        if balance.done == 0 {
            balance.faults.push("nobody has done anything".into());
        }
        self.unnoted = unnoted;
        self.doubts = Doubts::default();
        self.ledger.turn_over()?;
        Ok(balance)
    }

    /// Closes the queues, after the last round.
    fn close(&self) -> Option<String> {
        match self.yard.visit_all(&mut Close) {
            Err(Ended::Wrong(what)) => Some(what),
            _ => None,
        }
    }
}

pub(crate) fn run(args: &TortureArgs, mut random: Random) -> Result<Report, Broken> {
    let plan = Plan::of(args, PROCESSES);
    let mut shop = Shop::create(Way::any(&mut random), plan)?;
    let mut tally = Tally::default();
    let ran = rounds(args.time(), plan, &mut shop, &mut random, &mut tally);
    if tally.faults.is_empty() {
        tally.faults.extend(shop.close());
        tally.faults.extend(endings::of_work_queues(&mut random)?);
    }
    take_away(&shop.yard.segment, &mut tally.faults)?;
    let sum = ran?;
    let deliveries = shop.ledger.deliveries();
    Ok(Report {
        what: Shop::NAME,
        done: format!(
            "{} messages sent, {} deliveries, {} of them not the first, {} done, {} of them as \
             dead letters, {} in doubt ({} being sent, {} being acknowledged)",
            sum.numbered - sum.unsent,
            deliveries.all,
            deliveries.again,
            sum.done,
            deliveries.letters,
            sum.unsent + sum.untold,
            sum.unsent,
            sum.untold,
        ),
        tally,
    })
}

/// Rounds of about the same length, each with an end at which its ledger is balanced.
fn rounds(
    time: Duration,
    plan: Plan,
    shop: &mut Shop,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<Balance, Broken> {
    let rounds = u32::try_from(time.as_secs().div_ceil(ROUND.as_secs()))?.max(1);
    let time = time / rounds;
    let mut sum = Balance::default();
    for _ in 0..rounds {
        drive(plan, shop, random, tally, time)?;
        let balance = shop.balance(plan.slots(), random)?;
        sum.numbered += balance.numbered;
        sum.done += balance.done;
        sum.unsent += balance.unsent;
        sum.untold += balance.untold;
        tally.faults.extend(balance.faults);
        if !tally.faults.is_empty() {
            break;
        }
    }
    Ok(sum)
}

//! Jobs in which messages go through lines, which are queues of some kind: each message has an
//! [`Id`](item::Id), and a [`Ledger`] beside the segment says what became of it. What such jobs
//! share: rounds, balances, and lines in which nothing goes on.

pub(crate) mod item;
mod ledger;
mod notes;
mod worker;

use std::time::{Duration, Instant};

use crossdock::Segment;

use crate::process::{Rig, watch_over};
use crate::random::Random;
use crate::torture::driver::{Plan, Tally, WINDOW, Workload, drive};
use crate::torture::way::Way;
use crate::torture::worker::Ended;
use crate::torture::{Report, TortureArgs, abandoned, take_away};
pub(crate) use ledger::Ledger;
pub(crate) use notes::{Counted, Notes, WorkerNotes, add};
pub(crate) use worker::{Worker, work};

const PROCESSES: u16 = 64;
/// How long a round may be: its ledger has some bits for each message.
const ROUND: Duration = Duration::from_secs(10);
/// How many workers must have tried a line from both sides before it counts as stuck.
const TRIED: u64 = 16;
/// Seconds after which a round's end gives itself up.
const WATCHDOG: u32 = 60;
/// How many lost messages are named.
const NAMED: usize = 10;

/// A job at lines.
pub(crate) trait Traffic: Workload + Sized {
    /// What a worker notes.
    type Notes: WorkerNotes;

    /// Makes the segment and the ledger.
    fn create(way: Way, plan: Plan) -> Rig<Self>;

    fn segment(&self) -> &Segment;

    fn ledger(&self) -> &Ledger<Self::Notes>;

    /// Handles all that is left, in place of the worker in `slot`, and looks whether each line has
    /// its capacity.
    fn drain(&self, slot: usize, random: Random) -> Result<(), Ended>;

    /// Balances a round that is over and drained.
    fn audit(&mut self) -> Balance;

    /// Closes the lines after the last round, and looks whether they end.
    fn close(&self) -> Result<(), Ended>;

    /// What is wrong at the ends of lines whose receivers are killed.
    fn endings(random: &mut Random) -> Rig<Vec<String>>;

    /// What was done, for the report.
    fn done(&self, sum: &Balance) -> String;
}

/// What a round came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Numbers that were given out.
    pub(crate) numbered: u64,
    pub(crate) done: u64,
    /// Not done, because their sender was killed while it sent them.
    pub(crate) unsent: u64,
    /// Not known to be done, because their receiver was killed before it could say so.
    pub(crate) untold: u64,
    /// What must not be, such as messages that are not done, and with which no process died.
    pub(crate) faults: Vec<String>,
}

/// Why a message is not done.
pub(crate) enum Doubt {
    Unsent,
    Untold,
    Lost,
}

impl Balance {
    /// Asks of each message that was not done why: of a lane, and the `at`-th of those missing in
    /// it.
    pub(crate) fn of<N: WorkerNotes>(
        ledger: &Ledger<N>,
        missing: impl Fn(usize) -> Vec<u32>,
        doubt: impl Fn(usize, &[u32], usize) -> Doubt,
    ) -> Self {
        let mut balance = Self {
            numbered: ledger.given_out(),
            ..Self::default()
        };
        let mut lost = 0;
        for lane in 0..ledger.numbering().lanes() {
            let missing = missing(lane);
            for (at, number) in missing.iter().enumerate() {
                match doubt(lane, &missing, at) {
                    Doubt::Unsent => balance.unsent += 1,
                    Doubt::Untold => balance.untold += 1,
                    Doubt::Lost => {
                        lost += 1;
                        if balance.faults.len() < NAMED {
                            let line = ledger.numbering().line_of(lane);
                            balance.faults.push(format!(
                                "item {number} of lane {lane}, in line {line}, was sent and never done"
                            ));
                        }
                    }
                }
            }
        }
        if lost > balance.faults.len() as u64 {
            balance
                .faults
                .push(format!("{lost} items were lost in all"));
        }
        balance.done = balance.numbered - balance.unsent - balance.untold - lost;
        balance
    }

    fn add(&mut self, other: Self) {
        self.numbered += other.numbered;
        self.done += other.done;
        self.unsent += other.unsent;
        self.untold += other.untold;
        self.faults.extend(other.faults);
    }
}

/// For each line, what was seen of it when last something was done at it.
pub(crate) struct Flows(Vec<(Instant, Counted)>);

impl Flows {
    pub(crate) fn new(lines: usize) -> Self {
        Self(vec![(Instant::now(), Counted::default()); lines])
    }

    /// Lines that were tried often enough, and at which nothing is done any more.
    pub(crate) fn stuck<N: WorkerNotes>(&mut self, ledger: &Ledger<N>) -> Vec<String> {
        let mut stuck = Vec::new();
        for (line, (since, then)) in self.0.iter_mut().enumerate() {
            let now = ledger.counted(line);
            let tried = now.sends >= then.sends + TRIED && now.receives >= then.receives + TRIED;
            if now.done != then.done {
                (*since, *then) = (Instant::now(), now);
            } else if tried && since.elapsed() > WINDOW {
                stuck.push(format!("nothing is done any more at line {line}"));
            }
        }
        stuck
    }
}

/// Rounds of about the same length, each with an end at which its ledger is balanced.
pub(crate) fn run<T: Traffic>(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let plan = Plan::of(args, PROCESSES);
    let mut traffic = T::create(Way::any(&mut random), plan)?;
    let mut tally = Tally::default();
    let ran = rounds(args.time(), plan, &mut traffic, &mut random, &mut tally);
    if tally.faults.is_empty() {
        tally.faults.extend(wrong(traffic.close()));
        tally.faults.extend(T::endings(&mut random)?);
    }
    take_away(traffic.segment(), &mut tally.faults)?;
    Ok(Report {
        what: T::NAME,
        done: traffic.done(&ran?),
        tally,
    })
}

fn rounds<T: Traffic>(
    time: Duration,
    plan: Plan,
    traffic: &mut T,
    random: &mut Random,
    tally: &mut Tally,
) -> Rig<Balance> {
    let rounds = u32::try_from(time.as_secs().div_ceil(ROUND.as_secs()))?.max(1);
    let mut sum = Balance::default();
    for _ in 0..rounds {
        drive(plan, traffic, random, tally, time / rounds)?;
        watch_over(WATCHDOG)?;
        let mut faults = abandoned(traffic.segment());
        let drained = traffic.drain(plan.slots(), Random::new(random.next()));
        faults.extend(wrong(drained));
        let balance = traffic.audit();
        if balance.done == 0 {
            faults.push("too little was done".into());
        }
        traffic.ledger().turn_over()?;
        tally.faults.extend(balance.faults.iter().cloned());
        tally.faults.extend(faults);
        sum.add(balance);
        if !tally.faults.is_empty() {
            break;
        }
    }
    Ok(sum)
}

fn wrong(outcome: Result<(), Ended>) -> Option<String> {
    match outcome {
        Err(Ended::Wrong(what)) => Some(what),
        _ => None,
    }
}

/// Gives back what a worker stayed with, or ends with it.
pub(crate) fn leave<T>(what: T, forgets: bool) -> Result<(), Ended> {
    if forgets {
        std::mem::forget(what);
        return Err(Ended::Replaced);
    }
    Ok(())
}

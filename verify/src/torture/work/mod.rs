//! `torture work`: messages through work queues; each that was sent is done once.

mod audit;
mod ledger;
mod notes;
mod worker;
mod yard;

use std::process::Command;

use crossdock::Segment;

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::{Plan, Workload};
use crate::torture::endings;
use crate::torture::traffic::{Balance, Flows, Ledger, Traffic, Worker};
use crate::torture::way::Way;
use crate::torture::worker::Ended;
use audit::{Doubts, audit};
pub(super) use notes::TaskNotes;
use worker::{Close, Last};
use yard::{LINES, Yard};

/// The work at one segment, and its ledger.
pub(super) struct Tasks {
    way: Way,
    segment: Segment,
    yard: Yard,
    ledger: Ledger<TaskNotes>,
    doubts: Doubts,
    /// Deliveries that were never noted, in earlier rounds.
    unnoted: u64,
    flows: Flows,
}

impl Workload for Tasks {
    const NAME: &'static str = "work";

    fn equip(&self, command: &mut Command) -> Rig {
        command.args(["--ledger", &self.ledger.fd().to_string()]);
        self.way.show(&self.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.ledger.notes(slot).progress()
    }

    fn ended(&mut self, slot: usize) {
        self.doubts.add(self.ledger.notes(slot).clear());
    }

    fn stuck(&mut self) -> Vec<String> {
        self.flows.stuck(&self.ledger)
    }

    fn dismiss(&self) {
        self.ledger.dismiss();
    }
}

impl Traffic for Tasks {
    type Notes = TaskNotes;

    fn create(way: Way, plan: Plan) -> Rig<Self> {
        let segment = Yard::create(&way, plan.processes)?;
        Ok(Self {
            yard: Yard::open(&segment)?,
            segment,
            // One slot more, for the one that drains what they leave.
            ledger: Ledger::create(plan.slots() + 1)?,
            way,
            doubts: Doubts::default(),
            unnoted: 0,
            flows: Flows::new(LINES),
        })
    }

    fn segment(&self) -> &Segment {
        &self.segment
    }

    fn ledger(&self) -> &Ledger<TaskNotes> {
        &self.ledger
    }

    /// All that is left can be done, and every line is idle then and has all its cells.
    fn drain(&self, slot: usize, random: Random) -> Result<(), Ended> {
        let mut worker = Worker::new(&self.ledger, slot, random);
        self.yard.visit_all(&mut Last(&mut worker))
    }

    fn audit(&mut self) -> Balance {
        let unnoted = self.ledger.deliveries().unnoted;
        let doubts = std::mem::take(&mut self.doubts);
        let balance = audit(&self.ledger, &doubts, unnoted - self.unnoted);
        self.unnoted = unnoted;
        balance
    }

    fn close(&self) -> Result<(), Ended> {
        self.yard.visit_all(&mut Close)
    }

    fn endings(random: &mut Random) -> Rig<Vec<String>> {
        endings::of_work_queues(random)
    }

    fn done(&self, sum: &Balance) -> String {
        let deliveries = self.ledger.deliveries();
        format!(
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
        )
    }
}

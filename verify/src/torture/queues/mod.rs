//! `torture queues`: items through rings and queues; each that was sent arrives once.

mod audit;
mod ledger;
mod many;
pub(super) mod notes;
mod rings;
mod worker;
mod yard;

use std::process::Command;

use crossdock::Segment;

use crate::process::Rig;
use crate::random::Random;
use crate::torture::driver::{Plan, Workload};
use crate::torture::endings;
use crate::torture::traffic::item::Item;
use crate::torture::traffic::{Balance, Flows, Ledger, Traffic, Worker};
use crate::torture::way::Way;
use crate::torture::worker::Ended;
use audit::{Doubts, audit};
pub(super) use notes::ItemNotes;
use yard::{LINES, Lines, Yard};

/// The work at one segment, and its ledger.
pub(super) struct Queues {
    way: Way,
    segment: Segment,
    yard: Yard,
    ledger: Ledger<ItemNotes>,
    doubts: Doubts,
    flows: Flows,
}

impl Workload for Queues {
    const NAME: &'static str = "queues";

    fn equip(&self, command: &mut Command) -> Rig {
        command.args(["--ledger", &self.ledger.fd().to_string()]);
        self.way.show(&self.segment, command)
    }

    fn progress(&self, slot: usize) -> u64 {
        self.ledger.notes(slot).progress()
    }

    fn ended(&mut self, slot: usize) {
        self.doubts
            .add(self.ledger.notes(slot).clear(), &self.ledger);
    }

    fn stuck(&mut self) -> Vec<String> {
        self.flows.stuck(&self.ledger)
    }

    fn dismiss(&self) {
        self.ledger.dismiss();
    }
}

impl Traffic for Queues {
    type Notes = ItemNotes;

    fn create(way: Way, plan: Plan) -> Rig<Self> {
        let segment = Yard::create(&way, plan.processes)?;
        Ok(Self {
            yard: Yard::open(&segment)?,
            segment,
            // One slot more, for the one that drains what they leave.
            ledger: Ledger::create(plan.slots() + 1)?,
            way,
            doubts: Doubts::default(),
            flows: Flows::new(LINES),
        })
    }

    fn segment(&self) -> &Segment {
        &self.segment
    }

    fn ledger(&self) -> &Ledger<ItemNotes> {
        &self.ledger
    }

    fn drain(&self, slot: usize, random: Random) -> Result<(), Ended> {
        let mut last = Worker::new(&self.ledger, slot, random);
        clear(&mut last, &self.yard.small)?;
        clear(&mut last, &self.yard.large)
    }

    fn audit(&mut self) -> Balance {
        audit(&self.ledger, &std::mem::take(&mut self.doubts))
    }

    fn close(&self) -> Result<(), Ended> {
        many::close(&self.yard.small)?;
        many::close(&self.yard.large)
    }

    fn endings(random: &mut Random) -> Rig<Vec<String>> {
        endings::of_queues(random)
    }

    fn done(&self, sum: &Balance) -> String {
        let redelivered: u64 = self.ledger.all_notes().map(ItemNotes::redelivered).sum();
        format!(
            "{} items sent, {} received, {redelivered} redelivered, {} in doubt ({} being sent, \
             {} being received)",
            sum.numbered - sum.unsent,
            sum.done,
            sum.unsent + sum.untold,
            sum.unsent,
            sum.untold,
        )
    }
}

/// Receives all that is left, and looks whether each line still has its capacity.
fn clear<T: Item>(worker: &mut Worker<ItemNotes>, lines: &Lines<T>) -> Result<(), Ended> {
    rings::drain(worker, lines)?;
    many::drain(worker, lines)?;
    rings::fill(worker, lines)?;
    many::fill(worker, lines)
}

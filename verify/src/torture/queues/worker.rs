//! A worker: sends and receives here and there, until it is told to leave or killed.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crossdock::segment::Monitor;

use crate::process::Broken;
use crate::random::Random;
use crate::torture::in_this_order;
use crate::torture::worker::{Ended, Orders};

use super::desk::{BATCH, Desk};
use super::item::{Id, Item, note_at};
use super::ledger::{Arrival, LANE_ITEMS, Ledger};
use super::yard::Yard;
use super::{many, rings};

/// How long a worker stays at one line, and how much it does there.
const STAY: Duration = Duration::from_millis(100);
const OPERATIONS: u64 = 400;

/// The process's ledger: what it reads is noted there, to its end.
static LEDGER: OnceLock<Ledger> = OnceLock::new();

/// What a consumer may say of an item's place in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It comes after all that came before it.
    Kept,
    Redelivered,
    /// The operation does not say whether it is redelivered.
    Untold,
}

/// An error that a line must not give, where it is neither corrupt nor anybody's any more.
pub(crate) fn wrong(line: usize, error: impl std::error::Error) -> Ended {
    Ended::Wrong(format!("line {line}: {error}"))
}

/// Leaves an end that it stayed at: gives it back, or ends with it in its hands.
pub(crate) fn leave<E>(end: E, forgets: bool) -> Result<(), Ended> {
    if forgets {
        std::mem::forget(end);
        return Err(Ended::Replaced);
    }
    Ok(())
}

/// A worker, with what it must remember.
pub(crate) struct Worker<'a> {
    slot: usize,
    pub(crate) random: Random,
    pub(crate) ledger: &'a Ledger,
    pub(crate) desk: &'a Desk,
    /// By lane: the last number that came in its order.
    seen: Vec<u32>,
    deadline: Instant,
}

pub(crate) fn work(orders: Orders) -> Result<ExitCode, Broken> {
    let path = orders
        .ledger
        .ok_or_else(|| Broken("a worker at queues needs a ledger".into()))?;
    let opened = Ledger::open(&path)?;
    let ledger = LEDGER.get_or_init(|| opened);
    note_at(ledger.desk(orders.slot));
    let mut worker = Worker::new(ledger, orders.slot, orders.random);
    loop {
        // Dropping the last handle leaves the segment, so each round joins anew.
        let yard = Yard::open(&orders.way)?;
        // Now and then a thread of this process reaps those who die meanwhile.
        let monitor = match worker.random.below(4) {
            0 => Some(Monitor::start()?),
            _ => None,
        };
        if let Some(monitor) = &monitor {
            monitor.watch(&yard.segment)?;
        }
        for _ in 0..worker.random.below(40) {
            if let Err(ended) = worker.stay(&yard) {
                if matches!(ended, Ended::Wrong(_)) {
                    // The others would find the same.
                    ledger.dismiss();
                }
                return ended.of_worker(orders.slot);
            }
        }
    }
}

impl<'a> Worker<'a> {
    pub(crate) fn new(ledger: &'a Ledger, slot: usize, random: Random) -> Self {
        Self {
            slot,
            random,
            ledger,
            desk: ledger.desk(slot),
            seen: vec![0; ledger.numbering().lanes()],
            deadline: Instant::now(),
        }
    }

    /// Some work at one line.
    fn stay(&mut self, yard: &Yard) -> Result<(), Ended> {
        self.deadline = Instant::now() + STAY;
        if self.random.below(16) == 0 && yard.segment.reap().stuck > 0 {
            return Err(Ended::Wrong("places are stuck".into()));
        }
        self.desk.advance();
        match self.random.below(8) {
            0 => rings::stay(self, &yard.small),
            1 => rings::stay(self, &yard.large),
            2..5 => many::stay(self, &yard.small),
            _ => many::stay(self, &yard.large),
        }
    }

    /// Repeats an operation until it says that there is nothing more to do, or it is time to go.
    pub(crate) fn repeat(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> Result<bool, Ended>,
    ) -> Result<(), Ended> {
        for _ in 0..self.random.below(OPERATIONS) {
            let goes_on = operation(self)?;
            self.desk.advance();
            if self.ledger.is_over() {
                return Err(Ended::Left);
            }
            if !goes_on || Instant::now() > self.deadline {
                break;
            }
        }
        Ok(())
    }

    /// How long to wait: mostly not long.
    pub(crate) fn patience(&mut self) -> Duration {
        let most = match self.random.below(20) {
            0 => Duration::from_millis(200),
            _ => Duration::from_millis(4),
        };
        self.random.time_below(most)
    }

    /// Has `send` send the next `count` items of its lane in a line, and say how many of them it has sent.
    /// `None` if the lane is used up.
    pub(crate) fn send<T: Item>(
        &mut self,
        line: usize,
        count: usize,
        send: impl FnOnce(&mut Self, &[T]) -> Result<usize, Ended>,
    ) -> Result<Option<usize>, Ended> {
        let lane = self.ledger.numbering().lane(line, self.slot);
        let mut id = Id {
            round: self.ledger.round(),
            lane: u16::try_from(lane)?,
            number: self.ledger.next(lane),
        };
        let first = id.number;
        let after = first + u32::try_from(count)?;
        if after >= LANE_ITEMS {
            return Ok(None);
        }
        let mut items = [T::of(id); BATCH];
        for item in &mut items[..count] {
            *item = T::of(id);
            id.number += 1;
        }
        self.desk.begin_to_send(lane, first, after - first);
        // Before the first of them is sent, so that nobody gives a number out twice.
        self.ledger.set_next(lane, after);
        in_this_order();
        let sent = send(self, &items[..count])?;
        in_this_order();
        if sent < count {
            self.ledger.set_next(lane, first + u32::try_from(sent)?);
        }
        self.desk.end_of_sending();
        Ok(Some(sent))
    }

    /// Sends one item after the other until `send` says that it has sent none, which must be when there
    /// are `capacity` of them.
    pub(crate) fn fill<T: Item>(
        &mut self,
        line: usize,
        capacity: u64,
        mut send: impl FnMut(T) -> Result<usize, Ended>,
    ) -> Result<(), Ended> {
        let mut filled = 0;
        while self.send(line, 1, |_, items: &[T]| send(items[0]))? == Some(1) {
            filled += 1;
        }
        if filled != capacity {
            return Err(Ended::Wrong(format!(
                "line {line} takes {filled} items, and its capacity is {capacity}"
            )));
        }
        Ok(())
    }

    /// Marks an item that was received from `line`.
    pub(crate) fn arrived<T: Item>(
        &mut self,
        line: usize,
        item: &T,
        order: Order,
    ) -> Result<(), Ended> {
        let Some(id) = item.id() else {
            let shown = item.show();
            return Err(Ended::Wrong(format!(
                "a torn item came from line {line}: {shown}"
            )));
        };
        let lane = usize::from(id.lane);
        match self.ledger.arrive(id) {
            Arrival::First => {}
            Arrival::Again => {
                return Err(Ended::Wrong(format!("{id} came twice from line {line}")));
            }
            Arrival::Unknown => {
                return Err(Ended::Wrong(format!(
                    "{id:?} came from line {line}, and nobody sent it"
                )));
            }
        }
        if self.ledger.numbering().line_of(lane) != line {
            return Err(Ended::Wrong(format!("{id} came from line {line}")));
        }
        if order == Order::Kept {
            let last = self.seen[lane];
            if id.number <= last {
                return Err(Ended::Wrong(format!(
                    "{id} came after its item {last} from line {line}"
                )));
            }
            self.seen[lane] = id.number;
        }
        let redelivered = order == Order::Redelivered;
        self.desk.count_received(line, redelivered);
        Ok(())
    }
}

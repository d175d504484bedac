//! A worker at queues: sends and receives here and there.

use crossdock::Segment;

use crate::process::Rig;
use crate::torture::traffic::item::{Item, note_at};
use crate::torture::traffic::{Counted, Worker, WorkerNotes};
use crate::torture::worker::Ended;
use crate::torture::{has_bug, in_this_order};

use super::ledger::{Arrival, LANE_ITEMS};
use super::notes::{BATCH, ItemNotes};
use super::yard::{LINES, RINGS, Yard};
use super::{many, rings};

/// What a consumer may say of an item's place in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It comes after all that came before it.
    Kept,
    Redelivered,
    /// The operation does not say whether it is redelivered.
    Untold,
}

/// An error that a line must not give, where it is neither corrupt nor abandoned.
pub(crate) fn wrong(line: usize, error: impl std::error::Error) -> Ended {
    Ended::Wrong(format!("line {line}: {error}"))
}

impl WorkerNotes for ItemNotes {
    const LINES: usize = LINES;
    const SINGLE: usize = RINGS;
    const OPERATIONS: u64 = 400;
    type Yard = Yard;

    fn open(segment: &Segment) -> Rig<Yard> {
        Yard::open(segment)
    }

    fn begin(&'static self) {
        note_at(self);
    }

    fn stay(worker: &mut Worker<'_, Self>, yard: &Yard) -> Result<(), Ended> {
        match worker.random.below(8) {
            0 => rings::stay(worker, &yard.small),
            1 => rings::stay(worker, &yard.large),
            2..5 => many::stay(worker, &yard.small),
            _ => many::stay(worker, &yard.large),
        }
    }

    fn advance(&self) {
        (**self).advance();
    }

    fn counted(&self, line: usize) -> Counted {
        (**self).counted(line)
    }
}

impl Worker<'_, ItemNotes> {
    /// Has `send` send the next `count` items of its lane in a line, and say how many of them it
    /// has sent. `None` if the lane is used up.
    pub(crate) fn send<T: Item>(
        &mut self,
        line: usize,
        count: usize,
        send: impl FnOnce(&mut Self, &[T]) -> Result<usize, Ended>,
    ) -> Result<Option<usize>, Ended> {
        let mut id = self.ledger.next_id(line, self.slot)?;
        let (lane, first) = (usize::from(id.lane), id.number);
        let after = first + u32::try_from(count)?;
        if after >= LANE_ITEMS {
            return Ok(None);
        }
        let mut items = [T::of(id); BATCH];
        for item in &mut items[..count] {
            *item = T::of(id);
            id.number += 1;
        }
        self.notes.begin_to_send(lane, first, after - first);
        // Before the first of them is sent, so that no number is given out twice.
        self.ledger.set_next(lane, after);
        in_this_order();
        // The seeded bug: an item that is not sent.
        let sent = match has_bug() && first == 7 {
            true => count,
            false => send(self, &items[..count])?,
        };
        in_this_order();
        if sent < count {
            self.ledger.set_next(lane, first + u32::try_from(sent)?);
        }
        self.notes.end_of_sending();
        Ok(Some(sent))
    }

    /// Sends one item after the other until `send` says that it has sent none, which must be when
    /// there are `capacity` of them.
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
                    "{id:?} came from line {line}, and no process sent it"
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
        self.notes.count_received(line, redelivered);
        Ok(())
    }
}

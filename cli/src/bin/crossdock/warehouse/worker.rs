//! A worker: the function of the processes.

use std::time::{Duration, Instant};

use crossdock::Mutex;
use crossdock::sync::LockError;
use serde::{Deserialize, Serialize};

use super::floor::Floor;
use super::schedule::{Kill, Moment};
use super::tally::Tally;

/// The arguments of a worker.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    /// The number of the worker, from 1.
    pub(crate) id: u32,
    /// The number of products that it packs; a replacement continues where its predecessor was
    /// killed.
    pub(crate) products: u64,
    /// The remaining kills.
    pub(crate) kills: Vec<Kill>,
    /// Whether to print a line for each product.
    pub(crate) talk: bool,
    pub(crate) floor: Floor,
}

/// The result of a worker that was not killed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    /// The time in which it packed its products, without the wait at the start barrier.
    Packed(Duration),
    /// The total could not be locked.
    LockError(String),
    /// The driver died.
    Alone,
}

/// The maximum number of products that a worker packs after it has requested to be killed anywhere.
const REACH: u64 = 1_000;

pub(crate) fn work(order: Order) -> Done {
    let floor = &order.floor;
    floor.arrived.add(1);
    if !wait_for_driver(&floor.gate) {
        return Done::Alone;
    }
    let start = Instant::now();
    let mut next = Next {
        kill: order.kills.first().copied(),
        asked: false,
    };
    if let Err(error) = pack_all(&order, &mut next) {
        return Done::LockError(error.to_string());
    }
    let took = start.elapsed();
    if next.kill.is_some() {
        // The predecessor was killed while it held the last product.
        next.ask(&order);
        if !wait_for_driver(&floor.driver) {
            return Done::Alone;
        }
    }
    Done::Packed(took)
}

/// The next kill of this worker, and whether it has requested it.
struct Next {
    kill: Option<Kill>,
    asked: bool,
}

impl Next {
    fn ask(&mut self, order: &Order) {
        if !std::mem::replace(&mut self.asked, true) {
            order.floor.due[order.id as usize - 1].add(1);
        }
    }

    /// Returns whether to wait for the kill while holding product number `done`; requests it in
    /// time.
    fn holds(&mut self, order: &Order, done: u64) -> bool {
        let Some(kill) = self.kill.filter(|kill| kill.after <= done) else {
            return false;
        };
        self.ask(order);
        match kill.moment {
            Moment::Midway => true,
            Moment::Anywhere => done >= kill.after + REACH || done + 1 == order.products,
        }
    }
}

fn pack_all(order: &Order, next: &mut Next) -> Result<(), LockError> {
    let floor = &order.floor;
    let notes = floor.notes(order.id);
    while let Some(total) = floor.tally.pack(notes, order.products, |done| {
        if next.holds(order, done) {
            wait_for_driver(&floor.driver);
        }
    })? {
        if order.talk {
            let total = match floor.tally {
                Tally::Sharded(_) => floor.tally.total(notes)?,
                _ => total,
            };
            let line = format!("Worker {}: packed 1 product (total: {total})\n", order.id);
            crate::print_ignoring_closed_pipes(&line);
        }
    }
    Ok(())
}

/// Sleeps until the driver unlocks `lock`, or kills this worker. Returns false if the driver died.
fn wait_for_driver(lock: &Mutex<()>) -> bool {
    lock.lock().is_ok()
}

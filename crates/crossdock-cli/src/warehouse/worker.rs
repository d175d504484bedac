//! A worker: what runs in the processes.

use std::time::{Duration, Instant};

use crossdock::Mutex;
use crossdock::sync::LockError;
use serde::{Deserialize, Serialize};

use super::floor::Floor;
use super::schedule::{Kill, Moment};
use super::tally::Tally;

/// What a worker is told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    /// The number of the worker, from 1.
    pub(crate) id: u32,
    /// How many products it packs; a replacement goes on where the one before was killed.
    pub(crate) products: u64,
    /// The kills still to come.
    pub(crate) kills: Vec<Kill>,
    /// Whether to print a line for each product.
    pub(crate) talk: bool,
    pub(crate) floor: Floor,
}

/// What a worker that was not killed says in the end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Done {
    /// It packed its products in this time, waiting at the gate not included.
    Packed(Duration),
    /// The total could not be locked.
    LockError(String),
    /// The driver died.
    Alone,
}

/// How many more products a worker packs, at most, after it has asked to be killed anywhere.
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
        // The one before was killed with the last product in its hands.
        next.ask(&order);
        if !wait_for_driver(&floor.driver) {
            return Done::Alone;
        }
    }
    Done::Packed(took)
}

/// The next kill of this worker, and whether it has asked for it.
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

    /// Whether to wait for the kill with product number `done` in hand; asks for it in time.
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

/// Sleeps until the driver unlocks `lock`, or kills this worker; false if the driver died.
fn wait_for_driver(lock: &Mutex<()>) -> bool {
    lock.lock().is_ok()
}

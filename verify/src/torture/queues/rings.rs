//! Work at a ring for two: a process that gets an end of it is its producer, or its consumer, for a
//! while.

use std::time::Instant;

use crossdock::queue::spsc::{Consumer, Producer};
use crossdock::queue::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crossdock::segment::ClaimError;

use crate::torture::traffic::item::{Item, NOTHING};
use crate::torture::traffic::{Worker, leave};
use crate::torture::worker::Ended;

use super::notes::{BATCH, ItemNotes};
use super::worker::{Order, wrong};
use super::yard::Lines;

/// Stays at one of the rings, at an end that is free.
pub(crate) fn stay<T: Item>(worker: &mut Worker<ItemNotes>, lines: &Lines<T>) -> Result<(), Ended> {
    let number = worker.random.index(lines.rings.len());
    let (ring, line) = (&lines.rings[number], lines.first_ring + number);
    // One in a few is killed, or leaves, with the end in its hands.
    let forgets = worker.random.below(50) == 0;
    if worker.random.below(2) == 0 {
        let Some(mut end) = free(line, ring.producer())? else {
            return Ok(());
        };
        worker.notes.count_send(line);
        worker.repeat(|worker| push(worker, line, &mut end))?;
        leave(end, forgets)
    } else {
        let Some(mut end) = free(line, ring.consumer())? else {
            return Ok(());
        };
        worker.notes.count_receive(line);
        worker.repeat(|worker| pop(worker, line, &mut end))?;
        leave(end, forgets)
    }
}

/// An end, unless a process has it.
fn free<E>(line: usize, claimed: Result<E, ClaimError>) -> Result<Option<E>, Ended> {
    match claimed {
        Ok(end) => Ok(Some(end)),
        Err(ClaimError::RoleTaken { .. }) => Ok(None),
        Err(error) => Err(wrong(line, error)),
    }
}

/// Sends one item or some; false if no process receives.
fn push<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &mut Producer<T>,
) -> Result<bool, Ended> {
    let mut goes_on = true;
    let way = worker.random.below(5);
    let count = match way {
        0 => 1 + worker.random.index(BATCH),
        _ => 1,
    };
    let sent = worker.send(line, count, |worker, items: &[T]| {
        let item = items[0];
        let pushed = match way {
            0 => return end.push_slice(items).map_err(|error| wrong(line, error)),
            1 => end.try_push(item).map_err(SendTimeoutError::from),
            2 => end.push_timeout(item, worker.time()),
            3 => end.push(item).map_err(SendTimeoutError::from),
            _ => end.push_timeout(item, Instant::now() + worker.time()),
        };
        match pushed {
            Ok(()) => Ok(1),
            Err(SendTimeoutError::Timeout(back)) => unsent(&item, &back),
            Err(SendTimeoutError::Disconnected(back)) => {
                goes_on = false;
                unsent(&item, &back)
            }
            Err(error) => Err(wrong(line, error)),
        }
    })?;
    Ok(goes_on && sent.is_some())
}

/// None was sent; what came back must be what was to be sent.
pub(super) fn unsent<T: Item>(item: &T, back: &T) -> Result<usize, Ended> {
    if item.id() == back.id() {
        return Ok(0);
    }
    let (item, back) = (item.show(), back.show());
    Err(Ended::Wrong(format!("{back} came back for {item}")))
}

/// Receives one item or some; false if no process sends.
fn pop<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &mut Consumer<T>,
) -> Result<bool, Ended> {
    worker.notes.begin_to_receive();
    let popped = match worker.random.below(5) {
        0 => {
            let mut items = [NOTHING; BATCH].map(T::of);
            let most = 1 + worker.random.index(BATCH);
            let count = end
                .pop_slice(&mut items[..most])
                .map_err(|error| wrong(line, error))?;
            for item in &items[..count] {
                worker.arrived(line, item, Order::Kept)?;
            }
            Err(RecvTimeoutError::Timeout)
        }
        1 => end.try_pop().map_err(RecvTimeoutError::from),
        2 => end.pop_timeout(worker.time()),
        3 => end.pop().map_err(RecvTimeoutError::from),
        _ => end.pop_timeout(Instant::now() + worker.time()),
    };
    let goes_on = match popped {
        Ok(item) => {
            worker.arrived(line, &item, Order::Kept)?;
            true
        }
        Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
        Err(error) => return Err(wrong(line, error)),
    };
    worker.notes.end_of_receiving();
    Ok(goes_on)
}

/// Pops all that is left.
pub(super) fn drain<T: Item>(
    worker: &mut Worker<ItemNotes>,
    lines: &Lines<T>,
) -> Result<(), Ended> {
    for (ring, line) in lines.rings.iter().zip(lines.first_ring..) {
        let mut end = ring.consumer().map_err(|error| wrong(line, error))?;
        loop {
            match end.try_pop() {
                Ok(item) => worker.arrived(line, &item, Order::Kept)?,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                Err(error) => return Err(wrong(line, error)),
            }
        }
    }
    Ok(())
}

/// Fills every ring to its capacity and empties it again.
pub(super) fn fill<T: Item>(worker: &mut Worker<ItemNotes>, lines: &Lines<T>) -> Result<(), Ended> {
    for (ring, line) in lines.rings.iter().zip(lines.first_ring..) {
        let mut end = ring.producer().map_err(|error| wrong(line, error))?;
        worker.fill(line, ring.capacity(), |item: T| match end.try_push(item) {
            Ok(()) => Ok(1),
            Err(TrySendError::Full(_)) => Ok(0),
            Err(error) => Err(wrong(line, error)),
        })?;
    }
    drain(worker, lines)
}

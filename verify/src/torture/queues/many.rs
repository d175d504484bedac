//! Work at a queue: any process sends and receives, counted or not, and sometimes over the full.

use std::time::Instant;

use crossdock::queue::{
    Queue, Received, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError, Wait,
};

use crate::torture::traffic::item::{Item, NOTHING};
use crate::torture::traffic::{Worker, leave};
use crate::torture::worker::Ended;

use super::notes::{BATCH, ItemNotes};
use super::rings::unsent;
use super::worker::{Order, wrong};
use super::yard::{Lines, is_counted};

/// Stays at one of the queues, on one side.
pub(super) fn stay<T: Item>(worker: &mut Worker<ItemNotes>, lines: &Lines<T>) -> Result<(), Ended> {
    let number = worker.random.index(lines.queues.len());
    let line = lines.first_queue + number;
    let wait = match worker.random.below(8) {
        0 => Wait::Park,
        1 => Wait::Spin,
        _ => Wait::Adaptive,
    };
    let queue = lines.queues[number].clone().with_wait(wait);
    let counted = is_counted(line) && worker.random.below(4) > 0;
    // One in a few dies with its handle in its hands.
    let forgets = worker.random.below(50) == 0;
    if worker.random.below(2) == 0 {
        worker.notes.count_send(line);
        let forces = worker.random.below(8) == 0;
        let work = |worker: &mut Worker<ItemNotes>, end: &Queue<T>| {
            worker.repeat(|worker| match forces {
                true => force(worker, line, end),
                false => send(worker, line, end, counted),
            })
        };
        if !counted {
            return work(worker, &queue);
        }
        let sender = queue.sender().map_err(|error| wrong(line, error))?;
        work(worker, &sender)?;
        leave(sender, forgets)
    } else {
        worker.notes.count_receive(line);
        let work = |worker: &mut Worker<ItemNotes>, end: &Queue<T>| {
            worker.repeat(|worker| receive(worker, line, end, counted))
        };
        if !counted {
            return work(worker, &queue);
        }
        let receiver = queue.receiver().map_err(|error| wrong(line, error))?;
        work(worker, &receiver)?;
        leave(receiver, forgets)
    }
}

/// No process is counted at the other side just now; where no process ever is, that must not be
/// said.
fn disconnected(line: usize) -> Result<(), Ended> {
    if is_counted(line) {
        return Ok(());
    }
    let what = format!("line {line} says that the other side is gone, where no process is counted");
    Err(Ended::Wrong(what))
}

/// Sends one item or some; false if no process receives. Where receivers are `counted` it may wait
/// as long as it takes: it is told when the last of them has gone.
fn send<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &Queue<T>,
    counted: bool,
) -> Result<bool, Ended> {
    let mut goes_on = true;
    let way = worker.random.below(6);
    let count = match way {
        0 => 1 + worker.random.index(BATCH),
        _ => 1,
    };
    let sent = worker.send(line, count, |worker, items: &[T]| {
        let item = items[0];
        let outcome = match way {
            0 => match end.send_slice(items) {
                Ok(sent) => return Ok(sent),
                Err(TrySendError::Full(()) | TrySendError::Busy(())) => return Ok(0),
                Err(TrySendError::Disconnected(())) => Err(SendTimeoutError::Disconnected(item)),
                Err(error) => return Err(wrong(line, error)),
            },
            1 | 2 => end.try_send(item).map_err(SendTimeoutError::from),
            3 if counted => end.send(item).map_err(SendTimeoutError::from),
            3 | 4 => end.send_timeout(item, worker.time()),
            _ => end.send_timeout(item, Instant::now() + worker.time()),
        };
        match outcome {
            Ok(()) => Ok(1),
            Err(SendTimeoutError::Timeout(back)) => unsent(&item, &back),
            Err(SendTimeoutError::Disconnected(back)) => {
                goes_on = false;
                disconnected(line)?;
                unsent(&item, &back)
            }
            Err(error) => Err(wrong(line, error)),
        }
    })?;
    Ok(goes_on && sent.is_some())
}

/// Sends one item, and receives the oldest if there is no room; false if no process receives.
fn force<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &Queue<T>,
) -> Result<bool, Ended> {
    let mut goes_on = true;
    worker.notes.begin_to_receive();
    let sent = worker.send(line, 1, |worker, items: &[T]| {
        match end.force_send(items[0]) {
            Ok(None) => Ok(1),
            Ok(Some(dropped)) => {
                worker.arrived(line, &dropped, Order::Untold)?;
                Ok(1)
            }
            Err(SendError::Disconnected(back)) => {
                goes_on = false;
                disconnected(line)?;
                unsent(&items[0], &back)
            }
            Err(error) => Err(wrong(line, error)),
        }
    })?;
    worker.notes.end_of_receiving();
    Ok(goes_on && sent.is_some())
}

/// What an attempt to receive came to.
enum Came<T> {
    One(T, Order),
    /// Nothing is there now.
    Nothing,
    /// Nothing is there, and no process is counted that could send.
    Gone,
}

/// Receives one item or some; false if no process sends. As for [`send`], if senders are `counted`.
fn receive<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &Queue<T>,
    counted: bool,
) -> Result<bool, Ended> {
    let told = |Received {
                    value, redelivered, ..
                }| match redelivered {
        true => Came::One(value, Order::Redelivered),
        false => Came::One(value, Order::Kept),
    };
    let untold = |value| Came::One(value, Order::Untold);
    worker.notes.begin_to_receive();
    let deadline = Instant::now() + worker.time();
    let came = match worker.random.below(14) {
        0 => tried(slice(worker, line, end)?),
        1 => tried(each(worker, line, end)?),
        2 => waited(end.recv_timeout(worker.time()).map(untold)),
        3 => waited(end.recv_timeout(deadline).map(untold)),
        4 => tried(end.try_recv().map(untold)),
        5 if counted => waited(end.recv().map(untold)),
        6 if counted => waited(end.recv_marked().map(told)),
        7 if counted => waited(
            end.iter()
                .next()
                .unwrap_or(Err(RecvError::Disconnected))
                .map(untold),
        ),
        5..10 => tried(end.try_recv_marked().map(told)),
        10..12 => waited(end.recv_marked_timeout(worker.time()).map(told)),
        _ => waited(end.recv_marked_timeout(deadline).map(told)),
    };
    let goes_on = match came {
        Ok(Came::One(item, order)) => {
            worker.arrived(line, &item, order)?;
            true
        }
        Ok(Came::Nothing) => true,
        Ok(Came::Gone) => {
            disconnected(line)?;
            false
        }
        Err(error) => return Err(Ended::Wrong(format!("line {line}: {error}"))),
    };
    worker.notes.end_of_receiving();
    Ok(goes_on)
}

/// Receives some, and marks them.
fn slice<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &Queue<T>,
) -> Result<Result<Came<T>, TryRecvError>, Ended> {
    let mut items = [T::of(NOTHING); BATCH];
    let most = 1 + worker.random.index(BATCH);
    let count = match end.recv_slice(&mut items[..most]) {
        Ok(count) => count,
        Err(error) => return Ok(Err(error)),
    };
    for item in &items[..count] {
        worker.arrived(line, item, Order::Untold)?;
    }
    Ok(Ok(Came::Nothing))
}

/// Receives one after the other, and marks each.
fn each<T: Item>(
    worker: &mut Worker<ItemNotes>,
    line: usize,
    end: &Queue<T>,
) -> Result<Result<Came<T>, TryRecvError>, Ended> {
    let most = 1 + worker.random.index(BATCH);
    for item in end.try_iter().take(most) {
        match item {
            Ok(item) => worker.arrived(line, &item, Order::Untold)?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(Came::Nothing))
}

fn tried<T>(outcome: Result<Came<T>, TryRecvError>) -> Result<Came<T>, String> {
    match outcome {
        Err(TryRecvError::Empty | TryRecvError::Busy) => Ok(Came::Nothing),
        Err(TryRecvError::Disconnected) => Ok(Came::Gone),
        other => other.map_err(|error| error.to_string()),
    }
}

fn waited<T, E: Into<RecvTimeoutError>>(outcome: Result<Came<T>, E>) -> Result<Came<T>, String> {
    match outcome.map_err(Into::into) {
        Err(RecvTimeoutError::Timeout) => Ok(Came::Nothing),
        Err(RecvTimeoutError::Disconnected) => Ok(Came::Gone),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Receives all that is left, where no other process is any more.
pub(super) fn drain<T: Item>(
    worker: &mut Worker<ItemNotes>,
    lines: &Lines<T>,
) -> Result<(), Ended> {
    for (queue, line) in lines.queues.iter().zip(lines.first_queue..) {
        loop {
            match queue.try_recv_marked() {
                Ok(Received {
                    value, redelivered, ..
                }) => {
                    let order = match redelivered {
                        true => Order::Redelivered,
                        false => Order::Kept,
                    };
                    worker.arrived(line, &value, order)?;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => break disconnected(line)?,
                Err(error) => return Err(wrong(line, error)),
            }
        }
        if !queue.is_empty() {
            let len = queue.len();
            return Err(Ended::Wrong(format!(
                "line {line} is drained and says that {len} items are in it"
            )));
        }
    }
    Ok(())
}

/// Fills every queue to its capacity and empties it again.
pub(super) fn fill<T: Item>(worker: &mut Worker<ItemNotes>, lines: &Lines<T>) -> Result<(), Ended> {
    for (queue, line) in lines.queues.iter().zip(lines.first_queue..) {
        // Where receivers are counted there must be one.
        let _receiver = match is_counted(line) {
            true => Some(queue.receiver().map_err(|error| wrong(line, error))?),
            false => None,
        };
        worker.fill(line, queue.capacity(), |item: T| {
            match queue.try_send(item) {
                Ok(()) => Ok(1),
                Err(TrySendError::Full(_)) => Ok(0),
                Err(error) => Err(wrong(line, error)),
            }
        })?;
    }
    drain(worker, lines)
}

/// Closes every queue, and looks whether it ends; no other process is there.
pub(super) fn close<T: Item>(lines: &Lines<T>) -> Result<(), Ended> {
    for (queue, line) in lines.queues.iter().zip(lines.first_queue..) {
        queue.close();
        let refuses = matches!(
            queue.try_send(T::of(NOTHING)),
            Err(TrySendError::Disconnected(_))
        );
        let ends = matches!(queue.try_recv(), Err(TryRecvError::Disconnected));
        if !queue.is_closed() || !refuses || !ends {
            return Err(Ended::Wrong(format!("line {line} does not end")));
        }
    }
    Ok(())
}

//! A worker at work queues: sends, receives and makes an end of messages here and there.

use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{RecvError, WaitIdleError};

use super::ledger::LANE_ITEMS;
use super::notes::TaskNotes;
use super::yard::{LINES, Visit, Yard, is_counted, nothing};
use crate::line::{Held, Line, Patience, Refused};
use crate::process::Rig;
use crate::torture::traffic::item::Id;
use crate::torture::traffic::{Counted, Worker, WorkerNotes, leave};
use crate::torture::worker::Ended;
use crate::torture::{has_bug, in_this_order};

/// How many messages a worker has in its hands at most.
const HANDS: usize = 3;
/// The longest time after which a message comes again.
const LONGEST_DELAY: Duration = Duration::from_millis(3);

/// An error that a line must not give.
fn wrong(line: usize, error: impl std::fmt::Display) -> Ended {
    Ended::Wrong(format!("line {line}: {error}"))
}

/// A message in a worker's hands.
struct InHand<H> {
    held: H,
    id: Id,
    /// Of a dead letter: how many of its deliveries were not noted.
    letter: Option<u64>,
}

impl WorkerNotes for TaskNotes {
    const LINES: usize = LINES;
    const OPERATIONS: u64 = 1000;
    type Yard = Yard;

    fn open(segment: &Segment) -> Rig<Yard> {
        Yard::open(segment)
    }

    fn stay(worker: &mut Worker<'_, Self>, yard: &Yard) -> Result<(), Ended> {
        yard.visit(worker.random.index(LINES), worker)
    }

    fn advance(&self) {
        (**self).advance();
    }

    fn counted(&self, line: usize) -> Counted {
        (**self).counted(line)
    }
}

impl Visit for Worker<'_, TaskNotes> {
    type Error = Ended;

    /// Stays at a line, on one side.
    fn visit<L: Line>(&mut self, number: usize, line: &L) -> Result<(), Ended> {
        let counted = is_counted(number) && self.random.below(4) > 0;
        // One in a few dies with its handle in its hands.
        let forgets = self.random.below(50) == 0;
        if self.random.below(5) < 2 {
            self.notes.count_send(number);
            if !counted {
                return self.repeat(|this| this.send(number, line, false));
            }
            let sender = line.count_sender().map_err(|error| wrong(number, error))?;
            self.repeat(|this| this.send(number, line, true))?;
            leave(sender, forgets)
        } else {
            self.notes.count_receive(number);
            if !counted {
                return self.receive(number, line, forgets);
            }
            let receiver = line
                .count_receiver()
                .map_err(|error| wrong(number, error))?;
            self.receive(number, line, forgets)?;
            leave(receiver, forgets)
        }
    }
}

/// No process is counted at the other side just now; where no process ever is, that must not be
/// said.
fn gone(line: usize) -> Result<(), Ended> {
    if is_counted(line) {
        return Ok(());
    }
    let what = "it says that the other side is gone, where no process is counted";
    Err(wrong(line, what))
}

impl Worker<'_, TaskNotes> {
    /// How long to wait: mostly not long; where a process `tells` of the end, also as long as it
    /// takes.
    fn patience(&mut self, tells: bool) -> Patience {
        let time = self.time();
        match self.random.below(16) {
            0 if tells => Patience::Ever,
            0..3 => Patience::For(time),
            _ => Patience::Try,
        }
    }

    /// Whether to stay where no process is at the other side: mostly, or two would hardly meet.
    fn stays_alone(&mut self) -> bool {
        std::thread::yield_now();
        self.random.below(64) > 0
    }

    /// Sends the next message of its lane; false if no process receives, or the lane is used up.
    fn send<L: Line>(&mut self, number: usize, line: &L, counted: bool) -> Result<bool, Ended> {
        let patience = self.patience(counted);
        Ok(match self.send_next(number, line, patience)? {
            None => false,
            Some(Err(Refused::Gone)) => self.stays_alone(),
            Some(_) => true,
        })
    }

    /// Sends the next message of its lane; `None` if the lane is used up.
    fn send_next<L: Line>(
        &mut self,
        number: usize,
        line: &L,
        patience: Patience,
    ) -> Result<Option<Result<(), Refused>>, Ended> {
        let id = self.ledger.next_id(number, self.slot)?;
        let lane = usize::from(id.lane);
        if id.number + 1 >= LANE_ITEMS {
            return Ok(None);
        }
        let way = self.random.below(16);
        if way == 0 {
            // Never sent, also if the worker dies with it.
            if let Err(Refused::Wrong(what)) = line.send_loan(nothing(), patience, true) {
                return Err(wrong(number, what));
            }
        }
        self.notes.begin_to_send(lane, id.number, 1);
        // Before it is sent, so that no number is given out twice.
        self.ledger.set_next(lane, id.number + 1);
        in_this_order();
        let broken = match way {
            1 if L::BREAKS => {
                // Its receiver makes a dead letter of it.
                let noted = self.ledger.reject(id);
                noted.map_err(|what| wrong(number, what))?;
                in_this_order();
                line.send_broken(id.word(), patience)
            }
            _ => None,
        };
        let sent = match (broken, way) {
            // The seeded bug: a message that is not sent.
            _ if has_bug() && id.number == 7 => Ok(()),
            (Some(sent), _) => sent,
            (None, ..8) => line.send(id.word(), patience),
            (None, _) => line.send_loan(id.word(), patience, false),
        };
        in_this_order();
        match &sent {
            Ok(()) => {}
            Err(Refused::Wrong(what)) => return Err(wrong(number, what)),
            Err(refused) => {
                self.ledger.set_next(lane, id.number);
                if matches!(refused, Refused::Gone) {
                    gone(number)?;
                }
            }
        }
        self.notes.end_of_sending();
        Ok(Some(sent))
    }

    /// Receives messages, holds some, and makes an end of them, or gives them back.
    fn receive<L: Line>(&mut self, number: usize, line: &L, forgets: bool) -> Result<(), Ended> {
        let mut hands = Vec::with_capacity(HANDS);
        let worked = self.repeat(|this| {
            if hands.len() < HANDS && this.random.below(3) > 0 {
                // Not as long as it takes: the queue may be full of dead letters, or of what it has
                // in its hands.
                let patience = this.patience(false);
                match this.take(number, line, patience)? {
                    Ok(one) => hands.push(one),
                    Err(Refused::Gone) => return Ok(this.stays_alone()),
                    Err(_) => {}
                }
            } else if !hands.is_empty() {
                let one = hands.swap_remove(this.random.index(hands.len()));
                this.finish(number, one)?;
            } else if this.random.below(4) == 0 {
                hands.extend(this.take_letter(number, line)?);
            } else if this.random.below(32) == 0 {
                let most = Duration::from_millis(4);
                let patience = Patience::For(this.random.time_below(most));
                match line.wait_idle(patience) {
                    Ok(()) | Err(WaitIdleError::Timeout) => {}
                    Err(error) => return Err(wrong(number, error)),
                }
            }
            Ok(true)
        });
        if forgets {
            // It dies with all of them.
            std::mem::forget(hands);
            worked?;
            return Err(Ended::Replaced);
        }
        worked
    }

    /// Receives a message, and notes it.
    fn take<'q, L: Line>(
        &mut self,
        number: usize,
        line: &'q L,
        patience: Patience,
    ) -> Result<Result<InHand<L::Held<'q>>, Refused>, Ended> {
        self.notes.begin_to_receive();
        let taken = match line.receive(patience) {
            Ok(held) => {
                let id = self.read(number, &held)?;
                let unnoted = self.ledger.deliver(id, held.attempt());
                let unnoted = unnoted.map_err(|what| wrong(number, what))?;
                self.notes.count_delivery(held.attempt() > 1, unnoted);
                Ok(InHand {
                    held,
                    id,
                    letter: None,
                })
            }
            Err(Refused::Wrong(what)) => return Err(wrong(number, what)),
            Err(refused) => {
                if matches!(refused, Refused::Gone) {
                    gone(number)?;
                }
                Err(refused)
            }
        };
        self.notes.end_of_receiving();
        Ok(taken)
    }

    /// Takes a dead letter.
    fn take_letter<'q, L: Line>(
        &mut self,
        number: usize,
        line: &'q L,
    ) -> Result<Option<InHand<L::Held<'q>>>, Ended> {
        let letter = line
            .letter()
            .map_err(|error: RecvError| wrong(number, error))?;
        let Some(held) = letter else {
            return Ok(None);
        };
        let id = self.read(number, &held)?;
        let unnoted = self.ledger.bury(id, line.max_attempts());
        let unnoted = unnoted.map_err(|what| wrong(number, what))?;
        Ok(Some(InHand {
            held,
            id,
            letter: Some(unnoted),
        }))
    }

    /// Which message it is.
    fn read(&self, number: usize, held: &impl Held) -> Result<Id, Ended> {
        let id = held
            .word()
            .and_then(Id::of)
            .ok_or_else(|| wrong(number, "a torn message came"))?;
        let line = self.ledger.numbering().line_of(id.lane.into());
        if line != number {
            return Err(wrong(number, format!("{id} came, which is of line {line}")));
        }
        Ok(id)
    }

    /// Acknowledges a message, or does something else with it.
    fn finish<H: Held>(&mut self, number: usize, one: InHand<H>) -> Result<(), Ended> {
        match self.random.below(16) {
            0 => drop(one.held),
            1 => one.held.nack(Duration::ZERO)?,
            2 => {
                let delay = self.random.time_below(LONGEST_DELAY);
                one.held.nack(delay)?;
            }
            3 => {
                let noted = self.ledger.reject(one.id);
                noted.map_err(|what| wrong(number, what))?;
                in_this_order();
                one.held.reject()?;
            }
            _ => self.end(number, one)?,
        }
        Ok(())
    }

    /// Acknowledges a message, and notes that it is done.
    fn end<H: Held>(&mut self, number: usize, one: InHand<H>) -> Result<(), Ended> {
        let still_torn = one.held.word().and_then(Id::of) != Some(one.id);
        if still_torn {
            let what = format!("{} was changed in a holder's hands", one.id);
            return Err(wrong(number, what));
        }
        self.notes.begin_to_end(one.id.word());
        one.held.ack()?;
        in_this_order();
        let noted = self.ledger.end(one.id);
        noted.map_err(|what| wrong(number, what))?;
        self.notes.end_of_ending();
        self.notes.count_end(number, one.letter);
        Ok(())
    }
}

/// What the only worker left does at each line when a round is over: all that is left, one after
/// the other.
pub(crate) struct Last<'a, 'b>(pub(crate) &'b mut Worker<'a, TaskNotes>);

/// How long a message that comes again may take.
const LATE: Duration = Duration::from_millis(50);
/// How long a queue may take to be idle, where no other process is.
const IDLE: Patience = Patience::For(Duration::from_secs(5));

impl Visit for Last<'_, '_> {
    type Error = Ended;

    /// Makes an end of all that is left, fills the line, and empties it again.
    fn visit<L: Line>(&mut self, number: usize, line: &L) -> Result<(), Ended> {
        self.drain(number, line)?;
        // Where receivers are counted there must be one.
        let _receiver = match is_counted(number) {
            true => Some(
                line.count_receiver()
                    .map_err(|error| wrong(number, error))?,
            ),
            false => None,
        };
        let (mut sent, mut used) = (0, 0);
        loop {
            let id = self.0.ledger.next_id(number, self.0.slot)?;
            match self.0.send_next(number, line, Patience::Try)? {
                Some(Ok(())) => (sent, used) = (sent + 1, used + line.cells(id.word())),
                Some(Err(Refused::Nothing)) if used + line.cells(id.word()) > line.capacity() => {
                    break;
                }
                other => {
                    let what = format!("it takes {sent} messages, then gives {other:?}");
                    return Err(wrong(number, what));
                }
            }
        }
        if line.is_idle() {
            return Err(wrong(number, "it is full, and idle"));
        }
        self.drain(number, line)
    }
}

impl Last<'_, '_> {
    fn drain<L: Line>(&mut self, number: usize, line: &L) -> Result<(), Ended> {
        loop {
            match self.0.take(number, line, Patience::Try)? {
                Ok(one) => self.0.end(number, one)?,
                Err(_) if line.is_idle() => break,
                // Something is not due yet.
                Err(_) => match self.0.take(number, line, Patience::For(LATE))? {
                    Ok(one) => self.0.end(number, one)?,
                    Err(_) => return Err(wrong(number, "nothing comes, and it is not idle")),
                },
            }
        }
        while let Some(letter) = self.0.take_letter(number, line)? {
            self.0.end(number, letter)?;
        }
        line.wait_idle(IDLE).map_err(|error| wrong(number, error))?;
        if line.room() != line.capacity() {
            let (room, all) = (line.room(), line.capacity());
            let what = format!("{room} of {all} cells are free when all is done");
            return Err(wrong(number, what));
        }
        Ok(())
    }
}

/// Closes a line, and looks whether it ends; no other process is there.
pub(crate) struct Close;

impl Visit for Close {
    type Error = Ended;

    fn visit<L: Line>(&mut self, number: usize, line: &L) -> Result<(), Ended> {
        line.close();
        let refuses = matches!(line.send(nothing(), Patience::Try), Err(Refused::Gone));
        let ends = matches!(line.receive(Patience::Try), Err(Refused::Gone));
        if !line.is_closed() || !refuses || !ends {
            return Err(wrong(number, "it does not end"));
        }
        Ok(())
    }
}

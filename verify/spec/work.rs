//! A work queue: what waits, what came back, what is held, what was given up.
//!
//! A message that comes back may come in any order, before what was not delivered yet. What a
//! process did not announce yet, or died with, is found by a process that waits, and may be found
//! by others.

mod op;

use crate::{Actor, Specification};
use End::{Ack, Delay, Nack, Reject};
use Returned::{Count, Done, Gone, Got, Is, Nothing};
pub use op::{End, Message, Op, Returned, Side};

/// A message in the hands of a process, or in those of the dead.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Held {
    by: Option<Actor>,
    message: Message,
    is_letter: bool,
}

/// The room that a process has taken for a message, or one that died.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Loan {
    by: Option<Actor>,
    /// It is a send that has begun.
    sends: bool,
    /// What the sender is told in the end, if there was no room.
    refused: Option<Returned>,
}

/// The processes that are counted at one side.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ends {
    alive: Vec<Actor>,
    /// Some were, and are no more.
    left: bool,
    /// One of them has died, and no process has found that out.
    unknown: bool,
}

/// Whether something is so.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    No,
    /// A process that waits finds out.
    Maybe,
    Yes,
}

/// A work queue between two operations.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    room: usize,
    attempts: u8,
    /// Those that were not delivered yet, in their order.
    waiting: Vec<Message>,
    /// Those to be redelivered; whether that was announced.
    returned: Vec<(Message, bool)>,
    delayed: usize,
    letters: Vec<Message>,
    held: Vec<Held>,
    loans: Vec<Loan>,
    unreadable: Vec<u32>,
    is_closed: bool,
    ends: [Ends; 2],
}

impl Default for Work {
    fn default() -> Self {
        Self::new(5, 3)
    }
}

type Outcomes = Vec<(Returned, Work)>;

impl Work {
    /// One with room for so many messages, each of which is delivered so often.
    #[must_use]
    pub fn new(room: usize, attempts: u8) -> Self {
        Self {
            room,
            attempts,
            waiting: Vec::new(),
            returned: Vec::new(),
            delayed: 0,
            letters: Vec::new(),
            held: Vec::new(),
            loans: Vec::new(),
            unreadable: Vec::new(),
            is_closed: false,
            ends: Default::default(),
        }
    }

    /// All that the operation of a process may come to; none if it blocks.
    #[must_use]
    pub fn outcomes(&self, op: Op, by: Actor) -> Outcomes {
        let always = |change: &dyn Fn(&mut Self)| vec![(Done, self.with(change))];
        match op {
            Op::Send(word) | Op::LoanSend(word) => self.sends(by, true, word),
            Op::TrySend(word) => self.sends(by, false, word),
            Op::TrySendUnreadable(word) => {
                let note = |next: &mut Self| next.unreadable.push(word);
                self.with(note).sends(by, false, word)
            }
            Op::TryLoan => self.loans(by, false, false),
            Op::Begin => self.loans(by, true, true),
            Op::TryBegin => self.loans(by, false, true),
            Op::Commit(word, which) => self.commits(by, word, which),
            Op::LoanDrop(_) => self.then(self.loans(by, true, true), Op::GiveUp(0), by),
            Op::GiveUp(which) => always(&|next| {
                next.take_loan(by, which);
            }),
            Op::Recv => self.receives(by, true),
            Op::TryRecv => self.receives(by, false),
            Op::TakeUnreadable => {
                let mut taken = self.deliveries(by);
                taken.retain(|(got, _)| self.unreadable.contains(&got.word));
                match taken.pop() {
                    None => vec![(Done, self.clone())],
                    Some((_, next)) => vec![(Done, next)],
                }
            }
            Op::End(end, which) => vec![self.ended(by, end, which)],
            Op::Return => {
                let (returned, mut next) = self.ended(by, Nack, 0);
                if next.returned.len() > self.returned.len()
                    && let Some((_, is_announced)) = next.returned.last_mut()
                {
                    *is_announced = false;
                }
                vec![(returned, next)]
            }
            Op::Announce => always(&Self::announce),
            Op::Letter => self.takes_letter(by),
            Op::Letters => vec![(Count(self.letters.len()), self.clone())],
            Op::Room => {
                let (free, of_the_dead) = self.free();
                let count = |more| (Count(free + more), self.clone());
                (0..=of_the_dead).map(count).collect()
            }
            Op::IsIdle => {
                let is = |is| (Is(is), self.clone());
                match self.is_idle() {
                    Known::No => vec![is(false)],
                    Known::Maybe => vec![is(false), is(true)],
                    Known::Yes => vec![is(true)],
                }
            }
            Op::WaitIdle if self.is_idle() == Known::No => Vec::new(),
            Op::WaitIdle => always(&|_| ()),
            Op::Close => always(&|next| next.is_closed = true),
            Op::IsClosed => vec![(Is(self.is_closed), self.clone())],
            Op::Join(side) => always(&|next| next.ends[side as usize].alive.push(by)),
            Op::Leave(side) => always(&|next| next.ends[side as usize].leaves(by, false)),
            Op::Reap => always(&Self::reap),
        }
    }

    /// What is left if the operation of a process returns that; `None` if it cannot be.
    #[must_use]
    pub fn after(&self, op: Op, by: Actor, returned: Returned) -> Option<Self> {
        let mut outcomes = self.outcomes(op, by).into_iter();
        let (_, left) = outcomes.find(|(what, _)| *what == returned)?;
        Some(left)
    }

    /// Whether a receiver that waits gets a message.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        let mut outcomes = self.receives(Actor::Waiter, true).into_iter();
        outcomes.any(|(returned, _)| matches!(returned, Got(_)))
    }

    /// How many messages there are that were sent, and are not done.
    fn undone(&self) -> usize {
        let held = self.held.iter().filter(|held| !held.is_letter);
        self.waiting.len() + self.returned.len() + self.delayed + held.count()
    }

    /// How many messages there are that were sent, and are not done, which a receiver can read.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.undone().saturating_sub(self.unreadable.len())
    }

    /// Whether it is as a new one, but for what the dead have not given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.undone() + self.letters.len() + self.held.len() == 0
    }

    /// Whether no message is there that can be taken.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.undone() - self.delayed + self.letters.len() + self.held.len() == 0
    }

    /// Whether a process was counted at that side, and none is.
    #[must_use]
    pub fn has_left(&self, side: Side) -> bool {
        self.ends[side as usize].has_left() != Known::No
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    /// The operation, if the first part came to something.
    fn then(&self, first: Outcomes, op: Op, by: Actor) -> Outcomes {
        let all = first.into_iter();
        all.flat_map(|(_, next)| next.outcomes(op, by)).collect()
    }

    /// How many more messages there is room for, and for how many there is when the dead are found.
    fn free(&self) -> (usize, usize) {
        let is_lent = |loan: &&Loan| loan.refused.is_none();
        let dead = self.loans.iter().filter(|loan| loan.by.is_none()).count();
        let lent = self.loans.iter().filter(is_lent).count();
        let there = self.waiting.len() + self.returned.len() + self.letters.len();
        let used = there + self.delayed + self.held.len() + lent;
        (self.room.saturating_sub(used), dead)
    }

    fn sends(&self, by: Actor, waits: bool, word: u32) -> Outcomes {
        let which = self.loans.iter().filter(|loan| loan.by == Some(by)).count();
        self.then(self.loans(by, waits, true), Op::Commit(word, which), by)
    }

    /// Takes the room of a message. A send that has begun tells only in its end that there is none.
    fn loans(&self, by: Actor, waits: bool, sends: bool) -> Outcomes {
        let (free, of_the_dead) = self.free();
        let lend = |refused: Option<Returned>| {
            self.with(|next| {
                let is_dead = |loan: &Loan| loan.by.is_none();
                if free == 0
                    && refused.is_none()
                    && let Some(at) = next.loans.iter().position(is_dead)
                {
                    next.loans.remove(at);
                }
                next.loans.push(Loan {
                    by: Some(by),
                    sends,
                    refused,
                });
            })
        };
        let refuse = |with| match sends {
            true => (Done, lend(Some(with))),
            false => (with, self.clone()),
        };
        let over = self.is_over(Side::Sender);
        let mut outcomes = Vec::new();
        if over != Known::Yes && free + of_the_dead > 0 {
            outcomes.push((Done, lend(None)));
        }
        if over != Known::No {
            outcomes.push(refuse(Gone));
        }
        if over != Known::Yes && free == 0 && !waits {
            outcomes.push(refuse(Nothing));
        }
        outcomes
    }

    fn take_loan(&mut self, by: Actor, which: usize) -> Option<Loan> {
        let mut at = (0..self.loans.len()).filter(|at| self.loans[*at].by == Some(by));
        let at = at.nth(which)?;
        Some(self.loans.remove(at))
    }

    fn commits(&self, by: Actor, word: u32, which: usize) -> Outcomes {
        let mut next = self.clone();
        let refused = match next.take_loan(by, which) {
            None => Some(Done),
            Some(loan) => loan.refused,
        };
        if let Some(returned) = refused {
            return vec![(returned, next)];
        }
        let over = self.is_over(Side::Sender);
        let sent = next.with(|next| next.waiting.push(Message { word, attempts: 0 }));
        let mut outcomes = Vec::new();
        if over != Known::Yes {
            outcomes.push((Done, sent));
        }
        if over != Known::No {
            outcomes.push((Gone, next));
        }
        outcomes
    }

    /// A process has a message, or a dead letter.
    fn hold(mut self, by: Actor, message: Message, is_letter: bool) -> (Message, Self) {
        self.held.push(Held {
            by: Some(by),
            message,
            is_letter,
        });
        (message, self)
    }

    /// The messages that a process may be given, and what is left then: unreadable ones, too.
    fn deliveries(&self, by: Actor) -> Vec<(Message, Self)> {
        let deliver = |message: Message, next: Self| {
            let attempts = message.attempts + 1;
            let got = Message {
                attempts,
                ..message
            };
            next.hold(by, got, false)
        };
        let mut all = Vec::new();
        for at in 0..self.returned.len() {
            let mut next = self.clone();
            let (message, _) = next.returned.remove(at);
            all.push(deliver(message, next));
        }
        for at in self.of_the_dead(|held| self.comes_again(held)) {
            let mut next = self.clone();
            let held = next.held.remove(at);
            all.push(deliver(held.message, next));
        }
        // Others may have looked for what came back before it did.
        if !self.waiting.is_empty() && (by != Actor::Other || !self.has_announced()) {
            let mut next = self.clone();
            let first = next.waiting.remove(0);
            all.push(deliver(first, next));
        }
        all
    }

    /// Where what the dead had is, if it is so.
    fn of_the_dead(&self, is: impl Fn(&Held) -> bool) -> Vec<usize> {
        let held = self.held.iter().enumerate();
        let dead = held.filter(|(_, held)| held.by.is_none() && is(held));
        dead.map(|(at, _)| at).collect()
    }

    /// Whether a message came back, and each receiver knows it.
    fn has_announced(&self) -> bool {
        let mut returned = self.returned.iter();
        returned.any(|(_, is_announced)| *is_announced)
    }

    /// Whether a message is redelivered if its holder gives it back.
    fn comes_again(&self, held: &Held) -> bool {
        !held.is_letter && held.message.attempts < self.attempts
    }

    fn receives(&self, by: Actor, waits: bool) -> Outcomes {
        let mut outcomes = Vec::new();
        for (got, next) in self.deliveries(by) {
            if self.unreadable.contains(&got.word) {
                let last = next.held.iter().filter(|held| held.by == Some(by)).count() - 1;
                outcomes.extend(next.ended(by, Reject, last).1.receives(by, waits));
            } else {
                outcomes.push((Got(got), next));
            }
        }
        if !self.waiting.is_empty() || self.has_announced() {
            return outcomes;
        }
        // What the asking process itself has is no reason to wait.
        let others = |held: &Held| held.by != Some(by) && self.comes_again(held);
        let over = self.is_over(Side::Receiver);
        let may_come =
            self.delayed > 0 || !self.returned.is_empty() || self.held.iter().any(others);
        if over != Known::No && !may_come {
            outcomes.push((Gone, self.clone()));
        }
        let sends = self.loans.iter().any(|loan| loan.sends);
        if !waits && (over != Known::Yes || may_come || sends) {
            outcomes.push((Nothing, self.clone()));
        }
        outcomes
    }

    /// Where the message of that number is among those that a process has.
    fn held_by(&self, by: Actor, which: usize) -> Option<usize> {
        let mut held = (0..self.held.len()).filter(|at| self.held[*at].by == Some(by));
        held.nth(which)
    }

    fn ended(&self, by: Actor, end: End, which: usize) -> (Returned, Self) {
        let mut next = self.clone();
        let Some(at) = self.held_by(by, which) else {
            return (Done, next);
        };
        let held = next.held.remove(at);
        match end {
            Ack => return (Got(held.message), next),
            Nack | End::Drop if self.comes_again(&held) => {
                next.returned.push((held.message, true));
            }
            Delay if self.comes_again(&held) => next.delayed += 1,
            Nack | End::Drop | Delay | Reject => next.bury(held.message),
        }
        (Done, next)
    }

    fn bury(&mut self, message: Message) {
        self.letters.push(Message {
            attempts: self.attempts,
            ..message
        });
    }

    fn takes_letter(&self, by: Actor) -> Outcomes {
        let mut outcomes = Vec::new();
        let mut take = |message, next: Self| {
            let (letter, next) = next.hold(by, message, true);
            outcomes.push((Got(letter), next));
        };
        for at in 0..self.letters.len() {
            let mut next = self.clone();
            let letter = next.letters.remove(at);
            take(letter, next);
        }
        for at in self.of_the_dead(|held| !self.comes_again(held)) {
            let mut next = self.clone();
            let held = next.held.remove(at);
            next.bury(held.message);
            let letter = next.letters.pop().unwrap_or(held.message);
            take(letter, next);
        }
        if self.letters.is_empty() {
            outcomes.push((Nothing, self.clone()));
        }
        outcomes
    }

    /// Whether all is done. What the dead had at its last attempt is, when they are found.
    fn is_idle(&self) -> Known {
        let last = |held: &&Held| held.by.is_none() && !held.is_letter && !self.comes_again(held);
        match self.undone() {
            0 => Known::Yes,
            undone if undone == self.held.iter().filter(last).count() => Known::Maybe,
            _ => Known::No,
        }
    }

    /// Whether one side is told that no process is at the other side any more.
    fn is_over(&self, side: Side) -> Known {
        let other = match side {
            Side::Sender => Side::Receiver,
            Side::Receiver => Side::Sender,
        };
        match self.is_closed {
            true => Known::Yes,
            false => self.ends[other as usize].has_left(),
        }
    }

    fn announce(&mut self) {
        for (_, is_announced) in &mut self.returned {
            *is_announced = true;
        }
    }

    fn reap(&mut self) {
        self.announce();
        self.loans.retain(|loan| loan.by.is_some());
        self.ends.iter_mut().for_each(|ends| ends.unknown = false);
        let (dead, held) = self.held.iter().partition(|held| held.by.is_none());
        self.held = held;
        let dead: Vec<Held> = dead;
        for held in dead {
            match self.comes_again(&held) {
                true => self.returned.push((held.message, true)),
                false => self.bury(held.message),
            }
        }
    }
}

impl Ends {
    fn leaves(&mut self, who: Actor, dies: bool) {
        if let Some(at) = self.alive.iter().position(|one| *one == who) {
            self.alive.remove(at);
            self.left = true;
            self.unknown |= dies;
        }
    }

    /// Whether some were counted, and none is.
    fn has_left(&self) -> Known {
        match (self.left && self.alive.is_empty(), self.unknown) {
            (false, _) => Known::No,
            (true, false) => Known::Yes,
            (true, true) => Known::Maybe,
        }
    }
}

impl Specification for Work {
    type Op = Op;
    type Ret = Returned;

    /// The first that it may come to.
    fn apply(&mut self, op: Op, by: Actor) -> Option<Returned> {
        let (returned, next) = self.choices(op, by).into_iter().next()?;
        *self = next;
        Some(returned)
    }

    fn choices(&self, op: Op, by: Actor) -> Outcomes {
        self.outcomes(op, by)
    }

    fn dies(&mut self, who: Actor) {
        let is_of = |by: &mut Option<Actor>| {
            if *by == Some(who) {
                *by = None;
            }
        };
        // What was refused has no room.
        self.loans
            .retain(|loan| loan.by != Some(who) || loan.refused.is_none());
        self.loans.iter_mut().for_each(|loan| is_of(&mut loan.by));
        self.held.iter_mut().for_each(|held| is_of(&mut held.by));
        self.ends.iter_mut().for_each(|ends| ends.leaves(who, true));
    }
}

#[cfg(test)]
mod tests;

//! The work queue against an oracle: what waits, what is held, what was given up.

use std::collections::VecDeque;
use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{
    Delivery, Loan, SendError, TryRecvError, TrySendError, WorkOptions, WorkQueue,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// How many handles there are, each with its own idea of where the ends are.
const HANDLES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Send(u64),
    Loan,
    /// Sends one of the loans.
    SendLoan(usize),
    DropLoan(usize),
    Receive,
    TakeLetter,
    Ack(usize),
    Drop(usize),
    Nack(usize),
    Reject(usize),
    /// Gives it back for ever.
    Delay(usize),
    Glance,
    /// Sends and acknowledges so many, one after the other, while the other handles are idle.
    GoRound(u64),
    /// Replaces this handle by one that was idle since the queue was made.
    Idle,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let one = || any::<usize>();
    let step = prop_oneof![
        8 => any::<u64>().prop_map(Step::Send),
        3 => Just(Step::Loan),
        2 => one().prop_map(Step::SendLoan),
        1 => one().prop_map(Step::DropLoan),
        9 => Just(Step::Receive),
        2 => Just(Step::TakeLetter),
        5 => one().prop_map(Step::Ack),
        3 => one().prop_map(Step::Drop),
        2 => one().prop_map(Step::Nack),
        1 => one().prop_map(Step::Reject),
        1 => one().prop_map(Step::Delay),
        3 => Just(Step::Glance),
        2 => (0_u64..300).prop_map(Step::GoRound),
        2 => Just(Step::Idle),
    ];
    let steps = proptest::collection::vec((0..HANDLES, step), 0..100);
    (steps, any::<Option<prop::sample::Index>>()).prop_map(|(mut steps, close)| {
        if let Some(close) = close {
            steps.insert(close.index(steps.len() + 1), (0, Step::Close));
        }
        steps
    })
}

/// A message as the oracle knows it: what it says, and how often it was delivered.
type Known = (u64, u8);

/// A message in the hands of this process; whether it is a dead letter.
struct Held<'q> {
    delivery: Delivery<'q, u64>,
    known: Known,
    dead: bool,
}

/// What a queue is expected to be. What came back may come in any order, before what waits.
struct Model<'q> {
    capacity: usize,
    attempts: u8,
    waiting: VecDeque<u64>,
    returned: Vec<Known>,
    delayed: usize,
    letters: Vec<Known>,
    loans: Vec<Loan<'q, u64>>,
    held: Vec<Held<'q>>,
    closed: bool,
}

impl<'q> Model<'q> {
    fn room(&self) -> usize {
        let taken = self.waiting.len()
            + self.returned.len()
            + self.delayed
            + self.letters.len()
            + self.loans.len()
            + self.held.len();
        self.capacity - taken
    }

    fn is_idle(&self) -> bool {
        let held = self.held.iter().any(|held| !held.dead);
        !held && self.waiting.is_empty() && self.returned.is_empty() && self.delayed == 0
    }

    fn send(&mut self, queue: &WorkQueue<u64>, value: u64) -> TestCaseResult {
        match queue.try_send(value) {
            Ok(()) => {
                prop_assert!(!self.closed && self.room() > 0);
                self.waiting.push_back(value);
            }
            Err(TrySendError::Full(back)) => {
                prop_assert!(!self.closed && self.room() == 0 && back == value);
            }
            Err(TrySendError::Disconnected(back)) => prop_assert!(self.closed && back == value),
            Err(error) => prop_assert!(false, "{error}"),
        }
        Ok(())
    }

    fn loan(&mut self, queue: &'q WorkQueue<u64>) -> TestCaseResult {
        match queue.try_loan() {
            Ok(loan) => {
                prop_assert!(!self.closed && self.room() > 0);
                self.loans.push(loan);
            }
            Err(TrySendError::Full(())) => prop_assert!(!self.closed && self.room() == 0),
            Err(TrySendError::Disconnected(())) => prop_assert!(self.closed),
            Err(error) => prop_assert!(false, "{error}"),
        }
        Ok(())
    }

    fn send_loan(&mut self, which: usize) -> TestCaseResult {
        if self.loans.is_empty() {
            return Ok(());
        }
        let mut loan = self.loans.swap_remove(which % self.loans.len());
        let value = which as u64;
        *loan = value;
        match loan.send() {
            Ok(()) => {
                prop_assert!(!self.closed);
                self.waiting.push_back(value);
            }
            Err(error) => {
                prop_assert!(self.closed);
                prop_assert!(matches!(error, SendError::Disconnected(())));
            }
        }
        Ok(())
    }

    fn receive(&mut self, queue: &'q WorkQueue<u64>) -> TestCaseResult {
        match queue.try_recv() {
            Ok(delivery) => {
                let seen = (*delivery, delivery.attempt());
                let back = |known: &Known| (known.0, known.1 + 1) == seen;
                if self.returned.is_empty() {
                    prop_assert_eq!(Some(seen), self.waiting.pop_front().map(|item| (item, 1)));
                } else {
                    let found = self.returned.iter().position(back);
                    prop_assert!(found.is_some(), "{seen:?} of {:?}", self.returned);
                    self.returned.swap_remove(found.unwrap_or_default());
                }
                self.held.push(Held {
                    delivery,
                    known: seen,
                    dead: false,
                });
            }
            Err(error) => {
                prop_assert!(self.returned.is_empty() && self.waiting.is_empty());
                // What this process itself holds is no reason to wait.
                let ended = self.closed && self.delayed == 0;
                prop_assert_eq!(matches!(error, TryRecvError::Disconnected), ended);
                prop_assert_eq!(matches!(error, TryRecvError::Empty), !ended);
            }
        }
        Ok(())
    }

    fn take_letter(&mut self, queue: &'q WorkQueue<u64>) -> TestCaseResult {
        let Some(delivery) = queue.dead_letters().take().unwrap() else {
            prop_assert!(self.letters.is_empty());
            return Ok(());
        };
        let known = (*delivery, delivery.attempt());
        let found = self.letters.iter().position(|letter| *letter == known);
        prop_assert!(found.is_some(), "{known:?} of {:?}", self.letters);
        self.letters.swap_remove(found.unwrap_or_default());
        self.held.push(Held {
            delivery,
            known,
            dead: true,
        });
        Ok(())
    }

    /// Ends one of the deliveries in such a way.
    fn end(&mut self, step: &Step, which: usize) -> TestCaseResult {
        if self.held.is_empty() {
            return Ok(());
        }
        let held = self.held.swap_remove(which % self.held.len());
        prop_assert_eq!(*held.delivery, held.known.0);
        let dead = held.dead || held.known.1 == self.attempts;
        let letter = (held.known.0, self.attempts);
        match step {
            Step::Ack(_) => held.delivery.ack().unwrap(),
            Step::Reject(_) => {
                held.delivery.reject().unwrap();
                self.letters.push(letter);
            }
            Step::Delay(_) => {
                held.delivery.nack(Duration::MAX).unwrap();
                if dead {
                    self.letters.push(letter);
                } else {
                    self.delayed += 1;
                }
            }
            other => {
                match other {
                    Step::Nack(_) => held.delivery.nack(Duration::ZERO).unwrap(),
                    _ => drop(held.delivery),
                }
                if dead {
                    self.letters.push(letter);
                } else {
                    self.returned.push(held.known);
                }
            }
        }
        Ok(())
    }

    fn glance(&self, queue: &WorkQueue<u64>) -> TestCaseResult {
        prop_assert_eq!(queue.capacity(), self.capacity as u64);
        prop_assert_eq!(queue.free_capacity(), self.room() as u64);
        prop_assert_eq!(queue.dead_letters().len(), self.letters.len() as u64);
        prop_assert_eq!(queue.is_idle(), self.is_idle());
        prop_assert_eq!(queue.is_closed(), self.closed);
        let waited = queue.wait_idle_timeout(Duration::ZERO);
        prop_assert_eq!(waited.is_ok(), self.is_idle());
        Ok(())
    }
}

proptest! {
    #[test]
    fn it_is_a_queue_whose_messages_are_held(capacity in 1_usize..=9, attempts in 1_u8..=4, steps in steps()) {
        let segment = Segment::anonymous().unwrap();
        let options = WorkOptions::new(capacity as u64).max_attempts(attempts);
        let first = segment.create::<WorkQueue<u64>>("work", options).unwrap();
        // Messages in hand are of a handle, so those that are replaced are kept.
        let mut handles = vec![first.clone(); HANDLES];
        for (_, step) in &steps {
            if matches!(step, Step::Idle) {
                handles.push(segment.open("work").unwrap());
            }
        }
        let mut next = HANDLES;
        let mut used: Vec<_> = (0..HANDLES).collect();
        let mut model = Model {
            capacity,
            attempts,
            waiting: VecDeque::new(),
            returned: Vec::new(),
            delayed: 0,
            letters: Vec::new(),
            loans: Vec::new(),
            held: Vec::new(),
            closed: false,
        };
        for (which, step) in steps {
            let queue = &handles[used[which]];
            match step {
                Step::Send(value) => model.send(queue, value)?,
                Step::Loan => model.loan(queue)?,
                Step::SendLoan(loan) => model.send_loan(loan)?,
                Step::DropLoan(loan) => {
                    if !model.loans.is_empty() {
                        drop(model.loans.swap_remove(loan % model.loans.len()));
                    }
                }
                Step::Receive => model.receive(queue)?,
                Step::TakeLetter => model.take_letter(queue)?,
                Step::Ack(held) | Step::Drop(held) | Step::Nack(held) | Step::Reject(held) | Step::Delay(held) => {
                    model.end(&step, held)?;
                }
                Step::Glance => model.glance(queue)?,
                Step::GoRound(items) => {
                    for item in 0..items {
                        let held = model.held.len();
                        model.send(queue, item)?;
                        model.receive(queue)?;
                        if model.held.len() > held {
                            model.end(&Step::Ack(held), held)?;
                        }
                    }
                }
                Step::Idle => {
                    used[which] = next;
                    next += 1;
                }
                Step::Close => {
                    queue.close();
                    model.closed = true;
                }
            }
        }
        for queue in &handles {
            model.glance(queue)?;
        }
    }
}

//! A work queue, held to its specification.

use std::time::Duration;

use crossdock::queue::{
    Delivery, Loan, SendError, TryRecvError, TrySendError, WorkOptions, WorkQueue,
};
use crossdock_spec::Actor;
use crossdock_spec::work::Returned::{Count, Done, Gone, Got, Is, Nothing};
use crossdock_spec::work::{End, Message, Op, Returned, Work};

use crate::place::{NAME, Place, input};

/// The process, what it has of the queue, and what that is expected to be.
struct User<'q> {
    /// It acknowledges what it is to give back.
    seeded: bool,
    work: Work,
    loans: Vec<Loan<'q, u32>>,
    held: Vec<(Delivery<'q, u32>, Message)>,
}

fn message(delivery: &Delivery<'_, u32>) -> Message {
    Message {
        word: **delivery,
        attempts: delivery.attempt(),
    }
}

fn refused<T>(error: &TrySendError<T>) -> Returned {
    match error {
        TrySendError::Full(_) => Nothing,
        TrySendError::Disconnected(_) => Gone,
        _ => unreachable!("neither full nor closed"),
    }
}

impl<'q> User<'q> {
    /// An operation has returned that.
    #[track_caller]
    fn saw(&mut self, op: Op, returned: Returned) {
        let left = self.work.after(op, Actor::Other, returned);
        let Some(left) = left else {
            panic!("{op:?} returned {returned:?} at {:?}", self.work);
        };
        self.work = left;
    }

    fn step(&mut self, queue: &'q WorkQueue<u32>, [verb, a, b, c]: [u8; 4]) {
        let value = u32::from_le_bytes([a, b, c, verb]);
        let which = usize::from(a);
        match verb % 16 {
            0..3 => self.send(queue, value),
            3 => match queue.try_loan() {
                Ok(loan) => {
                    self.saw(Op::TryLoan, Done);
                    self.loans.push(loan);
                }
                Err(error) => self.saw(Op::TryLoan, refused(&error)),
            },
            4 if !self.loans.is_empty() => {
                let which = which % self.loans.len();
                let mut loan = self.loans.remove(which);
                *loan = value;
                if c % 4 == 0 {
                    drop(loan);
                    return self.saw(Op::GiveUp(which), Done);
                }
                let returned = match loan.send() {
                    Ok(()) => Done,
                    Err(SendError::Disconnected(())) => Gone,
                    Err(_) => unreachable!("neither sent nor closed"),
                };
                self.saw(Op::Commit(value, which), returned);
            }
            5..8 => self.receive(queue),
            8..11 if !self.held.is_empty() => self.end(which, c),
            11 => match queue.dead_letters().take().expect("a member") {
                None => self.saw(Op::Letter, Nothing),
                Some(delivery) => self.hold(Op::Letter, delivery),
            },
            12 => self.look(queue),
            // Sends and acknowledges so many, one after the other, while the other handles are
            // idle.
            13 => {
                for item in 0..u32::from(b) {
                    let held = self.held.len();
                    self.send(queue, item);
                    self.receive(queue);
                    if self.held.len() > held {
                        self.end(held, 0);
                    }
                }
            }
            14 if b == 9 && c < 64 => {
                queue.close();
                self.saw(Op::Close, Done);
            }
            _ => {}
        }
    }

    fn send(&mut self, queue: &WorkQueue<u32>, value: u32) {
        let returned = match queue.try_send(value) {
            Ok(()) => Done,
            Err(error) => {
                let returned = refused(&error);
                assert!(
                    matches!(error, TrySendError::Full(back) | TrySendError::Disconnected(back) if back == value)
                );
                returned
            }
        };
        self.saw(Op::TrySend(value), returned);
    }

    fn receive(&mut self, queue: &'q WorkQueue<u32>) {
        match queue.try_recv() {
            Ok(delivery) => self.hold(Op::TryRecv, delivery),
            Err(TryRecvError::Empty) => self.saw(Op::TryRecv, Nothing),
            Err(TryRecvError::Disconnected) => self.saw(Op::TryRecv, Gone),
            Err(_) => unreachable!("neither empty nor closed"),
        }
    }

    /// A message or a dead letter came.
    fn hold(&mut self, op: Op, delivery: Delivery<'q, u32>) {
        let got = message(&delivery);
        self.saw(op, Got(got));
        self.held.push((delivery, got));
    }

    /// Ends one of the deliveries.
    fn end(&mut self, which: usize, how: u8) {
        let which = which % self.held.len();
        let (delivery, got) = self.held.remove(which);
        assert_eq!(message(&delivery), got);
        let (end, ended) = match how % 8 {
            0..3 => {
                delivery.ack().expect("held");
                return self.saw(Op::End(End::Ack, which), Got(got));
            }
            3 => (End::Reject, delivery.reject()),
            4 => (End::Delay, delivery.nack(Duration::MAX)),
            5 if self.seeded => (End::Nack, delivery.ack()),
            5 => (End::Nack, delivery.nack(Duration::ZERO)),
            _ => {
                drop(delivery);
                (End::Drop, Ok(()))
            }
        };
        ended.expect("held");
        self.saw(Op::End(end, which), Done);
    }

    fn look(&mut self, queue: &WorkQueue<u32>) {
        let few = |count| usize::try_from(count).expect("few");
        self.saw(Op::Room, Count(few(queue.free_capacity())));
        self.saw(Op::Letters, Count(few(queue.dead_letters().len())));
        self.saw(Op::IsIdle, Is(queue.is_idle()));
        self.saw(Op::IsClosed, Is(queue.is_closed()));
        let waited = queue.wait_idle_timeout(Duration::ZERO);
        self.saw(Op::IsIdle, Is(waited.is_ok()));
    }
}

/// Does to a queue what the data say, and what is expected of it beside it.
pub(crate) fn run(data: &[u8], seeded: bool) {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let attempts = data.get(1).map_or(1, |byte| byte % 4 + 1);
    let options = WorkOptions::new(capacity + 1).max_attempts(attempts);
    let Some((place, queue)) = Place::with::<WorkQueue<u32>>(options) else {
        return;
    };
    // Handles, each with its own idea of where the ends are; some are idle for long.
    let open = |_| place.segment.open(NAME).expect("it is there");
    let mut handles: Vec<WorkQueue<u32>> = vec![queue.clone(), queue];
    handles.extend((0..6).map(open));
    let room = usize::try_from(capacity + 1).expect("8 at most");
    let mut user = User {
        seeded,
        work: Work::new(room, attempts),
        loans: Vec::new(),
        held: Vec::new(),
    };
    for (number, step) in steps.enumerate() {
        // Two more handles come into use every sixteen steps.
        let used = (2 + number / 8).min(handles.len());
        user.step(&handles[usize::from(step[2]) % used], step);
    }
    for queue in &handles {
        assert_eq!(queue.capacity(), capacity + 1);
        user.look(queue);
    }
}

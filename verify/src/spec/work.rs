//! A work queue: what waits, what came back, what is held, what was given up.

use std::collections::VecDeque;
use std::time::Duration;

use crossdock::queue::{
    Delivery, Loan, SendError, TryRecvError, TrySendError, WorkOptions, WorkQueue,
};

use crate::place::{NAME, Place, input};

/// A message, and how often it was delivered.
type Known = (u32, u8);

/// A message in the hands of this process; whether it is a dead letter.
struct Held<'q> {
    delivery: Delivery<'q, u32>,
    known: Known,
    dead: bool,
}

/// What a queue is expected to be. What came back may come in any order, before what waits.
struct Model<'q> {
    capacity: usize,
    attempts: u8,
    waiting: VecDeque<u32>,
    returned: Vec<Known>,
    /// How many were given back for a time that does not come.
    delayed: usize,
    letters: Vec<Known>,
    loans: Vec<Loan<'q, u32>>,
    held: Vec<Held<'q>>,
    closed: bool,
}

impl<'q> Model<'q> {
    fn room(&self) -> usize {
        let lists = self.waiting.len() + self.returned.len() + self.letters.len();
        self.capacity - (lists + self.delayed + self.loans.len() + self.held.len())
    }

    fn is_idle(&self) -> bool {
        let held = self.held.iter().any(|held| !held.dead);
        !held && self.waiting.is_empty() && self.returned.is_empty() && self.delayed == 0
    }

    fn step(&mut self, queue: &'q WorkQueue<u32>, [verb, a, b, c]: [u8; 4]) {
        let value = u32::from_le_bytes([a, b, c, verb]);
        let which = usize::from(a);
        match verb % 16 {
            0..3 => self.send(queue, value),
            3 => match queue.try_loan() {
                Ok(loan) => {
                    assert!(!self.closed && self.room() > 0);
                    self.loans.push(loan);
                }
                Err(error) => self.is_refused(&error),
            },
            4 if !self.loans.is_empty() => {
                let mut loan = self.loans.swap_remove(which % self.loans.len());
                *loan = value;
                match c % 4 {
                    0 => drop(loan),
                    _ => match loan.send() {
                        Ok(()) => {
                            assert!(!self.closed);
                            self.waiting.push_back(value);
                        }
                        Err(error) => {
                            assert!(self.closed && matches!(error, SendError::Disconnected(())));
                        }
                    },
                }
            }
            5..8 => self.receive(queue),
            8..11 if !self.held.is_empty() => self.end(which, c),
            11 => self.take_letter(queue),
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
                self.closed = true;
            }
            _ => {}
        }
    }

    fn is_refused<T>(&self, error: &TrySendError<T>) {
        match error {
            TrySendError::Full(_) => assert!(!self.closed && self.room() == 0),
            TrySendError::Disconnected(_) => assert!(self.closed),
            _ => unreachable!("neither full nor closed"),
        }
    }

    fn send(&mut self, queue: &WorkQueue<u32>, value: u32) {
        match queue.try_send(value) {
            Ok(()) => {
                assert!(!self.closed && self.room() > 0);
                self.waiting.push_back(value);
            }
            Err(error) => {
                self.is_refused(&error);
                assert!(
                    matches!(error, TrySendError::Full(back) | TrySendError::Disconnected(back) if back == value)
                );
            }
        }
    }

    fn receive(&mut self, queue: &'q WorkQueue<u32>) {
        match queue.try_recv() {
            Ok(delivery) => {
                let known = (*delivery, delivery.attempt());
                if self.returned.is_empty() {
                    let expected = self.waiting.pop_front().map(|item| (item, 1));
                    assert_eq!(Some(known), expected);
                } else {
                    remove(&mut self.returned, (known.0, known.1 - 1));
                }
                self.held.push(Held {
                    delivery,
                    known,
                    dead: false,
                });
            }
            Err(error) => {
                assert!(self.returned.is_empty() && self.waiting.is_empty());
                // What this process itself holds is no reason to wait.
                let ended = self.closed && self.delayed == 0;
                assert_eq!(matches!(error, TryRecvError::Disconnected), ended);
                assert_eq!(matches!(error, TryRecvError::Empty), !ended);
            }
        }
    }

    fn take_letter(&mut self, queue: &'q WorkQueue<u32>) {
        let Some(delivery) = queue.dead_letters().take().expect("a member") else {
            return assert!(self.letters.is_empty());
        };
        let known = (*delivery, delivery.attempt());
        remove(&mut self.letters, known);
        self.held.push(Held {
            delivery,
            known,
            dead: true,
        });
    }

    /// Ends one of the deliveries.
    fn end(&mut self, which: usize, how: u8) {
        let held = self.held.swap_remove(which % self.held.len());
        let Held {
            delivery, known, ..
        } = held;
        assert_eq!(*delivery, known.0);
        let is_last = held.dead || known.1 == self.attempts;
        let letter = (known.0, self.attempts);
        let ended = match how % 8 {
            0..3 => return delivery.ack().expect("held"),
            3 => delivery.reject().map(|()| self.letters.push(letter)),
            4 => {
                let delayed = delivery.nack(Duration::MAX);
                delayed.map(|()| match is_last {
                    true => self.letters.push(letter),
                    false => self.delayed += 1,
                })
            }
            way => {
                let ended = match way {
                    5 => delivery.nack(Duration::ZERO),
                    _ => {
                        drop(delivery);
                        Ok(())
                    }
                };
                ended.map(|()| match is_last {
                    true => self.letters.push(letter),
                    false => self.returned.push(known),
                })
            }
        };
        ended.expect("held");
    }

    fn look(&self, queue: &WorkQueue<u32>) {
        assert_eq!(queue.capacity(), self.capacity as u64);
        assert_eq!(queue.free_capacity(), self.room() as u64);
        assert_eq!(queue.dead_letters().len(), self.letters.len() as u64);
        assert_eq!(queue.is_idle(), self.is_idle());
        assert_eq!(queue.is_closed(), self.closed);
        let waited = queue.wait_idle_timeout(Duration::ZERO);
        assert_eq!(waited.is_ok(), self.is_idle());
    }
}

#[track_caller]
fn remove(from: &mut Vec<Known>, known: Known) {
    let at = from.iter().position(|other| *other == known);
    from.swap_remove(at.expect("one of those that are there"));
}

/// Does to a queue what the data say, and what is expected of it beside it.
pub(crate) fn run(data: &[u8]) {
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
    let mut model = Model {
        capacity: usize::try_from(capacity + 1).expect("8 at most"),
        attempts,
        waiting: VecDeque::new(),
        returned: Vec::new(),
        delayed: 0,
        letters: Vec::new(),
        loans: Vec::new(),
        held: Vec::new(),
        closed: false,
    };
    for (number, step) in steps.enumerate() {
        // Two more handles come into use every sixteen steps.
        let used = (2 + number / 8).min(handles.len());
        model.step(&handles[usize::from(step[2]) % used], step);
    }
    for queue in &handles {
        model.look(queue);
    }
}

//! A work queue against an oracle: what waits, what came back, what is held, what was given up.
#![no_main]

use std::collections::VecDeque;
use std::time::Duration;

use crossdock::queue::{Delivery, Loan, TryRecvError, TrySendError, WorkOptions, WorkQueue};
use crossdock_fuzz::{NAME, Place, input};
use libfuzzer_sys::fuzz_target;

/// A message, and how often it was delivered.
type Known = (u32, u8);

struct Model<'q> {
    queues: &'q [WorkQueue<u32>; 3],
    waiting: VecDeque<u32>,
    /// In any order, and before what waits.
    returned: Vec<Known>,
    letters: Vec<Known>,
    loans: Vec<Loan<'q, u32>>,
    /// Whether it is a dead letter.
    held: Vec<(Delivery<'q, u32>, Known, bool)>,
    closed: bool,
}

impl<'q> Model<'q> {
    fn new(queues: &'q [WorkQueue<u32>; 3]) -> Self {
        Self {
            queues,
            waiting: VecDeque::new(),
            returned: Vec::new(),
            letters: Vec::new(),
            loans: Vec::new(),
            held: Vec::new(),
            closed: false,
        }
    }

    fn room(&self) -> u64 {
        let lists = self.waiting.len() + self.returned.len() + self.letters.len();
        self.queues[0].capacity() - (lists + self.loans.len() + self.held.len()) as u64
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let queue = &self.queues[usize::from(b % 3)];
        let value = u32::from_le_bytes([a, b, c, verb]);
        let which = usize::from(a);
        match verb % 10 {
            0 | 1 => match queue.try_send(value) {
                Ok(()) => {
                    assert!(!self.closed && self.room() > 0);
                    self.waiting.push_back(value);
                }
                Err(error) => self.is_refused(&error),
            },
            2 => match queue.try_loan() {
                Ok(loan) => {
                    assert!(!self.closed && self.room() > 0);
                    self.loans.push(loan);
                }
                Err(error) => self.is_refused(&error),
            },
            3 if !self.loans.is_empty() => {
                let mut loan = self.loans.swap_remove(which % self.loans.len());
                *loan = value;
                if c % 4 == 0 {
                    drop(loan);
                } else if loan.send().is_ok() {
                    assert!(!self.closed);
                    self.waiting.push_back(value);
                } else {
                    assert!(self.closed);
                }
            }
            4 | 5 => self.receive(queue),
            6 | 7 if !self.held.is_empty() => self.end(which, c),
            8 => match queue.dead_letters().take().expect("joined") {
                Some(letter) => {
                    let known = (*letter, letter.attempt());
                    remove(&mut self.letters, known);
                    self.held.push((letter, known, true));
                }
                None => assert!(self.letters.is_empty()),
            },
            9 if value >> 24 == 9 && c == 0 => {
                queue.close();
                self.closed = true;
            }
            _ => {}
        }
        let done = self.held.iter().all(|(_, _, dead)| *dead);
        let idle = done && self.waiting.is_empty() && self.returned.is_empty();
        assert_eq!(queue.is_idle(), idle);
        assert_eq!(queue.free_capacity(), self.room());
        assert_eq!(queue.dead_letters().len(), self.letters.len() as u64);
    }

    fn is_refused<T>(&self, error: &TrySendError<T>) {
        match error {
            TrySendError::Full(_) => assert!(!self.closed && self.room() == 0),
            TrySendError::Disconnected(_) => assert!(self.closed),
            _ => unreachable!("neither full nor closed"),
        }
    }

    fn receive(&mut self, queue: &'q WorkQueue<u32>) {
        match queue.try_recv() {
            Ok(held) => {
                let seen = (*held, held.attempt());
                if self.returned.is_empty() {
                    assert_eq!(Some(seen.0), self.waiting.pop_front());
                    assert_eq!(seen.1, 1);
                } else {
                    remove(&mut self.returned, (seen.0, seen.1 - 1));
                }
                self.held.push((held, seen, false));
            }
            Err(TryRecvError::Empty) => assert!(self.has_nothing() && !self.closed),
            Err(TryRecvError::Disconnected) => assert!(self.has_nothing() && self.closed),
            Err(error) => unreachable!("{error}"),
        }
    }

    fn has_nothing(&self) -> bool {
        self.waiting.is_empty() && self.returned.is_empty()
    }

    fn end(&mut self, which: usize, how: u8) {
        let (held, known, dead) = self.held.swap_remove(which % self.held.len());
        assert_eq!(*held, known.0);
        let most = self.queues[0].max_attempts();
        let mut rejected = false;
        match how % 4 {
            0 => return held.ack().expect("held"),
            1 => drop(held),
            2 => held.nack(Duration::ZERO).expect("held"),
            _ => {
                held.reject().expect("held");
                rejected = true;
            }
        }
        if rejected || dead || known.1 == most {
            self.letters.push((known.0, most));
        } else {
            self.returned.push(known);
        }
    }
}

#[track_caller]
fn remove(from: &mut Vec<Known>, known: Known) {
    let at = from.iter().position(|other| *other == known);
    from.swap_remove(at.expect("one of those that are there"));
}

fuzz_target!(|data: &[u8]| {
    let Some((capacity, steps)) = input(data) else {
        return;
    };
    let attempts = data.get(1).map_or(1, |byte| byte % 4 + 1);
    let options = WorkOptions::new(capacity + 1).max_attempts(attempts);
    let Some((place, queue)) = Place::with::<WorkQueue<u32>>(options) else {
        return;
    };
    let Ok(opened) = place.segment.open(NAME) else {
        return;
    };
    let queues = [queue.clone(), queue, opened];
    let mut model = Model::new(&queues);
    steps.for_each(|step| model.step(step));
});

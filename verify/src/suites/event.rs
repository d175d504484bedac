//! Events beside their specification: each is set or clear, and a waiter misses no set.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{WaitAnyError, Waitable, wait_any_timeout};
use crossdock::sync::{Event, EventTimeoutError};
use crossdock_spec::event::Op::{Clear, IsSet, Set, Wait};
use crossdock_spec::event::{Op, State};
use crossdock_spec::{Actor, Specification};

use crate::place::input;
use crate::suites::child::{PATIENCE, in_child, killed_with, sleeps, this_thread, until};
use crate::suites::segment;

const EVENTS: usize = 2;

/// The events, and what each is expected to be.
struct Model<'s> {
    segment: &'s Segment,
    events: [Event; EVENTS],
    expected: [State; EVENTS],
    /// The seeded bug: an event that is cleared stays set.
    has_bug: bool,
}

fn name(at: usize) -> String {
    format!("event {at}")
}

impl Model<'_> {
    /// What an operation on an event returns: a truth.
    fn does(&mut self, at: usize, op: Op) -> bool {
        self.expected[at].apply(op, Actor::Other) == Some(1)
    }

    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let at = usize::from(a) % EVENTS;
        let is_set = self.does(at, IsSet);
        let expected = match self.expected[at].apply(Wait, Actor::Other) {
            Some(_) => Ok(()),
            None => Err(EventTimeoutError::Timeout),
        };
        let sets = b % 2 == 0;
        match verb % 12 {
            0..3 => assert_eq!(self.events[at].set(), self.does(at, Set)),
            3..5 => {
                let was_set = self.does(at, Clear);
                if !self.has_bug {
                    assert_eq!(self.events[at].clear(), was_set);
                }
            }
            5 => assert_eq!(self.events[at].wait_timeout(Duration::ZERO), expected),
            // What blocks, where it does not.
            6 if is_set => self.events[at].wait().expect("a member"),
            7 => self.events[at] = self.segment.open(&name(at)).expect("it is there"),
            8 if c % 4 == 0 => {
                // A process that sets or clears it and is killed has done so.
                let event = &self.events[at];
                killed_with(|| {
                    assert_eq!(event.wait_timeout(Duration::ZERO), expected);
                    if sets { event.set() } else { event.clear() }
                });
                self.does(at, if sets { Set } else { Clear });
                self.segment.reap();
            }
            9 if c % 8 == 0 => {
                let event = &self.events[at];
                in_child(|| assert_eq!(event.wait_timeout(Duration::ZERO), expected));
            }
            10 if !is_set && c % 4 == 0 => self.wake(at, sets),
            _ => {}
        }
        self.look();
    }

    /// Waiters that sleep are told of a set, also if a clear follows at once.
    fn wake(&mut self, at: usize, clears: bool) {
        let event = &self.events[at];
        let others = self.segment.open::<Event>(&name(at)).expect("it is there");
        let threads = [AtomicI32::new(0), AtomicI32::new(0)];
        std::thread::scope(|scope| {
            let waiters: [_; 2] =
                [(event, &threads[0]), (&others, &threads[1])].map(|(event, thread)| {
                    scope.spawn(move || {
                        thread.store(this_thread(), Ordering::Release);
                        event.wait_timeout(PATIENCE)
                    })
                });
            for thread in &threads {
                until("a waiter sleeps", || match thread.load(Ordering::Acquire) {
                    0 => false,
                    thread => sleeps(thread),
                });
            }
            assert!(event.set());
            if clears {
                assert!(event.clear());
            }
            for waiter in waiters {
                assert_eq!(waiter.join().expect("no panic"), Ok(()));
            }
        });
        self.does(at, Set);
        if clears {
            self.does(at, Clear);
        }
    }

    fn look(&self) {
        let are_set = self.expected.each_ref().map(|expected| expected.is_set);
        assert_eq!(self.events.each_ref().map(Event::is_set), are_set);
        let all = self.events.each_ref().map(|event| event as &dyn Waitable);
        match wait_any_timeout(&all, Duration::ZERO) {
            Ok(index) => assert_eq!(Some(index), are_set.iter().position(|is_set| *is_set)),
            Err(WaitAnyError::Timeout) => assert_eq!(are_set, [false; EVENTS]),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Does to events what the data say, and what is expected of them beside them.
pub(crate) fn run(data: &[u8], has_bug: bool) {
    let Some((first, steps)) = input(data) else {
        return;
    };
    let segment = segment();
    let expected = [1, 2].map(|bit| State {
        is_set: first & bit != 0,
        ..State::default()
    });
    let create = |at: usize| segment.create::<Event>(&name(at), expected[at].is_set);
    let mut model = Model {
        events: std::array::from_fn(|at| create(at).expect("room")),
        segment: &segment,
        expected,
        has_bug,
    };
    steps.for_each(|step| model.step(step));
}

//! Events: each is set or clear, and a waiter misses no set.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use crossdock::Segment;
use crossdock::queue::{WaitAnyError, Waitable, wait_any_timeout};
use crossdock::sync::{Event, EventTimeoutError};

use crate::place::input;
use crate::spec::child::{PATIENCE, in_child, killed_with, sleeps, this_thread, until};
use crate::spec::segment;

const EVENTS: usize = 2;

/// The events, and what each is expected to be.
struct Model<'s> {
    segment: &'s Segment,
    events: [Event; EVENTS],
    are_set: [bool; EVENTS],
    /// The seeded bug: an event that is cleared stays set.
    has_bug: bool,
}

fn name(at: usize) -> String {
    format!("event {at}")
}

impl Model<'_> {
    fn step(&mut self, [verb, a, b, c]: [u8; 4]) {
        let at = usize::from(a) % EVENTS;
        let is_set = self.are_set[at];
        let event = &self.events[at];
        let expected = if is_set {
            Ok(())
        } else {
            Err(EventTimeoutError::Timeout)
        };
        match verb % 12 {
            0..3 => {
                assert_eq!(event.set(), !is_set);
                self.are_set[at] = true;
            }
            3..5 => {
                if !self.has_bug {
                    assert_eq!(event.clear(), is_set);
                }
                self.are_set[at] = false;
            }
            5 => assert_eq!(event.wait_timeout(Duration::ZERO), expected),
            // What blocks, where it does not.
            6 if is_set => event.wait().expect("a member"),
            7 => self.events[at] = self.segment.open(&name(at)).expect("it is there"),
            8 if c % 4 == 0 => {
                // A process that sets or clears it and is killed has done so.
                killed_with(|| {
                    assert_eq!(event.wait_timeout(Duration::ZERO), expected);
                    if b % 2 == 0 {
                        event.set()
                    } else {
                        event.clear()
                    }
                });
                self.are_set[at] = b % 2 == 0;
                self.segment.reap();
            }
            9 if c % 8 == 0 => {
                in_child(|| assert_eq!(event.wait_timeout(Duration::ZERO), expected));
            }
            10 if !is_set && c % 4 == 0 => self.wake(at, b % 2 == 0),
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
        self.are_set[at] = !clears;
    }

    fn look(&self) {
        for (event, is_set) in self.events.iter().zip(self.are_set) {
            assert_eq!(event.is_set(), is_set);
        }
        let all = self.events.each_ref().map(|event| event as &dyn Waitable);
        match wait_any_timeout(&all, Duration::ZERO) {
            Ok(index) => assert_eq!(Some(index), self.are_set.iter().position(|is_set| *is_set)),
            Err(WaitAnyError::Timeout) => assert_eq!(self.are_set, [false; EVENTS]),
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
    let are_set = [first & 1 != 0, first & 2 != 0];
    let create = |at: usize| segment.create::<Event>(&name(at), are_set[at]);
    let mut model = Model {
        events: std::array::from_fn(|at| create(at).expect("room")),
        segment: &segment,
        are_set,
        has_bug,
    };
    steps.for_each(|step| model.step(step));
}

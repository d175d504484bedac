//! Waiting for the value of an element, under loom. No process holds anything, so a lost membership
//! changes nothing; the byte locks say which processes live.

use loom::sync::Arc;

use super::super::ElementState;
use super::super::entry::wake;
use super::super::wait::{notify, wait};
use crate::facade::model::{explore, explore_deaths, explore_one_less, is_byte_locked};
use crate::facade::{AtomicU64, Deadline, Pace, Words, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};
use crate::wait::event_count::EventCount;

mutants! {
    model_number_a_notification_wakes_every_waiter:
        800 "a notification makes no wake",
        801 "a notification wakes one of several waiters",
        802 "a waiter does not look again before it sleeps";
    model_number_a_reaper_makes_the_wake_of_a_dead_notifier:
        803 "a reaper does not make the wake that a dead process owed";
}

/// A number, its event count, and data that is written before the number changes.
struct Fixture {
    number: ElementState<AtomicU64>,
    waiters: EventCount,
    data: Words<1>,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            number: ElementState::new(AtomicU64::new(0)),
            waiters: EventCount::new(),
            data: Words::new([0]),
        })
    }

    fn add_and_notify(&self, amount: u64) {
        self.number.add(amount);
        notify(&self.waiters);
    }

    fn wait_for(&self, least: u64, id: u32) {
        let value = || Some(self.number.get()).filter(|number| *number >= least);
        let (peers, never) = (KernelLiveness(id), Deadline::never());
        let found = wait(value, &self.waiters, &peers, &never, Pace::Park);
        assert!(found.expect("no deadline") >= least);
    }
}

/// Hunts: a waiter that is not woken because another waiter was, which sleeps again; a waiter that
/// is between its check and its sleep, or does not see what was written before.
#[test]
fn model_number_a_notification_wakes_every_waiter() {
    explore_one_less(|| {
        let fixture = Fixture::open();
        let waiters = [(2, 1), (3, 2)].map(|(id, least)| {
            fixture.start(id, None, move |fixture| {
                fixture.wait_for(least, id);
                assert_eq!(fixture.data.read(), [7]);
            })
        });
        let adder = fixture.start(1, None, move |adder| {
            adder.data.write(&[7]);
            adder.add_and_notify(2);
        });
        finish(waiters.into_iter().chain([adder]));
    });
}

/// Hunts: a waiter whose wake was owed by a process that is killed.
#[test]
fn model_number_wherever_a_notifier_dies_the_next_is_heard() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.add_and_notify(1)),
            fixture.start(2, None, move |waiter| waiter.wait_for(1, 2)),
            fixture.start(3, None, move |next| next.add_and_notify(1)),
        ]);
    });
}

/// Hunts: a reaper that wakes no waiter: the adder has left between its change and its wake.
#[test]
fn model_number_a_reaper_makes_the_wake_of_a_dead_notifier() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(2, None, move |waiter| waiter.wait_for(1, 2)),
            fixture.start(3, None, move |reaper| {
                // As an adder that is cut off there leaves it.
                reaper.number.add(1);
                wake(core::slice::from_ref(&reaper.waiters));
            }),
        ]);
    });
}

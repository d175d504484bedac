//! The event under loom. No process holds anything, so a lost membership changes nothing; the byte
//! locks say which processes live.

use crossdock_spec::event::{Op, State};
use loom::sync::Arc;

use super::super::EventState;
use crate::facade::model::{explore, explore_deaths, explore_two_deaths, is_byte_locked};
use crate::facade::{Deadline, Pace, Words, mutants};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::stage::model::{Roles, Specified, explore_as_specified};
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};

mutants! {
    model_event_a_set_and_a_clear_are_not_missed:
        742 "an event does not count how often it was set";
    model_event_a_set_publishes_what_came_before:
        743 "a waiter does not acquire what the setter did",
        744 "setting does not release";
    model_event_a_set_wakes_all_waiters:
        745 "setting makes no wake",
        747 "a waiter does not look again before it sleeps";
    model_event_a_reaper_makes_the_wake_of_a_dead_setter:
        746 "a reaper does not make the wake that a dead setter owed";
    model_event_is_as_specified:
        942 "a set of an event that is set says that it was clear",
        943 "a clear is a load and a store";
}

/// An event, and data that its setter publishes.
struct Fixture {
    event: EventState,
    data: Words<1>,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            event: EventState::new(false),
            data: Words::new([0]),
        })
    }

    fn wait(&self, id: u32) {
        let (from, never) = (self.event.load(), Deadline::never());
        let waited = self
            .event
            .wait(from, &KernelLiveness(id), &never, Pace::Park);
        waited.expect("no deadline");
    }
}

/// Hunts: a waiter that sleeps through a set, because it was cleared before the waiter looked.
#[test]
fn model_event_a_set_and_a_clear_are_not_missed() {
    explore(|| {
        let fixture = Fixture::open();
        let from = fixture.event.load();
        finish([
            fixture.start(1, None, move |setter| {
                assert!(setter.event.set());
                assert!(setter.event.clear());
            }),
            fixture.start(2, None, move |waiter| {
                let never = Deadline::never();
                let waited = waiter
                    .event
                    .wait(from, &KernelLiveness(2), &never, Pace::Park);
                waited.expect("no deadline");
            }),
        ]);
        assert!(!fixture.event.load().is_set());
    });
}

/// Hunts: a waiter that is woken and does not see what the setter did before.
#[test]
fn model_event_a_set_publishes_what_came_before() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |setter| {
                setter.data.write(&[7]);
                setter.event.set();
            }),
            fixture.start(2, None, move |waiter| {
                waiter.wait(2);
                assert_eq!(waiter.data.read(), [7]);
            }),
        ]);
    });
}

/// Hunts: one of two waiters that is not woken, or sleeps after the set.
#[test]
fn model_event_a_set_wakes_all_waiters() {
    explore(|| {
        let fixture = Fixture::open();
        let waiters = [2, 3].map(|id| fixture.start(id, None, move |fixture| fixture.wait(id)));
        let setter = fixture.start(1, None, move |setter| setter.event.set());
        finish(waiters.into_iter().chain([setter]));
    });
}

/// Hunts: a waiter whose wake was owed by a setter that is killed.
#[test]
fn model_event_wherever_a_setter_dies_the_next_set_is_heard() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.event.set()),
            fixture.start(2, None, move |waiter| waiter.wait(2)),
            fixture.start(3, None, move |next| next.event.set()),
        ]);
        assert!(fixture.event.load().is_set());
    });
}

/// Hunts: a reaper that wakes no waiter: the setter has left between its commit and its wake.
#[test]
fn model_event_a_reaper_makes_the_wake_of_a_dead_setter() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(2, None, move |waiter| waiter.wait(2)),
            fixture.start(3, None, move |reaper| {
                // As a setter that is cut off there leaves it.
                let word = &reaper.event.0.0.word;
                word.fetch_or(3, crate::facade::Ordering::AcqRel);
                reaper.event.recover();
            }),
        ]);
    });
}

/// Hunts: an event that a setter and a waiter which die leave unusable for the third.
#[test]
fn model_event_two_deaths_leave_the_event_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, first, move |setter| setter.event.set()),
            fixture.start(2, second, move |waiter| waiter.wait(2)),
            fixture.start(3, None, move |third| {
                third.event.set();
                third.wait(3);
                third.event.clear();
                third.event.set();
            }),
        ]);
        assert!(fixture.event.load().is_set());
    });
}

impl Specified for Fixture {
    type Spec = State;
    type Hand = ();

    fn fixture() -> Arc<Self> {
        Self::open()
    }

    fn run(&self, _: u32, op: Op, (): &mut (), _: bool) -> Option<u8> {
        Some(u8::from(match op {
            Op::Set => self.event.set(),
            Op::Clear => self.event.clear(),
            _ => self.event.load().is_set(),
        }))
    }

    fn recover(&self) {
        self.event.recover();
    }
}

/// Hunts: a set or a clear that is lost, or of which two processes are told that it was theirs.
#[test]
fn model_event_is_as_specified() {
    use Op::{Clear, IsSet, Set};
    explore_as_specified::<Fixture>(&Roles {
        victim: &[Set, Clear, Set],
        other: &[IsSet, Clear, Set],
        last: &[IsSet, Clear, IsSet],
    });
}

//! Waiting for several sources under loom: counts of items, and spsc queues.

use loom::sync::Arc;

use super::super::{NotMember, Source, Waited, wait};
use crate::algorithm::spsc::{Consuming, Cursor, Producing, Role, RoleMarker, Spsc, SpscState};
use crate::facade::model::{die, explore, explore_deaths, is_byte_locked};
use crate::facade::{AtomicU32, Deadline, Ordering, mutants};
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};
use crate::wait::event_count::EventCount;
use crate::wait::sleep_once;

mutants! {
    model_select_a_waiter_that_takes_nothing_passes_its_wake_on:
        90 "a woken waiter does not pass the wake on";
    model_select_a_waiter_woken_twice_passes_one_wake_on:
        91 "a waiter woken by several passes one wake on",
        92 "a sleeper has no barrier before its last check",
        93 "a sleeper does not check once more";
    model_select_any_source_wakes_a_waiter:
        94 "a sleeper announces itself at the first event count only",
        95 "a sleeper sleeps on the first word only";
    model_select_a_waiter_for_the_dead_returns:
        96 "the dead are not reaped";
    model_select_a_dead_producer_makes_its_source_ready:
        97 "a dead producer's word is not recovered";
}

/// A count of items that one process adds and others take.
struct Items {
    items: AtomicU32,
    event: EventCount,
}

impl Items {
    fn put(&self) {
        self.items.fetch_add(1, Ordering::Release);
        self.event.notify();
    }

    fn has_some(&self) -> bool {
        self.items.load(Ordering::Acquire) != 0
    }

    fn take(&self) -> bool {
        let mut seen = self.items.load(Ordering::Relaxed);
        while seen != 0 {
            let both = Ordering::AcqRel;
            match self
                .items
                .compare_exchange(seen, seen - 1, both, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Takes one, sleeping by the event count of this source alone; false if there is none and
    /// process `producer` is dead.
    fn take_or_sleep(&self, producer: u32) -> bool {
        let mut slept = false;
        loop {
            let alive = is_byte_locked(producer - 1);
            if self.take() {
                if slept && self.has_some() {
                    self.event.notify();
                }
                return true;
            }
            if !alive {
                return false;
            }
            sleep_once(self.event.announce(|| self.has_some()));
            slept = true;
        }
    }
}

/// A source of a waiter for several.
struct Waiting<'a> {
    items: &'a Items,
    producer: u32,
    /// Whether the producer was found dead.
    over: core::cell::Cell<bool>,
    /// Whether the waiter is killed when it has seen an item.
    dies: bool,
}

impl Source for Waiting<'_> {
    fn is_ready(&self) -> bool {
        let some = self.items.has_some();
        if some && self.dies {
            die();
        }
        self.over.get() || some
    }
    fn event(&self) -> &EventCount {
        &self.items.event
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn reap_dead(&self) -> Result<(), NotMember> {
        self.over.set(!is_byte_locked(self.producer - 1));
        Ok(())
    }
}

struct Fixture([Items; 2]);

impl Fixture {
    fn new() -> Arc<Self> {
        players();
        let items = || Items {
            items: AtomicU32::new(0),
            event: EventCount::new(),
        };
        Arc::new(Self([items(), items()]))
    }

    fn wait(&self, producer: u32) -> usize {
        self.wait_and(producer, false)
    }

    fn wait_and(&self, producer: u32, dies: bool) -> usize {
        let waiting = self.0.each_ref().map(|items| Waiting {
            items,
            producer,
            over: core::cell::Cell::new(false),
            dies,
        });
        match wait(&waiting.each_ref(), &Deadline::never()) {
            Waited::Ready(index) => index,
            other => panic!("{other:?}"),
        }
    }
}

/// Hunts: a sleeper that the last of its sources does not wake.
#[test]
fn model_select_any_source_wakes_a_waiter() {
    explore(|| {
        let fixture = Fixture::new();
        let (waiter, producer) = (fixture.clone(), fixture);
        finish([
            start(1, None, move || {
                assert_eq!(waiter.wait(2), 1);
                assert!(waiter.0[1].take());
            }),
            start(2, None, move || producer.0[1].put()),
        ]);
    });
}

/// Hunts: a wake that goes to a waiter for several, which does not take the item, while another
/// sleeps for it.
#[test]
fn model_select_a_waiter_that_takes_nothing_passes_its_wake_on() {
    explore(|| {
        let fixture = Fixture::new();
        let (looker, taker, producer) = (fixture.clone(), fixture.clone(), fixture);
        finish([
            start(1, None, move || looker.wait(3)),
            start(2, None, move || {
                assert!(taker.0[1].take_or_sleep(3));
                // The waiter may have come too late for the other.
                taker.0[0].put();
            }),
            start(3, None, move || producer.0[1].put()),
        ]);
    });
}

/// Hunts: a sleeper whose wake went to a waiter that was killed before it passed it on.
#[test]
fn model_select_the_wake_of_a_killed_waiter_is_replaced() {
    explore(|| {
        let fixture = Fixture::new();
        let (looker, taker, producer) = (fixture.clone(), fixture.clone(), fixture);
        finish([
            start(1, None, move || looker.wait_and(3, true)),
            start(2, None, move || {
                assert!(taker.0[1].take_or_sleep(3));
                // The waiter may have come too late for the other.
                taker.0[0].put();
            }),
            start(3, None, move || producer.0[1].put()),
        ]);
    });
}

/// Hunts: two wakes that one sleeper has used up, of which it passes on one.
#[test]
fn model_select_a_waiter_woken_twice_passes_one_wake_on() {
    explore(|| {
        let fixture = Fixture::new();
        finish([
            fixture.start(1, None, move |waiter| {
                if waiter.wait(3) == 0 {
                    waiter.0[0].take();
                }
            }),
            fixture.start(2, None, move |taker| assert!(taker.0[1].take_or_sleep(3))),
            fixture.start(3, None, move |producer| {
                producer.0[1].put();
                producer.0[0].put();
            }),
        ]);
        assert!(!fixture.0[1].take(), "an item is left over");
    });
}

/// Hunts: a sleeper that waits indefinitely for a dead process.
#[test]
fn model_select_a_waiter_for_the_dead_returns() {
    explore_deaths(|death| {
        let fixture = Fixture::new();
        let (waiter, producer) = (fixture.clone(), fixture);
        finish([
            start(1, None, move || waiter.wait(2)),
            start(2, death, move || producer.0[1].put()),
        ]);
    });
}

/// An spsc queue of which one process is the consumer.
struct End<'a> {
    ring: Spsc<'a>,
    cursor: Cursor<Consuming>,
}

impl Source for End<'_> {
    fn is_ready(&self) -> bool {
        self.ring.is_ready(&self.cursor, 3)
    }
    fn event(&self) -> &EventCount {
        self.ring.event(Role::Consumer)
    }
    fn is_shared(&self) -> bool {
        false
    }
    fn reap_dead(&self) -> Result<(), NotMember> {
        let role = Role::Consumer;
        self.ring.reap_dead(role, &KernelLiveness(1));
        Ok(())
    }
}

fn claim<R: RoleMarker>(state: &SpscState, id: u32) -> Cursor<R> {
    let claimed = Spsc::new(state, 1).claim(&KernelLiveness(id));
    claimed.expect("it is free")
}

/// Hunts: a consumer of two queues that sleeps on although a producer has pushed, left or died.
#[test]
fn model_select_a_dead_producer_makes_its_source_ready() {
    explore_deaths(|death| {
        players();
        let rings = Arc::new([SpscState::new(), SpscState::new()]);
        let cursors = [0, 1].map(|which| claim(&rings[which], 1));
        let push = claim::<Producing>(&rings[1], 2);
        let (consumer, producer) = (rings.clone(), rings);
        finish([
            start(1, None, move || {
                let ends = [0, 1].map(|which| End {
                    ring: Spsc::new(&consumer[which], 1),
                    cursor: cursors[which],
                });
                assert_eq!(wait(&ends.each_ref(), &Deadline::never()), Waited::Ready(1));
            }),
            start(2, death, move || {
                let ring = Spsc::new(&producer[1], 1);
                ring.commit(&mut { push }, 1);
                ring.leave(Role::Producer, tag(2));
            }),
        ]);
    });
}

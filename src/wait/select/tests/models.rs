//! Waiting for several things under loom: pots of items, and a ring for two.

use loom::sync::Arc;

use super::super::{Source, Waited, wait};
use crate::algorithm::spsc::{Consuming, Cursor, Producing, Role, RoleMarker, Spsc, SpscState};
use crate::facade::model::{die, explore, explore_deaths, is_byte_locked};
use crate::facade::{AtomicU32, Deadline, Ordering};
use crate::participant::stage::{KernelLiveness, finish, players, start, tag};
use crate::wait::event_count::EventCount;
use crate::wait::sleep_once;

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (90, LEAVES, "one that was woken does not hand the wake on"),
    (
        91,
        OTHERS,
        "one that was woken by several hands one wake on",
    ),
    (92, OTHERS, "a sleeper has no barrier before its last look"),
    (93, OTHERS, "a sleeper does not look once more"),
    (94, LAST, "a sleeper arms the first event count only"),
    (95, LAST, "a sleeper sleeps by the first event count only"),
    (96, DEAD, "nobody looks after the dead"),
    (97, RING, "a dead producer's role is not given back"),
];

const LEAVES: &str = "model_select_a_waiter_that_takes_nothing_passes_its_wake_on";
const OTHERS: &str = "model_select_a_waiter_woken_twice_passes_one_wake_on";
const LAST: &str = "model_any_of_them_wakes_it";
const DEAD: &str = "model_select_a_waiter_for_the_dead_returns";
const RING: &str = "model_a_dead_producer_makes_its_ring_ready";

/// Items that one process puts in, and others take out.
struct Pot {
    items: AtomicU32,
    event: EventCount,
}

impl Pot {
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

    /// Takes one, sleeping by the event count of this pot alone; false if there is none, and
    /// process `cook` is dead.
    fn take_or_sleep(&self, cook: u32) -> bool {
        let mut slept = false;
        loop {
            let alive = is_byte_locked(cook - 1);
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

/// A pot as one that waits for several has it.
struct Waiting<'a> {
    pot: &'a Pot,
    cook: u32,
    /// Whether the cook was found dead.
    over: core::cell::Cell<bool>,
    /// Whether the waiter is killed when it has seen that something is there.
    dies: bool,
}

impl Source for Waiting<'_> {
    fn is_ready(&self) -> bool {
        let some = self.pot.has_some();
        if some && self.dies {
            die();
        }
        self.over.get() || some
    }
    fn event(&self) -> &EventCount {
        &self.pot.event
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn reap_dead(&self) -> bool {
        self.over.set(!is_byte_locked(self.cook - 1));
        true
    }
}

struct Pots([Pot; 2]);

impl Pots {
    fn new() -> Arc<Self> {
        players();
        let pot = || Pot {
            items: AtomicU32::new(0),
            event: EventCount::new(),
        };
        Arc::new(Self([pot(), pot()]))
    }

    fn wait(&self, cook: u32) -> usize {
        self.wait_and(cook, false)
    }

    fn wait_and(&self, cook: u32, dies: bool) -> usize {
        let waiting = self.0.each_ref().map(|pot| Waiting {
            pot,
            cook,
            over: core::cell::Cell::new(false),
            dies,
        });
        match wait(&waiting.each_ref(), &Deadline::never()) {
            Waited::Ready(index) => index,
            other => panic!("{other:?}"),
        }
    }
}

/// Hunts: a sleeper that the last of the things it waits for does not wake.
#[test]
fn model_any_of_them_wakes_it() {
    explore(
        "one that waits for two pots, and a cook of the second",
        || {
            let pots = Pots::new();
            let (waiter, cook) = (pots.clone(), pots);
            finish([
                start(1, None, move || {
                    assert_eq!(waiter.wait(2), 1);
                    assert!(waiter.0[1].take());
                }),
                start(2, None, move || cook.0[1].put()),
            ]);
        },
    );
}

/// Hunts: a wake that goes to one that waits for several and does not take the item, while another
/// sleeps for it.
#[test]
fn model_select_a_waiter_that_takes_nothing_passes_its_wake_on() {
    explore("a waiter that takes nothing, a taker, a producer", || {
        let pots = Pots::new();
        let (looker, taker, cook) = (pots.clone(), pots.clone(), pots);
        finish([
            start(1, None, move || {
                looker.wait(3);
            }),
            start(2, None, move || {
                assert!(taker.0[1].take_or_sleep(3));
                // The one that looks may have come too late for the other.
                taker.0[0].put();
            }),
            start(3, None, move || cook.0[1].put()),
        ]);
    });
}

/// Hunts: a sleeper whose wake went to one that was killed before it handed it on.
#[test]
fn model_select_the_wake_of_a_killed_waiter_is_replaced() {
    explore(
        "one that is killed when it is woken, one that takes",
        || {
            let pots = Pots::new();
            let (looker, taker, cook) = (pots.clone(), pots.clone(), pots);
            finish([
                start(1, None, move || {
                    looker.wait_and(3, true);
                }),
                start(2, None, move || {
                    assert!(taker.0[1].take_or_sleep(3));
                    // The one that looks may have come too late for the other.
                    taker.0[0].put();
                }),
                start(3, None, move || cook.0[1].put()),
            ]);
        },
    );
}

/// Hunts: two wakes that one sleeper has used up, of which it hands on one.
#[test]
fn model_select_a_waiter_woken_twice_passes_one_wake_on() {
    explore(
        "one that waits for two pots, one for the second, a cook",
        || {
            let pots = Pots::new();
            let (waiter, taker, cook) = (pots.clone(), pots.clone(), pots.clone());
            finish([
                start(1, None, move || {
                    if waiter.wait(3) == 0 {
                        waiter.0[0].take();
                    }
                }),
                start(2, None, move || assert!(taker.0[1].take_or_sleep(3))),
                start(3, None, move || {
                    cook.0[1].put();
                    cook.0[0].put();
                }),
            ]);
            assert!(!pots.0[1].take(), "an item is left, and nobody took it");
        },
    );
}

/// Hunts: a sleeper that waits for ever for one that is dead.
#[test]
fn model_select_a_waiter_for_the_dead_returns() {
    explore_deaths("a waiter for two sources, a producer killed", |death| {
        let pots = Pots::new();
        let (waiter, cook) = (pots.clone(), pots);
        finish([
            start(1, None, move || {
                waiter.wait(2);
            }),
            start(2, death, move || {
                cook.0[1].put();
            }),
        ]);
    });
}

/// A ring for two, of which one process has the consumer's end.
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
    fn reap_dead(&self) -> bool {
        let role = Role::Consumer;
        self.ring.reap_dead(role, &KernelLiveness(1));
        true
    }
}

fn claim<R: RoleMarker>(state: &SpscState, id: u32) -> Cursor<R> {
    let claimed = Spsc::new(state, 1).claim(tag(id), &KernelLiveness(id));
    claimed.expect("nobody has it")
}

/// Hunts: a consumer of two rings that sleeps for ever because a producer has pushed, left or died.
#[test]
fn model_a_dead_producer_makes_its_ring_ready() {
    explore_deaths("a consumer of two rings, a producer killed", |death| {
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

//! The ring for two under loom: a world without a registry, where the byte locks say who lives.

use std::sync::atomic::{AtomicU64 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{Consuming, Cursor, Producing, Role, Seat, Spsc, SpscState, Unclaimed, Waited};
use crate::facade::model::{explore, explore_deaths, explore_deaths_at_least, is_byte_locked};
use crate::facade::{Deadline, Pace, Words};
use crate::participant::stage::{KernelLiveness, finish, players, start, tag};

mod two_deaths;

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (60, TIGHT, "whoever rings has no barrier before its look"),
    (
        61,
        LEAVER,
        "a sleeper does not look once more whether it is alone",
    ),
    (63, TIGHT, "a sleeper has no barrier before its last look"),
    (64, TIGHT, "a sleeper does not look once more"),
    (
        65,
        REAPED,
        "giving back a role says that nobody ever had it",
    ),
    (
        66,
        TIGHT,
        "whoever wakes all leaves the event count as it is",
    ),
    (69, TIGHT, "whoever wakes all wakes nobody"),
    (68, TAKEN, "a role is taken from one that lives"),
    (70, TIGHT, "the producer does not acquire the head"),
    (71, TIGHT, "the consumer does not acquire the tail"),
    (72, TIGHT, "the producer thinks that there is one slot more"),
    (73, TIGHT, "a push does not publish"),
    (74, TIGHT, "a pop does not give its slot back"),
    (75, TIGHT, "a commit does not ring"),
    (
        76,
        LEAVER,
        "whoever looks whether it is alone does not acquire",
    ),
    (
        77,
        LEAVER,
        "one that finds itself alone does not look once more",
    ),
    (79, LEAVER, "leaving a role wakes nobody"),
    (
        660,
        LEAVER,
        "a waiter never asks who is dead, however often it slept",
    ),
    (
        661,
        LEAVER,
        "a waiter sleeps though the other side has left before its last look",
    ),
    (756, two_deaths::ROLES, "a second death goes unnoticed"),
];

const TIGHT: &str = "model_every_item_arrives_once_and_in_order_and_nobody_oversleeps";
const LEAVER: &str = "model_what_a_producer_committed_before_it_left_or_died_arrives";
const TAKEN: &str = "model_a_dead_consumers_successor_goes_on_where_it_was";
const REAPED: &str = "model_a_consumer_is_told_of_a_producer_that_others_reaped";

/// A ring, its slots, and what was taken out of it.
struct Belt {
    state: SpscState,
    slots: Vec<Words<1>>,
    /// One more than the last item that a consumer has committed.
    taken: Ledger,
}

impl Belt {
    fn of(capacity: usize) -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SpscState::new(),
            slots: (0..capacity).map(|_| Words::new([99])).collect(),
            taken: Ledger::new(0),
        })
    }

    fn ring(&self) -> Spsc<'_> {
        Spsc::new(&self.state, self.slots.len() as u64)
    }

    fn claim<R: Seat>(&self, id: u32) -> Result<Cursor<R>, Unclaimed> {
        self.ring().claim(tag(id), &KernelLiveness(id))
    }

    fn slot<R>(&self, cursor: &Cursor<R>) -> &Words<1> {
        &self.slots[usize::try_from(cursor.position()).unwrap() % self.slots.len()]
    }

    fn wait<R: Seat>(&self, cursor: &mut Cursor<R>, id: u32) -> Waited {
        self.ring().wait(
            cursor,
            &KernelLiveness(id),
            &Deadline::never(),
            Pace::Adaptive,
        )
    }

    /// Pushes the item that belongs at the cursor: its own position.
    fn push(&self, cursor: &mut Cursor<Producing>) {
        self.slot(cursor).write(&[cursor.position()]);
        self.ring().commit(cursor, 1);
    }

    /// Pops an item that is there.
    fn pop(&self, cursor: &mut Cursor<Consuming>) {
        let [item] = self.slot(cursor).read();
        assert_eq!(item, cursor.position(), "another item stands there");
        self.ring().commit(cursor, 1);
        let before = self.taken.swap(item + 1, Relaxed);
        assert_eq!(before, item, "an item came twice, or not");
    }

    /// Pushes one if the role is free, and leaves.
    fn produce_one(&self, id: u32) {
        if let Ok(mut cursor) = self.claim::<Producing>(id) {
            self.push(&mut cursor);
            self.ring().leave(Role::Producer, tag(id));
        }
    }

    /// Pops until the producer is gone.
    fn consume(&self, id: u32) {
        let mut cursor = self.claim::<Consuming>(id).expect("nobody has it");
        loop {
            match self.wait(&mut cursor, id) {
                Waited::Ready(_) => self.pop(&mut cursor),
                Waited::Alone => return,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Pops what is there, and does not wait.
    fn drain(&self, cursor: &mut Cursor<Consuming>) {
        while self.ring().refresh(cursor) != Ok(0) {
            self.pop(cursor);
        }
    }
}

/// Hunts: items that are lost, doubled, read before they are written or written over before they are
/// read; and a sleeper on either side that nobody wakes. The ring is full most of the time.
#[test]
fn model_every_item_arrives_once_and_in_order_and_nobody_oversleeps() {
    explore("a producer and a consumer of one place", || {
        let belt = Belt::of(1);
        let (producer, consumer) = (belt.clone(), belt.clone());
        // Both are there from the beginning: neither finds itself alone before the other has come.
        let push = Cell(belt.claim::<Producing>(1).unwrap());
        let pop = Cell(belt.claim::<Consuming>(2).unwrap());
        finish([
            start(1, None, move || {
                let mut cursor = push.take();
                for _ in 0..3 {
                    assert!(matches!(producer.wait(&mut cursor, 1), Waited::Ready(1)));
                    producer.push(&mut cursor);
                }
            }),
            start(2, None, move || {
                let mut cursor = pop.take();
                for _ in 0..3 {
                    assert!(matches!(consumer.wait(&mut cursor, 2), Waited::Ready(1)));
                    consumer.pop(&mut cursor);
                }
            }),
        ]);
        assert_eq!(belt.taken.load(Relaxed), 3);
    });
}

/// A cursor that a process takes with it.
struct Cell<R>(Cursor<R>);

impl<R: Copy> Cell<R> {
    fn take(&self) -> Cursor<R> {
        self.0
    }
}

/// Hunts: an item whose push was committed and that its consumer misses, because the producer has
/// left, or was killed, meanwhile; and a consumer that waits for one that is gone.
#[test]
fn model_what_a_producer_committed_before_it_left_or_died_arrives() {
    explore_deaths_at_least("a producer that leaves, or is killed", 2, |death| {
        let belt = Belt::of(2);
        let (producer, consumer) = (belt.clone(), belt.clone());
        let push = Cell(belt.claim::<Producing>(1).unwrap());
        finish([
            start(1, death, move || {
                let mut cursor = push.take();
                for _ in 0..2 {
                    producer.push(&mut cursor);
                }
                producer.ring().leave(Role::Producer, tag(1));
            }),
            start(2, None, move || consumer.consume(2)),
        ]);
        // The next producer begins where the last one ended: nothing is between them.
        let next = belt.claim::<Producing>(3).expect("nobody has it");
        assert_eq!(
            next.position(),
            belt.taken.load(Relaxed),
            "an item was missed"
        );
    });
}

/// Hunts: a consumer that takes a role from one that lives, or begins where it was not.
#[test]
fn model_a_dead_consumers_successor_goes_on_where_it_was() {
    explore_deaths("a consumer killed, another in its place", |death| {
        let belt = Belt::of(2);
        let (victim, successor) = (belt.clone(), belt.clone());
        let mut push = belt.claim::<Producing>(3).unwrap();
        belt.push(&mut push);
        belt.push(&mut push);
        finish([
            start(1, death, move || {
                if let Ok(mut cursor) = victim.claim::<Consuming>(1) {
                    for _ in 0..2 {
                        if victim.ring().available(&mut cursor) != Ok(0) {
                            let [item] = victim.slot(&cursor).read();
                            assert_eq!(item, cursor.position());
                            victim.ring().commit(&mut cursor, 1);
                        }
                    }
                }
            }),
            start(2, None, move || {
                if let Ok(mut cursor) = successor.claim::<Consuming>(2) {
                    assert!(
                        !is_byte_locked(0) || cursor.position() == 0,
                        "it lives, and has committed"
                    );
                    let begin = cursor.position();
                    successor.taken.store(begin, Relaxed);
                    successor.drain(&mut cursor);
                    assert_eq!(cursor.position(), 2);
                }
            }),
        ]);
    });
}

/// Hunts: a role handed on without the position of the one before.
#[test]
fn model_a_role_that_was_left_is_taken_up_at_its_position() {
    explore("two producers, one after the other", || {
        let belt = Belt::of(2);
        let (first, second) = (belt.clone(), belt.clone());
        let push = Cell(belt.claim::<Producing>(1).unwrap());
        finish([
            start(1, None, move || {
                let mut cursor = push.take();
                first.push(&mut cursor);
                first.ring().leave(Role::Producer, tag(1));
            }),
            start(2, None, move || {
                if let Ok(mut cursor) = second.claim::<Producing>(2) {
                    assert_eq!(cursor.position(), 1, "the first one's item is written over");
                    second.push(&mut cursor);
                }
            }),
        ]);
    });
}

/// Hunts: a consumer that sleeps for ever, or thinks that nobody ever was there, because a helper
/// gave the dead producer's role back.
#[test]
fn model_a_consumer_is_told_of_a_producer_that_others_reaped() {
    explore_deaths("a producer killed, a reaper, a consumer", |death| {
        let belt = Belt::of(1);
        let (victim, reaper, consumer) = (belt.clone(), belt.clone(), belt.clone());
        let push = Cell(belt.claim::<Producing>(1).unwrap());
        finish([
            start(1, death, move || {
                let mut cursor = push.take();
                victim.push(&mut cursor);
                victim.ring().leave(Role::Producer, tag(1));
            }),
            start(3, None, move || {
                if !is_byte_locked(0) {
                    reaper.state.recover(tag(1));
                }
            }),
            start(2, None, move || consumer.consume(2)),
        ]);
        let next = belt.claim::<Producing>(3).expect("nobody has it");
        assert_eq!(
            next.position(),
            belt.taken.load(Relaxed),
            "an item was missed"
        );
    });
}

/// Hunts: two that take a free role at once, both of them.
#[test]
fn model_a_role_has_one_holder() {
    explore("two that want to produce", || {
        let belt = Belt::of(2);
        finish([1, 2].map(|id| {
            let belt = belt.clone();
            start(id, None, move || belt.produce_one(id))
        }));
        let mut cursor = belt.claim::<Consuming>(3).unwrap();
        belt.drain(&mut cursor);
        assert!((1..=2).contains(&belt.taken.load(Relaxed)));
    });
}

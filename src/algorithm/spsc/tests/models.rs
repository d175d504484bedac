//! Models of the ring, without a registry: the byte locks say which processes live.

use std::sync::atomic::{AtomicU64 as UntrackedU64, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{
    ClaimError, Consuming, Cursor, Producing, Role, RoleMarker, Spsc, SpscState, WaitOutcome,
};
use crate::facade::model::{
    explore, explore_deaths, explore_deaths_at_least, explore_two_deaths, is_byte_locked,
};
use crate::facade::{Deadline, Pace, Words, mutants};
use crate::participant::stage::{KernelLiveness, StartWith, finish, players, start, tag};

mutants! {
    model_spsc_every_item_arrives_once_in_order_and_no_wake_is_lost:
        60 "a notifier has no barrier before it loads the event count",
        63 "a sleeper has no barrier before its last check",
        64 "a sleeper does not check once more",
        66 "waking all leaves the event count armed",
        69 "waking all wakes no sleeper",
        70 "the producer does not acquire the head",
        71 "the consumer does not acquire the tail",
        72 "the producer counts one slot too many",
        73 "a push does not release its item",
        74 "a pop does not release its slot",
        75 "a commit does not notify";
    model_spsc_items_committed_before_the_producer_left_or_died_arrive:
        61 "a sleeper does not check once more whether its peer has left",
        76 "the load of the peer's claim does not acquire",
        77 "a waiter whose peer is gone does not load its position once more",
        79 "leaving a role wakes no sleeper",
        660 "a waiter never checks for deaths, however often it slept",
        661 "a waiter sleeps although its peer has left before its last check";
    model_spsc_consumer_sees_a_reaped_producer_as_disconnected:
        65 "a recovered claim looks as if it was never taken";
    model_spsc_successor_of_a_dead_consumer_continues_at_its_position:
        68 "a claim is taken from a live holder";
    model_spsc_length_is_never_more_than_was_pushed:
        741 "the length does not acquire the head";
    model_two_deaths_of_spsc_producer_and_consumer_leave_both_claims_free:
        756 "a second death is not detected";
}

/// A ring, its slots and the number of items taken out.
pub(super) struct Fixture {
    pub(super) state: SpscState,
    slots: Vec<Words<1>>,
    /// One more than the last item that a consumer has committed. loom does not track it.
    taken: UntrackedU64,
}

impl Fixture {
    pub(super) fn of(capacity: usize) -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SpscState::new(),
            slots: (0..capacity).map(|_| Words::new([99])).collect(),
            taken: UntrackedU64::new(0),
        })
    }

    pub(super) fn ring(&self) -> Spsc<'_> {
        Spsc::new(&self.state, self.slots.len() as u64)
    }

    fn claim<R: RoleMarker>(&self, id: u32) -> Result<Cursor<R>, ClaimError> {
        self.ring().claim(&KernelLiveness(id))
    }

    fn slot<R>(&self, cursor: &Cursor<R>) -> &Words<1> {
        &self.slots[usize::try_from(cursor.position()).unwrap() % self.slots.len()]
    }

    fn wait<R: RoleMarker>(&self, cursor: &mut Cursor<R>, id: u32) -> WaitOutcome {
        self.ring().wait(
            cursor,
            &KernelLiveness(id),
            &Deadline::never(),
            Pace::Adaptive,
        )
    }

    /// Pushes the item that equals its position.
    pub(super) fn push(&self, cursor: &mut Cursor<Producing>) {
        self.slot(cursor).write(&[cursor.position()]);
        self.ring().commit(cursor, 1);
    }

    /// Pops an available item.
    fn pop(&self, cursor: &mut Cursor<Consuming>) {
        let [item] = self.slot(cursor).read();
        assert_eq!(item, cursor.position(), "the slot holds another item");
        self.ring().commit(cursor, 1);
        let before = self.taken.swap(item + 1, Relaxed);
        assert_eq!(before, item, "an item is duplicated or lost");
    }

    /// Pushes one item if the role is free, and leaves.
    fn produce_one(&self, id: u32) {
        if let Ok(mut cursor) = self.claim::<Producing>(id) {
            self.push(&mut cursor);
            self.ring().leave(Role::Producer, tag(id));
        }
    }

    /// Pops until the producer has left or died.
    fn consume(&self, id: u32) {
        let mut cursor = self.claim::<Consuming>(id).expect("the role is free");
        loop {
            match self.wait(&mut cursor, id) {
                WaitOutcome::Ready(_) => self.pop(&mut cursor),
                WaitOutcome::Disconnected => return,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Pops each available item, without waiting.
    pub(super) fn drain(&self, cursor: &mut Cursor<Consuming>) {
        while self.ring().refresh(cursor) != Ok(0) {
            self.pop(cursor);
        }
    }
}

/// Hunts: items that are lost, duplicated, read before they are written or overwritten before they
/// are read; and a sleeper on either side that is not woken. The ring is full most of the time.
#[test]
fn model_spsc_every_item_arrives_once_in_order_and_no_wake_is_lost() {
    explore(|| {
        let fixture = Fixture::of(1);
        // Both roles are claimed from the beginning: neither process sees the other as
        // disconnected.
        let push = fixture.claim::<Producing>(1).unwrap();
        let pop = fixture.claim::<Consuming>(2).unwrap();
        finish([
            fixture.start(1, None, move |producer| {
                let mut cursor = push;
                for _ in 0..3 {
                    assert!(matches!(
                        producer.wait(&mut cursor, 1),
                        WaitOutcome::Ready(1)
                    ));
                    producer.push(&mut cursor);
                }
            }),
            fixture.start(2, None, move |consumer| {
                let mut cursor = pop;
                for _ in 0..3 {
                    assert!(matches!(
                        consumer.wait(&mut cursor, 2),
                        WaitOutcome::Ready(1)
                    ));
                    consumer.pop(&mut cursor);
                }
            }),
        ]);
        assert_eq!(fixture.taken.load(Relaxed), 3);
    });
}

/// Hunts: a committed item that the consumer misses because the producer has left or was killed in
/// the meantime; and a consumer that waits for a producer that is gone.
#[test]
fn model_spsc_items_committed_before_the_producer_left_or_died_arrive() {
    explore_deaths_at_least(2, |death| {
        let fixture = Fixture::of(2);
        let producer = fixture.clone();
        let push = fixture.claim::<Producing>(1).unwrap();
        finish([
            start(1, death, move || {
                let mut cursor = push;
                for _ in 0..2 {
                    producer.push(&mut cursor);
                }
                producer.ring().leave(Role::Producer, tag(1));
            }),
            fixture.start(2, None, move |consumer| consumer.consume(2)),
        ]);
        // The next producer begins where the last one ended, with no item between them.
        let next = fixture.claim::<Producing>(3).expect("the role is free");
        assert_eq!(
            next.position(),
            fixture.taken.load(Relaxed),
            "an item is lost"
        );
    });
}

/// Hunts: a length that no moment had, because its tail is older than its head.
#[test]
fn model_spsc_length_is_never_more_than_was_pushed() {
    explore(|| {
        let fixture = Fixture::of(3);
        let push = fixture.claim::<Producing>(1).unwrap();
        let pop = fixture.claim::<Consuming>(2).unwrap();
        finish([
            fixture.start(1, None, move |producer| producer.push(&mut { push })),
            fixture.start(2, None, move |consumer| consumer.drain(&mut { pop })),
            fixture.start(3, None, move |observer| assert!(observer.ring().len() <= 1)),
        ]);
    });
}

/// Hunts: a consumer that takes over from a live one, or does not begin at its predecessor's
/// position.
#[test]
fn model_spsc_successor_of_a_dead_consumer_continues_at_its_position() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        let mut push = fixture.claim::<Producing>(3).unwrap();
        fixture.push(&mut push);
        fixture.push(&mut push);
        finish([
            fixture.start(1, death, move |victim| {
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
            fixture.start(2, None, move |successor| {
                if let Ok(mut cursor) = successor.claim::<Consuming>(2) {
                    assert!(
                        !is_byte_locked(0) || cursor.position() == 0,
                        "the first consumer lives, and has committed"
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

/// Hunts: a role that passes on without its last holder's position.
#[test]
fn model_spsc_claim_of_a_released_role_continues_at_its_position() {
    explore(|| {
        let fixture = Fixture::of(2);
        let first = fixture.clone();
        let push = fixture.claim::<Producing>(1).unwrap();
        finish([
            start(1, None, move || {
                let mut cursor = push;
                first.push(&mut cursor);
                first.ring().leave(Role::Producer, tag(1));
            }),
            fixture.start(2, None, move |second| {
                if let Ok(mut cursor) = second.claim::<Producing>(2) {
                    assert_eq!(
                        cursor.position(),
                        1,
                        "the first producer's item is overwritten"
                    );
                    second.push(&mut cursor);
                }
            }),
        ]);
    });
}

/// Hunts: a consumer that sleeps indefinitely, or sees a producer's role as never claimed, because
/// a helper recovered the dead producer's claim.
#[test]
fn model_spsc_consumer_sees_a_reaped_producer_as_disconnected() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1);
        let push = fixture.claim::<Producing>(1).unwrap();
        finish([
            fixture.start(1, death, move |victim| {
                let mut cursor = push;
                victim.push(&mut cursor);
                victim.ring().leave(Role::Producer, tag(1));
            }),
            fixture.start(3, None, move |reaper| {
                if !is_byte_locked(0) {
                    reaper.state.recover(tag(1));
                }
            }),
            fixture.start(2, None, move |consumer| consumer.consume(2)),
        ]);
        let next = fixture.claim::<Producing>(3).expect("the role is free");
        assert_eq!(
            next.position(),
            fixture.taken.load(Relaxed),
            "an item is lost"
        );
    });
}

/// Hunts: two processes that both claim a free role.
#[test]
fn model_spsc_role_has_one_holder() {
    explore(|| {
        let fixture = Fixture::of(2);
        finish([1, 2].map(|id| fixture.start(id, None, move |fixture| fixture.produce_one(id))));
        let mut cursor = fixture.claim::<Consuming>(3).unwrap();
        fixture.drain(&mut cursor);
        assert!((1..=2).contains(&fixture.taken.load(Relaxed)));
    });
}

/// Hunts: an item that is lost or duplicated, or a claim that stays with a dead process, after
/// producer and consumer have died.
#[test]
fn model_two_deaths_of_spsc_producer_and_consumer_leave_both_claims_free() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::of(1);
        let consumer = fixture.clone();
        finish([
            fixture.start(1, first, move |producer| producer.produce_one(1)),
            start(2, second, move || {
                let mut cursor = consumer.claim::<Consuming>(2).expect("the role is free");
                consumer.drain(&mut cursor);
                consumer.ring().leave(Role::Consumer, tag(2));
            }),
        ]);
        finish([fixture.start(3, None, move |third| {
            // A consumer that died between its commit and the count has taken an item that is
            // not counted.
            let mut pop = third
                .claim::<Consuming>(3)
                .expect("the holder has died or left");
            third.taken.store(pop.position(), Relaxed);
            third.drain(&mut pop);
            let mut push = third
                .claim::<Producing>(3)
                .expect("the holder has died or left");
            third.push(&mut push);
            third.drain(&mut pop);
        })]);
    });
}

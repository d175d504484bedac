//! Models of a ring whose producer's end goes from a parent to its child.
//!
//! Process 1 is the parent, which has pushed an item; process 2 the child; process 3 the consumer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{Consuming, Cursor, Producing, Role, Spsc, SpscState, WaitOutcome};
use crate::facade::model::{explore, explore_deaths_one_less, explore_two_deaths, is_byte_locked};
use crate::facade::{Deadline, Pace, Words, mutation};
use crate::participant::endpoints::Endpoint;
use crate::participant::hand_over::{Ends, HandOver, TakeOverError};
use crate::participant::stage::{
    KernelLiveness, ModelRegistry, StartWith, finish, players, start, tag,
};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        542,
        PARENT,
        "a waiter reports the death of its peer and leaves the claim to the child",
    ),
    (543, PARENT, "a child takes over an end that is gone"),
    (
        544,
        LOST,
        "a child does not ask whether it is still registered",
    ),
    (
        545,
        LOST,
        "an unregistered child leaves its tag in the claim",
    ),
    (
        546,
        CHILD,
        "a parent gives its end up before its child has it",
    ),
    (547, BOTH, "a second death is not detected"),
];

const PARENT: &str = "model_spsc_end_handed_over_by_a_parent_that_dies";
const CHILD: &str = "model_spsc_end_handed_over_to_a_child_that_dies";
const LOST: &str = "model_spsc_end_handed_over_to_an_unregistered_child_leaves_no_tag";
const BOTH: &str = "model_two_deaths_of_parent_and_child_end_the_ring";

const CAPACITY: u64 = 4;

/// A ring, its slots, and how many items the consumer had when it was told of the end.
struct Fixture {
    state: SpscState,
    slots: Vec<Words<1>>,
    told: AtomicU64,
}

const NOT_TOLD: u64 = u64::MAX;

impl Fixture {
    /// The parent has pushed an item.
    fn new() -> (Arc<Self>, Cursor<Consuming>) {
        players();
        let fixture = Arc::new(Self {
            state: SpscState::new(),
            slots: (0..CAPACITY).map(|_| Words::new([99])).collect(),
            told: AtomicU64::new(NOT_TOLD),
        });
        let pop = fixture.ring().claim(&KernelLiveness(3));
        let push = fixture.ring().claim(&KernelLiveness(1));
        fixture.push(&mut push.expect("the role is free"));
        (fixture.clone(), pop.expect("the role is free"))
    }

    fn ring(&self) -> Spsc<'_> {
        Spsc::new(&self.state, CAPACITY)
    }

    fn slot<R>(&self, cursor: &Cursor<R>) -> &Words<1> {
        &self.slots[usize::try_from(cursor.position() % CAPACITY).unwrap()]
    }

    fn push(&self, cursor: &mut Cursor<Producing>) {
        self.slot(cursor).write(&[cursor.position()]);
        self.ring().commit(cursor, 1);
    }

    /// What the child does: it takes the end over, pushes an item and leaves.
    fn take_over(&self) {
        let end = HandOver {
            endpoint: Endpoint::Sender,
            from: tag(1),
            as_of: 0,
        };
        match self.ring().take_over(end, &KernelLiveness(2)) {
            Ok(()) => {
                let mut cursor = self.ring().resume(tag(2)).expect("it has the end");
                assert_eq!(cursor.position(), 1, "the parent's item is overwritten");
                self.push(&mut cursor);
                self.ring().leave(Role::Producer, tag(2));
            }
            Err(TakeOverError::Over) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Pops until the producer has left or died.
    fn consume(&self, mut cursor: Cursor<Consuming>) {
        let (never, me) = (Deadline::never(), KernelLiveness(3));
        loop {
            match self.ring().wait(&mut cursor, &me, &never, Pace::Adaptive) {
                WaitOutcome::Ready(_) => {
                    let [item] = self.slot(&cursor).read();
                    assert_eq!(item, cursor.position(), "the slot holds another item");
                    self.ring().commit(&mut cursor, 1);
                }
                WaitOutcome::Disconnected => {
                    self.told.store(cursor.position(), Relaxed);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn reap(&self) {
        for id in [1, 2] {
            if !is_byte_locked(id - 1) {
                self.state.recover(tag(id));
            }
        }
    }

    /// Checks that the consumer has had everything when it was told of the end.
    fn audit(&self) {
        let told = self.told.load(Relaxed);
        let next: Cursor<Producing> = self
            .ring()
            .claim(&KernelLiveness(3))
            .expect("the holder has died or left");
        assert_eq!(
            told,
            next.position(),
            "told of the end before its last item"
        );
    }
}

/// Hunts: a consumer that is told of the end while the child has it; a consumer that is never told.
#[test]
fn model_spsc_end_handed_over_by_a_parent_that_dies() {
    explore_deaths_one_less(|death| {
        let (fixture, pop) = Fixture::new();
        let child = fixture.clone();
        finish([
            // It drops what it has left of the end, which is nothing once the child has it.
            fixture.start(1, death, move |parent| {
                parent.ring().leave(Role::Producer, tag(1))
            }),
            start(2, None, move || child.take_over()),
            fixture.start(3, None, move |consumer| consumer.consume(pop)),
        ]);
        fixture.audit();
    });
}

/// Hunts: an end that its parent lives to give to a child, and that is over; a consumer that is not
/// told of the child's death.
#[test]
fn model_spsc_end_handed_over_to_a_child_that_dies() {
    let handed_over = |death| {
        let (fixture, pop) = Fixture::new();
        let consumer = fixture.start(3, None, move |consumer| consumer.consume(pop));
        let parent = fixture.start(1, None, move |parent| {
            if mutation(546) {
                parent.ring().leave(Role::Producer, tag(1));
            }
        });
        let child = fixture.start(2, death, move |child| child.take_over());
        // The parent waits until its child has acknowledged or is dead.
        finish([child, parent]);
        fixture.ring().leave(Role::Producer, tag(1));
        finish([consumer]);
        if is_byte_locked(1) {
            assert_eq!(fixture.told.load(Relaxed), 2, "the child had no end");
        }
        fixture.audit();
    };
    explore(move || handed_over(None));
    explore_deaths_one_less(handed_over);
}

/// Hunts: a claim that stays with a dead process after parent and child have died.
#[test]
fn model_two_deaths_of_parent_and_child_end_the_ring() {
    explore_two_deaths(|[first, second]| {
        let (fixture, pop) = Fixture::new();
        finish([
            fixture.start(1, first, move |parent| {
                parent.ring().leave(Role::Producer, tag(1))
            }),
            fixture.start(2, second, move |child| child.take_over()),
            fixture.start(3, None, move |reaper| reaper.reap()),
        ]);
        finish([fixture.start(3, None, move |last| last.consume(pop))]);
        fixture.audit();
    });
}

/// Hunts: an end that is taken over by the tag of no participant, which no process recovers.
#[test]
fn model_spsc_end_handed_over_to_an_unregistered_child_leaves_no_tag() {
    explore(|| {
        let (fixture, _) = Fixture::new();
        let registry = Arc::new(ModelRegistry::new());
        let (lost, unregisters) = (registry.clone(), registry.clone());
        finish([
            fixture.start(2, None, move |child| {
                let end = HandOver {
                    endpoint: Endpoint::Sender,
                    from: tag(1),
                    as_of: 0,
                };
                let taken = child.ring().take_over(end, &lost.liveness(2));
                assert!(matches!(taken, Ok(()) | Err(TakeOverError::MembershipLost)));
            }),
            fixture.start(3, None, move |reaper| {
                unregisters.unregister(2);
                reaper.state.recover(tag(2));
            }),
        ]);
        let holder = fixture.state.holder(Role::Producer, 3);
        assert_ne!(holder, Some(tag(2)), "the tag stays");
    });
}

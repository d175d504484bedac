//! The ring for two under loom, and a producer that others took for dead and that does not know it.

use loom::sync::Arc;

use super::super::{Consuming, Cursor, Producing, Role, Spsc, SpscState, Unclaimed};
use crate::facade::Words;
use crate::facade::model::explore;
use crate::participant::stage::{ModelRegistry, finish, players, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        605,
        CLAIM,
        "who claims a role does not ask whether it is a participant still",
    ),
    (
        606,
        CLAIM,
        "who was reaped does not take its tag out of the role",
    ),
    (
        615,
        LOST,
        "an end does not look whether it has its role still",
    ),
    (
        616,
        STALE,
        "who has a role does not store its position again",
    ),
    (
        617,
        STALE,
        "a position that cannot be is no ring's, whoever has the role",
    ),
];

const CLAIM: &str = "model_of_one_that_was_reaped_no_tag_stays_in_a_role";
const LOST: &str = "model_one_that_was_reaped_has_its_role_no_more";
const STALE: &str = "model_a_position_of_one_that_was_reaped_loses_nothing";

const CAPACITY: u64 = 4;

/// A ring, its slots, and the registry.
struct Belt {
    state: SpscState,
    slots: Vec<Words<1>>,
    registry: ModelRegistry,
}

impl Belt {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SpscState::new(),
            slots: (0..CAPACITY).map(|_| Words::new([99])).collect(),
            registry: ModelRegistry::new(),
        })
    }

    fn ring(&self) -> Spsc<'_> {
        Spsc::new(&self.state, CAPACITY)
    }

    fn produce(&self, id: u32) -> Result<Cursor<Producing>, Unclaimed> {
        self.ring().claim(tag(id), &self.registry.liveness(id))
    }

    fn slot<R>(&self, cursor: &Cursor<R>) -> &Words<1> {
        &self.slots[usize::try_from(cursor.position() % CAPACITY).unwrap()]
    }

    fn push(&self, cursor: &mut Cursor<Producing>) {
        self.slot(cursor).write(&[cursor.position()]);
        self.ring().commit(cursor, 1);
    }

    /// Pops what is there; nothing that it finds is garbage.
    fn drain(&self, cursor: &mut Cursor<Consuming>) {
        while self.ring().refresh(cursor).expect("a ring's") > 0 {
            let [item] = self.slot(cursor).read();
            assert_eq!(item, cursor.position(), "another item stands there");
            self.ring().commit(cursor, 1);
        }
    }

    /// Others take process 1 for dead, and give back what it has.
    fn reap(&self) {
        self.registry.lose(1);
        self.state.recover(tag(1));
    }
}

/// Hunts: a role that no participant has, and that no reaper gives back.
#[test]
fn model_of_one_that_was_reaped_no_tag_stays_in_a_role() {
    explore("spsc: one taken for dead claims a role, a reaper", || {
        let belt = Belt::new();
        let (lost, reaper) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                // It keeps what it gets.
                match lost.produce(1) {
                    Ok(_) | Err(Unclaimed::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            start(2, None, move || reaper.reap()),
        ]);
        assert_eq!(belt.state.holder(Role::Producer, 3), None, "it stays");
        assert!(belt.produce(2).is_ok());
    });
}

/// Hunts: an item of one whose role is another's by now.
#[test]
fn model_one_that_was_reaped_has_its_role_no_more() {
    explore(
        "spsc: one taken for dead looks whether it has its role",
        || {
            let belt = Belt::new();
            let lost = belt.produce(1).expect("nobody has it");
            belt.reap();
            let next = belt.produce(2).expect("nobody has it");
            let late = belt.clone();
            finish([start(1, None, move || {
                assert!(!late.ring().is_held(&lost), "it is another's");
            })]);
            assert!(belt.ring().is_held(&next));
        },
    );
}

/// Hunts: items that are hidden for good, or a ring that counts as garbage, because one that was reaped in the
/// middle of a push has stored its position.
#[test]
fn model_a_position_of_one_that_was_reaped_loses_nothing() {
    explore("spsc: one taken for dead commits late, a consumer", || {
        let belt = Belt::new();
        let mut lost = belt.produce(1).expect("nobody has it");
        belt.push(&mut lost);
        belt.reap();
        let mut next = belt.produce(2).expect("nobody has it");
        let consumer = belt.ring().claim(tag(3), &belt.registry.liveness(3));
        let mut consumer: Cursor<Consuming> = consumer.expect("nobody has it");
        for _ in 0..2 {
            belt.push(&mut next);
        }
        belt.drain(&mut consumer);
        belt.push(&mut next);
        let (late, popper, pusher) = (belt.clone(), belt.clone(), belt.clone());
        finish([
            // It has written its item, long ago.
            start(1, None, move || late.ring().commit(&mut { lost }, 1)),
            start(3, None, move || popper.drain(&mut { consumer })),
            start(2, None, move || {
                assert!(pusher.ring().available(&mut { next }).is_ok());
            }),
        ]);
        // What a producer does that finds no room, and what its dropping does.
        belt.ring().restore(&next);
        let mut consumer = consumer;
        let refreshed = belt.ring().refresh(&mut consumer);
        assert_eq!(refreshed, Ok(1), "an item is hidden");
    });
}

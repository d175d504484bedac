//! The slot ring under loom, and a participant that others took for dead and that does not know it.

use loom::sync::Arc;

use super::super::{Cursor, Ring, SlotsState, TryError};
use crate::algorithm::mpmc::layout::{Geometry, Word};
use crate::facade::model::explore;
use crate::facade::{AtomicU64, Ordering};
use crate::participant::stage::{ModelRegistry, finish, players, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        625,
        SEND,
        "who claims a slot does not ask whether it is a participant still",
    ),
    (626, RECEIVE, "who was reaped does not give its slot back"),
];

const SEND: &str = "model_slots_one_that_was_reaped_keeps_no_slot_to_send";
const RECEIVE: &str = "model_slots_one_that_was_reaped_keeps_no_item";

/// A ring of two slots, and the registry.
struct Belt {
    state: SlotsState,
    cells: [AtomicU64; 3],
    words: [AtomicU64; 2],
    geometry: Geometry,
    registry: ModelRegistry,
}

impl Belt {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SlotsState::new(),
            cells: [0; 3].map(AtomicU64::new),
            words: [0; 2].map(AtomicU64::new),
            geometry: Geometry::new(2),
            registry: ModelRegistry::new(),
        })
    }

    fn ring(&self) -> Ring<'_, &[AtomicU64]> {
        Ring {
            state: &self.state,
            cells: &self.cells,
            slots: &self.words,
            geometry: &self.geometry,
        }
    }

    fn send(&self, id: u32, cursor: &mut Cursor) {
        let claim = self
            .ring()
            .claim_send(cursor, tag(id), &self.registry.liveness(id));
        self.ring().commit_send(claim.expect("there is room"));
    }

    /// Others take process 1 for dead, and give back what it has.
    fn reap(&self) {
        self.registry.lose(1);
        self.ring().recover(tag(1));
    }

    fn close(&self) {
        for word in &self.words {
            let word = Word(word.load(Ordering::Relaxed));
            assert!(!word.is_of(tag(1)), "the tag of no participant stays");
        }
    }
}

/// Hunts: a slot in the hands of no participant, whom no reaper looks for again.
#[test]
fn model_slots_one_that_was_reaped_keeps_no_slot_to_send() {
    explore("slots: one taken for dead claims a slot to send", || {
        let belt = Belt::new();
        let (lost, reaper) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                let peers = lost.registry.liveness(1);
                // It keeps what it gets.
                match lost
                    .ring()
                    .claim_send(&mut Cursor::default(), tag(1), &peers)
                {
                    Ok(_) | Err(TryError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            start(2, None, move || reaper.reap()),
        ]);
        belt.close();
        let mut cursor = Cursor::default();
        belt.send(3, &mut cursor);
        let got = belt
            .ring()
            .claim_recv(&mut cursor, tag(3), &belt.registry.liveness(3));
        assert!(got.is_ok(), "{got:?}");
    });
}

/// Hunts: the same of an item, which is lost, or comes back to no receiver.
#[test]
fn model_slots_one_that_was_reaped_keeps_no_item() {
    explore("slots: one taken for dead claims an item", || {
        let belt = Belt::new();
        let mut cursor = Cursor::default();
        belt.send(3, &mut cursor);
        let (lost, reaper) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                let peers = lost.registry.liveness(1);
                // It keeps what it gets.
                match lost
                    .ring()
                    .claim_recv(&mut Cursor::default(), tag(1), &peers)
                {
                    Ok(_) | Err(TryError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            start(2, None, move || reaper.reap()),
        ]);
        belt.close();
        let got = belt
            .ring()
            .claim_recv(&mut cursor, tag(3), &belt.registry.liveness(3));
        assert!(got.is_ok(), "the item does not come back: {got:?}");
    });
}

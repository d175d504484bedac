//! Models of the ring with a participant that was reaped while alive and does not know it.

use loom::sync::Arc;

use super::super::{Cursor, Ring, SlotsState, TryError};
use crate::algorithm::mpmc::layout::{Geometry, Word};
use crate::facade::model::explore;
use crate::facade::{AtomicU64, Ordering, mutants};
use crate::participant::stage::{ModelRegistry, StartWith, finish, players, tag};

mutants! {
    model_mpmc_unregistered_process_keeps_no_slot_to_send:
        625 "a claim of a slot does not check that its process is still registered";
    model_mpmc_unregistered_process_keeps_no_item:
        626 "an unregistered process does not give its slot back";
}

/// A ring of two slots, and the registry.
struct Fixture {
    state: SlotsState,
    cells: [AtomicU64; 3],
    words: [AtomicU64; 2],
    geometry: Geometry,
    registry: ModelRegistry,
}

impl Fixture {
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
        self.ring().commit_send(claim.expect("a slot is free"));
    }

    /// Reaps process 1, which lives, and recovers its slots.
    fn reap(&self) {
        self.registry.unregister(1);
        self.ring().recover(tag(1));
    }

    fn check(&self) {
        for word in &self.words {
            let word = Word(word.load(Ordering::Relaxed));
            assert!(!word.is_of(tag(1)), "an unregistered tag stays");
        }
    }
}

/// Hunts: a slot owned by the tag of no participant, which no process recovers.
#[test]
fn model_mpmc_unregistered_process_keeps_no_slot_to_send() {
    explore(
        "mpmc: an unregistered process claims a slot to send",
        || {
            let fixture = Fixture::new();
            finish([
                fixture.start(1, None, move |lost| {
                    let peers = lost.registry.liveness(1);
                    // A claim that succeeds is kept.
                    match lost
                        .ring()
                        .claim_send(&mut Cursor::default(), tag(1), &peers)
                    {
                        Ok(_) | Err(TryError::MembershipLost) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }),
                fixture.start(2, None, move |reaper| reaper.reap()),
            ]);
            fixture.check();
            let mut cursor = Cursor::default();
            fixture.send(3, &mut cursor);
            let got = fixture
                .ring()
                .claim_recv(&mut cursor, tag(3), &fixture.registry.liveness(3));
            assert!(got.is_ok(), "{got:?}");
        },
    );
}

/// Hunts: the same of an item, which is lost or not redelivered.
#[test]
fn model_mpmc_unregistered_process_keeps_no_item() {
    explore("mpmc: an unregistered process claims an item", || {
        let fixture = Fixture::new();
        let mut cursor = Cursor::default();
        fixture.send(3, &mut cursor);
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                // A claim that succeeds is kept.
                match lost
                    .ring()
                    .claim_recv(&mut Cursor::default(), tag(1), &peers)
                {
                    Ok(_) | Err(TryError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        fixture.check();
        let got = fixture
            .ring()
            .claim_recv(&mut cursor, tag(3), &fixture.registry.liveness(3));
        assert!(got.is_ok(), "the item is not redelivered: {got:?}");
    });
}

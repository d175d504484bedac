//! Models of the ring with a participant that was reaped while alive and does not know it.

use loom::sync::Arc;

use super::super::{Cursor, TryError};
use crate::facade::model::explore;
use crate::facade::mutants;
use crate::participant::stage::{StartWith, WithRegistry, finish, tag};

mutants! {
    model_mpmc_unregistered_process_keeps_no_slot_to_send:
        625 "a claim of a slot does not check that its process is still registered";
    model_mpmc_unregistered_process_keeps_no_item:
        626 "an unregistered process does not give its slot back";
}

/// A ring of two slots, and the registry.
type Fixture = WithRegistry<Arc<super::fixture::Fixture>>;

impl Fixture {
    fn open() -> Arc<Self> {
        Arc::new(Self::new(super::fixture::Fixture::of(2)))
    }

    fn send(&self, id: u32, cursor: &mut Cursor) {
        let claim = self.ring().claim_send(cursor, &self.registry.liveness(id));
        self.ring().commit_send(claim.expect("a slot is free"));
    }

    /// Reaps process 1, which lives, and recovers its slots.
    fn reap(&self) {
        self.registry.unregister(1);
        self.ring().recover(tag(1));
    }

    fn check(&self) {
        for index in [0, 1] {
            assert!(!self.word(index).is_of(tag(1)), "an unregistered tag stays");
        }
    }
}

/// Hunts: a slot owned by the tag of no participant, which no process recovers.
#[test]
fn model_mpmc_unregistered_process_keeps_no_slot_to_send() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                // A claim that succeeds is kept.
                match lost.ring().claim_send(&mut Cursor::default(), &peers) {
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
            .claim_recv(&mut cursor, &fixture.registry.liveness(3));
        assert!(got.is_ok(), "{got:?}");
    });
}

/// Hunts: the same of an item, which is lost or not redelivered.
#[test]
fn model_mpmc_unregistered_process_keeps_no_item() {
    explore(|| {
        let fixture = Fixture::open();
        let mut cursor = Cursor::default();
        fixture.send(3, &mut cursor);
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                // A claim that succeeds is kept.
                match lost.ring().claim_recv(&mut Cursor::default(), &peers) {
                    Ok(_) | Err(TryError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        fixture.check();
        let got = fixture
            .ring()
            .claim_recv(&mut cursor, &fixture.registry.liveness(3));
        assert!(got.is_ok(), "the item is not redelivered: {got:?}");
    });
}

//! Models of the ring with a producer that was reaped while alive and does not know it.

use loom::sync::Arc;

use super::super::{ClaimError, Consuming, Cursor, Producing, Role};
use crate::facade::model::explore;
use crate::facade::mutants;
use crate::participant::stage::{StartWith, WithRegistry, finish, tag};

mutants! {
    model_spsc_claim_by_an_unregistered_process_leaves_no_tag:
        605 "a claim does not check that its process is still registered",
        606 "an unregistered process leaves its tag in the claim";
    model_spsc_reaped_producer_detects_that_it_lost_its_claim:
        615 "a holder does not check that it still has its claim";
    model_spsc_stale_position_of_a_reaped_producer_loses_no_item:
        616 "a holder does not store its position again",
        617 "an invalid position is corruption although its endpoint has a holder";
}

/// A ring of four slots, and the registry.
type Fixture = WithRegistry<Arc<super::models::Fixture>>;

impl Fixture {
    fn open() -> Arc<Self> {
        Arc::new(Self::new(super::models::Fixture::of(4)))
    }

    fn produce(&self, id: u32) -> Result<Cursor<Producing>, ClaimError> {
        self.ring().claim(&self.registry.liveness(id))
    }

    /// Reaps process 1, which lives, and recovers its claims.
    fn reap(&self) {
        self.registry.unregister(1);
        self.state.recover(tag(1));
    }
}

/// Hunts: a claim by the tag of no participant, which no process recovers.
#[test]
fn model_spsc_claim_by_an_unregistered_process_leaves_no_tag() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |lost| {
                // A claim that succeeds is kept.
                match lost.produce(1) {
                    Ok(_) | Err(ClaimError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        assert_eq!(
            fixture.state.holder(Role::Producer, 3),
            None,
            "the tag stays"
        );
        assert!(fixture.produce(2).is_ok());
    });
}

/// Hunts: an item pushed by a producer whose claim has passed to its successor.
#[test]
fn model_spsc_reaped_producer_detects_that_it_lost_its_claim() {
    explore(|| {
        let fixture = Fixture::open();
        let lost = fixture.produce(1).expect("the role is free");
        fixture.reap();
        let next = fixture.produce(2).expect("the role is free");
        finish([fixture.start(1, None, move |late| {
            assert!(!late.ring().is_held(&lost), "the claim is the successor's")
        })]);
        assert!(fixture.ring().is_held(&next));
    });
}

/// Hunts: items that stay hidden, or a ring that is reported as corrupt, because a producer that
/// was reaped in the middle of a push has stored its position.
#[test]
fn model_spsc_stale_position_of_a_reaped_producer_loses_no_item() {
    explore(|| {
        let fixture = Fixture::open();
        let mut lost = fixture.produce(1).expect("the role is free");
        fixture.push(&mut lost);
        fixture.reap();
        let mut next = fixture.produce(2).expect("the role is free");
        let consumer = fixture.ring().claim(&fixture.registry.liveness(3));
        let mut consumer: Cursor<Consuming> = consumer.expect("the role is free");
        for _ in 0..2 {
            fixture.push(&mut next);
        }
        fixture.drain(&mut consumer);
        fixture.push(&mut next);
        finish([
            // It has written its item before it was reaped.
            fixture.start(1, None, move |late| late.ring().commit(&mut { lost }, 1)),
            fixture.start(3, None, move |popper| popper.drain(&mut { consumer })),
            fixture.start(2, None, move |pusher| {
                assert!(pusher.ring().available(&mut { next }).is_ok())
            }),
        ]);
        // As a producer does that finds no free slot, or is dropped.
        fixture.ring().restore(&next);
        let mut consumer = consumer;
        let refreshed = fixture.ring().refresh(&mut consumer);
        assert_eq!(refreshed, Ok(1), "an item is hidden");
    });
}

//! Models of the snapshot with a reader that was reaped while alive and does not know it.

use loom::sync::Arc;

use super::super::{ClaimError, SlotError};
use super::models::Fixture;
use crate::algorithm::snapshot::layout::ReaderState;
use crate::facade::model::explore;
use crate::facade::{Ordering, mutants};
use crate::participant::stage::{StartWith, WithRegistry, finish, tag};

mutants! {
    model_snapshot_claims_by_an_unregistered_process_leave_no_tag:
        610 "a claim of a slot does not check that its process is still registered",
        611 "an unregistered process does not release its slot";
}

/// Hunts: a reader slot or a writer's claim with the tag of no participant, which no process
/// recovers.
#[test]
fn model_snapshot_claims_by_an_unregistered_process_leave_no_tag() {
    explore(|| {
        let fixture = Arc::new(WithRegistry::new(Fixture::of(1)));
        finish([
            fixture.start(1, None, move |lost| {
                let (snapshot, peers) = (lost.snapshot(), lost.registry.liveness(1));
                // A claim that succeeds is kept.
                match snapshot.claim_slot(ReaderState::Choosing, &peers) {
                    Ok(mut reader) => {
                        // The slot may have been recovered.
                        let _ = snapshot.choose(&mut reader);
                    }
                    Err(SlotError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
                match snapshot.claim_writer(&peers) {
                    Ok(_) | Err(ClaimError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| {
                reaper.registry.unregister(1);
                reaper.snapshot().recover(tag(1));
            }),
        ]);
        let slot = fixture.slots[0].0.load(Ordering::Relaxed);
        assert_eq!(slot, 0, "an unregistered tag stays");
        let peers = fixture.registry.liveness(2);
        let claim = fixture.state.writer().claim.load().holder(3);
        assert_eq!(claim, Ok(None), "an unregistered tag stays");
        assert!(fixture.snapshot().claim_writer(&peers).is_ok());
        assert!(
            fixture
                .snapshot()
                .claim_slot(ReaderState::Idle, &peers)
                .is_ok()
        );
    });
}

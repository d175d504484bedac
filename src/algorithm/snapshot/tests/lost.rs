//! Models of the snapshot with a reader that was reaped while alive and does not know it.

use loom::sync::Arc;

use super::super::{ClaimError, ReaderSlot, SlotError, Snapshot, SnapshotState};
use crate::algorithm::snapshot::layout::ReaderState;
use crate::facade::model::explore;
use crate::facade::{AtomicU64, Ordering, mutants};
use crate::format::Padded;
use crate::participant::stage::{ModelRegistry, StartWith, finish, players, tag};

mutants! {
    model_snapshot_claims_by_an_unregistered_process_leave_no_tag:
        610 "a claim of a slot does not check that its process is still registered",
        611 "an unregistered process does not release its slot";
}

/// A snapshot and the registry.
struct Fixture {
    state: SnapshotState,
    slots: [ReaderSlot; 1],
    buffer_versions: [AtomicU64; 3],
    registry: ModelRegistry,
}

impl Fixture {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SnapshotState::new(),
            slots: [Padded(AtomicU64::new(0))],
            buffer_versions: [0; 3].map(AtomicU64::new),
            registry: ModelRegistry::new(),
        })
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            slots: &self.slots,
            buffer_versions: &self.buffer_versions,
        }
    }
}

/// Hunts: a reader slot or a writer's claim with the tag of no participant, which no process
/// recovers.
#[test]
fn model_snapshot_claims_by_an_unregistered_process_leave_no_tag() {
    explore(
        "snapshot: an unregistered process claims a slot, a reaper",
        || {
            let fixture = Fixture::new();
            finish([
                fixture.start(1, None, move |lost| {
                    let (snapshot, peers) = (lost.snapshot(), lost.registry.liveness(1));
                    // A claim that succeeds is kept.
                    match snapshot.claim_slot(tag(1), ReaderState::Choosing, &peers) {
                        Ok(mut reader) => {
                            // The slot may have been recovered.
                            let _ = snapshot.choose(&mut reader);
                        }
                        Err(SlotError::MembershipLost) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                    match snapshot.claim_writer(tag(1), &peers) {
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
            assert!(fixture.snapshot().claim_writer(tag(2), &peers).is_ok());
            assert!(
                fixture
                    .snapshot()
                    .claim_slot(tag(2), ReaderState::Idle, &peers)
                    .is_ok()
            );
        },
    );
}

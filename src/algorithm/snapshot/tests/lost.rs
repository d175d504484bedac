//! The snapshot under loom, and a reader that others took for dead and that does not know it.

use loom::sync::Arc;

use super::super::{Seat, Snapshot, SnapshotState, Unclaimed, Unseated};
use crate::algorithm::snapshot::layout::Held;
use crate::facade::model::explore;
use crate::facade::{AtomicU64, Ordering};
use crate::format::Padded;
use crate::participant::stage::{ModelRegistry, finish, players, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        610,
        SEAT,
        "who sits down does not ask whether it is a participant still",
    ),
    (611, SEAT, "who was reaped does not leave its seat"),
];

const SEAT: &str = "model_snapshot_of_one_that_was_reaped_no_tag_stays";

/// A snapshot, and the registry.
struct Board {
    state: SnapshotState,
    seats: [Seat; 1],
    stamps: [AtomicU64; 3],
    registry: ModelRegistry,
}

impl Board {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SnapshotState::new(),
            seats: [Padded(AtomicU64::new(0))],
            stamps: [0; 3].map(AtomicU64::new),
            registry: ModelRegistry::new(),
        })
    }

    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            seats: &self.seats,
            stamps: &self.stamps,
        }
    }
}

/// Hunts: a seat, or the writer's role, that no participant has, and that no reaper gives back.
#[test]
fn model_snapshot_of_one_that_was_reaped_no_tag_stays() {
    explore("snapshot: one taken for dead sits down, a reaper", || {
        let board = Board::new();
        let (lost, reaper) = (board.clone(), board.clone());
        finish([
            start(1, None, move || {
                let (snapshot, peers) = (lost.snapshot(), lost.registry.liveness(1));
                // It keeps what it gets.
                match snapshot.sit(tag(1), Held::Choosing, &peers) {
                    Ok(mut seated) => {
                        // It may be taken away by now.
                        let _ = snapshot.choose(&mut seated);
                    }
                    Err(Unseated::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
                match snapshot.claim(tag(1), &peers) {
                    Ok(_) | Err(Unclaimed::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            start(2, None, move || {
                reaper.registry.lose(1);
                reaper.snapshot().recover(tag(1));
            }),
        ]);
        let seat = board.seats[0].0.load(Ordering::Relaxed);
        assert_eq!(seat, 0, "the tag of no participant stays");
        let peers = board.registry.liveness(2);
        let role = board.state.desk().role.load().holder(3);
        assert_eq!(role, Ok(None), "the tag of no participant stays");
        assert!(board.snapshot().claim(tag(2), &peers).is_ok());
        assert!(board.snapshot().sit(tag(2), Held::Nothing, &peers).is_ok());
    });
}

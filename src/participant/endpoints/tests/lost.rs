//! The ends of a queue under loom, and a participant that others took for dead and that does not know it.

use loom::sync::Arc;

use super::super::{Endpoint, EndpointCounts, EndpointError, owner};
use crate::facade::model::{explore, explore_deaths};
use crate::facade::{AtomicU64, Ordering};
use crate::participant::stage::{ModelRegistry, finish, players, start, successor, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        600,
        STAYS,
        "who is counted does not ask whether it is a participant still",
    ),
    (
        601,
        STAYS,
        "who was reaped does not take its tag out of its cell",
    ),
    (
        602,
        NEXT,
        "what no participant counts keeps the index's next owner out",
    ),
];

const STAYS: &str = "model_ends_count_no_sender_that_was_reaped";
const NEXT: &str = "model_ends_of_one_that_was_reaped_and_is_killed_the_next_owner_counts";

/// The end of a queue, and the registry.
struct End {
    word: AtomicU64,
    cells: [AtomicU64; 3],
    registry: ModelRegistry,
}

impl End {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            word: AtomicU64::new(0),
            cells: [0; 3].map(AtomicU64::new),
            registry: ModelRegistry::new(),
        })
    }

    fn endpoints(&self) -> EndpointCounts<'_> {
        EndpointCounts {
            word: &self.word,
            cells: &self.cells,
        }
    }

    /// Others take process 1 for dead, and count it no more.
    fn reap(&self) {
        self.registry.lose(1);
        self.endpoints().recover(tag(1));
    }

    /// Process 1 counts itself, and stays.
    fn count(&self) {
        let counted = self
            .endpoints()
            .count(Endpoint::Sender, tag(1), &self.registry.liveness(1));
        assert!(
            matches!(counted, Ok(()) | Err(EndpointError::MembershipLost)),
            "{counted:?}"
        );
    }

    /// The next owner of the index counts, and when it has left the side is over.
    fn close(&self) {
        let peers = self.registry.successor_liveness();
        let counted = self
            .endpoints()
            .count(Endpoint::Sender, successor(), &peers);
        assert_eq!(counted, Ok(()), "the cell is no participant's");
        assert!(!self.endpoints().is_over(Endpoint::Receiver));
        self.endpoints()
            .uncount(Endpoint::Sender, successor(), &peers);
        assert!(
            self.endpoints().is_over(Endpoint::Receiver),
            "it counts no participant"
        );
    }
}

/// Hunts: a count of no participant in a cell that no reaper looks at again.
#[test]
fn model_ends_count_no_sender_that_was_reaped() {
    explore("ends: one taken for dead counts itself, a reaper", || {
        let end = End::new();
        let (lost, reaper) = (end.clone(), end.clone());
        finish([
            start(1, None, move || lost.count()),
            start(2, None, move || reaper.reap()),
        ]);
        let cell = end.cells[0].load(Ordering::Relaxed);
        assert_ne!(owner(cell), tag(1).bits(), "it is counted");
        end.close();
    });
}

/// Hunts: an index whose owners are never counted, since one that was reaped was killed with its tag there.
#[test]
fn model_ends_of_one_that_was_reaped_and_is_killed_the_next_owner_counts() {
    explore_deaths(
        "ends: one taken for dead counts itself and is killed",
        |death| {
            let end = End::new();
            let (lost, reaper) = (end.clone(), end.clone());
            finish([
                start(1, death, move || lost.count()),
                start(2, None, move || reaper.reap()),
            ]);
            end.close();
        },
    );
}

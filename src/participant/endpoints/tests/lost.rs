//! The ends of a queue under loom, and a participant that others took for dead and that does not
//! know it.

use loom::sync::Arc;

use super::super::{Endpoint, EndpointCounts, EndpointError, owner};
use super::EndpointWords;
use crate::facade::model::{explore, explore_deaths};
use crate::facade::{AtomicU64, Ordering, mutants};
use crate::participant::hand_over::TakeOverError;
use crate::participant::stage::{ModelRegistry, StartWith, finish, players, successor, tag};

mutants! {
    model_endpoints_count_no_reaped_sender:
        600 "counting does not ask whether the process is still registered",
        601 "a reaped process does not take its tag out of its cell";
    model_endpoints_take_over_counts_no_reaped_child:
        518 "taking an end over does not ask whether the process is still registered";
    model_endpoints_after_a_reaped_sender_was_killed_the_next_owner_counts:
        602 "an unregistered tag blocks the index's next owner";
}

/// The end of a queue, and the registry.
struct End {
    words: EndpointWords,
    registry: ModelRegistry,
}

impl End {
    fn new() -> Arc<Self> {
        players();
        Arc::new(Self {
            words: EndpointWords::new(),
            registry: ModelRegistry::new(),
        })
    }

    fn endpoints(&self) -> EndpointCounts<'_> {
        self.words.endpoints()
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.endpoints().recover(tag(1));
    }

    /// Counts process 1, which does not leave.
    fn count(&self) {
        let counted = self
            .endpoints()
            .count(Endpoint::Sender, &self.registry.liveness(1));
        assert!(
            matches!(counted, Ok(_) | Err(EndpointError::MembershipLost)),
            "{counted:?}"
        );
    }

    /// Takes an end over for process 1, which does not leave.
    fn take_over(&self) {
        let peers = self.registry.liveness(1);
        let end = (Endpoint::Sender, self.endpoints().as_of());
        let taken = self.endpoints().take_over(end, &peers);
        assert!(
            matches!(taken, Ok(()) | Err((TakeOverError::MembershipLost, _))),
            "{taken:?}"
        );
    }

    /// Counts the next owner of the index; the endpoint is gone when that has left.
    fn close(&self) {
        let peers = self.registry.successor_liveness();
        let counted = self.endpoints().count(Endpoint::Sender, &peers);
        assert!(counted.is_ok(), "the cell is no participant's");
        assert!(!self.endpoints().is_over(Endpoint::Receiver));
        self.endpoints().uncount(Endpoint::Sender, &peers);
        assert!(
            self.endpoints().is_over(Endpoint::Receiver),
            "it counts no participant"
        );
    }
}

/// Hunts: a count of an unregistered tag in a cell that no reaper visits again.
#[test]
fn model_endpoints_count_no_reaped_sender() {
    explore(|| {
        let end = End::new();
        finish([
            end.start(1, None, move |lost| lost.count()),
            end.start(2, None, move |reaper| reaper.reap()),
        ]);
        let cell = end.words.cells[0].load(Ordering::Relaxed);
        assert_ne!(owner(cell), tag(1).bits(), "it is counted");
        end.close();
    });
}

/// Hunts: the same, of a child that takes an end over from its parent, which leaves afterwards.
#[test]
fn model_endpoints_take_over_counts_no_reaped_child() {
    explore(|| {
        let end = End::new();
        let peers = end.registry.liveness(3);
        let counted = end.endpoints().count(Endpoint::Sender, &peers);
        assert!(counted.is_ok(), "{counted:?}");
        finish([
            end.start(1, None, move |lost| lost.take_over()),
            end.start(2, None, move |reaper| reaper.reap()),
        ]);
        end.endpoints().uncount(Endpoint::Sender, &peers);
        let cell = end.words.cells[0].load(Ordering::Relaxed);
        assert_ne!(owner(cell), tag(1).bits(), "it is counted");
        end.close();
    });
}

/// Hunts: an index whose owners are never counted, because a reaped process was killed with its tag
/// there.
#[test]
fn model_endpoints_after_a_reaped_sender_was_killed_the_next_owner_counts() {
    explore_deaths(|death| {
        let end = End::new();
        finish([
            end.start(1, death, move |lost| lost.count()),
            end.start(2, None, move |reaper| reaper.reap()),
        ]);
        end.close();
    });
}

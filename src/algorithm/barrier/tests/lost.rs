//! The barrier under loom, and a participant that was reaped and has not learnt it.

use super::super::layout::Seat;
use super::models::Fixture;
use crate::facade::model::{explore, explore_deaths};
use crate::participant::stage::{ModelRegistry, StartWith, finish, tag};
use crate::wait::on_event::TryError;

struct Shared {
    barrier: loom::sync::Arc<Fixture>,
    registry: ModelRegistry,
}

impl Shared {
    fn open() -> loom::sync::Arc<Self> {
        loom::sync::Arc::new(Self {
            barrier: Fixture::open(false),
            registry: ModelRegistry::new(),
        })
    }

    /// Arrives as process 1, which is reaped meanwhile.
    fn arrive(&self) {
        let peers = self.registry.liveness(1);
        match self.barrier.barrier().arrive(0, &peers) {
            Ok(_) | Err(TryError::MembershipLost | TryError::Disconnected) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.barrier.barrier().recover(tag(1));
    }

    /// The first seat.
    fn seat(&self) -> Seat {
        self.barrier.barrier().load(0)
    }
}

/// Hunts: the tag of a reaped process in a seat, which no reaper visits again.
#[test]
fn model_barrier_no_tag_of_a_reaped_process_stays() {
    explore(|| {
        let shared = Shared::open();
        finish([
            shared.start(1, None, |shared| shared.arrive()),
            shared.start(2, None, |shared| shared.reap()),
        ]);
        assert_eq!(shared.seat().holder(), 0, "an unregistered tag stays");
    });
}

/// Hunts: a seat that is lost because a reaped process was killed with its tag in it.
#[test]
fn model_barrier_an_unregistered_tag_is_recovered() {
    explore_deaths(|death| {
        let shared = Shared::open();
        finish([
            shared.start(1, death, |shared| shared.arrive()),
            shared.start(2, None, |shared| shared.reap()),
        ]);
        // As a waiter does when its slice has ended.
        let peers = shared.registry.liveness(3);
        shared.barrier.barrier().reap_dead(&peers);
        assert_eq!(shared.seat().holder(), 0);
    });
}

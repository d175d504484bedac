//! The promise under loom, and a participant that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::{PromiseClaimError, PromiseState, PromiseStatus};
use crate::algorithm::promise::ThreadNumber;
use crate::facade::model::{explore, explore_deaths};
use crate::facade::mutants;
use crate::participant::stage::{ModelRegistry, StartWith, finish, players, tag};

mutants! {
    model_promise_no_tag_of_a_reaped_process_stays:
        820 "a claim does not ask whether it is still registered";
    model_promise_an_unregistered_claim_is_abandoned:
        829 "a waiter leaves the claim to an unregistered tag";
}

/// A promise, and the registry.
struct Fixture {
    promise: PromiseState,
    registry: ModelRegistry,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            promise: PromiseState::new(),
            registry: ModelRegistry::new(),
        })
    }

    fn claim(&self, id: u32) -> Result<(), PromiseClaimError> {
        let thread = ThreadNumber::new(1).unwrap();
        let peers = self.registry.liveness(id);
        self.promise.claim(thread, &peers)
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.promise.recover(tag(1));
    }

    /// Asserts that process 1 has no claim.
    fn close(&self) {
        let status = self.promise.load().status(3);
        assert_ne!(status, PromiseStatus::Claimed(tag(1)), "the tag stays");
    }
}

/// Hunts: the tag of a reaped process in the word, which no reaper visits again.
#[test]
fn model_promise_no_tag_of_a_reaped_process_stays() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |lost| match lost.claim(1) {
                Ok(()) | Err(PromiseClaimError::MembershipLost) => {}
                Err(other) => panic!("{other:?}"),
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        fixture.close();
    });
}

/// Hunts: a promise that no process can set because a reaped process was killed with its tag in it.
#[test]
fn model_promise_an_unregistered_claim_is_abandoned() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |lost| lost.claim(1)),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        // As a waiter does when its slice has ended.
        let peers = fixture.registry.liveness(3);
        fixture.promise.reap_dead(&peers);
        fixture.close();
    });
}

//! The mutex under loom, and a participant that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::MutexError;
use crate::facade::Deadline;
use crate::facade::model::{explore, explore_deaths};
use crate::participant::stage::{StartWith, WithRegistry, finish, tag};

/// A lock, and the registry.
type Fixture = WithRegistry<Arc<super::models::Fixture>>;

impl Fixture {
    fn open() -> Arc<Self> {
        Arc::new(Self::new(super::models::Fixture::open()))
    }

    fn lock_and_unlock(&self, id: u32) {
        let peers = self.registry.liveness(id);
        let held = self.mutex.lock(&peers, &Deadline::never());
        self.mutex.unlock(held.expect("no deadline"), false);
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap_first(&self) {
        self.registry.unregister(1);
        self.mutex.recover(tag(1));
    }

    /// Asserts that process 1 does not hold the lock any more.
    fn check(&self) {
        let holder = self.mutex.holder(&self.registry.liveness(3));
        assert_eq!(holder, Ok(None), "an unregistered tag stays");
    }
}

/// Hunts: the tag of a reaped process in the word, which no reaper visits again; a waiter that is
/// not woken when the tag is taken out.
#[test]
fn model_mutex_no_tag_of_a_reaped_process_stays() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                // It keeps what it gets: it was a participant when it asked.
                match lost.mutex.try_lock(&peers) {
                    Ok(_) | Err(MutexError::Busy | MutexError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap_first()),
            fixture.start(3, None, move |waiter| waiter.lock_and_unlock(3)),
        ]);
        fixture.check();
    });
}

/// Hunts: the same of a process that takes over from a dead owner, whose death must still be
/// reported to the next.
#[test]
fn model_mutex_a_takeover_by_a_reaped_process_keeps_owner_died() {
    explore(|| {
        let fixture = Fixture::open();
        let held = fixture.mutex.try_lock(&fixture.registry.liveness(2));
        assert!(held.is_ok());
        fixture.mutex.recover(tag(2));
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                let held = lost.mutex.try_lock(&peers);
                assert!(
                    held.is_ok_and(|held| held.owner_died())
                        || held == Err(MutexError::MembershipLost)
                );
            }),
            fixture.start(2, None, move |reaper| reaper.reap_first()),
        ]);
        fixture.check();
        let peers = fixture.registry.liveness(2);
        let held = fixture.mutex.try_lock(&peers).expect("it is free");
        assert!(held.owner_died(), "the death is forgotten");
    });
}

/// Hunts: a lock that is lost because a reaped process was killed with its tag in it.
#[test]
fn model_mutex_after_a_reaped_locker_was_killed_others_proceed() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |lost| {
                lost.mutex.try_lock(&lost.registry.liveness(1))
            }),
            fixture.start(2, None, move |reaper| {
                reaper.reap_first();
                reaper.lock_and_unlock(2);
            }),
        ]);
        fixture.lock_and_unlock(3);
    });
}

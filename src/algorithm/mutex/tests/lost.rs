//! The mutex under loom, and a participant that others took for dead and that does not know it.

use loom::sync::Arc;

use super::super::{MutexError, MutexState};
use crate::facade::Deadline;
use crate::facade::model::{explore, explore_deaths};
use crate::participant::stage::{ModelRegistry, finish, players, start, tag};

/// A lock, and the registry.
struct Shop {
    mutex: MutexState,
    registry: ModelRegistry,
}

impl Shop {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            mutex: MutexState::new(),
            registry: ModelRegistry::new(),
        })
    }

    fn lock(&self, id: u32) {
        let peers = self.registry.liveness(id);
        let held = self.mutex.lock(tag(id), &peers, &Deadline::never());
        self.mutex.unlock(held.expect("no deadline"), false);
    }

    /// Others take process 1 for dead, and give back what it holds.
    fn reap(&self) {
        self.registry.unregister(1);
        self.mutex.recover(tag(1));
    }

    /// What process 1 took is not its own any more.
    fn close(&self) {
        let holder = self.mutex.holder(&self.registry.liveness(3));
        assert_eq!(holder, Ok(None), "the tag of no participant stays");
    }
}

/// Hunts: the tag of one that was reaped in the word, where no reaper looks for it again; and a
/// waiter that is not woken by one that takes its tag out.
#[test]
fn model_mutex_no_tag_of_a_reaped_process_stays() {
    explore("a reaped process locks, a reaper, a waiter", || {
        let shop = Shop::open();
        let (lost, reaper, waiter) = (shop.clone(), shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let peers = lost.registry.liveness(1);
                // It keeps what it gets: that it was a participant then is what it was told.
                match lost.mutex.try_lock(tag(1), &peers) {
                    Ok(_) | Err(MutexError::Busy | MutexError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            start(2, None, move || reaper.reap()),
            start(3, None, move || waiter.lock(3)),
        ]);
        shop.close();
    });
}

/// Hunts: the same of one that takes over what a dead owner left, which is still said to the next.
#[test]
fn model_mutex_a_takeover_by_a_reaped_process_keeps_owner_died() {
    explore("a reaped process takes over, a reaper", || {
        let shop = Shop::open();
        let held = shop.mutex.try_lock(tag(2), &shop.registry.liveness(2));
        assert!(held.is_ok());
        shop.mutex.recover(tag(2));
        let (lost, reaper) = (shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let peers = lost.registry.liveness(1);
                let held = lost.mutex.try_lock(tag(1), &peers);
                assert!(
                    held.is_ok_and(|held| held.owner_died())
                        || held == Err(MutexError::MembershipLost)
                );
            }),
            start(2, None, move || reaper.reap()),
        ]);
        shop.close();
        let peers = shop.registry.liveness(2);
        let held = shop.mutex.try_lock(tag(2), &peers).expect("it is free");
        assert!(held.owner_died(), "forgotten");
    });
}

/// Hunts: a lock that is nobody's any more, since one that was reaped was killed with its tag in
/// it.
#[test]
fn model_mutex_after_a_reaped_locker_was_killed_others_proceed() {
    explore_deaths("a reaped process locks and is killed", |death| {
        let shop = Shop::open();
        let (lost, reaper) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || {
                let _ = lost.mutex.try_lock(tag(1), &lost.registry.liveness(1));
            }),
            start(2, None, move || {
                reaper.reap();
                reaper.lock(2);
            }),
        ]);
        shop.lock(3);
    });
}

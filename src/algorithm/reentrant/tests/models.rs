//! The reentrant mutex under loom. The byte locks say which processes live; a process may have
//! several threads here, each with its own holds. What two deaths leave is the mutex's to recover,
//! whose models have them.

use core::cell::Cell;

use loom::sync::Arc;

use super::super::{Holds, LockId};
use crate::algorithm::mutex::{LockToken, MutexState};
use crate::facade::model::{explore, explore_deaths};
use crate::facade::{AtomicU32, Deadline, Ordering, mutants};
use crate::participant::stage::successor;
use crate::participant::stage::{
    KernelLiveness, ModelRegistry, Pair, StartWith, finish, players, start, tag,
};
use crate::participant::{Liveness, Tag};

mutants! {
    model_reentrant_a_thread_of_a_lost_process_waits_for_one_that_joined_anew:
        810 "a thread's hold without its process's tag";
    model_reentrant_threads_of_one_process_exclude_each_other:
        811 "the lock is unlocked, and the thread has its hold still";
    model_reentrant_an_owner_that_was_taken_for_dead_wipes_nothing:
        812 "a thread that has a hold does not look at the mutex",
        804 "a poison that does not expect its owner";
}

/// Data behind a lock.
struct Fixture {
    mutex: MutexState,
    registry: ModelRegistry,
    data: Pair,
    /// Not 0 once the lock was taken over.
    taken: AtomicU32,
}

/// The lock, in each process.
const LOCK: LockId = LockId(1);

/// A thread of a process, with its holds.
struct Thread<'a, P> {
    fixture: &'a Fixture,
    holds: Holds,
    peers: P,
}

impl<P: Liveness> Thread<'_, P> {
    /// Locks. Returns whether it held the lock already.
    fn lock(&self) -> (LockToken, bool) {
        let mutex = &self.fixture.mutex;
        if self.is_owner() {
            self.holds.lock_again(LOCK).unwrap();
            return (LockToken::of(self.peers.me()), true);
        }
        let token = mutex.lock(&self.peers, &Deadline::never());
        self.holds.locked(LOCK, self.peers.me());
        (token.expect("no deadline"), false)
    }

    fn is_owner(&self) -> bool {
        self.holds.depth(LOCK, self.peers.me(), &self.fixture.mutex) > 0
    }

    fn unlock(&self, token: LockToken) {
        let mutex = &self.fixture.mutex;
        self.holds.unlock(LOCK, mutex, token, false);
    }

    /// Locks twice, and unlocks twice.
    fn visit(&self) {
        let (mut token, again) = self.lock();
        assert!(!again, "another process is let in");
        if token.owner_died() {
            self.fixture.data.repair();
            self.fixture.mutex.mark_consistent(&mut token);
        }
        let (inner, again) = self.lock();
        assert!(again, "the owner is not let in again");
        self.fixture.data.bump();
        self.unlock(inner);
        assert!(self.is_owner());
        self.unlock(token);
        assert!(!self.is_owner());
    }
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            mutex: MutexState::new(),
            registry: ModelRegistry::new(),
            data: Pair::new(),
            taken: AtomicU32::new(0),
        })
    }

    /// A thread of process `id`, which the byte locks alone say to live.
    fn thread(&self, id: u32) -> Thread<'_, KernelLiveness> {
        self.thread_of(KernelLiveness(id))
    }

    fn thread_of<P: Liveness>(&self, peers: P) -> Thread<'_, P> {
        Thread {
            fixture: self,
            holds: Holds::new(),
            peers,
        }
    }

    /// Asserts, after all have left or died, that the lock is taken at once and the data are whole.
    fn close(&self) {
        let third = self.thread(3);
        let token = self.mutex.try_lock(&third.peers);
        let token = token.expect("the lock has no live owner");
        third.holds.locked(LOCK, third.peers.me());
        if token.owner_died() {
            self.data.repair();
        }
        self.data.bump();
        third.unlock(token);
        assert!(!self.mutex.peek().locked);
    }
}

/// Hunts: a thread that has just unlocked, and is taken for the next owner, which is a thread of
/// its process.
#[test]
fn model_reentrant_threads_of_one_process_exclude_each_other() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |first| {
                let thread = first.thread(1);
                (0..2).for_each(|_| thread.visit());
            }),
            fixture.start(1, None, move |second| second.thread(1).visit()),
        ]);
        assert_eq!(fixture.data.value(), 3);
    });
}

/// Hunts: a lock that a dead owner leaves locked twice, or with a depth that the next one
/// continues.
#[test]
fn model_reentrant_survivor_gets_the_lock_wherever_the_owner_dies() {
    explore_deaths(|death| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, death, move |victim| victim.thread(1).visit()),
            fixture.start(2, None, move |survivor| survivor.thread(2).visit()),
        ]);
        fixture.close();
    });
}

/// Hunts: an owner that is taken for dead while it unlocks, and wipes the next owner's lock or
/// depth, or poisons its data; or that is let in again although the lock was taken over.
#[test]
fn model_reentrant_an_owner_that_was_taken_for_dead_wipes_nothing() {
    explore(|| {
        let fixture = Fixture::open();
        let owner = fixture.thread_of(fixture.registry.liveness(1));
        let (token, _) = owner.lock();
        owner.holds.lock_again(LOCK).unwrap();
        let holds = owner.holds;
        finish([
            fixture.start(1, None, move |lost| {
                // A panic under the inner guard, then the outer one.
                for (inner, depth) in [(LockToken::of(tag(1)), 1), (token, 0)] {
                    // ORDERING: Acquire; pairs with the Release of the next owner.
                    let is_taken = lost.taken.load(Ordering::Acquire) != 0;
                    let is_owner = holds.depth(LOCK, tag(1), &lost.mutex) > 0;
                    assert!(!is_taken || !is_owner, "an owner no more is let in");
                    holds.unlock(LOCK, &lost.mutex, inner, depth > 0);
                }
            }),
            fixture.start(2, None, |fixture| {
                fixture.registry.unregister(1);
                fixture.mutex.recover(tag(1));
                let next = fixture.thread_of(fixture.registry.liveness(2));
                let (outer, _) = next.lock();
                // ORDERING: Release; the lock was taken before.
                fixture.taken.store(1, Ordering::Release);
                let (inner, again) = next.lock();
                assert!(again, "the owner's hold was wiped");
                next.unlock(inner);
                assert!(next.is_owner());
                let poisoned = fixture.mutex.peek().poisoned;
                assert_eq!(poisoned, outer.is_poisoned(), "a former owner's poison");
                next.unlock(outer);
            }),
        ]);
        assert!(!fixture.mutex.peek().locked, "the lock stays held");
    });
}

/// Hunts: a thread that has a hold by a tag that its process has lost, and is let in where another
/// thread holds the lock by the new tag.
#[test]
fn model_reentrant_a_thread_of_a_lost_process_waits_for_one_that_joined_anew() {
    explore(|| {
        let fixture = Fixture::open();
        let lost = fixture.thread_of(fixture.registry.liveness(1));
        assert!(!lost.lock().1);
        let holds = lost.holds;
        fixture.registry.unregister(1);
        fixture.mutex.recover(tag(1));
        finish([holds, Holds::new()].map(|holds| {
            let fixture = fixture.clone();
            let holds = Cell::new(Some(holds));
            start(1, None, move || {
                let peers = fixture.registry.successor_liveness();
                let thread = Thread {
                    holds: holds.take().expect("it runs once"),
                    ..fixture.thread_of(peers)
                };
                thread.visit();
            })
        }));
        assert_eq!(fixture.data.value(), 2);
    });
}

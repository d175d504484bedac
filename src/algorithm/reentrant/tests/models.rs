//! The reentrant mutex under loom. The byte locks say which processes live; a process may have
//! several threads here, which are numbered as its own are. What two deaths leave is the mutex's to
//! recover, whose models have them.

use loom::sync::Arc;

use super::super::{ReentrantState, ThreadNumber};
use crate::algorithm::mutex::LockToken;
use crate::facade::model::{explore, explore_deaths};
use crate::facade::{Deadline, mutants};
use crate::participant::stage::{KernelLiveness, Pair, finish, players, start, tag};

mutants! {
    model_reentrant_a_thread_with_a_dead_owners_number_waits:
        810 "a thread's number without its process";
    model_reentrant_threads_of_one_process_exclude_each_other:
        811 "the lock is unlocked, and names the thread still",
        812 "the lock is unlocked before its thread is cleared";
}

/// Data behind a lock.
struct Fixture {
    lock: ReentrantState,
    data: Pair,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            lock: ReentrantState::new(),
            data: Pair::new(),
        })
    }

    fn number(number: u64) -> ThreadNumber {
        ThreadNumber::new(number).unwrap()
    }

    /// Locks for a thread of process `id`. Returns whether it held the lock already.
    fn lock(&self, id: u32, number: u64) -> (LockToken, bool) {
        let (me, thread) = (tag(id), Self::number(number));
        if self.lock.is_held_by(me, thread) {
            self.lock.lock_again().unwrap();
            return (LockToken::of(me), true);
        }
        let never = Deadline::never();
        let token = self.lock.mutex().lock(me, &KernelLiveness(id), &never);
        self.lock.locked(me, thread);
        (token.expect("no deadline"), false)
    }

    /// Asserts, after all have left or died, that the lock is taken at once and the data are whole.
    fn close(&self) {
        let tried = self.lock.mutex().try_lock(tag(3), &KernelLiveness(3));
        let token = tried.expect("the lock has no live owner");
        let thread = Self::number(1);
        self.lock.locked(tag(3), thread);
        if token.owner_died() {
            self.data.repair();
        }
        self.data.bump();
        self.lock.unlock(token, thread, false);
        assert!(!self.lock.mutex().peek().locked);
    }

    /// Locks twice, and unlocks twice.
    fn visit(&self, id: u32, number: u64) {
        let (mut token, again) = self.lock(id, number);
        assert!(!again, "a stranger is let in");
        if token.owner_died() {
            self.data.repair();
            self.lock.mutex().mark_consistent(&mut token);
        }
        let (inner, again) = self.lock(id, number);
        assert!(again, "the owner is not let in again");
        self.data.bump();
        let thread = Self::number(number);
        self.lock.unlock(inner, thread, false);
        assert!(self.lock.is_held_by(tag(id), thread));
        self.lock.unlock(token, thread, false);
    }
}

/// Hunts: a thread that has just unlocked, and is taken for the next owner, which is a thread of
/// its process that has not stored its number yet; a number that is cleared by its predecessor.
#[test]
fn model_reentrant_threads_of_one_process_exclude_each_other() {
    explore("reentrant: two threads of one process", || {
        let fixture = Fixture::open();
        let (first, second) = (fixture.clone(), fixture.clone());
        finish([
            start(1, None, move || (0..2).for_each(|_| first.visit(1, 1))),
            start(1, None, move || second.visit(1, 2)),
        ]);
        assert_eq!(fixture.data.value(), 3);
    });
}

/// Hunts: a lock that a dead owner leaves locked twice, or with a count that the next one
/// continues.
#[test]
fn model_reentrant_survivor_gets_the_lock_wherever_the_owner_dies() {
    explore_deaths("reentrant: an owner that is killed, a waiter", |death| {
        let fixture = Fixture::open();
        let (victim, survivor) = (fixture.clone(), fixture.clone());
        finish([
            start(1, death, move || victim.visit(1, 1)),
            start(2, None, move || survivor.visit(2, 1)),
        ]);
        fixture.close();
    });
}

/// Hunts: a thread that has the number of a dead owner's thread, and is let in while another thread
/// of its process has taken the lock over and not stored its number yet.
#[test]
fn model_reentrant_a_thread_with_a_dead_owners_number_waits() {
    explore("reentrant: a dead owner, two threads of a process", || {
        let fixture = Fixture::open();
        let owner = fixture.clone();
        // It ends with the lock: its byte is free, as a killed process's is.
        start(1, None, move || {
            let _held = owner.lock(1, 1);
            crate::facade::model::unlock_byte(0, 1);
        })
        .join()
        .unwrap();
        finish([2, 1].map(|number| {
            let fixture = fixture.clone();
            start(2, None, move || fixture.visit(2, number))
        }));
    });
}

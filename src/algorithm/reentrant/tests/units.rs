//! One thread and its holds.

use proptest::prelude::*;

use super::super::{Holds, LockId, TooDeep};
use crate::algorithm::mutex::{LockToken, MutexState};
use crate::participant::Tag;

fn me() -> Tag {
    Tag::new(3, 7).unwrap()
}

/// A mutex that this process has locked.
fn locked() -> MutexState {
    let mutex = MutexState::new();
    mutex.set(me().bits());
    mutex
}

#[test]
fn no_thread_is_as_deep_as_cannot_be_counted() {
    let (holds, lock) = (Holds::new(), LockId(1));
    holds.locked(lock, me());
    holds.change(lock, |hold| hold.depth = u32::MAX);
    assert_eq!(holds.lock_again(lock), Err(TooDeep));
    assert_eq!(holds.depth(lock, me(), &locked()), u32::MAX);
}

#[test]
fn an_owner_whose_lock_was_taken_over_is_not_let_in_and_unlocks_nothing() {
    let (holds, lock, mutex) = (Holds::new(), LockId(1), locked());
    holds.locked(lock, me());
    holds.lock_again(lock).unwrap();
    assert_eq!(holds.depth(lock, me(), &mutex), 2);
    let other = Tag::new(4, 1).unwrap();
    mutex.set(other.bits());
    assert_eq!(holds.depth(lock, me(), &mutex), 0);
    for _ in 0..3 {
        holds.unlock(lock, &mutex, LockToken::of(me()), true);
    }
    assert!(mutex.is_of(other) && !mutex.peek().poisoned);
}

#[test]
fn memory_for_more_locks_is_freed_with_the_last() {
    let (holds, mutex) = (Holds::new(), locked());
    let locks = || (1..8).map(LockId);
    locks().for_each(|lock| holds.locked(lock, me()));
    assert!(holds.has_others.get());
    for lock in locks() {
        mutex.set(me().bits());
        holds.unlock(lock, &mutex, LockToken::of(me()), false);
        assert!(!mutex.peek().locked, "{lock:?} was held once");
    }
    let others = holds.others.take();
    assert_eq!((holds.has_others.get(), others.capacity()), (false, 0));
}

proptest! {
    /// Any sequence of locks and unlocks of some locks, beside a count for each.
    #[test]
    fn each_lock_is_as_deep_as_it_was_locked(steps in prop::collection::vec((1_u64..12, any::<bool>()), 0..80)) {
        let holds = Holds::new();
        let mutexes: Vec<MutexState> = (0..12).map(|_| MutexState::new()).collect();
        let mut depths = [0_u32; 12];
        for (lock, locks) in steps {
            let (index, lock) = (usize::try_from(lock).unwrap(), LockId(lock));
            let mutex = &mutexes[index];
            if locks {
                if holds.depth(lock, me(), mutex) == 0 {
                    mutex.set(me().bits());
                    holds.locked(lock, me());
                } else {
                    holds.lock_again(lock).unwrap();
                }
                depths[index] += 1;
            } else if depths[index] > 0 {
                holds.unlock(lock, mutex, LockToken::of(me()), false);
                depths[index] -= 1;
            }
            for (index, depth) in depths.iter().enumerate().skip(1) {
                let lock = LockId(index as u64);
                prop_assert_eq!(holds.depth(lock, me(), &mutexes[index]), *depth);
                prop_assert_eq!(mutexes[index].peek().locked, *depth > 0);
            }
        }
    }
}

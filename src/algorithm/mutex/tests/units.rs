//! One process and a mutex whose word may hold anything.

use core::time::Duration;

use proptest::prelude::*;

use super::super::{CONTENDED, MutexError, MutexState, MutexStatus, OWNER_DIED, POISONED};
use crate::facade::{Deadline, Futex};
use crate::participant::Tag;
use crate::participant::tests::{ALIVE, NOT_MEMBER, PARTICIPANTS, TestLiveness, other, soon};

fn mutex(word: u32) -> MutexState {
    MutexState {
        word: Futex::new(word),
    }
}

fn flags() -> impl Strategy<Value = u32> {
    prop::bits::u32::masked(CONTENDED | OWNER_DIED | POISONED)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_word_is_locked_or_refused_and_never_waited_for_past_the_deadline(word: u32) {
        let mutex = mutex(word);
        let corrupt = word & Tag::MASK != 0 && Tag::in_word(word, PARTICIPANTS).is_none();
        for tried in [mutex.try_lock(&ALIVE), mutex.lock(&ALIVE, &soon())] {
            match tried {
                Ok(held) => {
                    prop_assert_eq!(word & Tag::MASK, 0);
                    mutex.unlock(held, false);
                }
                Err(MutexError::Corrupt { word: found }) => prop_assert!(corrupt && found == word),
                Err(refused) => {
                    prop_assert_eq!(refused, MutexError::Busy);
                    prop_assert!(!corrupt && word & Tag::MASK != 0);
                }
            }
        }
    }

    #[test]
    fn what_the_word_says_of_death_and_panic_is_told_and_outlives_the_guard(flags in flags()) {
        let mutex = mutex(flags);
        for _ in 0..2 {
            let held = mutex.try_lock(&ALIVE).unwrap();
            prop_assert_eq!(held.owner_died(), flags & OWNER_DIED != 0);
            prop_assert_eq!(held.is_poisoned(), flags & POISONED != 0);
            mutex.unlock(held, false);
        }
    }

    #[test]
    fn a_dead_owners_lock_is_taken_over_whatever_the_flags(flags in flags(), waits: bool) {
        let mutex = mutex(other().bits() | flags);
        let peers = TestLiveness::without(other());
        let held = if waits {
            mutex.lock(&peers, &Deadline::after(Duration::ZERO))
        } else {
            mutex.try_lock(&peers)
        };
        let mut held = held.unwrap();
        prop_assert!(held.owner_died());
        prop_assert_eq!(held.is_poisoned(), flags & POISONED != 0);
        mutex.mark_consistent(&mut held);
        mutex.unlock(held, false);
        prop_assert!(!mutex.peek().locked && !mutex.peek().owner_died);
    }

    #[test]
    fn recovery_touches_the_dead_ones_word_and_no_other(word: u32) {
        let mutex = mutex(word);
        let before = mutex.peek();
        mutex.recover(other());
        let expected = if word & Tag::MASK == other().bits() {
            MutexStatus { locked: false, owner: None, owner_died: true, poisoned: before.poisoned }
        } else {
            before
        };
        prop_assert_eq!(mutex.peek(), expected);
    }
}

#[test]
fn a_panic_is_remembered_until_it_is_cleared() {
    let mutex = MutexState::new();
    let held = mutex.try_lock(&ALIVE).unwrap();
    mutex.unlock(held, true);
    let held = mutex.try_lock(&ALIVE).unwrap();
    assert!(held.is_poisoned() && !held.owner_died());
    mutex.clear_poison();
    mutex.unlock(held, false);
    assert!(!mutex.try_lock(&ALIVE).unwrap().is_poisoned());
}

#[test]
fn an_unlock_after_a_takeover_does_not_free_the_successors_lock() {
    let mutex = MutexState::new();
    let lost = mutex.try_lock(&ALIVE.of(other())).unwrap();
    let peers = TestLiveness::without(other());
    let held = mutex.try_lock(&peers).unwrap();
    mutex.unlock(lost, false);
    assert!(mutex.peek().locked);
    mutex.unlock(held, false);
    assert!(!mutex.peek().locked);
}

#[test]
fn a_waiter_without_membership_does_not_wait() {
    let mutex = mutex(other().bits());
    let refused = mutex.lock(&NOT_MEMBER, &Deadline::never());
    assert_eq!(refused, Err(MutexError::MembershipLost));
}

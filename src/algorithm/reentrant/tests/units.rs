//! One thread and a reentrant mutex whose words may hold anything.

use proptest::prelude::*;

use super::super::{ReentrantState, ThreadNumber, TooDeep};
use crate::algorithm::mutex::LockToken;
use crate::facade::Ordering;
use crate::participant::Tag;

fn me() -> Tag {
    Tag::new(3, 7).unwrap()
}

fn number(number: u64) -> ThreadNumber {
    ThreadNumber::new(number).unwrap()
}

#[test]
fn a_number_has_35_bits_and_is_not_0() {
    assert_eq!(ThreadNumber::new(0), None);
    assert_eq!(ThreadNumber::new(1 << 35), None);
    assert!(ThreadNumber::new((1 << 35) - 1).is_some());
    assert_eq!(number(1).word(me()), 1 << 29 | u64::from(me().bits()));
}

#[test]
fn no_thread_is_as_deep_as_cannot_be_counted() {
    let lock = ReentrantState::new();
    lock.mutex.set(me().bits());
    lock.locked(me(), number(1));
    lock.count.store(u32::MAX, Ordering::Relaxed);
    assert_eq!(lock.lock_again(), Err(TooDeep));
    assert_eq!(lock.depth(), u32::MAX);
}

#[test]
fn an_owner_whose_lock_was_taken_over_is_not_let_in_and_unlocks_nothing() {
    let lock = ReentrantState::new();
    lock.mutex.set(me().bits());
    lock.locked(me(), number(1));
    assert!(lock.is_held_by(me(), number(1)));
    let other = Tag::new(4, 1).unwrap();
    lock.mutex.set(other.bits());
    assert!(!lock.is_held_by(me(), number(1)));
    lock.unlock(LockToken::of(me()), number(1), true);
    assert!(lock.mutex.is_of(other) && !lock.mutex.peek().poisoned);
}

proptest! {
    #[test]
    fn any_other_word_is_another_thread(word: u64, mine in 1_u64..1 << 35) {
        let lock = ReentrantState::new();
        lock.mutex.set(me().bits());
        lock.thread.store(word, Ordering::Relaxed);
        prop_assert_eq!(lock.is_held_by(me(), number(mine)), word == number(mine).word(me()));
    }
}

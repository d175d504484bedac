//! One process and a promise whose word may hold anything.

use core::time::Duration;

use proptest::prelude::*;

use super::super::{
    ABANDONED, PromiseClaimError, PromiseOutcome, PromiseState, PromiseStatus, PromiseWord, SET,
    STATE,
};
use crate::algorithm::promise::ThreadNumber;
use crate::facade::{Deadline, Ordering, Pace};
use crate::participant::Tag;
use crate::participant::tests::{ALIVE, me};
use crate::wait::on_event::EventWaitError;

fn thread() -> ThreadNumber {
    ThreadNumber::new(1).unwrap()
}

fn promise(word: u64) -> PromiseState {
    let promise = PromiseState::new();
    promise.word.store(word, Ordering::Relaxed);
    promise
}

fn wait(promise: &PromiseState, claims: bool) -> Result<PromiseOutcome, EventWaitError> {
    let soon = Deadline::after(Duration::ZERO);
    promise.wait(promise.load(), claims, &ALIVE, &soon, Pace::Park)
}

#[test]
fn a_threads_number_has_35_bits_and_is_not_0() {
    assert_eq!(ThreadNumber::new(0), None);
    assert_eq!(ThreadNumber::new(1 << 35), None);
    let last = ThreadNumber::new((1 << 35) - 1).unwrap();
    let me = me();
    assert_eq!(last.word(me), u64::MAX << 29 | u64::from(me.bits()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_word_is_one_status(word: u64, few in 0_u64..4) {
        for state in [word & STATE, 0, SET, ABANDONED, u64::from(me().bits()) + few] {
            let word = word & !STATE | state;
            let promise = promise(word);
            let status = promise.load().status(8);
            let claimed = promise.claim(thread(), &ALIVE);
            let waited = wait(&promise, false);
            match status {
                PromiseStatus::Unset | PromiseStatus::Abandoned => {
                    prop_assert_eq!(claimed, Ok(()));
                    prop_assert!(promise.is_claimed_here(me(), thread()));
                    prop_assert_eq!(waited, Err(EventWaitError::TimedOut));
                    prop_assert!(promise.end_claim(me(), true) && !promise.end_claim(me(), true));
                    prop_assert!(promise.load().is_set());
                    prop_assert_eq!(wait(&promise, true), Ok(PromiseOutcome::Set));
                }
                PromiseStatus::Claimed(tag) => {
                    prop_assert_eq!(claimed, Err(PromiseClaimError::Claimed(tag)));
                    prop_assert_eq!(waited, Err(EventWaitError::TimedOut));
                    let before = promise.load();
                    promise.recover(tag);
                    prop_assert_eq!(wait(&promise, false), Ok(PromiseOutcome::Abandoned));
                    prop_assert_eq!(wait(&promise, true), Ok(PromiseOutcome::Unclaimed));
                    prop_assert_eq!(promise.claim(thread(), &ALIVE), Ok(()));
                    prop_assert!(promise.load().is_abandoned_since(before));
                    prop_assert!(!promise.load().is_abandoned_since(promise.load()));
                }
                PromiseStatus::Set => {
                    prop_assert_eq!(claimed, Err(PromiseClaimError::Set));
                    prop_assert_eq!(waited, Ok(PromiseOutcome::Set));
                }
                PromiseStatus::Corrupt => {
                    prop_assert_eq!(claimed, Err(PromiseClaimError::Corrupt(word)));
                    prop_assert_eq!(waited, Err(EventWaitError::Corrupt));
                }
            }
        }
    }
}

#[test]
fn a_claim_that_is_given_back_is_for_the_next() {
    let promise = promise(0);
    assert_eq!(promise.claim(thread(), &ALIVE), Ok(()));
    assert!(promise.end_claim(me(), false));
    assert_eq!(promise.load(), PromiseWord(0));
    assert!(!promise.is_claimed_here(me(), thread()));
    let other = Tag::new(4, 1).unwrap();
    assert_eq!(promise.claim(thread(), &ALIVE.of(other)), Ok(()));
    assert!(promise.is_claimed_by(other) && !promise.end_claim(me(), true));
}

//! One process and a semaphore whose words may hold anything.

use proptest::prelude::*;

use super::super::{Semaphore, SemaphoreState};
use crate::algorithm::semaphore::layout::{ABSENT, FREE, PermitState};
use crate::facade::{AtomicU32, Deadline, Ordering, Pace};
use crate::participant::tests::{ALIVE, NOT_MEMBER, PARTICIPANTS, me, other, soon};
use crate::wait::on_event::{EventWaitError, TryError};

fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => Just(FREE),
        1 => Just(ABSENT),
        2 => Just(other().bits()),
        1 => any::<u32>()
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_words_are_acquired_refused_or_waited_for(words in prop::collection::vec(word(), 1..6), count in 1_usize..6) {
        let state = SemaphoreState::new();
        let table: Vec<AtomicU32> = words.iter().copied().map(AtomicU32::new).collect();
        let semaphore = Semaphore { state: &state, words: &table };
        let free = words.iter().filter(|word| **word == FREE).count();
        let is_corrupt = words
            .iter()
            .any(|word| PermitState::of(*word, PARTICIPANTS) == PermitState::Corrupt);
        prop_assert_eq!(semaphore.available(), free);

        let mut taken = vec![0; count];
        let many = semaphore.wait_many(&mut taken, &ALIVE, &soon(), Pace::Park);
        match many {
            Ok(()) => {
                prop_assert!(free >= count);
                for index in taken {
                    state.release(&table[index as usize], me());
                }
            }
            Err(EventWaitError::TimedOut) => prop_assert!(free < count && !is_corrupt),
            Err(error) => prop_assert!(free < count && is_corrupt && error == EventWaitError::Corrupt),
        }
        for left in (0..free).rev() {
            let index = semaphore.claim(left, &ALIVE).unwrap();
            prop_assert_eq!(words[index], FREE);
            prop_assert_eq!(semaphore.available(), left);
        }
        let refused = if is_corrupt { TryError::Corrupt } else { TryError::WouldBlock };
        prop_assert_eq!(semaphore.claim(0, &ALIVE), Err(refused));
        semaphore.recover(me());
        let after: Vec<u32> = table.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        prop_assert_eq!(after, words);
    }

    #[test]
    fn no_more_is_added_than_there_is_room_for(words in prop::collection::vec(word(), 1..6), count in 0_usize..8) {
        let state = SemaphoreState::new();
        let table: Vec<AtomicU32> = words.iter().copied().map(AtomicU32::new).collect();
        let semaphore = Semaphore { state: &state, words: &table };
        let (free, absent) = (semaphore.available(), semaphore.absent());
        let added = semaphore.add(count);
        prop_assert_eq!(added, count.min(absent));
        prop_assert_eq!(semaphore.available(), free + added);
    }
}

#[test]
fn a_waiter_without_membership_does_not_wait() {
    let (state, words) = (SemaphoreState::new(), [AtomicU32::new(other().bits())]);
    let semaphore = Semaphore {
        state: &state,
        words: &words,
    };
    let peers = NOT_MEMBER;
    let waited = semaphore.wait(0, &peers, &Deadline::never(), Pace::Park);
    assert_eq!(waited, Err(EventWaitError::MembershipLost));
}

#[test]
fn a_release_after_a_recovery_does_not_free_the_next_holders_permit() {
    let (state, words) = (SemaphoreState::new(), [AtomicU32::new(FREE)]);
    let semaphore = Semaphore {
        state: &state,
        words: &words,
    };
    assert_eq!(semaphore.claim(0, &ALIVE.of(other())), Ok(0));
    semaphore.recover(other());
    assert_eq!(semaphore.claim(0, &ALIVE), Ok(0));
    state.release(&words[0], other());
    assert_eq!(semaphore.available(), 0);
}

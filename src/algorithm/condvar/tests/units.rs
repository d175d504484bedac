//! One process and a condition variable whose words may hold anything.

use core::time::Duration;

use proptest::prelude::*;

use super::super::{CondvarState, OtherMutex};
use crate::facade::{Deadline, Ordering, Pace};
use crate::participant::tests::{ALIVE, NOT_MEMBER};
use crate::wait::on_event::EventWaitError;

fn condvar(notifications: u64, mutex: u64) -> CondvarState {
    let condvar = CondvarState::new();
    let words = &condvar.0.0;
    words.notifications.store(notifications, Ordering::Relaxed);
    words.mutex.store(mutex, Ordering::Relaxed);
    condvar
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_words_are_a_condition_variable(notifications: u64, mutex: u64, offset in 1_u64..) {
        let condvar = condvar(notifications, mutex);
        let bound = condvar.bind(offset);
        prop_assert_eq!(bound.is_ok(), mutex == 0 || mutex == offset);
        let peers = ALIVE;
        let soon = || Deadline::after(Duration::ZERO);
        let waited = condvar.wait(|| (), &peers, &soon(), Pace::Park);
        prop_assert_eq!(waited, Err(EventWaitError::TimedOut));
        let told = [CondvarState::notify_one, CondvarState::notify_all, CondvarState::recover];
        for notify in told {
            // After the unlock, before the sleep: a wait is over, and the next one is another.
            let waited = condvar.wait(|| notify(&condvar), &peers, &Deadline::never(), Pace::Park);
            prop_assert_eq!(waited, Ok(()));
            let waited = condvar.wait(|| (), &peers, &soon(), Pace::Park);
            prop_assert_eq!(waited, Err(EventWaitError::TimedOut));
        }
        prop_assert_eq!(condvar.notifications(), notifications.wrapping_add(3));
    }
}

#[test]
fn the_first_mutex_stays() {
    let condvar = condvar(0, 0);
    assert_eq!(condvar.bind(128), Ok(()));
    assert_eq!(condvar.bind(256), Err(OtherMutex));
    assert_eq!(condvar.bind(128), Ok(()));
}

#[test]
fn a_waiter_without_membership_does_not_wait() {
    let condvar = condvar(0, 0);
    let waited = condvar.wait(|| (), &NOT_MEMBER, &Deadline::never(), Pace::Park);
    assert_eq!(waited, Err(EventWaitError::MembershipLost));
}

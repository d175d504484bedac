//! One process and an event whose word may hold anything.

use core::time::Duration;

use proptest::prelude::*;

use super::super::{EventState, Sets};
use crate::facade::{Deadline, Ordering, Pace};
use crate::participant::tests::{ALIVE, NOT_MEMBER};
use crate::wait::on_event::EventWaitError;

fn event(word: u64) -> EventState {
    let event = EventState::new(false);
    event.0.0.word.store(word, Ordering::Relaxed);
    event
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_word_is_set_or_clear(word: u64) {
        let event = event(word);
        let before = event.load();
        prop_assert_eq!(before.is_set(), word % 2 == 1);
        let soon = Deadline::after(Duration::ZERO);
        let waited = event.wait(before, &ALIVE, &soon, Pace::Park);
        prop_assert_eq!(waited.is_ok(), before.is_set());
        prop_assert_eq!(event.set(), !before.is_set());
        prop_assert!(event.load().is_set() && !event.set());
        prop_assert!(event.clear() && !event.clear());
        // A wait that began before is over nevertheless, unless the set was an old one.
        prop_assert_eq!(event.load().has_come_since(before), !before.is_set());
    }

    #[test]
    fn sets_are_counted_once_each(word: u64, sets in 1_u64..9) {
        let event = event(word & !1);
        for _ in 0..sets {
            event.set();
            event.set();
            event.clear();
        }
        prop_assert_eq!(event.load(), Sets((word & !1).wrapping_add(2 * sets)));
    }
}

#[test]
fn a_waiter_without_membership_does_not_wait() {
    let event = event(0);
    let (from, never) = (event.load(), Deadline::never());
    let waited = event.wait(from, &NOT_MEMBER, &never, Pace::Park);
    assert_eq!(waited, Err(EventWaitError::MembershipLost));
}

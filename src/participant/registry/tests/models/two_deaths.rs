//! The registry under loom, where two of three processes die.

use core::sync::atomic::Ordering;

use super::Club;
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{finish, start};

/// Hunts: a participant that dies, and a helper that dies over it, or after it has taken its index:
/// an index or a word that does not come back.
#[test]
fn model_registry_two_deaths_leave_index_and_word_to_the_third() {
    explore_two_deaths(
        "registry: a participant, a helper that joins, a third",
        |[first, second]| {
            let club = Club::<1>::open();
            let (victim, helper, third) = (club.clone(), club.clone(), club.clone());
            finish([
                start(1, first, move || {
                    if let Some(tag) = victim.join(1) {
                        victim.hold(tag);
                        victim.leave(1, tag);
                    }
                }),
                start(2, second, move || {
                    helper.reap(2, 0);
                    helper.live(2);
                }),
                start(3, None, move || third.reap_all(3)),
            ]);
            club.reap_all(3);
            assert_eq!(club.word.load(Ordering::Relaxed), 0, "the word is lost");
            assert!(club.live(3), "the index is lost");
        },
    );
}

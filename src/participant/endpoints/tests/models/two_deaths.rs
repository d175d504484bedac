//! Endpoint counts under loom, where two of three processes die.

use super::End;
use crate::facade::model::{explore_two_deaths, is_byte_locked};
use crate::participant::stage::{finish, start, tag};

/// Hunts: the last two senders, which die in the middle of being counted or uncounted and still
/// count after both were reaped, each by a helper that finds the other alive or dead.
#[test]
fn model_two_deaths_of_the_last_senders_are_noticed() {
    explore_two_deaths(
        "endpoints: two senders that leave, a helper",
        |[first, second]| {
            let end = End::new();
            end.count(1);
            let reap = |end: &End| {
                for id in [1, 2] {
                    if !is_byte_locked(id - 1) {
                        end.endpoints().recover(tag(id));
                    }
                }
            };
            let (old, new, helper) = (end.clone(), end.clone(), end.clone());
            finish([
                start(1, first, move || old.uncount(1)),
                start(2, second, move || {
                    new.count(2);
                    new.uncount(2);
                }),
                start(3, None, move || reap(&helper)),
            ]);
            reap(&end);
            assert!(end.is_over(), "a sender counts that is dead or has left");
        },
    );
}

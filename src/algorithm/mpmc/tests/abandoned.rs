//! Models of slots that a sender gives back without an item, as it does when its closure panics
//! while it writes the item.

use super::fixture::Fixture;
use crate::facade::model::{explore, explore_deaths};
use crate::facade::mutants;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

mutants! {
    model_mpmc_slot_given_back_is_free:
        730 "giving a slot back wakes no sender";
    model_mpmc_slot_given_back_is_passed:
        731 "giving a slot back wakes no receiver";
}

/// Hunts: a receiver that sleeps at a slot which was given back, with an item behind it.
#[test]
fn model_mpmc_slot_given_back_is_passed() {
    explore(|| {
        let fixture = Fixture::of(2);
        finish([
            fixture.run(1, None, move |other| {
                let claim = other.claim().unwrap();
                assert_eq!(other.try_send(0), Ok(()));
                other
                    .fixture
                    .ring()
                    .withdraw(Endpoint::Sender, claim, tag(1));
            }),
            fixture.run(2, None, move |receiver| assert_eq!(receiver.recv(), Ok(0))),
        ]);
        fixture.check(0);
    });
}

/// Hunts: a sender that sleeps at a slot which was given back; and both if the process that gives
/// it back dies.
#[test]
fn model_mpmc_slot_given_back_is_free() {
    explore_deaths(|dies| {
        let fixture = Fixture::of(2);
        let sender = fixture.clone();
        finish([
            fixture.start(1, dies, move |other| {
                let other = other.handle(1);
                let claim = other.claim().unwrap();
                // The ring is full if the other sender was faster.
                let _ = other.try_send(0);
                other
                    .fixture
                    .ring()
                    .withdraw(Endpoint::Sender, claim, tag(1));
            }),
            start(2, None, move || {
                assert_eq!(sender.handle(2).send(1), Ok(()))
            }),
        ]);
        fixture.check(0);
    });
}

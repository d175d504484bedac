//! Slots that a sender gives back unsent, as one does whose user panicked while it wrote the item, under loom.

use super::stage::{Belt, player};
use crate::facade::model::{explore, explore_deaths};
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{finish, start, tag};

/// Seeded bugs, as in [`models`](super::models).
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (730, ROOM, "whoever gives a slot back wakes no sender"),
    (731, PASSED, "whoever gives a slot back wakes no receiver"),
];

const PASSED: &str = "model_slots_a_slot_given_back_is_passed_by";
const ROOM: &str = "model_slots_a_slot_given_back_is_room";

/// Hunts: a receiver that sleeps at a slot which was given back, with an item behind it.
#[test]
fn model_slots_a_slot_given_back_is_passed_by() {
    explore(
        "slots: a receiver of what is behind a slot given back",
        || {
            let belt = Belt::of(2);
            let (gives_back, receiver) = (belt.clone(), belt.clone());
            finish([
                start(1, None, move || {
                    let gives_back = player(&gives_back, 1);
                    let claim = gives_back.claim().unwrap();
                    assert_eq!(gives_back.try_send(0), Ok(()));
                    gives_back
                        .belt
                        .ring()
                        .withdraw(Endpoint::Sender, claim, tag(1));
                }),
                start(2, None, move || {
                    assert_eq!(player(&receiver, 2).recv(), Ok(0));
                }),
            ]);
            belt.balance(0);
        },
    );
}

/// Hunts: a sender that sleeps at a slot which was given back; and both, if whoever gives it back dies.
#[test]
fn model_slots_a_slot_given_back_is_room() {
    explore_deaths("slots: a sender that needs a slot given back", |dies| {
        let belt = Belt::of(2);
        let (gives_back, sender) = (belt.clone(), belt.clone());
        finish([
            start(1, dies, move || {
                let gives_back = player(&gives_back, 1);
                let claim = gives_back.claim().unwrap();
                // There is no room for it if the other was faster.
                let _ = gives_back.try_send(0);
                gives_back
                    .belt
                    .ring()
                    .withdraw(Endpoint::Sender, claim, tag(1));
            }),
            start(2, None, move || {
                assert_eq!(player(&sender, 2).send(1), Ok(()));
            }),
        ]);
        belt.balance(0);
    });
}

//! The ring for two under loom, where two of three processes die.

use std::sync::atomic::Ordering::Relaxed;

use super::{Belt, Consuming, Producing, Role};
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{finish, start, tag};

pub(super) const ROLES: &str = "model_two_deaths_leave_both_roles_of_a_ring_to_the_third";

/// Hunts: an item that is lost or doubled, or a role that stays with the dead, after producer and consumer have
/// died.
#[test]
fn model_two_deaths_leave_both_roles_of_a_ring_to_the_third() {
    explore_two_deaths(
        "spsc: a producer, a consumer, then a third",
        |[first, second]| {
            let belt = Belt::of(1);
            let (producer, consumer) = (belt.clone(), belt.clone());
            finish([
                start(1, first, move || producer.produce_one(1)),
                start(2, second, move || {
                    let mut cursor = consumer
                        .claim::<Consuming>(2)
                        .expect("no other consumer is there");
                    consumer.drain(&mut cursor);
                    consumer.ring().leave(Role::Consumer, tag(2));
                }),
            ]);
            let third = belt.clone();
            finish([start(3, None, move || {
                // A consumer that died between its commit and its note has taken an item that is not noted.
                let mut pop = third
                    .claim::<Consuming>(3)
                    .expect("both are dead or have left");
                third.taken.store(pop.position(), Relaxed);
                third.drain(&mut pop);
                let mut push = third
                    .claim::<Producing>(3)
                    .expect("both are dead or have left");
                third.push(&mut push);
                third.drain(&mut pop);
            })]);
        },
    );
}

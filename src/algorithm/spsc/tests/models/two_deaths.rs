//! Models of the ring in which two of three processes die.

use std::sync::atomic::Ordering::Relaxed;

use super::{Consuming, Fixture, Producing, Role};
use crate::facade::model::explore_two_deaths;
use crate::participant::stage::{StartWith, finish, start, tag};

/// Hunts: an item that is lost or duplicated, or a claim that stays with a dead process, after
/// producer and consumer have died.
#[test]
fn model_two_deaths_of_spsc_producer_and_consumer_leave_both_claims_free() {
    explore_two_deaths(
        "spsc: a producer, a consumer, then a third",
        |[first, second]| {
            let fixture = Fixture::of(1);
            let (producer, consumer) = (fixture.clone(), fixture.clone());
            finish([
                start(1, first, move || producer.produce_one(1)),
                start(2, second, move || {
                    let mut cursor = consumer.claim::<Consuming>(2).expect("the role is free");
                    consumer.drain(&mut cursor);
                    consumer.ring().leave(Role::Consumer, tag(2));
                }),
            ]);
            finish([fixture.start(3, None, move |third| {
                // A consumer that died between its commit and the count has taken an item that is
                // not counted.
                let mut pop = third
                    .claim::<Consuming>(3)
                    .expect("the holder has died or left");
                third.taken.store(pop.position(), Relaxed);
                third.drain(&mut pop);
                let mut push = third
                    .claim::<Producing>(3)
                    .expect("the holder has died or left");
                third.push(&mut push);
                third.drain(&mut pop);
            })]);
        },
    );
}

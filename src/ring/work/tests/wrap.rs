//! Laps and versions that begin anew, under loom.

use std::sync::atomic::Ordering::Relaxed;

use super::stage::{Shop, worker};
use crate::facade::model::{explore, explore_deaths};
use crate::raw::stage::{finish, start};

/// Hunts: a message that is lost, doubled or out of order, or a slot taken for garbage, because a lap or a
/// version has no more bits: three messages through one cell and two slots, of which the first are the
/// last of both.
#[test]
fn model_work_laps_and_versions_begin_anew() {
    explore("work: a sender and a receiver, at the last lap", || {
        let shop = Shop::late(1, 2);
        let (sender, receiver) = (shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let sender = worker(&sender, 1);
                for item in 0..3 {
                    assert_eq!(sender.send(item), Ok(()));
                }
            }),
            start(2, None, move || {
                let receiver = worker(&receiver, 2);
                for item in 0..3 {
                    assert_eq!(receiver.wait_and_ack(), Ok(item));
                }
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: the same where a receiver was killed, which leaves a slot of the last lap and a message of the last
/// version, and others go on into the first ones.
#[test]
fn model_work_what_the_dead_left_in_the_last_lap_is_found() {
    explore_deaths("work: a receiver killed at the last lap, others", |death| {
        let shop = Shop::late(2, 3);
        let sender = worker(&shop, 3);
        assert!(sender.try_send(0) && sender.try_send(1));
        let known = sender.cursor.get();
        let victim = shop.clone();
        finish([start(1, death, move || {
            let _ = worker(&victim, 1).pick();
        })]);
        shop.reap();
        let (sender, other) = (shop.clone(), shop.clone());
        finish([
            start(3, None, move || {
                let _ = worker(&sender, 3).knowing(known).try_send(2);
            }),
            start(2, None, move || {
                let other = worker(&other, 2);
                let _ = (other.pick(), other.pick());
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: a handle of the last lap that finds garbage, or the end, where others have gone on.
#[test]
fn model_work_one_that_was_idle_since_the_last_lap_finds_its_way() {
    explore(
        "work: one that goes into the first lap, one of the last",
        || {
            let shop = Shop::late(1, 2);
            let known = worker(&shop, 1).cursor.get();
            let first = worker(&shop, 1);
            for item in 0..3 {
                assert!(first.try_send(item));
                assert_eq!(first.pick(), Some(item));
            }
            let now = first.cursor.get();
            let (busy, idle) = (shop.clone(), shop.clone());
            finish([
                start(1, None, move || {
                    let busy = worker(&busy, 1).knowing(now);
                    if busy.try_send(3) {
                        let _ = busy.pick();
                    }
                }),
                start(2, None, move || {
                    let idle = worker(&idle, 2).knowing(known);
                    let _ = (idle.pick(), idle.try_send(5));
                }),
            ]);
            shop.balance();
        },
    );
}

/// Hunts: a handle that says that it found garbage, because it was stopped between two looks while others went
/// round so often that what was ahead looks as if it were behind.
#[test]
fn model_work_one_that_was_stopped_for_half_of_all_laps_finds_its_way() {
    for look in 1..8 {
        explore(
            "work: one that is stopped while others go round",
            move || {
                let shop = Shop::of(1, 2);
                let known = worker(&shop, 1).cursor.get();
                let first = worker(&shop, 1);
                for item in 0..3 {
                    assert!(first.try_send(item));
                    assert_eq!(first.pick(), Some(item));
                }
                let idle = worker(&shop, 2).knowing(known);
                shop.leap.store(look, Relaxed);
                assert!(!idle.is_ready() && idle.receive().is_err());
                assert!(idle.try_send(5));
                shop.leap.store(0, Relaxed);
                let other = worker(&shop, 3);
                assert_eq!(other.pick(), Some(5));
                shop.balance();
            },
        );
    }
}

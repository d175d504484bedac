//! The slot ring under loom: a world without a registry, where the byte locks say who lives.

use std::sync::atomic::Ordering::Relaxed;

use loom::sync::Arc;

use super::super::Cursor;
use super::super::wait::EventWaitError;
use super::stage::{Belt, player};
use crate::facade::AtomicU64;
use crate::facade::model::{explore, explore_deaths, explore_one_less, unlock_byte};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{finish, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (62, LAPS, "whoever rings for one wakes nobody"),
    (
        67,
        LAPS,
        "whoever disarms an event count wakes nobody who has come since",
    ),
    (100, NEWCOMER, "a walker does not acquire what it sees"),
    (101, NEWCOMER, "a claim neither acquires nor publishes"),
    (
        102,
        CLOSED,
        "a sender has no barrier between its claim and its look",
    ),
    (
        103,
        CLOSED,
        "a sender sends into a queue that it finds closed",
    ),
    (104, ORPHANED, "a receiver does not look for orphans"),
    (105, LAPS, "a send does not publish its item"),
    (106, LAPS, "a receive does not give its slot back in order"),
    (107, LAPS, "a commit does not ring"),
    (108, LIVING, "a slot is taken from one that lives"),
    (109, SKIPPED, "a dead sender's slot is never skipped"),
    (110, SKIPPED, "whoever skips a slot wakes nobody"),
    (111, IDLE, "a hint is not acquired"),
    (
        112,
        CLOSED,
        "a receiver has no barrier before its last look",
    ),
    (
        113,
        CLOSED,
        "a receiver does not wait for an item that is being written",
    ),
    (114, ORPHANED, "whoever reaps leaves a dead receiver's item"),
    (
        115,
        ORPHANED,
        "whoever leaves an orphan does not change the epoch",
    ),
    (116, HEARD, "the epoch does not publish the orphans"),
    (117, ORPHANED, "whoever reaps wakes nobody"),
    (
        118,
        BATON,
        "one that slept and got an item does not look whether there are more",
    ),
    (
        119,
        REPLACED,
        "a sender waits for a dead receiver whom nobody reaps",
    ),
    (
        120,
        LEFT,
        "a sender that leaves an orphan does not change the epoch",
    ),
    (121, LEFT, "a sender that leaves an orphan wakes nobody"),
    (122, LEFT, "whoever reaps tells of no orphans but its own"),
];

const LAPS: &str = "model_slots_items_arrive_once_in_order_and_nobody_oversleeps";
const NEWCOMER: &str = "model_slots_a_newcomer_is_not_robbed";
const LIVING: &str = "model_slots_a_slot_of_the_living_is_theirs";
const CLOSED: &str = "model_slots_nothing_comes_after_the_end";
const ORPHANED: &str = "model_slots_an_item_of_the_dead_finds_a_sleeper";
const HEARD: &str = "model_slots_whoever_hears_of_orphans_finds_them";
const REPLACED: &str = "model_slots_what_the_dead_were_taking_can_be_replaced";
const LEFT: &str = "model_slots_what_a_sender_leaves_finds_a_sleeper";
const SKIPPED: &str = "model_slots_a_slot_of_the_dead_makes_room";
const BATON: &str = "model_slots_two_items_for_two_sleepers";
const IDLE: &str = "model_slots_one_that_was_idle_finds_its_way";

/// Hunts: items that are lost, doubled, torn or out of order, and sleepers that nobody wakes, on
/// either side, over laps.
#[test]
fn model_slots_items_arrive_once_in_order_and_nobody_oversleeps() {
    explore("slots: a sender and a receiver of two places", || {
        let belt = Belt::of(2);
        let (sender, receiver) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                let sender = player(&sender, 1);
                for item in 0..3 {
                    assert_eq!(sender.send(item), Ok(()));
                }
            }),
            start(2, None, move || {
                let receiver = player(&receiver, 2);
                for item in 0..3 {
                    assert_eq!(receiver.recv(), Ok(item));
                }
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: an item of a killed sender that arrives in part, one that was committed and does not; one
/// behind it that nobody finds; a slot that stays shut.
#[test]
fn model_slots_a_sender_dies_beside_another() {
    explore_deaths("slots: two senders, one killed, a receiver", |death| {
        let belt = Belt::of(2);
        let (victim, other, receiver) = (belt.clone(), belt.clone(), belt.clone());
        finish([
            start(1, death, move || {
                let _ = player(&victim, 1).try_send(1);
            }),
            start(2, None, move || {
                assert_eq!(player(&other, 2).try_send(2), Ok(()));
            }),
            start(3, None, move || {
                let _ = player(&receiver, 3).pick();
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: the same where everybody sends and receives, in three places: two laps for each slot.
#[test]
fn model_slots_two_that_send_and_receive_one_killed() {
    explore_deaths("slots: two that send and receive, one killed", |death| {
        let belt = Belt::of(3);
        let (victim, other) = (belt.clone(), belt.clone());
        let first = player(&belt, 3);
        for item in [1, 2] {
            assert_eq!(first.try_send(item), Ok(()));
            assert_eq!(first.pick(), Some(item));
        }
        finish([
            start(1, death, move || {
                let victim = player(&victim, 1);
                let _ = (victim.try_send(3), victim.pick(), victim.try_send(4));
            }),
            start(2, None, move || {
                let other = player(&other, 2);
                assert_eq!(other.try_send(5), Ok(()));
                let _ = other.pick();
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: an item that two receivers get, or none, because one of them was killed at it.
#[test]
fn model_slots_a_receiver_dies_beside_another() {
    explore_deaths("slots: two receivers, one killed", |death| {
        let belt = Belt::of(2);
        let first = player(&belt, 3);
        assert_eq!((first.try_send(1), first.try_send(2)), (Ok(()), Ok(())));
        let (victim, other) = (belt.clone(), belt.clone());
        finish([
            start(1, death, move || {
                let _ = player(&victim, 1).pick();
            }),
            start(2, None, move || {
                let other = player(&other, 2);
                assert!(other.pick().is_some(), "two items, and one other receiver");
                let _ = other.try_send(3);
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: a slot that is taken from one who is at work in it.
#[test]
fn model_slots_a_slot_of_the_living_is_theirs() {
    explore("slots: a sender and a receiver that looks at once", || {
        let belt = Belt::of(2);
        let (sender, receiver) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                let sender = player(&sender, 1);
                assert_eq!(sender.try_send(1), Ok(()));
                let _ = sender.try_send(2);
            }),
            start(2, None, move || {
                let receiver = player(&receiver, 2);
                let _ = (receiver.pick(), receiver.pick());
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: what a helper leaves that is killed in the middle of helping: process 3 died as it sent,
/// and another time as it received.
#[test]
fn model_slots_a_helper_dies_too() {
    for receives in [false, true] {
        explore_deaths(
            "slots: a dead one, and a helper that is killed",
            move |death| {
                let belt = Belt::of(2);
                let first = player(&belt, 2);
                assert_eq!(first.try_send(1), Ok(()));
                let dead = player(&belt, 3);
                if receives {
                    let taken = dead.with(|ring, cursor, me| ring.claim_recv(cursor, me, &dead));
                    assert!(taken.is_ok());
                } else {
                    assert!(dead.claim().is_ok());
                }
                unlock_byte(2, 3);
                let (helper, other) = (belt.clone(), belt.clone());
                finish([
                    start(1, death, move || {
                        helper.ring().recover(tag(3));
                        let _ = player(&helper, 1).pick();
                    }),
                    start(2, None, move || {
                        other.ring().recover(tag(3));
                        let other = player(&other, 2);
                        let _ = (other.pick(), other.try_send(2));
                    }),
                ]);
                // Process 3 is a new one by now, with the same tag; its predecessor was given back.
                belt.balance(0);
            },
        );
    }
}

/// Hunts: an item that the one who replaces it and a receiver both get, or neither; out of order.
#[test]
fn model_slots_the_oldest_is_replaced_while_it_is_taken() {
    explore_deaths(
        "slots: one that replaces, killed, and a receiver",
        |death| {
            let belt = Belt::of(2);
            let first = player(&belt, 3);
            assert_eq!((first.try_send(0), first.try_send(1)), (Ok(()), Ok(())));
            let (forcer, receiver) = (belt.clone(), belt.clone());
            let handles = [
                start(1, death, move || {
                    let forcer = player(&forcer, 1);
                    let claimed =
                        forcer.with(|ring, cursor, me| ring.claim_replace(cursor, me, &forcer));
                    if let Ok(claimed) = claimed {
                        forcer.commit(&forcer.vacate(claimed), 2);
                    }
                }),
                start(2, None, move || {
                    let receiver = player(&receiver, 2);
                    let (first, second) = (receiver.pick(), receiver.pick());
                    let late = |item: Option<u64>| item.unwrap_or(9);
                    // What is delivered again may come late.
                    let in_order =
                        death.is_some() || second.is_none() || late(first) < late(second);
                    assert!(in_order, "{second:?} after {first:?}");
                }),
            ];
            finish(handles);
            // Killed between the commit of the old item and its note, it has it.
            belt.balance(u64::from(death.is_some()));
        },
    );
}

/// Hunts: an item that is sent after a receiver was told that none comes any more.
#[test]
fn model_slots_nothing_comes_after_the_end() {
    explore("slots: a sender, one that closes, a receiver", || {
        let belt = Belt::of(2);
        let (sender, closer, receiver) = (belt.clone(), belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                let _ = player(&sender, 1).try_send(1);
            }),
            start(3, None, move || closer.ring().close()),
            start(2, None, move || {
                let receiver = player(&receiver, 2);
                while receiver.recv() != Err(EventWaitError::Disconnected) {}
            }),
        ]);
        let (sent, got) = (belt.sent.load(Relaxed), belt.got.load(Relaxed));
        assert_eq!(sent, got, "sent after the end");
    });
}

/// Hunts: a receiver that does not come past the slot of a dead sender, and a sender that sleeps
/// although somebody has skipped it: two senders, two places, one to be had at once.
#[test]
fn model_slots_a_slot_of_the_dead_makes_room() {
    explore_one_less("slots: a full ring, a dead sender in it", || {
        let belt = Belt::of(2);
        let first = player(&belt, 1);
        assert_eq!(first.try_send(1), Ok(()));
        let dead = player(&belt, 3);
        assert!(dead.claim().is_ok());
        unlock_byte(2, 3);
        let passed = dead.cursor.get();
        // Two threads of one process.
        let senders = [2, 3].map(|item| {
            let belt = belt.clone();
            start(2, None, move || {
                let sender = player(&belt, 2);
                sender.cursor.set(passed);
                assert_eq!(sender.send(item), Ok(()));
            })
        });
        let receiver = belt.clone();
        let receiver = start(1, None, move || {
            let receiver = player(&receiver, 1);
            assert_eq!(receiver.pick(), Some(1));
            let _ = receiver.pick();
        });
        finish(senders.into_iter().chain([receiver]));
        assert_eq!(belt.sent.load(Relaxed) & 0b1100, 0b1100);
    });
}

/// Hunts: a newcomer that is taken for dead, because whoever sees its tag does not see yet that it
/// has come.
#[test]
fn model_slots_a_newcomer_is_not_robbed() {
    /// What others know of process 1: that it is there, if they see its store.
    struct Newcomer<'a>(&'a AtomicU64);

    impl Liveness for Newcomer<'_> {
        fn is_alive(&self, _other: Tag) -> bool {
            self.0.load(Relaxed) == 1
        }
        fn is_member(&self) -> bool {
            true
        }
        fn participants(&self) -> u32 {
            3
        }
    }

    explore("slots: a newcomer sends, another looks", || {
        let belt = Belt::of(2);
        let here = Arc::new(AtomicU64::new(0));
        let (newcomer, other, seen) = (belt.clone(), belt.clone(), here.clone());
        finish([
            start(1, None, move || {
                here.store(1, Relaxed);
                let _ = player(&newcomer, 1).try_send(1);
            }),
            start(2, None, move || {
                let mut cursor = Cursor::default();
                let claim = other
                    .ring()
                    .claim_recv(&mut cursor, tag(2), &Newcomer(&seen));
                if let Ok(claim) = claim {
                    assert_eq!(player(&other, 2).take(&claim), 1);
                }
                let skipped = cursor.head != Cursor::default().head && claim.is_err();
                assert!(!skipped, "a slot was taken from one that lives");
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: a sleeper whose wake went to another, who could not use it yet: two items, the second of
/// which is committed first, by two threads of one process, and two that sleep for them.
#[test]
fn model_slots_two_items_for_two_sleepers() {
    explore_one_less("slots: two items out of order, two sleepers", || {
        let belt = Belt::of(2);
        let sender = player(&belt, 1);
        let (first, second) = (sender.claim().unwrap(), sender.claim().unwrap());
        let sender = belt.clone();
        let receivers = [2, 3].map(|id| {
            let receiver = belt.clone();
            start(id, None, move || {
                assert!(player(&receiver, id).recv().is_ok());
            })
        });
        let sender = start(1, None, move || {
            let sender = player(&sender, 1);
            sender.commit(&second, 2);
            sender.commit(&first, 1);
        });
        finish(receivers.into_iter().chain([sender]));
        belt.balance(0);
    });
}

/// Hunts: a handle that was idle for laps and finds garbage where there is none, or a slot that is
/// not next.
#[test]
fn model_slots_one_that_was_idle_finds_its_way() {
    explore("slots: one that goes round, and one that was idle", || {
        let belt = Belt::of(2);
        let (busy, idle) = (belt.clone(), belt.clone());
        let known = player(&belt, 1);
        for item in 0..3 {
            assert_eq!(known.try_send(item), Ok(()));
            assert_eq!(known.pick(), Some(item));
        }
        let known = known.cursor.get();
        finish([
            start(1, None, move || {
                let busy = player(&busy, 1);
                busy.cursor.set(known);
                for item in 3..5 {
                    assert_eq!(busy.try_send(item), Ok(()));
                    assert_eq!(busy.pick(), Some(item));
                }
            }),
            start(2, None, move || {
                let idle = player(&idle, 2);
                assert!(idle.len() <= 2);
            }),
        ]);
        belt.balance(0);
    });
}

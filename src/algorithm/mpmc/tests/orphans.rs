//! Items whose takers died, under loom: who finds them, takes them or replaces them.

use std::sync::atomic::Ordering::Relaxed;

use super::super::{Claim, Cursor};
use super::stage::{Belt, Player, nobody, player};
use crate::facade::model::{explore, explore_deaths, is_byte_locked, unlock_byte};
use crate::participant::Tag;
use crate::participant::stage::{finish, start, tag};

/// Hunts: a sleeper that is not told of an item whose taker was killed, although somebody reaped.
#[test]
fn model_slots_an_item_of_the_dead_finds_a_sleeper() {
    explore_deaths("slots: a receiver killed, a sleeper, a reaper", |death| {
        let belt = Belt::of(2);
        let (claim, passed) = taken(&belt);
        let (victim, sleeper, reaper) = (belt.clone(), belt.clone(), belt.clone());
        let victim = start(1, death, move || {
            let victim = player(&victim, 1);
            victim.take(&claim);
            victim.cursor.set(passed);
            let _ = victim.try_send(2);
        });
        let sleeper = start(2, None, move || {
            let sleeper = player(&sleeper, 2);
            sleeper.cursor.set(passed);
            assert!(sleeper.recv().is_ok());
        });
        finish([victim]);
        let reaper = start(3, None, move || {
            if !is_byte_locked(0) {
                reaper.ring().recover(tag(1));
            }
            let (sent, got) = (reaper.sent.load(Relaxed), reaper.got.load(Relaxed));
            if got & 1 << 1 != 0 && sent & 1 << 2 == 0 {
                // The dead one has taken the item, and has sent none: the sleeper may have one.
                let reaper = player(&reaper, 3);
                reaper.cursor.set(passed);
                assert_eq!(reaper.try_send(3), Ok(()));
            }
        });
        finish([sleeper, reaper]);
        belt.balance(0);
    });
}

/// An item that process 1 has claimed, and what it knows then.
fn taken(belt: &Belt) -> (Claim, Cursor) {
    let taker = player(belt, 1);
    assert_eq!(taker.try_send(1), Ok(()));
    let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
    (claim.unwrap(), taker.cursor.get())
}

/// Hunts: a receiver that has heard of orphans and does not find them.
#[test]
fn model_slots_whoever_hears_of_orphans_finds_them() {
    explore("slots: a dead receiver, a reaper, a receiver", || {
        let belt = Belt::of(2);
        let (_, passed) = taken(&belt);
        unlock_byte(0, 1);
        let (reaper, receiver) = (belt.clone(), belt.clone());
        finish([
            start(2, None, move || reaper.ring().recover(tag(1))),
            start(3, None, move || {
                let receiver = player(&receiver, 3);
                let mut cursor = passed;
                let claim = receiver
                    .belt
                    .ring()
                    .claim_recv(&mut cursor, tag(3), &receiver);
                let heard = cursor.epoch != passed.epoch;
                assert!(!heard || claim.is_ok(), "an orphan was not found");
                if let Ok(claim) = claim {
                    receiver.take(&claim);
                }
            }),
        ]);
        belt.balance(0);
    });
}

/// Hunts: an item whose taker died that is lost, or comes twice, because a sender leaves it and is
/// killed, while another reaps the dead one, or takes the item; a sender that waits for one whom
/// nobody reaps.
#[test]
fn model_slots_what_the_dead_were_taking_can_be_replaced() {
    // With two, the receiver comes round to the item; with one it helps nobody.
    for (dead, picks) in [(tag(3), 1), (nobody(), 1), (nobody(), 2)] {
        explore_deaths(
            "slots: a dead receiver, one that replaces, killed, and another",
            move |death| {
                let belt = Belt::of(2);
                let first = player(&belt, 3);
                assert_eq!((first.try_send(0), first.try_send(1)), (Ok(()), Ok(())));
                let passed = taken_by(dead, &first);
                if dead == tag(3) {
                    unlock_byte(2, 3);
                }
                let (forcer, other) = (belt.clone(), belt.clone());
                finish([
                    start(1, death, move || {
                        let forcer = player(&forcer, 1);
                        forcer.cursor.set(passed);
                        assert_eq!(forcer.force(2), Ok(()));
                    }),
                    start(2, None, move || {
                        if dead == tag(3) {
                            other.ring().recover(dead);
                        }
                        let other = player(&other, 2);
                        other.cursor.set(passed);
                        for _ in 0..picks {
                            let _ = other.pick();
                        }
                    }),
                ]);
                // Killed between the commit of the old item and its note, it has it.
                belt.balance(u64::from(death.is_some()));
            },
        );
    }
}

/// The next item is being taken by `taker`; what is known then.
fn taken_by(taker: Tag, player: &Player<'_>) -> Cursor {
    let taken = player.with(|ring, cursor, _| ring.claim_recv(cursor, taker, player));
    assert!(taken.is_ok());
    player.cursor.get()
}

/// Hunts: a sleeper that is not told of an item that a sender has left for it, although that was
/// killed and reaped. Nobody else helps it: what it waits for is with one that is stopped.
#[test]
fn model_slots_what_a_sender_leaves_finds_a_sleeper() {
    explore_deaths(
        "slots: a sender that leaves an item, killed, a sleeper, a reaper",
        |death| {
            let belt = Belt::of(2);
            let stopped = player(&belt, 3);
            assert_eq!(stopped.try_send(1), Ok(()));
            taken_by(nobody(), &stopped);
            let claim = stopped.claim().unwrap();
            let passed = stopped.cursor.get();
            let (finder, sleeper, reaper) = (belt.clone(), belt.clone(), belt.clone());
            let finder = start(1, death, move || {
                let finder = player(&finder, 1);
                finder.cursor.set(passed);
                let _ = finder.try_send(2);
            });
            let sleeper = start(2, None, move || {
                let sleeper = player(&sleeper, 2);
                sleeper.cursor.set(passed);
                assert!(sleeper.recv().is_ok());
            });
            finish([finder]);
            let reaper = start(3, None, move || {
                if !is_byte_locked(0) {
                    reaper.ring().recover(tag(1));
                }
                // If that was killed before it left the item, it is to be found yet.
                let reaper = player(&reaper, 3);
                reaper.cursor.set(passed);
                let _ = reaper.try_send(3);
            });
            finish([sleeper, reaper]);
            stopped.commit(&claim, 4);
            belt.balance(0);
        },
    );
}

//! Models of orphans: which process finds, receives or replaces them.

use std::sync::atomic::Ordering::Relaxed;

use super::super::{Claim, Cursor};
use super::fixture::{Fixture, Handle, no_participant};
use crate::facade::model::{explore, explore_deaths, is_byte_locked, unlock_byte};
use crate::participant::Tag;
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

/// Hunts: a sleeper that is not woken for an orphan although the dead receiver was reaped.
#[test]
fn model_mpmc_item_of_a_dead_receiver_wakes_a_sleeper() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        let (claim, passed) = taken(&fixture);
        let victim = fixture.start(1, death, move |victim| {
            let victim = victim.handle(1);
            victim.take(&claim);
            victim.cursor.set(passed);
            let _ = victim.try_send(2);
        });
        let sleeper = fixture.start(2, None, move |sleeper| {
            let sleeper = sleeper.handle(2);
            sleeper.cursor.set(passed);
            assert!(sleeper.recv().is_ok());
        });
        finish([victim]);
        let reaper = fixture.start(3, None, move |reaper| {
            if !is_byte_locked(0) {
                reaper.ring().recover(tag(1));
            }
            let (sent, received) = (reaper.sent.load(Relaxed), reaper.received.load(Relaxed));
            if received & 1 << 1 != 0 && sent & 1 << 2 == 0 {
                // The victim has received the item, and has sent none: send one for the sleeper.
                let reaper = reaper.handle(3);
                reaper.cursor.set(passed);
                assert_eq!(reaper.try_send(3), Ok(()));
            }
        });
        finish([sleeper, reaper]);
        fixture.check(0);
    });
}

/// Claims an item for process 1; returns the claim and the cursor after it.
fn taken(fixture: &Fixture) -> (Claim, Cursor) {
    let taker = fixture.handle(1);
    assert_eq!(taker.try_send(1), Ok(()));
    let claim = taker.with(|ring, cursor| ring.claim_recv(cursor, &taker));
    (claim.unwrap(), taker.cursor.get())
}

/// Hunts: a receiver that observes the epoch of orphans and does not find them.
#[test]
fn model_mpmc_receiver_finds_the_orphans_of_an_epoch() {
    explore(|| {
        let fixture = Fixture::of(2);
        let (_, passed) = taken(&fixture);
        unlock_byte(0, 1);
        finish([
            fixture.start(2, None, move |reaper| reaper.ring().recover(tag(1))),
            fixture.run(3, None, move |receiver| {
                let mut cursor = passed;
                let claim = receiver.fixture.ring().claim_recv(&mut cursor, &receiver);
                let observed = cursor.epoch != passed.epoch;
                assert!(!observed || claim.is_ok(), "an orphan was not found");
                if let Ok(claim) = claim {
                    receiver.take(&claim);
                }
            }),
        ]);
        fixture.check(0);
    });
}

/// Hunts: an orphan that is lost or duplicated because a sender leaves it and is killed while
/// another process reaps the dead receiver or receives the item; a sender that waits for a receiver
/// that is not reaped.
#[test]
fn model_mpmc_item_of_a_dead_receiver_can_be_replaced() {
    // With two receipts, the receiver wraps around to the item; with one it does not help.
    for (dead, picks) in [(tag(3), 1), (no_participant(), 1), (no_participant(), 2)] {
        explore_deaths(move |death| {
            let fixture = Fixture::of(2);
            let first = fixture.handle(3);
            assert_eq!((first.try_send(0), first.try_send(1)), (Ok(()), Ok(())));
            let passed = claim_item_for(dead, &first);
            if dead == tag(3) {
                unlock_byte(2, 3);
            }
            finish([
                fixture.run(1, death, move |replacer| {
                    replacer.cursor.set(passed);
                    assert_eq!(replacer.send_replacing(2), Ok(()));
                }),
                fixture.start(2, None, move |other| {
                    if dead == tag(3) {
                        other.ring().recover(dead);
                    }
                    let other = other.handle(2);
                    other.cursor.set(passed);
                    for _ in 0..picks {
                        let _ = other.poll();
                    }
                }),
            ]);
            // If the victim was killed between the commit of the old item and its record, it
            // has the item.
            fixture.check(u64::from(death.is_some()));
        });
    }
}

/// Claims the next item for `taker`; returns the cursor after it.
fn claim_item_for(taker: Tag, handle: &Handle<'_>) -> Cursor {
    let taker = Handle {
        me: taker,
        cursor: handle.cursor.clone(),
        ..*handle
    };
    assert!(
        taker
            .with(|ring, cursor| ring.claim_recv(cursor, &taker))
            .is_ok()
    );
    handle.cursor.set(taker.cursor.get());
    handle.cursor.get()
}

/// Hunts: a sleeper that is not woken for an orphan left by a sender, although the sender was
/// killed and reaped. No other process helps it: the next item belongs to a stopped receiver.
#[test]
fn model_mpmc_orphan_left_by_a_sender_wakes_a_sleeper() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        let stopped = fixture.handle(3);
        assert_eq!(stopped.try_send(1), Ok(()));
        claim_item_for(no_participant(), &stopped);
        let claim = stopped.claim().unwrap();
        let passed = stopped.cursor.get();
        let finder = fixture.start(1, death, move |finder| {
            let finder = finder.handle(1);
            finder.cursor.set(passed);
            let _ = finder.try_send(2);
        });
        let sleeper = fixture.start(2, None, move |sleeper| {
            let sleeper = sleeper.handle(2);
            sleeper.cursor.set(passed);
            assert!(sleeper.recv().is_ok());
        });
        finish([finder]);
        let reaper = fixture.start(3, None, move |reaper| {
            if !is_byte_locked(0) {
                reaper.ring().recover(tag(1));
            }
            // If the sender was killed before it left the orphan, the item is still to be
            // orphaned.
            let reaper = reaper.handle(3);
            reaper.cursor.set(passed);
            let _ = reaper.try_send(3);
        });
        finish([sleeper, reaper]);
        stopped.commit(&claim, 4);
        fixture.check(0);
    });
}

//! Models of the end of a ring: which receivers are told, when, and which items come before. No
//! later receiver would take what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as UntrackedBool, Ordering::Relaxed};

use super::super::wait::EventWaitError;
use super::super::{CheckedOwner, Cursor, TryError};
use super::fixture::{Fixture, Handle};
use crate::algorithm::ends::CountedEnds;
use crate::algorithm::mpmc::layout::{State, Word};
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, explore_two_deaths, unlock_byte,
};
use crate::facade::mutants;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

mutants! {
    model_mpmc_last_receipt_tells_all_of_the_end:
        500 "the last receipt does not wake the receivers";
    model_mpmc_redelivery_after_the_end_is_waited_for:
        501 "a receiver is told of the end while an item is being received";
    model_mpmc_orphan_comes_before_the_end:
        502 "an orphan that the epoch does not announce is left";
    model_mpmc_ready_receiver_is_told_of_the_end:
        503 "a receiver is ready to be told of the end while an item is being received";
    model_mpmc_two_receivers_die_with_the_last_item:
        504 "the item of a dead receiver is not claimed at the end";
    model_mpmc_replacing_item_comes_before_the_end:
        505 "a receiver is told of the end while an item is replaced";
    model_mpmc_owner_is_checked_for_each_slot:
        506 "an owner found alive at one slot counts as alive at each";
}

/// Receives until the ring is disconnected.
fn drain(receiver: &Handle<'_>) {
    while receiver.recv() != Err(EventWaitError::Disconnected) {}
}

/// Checks that no item comes after every receiver was told that the ring is disconnected.
fn is_over(fixture: &Fixture) {
    let received = fixture.received.load(Relaxed);
    fixture.ring().recover(tag(2));
    fixture.check(0);
    assert_eq!(
        received,
        fixture.received.load(Relaxed),
        "an item came after the end"
    );
}

/// The way in which a ring has ended.
#[derive(Clone, Copy)]
enum End {
    Closed,
    Left,
}

fn ended(end: End) -> loom::sync::Arc<Fixture> {
    let fixture = Fixture::of(2);
    let first = fixture.handle(3);
    if let End::Left = end {
        assert_eq!(fixture.ring().count_at(Endpoint::Sender, &first), Ok(()));
    }
    assert_eq!(first.try_send(1), Ok(()));
    match end {
        End::Closed => fixture.ring().close(),
        End::Left => fixture.ring().uncount(Endpoint::Sender, &first),
    }
    fixture
}

/// Hunts: a receiver that is told of the end while another receives an item and is killed at each
/// step; a receiver that is not told.
#[test]
fn model_mpmc_redelivery_after_the_end_is_waited_for() {
    for end in [End::Closed, End::Left] {
        explore_deaths(move |death| {
            let fixture = ended(end);
            finish([
                fixture.run(1, death, move |victim| victim.poll()),
                fixture.start(2, None, move |other| drain(&other.handle(2))),
            ]);
            is_over(&fixture);
        });
    }
}

/// Hunts: a receiver that sleeps on after another has received the last item, whichever comes
/// first: the end of the ring or the receipt.
#[test]
fn model_mpmc_last_receipt_tells_all_of_the_end() {
    explore_one_less(|| {
        let fixture = Fixture::of(2);
        let taker = fixture.handle(1);
        assert_eq!(taker.try_send(1), Ok(()));
        let claim = taker.with(|ring, cursor| ring.claim_recv(cursor, &taker));
        let (claim, passed) = (claim.unwrap(), taker.cursor.get());
        finish([
            fixture.run(1, None, move |taker| taker.take(&claim)),
            fixture.run(2, None, move |sleeper| {
                sleeper.cursor.set(passed);
                drain(&sleeper);
            }),
            fixture.start(3, None, move |closer| closer.ring().close()),
        ]);
        is_over(&fixture);
    });
    explore_one_less(|| {
        let fixture = ended(End::Closed);
        let taker = fixture.handle(1);
        let claim = taker.with(|ring, cursor| ring.claim_recv(cursor, &taker));
        let (claim, passed) = (claim.unwrap(), taker.cursor.get());
        let sleepers = [2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                let sleeper = fixture.handle(id);
                sleeper.cursor.set(passed);
                drain(&sleeper);
            })
        });
        let taker = fixture.start(1, None, move |taker| taker.handle(1).take(&claim));
        finish(sleepers.into_iter().chain([taker]));
        is_over(&fixture);
    });
}

/// Hunts: a waiter for several queues that is told that one is ready, and then gets neither an item
/// nor the end from it.
#[test]
fn model_mpmc_ready_receiver_is_told_of_the_end() {
    explore(|| {
        let fixture = ended(End::Closed);
        let taker = fixture.handle(1);
        let claim = taker.with(|ring, cursor| ring.claim_recv(cursor, &taker));
        let claim = claim.unwrap();
        finish([
            fixture.run(1, None, move |taker| taker.take(&claim)),
            fixture.run(2, None, move |ready| {
                if ready.with(|ring, cursor| ring.is_ready(Endpoint::Receiver, cursor)) {
                    assert_eq!(ready.try_recv(), Err(TryError::Disconnected));
                }
            }),
        ]);
        is_over(&fixture);
    });
}

/// Hunts: an orphan that is left at the end because the process that left it is stopped before it
/// advances the epoch.
#[test]
fn model_mpmc_orphan_comes_before_the_end() {
    explore_deaths(|death| {
        let fixture = ended(End::Closed);
        let taker = fixture.handle(3);
        let taken = taker.with(|ring, cursor| ring.claim_recv(cursor, &taker));
        assert!(taken.is_ok());
        let passed = taker.cursor.get();
        fixture.set(0, Word::new(0, State::Orphan));
        finish([
            fixture.run(1, death, move |victim| {
                victim.cursor.set(passed);
                let _ = victim.poll();
            }),
            fixture.run(2, None, move |other| {
                other.cursor.set(passed);
                drain(&other);
            }),
        ]);
        is_over(&fixture);
    });
}

/// Hunts: the last item, lost after a receiver died with it and then another, although a third one
/// waits.
#[test]
fn model_mpmc_two_receivers_die_with_the_last_item() {
    // One receiver has died with the item; then another is killed beside the waiter.
    explore_deaths(|death| {
        let fixture = ended(End::Closed);
        let dead = fixture.handle(3);
        let taken = dead.with(|ring, cursor| ring.claim_recv(cursor, &dead));
        assert!(taken.is_ok());
        unlock_byte(2, 3);
        finish([
            fixture.run(1, death, move |victim| victim.poll()),
            fixture.start(2, None, move |waiter| drain(&waiter.handle(2))),
        ]);
        fixture.ring().recover(tag(3));
        is_over(&fixture);
    });
    // Both are killed, at each of their steps.
    explore_two_deaths(|deaths| {
        let fixture = ended(End::Closed);
        let victims = [1, 2].map(|id| {
            fixture.start(id, deaths[id as usize - 1], move |fixture| {
                fixture.handle(id).poll()
            })
        });
        finish(victims);
        finish([fixture.start(3, None, move |waiter| drain(&waiter.handle(3)))]);
        is_over(&fixture);
    });
}

/// Hunts: a receiver that is told of the end while a replacing sender, which found the ring open,
/// is between the old item and the new one.
#[test]
fn model_mpmc_replacing_item_comes_before_the_end() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2);
        let replacer = fixture.handle(1);
        assert_eq!(
            (replacer.try_send(0), replacer.try_send(1)),
            (Ok(()), Ok(()))
        );
        let claimed = replacer.with(|ring, cursor| ring.claim_replace(cursor, &replacer));
        let (claimed, passed) = (claimed.unwrap(), replacer.cursor.get());
        fixture.ring().close();
        let told = Arc::new(UntrackedBool::new(false));
        let tells = told.clone();
        finish([
            fixture.run(1, death, move |replacer| {
                replacer.cursor.set(passed);
                replacer.commit(&replacer.take_oldest(claimed), 2);
            }),
            fixture.run(2, None, move |receiver| {
                for _ in 0..3 {
                    // As if another thread had found a live owner of another slot.
                    let claim = receiver.with(|ring, cursor| {
                        let claim = ring.claim_recv(cursor, &receiver);
                        cursor.alive = CheckedOwner::default();
                        match claim {
                            Err(TryError::WouldBlock) => ring.on_empty(cursor, &receiver),
                            other => other,
                        }
                    });
                    match claim {
                        Ok(claim) => {
                            receiver.take(&claim);
                        }
                        Err(refused) => {
                            tells.fetch_or(refused == TryError::Disconnected, Relaxed);
                        }
                    }
                }
            }),
        ]);
        let received = fixture.received.load(Relaxed);
        // If the victim was killed between the commit of the old item and its record, it has the
        // item.
        fixture.check(u64::from(death.is_some()));
        let came_late = received != fixture.received.load(Relaxed);
        assert!(
            !told.load(Relaxed) || !came_late,
            "an item came after the end"
        );
    });
}

/// Hunts: an owner that was found alive at one slot, and has died since with another slot that has
/// the same word.
#[test]
fn model_mpmc_owner_is_checked_for_each_slot() {
    explore(|| {
        let fixture = Fixture::of(2);
        let sender = fixture.handle(3);
        let (first, second) = (sender.claim().unwrap(), sender.claim().unwrap());
        assert_eq!(fixture.word(0), fixture.word(1));
        let receives = fixture.run(2, None, move |receiver| {
            assert_eq!(receiver.try_recv(), Err(TryError::Busy));
            assert_ne!(receiver.cursor.get(), Cursor::default());
            receiver.fixture.handle(3).commit(&first, 1);
            unlock_byte(2, 3);
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Err(TryError::WouldBlock));
        });
        finish([receives]);
        assert_eq!(second.index, 1);
        fixture.check(0);
    });
}

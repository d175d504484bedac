//! Models of the end of a ring: which receivers are told, when, and which items come before. No
//! later receiver would take what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as UntrackedBool, Ordering::Relaxed};

use super::super::wait::EventWaitError;
use super::super::{CheckedOwner, Cursor, TryError};
use super::fixture::{Fixture, Handle, handle};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, explore_two_deaths, unlock_byte,
};
use crate::facade::mutants;
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{StartWith, finish, start, tag};

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
    let first = handle(&fixture, 3);
    if let End::Left = end {
        assert_eq!(
            fixture.ring().count_at(Endpoint::Sender, tag(3), &first),
            Ok(())
        );
    }
    assert_eq!(first.try_send(1), Ok(()));
    match end {
        End::Closed => fixture.ring().close(),
        End::Left => fixture.ring().uncount(Endpoint::Sender, tag(3), &first),
    }
    fixture
}

/// Hunts: a receiver that is told of the end while another receives an item and is killed at each
/// step; a receiver that is not told.
#[test]
fn model_mpmc_redelivery_after_the_end_is_waited_for() {
    for end in [End::Closed, End::Left] {
        explore_deaths("mpmc: ended, a receiver killed, another", move |death| {
            let fixture = ended(end);
            finish([
                fixture.start(1, death, move |victim| {
                    let _ = handle(victim, 1).poll();
                }),
                fixture.start(2, None, move |other| drain(&handle(other, 2))),
            ]);
            is_over(&fixture);
        });
    }
}

/// Hunts: a receiver that sleeps on after another has received the last item, whichever comes
/// first: the end of the ring or the receipt.
#[test]
fn model_mpmc_last_receipt_tells_all_of_the_end() {
    explore_one_less("mpmc: a receipt, a closing process, a sleeper", || {
        let fixture = Fixture::of(2);
        let taker = handle(&fixture, 1);
        assert_eq!(taker.try_send(1), Ok(()));
        let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        let (claim, passed) = (claim.unwrap(), taker.cursor.get());
        finish([
            fixture.start(1, None, move |taker| {
                handle(taker, 1).take(&claim);
            }),
            fixture.start(2, None, move |sleeper| {
                let sleeper = handle(sleeper, 2);
                sleeper.cursor.set(passed);
                drain(&sleeper);
            }),
            fixture.start(3, None, move |closer| closer.ring().close()),
        ]);
        is_over(&fixture);
    });
    explore_one_less("mpmc: ended, a receipt, two sleepers", || {
        let fixture = ended(End::Closed);
        let taker = handle(&fixture, 1);
        let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        let (claim, passed) = (claim.unwrap(), taker.cursor.get());
        let sleepers = [2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                let sleeper = handle(fixture, id);
                sleeper.cursor.set(passed);
                drain(&sleeper);
            })
        });
        let taker = fixture.clone();
        let taker = start(1, None, move || {
            handle(&taker, 1).take(&claim);
        });
        finish(sleepers.into_iter().chain([taker]));
        is_over(&fixture);
    });
}

/// Hunts: a waiter for several queues that is told that one is ready, and then gets neither an item
/// nor the end from it.
#[test]
fn model_mpmc_ready_receiver_is_told_of_the_end() {
    explore("mpmc: ended, a receipt, a ready receiver", || {
        let fixture = ended(End::Closed);
        let taker = handle(&fixture, 1);
        let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        let claim = claim.unwrap();
        finish([
            fixture.start(1, None, move |taker| {
                handle(taker, 1).take(&claim);
            }),
            fixture.start(2, None, move |ready| {
                let ready = handle(ready, 2);
                if ready.with(|ring, cursor, _| ring.is_ready(Endpoint::Receiver, cursor)) {
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
    explore_deaths("mpmc: ended, an unannounced orphan", |death| {
        let fixture = ended(End::Closed);
        let taker = handle(&fixture, 3);
        let taken = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        assert!(taken.is_ok());
        let passed = taker.cursor.get();
        fixture.set(0, Word::new(0, State::Orphan));
        finish([
            fixture.start(1, death, move |victim| {
                let victim = handle(victim, 1);
                victim.cursor.set(passed);
                let _ = victim.poll();
            }),
            fixture.start(2, None, move |other| {
                let other = handle(other, 2);
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
    explore_deaths(
        "mpmc: ended, a dead receiver, another killed, a third",
        |death| {
            let fixture = ended(End::Closed);
            let dead = handle(&fixture, 3);
            let taken = dead.with(|ring, cursor, me| ring.claim_recv(cursor, me, &dead));
            assert!(taken.is_ok());
            unlock_byte(2, 3);
            finish([
                fixture.start(1, death, move |victim| {
                    let _ = handle(victim, 1).poll();
                }),
                fixture.start(2, None, move |waiter| drain(&handle(waiter, 2))),
            ]);
            fixture.ring().recover(tag(3));
            is_over(&fixture);
        },
    );
    // Both are killed, at each of their steps.
    explore_two_deaths("mpmc: ended, two killed, a third", |deaths| {
        let fixture = ended(End::Closed);
        let victims = [1, 2].map(|id| {
            fixture.start(id, deaths[id as usize - 1], move |fixture| {
                let _ = handle(fixture, id).poll();
            })
        });
        finish(victims);
        finish([fixture.start(3, None, move |waiter| drain(&handle(waiter, 3)))]);
        is_over(&fixture);
    });
}

/// Hunts: a receiver that is told of the end while a replacing sender, which found the ring open,
/// is between the old item and the new one.
#[test]
fn model_mpmc_replacing_item_comes_before_the_end() {
    explore_deaths("mpmc: closed, a replacing sender, a receiver", |death| {
        let fixture = Fixture::of(2);
        let replacer = handle(&fixture, 1);
        assert_eq!(
            (replacer.try_send(0), replacer.try_send(1)),
            (Ok(()), Ok(()))
        );
        let claimed = replacer.with(|ring, cursor, me| ring.claim_replace(cursor, me, &replacer));
        let (claimed, passed) = (claimed.unwrap(), replacer.cursor.get());
        fixture.ring().close();
        let told = Arc::new(UntrackedBool::new(false));
        let tells = told.clone();
        finish([
            fixture.start(1, death, move |replacer| {
                let replacer = handle(replacer, 1);
                replacer.cursor.set(passed);
                replacer.commit(&replacer.take_oldest(claimed), 2);
            }),
            fixture.start(2, None, move |receiver| {
                let receiver = handle(receiver, 2);
                for _ in 0..3 {
                    // As if another thread had found a live owner of another slot.
                    let claim = receiver.with(|ring, cursor, me| {
                        let claim = ring.claim_recv(cursor, me, &receiver);
                        cursor.alive = CheckedOwner::default();
                        match claim {
                            Err(TryError::WouldBlock) => ring.on_empty(cursor, me, &receiver),
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
    explore("mpmc: two slots of an owner that dies", || {
        let fixture = Fixture::of(2);
        let sender = handle(&fixture, 3);
        let (first, second) = (sender.claim().unwrap(), sender.claim().unwrap());
        assert_eq!(fixture.word(0), fixture.word(1));
        let receives = fixture.start(2, None, move |receiver| {
            let receiver = handle(receiver, 2);
            assert_eq!(receiver.try_recv(), Err(TryError::Busy));
            assert_ne!(receiver.cursor.get(), Cursor::default());
            handle(&receiver.fixture, 3).commit(&first, 1);
            unlock_byte(2, 3);
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Err(TryError::WouldBlock));
        });
        finish([receives]);
        assert_eq!(second.index, 1);
        fixture.check(0);
    });
}

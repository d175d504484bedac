//! The end of a slot ring under loom: who is told, when, and what comes before. Nobody comes afterwards who
//! would take what is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Told, Ordering::Relaxed};

use super::super::wait::EventWaitError;
use super::super::{Asked, Cursor, TryError};
use super::stage::{Belt, Player, player};
use crate::algorithm::mpmc::layout::{State, Word};
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, explore_two_deaths, unlock_byte,
};
use crate::participant::endpoints::Endpoint;
use crate::participant::stage::{finish, start, tag};

/// Seeded bugs, as in [`models`](super::models).
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (500, TOLD, "whoever receives last tells nobody of the end"),
    (
        501,
        BACK,
        "a receiver is told of the end while an item is being received",
    ),
    (
        502,
        UNTOLD,
        "an orphan that the epoch does not tell of is left",
    ),
    (
        503,
        READY,
        "a receiver is ready to be told of the end while an item is being received",
    ),
    (
        504,
        TWICE,
        "what the dead were receiving at the end is not taken",
    ),
    (
        505,
        FORCED,
        "a receiver is told of the end while an item is replaced",
    ),
    (
        506,
        OTHER_SLOT,
        "the slot of one found alive is taken for every slot of its",
    ),
];

const TOLD: &str = "model_slots_all_are_told_of_the_end_by_the_last_receipt";
const BACK: &str = "model_slots_what_comes_back_after_the_end_is_waited_for";
const UNTOLD: &str = "model_slots_an_orphan_comes_before_the_end";
const READY: &str = "model_slots_who_is_ready_at_the_end_is_told";
const TWICE: &str = "model_slots_two_die_over_the_last_item";
const FORCED: &str = "model_slots_what_replaces_comes_before_the_end";
const OTHER_SLOT: &str = "model_slots_one_found_alive_is_asked_about_each_slot";

/// Receives until nothing will come any more.
fn drain(receiver: &Player<'_>) {
    while receiver.recv() != Err(EventWaitError::Disconnected) {}
}

/// Everybody was told that nothing comes any more: so nothing does.
fn is_over(belt: &Belt) {
    let got = belt.got.load(Relaxed);
    belt.ring().recover(tag(2));
    belt.balance(0);
    assert_eq!(got, belt.got.load(Relaxed), "it came after the end");
}

/// A ring that has ended, by one way or the other.
#[derive(Clone, Copy)]
enum End {
    Closed,
    Left,
}

fn ended(end: End) -> loom::sync::Arc<Belt> {
    let belt = Belt::of(2);
    let first = player(&belt, 3);
    if let End::Left = end {
        assert_eq!(
            belt.ring()
                .endpoints()
                .count(Endpoint::Sender, tag(3), &first),
            Ok(())
        );
    }
    assert_eq!(first.try_send(1), Ok(()));
    match end {
        End::Closed => belt.ring().close(),
        End::Left => belt.ring().uncount(Endpoint::Sender, tag(3), &first),
    }
    belt
}

/// Hunts: a receiver that is told of the end while another one has an item in its hands, which is killed
/// at each step; one that is not told.
#[test]
fn model_slots_what_comes_back_after_the_end_is_waited_for() {
    for end in [End::Closed, End::Left] {
        explore_deaths("slots: ended, a receiver killed, another", move |death| {
            let belt = ended(end);
            let (victim, other) = (belt.clone(), belt.clone());
            finish([
                start(1, death, move || {
                    let _ = player(&victim, 1).pick();
                }),
                start(2, None, move || drain(&player(&other, 2))),
            ]);
            is_over(&belt);
        });
    }
}

/// Hunts: a receiver that sleeps on when another has taken the last item, whichever of the two ends first:
/// the ring, or its receipt.
#[test]
fn model_slots_all_are_told_of_the_end_by_the_last_receipt() {
    explore_one_less("slots: a receipt, one that closes, a sleeper", || {
        let belt = Belt::of(2);
        let taker = player(&belt, 1);
        assert_eq!(taker.try_send(1), Ok(()));
        let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        let (claim, passed) = (claim.unwrap(), taker.cursor.get());
        let (taker, closer, sleeper) = (belt.clone(), belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                player(&taker, 1).take(&claim);
            }),
            start(2, None, move || {
                let sleeper = player(&sleeper, 2);
                sleeper.cursor.set(passed);
                drain(&sleeper);
            }),
            start(3, None, move || closer.ring().close()),
        ]);
        is_over(&belt);
    });
    explore_one_less("slots: ended, a receipt, two sleepers", || {
        let belt = ended(End::Closed);
        let taker = player(&belt, 1);
        let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        let (claim, passed) = (claim.unwrap(), taker.cursor.get());
        let sleepers = [2, 3].map(|id| {
            let belt = belt.clone();
            start(id, None, move || {
                let sleeper = player(&belt, id);
                sleeper.cursor.set(passed);
                drain(&sleeper);
            })
        });
        let taker = belt.clone();
        let taker = start(1, None, move || {
            player(&taker, 1).take(&claim);
        });
        finish(sleepers.into_iter().chain([taker]));
        is_over(&belt);
    });
}

/// Hunts: one that waits for several queues, and is told of one that is ready and has nothing, and not
/// the end either.
#[test]
fn model_slots_who_is_ready_at_the_end_is_told() {
    explore("slots: ended, a receipt, one that looks", || {
        let belt = ended(End::Closed);
        let taker = player(&belt, 1);
        let claim = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        let claim = claim.unwrap();
        let (taker, looks) = (belt.clone(), belt.clone());
        finish([
            start(1, None, move || {
                player(&taker, 1).take(&claim);
            }),
            start(2, None, move || {
                let looks = player(&looks, 2);
                if looks.with(|ring, cursor, _| ring.is_ready(Endpoint::Receiver, cursor)) {
                    assert_eq!(looks.try_pick(), Err(TryError::Disconnected));
                }
            }),
        ]);
        is_over(&belt);
    });
}

/// Hunts: an item whose taker died that is left at the end, because whoever left it there is stopped before it
/// tells of it.
#[test]
fn model_slots_an_orphan_comes_before_the_end() {
    explore_deaths("slots: ended, an orphan untold of", |death| {
        let belt = ended(End::Closed);
        let taker = player(&belt, 3);
        let taken = taker.with(|ring, cursor, me| ring.claim_recv(cursor, me, &taker));
        assert!(taken.is_ok());
        let passed = taker.cursor.get();
        belt.set(0, Word::new(0, State::Orphan));
        let (victim, other) = (belt.clone(), belt.clone());
        finish([
            start(1, death, move || {
                let victim = player(&victim, 1);
                victim.cursor.set(passed);
                let _ = victim.pick();
            }),
            start(2, None, move || {
                let other = player(&other, 2);
                other.cursor.set(passed);
                drain(&other);
            }),
        ]);
        is_over(&belt);
    });
}

/// Hunts: the last item, over which one dies, and then another that takes it, in the hands of nobody, though a third
/// one waits.
#[test]
fn model_slots_two_die_over_the_last_item() {
    // Dead already, with the item in its hands; then another beside the one that waits.
    explore_deaths("slots: ended, one dead, another killed, a third", |death| {
        let belt = ended(End::Closed);
        let dead = player(&belt, 3);
        let taken = dead.with(|ring, cursor, me| ring.claim_recv(cursor, me, &dead));
        assert!(taken.is_ok());
        unlock_byte(2, 3);
        let (victim, waits) = (belt.clone(), belt.clone());
        finish([
            start(1, death, move || {
                let _ = player(&victim, 1).pick();
            }),
            start(2, None, move || drain(&player(&waits, 2))),
        ]);
        belt.ring().recover(tag(3));
        is_over(&belt);
    });
    // Both at each of their steps.
    explore_two_deaths("slots: ended, two killed, a third", |deaths| {
        let belt = ended(End::Closed);
        let victims = [1, 2].map(|id| {
            let belt = belt.clone();
            start(id, deaths[id as usize - 1], move || {
                let _ = player(&belt, id).pick();
            })
        });
        finish(victims);
        let waits = belt.clone();
        finish([start(3, None, move || drain(&player(&waits, 3)))]);
        is_over(&belt);
    });
}

/// Hunts: a receiver that is told of the end while one that replaces an item, and found the ring open, is between
/// the old item and the new one.
#[test]
fn model_slots_what_replaces_comes_before_the_end() {
    explore_deaths("slots: closed, one that replaces, a receiver", |death| {
        let belt = Belt::of(2);
        let forcer = player(&belt, 1);
        assert_eq!((forcer.try_send(0), forcer.try_send(1)), (Ok(()), Ok(())));
        let claimed = forcer.with(|ring, cursor, me| ring.claim_replace(cursor, me, &forcer));
        let (claimed, passed) = (claimed.unwrap(), forcer.cursor.get());
        belt.ring().close();
        let (forcer, receiver) = (belt.clone(), belt.clone());
        let told = Arc::new(Told::new(false));
        let tells = told.clone();
        finish([
            start(1, death, move || {
                let forcer = player(&forcer, 1);
                forcer.cursor.set(passed);
                forcer.commit(&forcer.vacate(claimed), 2);
            }),
            start(2, None, move || {
                let receiver = player(&receiver, 2);
                for _ in 0..3 {
                    // As if another thread had found somebody alive at another slot.
                    let claim = receiver.with(|ring, cursor, me| {
                        let claim = ring.claim_recv(cursor, me, &receiver);
                        cursor.alive = Asked::default();
                        match claim {
                            Err(TryError::WouldBlock) => ring.nothing(cursor, me, &receiver),
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
        let got = belt.got.load(Relaxed);
        // Killed between the commit of the old item and its note, it has it.
        belt.balance(u64::from(death.is_some()));
        let came_late = got != belt.got.load(Relaxed);
        assert!(!told.load(Relaxed) || !came_late, "it came after the end");
    });
}

/// Hunts: one that lives at one slot, and has died at another, where its word is the same.
#[test]
fn model_slots_one_found_alive_is_asked_about_each_slot() {
    explore("slots: two slots of one that dies", || {
        let belt = Belt::of(2);
        let sender = player(&belt, 3);
        let (first, second) = (sender.claim().unwrap(), sender.claim().unwrap());
        assert_eq!(belt.word(0), belt.word(1));
        let receiver = belt.clone();
        let receives = start(2, None, move || {
            let receiver = player(&receiver, 2);
            assert_eq!(receiver.try_pick(), Err(TryError::Busy));
            assert_ne!(receiver.cursor.get(), Cursor::default());
            player(&receiver.belt, 3).commit(&first, 1);
            unlock_byte(2, 3);
            assert_eq!(receiver.try_pick(), Ok(1));
            assert_eq!(receiver.try_pick(), Err(TryError::WouldBlock));
        });
        finish([receives]);
        assert_eq!(second.index, 1);
        belt.balance(0);
    });
}

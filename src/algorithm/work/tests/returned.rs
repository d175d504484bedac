//! Messages that come back, under loom: who hears of them, how often they come, and dead letters.

use super::super::{Cursor, Mine};
use super::stage::{Shop, Worker, worker};
use crate::algorithm::work::layout::State;
use crate::facade::model::{explore, explore_deaths, set_clock, unlock_byte};
use crate::participant::stage::{finish, start, tag};

/// A message that process 1 has in its hands, and what it knows then.
fn taken(shop: &Shop) -> (Mine, Cursor) {
    let taker = worker(shop, 1);
    assert!(taker.try_send(0));
    let mine = taker.receive().unwrap();
    taker.read(mine);
    (mine, taker.cursor.get())
}

/// Takes a message as soon as there is one; if it is the first one, it comes for the `attempt`th time.
fn wait_and_ack(sleeper: &Worker<'_>, attempt: u8) {
    let mine = sleeper.wait().unwrap();
    if sleeper.read(mine) == 0 {
        assert_eq!(mine.word.attempts(), attempt);
    }
    sleeper.ack(mine);
}

/// Hunts: a sleeper that is not told of a message whose holder was killed, although somebody reaped; one
/// that comes again although it was acknowledged, or with the wrong number.
#[test]
fn model_work_a_message_of_the_dead_finds_a_sleeper() {
    explore_deaths("work: a holder killed, a sleeper, a reaper", |death| {
        let shop = Shop::of(2, 3);
        let (mine, known) = taken(&shop);
        let (victim, sleeper, reaper) = (shop.clone(), shop.clone(), shop.clone());
        let victim = start(1, death, move || {
            let victim = worker(&victim, 1).knowing(known);
            victim.ack(mine);
            let _ = victim.try_send(1);
        });
        let sleeper = start(2, None, move || {
            wait_and_ack(&worker(&sleeper, 2).knowing(known), 2);
        });
        finish([victim]);
        let reaper = start(3, None, move || {
            reaper.reap();
            if reaper.was_tried(0) && !reaper.was_sent(1) {
                // Nothing may be left for the sleeper.
                let _ = worker(&reaper, 3).knowing(known).try_send(2);
            }
        });
        finish([sleeper, reaper]);
        shop.balance();
    });
}

/// Hunts: a sleeper that is not told of a message that was given back, or looks past it, although it was
/// given back before; the holder is killed at each step.
#[test]
fn model_work_a_message_given_back_finds_a_sleeper() {
    explore_deaths("work: a holder gives back, killed, a sleeper", |death| {
        let shop = Shop::of(1, 3);
        let (mine, known) = taken(&shop);
        worker(&shop, 1).give_back(mine);
        let mine = worker(&shop, 1).receive().unwrap();
        assert_eq!(mine.word.attempts(), 2);
        let (victim, sleeper, reaper) = (shop.clone(), shop.clone(), shop.clone());
        let victim = start(1, death, move || {
            worker(&victim, 1).knowing(known).give_back(mine);
        });
        let sleeper = start(2, None, move || {
            wait_and_ack(&worker(&sleeper, 2).knowing(known), 3);
        });
        finish([victim]);
        let reaper = start(3, None, move || reaper.reap());
        finish([sleeper, reaper]);
        shop.balance();
    });
}

/// Hunts: a message that is delayed although the process that gave it back was killed before that was committed; one
/// that is not delayed although it was; one that is delayed by a time that an earlier return left there.
#[test]
fn model_work_a_killed_return_delays_nothing_or_is_committed() {
    const LATER: u64 = 1 << 40;
    explore_deaths(
        "work: a holder that gives back for later, killed",
        |death| {
            set_clock(0);
            let shop = Shop::of(1, 4);
            let (mine, known) = taken(&shop);
            let victim = shop.clone();
            finish([start(1, death, move || {
                worker(&victim, 1).knowing(known).give_back_for(mine, LATER);
            })]);
            let is_committed = shop.work().look(mine.cell).state() == Some(State::Delayed);
            shop.reap();
            let other = worker(&shop, 2).knowing(known);
            let early = other.receive();
            assert_eq!(early.is_err(), is_committed, "committed: {is_committed}");
            set_clock(2 * LATER);
            let again = early.or_else(|_| other.receive()).expect("it is due");
            assert_eq!((other.read(again), again.word.attempts()), (0, 2));
            set_clock(0);
            other.give_back(again);
            let mine = other.receive().expect("it was not delayed");
            assert_eq!((other.read(mine), mine.word.attempts()), (0, 3));
            other.ack(mine);
            shop.balance();
        },
    );
}

/// Hunts: a receiver that has heard of returned messages and does not find them.
#[test]
fn model_work_whoever_hears_of_a_return_finds_it() {
    explore("work: a dead holder, a reaper, a receiver", || {
        let shop = Shop::of(1, 2);
        let (_, known) = taken(&shop);
        unlock_byte(0, 1);
        let (reaper, receiver) = (shop.clone(), shop.clone());
        finish([
            start(2, None, move || reaper.reap()),
            start(3, None, move || {
                let receiver = worker(&receiver, 3).knowing(known);
                let got = receiver.receive();
                let heard = receiver.cursor.get().epoch != known.epoch;
                assert!(!heard || got.is_ok(), "it was not found");
                if let Ok(mine) = got {
                    assert_eq!((receiver.read(mine), mine.word.attempts()), (0, 2));
                    receiver.ack(mine);
                }
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: a dead letter that is lost, doubled or delivered, because its holder was killed; one in
/// somebody's hands that keeps the queue from being idle; a message that is delayed because the one
/// before it in its cell was.
#[test]
fn model_work_a_holder_of_a_dead_letter_dies() {
    explore_deaths("work: two that take a dead letter, one killed", |death| {
        let shop = Shop::of(1, 2);
        let (mine, known) = taken(&shop);
        worker(&shop, 1).give_back(mine);
        let first = worker(&shop, 1);
        let mine = first.receive().unwrap();
        first.give_back_for(mine, 5);
        let (victim, other) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || {
                let victim = worker(&victim, 1).knowing(known);
                if let Some(letter) = victim.take_buried() {
                    assert!(victim.shop.work().is_idle(), "a dead letter is done");
                    victim.read(letter);
                    victim.ack(letter);
                    assert!(victim.try_send(1));
                }
                let _ = victim.pick();
            }),
            start(2, None, move || {
                let other = worker(&other, 2);
                if let Some(letter) = other.take_buried() {
                    assert!(other.receive().is_err(), "there is no other message");
                    other.read(letter);
                    other.ack(letter);
                }
                other.shop.work().recover(tag(3));
            }),
        ]);
        shop.balance();
    });
}

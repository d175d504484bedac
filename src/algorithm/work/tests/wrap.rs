//! Laps and versions that begin anew, under loom.

use loom::sync::Arc;

use super::super::{Mine, Unsent};
use super::stage::{LATER, Shop, Worker, worker};
use crate::algorithm::work::layout::{CellWord, Entry, State};
use crate::facade::model::{explore, explore_deaths, set_clock};
use crate::participant::stage::{finish, start, tag};

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
                shop.stop_at_slot(look, Shop::go_round);
                assert!(!idle.is_ready() && idle.receive().is_err());
                assert!(idle.try_send(5));
                let _ = shop.stopped();
                let other = worker(&shop, 3);
                assert_eq!(other.pick(), Some(5));
                shop.balance();
            },
        );
    }
}

/// What stands in the first slot of [`one_that_was_received_and_left`].
const FIRST: Entry = Entry {
    cell: 0,
    version: 0,
};

/// A queue of two cells in whose first slot a message stands that was received and acknowledged.
fn one_that_was_received_and_left() -> Arc<Shop> {
    let shop = Shop::of(2, 2);
    let other = worker(&shop, 2);
    assert!(other.try_send(0));
    // As receiving does, but for the slot.
    let work = shop.work();
    assert_eq!(work.entries().next(), Some(FIRST));
    let cell = FIRST.cell;
    let sending = work.look(cell);
    let held = sending.delivered(tag(2));
    assert!(work.swap(cell, sending, held));
    let mine = Mine { cell, word: held };
    assert_eq!(other.read(mine), 0);
    other.ack(mine);
    shop
}

/// Hunts: a helper that frees a slot in which another message waits, because it was stopped between its look and
/// its CAS while the word of the slot came back to the same value: which it does soon if a
/// lap has 20 bits in a queue of two cells.
#[test]
fn model_work_a_helper_that_was_stopped_frees_no_later_message() {
    for access in 1..4 {
        for receives in [false, true] {
            explore("work: a helper that is stopped for long", move || {
                let shop = one_that_was_received_and_left();
                let helper = worker(&shop, 1);
                shop.stop_at_slot(access, |shop| {
                    shop.come_back_after_all_versions(FIRST, 5);
                });
                let got = if receives {
                    helper.pick()
                } else {
                    assert!(helper.is_ready() || !shop.was_sent(5));
                    None
                };
                assert!(got.is_none_or(|item| item == 5));
                if shop.stopped() && got.is_none() {
                    assert_eq!(worker(&shop, 3).pick(), Some(5), "it was lost");
                }
                shop.balance();
            });
        }
    }
}

/// Hunts: a receiver that was stopped before its look at a cell, and takes the message that is written there now
/// because the version has the same bits as the one that the slot named.
#[test]
fn model_work_a_receiver_that_was_stopped_takes_no_message_before_it_is_sent() {
    explore("work: a receiver that is stopped for long", || {
        let shop = Shop::of(2, 2);
        assert!(worker(&shop, 2).try_send(0));
        let receiver = worker(&shop, 1);
        shop.stop_at_cell(1, Shop::begin_to_send_after_all_versions_of_slots);
        assert!(receiver.receive().is_err(), "it was not sent");
        assert!(shop.stopped());
    });
}

/// The first cell, if a process has loaned it in its first version.
fn loaned_again(shop: &Shop, id: u32) -> Option<Mine> {
    let word = CellWord(0).held(State::Loaned, tag(id));
    (shop.work().look(0) == word).then_some(Mine { cell: 0, word })
}

/// Sends item 5 in a loan, which is freed if the queue is over.
fn send_again(sender: &Worker<'_>, mine: Mine) {
    if let Err(unsent) = sender.send_loan(mine, 5) {
        let Unsent::Over(mine) = unsent else {
            panic!("not sent: {unsent:?}");
        };
        let given = sender.with(|work, cursor, _| work.ack(cursor, mine));
        assert_eq!(given, Ok(()), "it was received");
    }
}

/// Hunts: a sender that is told that the queue was closed, though a receiver takes its message: the receiver was
/// stopped before its CAS while the cell's versions came round. The sender is killed at each step.
#[test]
fn model_work_a_sender_is_not_told_of_the_end_if_its_message_is_received() {
    explore_deaths(
        "work: closed, a sender killed, a receiver that was stopped for long",
        |death| {
            let shop = Shop::of(2, 2);
            assert!(worker(&shop, 1).try_send(0));
            shop.stop_at_cell(2, Shop::close_after_all_versions);
            let (sender, receiver) = (shop.clone(), shop.clone());
            finish([
                start(1, death, move || {
                    if let Some(mine) = loaned_again(&sender, 1) {
                        send_again(&worker(&sender, 1), mine);
                    }
                }),
                start(2, None, move || {
                    let got = worker(&receiver, 2).pick();
                    assert!(got.is_none_or(|item| item == 5));
                }),
            ]);
            assert!(shop.stopped());
            if let Some(mine) = loaned_again(&shop, 1) {
                let _ = worker(&shop, 1).with(|work, cursor, _| work.ack(cursor, mine));
            }
            shop.balance();
            let is_known = shop.was_sent(5) == shop.was_tried(5);
            assert!(is_known || death.is_some(), "it was received");
        },
    );
}

/// Hunts: the same where the receiver is killed at each step.
#[test]
fn model_work_a_message_that_was_received_before_it_was_sent_outlives_its_receiver() {
    explore_deaths(
        "work: closed, a sender, a receiver that was stopped for long, killed",
        |death| {
            let shop = Shop::of(2, 2);
            assert!(worker(&shop, 3).try_send(0));
            let sending = shop.work().look(0);
            shop.close_after_all_versions_for(3);
            let (sender, receiver) = (shop.clone(), shop.clone());
            finish([
                start(1, death, move || {
                    let receiver = worker(&receiver, 1);
                    let word = sending.delivered(tag(1));
                    if receiver.shop.work().swap(0, sending, word) {
                        let mine = Mine { cell: 0, word };
                        assert_eq!(receiver.read(mine), 5);
                        receiver.ack(mine);
                    }
                }),
                start(3, None, move || {
                    let mine = loaned_again(&sender, 3).expect("nobody else has it");
                    send_again(&worker(&sender, 3), mine);
                }),
            ]);
            shop.balance();
            assert_eq!(shop.was_sent(5), shop.was_tried(5));
        },
    );
}

/// A queue of one cell with message 0, which was given back for the first time, not to come again before `due`.
fn delayed(due: u64) -> Arc<Shop> {
    let shop = Shop::of(1, 4);
    let first = worker(&shop, 3);
    assert!(first.try_send(0));
    let mine = first.receive().unwrap();
    first.read(mine);
    first.give_back_for(mine, due);
    shop
}

/// Hunts: a delayed message that comes before it is due, because a receiver was stopped before its CAS, or between its
/// looks at the two words, while the cell's versions came round.
#[test]
fn model_work_a_delayed_message_is_not_taken_for_one_that_was_due() {
    for another in [false, true] {
        explore(
            "work: a receiver of what is due, stopped for long",
            move || {
                set_clock(LATER / 2);
                let shop = if another {
                    let shop = delayed(LATER);
                    // The time of another message, which the cell had in between.
                    shop.work().delay(0, 1);
                    shop
                } else {
                    delayed(LATER / 2)
                };
                let receiver = worker(&shop, 1);
                shop.stop_at_cell(2, Shop::delay_after_all_versions);
                assert!(receiver.receive().is_err(), "it is not due");
                assert!(shop.stopped());
                set_clock(LATER);
                assert_eq!(receiver.pick(), Some(0));
                set_clock(0);
                shop.balance();
            },
        );
    }
}

//! Those who live and are in no registry any more, under loom: others took them for dead.

use super::super::{Cursor, Mine, Unsent};
use super::stage::{Shop, Worker, worker};
use crate::algorithm::work::layout::State;
use crate::facade::model::{explore, explore_one_less};
use crate::participant::stage::{finish, start, tag};

/// Sends an item; whether it is said that it was sent.
fn send(sender: &Worker<'_>, item: u64) -> bool {
    let Ok(mine) = sender.loan() else {
        return false;
    };
    match sender.send_loan(mine, item) {
        Ok(()) => true,
        Err(Unsent::MembershipLost) => false,
        Err(other) => panic!("not sent: {other:?}"),
    }
}

/// Hunts: a message that a sender is told it has sent, and that is freed, because others took the sender for
/// dead and looked for it a moment before it was there.
#[test]
fn model_work_who_is_taken_for_dead_knows_what_it_has_sent() {
    explore("work: a sender taken for dead, one that reaps", || {
        let shop = Shop::of(1, 2);
        let (sender, reaper) = (shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                send(&worker(&sender, 1).asking(), 0);
            }),
            start(2, None, move || {
                reaper.forget(1);
                reaper.work().recover(tag(1));
            }),
        ]);
        // What it took since.
        shop.work().recover(tag(1));
        shop.balance();
    });
}

/// Hunts: the same beside a receiver, which may have done the message by then.
#[test]
fn model_work_who_is_taken_for_dead_and_a_receiver() {
    explore_one_less(
        "work: a sender taken for dead, a reaper, a receiver",
        || {
            let shop = Shop::of(1, 2);
            let (sender, reaper, receiver) = (shop.clone(), shop.clone(), shop.clone());
            finish([
                start(1, None, move || {
                    send(&worker(&sender, 1).asking(), 0);
                }),
                start(2, None, move || {
                    reaper.forget(1);
                    reaper.work().recover(tag(1));
                }),
                start(3, None, move || {
                    let _ = worker(&receiver, 3).pick();
                }),
            ]);
            shop.work().recover(tag(1));
            shop.balance();
        },
    );
}

/// Hunts: a sender that is told that it has sent a message that a reaper frees, because the queue was closed and its
/// cell was not its own any more.
#[test]
fn model_work_a_sender_taken_for_dead_after_the_end_has_not_sent() {
    explore("work: closed, a sender taken for dead, a reaper", || {
        let shop = Shop::of(1, 2);
        let loan = worker(&shop, 1).loan().unwrap();
        shop.work().close();
        let (sender, reaper) = (shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let sent = worker(&sender, 1).asking().send_loan(loan, 0);
                assert!(matches!(
                    sent,
                    Err(Unsent::MembershipLost | Unsent::Over(_))
                ));
            }),
            start(2, None, move || {
                reaper.forget(1);
                reaper.work().recover(tag(1));
            }),
        ]);
        shop.work().recover(tag(1));
        shop.balance();
    });
}

/// Hunts: a sender that comes round to a slot whose message a reaper freed, because it took its sender for dead, and
/// does not free the slot.
#[test]
fn model_work_slots_of_those_taken_for_dead_are_freed_by_senders() {
    explore("work: two slots of one taken for dead, two senders", || {
        let shop = Shop::of(2, 2);
        let stranger = worker(&shop, 1);
        for _ in 0..2 {
            let loan = stranger.loan().unwrap();
            let work = shop.work();
            let word = loan.word.held(State::Sending, tag(1));
            assert!(work.swap(loan.cell, loan.word, word));
            work.recover(tag(1));
            let late = Mine { word, ..loan };
            assert_eq!(
                stranger.with(|work, cursor, _| work.publish(cursor, late)),
                Ok(())
            );
        }
        let senders = [2, 3].map(|id| {
            let shop = shop.clone();
            start(id, None, move || {
                assert!(worker(&shop, id).try_send(id.into()));
            })
        });
        finish(senders);
        shop.balance();
    });
}

/// Hunts: a cell that is lost because it became a part of a message whose head was taken away.
#[test]
fn model_work_no_part_outlives_a_head_that_was_taken_away() {
    explore("work: one with two cells taken for dead, a reaper", || {
        let shop = Shop::of(2, 2);
        let (loaner, reaper) = (shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let loaner = worker(&loaner, 1);
                let head = loaner.with(|work, cursor, me| work.loan_span(cursor, me, 2));
                if let Ok(head) = head {
                    // It may be lost.
                    let _ = loaner.with(|work, cursor, me| work.free(cursor, head, me, 2));
                }
            }),
            start(2, None, move || reaper.work().recover(tag(1))),
        ]);
        shop.balance();
    });
}

/// What process 1 has that no registry knows: it was reaped before.
fn stranger_at(shop: &Shop, state: State) -> (Option<Mine>, Cursor) {
    let stranger = worker(shop, 1);
    let mine = if let State::Loaned | State::Sending = state {
        let mine = stranger.loan().unwrap();
        let word = mine.word.held(state, tag(1));
        assert!(mine.word == word || shop.work().swap(mine.cell, mine.word, word));
        None
    } else {
        assert!(stranger.try_send(0));
        (state == State::Held).then(|| stranger.receive().unwrap())
    };
    shop.forget(1);
    (mine, stranger.cursor.get())
}

/// Hunts: what one has that is in no registry and is never given back, or is freed although it was sent, or is
/// done twice because its owner goes on meanwhile.
#[test]
fn model_work_strangers_are_looked_for() {
    for state in [State::Loaned, State::Sending, State::Queued, State::Held] {
        explore("work: a stranger, one that looks for it", move || {
            let shop = Shop::of(1, 3);
            let (mine, _) = stranger_at(&shop, state);
            let (stranger, looking) = (shop.clone(), shop.clone());
            finish([
                start(1, None, move || {
                    if let Some(mine) = mine {
                        let stranger = worker(&stranger, 1);
                        stranger.try_finish(mine);
                    }
                }),
                start(2, None, move || {
                    let looking = worker(&looking, 2).asking();
                    looking.look_for_strangers();
                    let _ = looking.pick();
                }),
            ]);
            shop.balance();
        });
    }
}

/// Hunts: one that is robbed of what it has although the registry knows it.
#[test]
fn model_work_who_is_no_stranger_keeps_what_it_has() {
    explore("work: a holder, a stranger, one that looks", || {
        let shop = Shop::of(2, 3);
        assert!(worker(&shop, 1).loan().is_ok());
        shop.forget(1);
        let sender = worker(&shop, 3);
        assert!(sender.try_send(0));
        let known = sender.cursor.get();
        let (holder, looking) = (shop.clone(), shop.clone());
        finish([
            start(3, None, move || {
                assert_eq!(worker(&holder, 3).knowing(known).pick(), Some(0));
            }),
            start(2, None, move || {
                worker(&looking, 2).asking().look_for_strangers();
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: a message that was returned and comes to nobody, because whoever returned it is stopped before
/// it has told.
#[test]
fn model_work_what_a_stopped_one_returned_is_found() {
    explore(
        "work: one stopped in a return, one that looks, a sender",
        || {
            let shop = Shop::of(2, 3);
            let stopped = worker(&shop, 1);
            assert!(stopped.try_send(0));
            let mine = stopped.receive().unwrap();
            stopped.read(mine);
            assert!(
                shop.work()
                    .swap(mine.cell, mine.word, mine.word.at_rest(State::Returned))
            );
            let known = stopped.cursor.get();
            let (looking, sender) = (shop.clone(), shop.clone());
            finish([
                start(2, None, move || {
                    let looking = worker(&looking, 2).knowing(known);
                    looking.look_for_strangers();
                    assert_eq!(looking.pick(), Some(0));
                }),
                start(3, None, move || {
                    let _ = worker(&sender, 3).try_send(1);
                }),
            ]);
            shop.balance();
        },
    );
}

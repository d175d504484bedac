//! The end of a work queue under loom: what still comes after it was closed, and who is told.

use super::super::wait::EventWaitError;
use std::sync::atomic::Ordering::Relaxed;

use super::super::{Mine, TryError, Unsent};
use super::stage::{Shop, Worker, worker};
use crate::facade::model::{explore, explore_deaths, explore_one_less, explore_two_deaths};
use crate::participant::stage::{finish, start, tag};

/// Seeded bugs, as in [`models`](super::models).
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        510,
        SEVERAL,
        "a thread does not know what it received itself",
    ),
    (
        511,
        THREADS,
        "a thread takes what others of its process have for its own",
    ),
];

const SEVERAL: &str = "model_work_a_thread_with_several_messages_is_told_of_the_end";
const THREADS: &str = "model_work_a_thread_waits_for_what_another_has";

/// Takes messages until there will be none any more.
fn drain(receiver: &Worker<'_>) {
    while receiver.wait_and_ack() != Err(EventWaitError::Disconnected) {}
}

/// Hunts: a message that is sent after a receiver was told that none comes any more.
#[test]
fn model_work_nothing_comes_after_the_end() {
    explore("work: a sender, one that closes, a receiver", || {
        let shop = Shop::of(1, 2);
        let (sender, closer, receiver) = (shop.clone(), shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let _ = worker(&sender, 1).try_send(0);
            }),
            start(3, None, move || closer.work().close()),
            start(2, None, move || {
                let receiver = worker(&receiver, 2);
                drain(&receiver);
            }),
        ]);
        assert_eq!(shop.was_sent(0), shop.was_tried(0), "sent after the end");
        shop.balance();
    });
}

/// Hunts: one that sleeps for room or for a message and is not told of the end.
#[test]
fn model_work_sleepers_are_told_of_the_end() {
    explore_one_less("work: two sleepers, one that closes", || {
        let shop = Shop::of(1, 2);
        let held = worker(&shop, 1).loan().unwrap();
        let (sender, closer, receiver) = (shop.clone(), shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                assert_eq!(
                    worker(&sender, 1).send(0),
                    Err(EventWaitError::Disconnected)
                );
            }),
            start(2, None, move || {
                assert_eq!(
                    worker(&receiver, 2).wait_and_ack(),
                    Err(EventWaitError::Disconnected)
                );
            }),
            start(3, None, move || closer.work().close()),
        ]);
        let sent = worker(&shop, 1).send_loan(held, 0);
        assert!(matches!(sent, Err(Unsent::Over(_))));
    });
}

/// What a holder does with the message that it has when the queue was closed.
type End = fn(&Worker<'_>, Mine);
/// And how often it was to be delivered at most.
const ENDS: [(End, u8); 4] = [
    (|holder, mine| holder.ack(mine), 2),
    (|holder, mine| holder.bury(mine), 2),
    (|holder, mine| holder.give_back(mine), 2),
    (|holder, mine| holder.give_back(mine), 1),
];

/// A closed queue with a message in the hands of process 1.
fn closed(shop: &Shop) -> Mine {
    let holder = worker(shop, 1);
    assert!(holder.try_send(0));
    let mine = holder.receive().unwrap();
    holder.read(mine);
    shop.work().close();
    mine
}

/// Hunts: a receiver that is told of the end while a message may come back, or that is not told when
/// nothing can come any more; the holder is killed at each step.
#[test]
fn model_work_what_comes_back_after_the_end_is_waited_for() {
    for (end, most) in ENDS {
        explore_deaths("work: closed, a holder killed, a receiver", move |death| {
            let shop = Shop::of(1, most);
            let mine = closed(&shop);
            let (holder, receiver) = (shop.clone(), shop.clone());
            finish([
                start(1, death, move || end(&worker(&holder, 1), mine)),
                start(2, None, move || drain(&worker(&receiver, 2))),
            ]);
            let left = worker(&shop, 2).receive();
            assert!(left.is_err(), "it came after the end");
            shop.balance();
        });
    }
}

/// Hunts: one of two receivers that is not told that nothing can come any more.
#[test]
fn model_work_all_are_told_that_nothing_comes_back() {
    for (end, most) in ENDS {
        explore_one_less("work: closed, a holder, two receivers", move || {
            let shop = Shop::of(1, most);
            let mine = closed(&shop);
            let receivers = [2, 3].map(|id| {
                let shop = shop.clone();
                start(id, None, move || drain(&worker(&shop, id)))
            });
            let holder = shop.clone();
            let holder = start(1, None, move || end(&worker(&holder, 1), mine));
            finish(receivers.into_iter().chain([holder]));
            shop.balance();
        });
    }
}

/// Hunts: a thread that is told of the end while another one of its process has a message, which is killed with
/// its process at each step, or gives it back as it panics; a thread that is not told.
#[test]
fn model_work_a_thread_waits_for_what_another_has() {
    for (end, most) in ENDS {
        explore("work: closed, two threads of a process", move || {
            let shop = Shop::of(1, most);
            let mine = closed(&shop);
            let (holder, waits) = (shop.clone(), shop.clone());
            finish([
                start(1, None, move || end(&worker(&holder, 1), mine)),
                start(1, None, move || drain(&worker(&waits, 1).on_thread(2))),
            ]);
            let left = worker(&shop, 2).receive();
            assert!(left.is_err(), "it came after the end");
            shop.balance();
        });
    }
}

/// Hunts: a thread that waits for what it has itself; one that is told although another process has
/// a message.
#[test]
fn model_work_a_thread_with_several_messages_is_told_of_the_end() {
    explore_deaths(
        "work: closed, one that has two, another that has one, killed",
        |death| {
            let shop = Shop::of(3, 2);
            let (victim, first) = (worker(&shop, 1), worker(&shop, 2));
            assert!((0..3).all(|item| victim.try_send(item)));
            let of_victim = victim.receive().unwrap();
            victim.read(of_victim);
            let held = first.receive().unwrap();
            first.read(held);
            let knows = first.cursor.get();
            shop.work().close();
            let (victim, holder) = (shop.clone(), shop.clone());
            finish([
                start(1, death, move || worker(&victim, 1).ack(of_victim)),
                start(2, None, move || {
                    let holder = worker(&holder, 2).knowing(knows);
                    let mut all = vec![held];
                    let over = loop {
                        match holder.wait() {
                            Ok(mine) => {
                                holder.read(mine);
                                all.push(mine);
                            }
                            Err(ended) => break ended,
                        }
                    };
                    assert_eq!(over, EventWaitError::Disconnected);
                    assert_eq!(holder.receive(), Err(TryError::Disconnected));
                    all.iter().for_each(|mine| holder.ack(*mine));
                    assert_eq!(holder.receive(), Err(TryError::Disconnected));
                }),
            ]);
            let left = worker(&shop, 3).receive();
            assert!(left.is_err(), "it came after the end");
            shop.balance();
        },
    );
}

/// Hunts: the last message, over which one dies, and then another that has it again, that is with nobody, though
/// a third one waits.
#[test]
fn model_work_two_die_over_the_last_message() {
    explore_two_deaths("work: closed, two killed, a third", |deaths| {
        let shop = Shop::of(1, 3);
        shop.two_die.store(1, Relaxed);
        assert!(worker(&shop, 3).try_send(0));
        shop.work().close();
        let victims = [1, 2].map(|id| {
            let shop = shop.clone();
            start(id, deaths[id as usize - 1], move || {
                let _ = worker(&shop, id).pick();
            })
        });
        finish(victims);
        let waits = shop.clone();
        finish([start(3, None, move || drain(&worker(&waits, 3)))]);
        shop.work().recover(tag(2));
        let left = worker(&shop, 3).receive();
        assert!(left.is_err(), "it came after the end");
        shop.balance();
    });
}

//! Work queues under loom: sending and receiving, killed at each step, and laps.

use super::super::Cursor;
use super::stage::{Shop, worker};
use crate::algorithm::work::layout::{Entry, State};
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, is_byte_locked, unlock_byte,
};
use crate::participant::stage::{finish, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        200,
        NOT_IDLE,
        "whoever looks at a cell does not acquire what it sees",
    ),
    (
        201,
        LAPS,
        "a change of a cell neither acquires nor publishes",
    ),
    (
        202,
        CLOSED,
        "a sender has no barrier between its cell and its look",
    ),
    (
        203,
        CLOSED,
        "a sender sends into a queue that it finds closed",
    ),
    (204, LAPS, "a commit does not ring"),
    (206, GIVEN, "whoever gives back does not change the epoch"),
    (207, LETTER, "a message comes again however often it came"),
    (208, HEARD, "the epoch does not publish what was returned"),
    (209, HEARD, "the epoch is not acquired"),
    (
        210,
        OF_THE_DEAD,
        "a receiver does not look for what was returned",
    ),
    (
        211,
        ALL_TOLD,
        "whoever is done with a message after the end tells nobody",
    ),
    (212, TOLD, "closing wakes nobody"),
    (
        633,
        FAR_HELPER,
        "a lap has 20 bits, however few cells there are",
    ),
    (634, FAR_PART, "a part does not say when it became one"),
    (636, FAR_LOOK, "a receiver does not look at the slot again"),
    (635, DELAYED, "what a killed one was to delay is delayed"),
    (
        637,
        RECEIVED,
        "a sender that finds the queue closed does not see that a receiver has its message",
    ),
    (
        638,
        EARLY,
        "the word of a delayed message does not say when it is due",
    ),
    (
        639,
        EARLY,
        "the time beside a delayed message counts, whatever its word says",
    ),
    (
        640,
        NAMED,
        "a reaper gives a message back that a slot still names",
    ),
    (
        641,
        NAMED,
        "a reaper frees the slot of a message after it has given it back",
    ),
    (
        642,
        AFTER_END,
        "a sender that finds the queue closed does not ask the registry",
    ),
    (
        643,
        AFTER_END,
        "a sender asks the registry before it has acquired what a reaper did",
    ),
    (214, GIVEN, "whoever gives back does not ring"),
    (
        220,
        LAPS,
        "whoever looks at a slot does not acquire what it sees",
    ),
    (
        221,
        NOT_IDLE,
        "a change of a slot neither acquires nor publishes",
    ),
    (222, LEFT, "a sender does not free a slot that was left"),
    (223, FAR, "a hint is not acquired"),
    (
        224,
        SLOW,
        "one that only looks goes past a slot that is not free",
    ),
    (
        230,
        GIVEN,
        "a receiver takes the epoch after its look for that before",
    ),
    (231, LETTER, "taking a dead letter does not count"),
    (232, TOLD_IDLE, "whoever buries a message tells nobody"),
    (
        240,
        HELPER,
        "a helper frees a part without a look at the head",
    ),
    (241, PARTS, "a helper leaves the parts"),
    (242, HELPED, "a helper relies on one that has begun"),
    (250, HELPED, "whoever reaps does not look for what was sent"),
    (
        251,
        HELPED,
        "whoever reaps leaves the cells that were loaned",
    ),
    (
        252,
        OF_THE_DEAD,
        "whoever reaps leaves the messages that were delivered",
    ),
    (253, OF_THE_DEAD, "whoever reaps does not change the epoch"),
    (254, OF_THE_DEAD, "whoever reaps wakes nobody"),
    (
        255,
        CLOSED,
        "a receiver has no barrier before its last look",
    ),
    (256, CLOSED, "a receiver does not wait for what may come"),
    (
        257,
        CLOSED,
        "a receiver does not wait for what is being sent",
    ),
    (258, BACK, "a receiver does not wait for what may come back"),
    (260, NOT_IDLE, "whoever asks whether it is idle looks once"),
    (
        261,
        TOLD_IDLE,
        "the last to acknowledge tells nobody that it is idle",
    ),
    (
        262,
        NOT_IDLE,
        "whoever asks whether it is idle looks at no slots",
    ),
    (263, WRAP, "laps are not compared in a circle"),
    (
        264,
        TAKEN,
        "a sender has no barrier before it asks the registry",
    ),
    (265, TAKEN, "a sender does not ask the registry"),
    (
        266,
        TAKEN,
        "whoever reaps has no barrier before it looks for what was sent",
    ),
    (267, WRAP, "a slot keeps fewer bits of a version"),
    (268, ORPHAN, "a loan takes parts without a look at its head"),
    (269, STRANGERS, "nobody gives back what strangers have"),
    (
        270,
        STOPPED,
        "nobody looks for what was returned and not told of",
    ),
    (
        272,
        TAKEN,
        "a sender that was taken for dead believes that its message is there",
    ),
    (
        273,
        TAKEN,
        "a sender that was taken for dead does not keep its message there",
    ),
    (274, ROBBED, "everybody is a stranger"),
    (
        275,
        HALF,
        "a hint that is not believed is not looked at again",
    ),
];

const RECEIVED: &str = "model_work_a_sender_is_not_told_of_the_end_if_its_message_is_received";
const EARLY: &str = "model_work_a_delayed_message_is_not_taken_for_one_that_was_due";
const NAMED: &str = "model_work_no_slot_names_a_message_that_was_done";
const AFTER_END: &str = "model_work_a_sender_taken_for_dead_after_the_end_has_not_sent";
const LEFT: &str = "model_work_slots_of_those_taken_for_dead_are_freed_by_senders";
const WRAP: &str = "model_work_laps_and_versions_begin_anew";
const HALF: &str = "model_work_one_that_was_stopped_for_half_of_all_laps_finds_its_way";
const TAKEN: &str = "model_work_who_is_taken_for_dead_knows_what_it_has_sent";
const ORPHAN: &str = "model_work_no_part_outlives_a_head_that_was_taken_away";
const STRANGERS: &str = "model_work_strangers_are_looked_for";
const ROBBED: &str = "model_work_who_is_no_stranger_keeps_what_it_has";
const STOPPED: &str = "model_work_what_a_stopped_one_returned_is_found";

const LAPS: &str = "model_work_messages_arrive_once_in_order_and_nobody_oversleeps";
const HELPED: &str = "model_work_a_helper_dies_too";
const SLOW: &str = "model_work_slots_that_are_not_freed_yet_are_no_garbage";
const FAR: &str = "model_work_one_that_was_idle_finds_its_way";
const OF_THE_DEAD: &str = "model_work_a_message_of_the_dead_finds_a_sleeper";
const GIVEN: &str = "model_work_a_message_given_back_finds_a_sleeper";
const HEARD: &str = "model_work_whoever_hears_of_a_return_finds_it";
const LETTER: &str = "model_work_a_holder_of_a_dead_letter_dies";
const CLOSED: &str = "model_work_nothing_comes_after_the_end";
const TOLD: &str = "model_work_sleepers_are_told_of_the_end";
const BACK: &str = "model_work_what_comes_back_after_the_end_is_waited_for";
const ALL_TOLD: &str = "model_work_all_are_told_that_nothing_comes_back";
const NOT_IDLE: &str = "model_work_a_holder_that_sends_is_not_idle";
const TOLD_IDLE: &str = "model_work_idleness_is_told";
const PARTS: &str = "model_work_parts_of_the_dead_are_freed";
const FAR_HELPER: &str = "model_work_a_helper_that_was_stopped_frees_no_later_message";
const FAR_PART: &str = "model_work_a_helper_that_was_stopped_frees_no_part_of_a_later_message";
const FAR_LOOK: &str = "model_work_a_receiver_that_was_stopped_takes_no_message_before_it_is_sent";
const DELAYED: &str = "model_work_a_killed_return_delays_nothing_or_is_committed";
const HELPER: &str = "model_work_a_slow_helper_frees_no_part_of_another";

/// Hunts: messages that are lost, doubled, torn or out of order, and sleepers that nobody wakes, on
/// either side, over laps: one cell, two places.
#[test]
fn model_work_messages_arrive_once_in_order_and_nobody_oversleeps() {
    explore("work: a sender and a receiver of one cell", || {
        let shop = Shop::of(1, 2);
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

/// Hunts: a message of a killed sender that arrives in part, one that was committed and does not; a
/// cell that is lost, or freed twice.
#[test]
fn model_work_a_sender_dies_beside_a_receiver() {
    explore_deaths("work: a sender killed, a receiver", |death| {
        let shop = Shop::of(1, 2);
        let (victim, receiver) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || {
                let victim = worker(&victim, 1);
                let _ = (victim.try_send(0), victim.try_send(1));
            }),
            start(2, None, move || {
                let receiver = worker(&receiver, 2);
                let (first, second) = (receiver.pick(), receiver.pick());
                assert!(second != Some(1) || first == Some(0), "not in order");
                receiver.shop.reap();
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: a message that two receivers get, or none, because one of them was killed at it; one that was
/// acknowledged and comes again.
#[test]
fn model_work_a_receiver_dies_beside_another() {
    explore_deaths("work: two receivers, one killed", |death| {
        let shop = Shop::of(2, 3);
        let first = worker(&shop, 3);
        assert!(first.try_send(0) && first.try_send(1));
        let (victim, other) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || {
                let _ = worker(&victim, 1).pick();
            }),
            start(2, None, move || {
                let other = worker(&other, 2);
                assert!(other.pick().is_some(), "two messages, one other receiver");
                other.shop.reap();
                let _ = other.pick();
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: the same where both send and receive.
#[test]
fn model_work_two_that_send_and_receive_one_killed() {
    explore_deaths("work: two that send and receive, one killed", |death| {
        let shop = Shop::of(2, 3);
        let (victim, other) = (shop.clone(), shop.clone());
        let first = worker(&shop, 3);
        assert!(first.try_send(0));
        finish([
            start(1, death, move || {
                let victim = worker(&victim, 1);
                let _ = (victim.try_send(1), victim.pick());
            }),
            start(2, None, move || {
                let other = worker(&other, 2);
                let _ = (other.try_send(3), other.pick());
            }),
        ]);
        shop.balance();
    });
}

/// What process 3 was at when it died; QUEUED stands for a message that it had sent.
const LEFT_AT: [State; 4] = [State::Loaned, State::Sending, State::Queued, State::Held];

/// Process 3 dies at `state`.
fn died_at(shop: &Shop, state: State) {
    let dead = worker(shop, 3);
    if let State::Loaned | State::Sending = state {
        let mine = dead.loan().unwrap();
        let held = mine.word.held(state, tag(3));
        assert!(mine.word == held || shop.work().swap(mine.cell, mine.word, held));
    } else {
        assert!(dead.try_send(0));
        assert!(state != State::Held || dead.receive().is_ok());
    }
    unlock_byte(2, 3);
}

/// Hunts: what a helper leaves that is killed in the middle of helping, beside another that helps and
/// sends.
#[test]
fn model_work_a_helper_dies_too() {
    for state in LEFT_AT {
        explore_deaths("work: a dead one, a helper that is killed", move |death| {
            let shop = Shop::of(2, 3);
            died_at(&shop, state);
            let (helper, other) = (shop.clone(), shop.clone());
            finish([
                start(1, death, move || helper.work().recover(tag(3))),
                start(2, None, move || {
                    other.work().recover(tag(3));
                    let sent = worker(&other, 2).try_send(1);
                    assert!(sent, "two cells, one message at most");
                }),
            ]);
            // Process 3 is a new one by now, with the same tag; its predecessor was given back.
            shop.balance();
        });
    }
}

/// Hunts: a message of the dead that is freed, or delivered twice, because somebody helps while it is
/// received, and another one is sent.
#[test]
fn model_work_one_helps_beside_one_that_works() {
    for state in LEFT_AT {
        explore("work: a dead one, a helper, one that works", move || {
            let shop = Shop::of(2, 3);
            died_at(&shop, state);
            let (helper, other) = (shop.clone(), shop.clone());
            finish([
                start(1, None, move || helper.work().recover(tag(3))),
                start(2, None, move || {
                    let other = worker(&other, 2);
                    let _ = (other.pick(), other.try_send(1), other.pick());
                }),
            ]);
            shop.balance();
        });
    }
}

/// Hunts: a sender that comes round to a slot whose message was received by one that was killed before
/// it freed the slot: the message has come again, and its cell is used again, while no receiver has come
/// by the slot.
#[test]
fn model_work_a_slot_that_was_left_is_freed_by_senders() {
    explore_deaths(
        "work: a receiver killed, a sender that comes round",
        |death| {
            let shop = Shop::of(2, 3);
            let sender = worker(&shop, 3);
            assert!(sender.try_send(0) && sender.try_send(1));
            let known = sender.cursor.get();
            let (victim, other) = (shop.clone(), shop.clone());
            finish([start(1, death, move || {
                let _ = worker(&victim, 1).pick();
            })]);
            shop.reap();
            let (sender, other) = (shop.clone(), other);
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
        },
    );
}

/// Hunts: a slot that still names a message which was done: a receiver was killed before it freed the slot, and the
/// message was given back first. After 2^20 uses of the cell the slot would name a message that is not sent yet.
#[test]
fn model_work_no_slot_names_a_message_that_was_done() {
    explore_deaths("work: a receiver killed, a reaper, another", |death| {
        let shop = Shop::of(2, 3);
        assert!(worker(&shop, 3).try_send(0));
        let (victim, reaper, other) = (shop.clone(), shop.clone(), shop.clone());
        finish([start(1, death, move || {
            let _ = worker(&victim, 1).receive();
        })]);
        finish([
            start(2, None, move || reaper.reap()),
            start(3, None, move || {
                // It looks for what was returned first.
                let cursor = Cursor {
                    epoch: 1,
                    ..Cursor::default()
                };
                let other = worker(&other, 3).knowing(cursor);
                if let Ok(mine) = other.receive() {
                    assert_eq!(other.read(mine), 0);
                    other.ack(mine);
                    let done = Entry::of(mine.cell, mine.word);
                    let work = other.shop.work();
                    let mut named = work.entries();
                    assert!(named.all(|entry| entry != done), "its slot is not free");
                }
            }),
        ]);
        if is_byte_locked(0) {
            unlock_byte(0, 1);
        }
        shop.balance();
    });
}

/// Hunts: a receiver that takes a slot which others have not freed yet for garbage, when it comes round
/// to it: process 1 is stopped between the cell and the slot, another may be slow there.
#[test]
fn model_work_slots_that_are_not_freed_yet_are_no_garbage() {
    explore(
        "work: a stopped receiver, a slow one, one that looks",
        || {
            let shop = Shop::of(2, 2);
            let stopped = worker(&shop, 1);
            assert!(stopped.try_send(0) && stopped.try_send(1));
            let word = shop.work().look(0);
            assert!(shop.work().swap(0, word, word.delivered(tag(1))));
            let receivers = [2, 3].map(|id| {
                let shop = shop.clone();
                start(id, None, move || {
                    let receiver = worker(&shop, id);
                    let _ = (receiver.is_ready(), receiver.pick());
                })
            });
            finish(receivers);
            let _ = worker(&shop, 2).try_send(2);
            unlock_byte(0, 1);
            shop.balance();
        },
    );
}

/// Hunts: a handle that was idle for laps and finds garbage where there is none.
#[test]
fn model_work_one_that_was_idle_finds_its_way() {
    explore("work: one that goes round, and one that was idle", || {
        let shop = Shop::of(1, 2);
        let known = worker(&shop, 1);
        for item in 0..3 {
            assert!(known.try_send(item));
            assert_eq!(known.pick(), Some(item));
        }
        let known = known.cursor.get();
        let (busy, idle) = (shop.clone(), shop.clone());
        finish([
            start(1, None, move || {
                let busy = worker(&busy, 1).knowing(known);
                for item in 3..5 {
                    if busy.try_send(item) {
                        let _ = busy.pick();
                    }
                }
            }),
            start(2, None, move || {
                let idle = worker(&idle, 2);
                let _ = (idle.pick(), idle.try_send(5));
            }),
        ]);
        shop.balance();
    });
}

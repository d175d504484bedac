//! Models of work queues: sending and receiving, with deaths at each step, and laps.

use super::super::Cursor;
use super::fixture::Fixture;
use crate::algorithm::work::layout::{Entry, State};
use crate::facade::model::{
    explore, explore_deaths, explore_one_less, is_byte_locked, unlock_byte,
};
use crate::facade::mutants;
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

mutants! {
    model_work_queue_is_not_idle_while_a_holder_sends:
        200 "the load of a cell does not acquire",
        221 "a change of a slot neither acquires nor releases",
        260 "the check for an idle queue collects once",
        262 "the check for an idle queue ignores the slots";
    model_work_messages_arrive_once_in_order_and_no_wake_is_lost:
        201 "a change of a cell neither acquires nor releases",
        204 "a commit does not notify",
        220 "the load of a slot does not acquire";
    model_work_no_message_arrives_after_the_end:
        202 "a sender has no barrier between its cell and its check",
        203 "a sender sends into a queue that it finds closed",
        255 "a receiver has no barrier before its last check",
        256 "a receiver does not wait for messages that may come",
        257 "a receiver does not wait for messages that are being sent";
    model_work_returned_message_wakes_a_sleeper:
        206 "a return does not advance the epoch",
        214 "a return does not notify",
        230 "a receiver keeps the epoch after its search instead of the epoch before";
    model_work_delayed_return_tells_every_receiver:
        648 "a delayed return wakes one receiver",
        649 "a receiver that learns of a delayed message as it falls asleep sleeps as long as before";
    model_work_holder_of_a_dead_letter_dies:
        207 "a message is redelivered regardless of its attempts",
        231 "the receipt of a dead letter does not count as a delivery";
    model_work_receiver_finds_the_messages_of_an_epoch:
        208 "the epoch does not release the returned messages",
        209 "the epoch is not acquired";
    model_work_message_of_a_dead_holder_wakes_a_sleeper:
        210 "a receiver does not search for returned messages",
        252 "a reaper does not return delivered messages",
        253 "a reaper does not advance the epoch",
        254 "a reaper wakes no waiter";
    model_work_all_receivers_are_told_of_the_end:
        211 "the end of a message after the end of the queue wakes no receiver";
    model_work_sleepers_are_told_of_the_end:
        212 "closing wakes no waiter";
    model_work_stopped_helper_frees_no_later_message:
        633 "a lap has 20 bits, however few cells there are";
    model_work_stopped_helper_frees_no_part_of_a_later_message:
        634 "a part does not keep the time at which it became one";
    model_work_stopped_receiver_takes_no_unsent_message:
        636 "a receiver does not load the slot again";
    model_work_killed_return_does_not_delay_or_is_committed:
        635 "a message is delayed by an uncommitted return";
    model_work_send_succeeds_if_its_message_is_received:
        637 "a sender that finds the queue closed does not notice that a receiver has its message";
    model_work_delayed_message_is_not_taken_as_due:
        638 "the word of a delayed message does not keep its time";
    model_work_late_store_of_a_time_does_not_count:
        639 "the time beside a delayed message counts whatever its word says";
    model_work_no_slot_names_a_finished_message:
        640 "a reaper returns a message that a slot still names",
        641 "a reaper frees the slot of a message after it has returned it";
    model_work_unregistered_sender_after_the_end_has_not_sent:
        642 "a sender that finds the queue closed does not check the registry",
        643 "a sender checks the registry before it has acquired a reaper's stores";
    model_work_slots_of_an_unregistered_sender_are_freed_by_senders:
        222 "a sender does not free a slot whose message was received";
    model_work_idle_handle_catches_up:
        223 "a hint is not acquired";
    model_work_slots_that_are_not_freed_yet_are_valid:
        224 "a check for the next message passes a slot that is not free";
    model_work_idle_queue_wakes_its_waiter:
        232 "making a dead letter wakes no waiter for an idle queue",
        261 "the last acknowledgement wakes no waiter for an idle queue";
    model_work_slow_helper_frees_no_part_of_another_message:
        240 "a helper frees a part without a check of its head";
    model_work_parts_of_a_dead_owner_are_freed:
        241 "a helper does not free the parts";
    model_work_helper_dies_too:
        242 "a helper relies on another that has begun",
        250 "a reaper does not search for sent messages",
        251 "a reaper does not free loaned cells";
    model_work_redelivery_after_the_end_is_waited_for:
        258 "a receiver does not wait for messages that may be redelivered";
    model_work_laps_and_versions_wrap_around:
        263 "laps are compared without regard to wraps",
        267 "a slot keeps fewer bits of a version";
    model_work_unregistered_sender_knows_what_it_has_sent:
        264 "a sender has no barrier before it checks the registry",
        265 "a sender does not check the registry",
        266 "a reaper has no barrier before it searches for sent messages",
        272 "an unregistered sender assumes that its message is in the queue",
        273 "an unregistered sender does not keep its message in the queue";
    model_work_no_part_outlives_a_head_that_was_taken_away:
        268 "a loan claims parts without a check of its head";
    model_work_cells_of_unregistered_owners_are_recovered:
        269 "cells of unregistered owners are not recovered";
    model_work_message_returned_by_a_stopped_process_is_found:
        270 "unannounced returned messages are not searched for";
    model_work_registered_process_keeps_its_cells:
        274 "every owner counts as unregistered";
    model_work_handle_stopped_for_half_of_all_laps_catches_up:
        275 "a hint that is not believed is not loaded again";
}

/// Hunts: messages that are lost, duplicated, torn or out of order, and sleepers on either side
/// that are not woken, over several laps: one cell, two slots.
#[test]
fn model_work_messages_arrive_once_in_order_and_no_wake_is_lost() {
    explore(|| {
        let fixture = Fixture::of(1, 2);
        finish([
            fixture.run(1, None, move |sender| {
                for item in 0..3 {
                    assert_eq!(sender.send(item), Ok(()));
                }
            }),
            fixture.run(2, None, move |receiver| {
                for item in 0..3 {
                    assert_eq!(receiver.wait_and_ack(), Ok(item));
                }
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a message of a killed sender that arrives in part, or was committed and does not arrive;
/// a cell that is lost, or freed twice.
#[test]
fn model_work_sender_dies_beside_a_receiver() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1, 2);
        finish([
            fixture.run(1, death, move |victim| {
                (victim.try_send(0), victim.try_send(1))
            }),
            fixture.run(2, None, move |receiver| {
                let (first, second) = (receiver.poll(), receiver.poll());
                assert!(
                    second != Some(1) || first == Some(0),
                    "messages are out of order"
                );
                receiver.fixture.reap();
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a message that two receivers get, or none, because one of them was killed while it
/// received; a message that is redelivered although it was acknowledged.
#[test]
fn model_work_receiver_dies_beside_another() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 3);
        let first = fixture.handle(3);
        assert!(first.try_send(0) && first.try_send(1));
        finish([
            fixture.run(1, death, move |victim| victim.poll()),
            fixture.run(2, None, move |other| {
                assert!(other.poll().is_some(), "two messages, one other receiver");
                other.fixture.reap();
                let _ = other.poll();
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: the same where both processes send and receive.
#[test]
fn model_work_two_processes_send_and_receive_one_killed() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 3);
        let first = fixture.handle(3);
        assert!(first.try_send(0));
        finish([
            fixture.run(1, death, move |victim| (victim.try_send(1), victim.poll())),
            fixture.run(2, None, move |other| (other.try_send(3), other.poll())),
        ]);
        fixture.check();
    });
}

/// The state of the cell of process 3 when it died; QUEUED stands for a message that it had sent.
const DEATH_STATES: [State; 4] = [
    State::Loaned,
    State::Sending,
    State::Queued,
    State::Delivered,
];

/// Kills process 3 with a cell in `state`.
fn died_at(fixture: &Fixture, state: State) {
    let dead = fixture.handle(3);
    if let State::Loaned | State::Sending = state {
        let owned = dead.loan().unwrap();
        let wanted = owned.word.owned_by(state, tag(3));
        assert!(owned.word == wanted || fixture.work().transition(owned.cell, owned.word, wanted));
    } else {
        assert!(dead.try_send(0));
        assert!(state != State::Delivered || dead.receive().is_ok());
    }
    unlock_byte(2, 3);
}

/// Hunts: the state left by a helper that is killed while it helps, beside another process that
/// helps and sends.
#[test]
fn model_work_helper_dies_too() {
    for state in DEATH_STATES {
        explore_deaths(move |death| {
            let fixture = Fixture::of(2, 3);
            died_at(&fixture, state);
            finish([
                fixture.start(1, death, move |helper| helper.work().recover(tag(3))),
                fixture.start(2, None, move |other| {
                    other.work().recover(tag(3));
                    let sent = other.handle(2).try_send(1);
                    assert!(sent, "two cells, one message at most");
                }),
            ]);
            // Process 3 is a new one, with the same tag; its predecessor was recovered.
            fixture.check();
        });
    }
}

/// Hunts: a message of a dead process that is freed, or delivered twice, because a helper runs
/// while the message is received, and another one is sent.
#[test]
fn model_work_helper_beside_a_sender_and_receiver() {
    for state in DEATH_STATES {
        explore(move || {
            let fixture = Fixture::of(2, 3);
            died_at(&fixture, state);
            finish([
                fixture.start(1, None, move |helper| helper.work().recover(tag(3))),
                fixture.run(2, None, move |other| {
                    (other.poll(), other.try_send(1), other.poll())
                }),
            ]);
            fixture.check();
        });
    }
}

/// Hunts: a sender that wraps around to a slot whose message was received by a process that was
/// killed before it freed the slot: the message was redelivered, and its cell is used again, while
/// no receiver has come to the slot.
#[test]
fn model_work_slot_left_by_a_dead_receiver_is_freed_by_senders() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 3);
        let sender = fixture.handle(3);
        assert!(sender.try_send(0) && sender.try_send(1));
        let known = sender.cursor.get();
        let other = fixture.clone();
        finish([fixture.start(1, death, move |victim| victim.handle(1).poll())]);
        fixture.reap();
        let (sender, other) = (fixture.clone(), other);
        finish([
            start(3, None, move || {
                sender.handle(3).with_cursor(known).try_send(2)
            }),
            start(2, None, move || {
                let other = other.handle(2);
                let _ = (other.poll(), other.poll());
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a slot that still names a finished message: a receiver was killed before it freed the
/// slot, and the message was returned first. After 2^20 uses of the cell the slot would name an
/// unsent message.
#[test]
fn model_work_no_slot_names_a_finished_message() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 3);
        assert!(fixture.handle(3).try_send(0));
        finish([fixture.run(1, death, move |victim| victim.receive())]);
        finish([
            fixture.start(2, None, move |reaper| reaper.reap()),
            fixture.start(3, None, move |other| {
                // It searches for returned messages first.
                let cursor = Cursor {
                    epoch: 1,
                    ..Cursor::default()
                };
                let other = other.handle(3).with_cursor(cursor);
                if let Ok(owned) = other.receive() {
                    assert_eq!(other.read(owned), 0);
                    other.ack(owned);
                    let done = Entry::of(owned.cell, owned.word);
                    let work = other.fixture.work();
                    let mut named = work.entries();
                    assert!(named.all(|entry| entry != done), "its slot is not free");
                }
            }),
        ]);
        if is_byte_locked(0) {
            unlock_byte(0, 1);
        }
        fixture.check();
    });
}

/// Hunts: a receiver that reports a slot which others have not freed yet as corrupt when it wraps
/// around to it: process 1 is stopped between the cell and the slot, another may be slow there.
#[test]
fn model_work_slots_that_are_not_freed_yet_are_valid() {
    explore(|| {
        let fixture = Fixture::of(2, 2);
        let stopped = fixture.handle(1);
        assert!(stopped.try_send(0) && stopped.try_send(1));
        let word = fixture.work().load_cell(0);
        assert!(fixture.work().transition(0, word, word.delivered(tag(1))));
        let receivers = [2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                let receiver = fixture.handle(id);
                let _ = (receiver.is_ready(), receiver.poll());
            })
        });
        finish(receivers);
        let _ = fixture.handle(2).try_send(2);
        unlock_byte(0, 1);
        fixture.check();
    });
}

/// Hunts: a handle that was idle for laps and reports corruption where there is none.
#[test]
fn model_work_idle_handle_catches_up() {
    explore(|| {
        let fixture = Fixture::of(1, 2);
        let known = fixture.handle(1);
        for item in 0..3 {
            assert!(known.try_send(item));
            assert_eq!(known.poll(), Some(item));
        }
        let known = known.cursor.get();
        finish([
            fixture.start(1, None, move |busy| {
                let busy = busy.handle(1).with_cursor(known);
                for item in 3..5 {
                    if busy.try_send(item) {
                        let _ = busy.poll();
                    }
                }
            }),
            fixture.run(2, None, move |idle| (idle.poll(), idle.try_send(5))),
        ]);
        fixture.check();
    });
}

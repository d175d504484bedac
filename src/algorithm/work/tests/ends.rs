//! Models of the end of a work queue: which messages still come after it was closed, and which
//! receivers are told.

use super::super::wait::EventWaitError;
use std::sync::atomic::Ordering::Relaxed;

use super::super::{OwnedCell, TryError, WorkSendError};
use super::fixture::{Fixture, Handle};
use crate::facade::model::{explore, explore_deaths, explore_one_less, explore_two_deaths};
use crate::facade::mutants;
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

mutants! {
    model_work_thread_with_several_messages_is_told_of_the_end:
        510 "a thread does not know its own receipts";
    model_work_thread_waits_for_the_message_of_another:
        511 "messages of other threads of the process count as the thread's own";
}

/// Receives until the queue is disconnected.
fn drain(receiver: &Handle<'_>) {
    while receiver.wait_and_ack() != Err(EventWaitError::Disconnected) {}
}

/// Hunts: a message that is sent after a receiver was told that the queue is disconnected.
#[test]
fn model_work_no_message_arrives_after_the_end() {
    explore(|| {
        let fixture = Fixture::of(1, 2);
        finish([
            fixture.run(1, None, move |sender| sender.try_send(0)),
            fixture.start(3, None, move |closer| closer.work().close()),
            fixture.run(2, None, move |receiver| drain(&receiver)),
        ]);
        assert_eq!(
            fixture.was_sent(0),
            fixture.was_tried(0),
            "sent after the end"
        );
        fixture.check();
    });
}

/// Hunts: a sleeping sender or receiver that is not told of the end.
#[test]
fn model_work_sleepers_are_told_of_the_end() {
    explore_one_less(|| {
        let fixture = Fixture::of(1, 2);
        let held = fixture.handle(1).loan().unwrap();
        finish([
            fixture.run(1, None, move |sender| {
                assert_eq!(sender.send(0), Err(EventWaitError::Disconnected))
            }),
            fixture.start(2, None, move |receiver| {
                assert_eq!(
                    receiver.handle(2).wait_and_ack(),
                    Err(EventWaitError::Disconnected)
                );
            }),
            fixture.start(3, None, move |closer| closer.work().close()),
        ]);
        let sent = fixture.handle(1).send_loan(held, 0);
        assert!(matches!(sent, Err(WorkSendError::Disconnected(_))));
    });
}

/// What a holder does with its message after the queue was closed.
type End = fn(&Handle<'_>, OwnedCell);
/// The ends, each with the maximum number of attempts.
const ENDS: [(End, u8); 4] = [
    (|holder, owned| holder.ack(owned), 2),
    (|holder, owned| holder.make_dead_letter(owned), 2),
    (|holder, owned| holder.return_message(owned), 2),
    (|holder, owned| holder.return_message(owned), 1),
];

/// Closes the queue while process 1 has a message in flight.
fn closed(fixture: &Fixture) -> OwnedCell {
    let holder = fixture.handle(1);
    assert!(holder.try_send(0));
    let owned = holder.receive().unwrap();
    holder.read(owned);
    fixture.work().close();
    owned
}

/// Hunts: a receiver that is told of the end while a message may be redelivered, or that is not
/// told when no message can come any more; the holder is killed at each step.
#[test]
fn model_work_redelivery_after_the_end_is_waited_for() {
    for (end, most) in ENDS {
        explore_deaths(move |death| {
            let fixture = Fixture::of(1, most);
            let owned = closed(&fixture);
            finish([
                fixture.start(1, death, move |holder| end(&holder.handle(1), owned)),
                fixture.start(2, None, move |receiver| drain(&receiver.handle(2))),
            ]);
            let left = fixture.handle(2).receive();
            assert!(left.is_err(), "a message came after the end");
            fixture.check();
        });
    }
}

/// Hunts: one of two receivers that is not told that no message can come any more.
#[test]
fn model_work_all_receivers_are_told_of_the_end() {
    for (end, most) in ENDS {
        explore_one_less(move || {
            let fixture = Fixture::of(1, most);
            let owned = closed(&fixture);
            let receivers =
                [2, 3].map(|id| fixture.start(id, None, move |fixture| drain(&fixture.handle(id))));
            let holder = fixture.start(1, None, move |holder| end(&holder.handle(1), owned));
            finish(receivers.into_iter().chain([holder]));
            fixture.check();
        });
    }
}

/// Hunts: a thread that is told of the end while another thread of its process has a message, which
/// is killed with its process at each step, or returned in a panic; a thread that is not told.
#[test]
fn model_work_thread_waits_for_the_message_of_another() {
    for (end, most) in ENDS {
        explore(move || {
            let fixture = Fixture::of(1, most);
            let owned = closed(&fixture);
            finish([
                fixture.start(1, None, move |holder| end(&holder.handle(1), owned)),
                fixture.run(1, None, move |waiter| drain(&waiter.on_thread(2))),
            ]);
            let left = fixture.handle(2).receive();
            assert!(left.is_err(), "a message came after the end");
            fixture.check();
        });
    }
}

/// Hunts: a thread that waits for its own message; a thread that is told of the end although
/// another process has a message.
#[test]
fn model_work_thread_with_several_messages_is_told_of_the_end() {
    explore_deaths(|death| {
        let fixture = Fixture::of(3, 2);
        let (victim, first) = (fixture.handle(1), fixture.handle(2));
        assert!((0..3).all(|item| victim.try_send(item)));
        let of_the_victim = victim.receive().unwrap();
        victim.read(of_the_victim);
        let held = first.receive().unwrap();
        first.read(held);
        let cursor = first.cursor.get();
        fixture.work().close();
        finish([
            fixture.run(1, death, move |victim| victim.ack(of_the_victim)),
            fixture.start(2, None, move |holder| {
                let holder = holder.handle(2).with_cursor(cursor);
                let mut all = vec![held];
                let over = loop {
                    match holder.wait() {
                        Ok(owned) => {
                            holder.read(owned);
                            all.push(owned);
                        }
                        Err(ended) => break ended,
                    }
                };
                assert_eq!(over, EventWaitError::Disconnected);
                assert_eq!(holder.receive(), Err(TryError::Disconnected));
                all.iter().for_each(|owned| holder.ack(*owned));
                assert_eq!(holder.receive(), Err(TryError::Disconnected));
            }),
        ]);
        let left = fixture.handle(3).receive();
        assert!(left.is_err(), "a message came after the end");
        fixture.check();
    });
}

/// Hunts: the last message, lost after a receiver died with it and then another, although a third
/// one waits.
#[test]
fn model_work_two_receivers_die_with_the_last_message() {
    explore_two_deaths(|deaths| {
        let fixture = Fixture::of(1, 3);
        fixture.two_die.store(1, Relaxed);
        assert!(fixture.handle(3).try_send(0));
        fixture.work().close();
        let victims = [1, 2].map(|id| {
            fixture.start(id, deaths[id as usize - 1], move |fixture| {
                fixture.handle(id).poll()
            })
        });
        finish(victims);
        finish([fixture.start(3, None, move |waiter| drain(&waiter.handle(3)))]);
        fixture.work().recover(tag(2));
        let left = fixture.handle(3).receive();
        assert!(left.is_err(), "a message came after the end");
        fixture.check();
    });
}

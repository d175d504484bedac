//! Models of returned messages: which receivers find them, how often they are delivered, and dead
//! letters.

use super::super::{Cursor, OwnedCell};
use super::fixture::{Fixture, Handle, LATER};
use crate::algorithm::work::layout::State;
use crate::facade::model::{explore, explore_deaths, set_clock, unlock_byte};
use crate::participant::stage::{StartWith, WithHandles, finish, start, tag};

/// Delivers a message to process 1; returns it and the cursor after it.
fn delivered(fixture: &Fixture) -> (OwnedCell, Cursor) {
    let receiver = fixture.handle(1);
    assert!(receiver.try_send(0));
    let owned = receiver.receive().unwrap();
    receiver.read(owned);
    (owned, receiver.cursor.get())
}

/// Receives and acknowledges a message as soon as there is one; item 0 must be at the given
/// attempt.
fn wait_and_ack(sleeper: &Handle<'_>, attempt: u8) {
    let owned = sleeper.wait().unwrap();
    if sleeper.read(owned) == 0 {
        assert_eq!(owned.word.attempts(), attempt);
    }
    sleeper.ack(owned);
}

/// Hunts: a sleeper that is not woken for a message whose holder was killed and reaped; a message
/// that is redelivered although it was acknowledged, or with the wrong number of attempts.
#[test]
fn model_work_message_of_a_dead_holder_wakes_a_sleeper() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 3);
        let (owned, cursor) = delivered(&fixture);
        let victim = fixture.start(1, death, move |victim| {
            let victim = victim.handle(1).with_cursor(cursor);
            victim.ack(owned);
            let _ = victim.try_send(1);
        });
        let sleeper = fixture.start(2, None, move |sleeper| {
            wait_and_ack(&sleeper.handle(2).with_cursor(cursor), 2)
        });
        finish([victim]);
        let reaper = fixture.start(3, None, move |reaper| {
            reaper.reap();
            if reaper.was_tried(0) && !reaper.was_sent(1) {
                // No message may be left for the sleeper.
                let _ = reaper.handle(3).with_cursor(cursor).try_send(2);
            }
        });
        finish([sleeper, reaper]);
        fixture.check();
    });
}

/// Hunts: a sleeper that is not woken for a returned message, or does not find it, although it was
/// returned before; the holder is killed at each step.
#[test]
fn model_work_returned_message_wakes_a_sleeper() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1, 3);
        let (owned, cursor) = delivered(&fixture);
        fixture.handle(1).return_message(owned);
        let owned = fixture.handle(1).receive().unwrap();
        assert_eq!(owned.word.attempts(), 2);
        let victim = fixture.start(1, death, move |victim| {
            victim.handle(1).with_cursor(cursor).return_message(owned)
        });
        let sleeper = fixture.start(2, None, move |sleeper| {
            wait_and_ack(&sleeper.handle(2).with_cursor(cursor), 3)
        });
        finish([victim]);
        let reaper = fixture.start(3, None, move |reaper| reaper.reap());
        finish([sleeper, reaper]);
        fixture.check();
    });
}

/// Hunts: a receiver that sleeps without knowing when a delayed message is due, because another
/// was woken for it, or because it was returned just before the receiver fell asleep.
#[test]
fn model_work_delayed_return_tells_every_receiver() {
    explore(|| {
        let fixture = Fixture::of(1, 3);
        let (owned, cursor) = delivered(&fixture);
        let receiver = |id| {
            fixture.start(id, None, move |receiver| {
                receiver.handle(id).with_cursor(cursor).wait_delayed();
            })
        };
        let holder = fixture.start(1, None, move |holder| {
            let holder = holder.handle(1).with_cursor(cursor);
            holder.return_until(owned, LATER);
        });
        finish([holder, receiver(2), receiver(3)]);
        set_clock(2 * LATER);
        assert_eq!(fixture.handle(2).with_cursor(cursor).poll(), Some(0));
        set_clock(0);
        fixture.check();
    });
}

/// Hunts: a message that is delayed although the process that returned it was killed before the
/// commit; a message that is not delayed although the delay was committed; a message that is
/// delayed by a time left from an earlier return.
#[test]
fn model_work_killed_return_does_not_delay_or_is_committed() {
    explore_deaths(|death| {
        set_clock(0);
        let fixture = Fixture::of(1, 4);
        let (owned, cursor) = delivered(&fixture);
        finish([fixture.start(1, death, move |victim| {
            victim
                .handle(1)
                .with_cursor(cursor)
                .return_until(owned, LATER);
        })]);
        let is_committed = fixture.work().load_cell(owned.cell).state() == Some(State::Delayed);
        fixture.reap();
        let other = fixture.handle(2).with_cursor(cursor);
        let early = other.receive();
        assert_eq!(early.is_err(), is_committed, "committed: {is_committed}");
        set_clock(2 * LATER);
        let again = early
            .or_else(|_| other.receive())
            .expect("the message is due");
        assert_eq!((other.read(again), again.word.attempts()), (0, 2));
        set_clock(0);
        other.return_message(again);
        let owned = other.receive().expect("the message is not delayed");
        assert_eq!((other.read(owned), owned.word.attempts()), (0, 3));
        other.ack(owned);
        fixture.check();
    });
}

/// Hunts: a receiver that observes the epoch of returned messages and does not find them.
#[test]
fn model_work_receiver_finds_the_messages_of_an_epoch() {
    explore(|| {
        let fixture = Fixture::of(1, 2);
        let (_, cursor) = delivered(&fixture);
        unlock_byte(0, 1);
        finish([
            fixture.start(2, None, move |reaper| reaper.reap()),
            fixture.start(3, None, move |receiver| {
                let receiver = receiver.handle(3).with_cursor(cursor);
                let received = receiver.receive();
                let observed = receiver.cursor.get().epoch != cursor.epoch;
                assert!(!observed || received.is_ok(), "the message was not found");
                if let Ok(owned) = received {
                    assert_eq!((receiver.read(owned), owned.word.attempts()), (0, 2));
                    receiver.ack(owned);
                }
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a dead letter that is lost, duplicated or delivered because its holder was killed; a dead
/// letter in flight that keeps the queue from being idle; a message that is delayed because the
/// message before it in its cell was.
#[test]
fn model_work_holder_of_a_dead_letter_dies() {
    explore_deaths(|death| {
        let fixture = Fixture::of(1, 2);
        let (owned, cursor) = delivered(&fixture);
        fixture.handle(1).return_message(owned);
        let first = fixture.handle(1);
        let owned = first.receive().unwrap();
        first.return_until(owned, 5);
        finish([
            fixture.start(1, death, move |victim| {
                let victim = victim.handle(1).with_cursor(cursor);
                if let Some(dead_letter) = victim.claim_dead_letter() {
                    assert!(victim.fixture.work().is_idle(), "a dead letter is done");
                    victim.read(dead_letter);
                    victim.ack(dead_letter);
                    assert!(victim.try_send(1));
                }
                let _ = victim.poll();
            }),
            fixture.run(2, None, move |other| {
                if let Some(dead_letter) = other.claim_dead_letter() {
                    assert!(other.receive().is_err(), "there is no other message");
                    other.read(dead_letter);
                    other.ack(dead_letter);
                }
                other.fixture.work().recover(tag(3));
            }),
        ]);
        fixture.check();
    });
}

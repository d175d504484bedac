//! Models of laps and versions that wrap around.

use loom::sync::Arc;

use super::super::{OwnedCell, WorkSendError};
use super::fixture::{Fixture, Handle, LATER};
use crate::algorithm::work::layout::{CellWord, Entry, State};
use crate::facade::model::{explore, explore_deaths, set_clock};
use crate::participant::stage::{StartWith, WithHandles, finish, tag};

/// Hunts: a message that is lost, duplicated or out of order, or a slot reported as corrupt,
/// because a lap or a version has no more bits: three messages through one cell and two slots, of
/// which the first are the last of both.
#[test]
fn model_work_laps_and_versions_wrap_around() {
    explore(|| {
        let fixture = Fixture::late(1, 2);
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

/// Hunts: the same where a receiver was killed, which leaves a slot of the last lap and a message
/// of the last version, and others continue into the first ones.
#[test]
fn model_work_state_of_the_dead_in_the_last_lap_is_found() {
    explore_deaths(|death| {
        let fixture = Fixture::late(2, 3);
        let sender = fixture.handle(3);
        assert!(sender.try_send(0) && sender.try_send(1));
        let known = sender.cursor.get();
        finish([fixture.run(1, death, move |victim| victim.poll())]);
        fixture.reap();
        finish([
            fixture.run(3, None, move |sender| sender.with_cursor(known).try_send(2)),
            fixture.run(2, None, move |other| (other.poll(), other.poll())),
        ]);
        fixture.check();
    });
}

/// Hunts: a handle of the last lap that reports corruption, or the end, where others have
/// continued.
#[test]
fn model_work_handle_idle_since_the_last_lap_catches_up() {
    explore(|| {
        let fixture = Fixture::late(1, 2);
        let known = fixture.handle(1).cursor.get();
        let first = fixture.handle(1);
        for item in 0..3 {
            assert!(first.try_send(item));
            assert_eq!(first.poll(), Some(item));
        }
        let now = first.cursor.get();
        finish([
            fixture.start(1, None, move |busy| {
                let busy = busy.handle(1).with_cursor(now);
                if busy.try_send(3) {
                    let _ = busy.poll();
                }
            }),
            fixture.start(2, None, move |idle| {
                let idle = idle.handle(2).with_cursor(known);
                let _ = (idle.poll(), idle.try_send(5));
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a handle that reports corruption because it was stopped between two loads while the ring
/// wrapped so often that a slot ahead seems to be behind.
#[test]
fn model_work_handle_stopped_for_half_of_all_laps_catches_up() {
    for access in 1..8 {
        explore(move || {
            let fixture = Fixture::of(1, 2);
            let known = fixture.handle(1).cursor.get();
            let first = fixture.handle(1);
            for item in 0..3 {
                assert!(first.try_send(item));
                assert_eq!(first.poll(), Some(item));
            }
            let idle = fixture.handle(2).with_cursor(known);
            fixture.stop_at_slot(access, Fixture::go_on_for_half_of_all_laps);
            assert!(!idle.is_ready() && idle.receive().is_err());
            assert!(idle.try_send(5));
            let _ = fixture.stopped();
            let other = fixture.handle(3);
            assert_eq!(other.poll(), Some(5));
            fixture.check();
        });
    }
}

/// The entry in the first slot of [`received_but_named`].
const FIRST: Entry = Entry {
    cell: 0,
    version: 0,
};

/// Returns a queue of two cells whose first slot names a message that was received and
/// acknowledged.
fn received_but_named() -> Arc<Fixture> {
    let fixture = Fixture::of(2, 2);
    let other = fixture.handle(2);
    assert!(other.try_send(0));
    // As a receiver does, except for the slot.
    let work = fixture.work();
    assert_eq!(work.entries().next(), Some(FIRST));
    let cell = FIRST.cell;
    let sending = work.load_cell(cell);
    let delivered = sending.delivered(tag(2));
    assert!(work.transition(cell, sending, delivered));
    let owned = OwnedCell {
        cell,
        word: delivered,
    };
    assert_eq!(other.read(owned), 0);
    other.ack(owned);
    fixture
}

/// Hunts: a helper that frees the slot of another pending message, because it was stopped between
/// its load and its CAS while the word of the slot returned to the same value: which it does soon
/// if a lap has 20 bits in a queue of two cells.
#[test]
fn model_work_stopped_helper_frees_no_later_message() {
    for access in 1..4 {
        for receives in [false, true] {
            explore(move || {
                let fixture = received_but_named();
                let helper = fixture.handle(1);
                fixture.stop_at_slot(access, |fixture| {
                    fixture.return_after_all_versions(FIRST, 5);
                });
                let received = if receives {
                    helper.poll()
                } else {
                    assert!(helper.is_ready() || !fixture.was_sent(5));
                    None
                };
                assert!(received.is_none_or(|item| item == 5));
                if fixture.stopped() && received.is_none() {
                    assert_eq!(fixture.handle(3).poll(), Some(5), "the message is lost");
                }
                fixture.check();
            });
        }
    }
}

/// Hunts: a receiver that was stopped before its load of a cell, and takes the message that is
/// being written there now because the version has the same bits as the slot's.
#[test]
fn model_work_stopped_receiver_takes_no_unsent_message() {
    explore(|| {
        let fixture = Fixture::of(2, 2);
        assert!(fixture.handle(2).try_send(0));
        let receiver = fixture.handle(1);
        fixture.stop_at_cell(1, Fixture::begin_to_send_after_all_versions_of_slots);
        assert!(receiver.receive().is_err(), "the message was not sent");
        assert!(fixture.stopped());
    });
}

/// Returns the first cell, if process `id` has loaned it in its first version.
fn loaned_again(fixture: &Fixture, id: u32) -> Option<OwnedCell> {
    let word = CellWord(0).owned_by(State::Loaned, tag(id));
    (fixture.work().load_cell(0) == word).then_some(OwnedCell { cell: 0, word })
}

/// Sends item 5 in a loan, which is freed if the queue has ended.
fn send_again(sender: &Handle<'_>, owned: OwnedCell) {
    if let Err(error) = sender.send_loan(owned, 5) {
        let WorkSendError::Disconnected(owned) = error else {
            panic!("not sent: {error:?}");
        };
        let given = sender.with(|work, cursor| work.ack(cursor, owned));
        assert_eq!(given, Ok(()), "the message was received");
    }
}

/// Hunts: a sender whose send reports that the queue is closed although a receiver takes its
/// message: the receiver was stopped before its CAS while the cell's versions wrapped around. The
/// sender is killed at each step.
#[test]
fn model_work_send_succeeds_if_its_message_is_received() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 2);
        assert!(fixture.handle(1).try_send(0));
        fixture.stop_at_cell(2, Fixture::close_after_all_versions);
        finish([
            fixture.start(1, death, move |sender| {
                if let Some(owned) = loaned_again(sender, 1) {
                    send_again(&sender.handle(1), owned);
                }
            }),
            fixture.start(2, None, move |receiver| {
                let received = receiver.handle(2).poll();
                assert!(received.is_none_or(|item| item == 5));
            }),
        ]);
        assert!(fixture.stopped());
        if let Some(owned) = loaned_again(&fixture, 1) {
            let _ = fixture
                .handle(1)
                .with(|work, cursor| work.ack(cursor, owned));
        }
        fixture.check();
        let is_known = fixture.was_sent(5) == fixture.was_tried(5);
        assert!(is_known || death.is_some(), "the message was received");
    });
}

/// Hunts: the same where the receiver is killed at each step.
#[test]
fn model_work_message_received_before_it_was_sent_outlives_its_receiver() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 2);
        assert!(fixture.handle(3).try_send(0));
        let sending = fixture.work().load_cell(0);
        fixture.close_after_all_versions_for(3);
        finish([
            fixture.run(1, death, move |receiver| {
                let word = sending.delivered(tag(1));
                if receiver.fixture.work().transition(0, sending, word) {
                    let owned = OwnedCell { cell: 0, word };
                    assert_eq!(receiver.read(owned), 5);
                    receiver.ack(owned);
                }
            }),
            fixture.start(3, None, move |sender| {
                let owned = loaned_again(sender, 3).expect("the cell is its own");
                send_again(&sender.handle(3), owned);
            }),
        ]);
        fixture.check();
        assert_eq!(fixture.was_sent(5), fixture.was_tried(5));
    });
}

/// Returns a queue of one cell with message 0, which was returned for the first time, not to be
/// redelivered before `due`.
fn delayed(due: u64) -> Arc<Fixture> {
    let fixture = Fixture::of(1, 4);
    let first = fixture.handle(3);
    assert!(first.try_send(0));
    let owned = first.receive().unwrap();
    first.read(owned);
    first.return_until(owned, due);
    fixture
}

/// Hunts: a delayed message that is delivered before it is due, because a receiver was stopped
/// before its CAS while the cell's versions wrapped around.
#[test]
fn model_work_delayed_message_is_not_taken_as_due() {
    explore(|| {
        set_clock(LATER / 2);
        let fixture = delayed(LATER / 2);
        let receiver = fixture.handle(1);
        fixture.stop_at_cell(2, Fixture::delay_after_all_versions);
        assert!(receiver.receive().is_err(), "the message is not due");
        assert!(fixture.stopped());
        set_clock(LATER);
        assert_eq!(receiver.poll(), Some(0));
        set_clock(0);
        fixture.check();
    });
}

/// Hunts: a delayed message that is delivered before it is due, or long after, by the time that a
/// process stores which was stopped before it, and reaped.
#[test]
fn model_work_late_store_of_a_time_does_not_count() {
    for stale in [1, LATER << 8] {
        explore(move || {
            set_clock(LATER / 2);
            let fixture = Fixture::of(1, 4);
            let holder = fixture.handle(3);
            assert!(holder.try_send(0));
            let owned = holder.receive().unwrap();
            holder.read(owned);
            finish([
                fixture.start(1, None, move |late| late.work().set_not_before(0, stale)),
                fixture.start(3, None, move |holder| {
                    holder.handle(3).return_until(owned, LATER);
                }),
            ]);
            let receiver = fixture.handle(2);
            assert!(receiver.receive().is_err(), "the message is not due");
            set_clock(2 * LATER);
            assert_eq!(receiver.poll(), Some(0));
            set_clock(0);
            fixture.check();
        });
    }
}

//! Models of processes that live and are no longer registered, because others have reaped them.

use super::super::{Cursor, OwnedCell, WorkSendError};
use super::fixture::{Fixture, Handle};
use crate::algorithm::work::layout::State;
use crate::facade::model::{explore, explore_one_less};
use crate::participant::Liveness;
use crate::participant::stage::{StartWith, WithHandles, finish, tag};

/// Sends an item; returns whether that reported success.
fn send(sender: &Handle<'_>, item: u64) -> bool {
    let Ok(owned) = sender.loan() else {
        return false;
    };
    match sender.send_loan(owned, item) {
        Ok(()) => true,
        Err(WorkSendError::MembershipLost) => false,
        Err(other) => panic!("not sent: {other:?}"),
    }
}

/// Hunts: a message whose send reports success, and that is freed because a reaper searched for it
/// a moment before it was in its slot.
#[test]
fn model_work_unregistered_sender_knows_what_it_has_sent() {
    explore(|| {
        let fixture = Fixture::of(1, 2);
        finish([
            fixture.run(1, None, move |sender| send(&sender.asking_registry(), 0)),
            fixture.start(2, None, move |reaper| {
                reaper.unregister(1);
                reaper.work().recover(tag(1));
            }),
        ]);
        // The cell that it has claimed since.
        fixture.work().recover(tag(1));
        fixture.check();
    });
}

/// Hunts: the same beside a receiver, which may have acknowledged the message already.
#[test]
fn model_work_unregistered_sender_and_a_receiver() {
    explore_one_less(|| {
        let fixture = Fixture::of(1, 2);
        finish([
            fixture.run(1, None, move |sender| send(&sender.asking_registry(), 0)),
            fixture.start(2, None, move |reaper| {
                reaper.unregister(1);
                reaper.work().recover(tag(1));
            }),
            fixture.run(3, None, move |receiver| receiver.poll()),
        ]);
        fixture.work().recover(tag(1));
        fixture.check();
    });
}

/// Hunts: a sender whose send reports success although a reaper frees the message, because the
/// queue was closed and the cell was no longer its own.
#[test]
fn model_work_unregistered_sender_after_the_end_has_not_sent() {
    explore(|| {
        let fixture = Fixture::of(1, 2);
        let loan = fixture.handle(1).loan().unwrap();
        fixture.work().close();
        finish([
            fixture.start(1, None, move |sender| {
                let sent = sender.handle(1).asking_registry().send_loan(loan, 0);
                assert!(matches!(
                    sent,
                    Err(WorkSendError::MembershipLost | WorkSendError::Disconnected(_))
                ));
            }),
            fixture.start(2, None, move |reaper| {
                reaper.unregister(1);
                reaper.work().recover(tag(1));
            }),
        ]);
        fixture.work().recover(tag(1));
        fixture.check();
    });
}

/// Hunts: a sender that wraps around to a slot whose message a reaper freed, because its sender was
/// unregistered, and does not free the slot.
#[test]
fn model_work_slots_of_an_unregistered_sender_are_freed_by_senders() {
    explore(|| {
        let fixture = Fixture::of(2, 2);
        let unregistered = fixture.handle(1);
        for _ in 0..2 {
            let loan = unregistered.loan().unwrap();
            let work = fixture.work();
            let word = loan.word.owned_by(State::Sending, tag(1));
            assert!(work.transition(loan.cell, loan.word, word));
            work.recover(tag(1));
            let late = OwnedCell { word, ..loan };
            assert_eq!(
                unregistered.with(|work, cursor| work.enqueue(cursor, late)),
                Ok(())
            );
        }
        let senders = [2, 3].map(|id| {
            fixture.run(id, None, move |fixture| {
                assert!(fixture.try_send(id.into()))
            })
        });
        finish(senders);
        fixture.check();
    });
}

/// Hunts: a cell that is lost because it became a part of a message whose head was taken away.
#[test]
fn model_work_no_part_outlives_a_head_that_was_taken_away() {
    explore(|| {
        let fixture = Fixture::of(2, 2);
        finish([
            fixture.run(1, None, move |loaner| {
                let head = loaner.with(|work, cursor| work.loan_span(cursor, loaner.me(), 2));
                if let Ok(head) = head {
                    // The head may have been taken away.
                    let _ = loaner.with(|work, cursor| work.free(cursor, head, loaner.me(), 2));
                }
            }),
            fixture.start(2, None, move |reaper| reaper.work().recover(tag(1))),
        ]);
        fixture.check();
    });
}

/// Returns what process 1 has, which was reaped before and is unregistered.
fn unregistered_at(fixture: &Fixture, state: State) -> (Option<OwnedCell>, Cursor) {
    let unregistered = fixture.handle(1);
    let owned = if let State::Loaned | State::Sending = state {
        let owned = unregistered.loan().unwrap();
        let word = owned.word.owned_by(state, tag(1));
        assert!(owned.word == word || fixture.work().transition(owned.cell, owned.word, word));
        None
    } else {
        assert!(unregistered.try_send(0));
        (state == State::Delivered).then(|| unregistered.receive().unwrap())
    };
    fixture.unregister(1);
    (owned, unregistered.cursor.get())
}

/// Hunts: a cell of an unregistered process that is never recovered, or is freed although its
/// message was sent, or whose message is done twice because its owner continues.
#[test]
fn model_work_cells_of_unregistered_owners_are_recovered() {
    for state in [
        State::Loaned,
        State::Sending,
        State::Queued,
        State::Delivered,
    ] {
        explore(move || {
            let fixture = Fixture::of(1, 3);
            let (owned, _) = unregistered_at(&fixture, state);
            finish([
                fixture.start(1, None, move |unregistered| {
                    if let Some(owned) = owned {
                        let unregistered = unregistered.handle(1);
                        unregistered.try_finish(owned);
                    }
                }),
                fixture.start(2, None, move |reaper| {
                    let reaper = reaper.handle(2).asking_registry();
                    reaper.recover_unregistered();
                    let _ = reaper.poll();
                }),
            ]);
            fixture.check();
        });
    }
}

/// Hunts: a registered process that loses its cells.
#[test]
fn model_work_registered_process_keeps_its_cells() {
    explore(|| {
        let fixture = Fixture::of(2, 3);
        assert!(fixture.handle(1).loan().is_ok());
        fixture.unregister(1);
        let sender = fixture.handle(3);
        assert!(sender.try_send(0));
        let known = sender.cursor.get();
        finish([
            fixture.run(3, None, move |holder| {
                assert_eq!(holder.with_cursor(known).poll(), Some(0))
            }),
            fixture.run(2, None, move |reaper| {
                reaper.asking_registry().recover_unregistered()
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a returned message that is not redelivered, because the process that returned it is
/// stopped before the epoch.
#[test]
fn model_work_message_returned_by_a_stopped_process_is_found() {
    explore(|| {
        let fixture = Fixture::of(2, 3);
        let stopped = fixture.handle(1);
        assert!(stopped.try_send(0));
        let owned = stopped.receive().unwrap();
        stopped.read(owned);
        assert!(fixture.work().transition(
            owned.cell,
            owned.word,
            owned.word.unowned(State::Returned)
        ));
        let known = stopped.cursor.get();
        finish([
            fixture.start(2, None, move |reaper| {
                let reaper = reaper.handle(2).with_cursor(known);
                reaper.recover_unregistered();
                assert_eq!(reaper.poll(), Some(0));
            }),
            fixture.run(3, None, move |sender| sender.try_send(1)),
        ]);
        fixture.check();
    });
}

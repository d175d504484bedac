//! Models of messages of more than one cell.

use super::super::OwnedCell;
use super::fixture::{Fixture, Handle};
use crate::facade::model::{explore, explore_deaths, set_clock, unlock_byte};
use crate::participant::Liveness;
use crate::participant::stage::{StartWith, WithHandles, finish, tag};

/// Loans two cells, the second as a part of the first.
fn loan_two(handle: &Handle<'_>) -> Option<OwnedCell> {
    let head = handle.with(|work, cursor| work.loan_span(cursor, handle.me(), 2));
    head.ok()
}

fn has_its_part(fixture: &Fixture, head: OwnedCell) -> bool {
    let part = fixture.work().next_part(head.cell, head.cell);
    part.is_some_and(|part| part != head.cell)
}

/// Frees a loan or a message of two cells.
fn free(handle: &Handle<'_>, head: OwnedCell) {
    let freed = handle.with(|work, cursor| work.free(cursor, head, handle.me(), 2));
    assert_eq!(freed, Ok(()));
}

/// Hunts: a cell that is lost, or freed while it has an owner, because a process was killed with a
/// loan of two cells, or as it gave it up.
#[test]
fn model_work_parts_of_a_dead_owner_are_freed() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 2);
        finish([
            fixture.run(1, death, move |victim| {
                if let Some(head) = loan_two(&victim) {
                    free(&victim, head);
                }
            }),
            fixture.start(2, None, move |other| {
                other.reap();
                let other = other.handle(2);
                if let Some(head) = loan_two(&other) {
                    assert!(has_its_part(other.fixture, head));
                    free(&other, head);
                }
            }),
        ]);
        fixture.check();
    });
}

/// Hunts: a part of a later message that a slow helper frees for an earlier one.
#[test]
fn model_work_slow_helper_frees_no_part_of_another_message() {
    explore(|| {
        let fixture = Fixture::of(2, 2);
        let head = loan_two(&fixture.handle(1)).unwrap();
        assert_eq!(head.cell, 0);
        unlock_byte(0, 1);
        finish([
            fixture.start(2, None, move |slow| slow.work().recover(tag(1))),
            fixture.start(3, None, move |quick| {
                quick.work().recover(tag(1));
                assert!(loan_two(&quick.handle(3)).is_some(), "a cell is lost");
            }),
        ]);
        let word = fixture.work().load_cell(0);
        let head = OwnedCell { cell: 0, word };
        assert!(has_its_part(&fixture, head), "the part was taken away");
        free(&fixture.handle(3), head);
        fixture.check();
    });
}

/// Hunts: a message of two cells that loses its part, or a part that outlives it, because a
/// receiver was killed while it had the message or freed it.
#[test]
fn model_work_message_keeps_its_part() {
    explore_deaths(|death| {
        let fixture = Fixture::of(2, 3);
        let sender = fixture.handle(3);
        let head = loan_two(&sender).unwrap();
        assert_eq!(sender.send_loan(head, 0), Ok(()));
        let receive = move |receiver: &Handle<'_>| {
            if let Ok(owned) = receiver.receive() {
                assert_eq!(receiver.read(owned), 0);
                assert!(
                    has_its_part(receiver.fixture, owned),
                    "the message or its part is lost"
                );
                receiver.finish(owned, || free(receiver, owned));
            }
        };
        finish([
            fixture.start(1, death, move |victim| receive(&victim.handle(1))),
            fixture.start(2, None, move |other| {
                other.reap();
                receive(&other.handle(2));
            }),
        ]);
        fixture.reap();
        receive(&fixture.handle(3));
        assert!(fixture.was_tried(0), "the message or its part is lost");
        fixture.check();
    });
}

/// Hunts: a helper that frees a part of a later message, because it was stopped between its load
/// and its CAS while both cells were used as often as versions have numbers: the part has the same
/// version and head then.
#[test]
fn model_work_stopped_helper_frees_no_part_of_a_later_message() {
    for access in 2..8 {
        explore(move || {
            set_clock(0);
            let fixture = Fixture::of(2, 2);
            let head = loan_two(&fixture.handle(1)).unwrap();
            assert_eq!(head.cell, 0);
            unlock_byte(0, 1);
            fixture.stop_at_cell(access, |fixture| {
                set_clock(10_000_000_000);
                fixture.loan_two_after_all_versions();
            });
            fixture.work().recover(tag(1));
            assert!(fixture.stopped(), "no process was stopped at {access}");
            let word = fixture.work().load_cell(0);
            let head = OwnedCell { cell: 0, word };
            assert!(has_its_part(&fixture, head), "the part was taken away");
            free(&fixture.handle(3), head);
            fixture.check();
            set_clock(0);
        });
    }
}

//! Messages of more than one cell, under loom.

use super::super::Mine;
use super::stage::{Shop, Worker, worker};
use crate::facade::model::{explore, explore_deaths, set_clock, unlock_byte};
use crate::participant::stage::{finish, start, tag};

/// Loans two cells, the second as a part of the first.
fn loan_two(worker: &Worker<'_>) -> Option<Mine> {
    let head = worker.with(|work, cursor, me| work.loan_span(cursor, me, 2));
    head.ok()
}

fn has_its_part(shop: &Shop, head: Mine) -> bool {
    let part = shop.work().next_part(head.cell, head.cell);
    part.is_some_and(|part| part != head.cell)
}

/// Frees a loan or a message of two cells.
fn free(worker: &Worker<'_>, head: Mine) {
    let freed = worker.with(|work, cursor, me| work.free(cursor, head, me, 2));
    assert_eq!(freed, Ok(()));
}

/// Hunts: a cell that is lost, or freed while it is somebody's, because one was killed with a loan of two
/// cells, or as it gave it up.
#[test]
fn model_work_parts_of_the_dead_are_freed() {
    explore_deaths("work: one with two cells killed, a reaper", |death| {
        let shop = Shop::of(2, 2);
        let (victim, other) = (shop.clone(), shop.clone());
        finish([
            start(1, death, move || {
                let victim = worker(&victim, 1);
                if let Some(head) = loan_two(&victim) {
                    free(&victim, head);
                }
            }),
            start(2, None, move || {
                other.reap();
                let other = worker(&other, 2);
                if let Some(head) = loan_two(&other) {
                    assert!(has_its_part(other.shop, head));
                    free(&other, head);
                }
            }),
        ]);
        shop.balance();
    });
}

/// Hunts: a part of a later message that is freed for an earlier one's sake, by a helper that is slow.
#[test]
fn model_work_a_slow_helper_frees_no_part_of_another() {
    explore("work: a dead one's two cells, two that help", || {
        let shop = Shop::of(2, 2);
        let head = loan_two(&worker(&shop, 1)).unwrap();
        assert_eq!(head.cell, 0);
        unlock_byte(0, 1);
        let (slow, quick) = (shop.clone(), shop.clone());
        finish([
            start(2, None, move || slow.work().recover(tag(1))),
            start(3, None, move || {
                quick.work().recover(tag(1));
                assert!(loan_two(&worker(&quick, 3)).is_some(), "a cell is lost");
            }),
        ]);
        let word = shop.work().look(0);
        let head = Mine { cell: 0, word };
        assert!(has_its_part(&shop, head), "taken away");
        free(&worker(&shop, 3), head);
        shop.balance();
    });
}

/// Hunts: a message of two cells that loses its part, or a part that outlives it, because a receiver was
/// killed that had it, or was freeing it.
#[test]
fn model_work_a_message_keeps_its_part() {
    explore_deaths("work: a receiver of two cells killed, another", |death| {
        let shop = Shop::of(2, 3);
        let sender = worker(&shop, 3);
        let head = loan_two(&sender).unwrap();
        assert_eq!(sender.send_loan(head, 0), Ok(()));
        let (victim, other) = (shop.clone(), shop.clone());
        let receive = move |receiver: &Worker<'_>| {
            if let Ok(mine) = receiver.receive() {
                assert_eq!(receiver.read(mine), 0);
                assert!(has_its_part(receiver.shop, mine), "it is lost");
                receiver.finish(mine, || free(receiver, mine));
            }
        };
        finish([
            start(1, death, move || receive(&worker(&victim, 1))),
            start(2, None, move || {
                other.reap();
                receive(&worker(&other, 2));
            }),
        ]);
        shop.reap();
        receive(&worker(&shop, 3));
        assert!(shop.was_tried(0), "it is lost");
        shop.balance();
    });
}

/// Hunts: a helper that frees a part of a later message, because it was stopped between its look and its CAS while
/// both cells were used as often as versions have numbers: the part has the same version and head then.
#[test]
fn model_work_a_helper_that_was_stopped_frees_no_part_of_a_later_message() {
    for access in 2..8 {
        explore(
            "work: a helper of parts that is stopped for long",
            move || {
                set_clock(0);
                let shop = Shop::of(2, 2);
                let head = loan_two(&worker(&shop, 1)).unwrap();
                assert_eq!(head.cell, 0);
                unlock_byte(0, 1);
                shop.stop_at_cell(access, |shop| {
                    set_clock(10_000_000_000);
                    shop.loan_two_after_all_versions();
                });
                shop.work().recover(tag(1));
                assert!(shop.stopped(), "it was not stopped at {access}");
                let word = shop.work().look(0);
                let head = Mine { cell: 0, word };
                assert!(has_its_part(&shop, head), "taken away");
                free(&worker(&shop, 3), head);
                shop.balance();
                set_clock(0);
            },
        );
    }
}

//! Leases under loom, where somebody dies.

use super::super::ChunkError;
use super::stage::Field;
use crate::facade::Deadline;
use crate::facade::model::{explore, explore_deaths, explore_deaths_at_least, process};
use crate::participant::stage::{KernelLiveness, finish, start, tag};

/// Hunts: a chunk that stays a dead one's, or is done though it is half written, or whose death is
/// not told; a reader that waits for the dead.
#[test]
fn model_leases_wherever_a_holder_dies_a_reader_has_its_chunk_back() {
    explore_deaths_at_least("a worker killed, and a reader", 3, |death| {
        let field = Field::<1>::new();
        let (victim, reader) = (field.clone(), field.clone());
        finish([
            start(1, death, move || victim.work(1)),
            start(2, None, move || reader.visit(2)),
        ]);
        field.close();
    });
}

/// Hunts: the same, where the next one wants the chunk itself, and a holder that is robbed.
#[test]
fn model_leases_the_next_holder_learns_of_a_death() {
    explore_deaths_at_least("a worker killed, and a waiter", 3, |death| {
        let field = Field::<1>::opened();
        let (victim, waiter) = (field.clone(), field.clone());
        finish([
            start(1, death, move || victim.work(1)),
            start(2, None, move || waiter.work(2)),
        ]);
        assert_eq!(field.close(), 0);
        assert!(field.told() <= field.cut_off(), "who dies is told of once");
        let again = field.this(3, 0).expect("no live holder");
        assert!(!again.holder_died(), "it was finished since");
    });
}

/// Hunts: a reader that dies while it closes, or reads, and leaves a grid that nobody gets open, or
/// that is open beside another.
#[test]
fn model_leases_wherever_a_reader_dies_leases_go_on() {
    explore_deaths("a reader killed, and a worker", |death| {
        let field = Field::<2>::opened();
        let (victim, worker) = (field.clone(), field.clone());
        finish([
            start(1, death, move || victim.visit(1)),
            start(2, None, move || (0..2).for_each(|_| worker.work(2))),
        ]);
        assert_eq!(field.close(), 0);
        assert_eq!(field.told(), 0, "nobody died at a chunk");
    });
}

/// Hunts: a lease of data that a dead writer left half written.
#[test]
fn model_leases_wherever_a_writer_dies_there_is_no_lease_before_a_repair() {
    explore_deaths("a writer killed, and a worker", |death| {
        let field = Field::<1>::opened();
        let (victim, worker) = (field.clone(), field.clone());
        finish([
            start(1, death, move || victim.write(1)),
            start(2, None, move || {
                loop {
                    let peers = KernelLiveness(2);
                    let forever = Deadline::never();
                    match worker.leases().lease_any(0, tag(2), &peers, Some(&forever)) {
                        Ok(Some(leased)) => return worker.finish(leased),
                        Err(ChunkError::OwnerDied) => worker.write(2),
                        other => panic!("{other:?}"),
                    }
                }
            }),
        ]);
        assert_eq!(field.close(), 0);
    });
}

/// Hunts: chunks that are opened before the readers are out.
#[test]
fn model_leases_no_lease_is_beside_a_reader_after_an_opener_died() {
    explore_deaths(
        "one killed that opens, then a reader and a worker",
        |death| {
            let field = Field::<1>::new();
            let reading = field.begin_to_read(1);
            let victim = field.clone();
            process(2, death, move || {
                let refused = victim.try_any(2).expect_err("somebody reads");
                assert_eq!(refused, ChunkError::Busy);
            });
            let (reader, worker) = (field.clone(), field.clone());
            finish([
                start(1, None, move || reader.finish_reading(reading)),
                start(3, None, move || worker.work(3)),
            ]);
            assert_eq!(field.close(), 0);
        },
    );
}

/// Hunts: a chunk given back twice, taken from one that lives, or without a word of its holder's
/// death.
#[test]
fn model_leases_reapers_give_back_what_the_dead_had_and_no_more() {
    explore_deaths("one dead, a worker and a reaper", |death| {
        let field = Field::<1>::opened();
        let victim = field.clone();
        let died = !process(1, death, move || victim.work(1));
        let held = field.holds(1, 0);
        let (worker, reaper) = (field.clone(), field.clone());
        finish([
            start(2, None, move || worker.work(2)),
            start(3, None, move || {
                if died {
                    reaper.leases().table.recover(tag(1));
                }
            }),
        ]);
        assert_eq!(field.close(), 0);
        assert_eq!(field.told(), u32::from(held), "told of the death, once");
    });
}

/// Hunts: a restart that was made for some chunks only, or that is not seen by one that comes after
/// it.
#[test]
fn model_leases_a_restart_is_atomic_under_death() {
    explore_deaths("a restart killed, then two workers", |death| {
        let field = Field::<2>::done();
        let victim = field.clone();
        process(1, death, move || {
            victim.restart(1).expect("nobody has a chunk")
        });
        let left = field.left();
        assert!(left == 0 || left == 2, "{left} of 2 chunks are to do");
        finish([2, 3].map(|id| {
            let field = field.clone();
            start(id, None, move || {
                let leased = field.any(id);
                assert_eq!(leased.is_some(), left == 2, "what was to do before");
                if let Some(leased) = leased {
                    field.finish(leased);
                }
            })
        }));
        assert_eq!(field.close(), 0);
        let again = field.this(3, 0).expect("no live holder");
        assert!(!again.holder_died(), "nobody died at a chunk");
    });
}

/// Hunts: a restart that is cut off while others are there.
#[test]
fn model_leases_a_restart_that_is_cut_off_beside_a_worker_was_made_or_not() {
    explore_deaths("a restart killed, beside a worker", |death| {
        let field = Field::<2>::done();
        let (victim, worker) = (field.clone(), field.clone());
        finish([
            start(1, death, move || victim.restart(1).unwrap_or(())),
            start(2, None, move || worker.work(2)),
        ]);
        let to_do = field.left();
        let again = field.finished() - 2;
        assert!(
            [0, 2].contains(&(again + to_do)),
            "{again} done, {to_do} to do"
        );
        assert_eq!(field.close(), to_do);
    });
}

/// Hunts: a lease of what somebody has panicked over.
#[test]
fn model_leases_poisoned_data_is_not_leased() {
    explore("a writer that panicked, and a worker", || {
        let field = Field::<1>::opened();
        field.poison(1);
        let refused = field.try_any(2).expect_err("poisoned");
        assert_eq!(refused, ChunkError::Poisoned);
        field.clear_poison();
        field.work(2);
        assert_eq!(field.close(), 0);
    });
}

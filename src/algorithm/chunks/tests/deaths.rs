//! Leases under loom, where a process dies.

use super::super::ChunkError;
use super::stage::Fixture;
use crate::facade::Deadline;
use crate::facade::model::{
    explore, explore_deaths, explore_deaths_at_least, explore_two_deaths, process,
};
use crate::participant::stage::{KernelLiveness, StartWith, finish, tag};

/// Hunts: a chunk that stays with a dead holder, or is done although it is half written, or whose
/// holder's death is not reported; a reader that waits for the dead.
#[test]
fn model_leases_wherever_a_holder_dies_a_reader_has_its_chunk_back() {
    explore_deaths_at_least(3, |death| {
        let fixture = Fixture::<1>::new();
        finish([
            fixture.start(1, death, move |victim| victim.work(1)),
            fixture.start(2, None, move |reader| reader.visit(2)),
        ]);
        fixture.close();
    });
}

/// Hunts: the same, where the next process wants the chunk itself; a lease taken from a live
/// holder.
#[test]
fn model_leases_the_next_holder_learns_of_a_death() {
    explore_deaths_at_least(3, |death| {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, death, move |victim| victim.work(1)),
            fixture.start(2, None, move |waiter| waiter.work(2)),
        ]);
        assert_eq!(fixture.close(), 0);
        assert!(
            fixture.deaths_seen() <= fixture.cut_off(),
            "each death is reported once"
        );
        let again = fixture.this(3, 0).expect("no live holder");
        assert!(!again.holder_died(), "it was finished since");
    });
}

/// Hunts: a reader that dies while it closes, or reads, and leaves a table that cannot be opened,
/// or is open beside another reader.
#[test]
fn model_leases_wherever_a_reader_dies_leases_go_on() {
    explore_deaths(|death| {
        let fixture = Fixture::<2>::opened();
        finish([
            fixture.start(1, death, move |victim| victim.visit(1)),
            fixture.start(2, None, move |worker| (0..2).for_each(|_| worker.work(2))),
        ]);
        assert_eq!(fixture.close(), 0);
        assert_eq!(fixture.deaths_seen(), 0, "no holder died");
    });
}

/// Hunts: a lease of data that a dead writer left half written.
#[test]
fn model_leases_wherever_a_writer_dies_there_is_no_lease_before_a_repair() {
    explore_deaths(|death| {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, death, move |victim| victim.write(1)),
            fixture.start(2, None, move |worker| {
                loop {
                    let peers = KernelLiveness(2);
                    let forever = Deadline::never();
                    match worker.leases().lease_any(0, &peers, Some(&forever)) {
                        Ok(Some(leased)) => return worker.finish(leased),
                        Err(ChunkError::OwnerDied) => worker.write(2),
                        other => panic!("{other:?}"),
                    }
                }
            }),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: chunks that are opened before the readers are out.
#[test]
fn model_leases_no_lease_is_beside_a_reader_after_an_opener_died() {
    explore_deaths(|death| {
        let fixture = Fixture::<1>::new();
        let reading = fixture.begin_to_read(1);
        process(2, death, || {
            let refused = fixture.try_any(2).expect_err("a reader is there");
            assert_eq!(refused, ChunkError::Busy);
        });
        finish([
            fixture.start(1, None, move |reader| reader.finish_reading(reading)),
            fixture.start(3, None, move |worker| worker.work(3)),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a chunk recovered twice, taken from a live holder, or recovered without a report of the
/// death.
#[test]
fn model_leases_reapers_give_back_what_the_dead_had_and_no_more() {
    explore_deaths(|death| {
        let fixture = Fixture::<1>::opened();
        let died = !process(1, death, || fixture.work(1));
        let held = fixture.holds(1, 0);
        finish([
            fixture.start(2, None, move |worker| worker.work(2)),
            fixture.start(3, None, move |reaper| {
                if died {
                    reaper.leases().table.recover(tag(1));
                }
            }),
        ]);
        assert_eq!(fixture.close(), 0);
        assert_eq!(
            fixture.deaths_seen(),
            u32::from(held),
            "the death is reported once"
        );
    });
}

/// Hunts: a restart that was made for some chunks only, or that a later process does not see.
#[test]
fn model_leases_a_restart_is_atomic_under_death() {
    explore_deaths(|death| {
        let fixture = Fixture::<2>::done();
        process(1, death, || {
            fixture.restart(1).expect("no chunk has a holder")
        });
        let left = fixture.left();
        assert!(left == 0 || left == 2, "{left} of 2 chunks are pending");
        finish([2, 3].map(|id| {
            fixture.start(id, None, move |fixture| {
                let leased = fixture.any(id);
                assert_eq!(leased.is_some(), left == 2, "what was pending before");
                if let Some(leased) = leased {
                    fixture.finish(leased);
                }
            })
        }));
        assert_eq!(fixture.close(), 0);
        let again = fixture.this(3, 0).expect("no live holder");
        assert!(!again.holder_died(), "no holder died");
    });
}

/// Hunts: a restart that is cut off beside a worker.
#[test]
fn model_leases_a_restart_that_is_cut_off_beside_a_worker_was_made_or_not() {
    explore_deaths(|death| {
        let fixture = Fixture::<2>::done();
        finish([
            fixture.start(1, death, move |victim| victim.restart(1).unwrap_or(())),
            fixture.start(2, None, move |worker| worker.work(2)),
        ]);
        let pending = fixture.left();
        let again = fixture.finished() - 2;
        assert!(
            [0, 2].contains(&(again + pending)),
            "{again} done, {pending} pending"
        );
        assert_eq!(fixture.close(), pending);
    });
}

/// Hunts: a lease of poisoned data.
#[test]
fn model_leases_poisoned_data_is_not_leased() {
    explore(|| {
        let fixture = Fixture::<1>::opened();
        fixture.poison(1);
        let refused = fixture.try_any(2).expect_err("poisoned");
        assert_eq!(refused, ChunkError::Poisoned);
        fixture.clear_poison();
        fixture.work(2);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a chunk that stays with the second of two dead holders, or whose half-done work is not
/// reported.
#[test]
fn model_leases_two_deaths_leave_the_chunk_to_the_third() {
    explore_two_deaths(|[first, second]| {
        let fixture = Fixture::<1>::opened();
        let deaths = [(1, first), (2, second), (3, None)];
        finish(deaths.map(|(id, death)| fixture.start(id, death, move |fixture| fixture.work(id))));
        assert_eq!(fixture.close(), 0);
        assert!(
            fixture.deaths_seen() <= fixture.cut_off(),
            "each death is reported once"
        );
    });
}

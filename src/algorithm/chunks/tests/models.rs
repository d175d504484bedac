//! Leases under loom, without deaths.

use super::super::ChunkError;
use super::stage::{Fixture, Newcomer};
use crate::algorithm::rwlock::RwLockError;
use crate::facade::model::{
    explore, explore_at_least, explore_one_less, explore_soft_faults, soft_fault_at,
};
use crate::facade::{Deadline, Ordering};
use crate::participant::stage::{KernelLiveness, StartWith, finish, start, tag};

/// Hunts: a chunk with two holders, data that one holder wrote and the next does not see, a waiter
/// that is never woken. One holder returns its chunk, so that the word is as it was.
#[test]
fn model_leases_two_lessees_of_one_chunk_exclude_each_other() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, None, move |idle| idle.try_on(1)),
            fixture.start(2, None, move |busy| busy.work(2)),
        ]);
        assert_eq!(fixture.close(), 0);
        assert_eq!(fixture.deaths_seen(), 0, "there was no death");
    });
}

/// Hunts: a waiter for any of two chunks that sleeps on.
#[test]
fn model_leases_a_waiter_for_any_chunk_gets_the_returned_one() {
    explore_one_less(|| {
        let fixture = Fixture::<2>::opened();
        let [first, second] = [0, 1].map(|chunk| fixture.this(1, chunk).expect("it is free"));
        finish([
            fixture.start(1, None, move |holder| {
                holder.finish(first);
                assert!(holder.leases().table.end(second, false));
            }),
            fixture.start(2, None, move |waiter| {
                waiter.work(2);
                assert!(waiter.any(2).is_none());
            }),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a waiter for any of two chunks that sleeps on while the second is returned and the first
/// is not.
#[test]
fn model_leases_a_waiter_for_any_chunk_is_woken_by_each() {
    explore_at_least(3, || {
        let fixture = Fixture::<2>::opened();
        let [first, second] = [0, 1].map(|chunk| fixture.this(1, chunk).expect("it is free"));
        let holder = fixture.clone();
        finish([
            start(1, None, move || {
                assert!(holder.leases().table.end(second, false))
            }),
            fixture.start(2, None, move |waiter| {
                let leased = waiter.any(2).expect("it is to do");
                waiter.finish(leased);
            }),
        ]);
        finish([fixture.start(1, None, move |holder| holder.finish(first))]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a reader beside a lease, or a lease beside a reader that has read before and has a cell;
/// either of them sleeping on.
#[test]
fn model_leases_a_reader_and_a_lease_exclude_each_other() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::new();
        finish([
            fixture.start(1, None, move |worker| worker.work(1)),
            fixture.start(2, None, move |reader| (0..2).for_each(|_| reader.visit(2))),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a lease that continues, or is taken, while a reader closes or reads.
#[test]
fn model_leases_a_reader_closes_open_chunks_before_it_reads() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, None, move |worker| {
                worker.try_on(1);
                worker.work(1);
            }),
            fixture.start(2, None, move |reader| reader.visit(2)),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a writer beside a lease.
#[test]
fn model_leases_a_writer_and_a_lease_exclude_each_other() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, None, move |worker| worker.work(1)),
            fixture.start(2, None, move |writer| writer.write(2)),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a chunk that is leased without the data written before another process opened it.
#[test]
fn model_leases_data_written_before_is_seen_by_each_lessee() {
    explore(|| {
        let fixture = Fixture::<2>::new();
        let [writer, opener, other] = [(); 3].map(|()| fixture.clone());
        finish([
            start(1, None, move || writer.write(1)),
            start(2, None, move || opener.work(2)),
            start(3, None, move || other.work(3)),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a reader that gives up and leaves a closed table beside leases.
#[test]
fn model_leases_a_reader_that_gives_up_admits_no_reader_beside_a_lease() {
    explore_at_least(3, || {
        let fixture = Fixture::<2>::opened();
        let leased = fixture.this(1, 1).expect("it is free");
        finish([
            fixture.start(1, None, move |holder| holder.finish(leased)),
            fixture.start(2, None, move |hasty| {
                match hasty.read(2, Some(&Deadline::after_looks(0))) {
                    Ok(()) | Err(RwLockError::Busy) => {}
                    Err(refused) => panic!("{refused:?}"),
                }
                hasty.visit(2);
                hasty.work(2);
            }),
        ]);
        assert_eq!(fixture.close(), 0);
    });
}

/// Hunts: a restart that leaves some chunks done for a process that knows of it.
#[test]
fn model_leases_a_known_restart_leaves_pending_chunks() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::done();
        finish([
            fixture.start(1, None, move |restarter| {
                restarter.restart(1).expect("no chunk has a holder")
            }),
            fixture.start(2, None, move |worker| {
                let knows = worker.restarts() == 1;
                assert!(worker.any(2).map(|leased| worker.finish(leased)).is_some() || !knows);
            }),
        ]);
        assert!(fixture.close() <= 1);
    });
}

/// Hunts: a restart that is made beside a lease.
#[test]
fn model_leases_a_restart_is_refused_while_a_chunk_has_a_holder() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, None, move |restarter| match restarter.restart(1) {
                Ok(()) => {}
                Err(refused) => assert_eq!(refused, ChunkError::Leased(tag(2))),
            }),
            fixture.start(2, None, move |worker| worker.work(2)),
        ]);
        assert!(fixture.close() <= 1);
    });
}

/// Hunts: a process that reads a holder's tag and does not see that it has joined.
#[test]
fn model_leases_a_newcomer_that_leases_is_not_robbed() {
    explore_at_least(3, || {
        let fixture = Fixture::<1>::opened();
        finish([
            fixture.start(1, None, move |newcomer| {
                newcomer.joined.store(1, Ordering::Relaxed);
                newcomer.work(1);
            }),
            fixture.start(2, None, move |waiter| {
                let peers = Newcomer(KernelLiveness(2), &waiter.joined);
                let leased = waiter.leases().lease_any(0, &peers, None);
                match leased {
                    Ok(Some(leased)) => waiter.finish(leased),
                    Ok(None) | Err(ChunkError::Busy) => {}
                    Err(refused) => panic!("{refused:?}"),
                }
            }),
        ]);
        assert_eq!(fixture.close(), 0);
        assert_eq!(fixture.deaths_seen(), 0, "there was no death");
    });
}

/// Hunts: a weak CAS that fails spuriously, or a sleep that ends spuriously, taken for a change.
#[test]
fn model_leases_soft_faults_change_no_lease() {
    explore_soft_faults(|fault| {
        let fixture = Fixture::<1>::opened();
        finish([1, 2].map(|id| {
            fixture.start(id, None, move |fixture| {
                soft_fault_at(fault.filter(|_| id == 1));
                fixture.work(id);
            })
        }));
        assert_eq!(fixture.close(), 0);
    });
}

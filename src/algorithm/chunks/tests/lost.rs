//! Leases under loom, and a participant that was reaped and has not learnt it.

use loom::sync::Arc;

use super::super::opening::Want;
use super::super::{ChunkError, ClaimOutcome, OPEN, TABLE_OPEN, WalkMode};
use crate::algorithm::rwlock::RwLockError;
use crate::facade::model::{explore, explore_one_less};
use crate::facade::{Deadline, Ordering, mutants};
use crate::participant::Tag;
use crate::participant::stage::{StartWith, WithRegistry, finish, tag};

mutants! {
    model_leases_no_tag_of_a_reaped_process_stays:
        590 "a lease does not ask whether the process is still registered",
        591 "a reaped process does not return its chunk";
    model_leases_are_not_closed_by_a_reader_reaped_as_it_waited:
        592 "a reader that waited for leases does not ask whether it is still registered";
    model_leases_a_reaped_opener_opens_no_chunk:
        646 "an opener opens the chunk as it claims it";
}

/// An array of one chunk, and the registry.
type Fixture = WithRegistry<Arc<super::stage::Fixture<1>>>;

impl Fixture {
    /// An array from which process 3 has leased a chunk and returned it.
    fn opened() -> Arc<Self> {
        Arc::new(Self::new(super::stage::Fixture::opened()))
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.leases().table.recover(tag(1));
        self.leases().lock.recover(tag(1));
    }
}

/// Hunts: a chunk with an unregistered holder that no reaper visits again; a waiter for it that is
/// not woken.
#[test]
fn model_leases_no_tag_of_a_reaped_process_stays() {
    explore(|| {
        let fixture = Fixture::opened();
        finish([
            fixture.start(1, None, move |lost| {
                // It keeps what it gets.
                match lost.leases().lease_any(0, &lost.registry.liveness(1), None) {
                    Ok(_) | Err(ChunkError::Busy | ChunkError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
            fixture.start(3, None, move |waiter| {
                let (peers, never) = (waiter.registry.liveness(3), Deadline::never());
                let leased = waiter.leases().lease_any(0, &peers, Some(&never));
                let leased = leased.expect("no deadline").expect("it is to do");
                assert!(
                    waiter.leases().table.end(leased, false),
                    "taken from a live holder"
                );
            }),
        ]);
        let word = fixture.chunks[0].load(Ordering::Relaxed);
        assert_eq!(word & Tag::MASK, 0, "an unregistered tag stays");
    });
}

/// Hunts: a chunk that a process gets by one CAS beside a reader, since an opener that was reaped
/// claims it late: the table is closed.
#[test]
fn model_leases_a_reaped_opener_opens_no_chunk() {
    explore(|| {
        let fixture = Fixture::opened();
        let closed = fixture
            .leases()
            .table
            .close_chunks(&fixture.registry.liveness(3), None);
        assert!(closed.is_ok());
        fixture.registry.unregister(1);
        finish([
            fixture.start(1, None, move |lost| {
                let (table, peers) = (lost.leases().table, lost.registry.liveness(1));
                let found = table.find(Want::Any(0), &peers, WalkMode::Opening);
                assert!(matches!(
                    found,
                    Err(ChunkError::MembershipLost)
                        | Ok(ClaimOutcome::Closed | ClaimOutcome::Taken(_))
                ));
            }),
            fixture.start(3, None, move |lessee| {
                let (table, peers) = (lessee.leases().table, lessee.registry.liveness(3));
                let found = table.find(Want::Any(0), &peers, WalkMode::Asking);
                assert!(!matches!(found, Ok(ClaimOutcome::Got(_))), "{found:?}");
            }),
        ]);
        let word = fixture.chunks[0].load(Ordering::Relaxed);
        assert_eq!(word & (OPEN | Tag::MASK), 0, "{word:#x}");
    });
}

/// Hunts: leases beside a reader, since a process that was reaped while it waited for them closes
/// the table.
#[test]
fn model_leases_are_not_closed_by_a_reader_reaped_as_it_waited() {
    explore_one_less(|| {
        let fixture = Fixture::opened();
        let leased = fixture
            .leases()
            .lease_this(0, &fixture.registry.liveness(3), None);
        let leased = leased.expect("no other participant");
        finish([
            fixture.start(1, None, move |lost| {
                let (peers, never) = (lost.registry.liveness(1), Deadline::never());
                let read = lost.leases().lock.read(&peers, Some(&never));
                assert_eq!(read, Err(RwLockError::MembershipLost));
            }),
            fixture.start(2, None, move |holder| {
                holder.reap();
                holder.leases().table.end(leased, false);
            }),
        ]);
        assert_ne!(
            fixture.leases().table.word() & TABLE_OPEN,
            0,
            "it says that it is closed"
        );
    });
}

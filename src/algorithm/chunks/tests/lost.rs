//! Leases under loom, and a participant that others took for dead and that does not know it.

use loom::sync::Arc;

use super::super::{ChunkError, LeaseTable, LeaseTableState, Leases, TABLE_OPEN};
use crate::algorithm::rwlock::{Cell, RwLock, RwLockError, RwLockState};
use crate::facade::model::{explore, explore_one_less};
use crate::facade::{Deadline, Futex, Ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::stage::{ModelRegistry, finish, players, start, tag};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        590,
        LEASE,
        "who leases a chunk does not ask whether it is a participant still",
    ),
    (591, LEASE, "who was reaped does not give its chunk back"),
    (
        592,
        CLOSE,
        "a reader that waited for leases does not ask whether it is a participant still",
    ),
];

const LEASE: &str = "model_leases_no_tag_of_a_reaped_process_stays";
const CLOSE: &str = "model_leases_are_not_closed_by_a_reader_reaped_as_it_waited";

/// An array of one chunk, and the registry.
struct Field {
    lock: RwLockState,
    cells: [Padded<Cell>; 3],
    table: LeaseTableState,
    chunks: [Futex; 1],
    registry: ModelRegistry,
}

impl Field {
    /// One that process 3 has leased from, and given back.
    fn opened() -> Arc<Self> {
        players();
        let field = Arc::new(Self {
            lock: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            table: LeaseTableState::new(0),
            chunks: [Futex::new(0)],
            registry: ModelRegistry::new(),
        });
        let leased = field
            .leases()
            .lease_this(0, tag(3), &field.registry.liveness(3), None);
        let leased = leased.expect("no other participant");
        assert!(field.leases().table.end(leased, false));
        field
    }

    fn leases(&self) -> Leases<'_> {
        let table = LeaseTable {
            state: &self.table,
            chunks: &self.chunks,
        };
        Leases {
            lock: RwLock::new(&self.lock, &self.cells, table),
            table,
        }
    }

    /// Others take process 1 for dead, and give back what it holds.
    fn reap(&self) {
        self.registry.unregister(1);
        self.leases().table.recover(tag(1));
        self.leases().lock.recover(tag(1));
    }
}

/// Hunts: a chunk that is in the hands of no participant, and that no reaper looks for again; and
/// one that waits for it and is not woken.
#[test]
fn model_leases_no_tag_of_a_reaped_process_stays() {
    explore(
        "leases: one taken for dead leases, a reaper, one that waits",
        || {
            let field = Field::opened();
            let (lost, reaper, waiter) = (field.clone(), field.clone(), field.clone());
            finish([
                start(1, None, move || {
                    // It keeps what it gets.
                    match lost
                        .leases()
                        .lease_any(0, tag(1), &lost.registry.liveness(1), None)
                    {
                        Ok(_) | Err(ChunkError::Busy | ChunkError::MembershipLost) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }),
                start(2, None, move || reaper.reap()),
                start(3, None, move || {
                    let (peers, never) = (waiter.registry.liveness(3), Deadline::never());
                    let leased = waiter.leases().lease_any(0, tag(3), &peers, Some(&never));
                    let leased = leased.expect("no deadline").expect("it is to do");
                    assert!(
                        waiter.leases().table.end(leased, false),
                        "taken from one that lives"
                    );
                }),
            ]);
            let word = field.chunks[0].load(Ordering::Relaxed);
            assert_eq!(word & Tag::MASK, 0, "the tag of no participant stays");
        },
    );
}

/// Hunts: leases beside a reader, since one that was reaped while it waited for them says that
/// there are none.
#[test]
fn model_leases_are_not_closed_by_a_reader_reaped_as_it_waited() {
    explore_one_less("leases: a reader taken for dead as it waits", || {
        let field = Field::opened();
        let leased = field
            .leases()
            .lease_this(0, tag(3), &field.registry.liveness(3), None);
        let leased = leased.expect("no other participant");
        let (lost, holder) = (field.clone(), field.clone());
        finish([
            start(1, None, move || {
                let (peers, never) = (lost.registry.liveness(1), Deadline::never());
                let read = lost.leases().lock.read(tag(1), &peers, Some(&never));
                assert_eq!(read, Err(RwLockError::MembershipLost));
            }),
            start(2, None, move || {
                holder.reap();
                holder.leases().table.end(leased, false);
            }),
        ]);
        assert_ne!(
            field.leases().table.word() & TABLE_OPEN,
            0,
            "it says that it is closed"
        );
    });
}

//! One process and chunks whose words may hold anything.

use proptest::prelude::*;

use super::super::{ChunkError, DIED, DONE, LeaseTable, LeaseTableState, Leased, Leases, OPEN};
use crate::algorithm::rwlock::{Cell, RwLock, RwLockState};
use crate::facade::{AtomicU32, Futex};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::tests::{PARTICIPANTS, TestLiveness, me, other};

/// An array of one chunk with this word, in an open table.
struct Fixture {
    lock: RwLockState,
    cells: Vec<Padded<Cell>>,
    table: LeaseTableState,
    chunk: [Futex; 1],
}

impl Fixture {
    fn new(word: u32) -> Self {
        Self {
            lock: RwLockState::new(),
            cells: (0..PARTICIPANTS).map(|_| Padded(Cell::new(0))).collect(),
            table: LeaseTableState {
                word: AtomicU32::new(1),
            },
            chunk: [Futex::new(word)],
        }
    }

    fn leases(&self) -> Leases<'_> {
        let table = LeaseTable {
            state: &self.table,
            chunks: &self.chunk,
        };
        Leases {
            lock: RwLock::new(&self.lock, &self.cells, table),
            table,
        }
    }

    fn lease(&self) -> Result<Leased, ChunkError> {
        self.leases()
            .lease_this(0, &TestLiveness::without(other()), None)
    }

    fn word(&self) -> u32 {
        self.leases().table.load_chunk(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_word_is_leased_or_refused(word: u32) {
        let fixture = Fixture::new(word);
        let tag = Tag::in_word(word, PARTICIPANTS);
        match fixture.lease() {
            Ok(leased) => {
                prop_assert!(word & Tag::MASK == 0 || tag == Some(other()));
                prop_assert_eq!(leased.holder_died(), word & DIED != 0 || tag.is_some());
                prop_assert!(fixture.leases().table.end(leased, true));
                prop_assert_eq!(fixture.word(), OPEN | DONE);
            }
            Err(ChunkError::Leased(holder)) => prop_assert_eq!(tag, Some(holder)),
            Err(refused) => {
                prop_assert_eq!(refused, ChunkError::Corrupt { word });
                prop_assert!(word & Tag::MASK != 0 && tag.is_none());
            }
        }
    }

    #[test]
    fn recovery_touches_the_dead_ones_chunks_and_no_other(word: u32, of_the_dead: bool) {
        let word = if of_the_dead { word & !Tag::MASK | other().bits() } else { word };
        let fixture = Fixture::new(word);
        fixture.leases().table.recover(other());
        let expected = if word & Tag::MASK == other().bits() { word & OPEN | DIED } else { word };
        prop_assert_eq!(fixture.word(), expected);
    }
}

#[test]
fn a_lease_that_was_taken_over_does_not_end_its_successors() {
    let fixture = Fixture::new(OPEN);
    let leases = fixture.leases();
    let lost = leases
        .lease_this(0, &TestLiveness::without(me()).of(other()), None)
        .unwrap();
    let leased = fixture.lease().unwrap();
    assert!(leased.holder_died());
    for done in [true, false] {
        assert!(!leases.table.end(lost, done));
        assert_eq!(fixture.word(), OPEN | DIED | me().bits());
    }
    assert!(leases.table.end(leased, false));
    assert_eq!(
        fixture.word(),
        OPEN | DIED,
        "pending, and still half changed"
    );
}

#[test]
fn a_done_chunk_is_leased_by_number_only() {
    let fixture = Fixture::new(OPEN | DONE);
    let any = fixture
        .leases()
        .lease_any(0, &TestLiveness::without(other()), None);
    assert_eq!(any, Ok(None));
    let leased = fixture.lease().unwrap();
    assert_eq!(
        (fixture.leases().table.left(), leased.holder_died()),
        (1, false)
    );
}

//! The reader-writer lock under loom, and a participant that was reaped and has not learnt it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{Cell, EnterError, NoHook, ReaderToken, RwLock, RwLockError, RwLockState};
use crate::facade::model::{explore, explore_one_less};
use crate::facade::{Deadline, mutants};
use crate::format::Padded;
use crate::participant::stage::{
    ModelRegistry, RegistryLiveness, StartWith, finish, players, successor, tag,
};

mutants! {
    model_rwlock_no_count_of_a_reaped_reader_stays_in_its_cell:
        580 "the fast path does not ask whether it is still registered",
        581 "a reaped reader does not give its cell back";
    model_rwlock_no_count_of_a_reaped_reader_stays_by_the_slow_path:
        582 "the slow path does not ask whether it is still registered";
    model_rwlock_a_reaped_reader_leaves_the_cell_to_its_next_owner:
        583 "a mutex holder counts itself in the cell of the index's next owner";
    model_rwlock_no_count_of_a_reaped_reader_stays_by_the_writer_mutex:
        584 "a counted mutex holder does not ask whether it is still registered";
    model_rwlock_a_writer_reaped_as_it_waited_writes_nothing:
        585 "a writer that waited does not ask whether it is still registered";
    model_rwlock_a_late_writers_tag_blocks_no_process:
        586 "a writer takes an overwritten tag for a takeover";
    model_rwlock_a_reaped_mutex_holder_opens_no_cell:
        587 "a reaped mutex holder opens cells as it releases the mutex";
}

/// A lock, and the registry.
struct Fixture {
    state: RwLockState,
    cells: [Padded<Cell>; 3],
    registry: ModelRegistry,
}

impl Fixture {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            registry: ModelRegistry::new(),
        })
    }

    /// As [`open`](Self::open), after these processes have read.
    fn with_readers<const N: usize>(ids: [u32; N]) -> Arc<Self> {
        let fixture = Self::open();
        for id in ids {
            let reading = fixture.slowly(&fixture.registry.liveness(id), None);
            fixture.lock().stop_reading(reading.expect("no writer"));
        }
        fixture
    }

    fn lock(&self) -> RwLock<'_> {
        RwLock::new(&self.state, &self.cells, NoHook)
    }

    fn read(&self, peers: &RegistryLiveness<'_>) -> Result<ReaderToken, RwLockError> {
        match self.lock().read_clean(peers) {
            Some(reading) => Ok(reading),
            None => self.slowly(peers, None),
        }
    }

    fn slowly(
        &self,
        peers: &RegistryLiveness<'_>,
        wait: Option<&Deadline>,
    ) -> Result<ReaderToken, RwLockError> {
        self.lock().read(peers, wait)
    }

    /// Unregisters and recovers process 1, which lives.
    fn reap(&self) {
        self.registry.unregister(1);
        self.lock().recover(tag(1));
    }

    /// Asserts that process 1 counts no reader and does not hold the writer mutex.
    fn close(&self) {
        let word = self.cells[0].0.peek();
        assert!(!word.is_of(tag(1)) || word.readers() == 0, "it is counted");
        assert!(!self.state.mutex.is_of(tag(1)), "it holds the mutex");
        let token = self.lock().write(&self.registry.liveness(2), None);
        self.lock()
            .stop_writing(token.expect("no other participant"), false);
    }
}

/// Hunts: a reader for which no writer waits, since the registry does not list it. As after garbage
/// in the registry, no process has recovered what it holds.
#[test]
fn model_rwlock_no_count_of_a_reaped_reader_stays_in_its_cell() {
    explore(|| {
        let fixture = Fixture::with_readers([1]);
        fixture.registry.unregister(1);
        finish([
            fixture.start(1, None, move |lost| {
                let told = lost.read(&lost.registry.liveness(1));
                assert_eq!(told, Err(RwLockError::MembershipLost));
            }),
            fixture.start(2, None, move |writer| {
                let (peers, never) = (writer.registry.liveness(2), Deadline::never());
                let token = writer.lock().write(&peers, Some(&never));
                let token = token.expect("no deadline");
                writer.lock().stop_writing(token, false);
            }),
        ]);
        fixture.close();
    });
}

/// Hunts: the same by the slow path.
#[test]
fn model_rwlock_no_count_of_a_reaped_reader_stays_by_the_slow_path() {
    explore(|| {
        let fixture = Fixture::with_readers([1]);
        fixture.registry.unregister(1);
        finish([
            fixture.start(1, None, move |lost| {
                let entered = lost.cells[0].0.enter(&lost.registry.liveness(1));
                let is_blocked = matches!(entered, Err(EnterError::Blocked(_)));
                assert!(
                    is_blocked || entered == Err(EnterError::NotOwner),
                    "{entered:?}"
                );
            }),
            fixture.start(2, None, move |writer| {
                let peers = writer.registry.liveness(2);
                let token = writer.lock().write(&peers, None);
                writer
                    .lock()
                    .stop_writing(token.expect("no reader is alive"), false);
            }),
        ]);
        fixture.close();
    });
}

/// Hunts: the same of a reader without a cell.
#[test]
fn model_rwlock_no_count_of_a_reaped_reader_stays_by_the_writer_mutex() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |lost| {
                let (peers, never) = (lost.registry.liveness(1), Deadline::never());
                // It keeps what it gets: it was a participant when it asked.
                match lost.slowly(&peers, Some(&never)) {
                    Ok(_) | Err(RwLockError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |reaper| reaper.reap()),
        ]);
        fixture.close();
    });
}

/// Hunts: a live reader that a writer does not see, since the index's former owner has overwritten
/// its cell.
#[test]
fn model_rwlock_a_reaped_reader_leaves_the_cell_to_its_next_owner() {
    explore(|| {
        let fixture = Fixture::open();
        finish([
            fixture.start(1, None, move |lost| {
                match lost.slowly(&lost.registry.liveness(1), Some(&Deadline::never())) {
                    Ok(_) | Err(RwLockError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            fixture.start(2, None, move |next| {
                next.reap();
                let peers = next.registry.successor_liveness();
                let reading = next.slowly(&peers, Some(&Deadline::never()));
                assert!(reading.is_ok(), "{reading:?}");
            }),
        ]);
        let word = fixture.cells[0].0.peek();
        assert!(word.is_of(successor()) && word.readers() == 1, "{word:?}");
        let token = fixture.lock().write(&fixture.registry.liveness(3), None);
        assert_eq!(token.map(drop), Err(RwLockError::Busy), "beside a reader");
    });
}

/// Hunts: a writer that was reaped while it waited for readers, and begins to write when they have
/// left.
#[test]
fn model_rwlock_a_writer_reaped_as_it_waited_writes_nothing() {
    explore_one_less(|| {
        let fixture = Fixture::open();
        let reading = fixture.slowly(&fixture.registry.liveness(2), None);
        let reading = reading.expect("no writer");
        let reaped = std::sync::Arc::new(AtomicBool::new(false));
        let was_reaped = reaped.clone();
        finish([
            fixture.start(1, None, move |lost| {
                let peers = lost.registry.liveness(1);
                let token = lost.lock().write(&peers, Some(&Deadline::never()));
                match token {
                    Ok(token) if !was_reaped.load(Relaxed) => {
                        lost.lock().stop_writing(token, false)
                    }
                    token => assert_eq!(token.map(drop), Err(RwLockError::MembershipLost)),
                }
            }),
            fixture.start(2, None, move |reader| {
                let word = reader.cells[1].0.peek();
                if word.has_sleepers() {
                    reader.reap();
                    reaped.store(true, Relaxed);
                }
                reader.lock().stop_reading(reading);
            }),
        ]);
        fixture.close();
    });
}

/// Hunts: a writer that cannot unlock, because a reaped mutex holder has put its tag into
/// `writing`.
#[test]
fn model_rwlock_a_late_writers_tag_blocks_no_process() {
    explore(|| {
        let fixture = Fixture::open();
        let late = fixture.lock().acquire(&fixture.registry.liveness(1), None);
        let late = late.expect("no other participant");
        fixture.reap();
        let token = fixture.lock().write(&fixture.registry.liveness(2), None);
        let token = token.expect("no other participant");
        finish([
            fixture.start(1, None, move |lost| lost.lock().begin_writing(&late)),
            fixture.start(2, None, move |writer| {
                writer.lock().stop_writing(token, false)
            }),
        ]);
        fixture.close();
    });
}

/// Hunts: a reader beside a writer, admitted by a reaped mutex holder.
#[test]
fn model_rwlock_a_reaped_mutex_holder_opens_no_cell() {
    explore(|| {
        let fixture = Fixture::with_readers([3]);
        let late = fixture.lock().acquire(&fixture.registry.liveness(1), None);
        let late = late.expect("no other participant");
        fixture.reap();
        // A writer that has not yet begun.
        let peers = fixture.registry.liveness(2);
        let token = fixture.lock().acquire(&peers, None);
        let token = token.expect("no other participant");
        assert_eq!(fixture.lock().exclude(&peers, None), Ok(()));
        finish([
            fixture.start(1, None, move |lost| lost.lock().release(late)),
            fixture.start(3, None, move |reader| {
                let read = reader.read(&reader.registry.liveness(3));
                assert_eq!(read, Err(RwLockError::Busy), "beside a writer");
            }),
        ]);
        fixture.lock().release(token);
        fixture.close();
    });
}

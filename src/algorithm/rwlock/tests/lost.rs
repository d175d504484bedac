//! A lock of readers and writers under loom, and a participant that others took for dead and that
//! does not know it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{Cell, EnterError, NoHook, ReaderToken, RwLock, RwLockError, RwLockState};
use crate::facade::Deadline;
use crate::facade::model::{explore, explore_one_less};
use crate::format::Padded;
use crate::participant::stage::{
    ModelRegistry, RegistryLiveness, finish, players, start, successor, tag,
};

/// Seeded bugs: the number, the model that must fail, and what the bug is.
pub(crate) const MUTANTS: &[(u32, &str, &str)] = &[
    (
        580,
        CELL,
        "who enters its cell at once does not ask whether it is a participant still",
    ),
    (581, CELL, "who was reaped does not give its cell back"),
    (
        582,
        SLOW,
        "who enters its cell does not ask whether it is a participant still",
    ),
    (
        583,
        NEXT,
        "who is counted at the door takes the cell of the index's next owner",
    ),
    (
        584,
        DOOR,
        "who is counted at the door does not ask whether it is a participant still",
    ),
    (
        585,
        WAITED,
        "a writer that waited does not ask whether it is a participant still",
    ),
    (
        586,
        LATE,
        "a writer whose tag was overwritten thinks that its lock was taken over",
    ),
    (
        587,
        OPENS,
        "who was taken for dead at the door opens cells as it leaves",
    ),
];

const CELL: &str = "model_rwlock_no_count_of_a_reaped_reader_stays_in_its_cell";
const SLOW: &str = "model_rwlock_no_count_of_a_reaped_reader_stays_by_the_slow_path";
const DOOR: &str = "model_rwlock_no_count_of_a_reaped_reader_stays_by_the_writer_mutex";
const NEXT: &str = "model_rwlock_a_reaped_reader_leaves_the_cell_to_its_next_owner";
const WAITED: &str = "model_rwlock_a_writer_reaped_as_it_waited_writes_nothing";
const LATE: &str = "model_rwlock_a_late_writers_tag_blocks_no_process";
const OPENS: &str = "model_rwlock_a_reaped_mutex_holder_opens_no_cell";

/// A lock, and the registry.
struct Library {
    state: RwLockState,
    cells: [Padded<Cell>; 3],
    registry: ModelRegistry,
}

impl Library {
    fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            registry: ModelRegistry::new(),
        })
    }

    /// As [`open`](Self::open), and these have read before.
    fn with_readers<const N: usize>(ids: [u32; N]) -> Arc<Self> {
        let library = Self::open();
        for id in ids {
            let reading = library.slowly(&library.registry.liveness(id), None);
            library.lock().stop_reading(reading.expect("nobody writes"));
        }
        library
    }

    fn lock(&self) -> RwLock<'_> {
        RwLock::new(&self.state, &self.cells, NoHook)
    }

    fn read(&self, peers: &RegistryLiveness<'_>) -> Result<ReaderToken, RwLockError> {
        match self.lock().read_clean(peers.me, peers) {
            Some(reading) => Ok(reading),
            None => self.slowly(peers, None),
        }
    }

    fn slowly(
        &self,
        peers: &RegistryLiveness<'_>,
        wait: Option<&Deadline>,
    ) -> Result<ReaderToken, RwLockError> {
        self.lock().read(peers.me, peers, wait)
    }

    /// Others take process 1 for dead, and give back what it holds.
    fn reap(&self) {
        self.registry.unregister(1);
        self.lock().recover(tag(1));
    }

    /// Process 1 counts no reader any more, and is not at the door.
    fn close(&self) {
        let word = self.cells[0].0.peek();
        assert!(!word.is_of(tag(1)) || word.readers() == 0, "it is counted");
        assert!(!self.state.mutex.is_of(tag(1)), "it is at the door");
        let token = self.lock().write(tag(2), &self.registry.liveness(2), None);
        self.lock()
            .stop_writing(token.expect("no other participant"), false);
    }
}

/// Hunts: a reader that no writer waits for, since the registry does not know it: as garbage there
/// makes it, no process has given back what it holds.
#[test]
fn model_rwlock_no_count_of_a_reaped_reader_stays_in_its_cell() {
    explore("rwlock: a reaped reader enters its cell", || {
        let library = Library::with_readers([1]);
        library.registry.unregister(1);
        let (lost, writer) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                let told = lost.read(&lost.registry.liveness(1));
                assert_eq!(told, Err(RwLockError::MembershipLost));
            }),
            start(2, None, move || {
                let (peers, never) = (writer.registry.liveness(2), Deadline::never());
                let token = writer.lock().write(tag(2), &peers, Some(&never));
                let token = token.expect("no deadline");
                writer.lock().stop_writing(token, false);
            }),
        ]);
        library.close();
    });
}

/// Hunts: the same of one that did not get in at once.
#[test]
fn model_rwlock_no_count_of_a_reaped_reader_stays_by_the_slow_path() {
    explore("rwlock: a reaped reader enters its cell slowly", || {
        let library = Library::with_readers([1]);
        library.registry.unregister(1);
        let (lost, writer) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                let entered = lost.cells[0].0.enter(tag(1), &lost.registry.liveness(1));
                let is_blocked = matches!(entered, Err(EnterError::Blocked(_)));
                assert!(
                    is_blocked || entered == Err(EnterError::NotOwner),
                    "{entered:?}"
                );
            }),
            start(2, None, move || {
                let peers = writer.registry.liveness(2);
                let token = writer.lock().write(tag(2), &peers, None);
                writer
                    .lock()
                    .stop_writing(token.expect("no reader is alive"), false);
            }),
        ]);
        library.close();
    });
}

/// Hunts: the same of one that has no cell yet.
#[test]
fn model_rwlock_no_count_of_a_reaped_reader_stays_by_the_writer_mutex() {
    explore("rwlock: a reaped reader enters by the mutex", || {
        let library = Library::open();
        let (lost, reaper) = (library.clone(), library.clone());
        finish([
            start(1, None, move || {
                let (peers, never) = (lost.registry.liveness(1), Deadline::never());
                // It keeps what it gets: it was a participant when it was told so.
                match lost.slowly(&peers, Some(&never)) {
                    Ok(_) | Err(RwLockError::MembershipLost) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }),
            start(2, None, move || reaper.reap()),
        ]);
        library.close();
    });
}

/// Hunts: a reader that lives, and of whom a writer knows nothing, since one that had its index
/// before has written over its cell.
#[test]
fn model_rwlock_a_reaped_reader_leaves_the_cell_to_its_next_owner() {
    explore(
        "rwlock: one taken for dead, and the next owner of its index",
        || {
            let library = Library::open();
            let (lost, next) = (library.clone(), library.clone());
            finish([
                start(1, None, move || {
                    match lost.slowly(&lost.registry.liveness(1), Some(&Deadline::never())) {
                        Ok(_) | Err(RwLockError::MembershipLost) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }),
                start(2, None, move || {
                    next.reap();
                    let peers = next.registry.successor_liveness();
                    let reading = next.slowly(&peers, Some(&Deadline::never()));
                    assert!(reading.is_ok(), "{reading:?}");
                }),
            ]);
            let word = library.cells[0].0.peek();
            assert!(word.is_of(successor()) && word.readers() == 1, "{word:?}");
            let token = library
                .lock()
                .write(tag(3), &library.registry.liveness(3), None);
            assert_eq!(token.map(drop), Err(RwLockError::Busy), "beside a reader");
        },
    );
}

/// Hunts: a writer that was reaped while it waited for readers, and begins when they have left.
#[test]
fn model_rwlock_a_writer_reaped_as_it_waited_writes_nothing() {
    explore_one_less("rwlock: a writer taken for dead as it waits", || {
        let library = Library::open();
        let reading = library.slowly(&library.registry.liveness(2), None);
        let reading = reading.expect("nobody writes");
        let (lost, reader) = (library.clone(), library.clone());
        let reaped = std::sync::Arc::new(AtomicBool::new(false));
        let was_reaped = reaped.clone();
        finish([
            start(1, None, move || {
                let peers = lost.registry.liveness(1);
                let token = lost.lock().write(tag(1), &peers, Some(&Deadline::never()));
                match token {
                    Ok(token) if !was_reaped.load(Relaxed) => {
                        lost.lock().stop_writing(token, false)
                    }
                    token => assert_eq!(token.map(drop), Err(RwLockError::MembershipLost)),
                }
            }),
            start(2, None, move || {
                let word = reader.cells[1].0.peek();
                if word == word.with_waiting() {
                    reader.reap();
                    reaped.store(true, Relaxed);
                }
                reader.lock().stop_reading(reading);
            }),
        ]);
        library.close();
    });
}

/// Hunts: a writer that does not leave, because one that was taken for dead at the door has put its
/// tag into the word that says who writes.
#[test]
fn model_rwlock_a_late_writers_tag_blocks_no_process() {
    explore(
        "rwlock: one taken for dead at the door begins to write",
        || {
            let library = Library::open();
            let late = library
                .lock()
                .acquire(tag(1), &library.registry.liveness(1), None);
            let late = late.expect("no other participant");
            library.reap();
            let token = library
                .lock()
                .write(tag(2), &library.registry.liveness(2), None);
            let token = token.expect("no other participant");
            let (lost, writer) = (library.clone(), library.clone());
            finish([
                start(1, None, move || lost.lock().begin_writing(&late)),
                start(2, None, move || writer.lock().stop_writing(token, false)),
            ]);
            library.close();
        },
    );
}

/// Hunts: a reader beside a writer, let in by one that was taken for dead at the door.
#[test]
fn model_rwlock_a_reaped_mutex_holder_opens_no_cell() {
    explore(
        "rwlock: one taken for dead leaves the door, a reader comes",
        || {
            let library = Library::with_readers([3]);
            let late = library
                .lock()
                .acquire(tag(1), &library.registry.liveness(1), None);
            let late = late.expect("no other participant");
            library.reap();
            // A writer that has not yet begun.
            let peers = library.registry.liveness(2);
            let token = library.lock().acquire(tag(2), &peers, None);
            let token = token.expect("no other participant");
            assert_eq!(library.lock().exclude(&peers, None), Ok(()));
            let (lost, reader) = (library.clone(), library.clone());
            finish([
                start(1, None, move || lost.lock().leave(late)),
                start(3, None, move || {
                    let read = reader.read(&reader.registry.liveness(3));
                    assert_eq!(read, Err(RwLockError::Busy), "beside a writer");
                }),
            ]);
            library.lock().leave(token);
            library.close();
        },
    );
}

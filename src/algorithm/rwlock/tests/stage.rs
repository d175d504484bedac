//! What the models of the reader-writer lock share: data behind it, and visits.

use std::sync::atomic::{AtomicU32 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{Cell, NoHook, ReaderToken, RwLock, RwLockError, RwLockState, WriterToken};
use crate::facade::Deadline;
use crate::facade::model::is_byte_locked;
use crate::format::Padded;
use crate::participant::stage::{KernelLiveness, Pair, players, tag};

/// Data behind the lock.
pub(super) struct Fixture {
    pub(super) state: RwLockState,
    pub(super) cells: [Padded<Cell>; 3],
    pub(super) data: Pair,
    /// The numbers of writers and readers that learnt of a writer's death.
    writers_informed: Ledger,
    readers_informed: Ledger,
}

impl Fixture {
    pub(super) fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            data: Pair::new(),
            writers_informed: Ledger::new(0),
            readers_informed: Ledger::new(0),
        })
    }

    /// As [`open`](Self::open), after these processes have read.
    pub(super) fn with_readers<const N: usize>(ids: [u32; N]) -> Arc<Self> {
        let fixture = Self::open();
        for id in ids {
            fixture.read(id);
        }
        fixture
    }

    pub(super) fn lock(&self) -> RwLock<'_> {
        RwLock::new(&self.state, &self.cells, NoHook)
    }

    /// Returns whether the cell of `id` is blocked.
    pub(super) fn is_blocked(&self, id: u32) -> bool {
        self.cells[id as usize - 1].0.peek().is_blocked()
    }

    /// Returns whether a reader has announced itself in the cell of `id`.
    pub(super) fn has_waiters(&self, id: u32) -> bool {
        self.cells[id as usize - 1].0.peek().has_waiters()
    }

    pub(super) fn begin_reading(
        &self,
        id: u32,
        deadline: &Deadline,
    ) -> Result<ReaderToken, RwLockError> {
        match self.lock().read_clean(&KernelLiveness(id)) {
            Some(reading) => Ok(reading),
            None => self.lock().read(&KernelLiveness(id), Some(deadline)),
        }
    }

    pub(super) fn begin_writing(
        &self,
        id: u32,
        deadline: &Deadline,
    ) -> Result<WriterToken, RwLockError> {
        match self.lock().write_clean(&KernelLiveness(id)) {
            Some(token) => Ok(token),
            None => self.lock().write(&KernelLiveness(id), Some(deadline)),
        }
    }

    pub(super) fn try_read(&self, id: u32) -> Result<ReaderToken, RwLockError> {
        match self.lock().read_clean(&KernelLiveness(id)) {
            Some(reading) => Ok(reading),
            None => self.lock().read(&KernelLiveness(id), None),
        }
    }

    pub(super) fn try_write(&self, id: u32) -> Result<WriterToken, RwLockError> {
        self.lock().write(&KernelLiveness(id), None)
    }

    /// Reads as a correct reader does, and unlocks; returns what it read, unless a death was
    /// reported.
    pub(super) fn browse(&self, reading: ReaderToken) -> Option<u64> {
        let told = reading.owner_died();
        if told {
            self.readers_informed.fetch_add(1, Relaxed);
        }
        let seen = (!told).then(|| self.data.look());
        self.lock().stop_reading(reading);
        seen
    }

    /// Writes as a correct writer does.
    pub(super) fn work(&self, token: &mut WriterToken) {
        if token.owner_died() {
            self.writers_informed.fetch_add(1, Relaxed);
            self.data.repair();
            self.lock().mark_consistent(token);
        }
        self.data.bump();
    }

    /// [Works](Self::work), and unlocks.
    pub(super) fn serve(&self, mut token: WriterToken) {
        self.work(&mut token);
        self.lock().stop_writing(token, false);
    }

    pub(super) fn read(&self, id: u32) -> Option<u64> {
        let reading = self.begin_reading(id, &Deadline::never());
        self.browse(reading.expect("no deadline"))
    }

    pub(super) fn write(&self, id: u32) {
        let token = self.begin_writing(id, &Deadline::never());
        self.serve(token.expect("no deadline"));
    }

    /// Recovers what `dead` holds, if it is dead.
    pub(super) fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.lock().recover(tag(dead));
        }
    }

    /// The number of writers that learnt of a writer's death.
    pub(super) fn writers_informed(&self) -> u32 {
        self.writers_informed.load(Relaxed)
    }

    /// The number of readers that learnt of a writer's death.
    pub(super) fn readers_informed(&self) -> u32 {
        self.readers_informed.load(Relaxed)
    }

    /// Asserts, after all have left or died, that the next writer and then the next reader enter at
    /// once, and that the data is whole.
    pub(super) fn close(&self, written: core::ops::RangeInclusive<u64>) {
        let token = self.try_write(3);
        self.serve(token.expect("a dead or former holder is counted"));
        let made = self.data.value() - 1;
        assert!(
            written.contains(&made),
            "{made} writes, expected {written:?}"
        );
        let reading = self.try_read(3).expect("a dead or former writer holds it");
        assert!(!reading.owner_died() && !reading.is_poisoned());
        assert_eq!(self.browse(reading), Some(made + 1));
    }
}

//! What the models of a lock of readers and writers share: data behind it, and who visits.

use std::sync::atomic::{AtomicU32 as Ledger, Ordering::Relaxed};

use loom::sync::Arc;

use super::super::{Cell, NoHook, ReaderToken, RwLock, RwLockError, RwLockState, WriterToken};
use crate::facade::Deadline;
use crate::facade::model::is_byte_locked;
use crate::format::Padded;
use crate::participant::stage::{KernelLiveness, Pair, players, tag};

/// Data that some read and some write.
pub(super) struct Library {
    pub(super) state: RwLockState,
    pub(super) cells: [Padded<Cell>; 3],
    pub(super) data: Pair,
    /// How many writers, and how many readers, were told that a writer had died.
    writers_told: Ledger,
    readers_told: Ledger,
}

impl Library {
    pub(super) fn open() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: RwLockState::new(),
            cells: core::array::from_fn(|_| Padded(Cell::new(0))),
            data: Pair::new(),
            writers_told: Ledger::new(0),
            readers_told: Ledger::new(0),
        })
    }

    /// As [`open`](Self::open), and these have read before.
    pub(super) fn with_readers<const N: usize>(ids: [u32; N]) -> Arc<Self> {
        let library = Self::open();
        for id in ids {
            library.read(id);
        }
        library
    }

    pub(super) fn lock(&self) -> RwLock<'_> {
        RwLock::new(&self.state, &self.cells, NoHook)
    }

    /// Whether the cell of `id` is barred now.
    pub(super) fn is_blocked(&self, id: u32) -> bool {
        self.cells[id as usize - 1].0.peek().is_blocked()
    }

    pub(super) fn begin_reading(
        &self,
        id: u32,
        deadline: &Deadline,
    ) -> Result<ReaderToken, RwLockError> {
        match self.lock().read_clean(tag(id), &KernelLiveness(id)) {
            Some(reading) => Ok(reading),
            None => self
                .lock()
                .read(tag(id), &KernelLiveness(id), Some(deadline)),
        }
    }

    pub(super) fn begin_writing(
        &self,
        id: u32,
        deadline: &Deadline,
    ) -> Result<WriterToken, RwLockError> {
        match self.lock().write_clean(tag(id), &KernelLiveness(id)) {
            Some(token) => Ok(token),
            None => self
                .lock()
                .write(tag(id), &KernelLiveness(id), Some(deadline)),
        }
    }

    pub(super) fn try_read(&self, id: u32) -> Result<ReaderToken, RwLockError> {
        match self.lock().read_clean(tag(id), &KernelLiveness(id)) {
            Some(reading) => Ok(reading),
            None => self.lock().read(tag(id), &KernelLiveness(id), None),
        }
    }

    pub(super) fn try_write(&self, id: u32) -> Result<WriterToken, RwLockError> {
        self.lock().write(tag(id), &KernelLiveness(id), None)
    }

    /// Does what an honest reader does, and leaves; what it read, unless it was told not to trust
    /// it.
    pub(super) fn browse(&self, reading: ReaderToken) -> Option<u64> {
        let told = reading.owner_died();
        if told {
            self.readers_told.fetch_add(1, Relaxed);
        }
        let seen = (!told).then(|| self.data.look());
        self.lock().stop_reading(reading);
        seen
    }

    /// Does what an honest writer does.
    pub(super) fn work(&self, token: &mut WriterToken) {
        if token.owner_died() {
            self.writers_told.fetch_add(1, Relaxed);
            self.data.repair();
            self.lock().mark_consistent(token);
        }
        self.data.bump();
    }

    /// [Works](Self::work), and leaves.
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

    /// Gives back what `dead` holds, if it is dead.
    pub(super) fn reap(&self, dead: u32) {
        if !is_byte_locked(dead - 1) {
            self.lock().recover(tag(dead));
        }
    }

    /// How many writers were told that a writer had died.
    pub(super) fn writers_told(&self) -> u32 {
        self.writers_told.load(Relaxed)
    }

    /// How many readers were told that a writer had died.
    pub(super) fn readers_told(&self) -> u32 {
        self.readers_told.load(Relaxed)
    }

    /// Everybody has gone or died: the next writer, and then the next reader, come in at once, and
    /// the data is whole.
    pub(super) fn close(&self, written: core::ops::RangeInclusive<u64>) {
        let token = self.try_write(3);
        self.serve(token.expect("somebody is counted who is not there"));
        let made = self.data.value() - 1;
        assert!(
            written.contains(&made),
            "{made} writes, expected {written:?}"
        );
        let reading = self.try_read(3).expect("somebody writes who is not there");
        assert!(!reading.owner_died() && !reading.is_poisoned());
        assert_eq!(self.browse(reading), Some(made + 1));
    }
}

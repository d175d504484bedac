//! What the models share: who plays, who knows whether they live, and data that a death can tear.
//!
//! Modelled processes are numbered from 1. What [`players`] sets up is a world without a registry:
//! process n holds byte n - 1 from the beginning, and the byte locks alone say who lives.

use core::convert::Infallible;

use loom::thread::JoinHandle;

use crate::facade::Words;
use crate::facade::model::{is_byte_locked, lock_byte, process, unlock_byte};
use crate::layout::Tag;
use crate::raw::Peers;
use crate::raw::registry::ByteLocks;

/// The tag of process `id` in a world without a registry.
pub(crate) fn tag(id: u32) -> Tag {
    Tag::new(id - 1, 1).unwrap()
}

/// Processes 1 to 3 exist from now on.
pub(crate) fn players() {
    for id in 1..=3 {
        assert!(lock_byte(id - 1, id), "byte {} is taken", id - 1);
    }
}

/// Starts process `id` on a thread of its own; it dies before its `death`-th step.
pub(crate) fn start(id: u32, death: Option<u32>, body: impl Fn() + 'static) -> JoinHandle<bool> {
    loom::thread::spawn(move || process(id, death, body))
}

/// Waits for all of them to end or die.
pub(crate) fn finish(processes: impl IntoIterator<Item = JoinHandle<bool>>) {
    for process in processes {
        process.join().unwrap();
    }
}

/// What process `.0` knows of its peers: what the kernel says of their byte locks.
pub(crate) struct Oracle(pub(crate) u32);

impl Peers for Oracle {
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.0) || is_byte_locked(other.index())
    }
    fn am_alive(&self) -> bool {
        true
    }
    fn participants(&self) -> u32 {
        3
    }
}

/// The byte locks as process `.0` uses them.
#[derive(Clone, Copy)]
pub(crate) struct Bytes(pub(crate) u32);

impl ByteLocks for Bytes {
    type Error = Infallible;

    fn try_lock(&self, index: u32) -> Result<bool, Infallible> {
        Ok(lock_byte(index, self.0))
    }
    fn unlock(&self, index: u32) -> Result<(), Infallible> {
        unlock_byte(index, self.0);
        Ok(())
    }
    fn is_locked(&self, index: u32) -> bool {
        is_byte_locked(index)
    }
}

/// Two numbers that are equal but while somebody is at work on them, or has died at it. loom fails
/// the model if two processes are at work at once.
pub(crate) struct Pair(Words<1>, Words<1>);

impl Pair {
    pub(crate) fn new() -> Self {
        Self(Words::new([0]), Words::new([0]))
    }

    /// Makes them equal again.
    pub(crate) fn repair(&self) {
        self.1.write(&self.0.read());
    }

    /// Counts both up.
    pub(crate) fn bump(&self) {
        let [first] = self.0.read();
        let [second] = self.1.read();
        assert_eq!(
            first, second,
            "torn data, and nobody said that an owner had died"
        );
        self.0.write(&[first + 1]);
        self.1.write(&[first + 1]);
    }

    /// What both are, as one sees it who only reads.
    pub(crate) fn look(&self) -> u64 {
        let [first] = self.0.read();
        let [second] = self.1.read();
        assert_eq!(
            first, second,
            "torn data, and nobody said that a writer had died"
        );
        first
    }

    pub(crate) fn value(&self) -> u64 {
        let [first] = self.0.read();
        first
    }
}

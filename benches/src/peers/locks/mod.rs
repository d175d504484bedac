//! The locks that crossdock's are held beside, and what each of them is.

mod entrants;
mod flock;
mod ours;
mod python;
mod raw_sync;
mod semaphore;
mod threads;
mod yardsticks;

use std::fmt::Display;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crossdock_cli::Failure;
use crossdock_cli::contention::Contestant;
use crossdock_cli::memory::Memory;
use crossdock_cli::work::Work;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use entrants::{AfterKill, ENTRANTS, Entrant, OURS, ROBUST, Sort, entrant};
pub(crate) use flock::Flock;
pub(crate) use ours::Ours;
pub(crate) use python::{Script, version as python_version};
pub(crate) use raw_sync::RawSync;
pub(crate) use semaphore::Semaphore;
pub(crate) use yardsticks::{Futex, Pthread, Robust};

/// What somebody said who is not ours.
pub(crate) fn failed(who: &'static str, words: impl Display) -> Failure {
    Failure::io(who)(io::Error::other(words.to_string()))
}

/// Mutual exclusion between processes.
pub(crate) trait Lock: Sized + 'static {
    /// What travels to the processes that use it.
    type Handle: Clone + Serialize + DeserializeOwned + 'static;
    /// Its name among the entrants.
    const NAME: &'static str;

    /// Makes one that nobody holds.
    fn create() -> Result<Self::Handle, Failure>;

    /// Gets at one from the process that will use it.
    fn attach(handle: &Self::Handle) -> Result<Self, Failure>;

    /// Runs `change` while the lock is held; before it `repair`, if the lock says that its last
    /// owner died holding it.
    fn with(&self, repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure>;
}

/// Where in the memory of a lock the number stands: on its cache line, as data usually do.
const NUMBER: usize = 56;
/// The size of the memory of a lock.
const SIZE: usize = 4096;

/// Adds to a number under a lock that lives in memory of its own.
pub(crate) struct Adds<L> {
    lock: L,
    number: NonNull<AtomicU64>,
    /// Keeps the number mapped.
    _memory: Memory,
}

fn number(memory: &Memory) -> NonNull<AtomicU64> {
    memory.at(NUMBER)
}

impl<L: Lock<Handle = Memory>> Contestant for Adds<L> {
    type Handle = Memory;
    const NAME: &'static str = L::NAME;

    fn create(_processes: u32) -> Result<Memory, Failure> {
        L::create()
    }

    fn attach(handle: &Memory) -> Result<Self, Failure> {
        Ok(Self {
            lock: L::attach(handle)?,
            number: number(handle),
            _memory: handle.clone(),
        })
    }

    fn add(&self, inside: Work) -> Result<(), Failure> {
        let nothing_to_repair = || ();
        self.lock.with(nothing_to_repair, || {
            // SAFETY: `_memory` keeps it mapped, and an atomic may be shared with anybody.
            let number = unsafe { self.number.as_ref() };
            number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            inside.run();
        })
    }

    fn total(handle: &Memory) -> Result<u64, Failure> {
        // SAFETY: `handle` keeps it mapped, and an atomic may be shared with anybody.
        let number = unsafe { number(handle).as_ref() };
        Ok(number.load(Ordering::Relaxed))
    }
}

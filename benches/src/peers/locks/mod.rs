//! The locks that crossdock's are held beside, and what each of them is.

#[cfg(boost_locks)]
mod boost;
mod entrants;
mod flock;
mod ours;
mod permits;
mod python;
mod raw_sync;
mod semaphore;
mod system_v;
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

#[cfg(boost_locks)]
pub(crate) use boost::{BoostMutex, BoostSemaphore, version as boost_version};
pub(crate) use entrants::{
    AfterKill, ENTRANTS, Entrant, OUR_SEMAPHORE, OURS, ROBUST, Sort, entrant,
};
pub(crate) use flock::Flock;
pub(crate) use ours::Ours;
pub(crate) use permits::Permits;
pub(crate) use python::{Script, version as python_version};
pub(crate) use raw_sync::RawSync;
pub(crate) use semaphore::Semaphore;
pub(crate) use system_v::SystemV;
pub(crate) use yardsticks::{Futex, Pthread, Robust};

/// What a peer said.
pub(crate) fn failed(who: &'static str, words: impl Display) -> Failure {
    Failure::io(who)(io::Error::other(words.to_string()))
}

/// Mutual exclusion between processes.
pub(crate) trait Lock: Sized + 'static {
    /// What travels to the processes that use it.
    type Handle: Clone + Serialize + DeserializeOwned + 'static;
    /// Its name among the entrants.
    const NAME: &'static str;

    /// Makes one that no process holds.
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
        add_under(&self.lock, self.number, inside)
    }

    fn total(handle: &Memory) -> Result<u64, Failure> {
        Ok(total(handle))
    }
}

/// Adds to a number in memory of its own, under a lock that is elsewhere.
pub(crate) struct AddsBeside<L>(Adds<L>);

impl<L: Lock> Contestant for AddsBeside<L> {
    type Handle = (L::Handle, Memory);
    const NAME: &'static str = L::NAME;

    fn create(_processes: u32) -> Result<Self::Handle, Failure> {
        Ok((L::create()?, Memory::new(SIZE)?))
    }

    fn attach((lock, memory): &Self::Handle) -> Result<Self, Failure> {
        Ok(Self(Adds {
            lock: L::attach(lock)?,
            number: number(memory),
            _memory: memory.clone(),
        }))
    }

    fn add(&self, inside: Work) -> Result<(), Failure> {
        add_under(&self.0.lock, self.0.number, inside)
    }

    fn total((_, memory): &Self::Handle) -> Result<u64, Failure> {
        Ok(total(memory))
    }
}

#[inline]
fn add_under(lock: &impl Lock, number: NonNull<AtomicU64>, inside: Work) -> Result<(), Failure> {
    let nothing_to_repair = || ();
    lock.with(nothing_to_repair, || {
        // SAFETY: its owner keeps it mapped, and an atomic may be shared with any process.
        let number = unsafe { number.as_ref() };
        number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        inside.run();
    })
}

fn total(memory: &Memory) -> u64 {
    // SAFETY: `memory` keeps it mapped, and an atomic may be shared with any process.
    let number = unsafe { number(memory).as_ref() };
    number.load(Ordering::Relaxed)
}

//! The yardsticks of `crossdock-cli`, as the kill tests use them.

use std::ptr::NonNull;

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;
use crossdock_cli::yardstick::{FutexLock, PthreadLock, Robustness};

use super::{Lock, SIZE};

pub(crate) struct Futex {
    lock: NonNull<FutexLock>,
    /// Keeps the lock mapped.
    _memory: Memory,
}

impl Lock for Futex {
    type Handle = Memory;
    const NAME: &'static str = "futex";

    fn create() -> Result<Memory, Failure> {
        // A lock of zeros is free.
        Memory::new(SIZE)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self {
            lock: memory.at(0),
            _memory: memory.clone(),
        })
    }

    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        // SAFETY: `_memory` keeps it mapped, and any bytes are one.
        let lock = unsafe { self.lock.as_ref() };
        lock.lock();
        change();
        lock.unlock();
        Ok(())
    }
}

/// pthread's mutex, which stays locked when its owner dies.
pub(crate) struct Pthread(InMemory);

/// pthread's mutex, which says so.
pub(crate) struct Robust(InMemory);

struct InMemory {
    lock: PthreadLock,
    /// Keeps the lock mapped.
    _memory: Memory,
}

impl InMemory {
    fn create(robustness: Robustness) -> Result<Memory, Failure> {
        let memory = Memory::new(SIZE)?;
        // SAFETY: fresh memory, aligned for it, that no other code knows of; each user keeps it.
        unsafe { PthreadLock::new(memory.at(0), robustness) }?;
        Ok(memory)
    }

    fn attach(memory: &Memory) -> Self {
        Self {
            // SAFETY: `create` made it there, and `_memory` keeps it mapped.
            lock: unsafe { PthreadLock::at(memory.at(0)) },
            _memory: memory.clone(),
        }
    }

    fn with(&self, repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        if self.lock.lock()? {
            repair();
        }
        change();
        self.lock.unlock();
        Ok(())
    }
}

impl Lock for Pthread {
    type Handle = Memory;
    const NAME: &'static str = "pthread";

    fn create() -> Result<Memory, Failure> {
        InMemory::create(Robustness::Stalled)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self(InMemory::attach(memory)))
    }

    fn with(&self, repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        self.0.with(repair, change)
    }
}

impl Lock for Robust {
    type Handle = Memory;
    const NAME: &'static str = super::ROBUST;

    fn create() -> Result<Memory, Failure> {
        InMemory::create(Robustness::Robust)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self(InMemory::attach(memory)))
    }

    fn with(&self, repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        self.0.with(repair, change)
    }
}

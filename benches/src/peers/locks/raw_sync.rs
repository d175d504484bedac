//! raw_sync's `Mutex`: a pthread mutex behind a pointer, not robust.
//!
//! Only its `lock` is used: `try_lock` with a time adds nanoseconds without a carry, so it fails at
//! random. Known, not shown here, not patched.

use std::sync::atomic::AtomicU64;

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;
use raw_sync::locks::{LockImpl, LockInit, Mutex};

use super::{Lock, NUMBER, SIZE, failed};

pub(crate) struct RawSync {
    lock: Box<dyn LockImpl>,
    /// Keeps the lock mapped.
    _memory: Memory,
}

impl Lock for RawSync {
    type Handle = Memory;
    const NAME: &'static str = "raw_sync";

    fn create() -> Result<Memory, Failure> {
        let memory = Memory::new(SIZE)?;
        let (place, data) = (memory.at::<u64>(0), memory.at::<AtomicU64>(NUMBER));
        // SAFETY: `place` begins fresh memory that no other code knows of, with room for the lock
        // before `NUMBER`.
        let made = unsafe { Mutex::new(place.as_ptr().cast(), data.as_ptr().cast()) };
        let (_, used) = made.map_err(|error| failed("raw_sync", error))?;
        assert!(used <= NUMBER, "the lock reaches over its number");
        Ok(memory)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        let (place, data) = (memory.at::<u64>(0), memory.at::<AtomicU64>(NUMBER));
        // SAFETY: `create` made a lock at `place`, and `_memory` keeps it mapped.
        let found = unsafe { Mutex::from_existing(place.as_ptr().cast(), data.as_ptr().cast()) };
        let (lock, _) = found.map_err(|error| failed("raw_sync", error))?;
        Ok(Self {
            lock,
            _memory: memory.clone(),
        })
    }

    #[inline]
    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        let _guard = self
            .lock
            .lock()
            .map_err(|error| failed("raw_sync", error))?;
        change();
        Ok(())
    }
}

//! Boost.Interprocess's `interprocess_mutex` and `interprocess_semaphore`, through functions of
//! `boost.cpp`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;

use crossdock_cli::Failure;
use crossdock_cli::memory::Memory;

use super::{Lock, NUMBER, SIZE, failed};

/// A function that makes a lock, acquires it or releases it where it is.
type Call = unsafe extern "C" fn(*mut c_void) -> c_int;

unsafe extern "C" {
    fn compare_boost_locks_version() -> *const c_char;
    fn compare_boost_mutex_size() -> usize;
    fn compare_boost_mutex_make(at: *mut c_void) -> c_int;
    fn compare_boost_mutex_lock(at: *mut c_void) -> c_int;
    fn compare_boost_mutex_unlock(at: *mut c_void) -> c_int;
    fn compare_boost_semaphore_size() -> usize;
    fn compare_boost_semaphore_make(at: *mut c_void) -> c_int;
    fn compare_boost_semaphore_wait(at: *mut c_void) -> c_int;
    fn compare_boost_semaphore_post(at: *mut c_void) -> c_int;
}

/// Which Boost it is.
pub(crate) fn version() -> String {
    // SAFETY: takes nothing, and returns a string that lives as long as the program.
    let version = unsafe { compare_boost_locks_version() };
    // SAFETY: as above.
    let version = unsafe { CStr::from_ptr(version) };
    version.to_string_lossy().replace('_', ".")
}

/// A lock of Boost's.
struct InMemory {
    lock: NonNull<c_void>,
    /// Keeps the lock mapped.
    _memory: Memory,
}

impl InMemory {
    fn create(size: unsafe extern "C" fn() -> usize, make: Call) -> Result<Memory, Failure> {
        // SAFETY: takes nothing.
        let size = unsafe { size() };
        if size > NUMBER {
            let words = format!("a lock of {size} bytes, and room for {NUMBER}");
            return Err(failed("Boost's lock", words));
        }
        let made = Self::attach(&Memory::new(SIZE)?);
        made.call(make)?;
        Ok(made._memory)
    }

    fn attach(memory: &Memory) -> Self {
        Self {
            lock: memory.at(0),
            _memory: memory.clone(),
        }
    }

    #[inline]
    fn call(&self, call: Call) -> Result<(), Failure> {
        // SAFETY: `_memory` keeps so many bytes mapped, at the start of a page; `create` makes the
        // lock there before any other call.
        match unsafe { call(self.lock.as_ptr()) } {
            0 => Ok(()),
            _ => Err(failed("Boost's lock", "an exception")),
        }
    }

    #[inline]
    fn with(&self, acquire: Call, release: Call, change: impl FnOnce()) -> Result<(), Failure> {
        self.call(acquire)?;
        change();
        self.call(release)
    }
}

pub(crate) struct BoostMutex(InMemory);

impl Lock for BoostMutex {
    type Handle = Memory;
    const NAME: &'static str = "boost-mutex";

    fn create() -> Result<Memory, Failure> {
        InMemory::create(compare_boost_mutex_size, compare_boost_mutex_make)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self(InMemory::attach(memory)))
    }

    #[inline]
    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        self.0
            .with(compare_boost_mutex_lock, compare_boost_mutex_unlock, change)
    }
}

/// Of one permit, used as a lock.
pub(crate) struct BoostSemaphore(InMemory);

impl Lock for BoostSemaphore {
    type Handle = Memory;
    const NAME: &'static str = "boost-semaphore";

    fn create() -> Result<Memory, Failure> {
        InMemory::create(compare_boost_semaphore_size, compare_boost_semaphore_make)
    }

    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self(InMemory::attach(memory)))
    }

    #[inline]
    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        let acquire = compare_boost_semaphore_wait;
        self.0.with(acquire, compare_boost_semaphore_post, change)
    }
}

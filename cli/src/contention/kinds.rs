//! The contestants: crossdock's own, and the yardsticks.

use std::ptr::NonNull;

use crossdock::{Counter, Mutex, Placeable, Segment, SegmentOptions, ShardedCounter};

use super::readers::{PthreadReads, PthreadWrites, Reads, Writes};
use super::{Contestant, Kind};
use crate::Failure;
use crate::memory::Memory;
use crate::work::Work;
use crate::yardstick::{FutexLock, PthreadLock, Robustness};

/// All kinds that are measured without anything else installed. One line for each primitive.
pub const KINDS: &[Kind] = &[
    Kind::of::<Racy>("load, add, store: no lock, and wrong"),
    Kind::of::<Locked>("crossdock::Mutex<u64>"),
    Kind::of::<Atomic>("crossdock::Counter"),
    Kind::of::<Sharded>("crossdock::ShardedCounter"),
    Kind::of::<Reads>("crossdock::RwLock<u64>, read"),
    Kind::of::<Writes>("crossdock::RwLock<u64>, written"),
    Kind::of::<Futex>("yardstick: a plain lock on a futex, which its owner's death leaves locked"),
    Kind::of::<Pthread<false>>("yardstick: pthread_mutex_t between processes, as the one before"),
    Kind::of::<Pthread<true>>("yardstick: the same, robust: the next one is told of a death"),
    Kind::of::<PthreadReads>("yardstick: pthread_rwlock_t between processes, read"),
    Kind::of::<PthreadWrites>("yardstick: the same, written"),
];

/// A segment with room for so many processes and their driver.
pub(super) fn segment(processes: u32) -> Result<Segment, Failure> {
    let participants = (processes + 8).min(1023);
    let size = (256 << 10) + u64::from(participants) * 256;
    Ok(SegmentOptions::new()
        .size(size)
        .participants(participants)
        .anonymous()?)
}

fn entry<P: Placeable>(processes: u32, config: P::Config) -> Result<P, Failure> {
    Ok(segment(processes)?.create("number", config)?)
}

struct Racy(Counter);

impl Contestant for Racy {
    type Handle = Counter;
    const NAME: &'static str = "racy";

    fn create(processes: u32) -> Result<Counter, Failure> {
        entry(processes, 0)
    }
    fn attach(handle: &Counter) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        let seen = self.0.load();
        inside.run();
        self.0.store(seen + 1);
        Ok(())
    }
    fn total(handle: &Counter) -> Result<u64, Failure> {
        Ok(handle.load())
    }
}

struct Locked(Mutex<u64>);

impl Contestant for Locked {
    type Handle = Mutex<u64>;
    const NAME: &'static str = "mutex";

    fn create(processes: u32) -> Result<Mutex<u64>, Failure> {
        entry(processes, 0)
    }
    fn attach(handle: &Mutex<u64>) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        let mut number = self.0.lock_or_repair(|_| ())?;
        *number += 1;
        inside.run();
        Ok(())
    }
    fn total(handle: &Mutex<u64>) -> Result<u64, Failure> {
        Ok(*handle.lock_or_repair(|_| ())?)
    }
}

struct Atomic(Counter);

impl Contestant for Atomic {
    type Handle = Counter;
    const NAME: &'static str = "counter";

    fn create(processes: u32) -> Result<Counter, Failure> {
        entry(processes, 0)
    }
    fn attach(handle: &Counter) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        self.0.add(1);
        inside.run();
        Ok(())
    }
    fn total(handle: &Counter) -> Result<u64, Failure> {
        Ok(handle.load())
    }
}

struct Sharded(ShardedCounter);

impl Contestant for Sharded {
    type Handle = ShardedCounter;
    const NAME: &'static str = "sharded";

    fn create(processes: u32) -> Result<ShardedCounter, Failure> {
        entry(processes, ())
    }
    fn attach(handle: &ShardedCounter) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        self.0.add(1);
        inside.run();
        Ok(())
    }
    fn total(handle: &ShardedCounter) -> Result<u64, Failure> {
        Ok(handle.load())
    }
}

/// Where the number of a yardstick is: on its lock's cache line, as in crossdock's mutex.
const NUMBER: usize = 56;

/// The number of a yardstick, for a process that holds its lock.
pub(super) struct Number(NonNull<u64>);

impl Number {
    pub(super) fn in_memory(memory: &Memory) -> Self {
        Self(memory.at(NUMBER))
    }

    #[inline]
    pub(super) fn add(&self) {
        let next = self.get() + 1;
        // SAFETY: `Memory::at` checked the place, whose memory its contestant keeps; the lock is
        // held.
        unsafe { self.0.write_volatile(next) };
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        // SAFETY: as in `add`.
        unsafe { self.0.read_volatile() }
    }
}

struct Futex {
    lock: NonNull<FutexLock>,
    number: Number,
    _memory: Memory,
}

impl Contestant for Futex {
    type Handle = Memory;
    const NAME: &'static str = "futex";

    fn create(_processes: u32) -> Result<Memory, Failure> {
        // A lock of zeros is free.
        Memory::new(4096)
    }
    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self {
            lock: memory.at(0),
            number: Number::in_memory(memory),
            _memory: memory.clone(),
        })
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        // SAFETY: mapped as long as `self`, one atomic word, for which any bytes are valid.
        let lock = unsafe { self.lock.as_ref() };
        lock.lock();
        self.number.add();
        inside.run();
        lock.unlock();
        Ok(())
    }
    fn total(memory: &Memory) -> Result<u64, Failure> {
        Ok(Number::in_memory(memory).get())
    }
}

/// Memory with a pthread mutex at its start.
///
/// # Errors
///
/// The memory or the mutex could not be made.
pub fn pthread_memory(robustness: Robustness) -> Result<Memory, Failure> {
    let memory = Memory::new(4096)?;
    // SAFETY: fresh memory of the right size, page-aligned; a process that uses the lock keeps it.
    unsafe { PthreadLock::new(memory.at(0), robustness) }?;
    Ok(memory)
}

/// The lock of [`pthread_memory`].
pub fn pthread_lock(memory: &Memory) -> PthreadLock {
    // SAFETY: initialised by `pthread_memory`; the caller keeps the memory.
    unsafe { PthreadLock::at(memory.at(0)) }
}

/// A number under a pthread mutex, robust or not.
struct Pthread<const ROBUST: bool> {
    lock: PthreadLock,
    number: Number,
    _memory: Memory,
}

impl<const ROBUST: bool> Contestant for Pthread<ROBUST> {
    type Handle = Memory;
    const NAME: &'static str = if ROBUST { "pthread-robust" } else { "pthread" };

    fn create(_processes: u32) -> Result<Memory, Failure> {
        pthread_memory(if ROBUST {
            Robustness::Robust
        } else {
            Robustness::Stalled
        })
    }
    fn attach(memory: &Memory) -> Result<Self, Failure> {
        Ok(Self {
            lock: pthread_lock(memory),
            number: Number::in_memory(memory),
            _memory: memory.clone(),
        })
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        self.lock.lock()?;
        self.number.add();
        inside.run();
        self.lock.unlock();
        Ok(())
    }
    fn total(memory: &Memory) -> Result<u64, Failure> {
        Ok(Number::in_memory(memory).get())
    }
}

//! The contestants that many can use at a time: locks of readers and writers.
//!
//! One that reads adds nothing to the number: it looks at it under the lock, counts that in its own
//! memory, and adds its count to that of the others when it is done.

use std::cell::Cell;
use std::hint::black_box;

use crossdock::{Counter, RwLock};

use super::Contestant;
use super::kinds::{Number, segment};
use crate::Failure;
use crate::memory::Memory;
use crate::work::Work;
use crate::yardstick::PthreadRwLock;

/// How often a worker has read, which is added to the others' when it ends.
struct Tally {
    all: Counter,
    own: Cell<u64>,
}

impl Tally {
    fn of(all: &Counter) -> Self {
        Self {
            all: all.clone(),
            own: Cell::new(0),
        }
    }

    #[inline]
    fn count(&self) {
        self.own.set(self.own.get() + 1);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.all.add(self.own.get());
    }
}

pub(super) struct Reads {
    lock: RwLock<u64>,
    tally: Tally,
}

impl Contestant for Reads {
    type Handle = (RwLock<u64>, Counter);
    const NAME: &'static str = "rwlock-read";

    fn create(processes: u32) -> Result<Self::Handle, Failure> {
        let segment = segment(processes)?;
        Ok((segment.create("number", 0)?, segment.create("reads", 0)?))
    }
    fn attach((lock, reads): &Self::Handle) -> Result<Self, Failure> {
        Ok(Self {
            lock: lock.clone(),
            tally: Tally::of(reads),
        })
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        let number = self.lock.read_or_repair(|_| ())?;
        black_box(*number);
        self.tally.count();
        inside.run();
        Ok(())
    }
    fn total((_, reads): &Self::Handle) -> Result<u64, Failure> {
        Ok(reads.load())
    }
}

pub(super) struct Writes(RwLock<u64>);

impl Contestant for Writes {
    type Handle = RwLock<u64>;
    const NAME: &'static str = "rwlock-write";

    fn create(processes: u32) -> Result<RwLock<u64>, Failure> {
        Ok(segment(processes)?.create("number", 0)?)
    }
    fn attach(handle: &RwLock<u64>) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        let mut number = self.0.write_or_repair(|_| ())?;
        *number += 1;
        inside.run();
        Ok(())
    }
    fn total(handle: &RwLock<u64>) -> Result<u64, Failure> {
        Ok(*handle.read_or_repair(|_| ())?)
    }
}

/// Memory with a pthread_rwlock_t at its start.
fn pthread_memory() -> Result<Memory, Failure> {
    let memory = Memory::new(4096)?;
    // SAFETY: fresh memory of the right size, page-aligned; a process that uses the lock keeps it.
    unsafe { PthreadRwLock::new(memory.at(0)) }?;
    Ok(memory)
}

fn pthread_lock(memory: &Memory) -> PthreadRwLock {
    // SAFETY: initialised by `pthread_memory`; the caller keeps the memory.
    unsafe { PthreadRwLock::at(memory.at(0)) }
}

pub(super) struct PthreadReads {
    lock: PthreadRwLock,
    number: Number,
    tally: Tally,
    _memory: Memory,
}

impl Contestant for PthreadReads {
    type Handle = (Memory, Counter);
    const NAME: &'static str = "pthread-rwlock-read";

    fn create(processes: u32) -> Result<Self::Handle, Failure> {
        Ok((pthread_memory()?, segment(processes)?.create("reads", 0)?))
    }
    fn attach((memory, reads): &Self::Handle) -> Result<Self, Failure> {
        Ok(Self {
            lock: pthread_lock(memory),
            number: Number::in_memory(memory),
            tally: Tally::of(reads),
            _memory: memory.clone(),
        })
    }
    #[inline]
    fn add(&self, inside: Work) -> Result<(), Failure> {
        self.lock.read()?;
        black_box(self.number.get());
        self.tally.count();
        inside.run();
        self.lock.unlock();
        Ok(())
    }
    fn total((_, reads): &Self::Handle) -> Result<u64, Failure> {
        Ok(reads.load())
    }
}

pub(super) struct PthreadWrites {
    lock: PthreadRwLock,
    number: Number,
    _memory: Memory,
}

impl Contestant for PthreadWrites {
    type Handle = Memory;
    const NAME: &'static str = "pthread-rwlock-write";

    fn create(_processes: u32) -> Result<Memory, Failure> {
        pthread_memory()
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
        self.lock.write()?;
        self.number.add();
        inside.run();
        self.lock.unlock();
        Ok(())
    }
    fn total(memory: &Memory) -> Result<u64, Failure> {
        Ok(Number::in_memory(memory).get())
    }
}

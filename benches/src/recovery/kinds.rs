//! The locks whose owners are killed.

use crossdock::queue::WorkQueue;
use crossdock::segment::Monitor;
use crossdock::sync::LockError;
use crossdock::{Mutex, Segment};

use super::{Kind, Lock};
use crossdock_cli::Failure;
use crossdock_cli::contention::{pthread_lock, pthread_memory};
use crossdock_cli::memory::Memory;
use crossdock_cli::yardstick::Robustness;

/// All kinds that are measured without anything else installed. One line for each lock.
pub const KINDS: &[Kind] = &[
    Kind::of::<InSlices>("crossdock::Mutex: the waiter looks at the owner after 1 to 50 ms"),
    Kind::of::<Monitored>("the same, with a segment::Monitor in the waiter's process"),
    Kind::of::<Message>(
        "crossdock::queue::WorkQueue: a receiver waits for the message that the killed one had in hand",
    ),
    Kind::of::<PthreadRobust>("yardstick: pthread_mutex_t between processes, robust"),
];

/// A mutex and the segment that it is in.
type InSegment = (Segment, Mutex<u64>);

fn create() -> Result<InSegment, Failure> {
    let segment = Segment::anonymous()?;
    let mutex = segment.create("lock", 0)?;
    Ok((segment, mutex))
}

fn hold((_, mutex): &InSegment) -> Result<(), Failure> {
    std::mem::forget(mutex.lock_or_repair(|_| ())?);
    Ok(())
}

fn take((_, mutex): &InSegment, have: impl FnOnce()) -> Result<bool, Failure> {
    match mutex.lock() {
        Ok(_guard) => Ok(false),
        Err(LockError::OwnerDied(mut guard)) => {
            have();
            guard.mark_consistent();
            Ok(true)
        }
        Err(error) => Err(Failure::Worker(error.to_string())),
    }
}

struct InSlices;

impl Lock for InSlices {
    type Handle = InSegment;
    type Waiting = ();
    const NAME: &'static str = "mutex";

    fn create() -> Result<InSegment, Failure> {
        create()
    }
    fn hold(handle: &InSegment) -> Result<(), Failure> {
        hold(handle)
    }
    fn prepare(_handle: &InSegment) -> Result<(), Failure> {
        Ok(())
    }
    fn take(handle: &InSegment, have: impl FnOnce()) -> Result<bool, Failure> {
        take(handle, have)
    }
}

struct Monitored;

impl Lock for Monitored {
    type Handle = InSegment;
    type Waiting = Monitor;
    const NAME: &'static str = "mutex-monitor";

    fn create() -> Result<InSegment, Failure> {
        create()
    }
    fn hold(handle: &InSegment) -> Result<(), Failure> {
        hold(handle)
    }
    fn prepare((segment, _): &InSegment) -> Result<Monitor, Failure> {
        let monitor = Monitor::start()?;
        monitor.watch(segment)?;
        Ok(monitor)
    }
    fn take(handle: &InSegment, have: impl FnOnce()) -> Result<bool, Failure> {
        take(handle, have)
    }
}

/// A message in the hands of the one that is killed: the waiter is given it again.
struct Message;

impl Lock for Message {
    type Handle = (Segment, WorkQueue<u64>);
    type Waiting = ();
    const NAME: &'static str = "work";

    fn create() -> Result<Self::Handle, Failure> {
        let segment = Segment::anonymous()?;
        let queue: WorkQueue<u64> = segment.create("work", 2)?;
        queue
            .send(1)
            .map_err(|error| Failure::Worker(error.to_string()))?;
        Ok((segment, queue))
    }
    fn hold((_, queue): &Self::Handle) -> Result<(), Failure> {
        let delivery = queue.recv();
        std::mem::forget(delivery.map_err(|error| Failure::Worker(error.to_string()))?);
        Ok(())
    }
    fn prepare(_handle: &Self::Handle) -> Result<(), Failure> {
        Ok(())
    }
    fn take((_, queue): &Self::Handle, have: impl FnOnce()) -> Result<bool, Failure> {
        let delivery = queue.recv();
        let delivery = delivery.map_err(|error| Failure::Worker(error.to_string()))?;
        have();
        Ok(delivery.attempt() > 1)
    }
}

struct PthreadRobust;

impl Lock for PthreadRobust {
    type Handle = Memory;
    type Waiting = ();
    const NAME: &'static str = super::YARDSTICK;

    fn create() -> Result<Memory, Failure> {
        pthread_memory(Robustness::Robust)
    }
    fn hold(memory: &Memory) -> Result<(), Failure> {
        pthread_lock(memory).lock().map(drop)
    }
    fn prepare(_memory: &Memory) -> Result<(), Failure> {
        Ok(())
    }
    fn take(memory: &Memory, have: impl FnOnce()) -> Result<bool, Failure> {
        let lock = pthread_lock(memory);
        let died = lock.lock()?;
        have();
        lock.unlock();
        Ok(died)
    }
}

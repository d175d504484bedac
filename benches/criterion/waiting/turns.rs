//! Starvation at a lock for readers and writers: one process reads as often as it can while others
//! write without a pause, by crossdock's and by pthread's in both of its kinds.
//!
//! The reader counts the writes that were made from when it asked for the lock until it had it.

use std::cell::UnsafeCell;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use crossdock::{RwLock, Segment};

use crate::Failed;
use crate::meeting::{fork, shared_memory};
use crate::trips::pin;

const WRITERS: usize = 2;
const FOR: Duration = Duration::from_millis(500);
/// As many reads as are kept, at most.
const KEPT: usize = 1 << 16;

/// pthread's kinds, by the numbers that glibc gives them.
const PREFERS_READERS: i32 = 0;
const PREFERS_WRITERS: i32 = 2;

unsafe extern "C" {
    fn pthread_rwlockattr_setkind_np(attributes: *mut libc::pthread_rwlockattr_t, kind: i32)
    -> i32;
}

/// What the processes share.
#[repr(C)]
struct Shared {
    lock: UnsafeCell<libc::pthread_rwlock_t>,
    stop: AtomicBool,
    writes: AtomicU64,
    reads: AtomicU64,
    passed: [AtomicU64; KEPT],
}

enum Lock {
    Ours(Box<RwLock<u64>>),
    Pthread,
}

impl Lock {
    fn new(shared: &Shared, kind: Option<i32>) -> Result<Self, Failed> {
        let Some(kind) = kind else {
            let lock = Segment::anonymous()?.create("lock", 0)?;
            return Ok(Self::Ours(Box::new(lock)));
        };
        // SAFETY: attributes of this frame.
        let mut attributes = unsafe { std::mem::zeroed::<libc::pthread_rwlockattr_t>() };
        let attributes = &raw mut attributes;
        // SAFETY: as above.
        checked(unsafe { libc::pthread_rwlockattr_init(attributes) })?;
        // SAFETY: as above, initialised.
        checked(unsafe {
            libc::pthread_rwlockattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED)
        })?;
        // SAFETY: as above.
        checked(unsafe { pthread_rwlockattr_setkind_np(attributes, kind) })?;
        // SAFETY: shared memory, in which nothing uses the lock yet.
        checked(unsafe { libc::pthread_rwlock_init(shared.lock.get(), attributes) })?;
        Ok(Self::Pthread)
    }

    fn read(&self, shared: &Shared, inside: impl FnOnce()) -> Result<(), Failed> {
        match self {
            Self::Ours(lock) => {
                let guard = lock.read_or_repair(|_| ())?;
                inside();
                drop(guard);
            }
            Self::Pthread => {
                // SAFETY: `new` has made it.
                checked(unsafe { libc::pthread_rwlock_rdlock(shared.lock.get()) })?;
                inside();
                // SAFETY: held by this thread.
                checked(unsafe { libc::pthread_rwlock_unlock(shared.lock.get()) })?;
            }
        }
        Ok(())
    }

    fn write(&self, shared: &Shared) -> Result<(), Failed> {
        match self {
            Self::Ours(lock) => {
                let guard = lock.write_or_repair(|_| ())?;
                shared
                    .writes
                    .store(shared.writes.load(Relaxed) + 1, Relaxed);
                drop(guard);
            }
            Self::Pthread => {
                // SAFETY: `new` has made it.
                checked(unsafe { libc::pthread_rwlock_wrlock(shared.lock.get()) })?;
                shared
                    .writes
                    .store(shared.writes.load(Relaxed) + 1, Relaxed);
                // SAFETY: held by this thread.
                checked(unsafe { libc::pthread_rwlock_unlock(shared.lock.get()) })?;
            }
        }
        Ok(())
    }
}

fn checked(returned: i32) -> Result<(), Failed> {
    match returned {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error).into()),
    }
}

/// Reads until it is over; each time the writes that have passed are noted.
fn read(lock: &Lock, shared: &Shared) -> Result<(), Failed> {
    // Its first read, by which crossdock's lock learns of the process.
    lock.read(shared, || ())?;
    while !shared.stop.load(Relaxed) {
        let before = shared.writes.load(Relaxed);
        lock.read(shared, || {
            let read = shared.reads.load(Relaxed);
            if let Some(passed) = shared.passed.get(usize::try_from(read).unwrap_or(KEPT)) {
                passed.store(shared.writes.load(Relaxed) - before, Relaxed);
            }
            shared.reads.store(read + 1, Relaxed);
        })?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "what happens in that time is what is measured"
)]
fn run(name: &str, kind: Option<i32>) -> Result<(), Failed> {
    let memory: NonNull<Shared> = shared_memory()?;
    // SAFETY: a fresh mapping of zeros, which is a `Shared`, and stays.
    let shared = unsafe { memory.as_ref() };
    let lock = Lock::new(shared, kind)?;
    let mut children = vec![fork(|| {
        pin(1)?;
        read(&lock, shared)
    })?];
    for writer in 0..WRITERS {
        children.push(fork(|| {
            pin(writer % 2)?;
            while !shared.stop.load(Relaxed) {
                lock.write(shared)?;
            }
            Ok(())
        })?);
    }
    sleep(FOR);
    let (reads, writes) = (shared.reads.load(Relaxed), shared.writes.load(Relaxed));
    shared.stop.store(true, Relaxed);
    for child in children {
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
    let kept = usize::try_from(reads).unwrap_or(KEPT).min(KEPT);
    let mut passed: Vec<u64> = shared.passed[..kept]
        .iter()
        .map(|one| one.load(Relaxed))
        .collect();
    passed.sort_unstable();
    let at = |share: usize| {
        passed
            .get((passed.len() * share / 1000).min(passed.len().max(1) - 1))
            .copied()
    };
    let at = |share| at(share).map_or("-".to_owned(), |count| count.to_string());
    println!(
        "{name:<28} reads {reads:>8}  writes {writes:>8}  writes that a read waited for: median {:>5}  99 % {:>6}  most {:>7}",
        at(500),
        at(990),
        at(1000)
    );
    Ok(())
}

/// Prints a line for each lock.
pub(crate) fn measure() -> Result<(), Failed> {
    println!(
        "one process reads, {WRITERS} write without a pause, for {} ms",
        FOR.as_millis()
    );
    run("crossdock", None)?;
    run("pthread, prefers readers", Some(PREFERS_READERS))?;
    run("pthread, prefers writers", Some(PREFERS_WRITERS))
}

//! Locks. No operation waits without an end: garbage can say that a live process has the lock.

use crossdock::sync::{
    LockError, LockTimeoutError, MutexGuard, ReentrantMutex, ReentrantMutexGuard, RwLockReadGuard,
    RwLockWriteGuard, TryLockError,
};
use crossdock::{Mutex, RwLock};

use crate::garbage::uses::{Came, Operation, Shape, Uses, Write, keep, refused, shown, sure, tag};
use crate::place::SHORT;

/// Keeps the guard, however it came.
fn tried<G>(held: &mut Vec<G>, came: Result<G, TryLockError<G>>) -> Came {
    match came {
        Ok(guard) => keep(held, guard),
        Err(TryLockError::Lock(error)) => locked(held, error),
        Err(error) => refused(error),
    }
}

fn timed<G>(held: &mut Vec<G>, came: Result<G, LockTimeoutError<G>>) -> Came {
    match came {
        Ok(guard) => keep(held, guard),
        Err(LockTimeoutError::Lock(error)) => locked(held, error),
        Err(error) => refused(error),
    }
}

fn locked<G>(held: &mut Vec<G>, error: LockError<G>) -> Came {
    match error {
        LockError::OwnerDied(guard) | LockError::Poisoned(guard) => keep(held, guard),
        error => refused(error),
    }
}

impl Uses for Mutex<[u64; 2]> {
    type Held<'h> = Vec<MutexGuard<'h, [u64; 2]>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, _, _| tried(&mut Vec::new(), it.try_lock()),
        |it, held, _| timed(held, it.lock_timeout(SHORT)),
        |_, held, [a, ..]| sure!(held.iter_mut().for_each(|guard| guard[0] = a.into())),
        |it, _, _| sure!(it.is_locked(), it.is_poisoned(), it.holder(), shown(it)),
        |_, held, _| sure!(held.iter_mut().for_each(MutexGuard::mark_consistent)),
        |it, held, _| tried(held, it.try_lock()),
        |_, held, _| sure!(held.pop()),
        |_, held, _| sure!(held.clear()),
        |it, _, _| timed(&mut Vec::new(), it.lock_timeout(SHORT)),
        |it, _, _| sure!(it.clear_poison()),
    ];

    fn config(_: u64) -> [u64; 2] {
        [1, 2]
    }
}

impl Uses for Mutex<()> {
    type Held<'h> = Vec<MutexGuard<'h, ()>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, held, _| tried(held, it.try_lock()),
        |_, held, _| sure!(held.pop()),
        |it, _, _| timed(&mut Vec::new(), it.lock_timeout(SHORT)),
        |it, _, _| shown(it),
    ];

    fn config(_: u64) {}
}

impl Uses for ReentrantMutex<u64> {
    type Held<'h> = Vec<ReentrantMutexGuard<'h, u64>>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, held, _| tried(held, it.try_lock()),
        |it, held, _| timed(held, it.lock_timeout(SHORT)),
        |it, _, _| sure!(it.is_locked(), it.is_held_by_this_thread(), it.holder()),
        |_, held, _| sure!(held.pop()),
        |_, held, _| sure!(held.clear()),
        |it, _, _| tried(&mut Vec::new(), it.try_lock()),
        |it, _, _| sure!(it.clear_poison()),
        |it, _, _| sure!(it.is_poisoned(), shown(it)),
        |it, _, _| timed(&mut Vec::new(), it.lock_timeout(SHORT)),
    ];

    fn config(_: u64) -> u64 {
        0
    }
}

/// The guards of a lock of readers and writers.
#[derive(Default)]
pub(crate) struct Guards<'h> {
    reads: Vec<RwLockReadGuard<'h, [u64; 2]>>,
    writes: Vec<RwLockWriteGuard<'h, [u64; 2]>>,
}

impl Uses for RwLock<[u64; 2]> {
    type Held<'h> = Guards<'h>;

    const OPERATIONS: &'static [Operation<Self>] = &[
        |it, held, _| tried(&mut held.reads, it.try_read()),
        |it, held, _| timed(&mut held.reads, it.read_timeout(SHORT)),
        |it, held, _| tried(&mut held.writes, it.try_write()),
        |_, held, _| {
            let flags = held
                .reads
                .iter()
                .map(|it| it.owner_died() || it.is_poisoned());
            sure!(flags.filter(|flag| *flag).count())
        },
        |_, held, _| sure!(held.reads.pop()),
        |_, held, _| sure!(held.reads.clear()),
        |it, held, _| timed(&mut held.writes, it.write_timeout(SHORT)),
        |it, _, _| sure!(it.is_locked(), it.is_write_locked(), it.is_poisoned()),
        |_, held, _| {
            sure!(
                held.writes
                    .iter_mut()
                    .for_each(RwLockWriteGuard::mark_consistent),
            )
        },
        |_, held, _| {
            let downgraded = held.writes.pop().map(RwLockWriteGuard::downgrade);
            sure!(held.reads.extend(downgraded))
        },
        |_, held, _| sure!(held.writes.pop()),
        |it, held, _| timed(&mut held.reads, it.read_timeout(SHORT)),
        |it, _, _| sure!(it.clear_poison()),
        |it, _, _| shown(it),
    ];

    const SHAPES: &'static [Shape] = &[
        |[a, b, c]| Write::word(0, tag(a, b) | u32::from(c) << 29),
        |[a, b, c]| Write::word(4, tag(a, b) | u32::from(c) << 29),
        // Beside the words, and a reader's cell.
        |[a, b, c]| Write::word(8 + u64::from(a % 16) * 8, u32::from_le_bytes([b, c, 0, 0])),
        |[a, b, c]| Write::word(384 + u64::from(a % 4) * 128, cell(b, c)),
    ];

    fn config(_: u64) -> [u64; 2] {
        [1, 2]
    }
}

/// What can stand in a cell.
fn cell(b: u8, c: u8) -> u32 {
    u32::from(b % 4) << 13 | u32::from(b >> 5) << 10 | [0, 1, 2, 1023][usize::from(c % 4)]
}

//! A lock of readers and writers while any bytes are written over its words and its data: every
//! operation is an error or works; no panic, no hang, no access outside.
//!
//! No step waits without an end: garbage can say that a live process has the lock.

use crate::place::{NAME, Place, SHORT, input, tag};
use crossdock::RwLock;
use crossdock::sync::{
    LockError, LockTimeoutError, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};

type Data = [u64; 2];

/// The guards that are held meanwhile.
#[derive(Default)]
struct Held<'a> {
    reads: Vec<RwLockReadGuard<'a, Data>>,
    writes: Vec<RwLockWriteGuard<'a, Data>>,
}

/// A guard, however it came.
fn tried<G>(came: Result<G, TryLockError<G>>) -> Option<G> {
    match came {
        Ok(guard)
        | Err(
            TryLockError::Lock(LockError::OwnerDied(guard))
            | TryLockError::Lock(LockError::Poisoned(guard)),
        ) => Some(guard),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn timed<G>(came: Result<G, LockTimeoutError<G>>) -> Option<G> {
    match came {
        Ok(guard)
        | Err(
            LockTimeoutError::Lock(LockError::OwnerDied(guard))
            | LockTimeoutError::Lock(LockError::Poisoned(guard)),
        ) => Some(guard),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// What can stand in a cell.
fn cell(b: u8, c: u8) -> u32 {
    u32::from(b % 4) << 13 | u32::from(b >> 5) << 10 | [0, 1, 2, 1023][usize::from(c % 4)]
}

fn step<'a>(place: &Place, lock: &'a RwLock<Data>, held: &mut Held<'a>, [verb, a, b, c]: [u8; 4]) {
    match verb % 20 {
        0 | 1 => place.write_anywhere([verb, a, b, c], verb % 20 == 0),
        2 => place.write(0, &(tag(a, b) | u32::from(c) << 29).to_le_bytes()),
        3 => place.write(4, &(tag(a, b) | u32::from(c) << 29).to_le_bytes()),
        4 => place.write(8 + u64::from(a % 16) * 8, &[b, c]),
        5 | 6 => place.write(384 + u64::from(a % 4) * 128, &cell(b, c).to_le_bytes()),
        7 => held.reads.extend(tried(lock.try_read())),
        8 => held.reads.extend(timed(lock.read_timeout(SHORT))),
        9 => held.writes.extend(tried(lock.try_write())),
        10 => held.writes.extend(timed(lock.write_timeout(SHORT))),
        11 => drop(held.reads.pop()),
        12 => drop(held.writes.pop()),
        13 => held
            .reads
            .extend(held.writes.pop().map(|guard| guard.downgrade())),
        14 => held
            .writes
            .iter_mut()
            .for_each(|guard| guard.mark_consistent()),
        15 => lock.clear_poison(),
        16 => assert!(format!("{lock:?}").starts_with("RwLock")),
        17 => {
            let _ = (lock.is_locked(), lock.is_write_locked(), lock.is_poisoned());
        }
        18 => {
            let flags = held
                .reads
                .iter()
                .map(|guard| guard.owner_died() || guard.is_poisoned());
            let _ = flags.filter(|flag| *flag).count();
        }
        _ => drop(place.segment.reap()),
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((_, steps)) = input(data) else {
        return;
    };
    let Some((place, lock)) = Place::with::<RwLock<Data>>([1, 2]) else {
        return;
    };
    let Ok(again) = place.segment.open::<RwLock<Data>>(NAME) else {
        return;
    };
    let mut held = Held::default();
    for bytes in steps {
        let lock = if bytes[1] & 1 == 0 { &lock } else { &again };
        step(&place, lock, &mut held, bytes);
    }
}

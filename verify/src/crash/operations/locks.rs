//! The victims at the locks, each with the seeded bug that its judge must catch.

use std::hint::black_box;
use std::ptr;
use std::time::Duration;

use crossdock::Mutex;
use crossdock::sync::{LockError, LockTimeoutError};

use crate::crash::operation::Owned;
use crate::crash::operations::lock::{Act, Before, Locking};
use crate::crash::operations::room::{Guard, Room};
use crate::crash::sweep::Listed;

type Words = Mutex<[u64; 2]>;

/// The operations on locks.
pub(crate) const LISTED: &[Listed] = rows! {
    "Mutex::lock" "a lock that does not say whose it is"
        |seeded| Locking {
        guard: if seeded {
            Guard::Ownerless
        } else {
            Guard::Mutex
        },
        act: if seeded { lock_ownerless } else { lock },
        adds: 0,
        ends_holding: true,
        ..Locking::default()
    };
    "Mutex::lock, update, unlock" "the second word is written after the unlock"
        |seeded| plain(seeded, update_late, update);
    "Mutex::unlock beside a sleeper" "sleepers without a time limit"
        |seeded| Locking {
        guard: if seeded { Guard::Futex } else { Guard::Mutex },
        act: if seeded { unlock_futex } else { unlock },
        sleeper: true,
        ..Locking::default()
    };
    "Mutex::lock from a dead owner" "a successor that declares all well and repairs nothing"
        |seeded| Locking {
        before: Before::DeadOwner,
        act: if seeded { take_over_blindly } else { take_over },
        adds: 0,
        ends_holding: !seeded,
        ..Locking::default()
    };
    "Mutex::unlock, not repaired" "data declared consistent as it is"
        |seeded| Locking {
        before: Before::DeadOwner,
        act: if seeded {
            unlock_declared
        } else {
            unlock_unrepaired
        },
        adds: 0,
        ..Locking::default()
    };
    "Mutex::lock_or_repair" "a repair after the unlock"
        |seeded| Locking {
        before: Before::DeadOwner,
        ..plain(seeded, repair_late, repair)
    };
    "Mutex::try_lock, update, unlock" "two critical sections where one is needed"
        |seeded| plain(seeded, try_twice, try_update);
    "Mutex::lock_timeout" "a time-out that takes the owner for dead"
        |seeded| Locking {
        before: Before::LiveOwner,
        // It also saves the victim from spinning, thousands of steps long.
        sleeper: true,
        act: if seeded { time_out_by_force } else { time_out },
        adds: 0,
        ..Locking::default()
    };
    "MutexGuard::mark_consistent" "data declared consistent, unlocked, then repaired"
        |seeded| Locking {
        before: Before::DeadOwner,
        act: if seeded { mark_early } else { mark },
        adds: 0,
        ..Locking::default()
    };
    "Mutex::clear_poison" "the flag cleared by a load and a store"
        |seeded| Locking {
        before: Before::Poisoned,
        act: if seeded { clear_by_store } else { clear },
        adds: 0,
        successor: true,
        ..Locking::default()
    };
    "Mutex<()>::lock, update, unlock" "the second word is written after the unlock"
        |seeded| Locking {
        guard: Guard::Raw,
        ..plain(seeded, update_raw_late, update_raw)
    };
    "ReentrantMutex::lock twice, update, unlock" "the second word is written after the last unlock"
        |seeded| Locking {
        guard: Guard::Reentrant,
        ..plain(seeded, update_reentrant_late, update_reentrant)
    };
};

fn plain(seeded: bool, bug: Act, act: Act) -> Locking {
    Locking {
        act: if seeded { bug } else { act },
        ..Locking::default()
    }
}

/// The critical section: two stores, in this order.
fn count_up(words: &mut [u64; 2]) {
    words[0] += 1;
    black_box(&mut *words);
    words[1] += 1;
}

fn lock_and_count(words: &Words) -> u8 {
    let Ok(mut guard) = words.lock() else {
        return 1;
    };
    count_up(&mut guard);
    0
}

fn update(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    lock_and_count(&room.mutex)
}

fn update_late(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    let Ok(mut guard) = room.mutex.lock() else {
        return 1;
    };
    guard[0] += 1;
    let second = ptr::from_mut(&mut guard[1]);
    drop(guard);
    // SAFETY: the room keeps the word mapped; that others may be writing it is the bug.
    let count = unsafe { second.read_volatile() };
    // SAFETY: as above.
    unsafe { second.write_volatile(count + 1) };
    0
}

fn lock(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    match room.mutex.lock() {
        Ok(guard) => std::mem::forget(guard),
        Err(_) => return 1,
    }
    0
}

fn lock_ownerless(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    begin();
    u8::from(room.ownerless.compare_exchange(0, 1).is_err())
}

fn unlock(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    let Ok(mut guard) = room.mutex.lock() else {
        return 1;
    };
    count_up(&mut guard);
    begin();
    drop(guard);
    0
}

fn unlock_futex(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    let Some(word) = &room.futex else {
        return 1;
    };
    word.lock();
    room.words.iter().for_each(|word| word.store(1));
    begin();
    word.unlock();
    0
}

fn take_over(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    match room.mutex.lock() {
        // Others may have repaired the words while this process was stopped.
        Ok(guard) | Err(LockError::OwnerDied(guard)) => std::mem::forget(guard),
        Err(_) => return 1,
    }
    0
}

fn take_over_blindly(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    if let Err(LockError::OwnerDied(mut guard)) = room.mutex.lock() {
        guard.mark_consistent();
    }
    0
}

fn unlock_unrepaired(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    let Err(LockError::OwnerDied(guard)) = room.mutex.lock() else {
        return 1;
    };
    begin();
    drop(guard);
    0
}

fn unlock_declared(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    let Err(LockError::OwnerDied(mut guard)) = room.mutex.lock() else {
        return 1;
    };
    begin();
    guard.mark_consistent();
    drop(guard);
    0
}

fn repair_and_count(words: &Words) -> u8 {
    let Ok(mut guard) = words.lock_or_repair(|words| words[1] = words[0]) else {
        return 1;
    };
    count_up(&mut guard);
    0
}

fn repair(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    repair_and_count(&room.spare);
    begin();
    repair_and_count(&room.mutex)
}

fn repair_late(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    repair_and_count(&room.spare);
    begin();
    match room.mutex.lock_or_repair(|_| ()) {
        Ok(mut guard) => guard[0] += 1,
        Err(_) => return 1,
    }
    match room.mutex.lock_or_repair(|_| ()) {
        Ok(mut guard) => guard[1] = guard[0],
        Err(_) => return 1,
    }
    0
}

/// Tries until the third party is out of the room again.
fn try_and_change(words: &Words, change: impl Fn(&mut [u64; 2])) -> u8 {
    match words.try_lock() {
        Ok(mut guard) => change(&mut guard),
        Err(_) => return 1,
    }
    0
}

fn try_update(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    try_and_change(&room.spare, count_up);
    begin();
    try_and_change(&room.mutex, count_up)
}

fn try_twice(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    try_and_change(&room.spare, count_up);
    begin();
    let first = try_and_change(&room.mutex, |words| words[0] += 1);
    first | try_and_change(&room.mutex, |words| words[1] += 1)
}

/// A few of a waiter's slices, at the pace of a process that is stepped.
const SLICES: Duration = Duration::from_millis(100);

fn time_out(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    let outcome = room.mutex.lock_timeout(SLICES);
    u8::from(!matches!(outcome, Err(LockTimeoutError::Timeout { .. })))
}

fn time_out_by_force(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    let Ok(at) = room.mutex_word() else { return 1 };
    lock_and_count(&room.spare);
    begin();
    match room.mutex.lock_timeout(SLICES) {
        Err(LockTimeoutError::Timeout { .. }) => u8::from(room.write_word(at, 0).is_err()),
        _ => 1,
    }
}

fn mark(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    let Err(LockError::OwnerDied(mut guard)) = room.mutex.lock() else {
        return 1;
    };
    guard[1] = guard[0];
    begin();
    guard.mark_consistent();
    drop(guard);
    0
}

fn mark_early(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    let Err(LockError::OwnerDied(mut guard)) = room.mutex.lock() else {
        return 1;
    };
    begin();
    guard.mark_consistent();
    drop(guard);
    match room.mutex.lock() {
        Ok(mut guard) => guard[1] = guard[0],
        Err(_) => return 1,
    }
    0
}

fn clear(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    room.mutex.clear_poison();
    0
}

fn clear_by_store(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    /// See `docs/design.md`, the mutex's word.
    const POISONED: u32 = 1 << 31;
    let Ok(at) = room.mutex_word() else { return 1 };
    room.base.join();
    begin();
    let cleared = room
        .read_word(at)
        .and_then(|word| room.write_word(at, word & !POISONED));
    u8::from(cleared.is_err())
}

fn update_raw(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    let Some(Ok(_guard)) = room.raw.as_ref().map(Mutex::lock) else {
        return 1;
    };
    room.words.iter().for_each(|word| {
        word.add(1);
    });
    0
}

fn update_reentrant(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    let Some(lock) = &room.reentrant else {
        return 1;
    };
    let (Ok(_outer), Ok(inner)) = (lock.lock(), lock.lock()) else {
        return 1;
    };
    room.words[0].add(1);
    drop(inner);
    room.words[1].add(1);
    0
}

fn update_reentrant_late(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    let Some(lock) = &room.reentrant else {
        return 1;
    };
    let (Ok(outer), Ok(inner)) = (lock.lock(), lock.lock()) else {
        return 1;
    };
    room.words[0].add(1);
    drop((outer, inner));
    room.words[1].add(1);
    0
}

fn update_raw_late(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    lock_and_count(&room.spare);
    begin();
    let Some(Ok(guard)) = room.raw.as_ref().map(Mutex::lock) else {
        return 1;
    };
    room.words[0].add(1);
    drop(guard);
    room.words[1].add(1);
    0
}

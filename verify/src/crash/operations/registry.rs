//! Joining, leaving and reaping, each beside a lock that a process has.

use std::mem::forget;

use crate::crash::operation::Owned;
use crate::crash::operations::lock::{Before, Locking};
use crate::crash::operations::room::{Guard, Room};
use crate::crash::sweep::Listed;

/// The operations of the registry.
pub(crate) const LISTED: &[Listed] = rows! {
    "registry: join" "survivors that never reap"
        |seeded| Locking {
        act: join,
        reaps: !seeded,
        ..Locking::default()
    };
    "registry: join when full of the dead" "a joiner that writes the second word after its unlock"
        |seeded| Locking {
        act: if seeded { join_and_tear } else { join_full },
        before: Before::FullOfDead,
        participants: 3,
        ..Locking::default()
    };
    "registry: leave with a leaked guard" "a leaver that unlocks what it leaked as if it were whole"
        |seeded| Locking {
        act: if seeded { leave_unlocked } else { leave },
        tears: true,
        adds: 0,
        leaves: true,
        ..Locking::default()
    };
    "registry: reap a dead owner" "a reaper that frees the lock with a blind store"
        |seeded| Locking {
        act: if seeded { reap_blindly } else { reap },
        before: Before::DeadOwner,
        participants: 2,
        adds: 0,
        successor: true,
        ..Locking::default()
    };
};

/// Goes through the motions of a first operation, in a segment of its own.
fn rehearse() {
    if let Ok(other) = Room::new(2, Guard::Mutex) {
        forget(other.mutex.lock());
        other.base.segment.reap();
    }
}

/// The first operation of a process is its join.
fn join(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    rehearse();
    begin();
    match room.mutex.lock() {
        Ok(mut guard) => *guard = guard.map(|word| word + 1),
        Err(_) => return 1,
    }
    0
}

fn join_full(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    rehearse();
    begin();
    match room.mutex.lock_or_repair(|words| words[1] = words[0]) {
        Ok(mut guard) => *guard = guard.map(|word| word + 1),
        Err(_) => return 1,
    }
    0
}

fn join_and_tear(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    rehearse();
    begin();
    match room.mutex.lock_or_repair(|words| words[1] = words[0]) {
        Ok(mut guard) => guard[0] += 1,
        Err(_) => return 1,
    }
    match room.mutex.lock() {
        Ok(mut guard) => guard[1] = guard[0],
        Err(_) => return 1,
    }
    0
}

/// The last handle of a process takes its membership with it.
fn leave(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    rehearse();
    match room.mutex.lock() {
        Ok(mut guard) => {
            guard[0] += 1;
            forget(guard);
        }
        Err(_) => return 1,
    }
    begin();
    drop(Owned::into_inner(room));
    0
}

fn leave_unlocked(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    rehearse();
    let Ok(mut guard) = room.mutex.lock() else {
        return 1;
    };
    guard[0] += 1;
    begin();
    drop(guard);
    drop(Owned::into_inner(room));
    0
}

fn reap(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    rehearse();
    begin();
    u8::from(room.base.segment.reap().stuck > 0)
}

fn reap_blindly(room: Owned<Room>, begin: &mut dyn FnMut()) -> u8 {
    let Ok(at) = room.mutex_word() else { return 1 };
    rehearse();
    begin();
    let dead = room.base.segment.participants();
    if dead.iter().any(|one| !one.alive) {
        return u8::from(room.write_word(at, 0).is_err());
    }
    0
}

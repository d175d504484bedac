//! The victims at a lock of readers and writers, each with the seeded bug that the judge must
//! catch.
//!
//! Where the rig has read before, it has a cell, which every writer has to block: others see the
//! parts of an operation then, and where no process has read, one.

use crossdock_spec::rwlock::Op::{
    self, Come, Count, CountForever, DieReading, Downgrade, Drop, DropAndRead, Enter, First, Go,
    HoldRead, HoldWrite, LetGo, Look, MarkConsistent, Mend, Open, Peek, Read, ReadAsIs,
    ReadOrRepair, ReadTimeout, ReadTurn, Reap, Second, Shut, Smash, TryRead, TryWrite, Untold,
    WipeWriter, Write, WriteAsIs, WriteOrRepair, WriteTimeout,
};
use crossdock_spec::rwlock::State;

use crate::crash::operations::shelf::Shelf;
use crate::crash::specified::{Waits, specified};
use crate::crash::sweep::Listed;

/// A critical section: two stores, in this order.
const UPDATE: &[Op] = &[Write, First, Second, Drop];
/// The same as others see it.
const UPDATE_STEPS: &[Op] = &[Come, Shut, Write, First, Second, Drop, Open, Go];
/// The same with the second store too late.
const UPDATE_LATE: &[Op] = &[Write, First, Drop, Second];
const READ: &[Op] = &[Read, Look, Drop];
/// The same by the door, which a process without a cell takes.
const READ_BY_DOOR: &[Op] = &[Come, Read, Go, Look, Drop];
/// Looks at what may be another's by then.
const READ_ON: &[Op] = &[Read, Drop, Look];
const DOWNGRADE: &[Op] = &[Write, First, Second, Downgrade, Look, Drop];
const NO_DOWNGRADE: &[Op] = &[Write, First, Second, DropAndRead, Look, Drop];
/// A repair, and a critical section.
const REPAIR: &[Op] = &[WriteOrRepair, First, Second, Drop];
const REPAIR_STEPS: &[Op] = &[
    Shut,
    Untold(&Write),
    Mend,
    Untold(&MarkConsistent),
    First,
    Second,
    Drop,
    Open,
    Go,
];
const REPAIR_LATE: &[Op] = &[WriteAsIs, First, Drop, WriteAsIs, Mend, Drop];
/// Dies between the two stores.
const TORN: &[Op] = &[Write, First];
/// A process that waits to write, and one that waits to read. Both have a cell.
const WRITER: Waits<Op> = Waits {
    before: &[Peek],
    act: &[Write, Count, Drop],
    steps: &[Come, Shut, Write, Count, Drop, Open, Go],
};
const READER: Waits<Op> = Waits {
    before: &[Peek],
    act: READ,
    steps: READ,
};
const BOTH: &[Op] = &[Peek, Enter];
/// Two more of each: some that may be told of a death, and some that find all in order.
const LAST: &[Op] = &[Peek, Enter, Peek, Enter];

const POISONED: State = State {
    readers: [0; 3],
    writer: None,
    door: None,
    owner_died: false,
    is_poisoned: true,
    is_left: false,
    words: [0; 2],
};

/// The operations on locks of readers and writers.
pub(crate) const LISTED: &[Listed] = specified! { Shelf;
    "RwLock::read, leave" "it reads on after it has left" {
        ready: &[Peek], before: &[Read, Drop],
        act: READ, bug: READ_ON, bug_of: READ_ON, tells: true,
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::read, the first time" "it reads on after it has left" {
        ready: &[Peek],
        act: READ, steps: READ_BY_DOOR, bug: READ_ON, bug_of: &[Come, Read, Go, Drop, Look],
        tells: true, meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::read, never left" "a count in the cell of one that lives" {
        ready: &[Peek],
        act: &[Read, Look], steps: &[Come, Read, Go, Look], bug: &[CountForever],
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::read, poisoned" "it reads on after it has left" {
        first: POISONED, ready: &[Peek], before: &[Read, Drop],
        act: READ, steps: &[Shut, Read, Go, Look, Drop],
        bug: READ_ON, bug_of: &[Shut, Read, Go, Drop, Look],
        tells: true, meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::read, left beside a sleeping writer" "it reads on after it has left" {
        ready: &[Peek], before: &[Read],
        act: &[Look, Drop], bug: &[Drop, Look], bug_of: &[Drop, Look], tells: true,
        waiters: &[WRITER], meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::write, update, unlock" "the second word is written after the unlock" {
        ready: &[Peek], act: UPDATE, steps: UPDATE_STEPS, bug: UPDATE_LATE,
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::write, unlocked beside sleepers" "the second word is written after the unlock" {
        ready: &[Peek], before: &[Shut, Write],
        act: &[First, Second, Drop], steps: &[First, Second, Drop, Open, Go],
        bug: &[First, Drop, Second],
        waiters: &[READER, WRITER], meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLockWriteGuard::downgrade" "it unlocks, and then reads" {
        ready: &[Peek], act: DOWNGRADE,
        steps: &[Come, Shut, Write, First, Second, Downgrade, Open, Go, Look, Drop],
        bug: NO_DOWNGRADE, tells: true, meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::write, where no process has read" "the second word is written after the unlock" {
        act: UPDATE, bug: UPDATE_LATE, meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLockWriteGuard::downgrade, where no process has read" "it unlocks, and then reads" {
        act: DOWNGRADE, steps: &[Write, First, Second, Shut, Downgrade, Go, Look, Drop],
        bug: NO_DOWNGRADE, tells: true, meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::write_or_repair, where no process has read" "a repair that is made later" {
        dead: TORN, act: REPAIR, steps: REPAIR_STEPS, bug: REPAIR_LATE,
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::try_read beside a writer" "what is busy is changed all the same" {
        ready: &[Peek, HoldWrite], act: &[TryRead], bug: &[TryRead, Smash],
        meanwhile: BOTH, again: BOTH, after: &[Peek, Enter, LetGo], last: LAST,
    }
    "RwLock::try_write beside a reader" "what is busy is changed all the same" {
        ready: &[Peek, HoldRead], act: &[TryWrite], steps: &[Come, Shut, TryWrite, Open, Go],
        bug: &[TryWrite, Smash],
        meanwhile: BOTH, again: BOTH, after: &[Peek, Enter, LetGo], last: LAST,
    }
    "RwLock::read_timeout" "what is busy is changed all the same" {
        ready: &[Peek, HoldWrite], act: &[ReadTimeout], bug: &[ReadTimeout, Smash],
        meanwhile: BOTH, again: BOTH, after: &[Peek, Enter, LetGo], last: LAST,
    }
    "RwLock::write_timeout" "what is busy is changed all the same" {
        ready: &[Peek, HoldRead], act: &[WriteTimeout],
        steps: &[Come, Shut, WriteTimeout, Open, Go], bug: &[WriteTimeout, Smash],
        meanwhile: BOTH, again: BOTH, after: &[Peek, Enter, LetGo], last: LAST,
    }
    // A reader that is stopped in its turn keeps a later writer waiting for milliseconds at most.
    "RwLock::read_timeout, its turn before a later writer" "its turn never ends" {
        ready: &[Peek], before: &[Read, Drop], assembled: &[HoldWrite],
        act: &[ReadTurn], bug: &[CountForever],
        patiently: &[LetGo, Enter], after: &[LetGo], last: LAST,
    }
    "RwLock::read_or_repair" "a repair that is made later" {
        ready: &[Peek], dead: TORN, act: &[ReadOrRepair, Look, Drop],
        steps: &[
            Shut, Untold(&Read), Go, Untold(&Drop), Shut, Untold(&Write), Mend, Untold(&MarkConsistent),
            Untold(&Downgrade), Open, Go, Look, Drop,
        ],
        bug: &[ReadAsIs, Drop, WriteAsIs, Mend, Drop],
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
    "RwLock::write_or_repair" "a repair that is made later" {
        ready: &[Peek], dead: TORN, act: REPAIR, steps: REPAIR_STEPS, bug: REPAIR_LATE,
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
    // Others may be faster than the victim.
    "RwLock, a writer and a reader reaped" "a dead writer's tag is wiped away" {
        ready: &[Peek, DieReading], dead: TORN, act: &[Reap], bug: &[WipeWriter, Reap],
        meanwhile: BOTH, again: BOTH, last: LAST,
    }
};

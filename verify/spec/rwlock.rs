//! A lock of readers and writers over two words: many read or one writes, every write is counted,
//! and every half-done one is told.
//!
//! The parts of an operation that others can see are operations here: to stand at the door, which
//! one process does at a time, and to shut it. Of a process that dies there none is told.

use crate::{ANY, Actor, FAILED, NOTHING, Specification};
use Op::{
    ClearPoison, Come, Count, Downgrade, Drop, Enter, First, Go, HoldRead, HoldWrite, LetGo, Look,
    MarkConsistent, Mend, Open, Panic, Peek, Read, ReadTimeout, Second, Shut, Status, TryRead,
    TryWrite, Untold, Write, WriteTimeout,
};

/// What a process is told that does not get in.
pub const BUSY: u8 = 249;

/// The process at the door, and whether it is shut: other readers pass an open one, and no other
/// writer passes.
pub type Door = Option<(Actor, bool)>;

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By how many guards each actor reads.
    pub readers: [u8; 3],
    pub writer: Option<Actor>,
    pub door: Door,
    pub owner_died: bool,
    pub is_poisoned: bool,
    /// A process has died with a guard, which a look may still show.
    pub is_left: bool,
    pub words: [u64; 2],
}

/// An operation on it. Those that lock return what they [`found`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Read,
    Write,
    /// These return [`BUSY`] where the others block.
    TryRead,
    TryWrite,
    ReadTimeout,
    WriteTimeout,
    /// Reads if its turn comes soon.
    ReadTurn,
    ReadOrRepair,
    WriteOrRepair,
    /// The same without a repair.
    ReadAsIs,
    WriteAsIs,
    /// A part of an operation, which is told nothing.
    Untold(&'static Self),
    /// Stands at the door; shuts it; opens it; leaves it.
    Come,
    Shut,
    Open,
    Go,
    /// Drops the guard that it has taken last; whether it had one.
    Drop,
    /// Writes no more, and reads; whether it wrote.
    Downgrade,
    /// The same in two steps, as no user is told that it is.
    DropAndRead,
    /// Panics, if it writes; whether it wrote.
    Panic,
    /// Declares the words consistent, if it writes; whether it does.
    MarkConsistent,
    ClearPoison,
    /// Whether it is locked, is written, and is poisoned.
    Status,
    /// Counts up the first word, or the second.
    First,
    Second,
    /// Makes the second word what the first is.
    Mend,
    /// Counts both up, and repairs.
    Count,
    /// Whether the words are others than when it locked: never, unless it has written.
    Look,
    /// Reads and leaves.
    Peek,
    /// Writes, repairs, counts up and unlocks.
    Enter,
    /// Starts a process that has the lock, and has it end.
    HoldRead,
    HoldWrite,
    LetGo,
    /// Starts a process that dies while it reads.
    DieReading,
    Reap,
    /// These change words of the lock, or what it guards, as no user can.
    CountForever,
    WipeWriter,
    Smash,
}

/// What is told of a writer that died, or panicked.
pub const OWNER_DIED: u8 = 1;
pub const POISONED: u8 = 2;

/// What a process finds that locks: what it is told, and the words.
#[must_use]
pub fn found(told: u8, words: [u64; 2]) -> u8 {
    match words.map(u8::try_from) {
        [Ok(first @ 0..8), Ok(second @ 0..8)] => told << 6 | first << 3 | second,
        _ => FAILED,
    }
}

impl State {
    fn found(&self) -> u8 {
        let told = if self.owner_died {
            OWNER_DIED
        } else {
            POISONED * u8::from(self.is_poisoned)
        };
        found(told, self.words)
    }

    fn is_read(&self) -> bool {
        self.readers != [0; 3]
    }

    fn may_read(&self, by: Actor) -> bool {
        let is_shut = matches!(self.door, Some((who, true)) if who != by);
        self.writer.is_none() && !is_shut
    }

    fn may_write(&self, by: Actor) -> bool {
        let is_mine = self.door.is_none_or(|(who, _)| who == by);
        self.writer.is_none() && !self.is_read() && is_mine
    }

    /// Takes the lock; `None` if that blocks.
    fn take(&mut self, writes: bool, by: Actor) -> Option<u8> {
        if writes && self.may_write(by) {
            self.writer = Some(by);
        } else if !writes && self.may_read(by) {
            self.readers[by as usize] += 1;
        } else {
            return None;
        }
        Some(self.found())
    }

    /// Writes no more, if it did.
    fn stop_writing(&mut self, by: Actor) -> bool {
        let wrote = self.writer == Some(by);
        self.writer = self.writer.filter(|writer| *writer != by);
        wrote
    }

    fn drop(&mut self, by: Actor) -> bool {
        let readers = &mut self.readers[by as usize];
        let read = *readers > 0;
        *readers = readers.saturating_sub(1);
        self.stop_writing(by) || read
    }

    fn count(&mut self) {
        (self.words, self.owner_died) = ([self.words[0] + 1; 2], false);
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        let is_at_door = self.door.is_some_and(|(who, _)| who == by);
        match op {
            Read | Write => return self.take(op == Write, by),
            TryRead | ReadTimeout => return self.take(false, by).or(Some(BUSY)),
            TryWrite | WriteTimeout => return self.take(true, by).or(Some(BUSY)),
            HoldRead | HoldWrite => {
                self.take(op == HoldWrite, by)?;
            }
            Untold(op) => {
                self.apply(*op, by)?;
            }
            Come | Shut if self.door.is_some() && !is_at_door => return None,
            Come | Shut => self.door = Some((by, op == Shut)),
            Open if is_at_door => self.door = Some((by, false)),
            Go if is_at_door => self.door = None,
            Drop => return Some(self.drop(by).into()),
            LetGo => {
                self.drop(by);
            }
            Downgrade => {
                let wrote = self.stop_writing(by);
                self.readers[by as usize] += u8::from(wrote);
                return Some(wrote.into());
            }
            Panic => {
                let wrote = self.stop_writing(by);
                self.is_poisoned |= wrote;
                return Some(wrote.into());
            }
            MarkConsistent => {
                let writes = self.writer == Some(by);
                self.owner_died &= !writes;
                return Some(writes.into());
            }
            ClearPoison => self.is_poisoned = false,
            Status if self.is_left => return Some(ANY),
            Status => {
                let writes = self.writer.is_some();
                let flags = [writes || self.is_read(), writes, self.is_poisoned];
                return Some(
                    flags
                        .iter()
                        .fold(0, |bits, flag| bits << 1 | u8::from(*flag)),
                );
            }
            First => self.words[0] += 1,
            Second => self.words[1] += 1,
            Mend => self.words[1] = self.words[0],
            Count => self.count(),
            Look => return Some(0),
            Peek => return self.may_read(by).then_some(self.found()),
            Enter if !self.may_write(by) => return None,
            Enter => {
                let found = self.found();
                self.count();
                return Some(found);
            }
            _ => {}
        }
        Some(NOTHING)
    }

    fn dies(&mut self, who: Actor) {
        self.door = self.door.filter(|(at, _)| *at != who);
        self.is_left |= std::mem::take(&mut self.readers[who as usize]) > 0;
        if self.stop_writing(who) {
            (self.owner_died, self.is_left) = (true, true);
        }
    }
}

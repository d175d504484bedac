//! The chunks of an array that processes lease, and the lock beside the leases.
//!
//! A chunk is two words, which are equal but while a process is at work on it or has died at it. So
//! a chunk that is half filled must be to do, and its holder's death be told; and each is filled by
//! a process.

use crate::{Actor, Specification};
use Op::{
    Admit, ChunksLeft, Drop, Exclude, Fill, FillEach, Finish, First, FreeByForce, HasAll, Hold,
    Lease, Leave, LetGo, Look, Read, Reap, Repair, Restart, Second, TimeOut, Turn, Work, Write,
};
use Which::{Any, One};

pub const CHUNKS: usize = 4;

/// A chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Chunk {
    words: [u8; 2],
    is_done: bool,
    holder: Option<Actor>,
    /// The last holder has died, and none has finished it since.
    holder_died: bool,
}

/// What it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    chunks: [Chunk; CHUNKS],
    /// Keeps all others from reading and writing.
    turn: Option<Actor>,
    /// And from leasing.
    excludes: Option<Actor>,
    writer: Option<Actor>,
    writer_died: bool,
    reader: Option<Actor>,
}

/// A chunk to be leased, or those that a process has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Which {
    /// One that is to do, or all that it has.
    Any,
    /// With this number, done or not.
    One(u8),
}

/// An operation on it. A process that writes has all chunks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Lease(Which),
    /// Makes the first word, of all that the process has, one more than the larger one was.
    First,
    /// Makes the second word what the first is.
    Second,
    /// Makes both words this.
    Fill(Which, u8),
    /// The same in so many operations, as a bug.
    FillEach(u8),
    Finish(Which),
    /// Gives a chunk back, to do.
    Drop(Which),
    /// Leases a chunk, fills and finishes it; what was found.
    Work(Which),
    /// The parts of an operation before it is done and after it: keeps others from reading and
    /// writing, then from leasing, and lets them in again.
    Turn,
    Exclude,
    Admit,
    Read,
    Write,
    /// Reads and writes no more.
    Leave,
    /// What is in a chunk.
    Look(u8),
    /// Whether both words are this, to a process that reads.
    HasAll(u8, u8),
    /// Makes all words this if a writer has died; whether one has.
    Repair(u8),
    /// Makes all to do again.
    Restart,
    ChunksLeft,
    /// Starts a process that has the first chunk, and has it finish and end.
    Hold,
    LetGo,
    /// Waits for what another process has all the time.
    TimeOut,
    Reap,
    /// Writes to the first chunk's word what is free, as no user can.
    FreeByForce,
}

/// All are done.
pub const NONE: u8 = 240;
/// A live process has the chunk, or one.
pub const LEASED: u8 = 241;
/// A writer has died.
pub const DIED: u8 = 242;

/// What a process is told that has leased a chunk.
#[must_use]
pub fn leased(chunk: u8, holder_died: bool) -> u8 {
    chunk << 1 | u8::from(holder_died)
}

/// The same with the words that it finds there: whether they differ, and the first, modulo 8.
#[must_use]
pub fn found(leased: u8, [first, second]: [u8; 2]) -> u8 {
    leased << 4 | u8::from(first != second) << 3 | (first % 8)
}

/// What is told of words alone.
#[must_use]
pub fn both([first, second]: [u8; 2]) -> u8 {
    first << 4 | second
}

impl Chunk {
    fn end(&mut self, is_done: bool) {
        (self.holder, self.is_done) = (None, is_done);
        self.holder_died &= !is_done;
    }

    fn fill_first(&mut self) {
        self.words[0] = self.words[0].max(self.words[1]) + 1;
    }

    fn fill_second(&mut self) {
        self.words[1] = self.words[0];
    }
}

impl State {
    fn is_leased(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.holder.is_some())
    }

    /// Whether another process keeps this one from leasing.
    fn is_excluded(&self, by: Actor) -> bool {
        let others = [self.excludes, self.writer].into_iter().flatten();
        others.into_iter().any(|other| other != by)
    }

    /// What a process has.
    fn of(&mut self, which: Which, by: Actor) -> impl Iterator<Item = &mut Chunk> {
        let writes = self.writer == Some(by);
        let is_of = move |(number, chunk): &(u8, &mut Chunk)| {
            (writes || chunk.holder == Some(by)) && [Any, One(*number)].contains(&which)
        };
        (0..)
            .zip(&mut self.chunks)
            .filter(is_of)
            .map(|(_, chunk)| chunk)
    }

    fn lease(&mut self, number: u8, by: Actor) -> Option<u8> {
        let is_excluded = self.is_excluded(by) || self.reader.is_some();
        let chunk = self.chunks.get_mut(usize::from(number))?;
        match chunk.holder {
            Some(_) => Some(LEASED),
            None if is_excluded => None,
            None if self.writer_died => Some(DIED),
            None => {
                (chunk.is_done, chunk.holder) = (false, Some(by));
                Some(leased(number, chunk.holder_died))
            }
        }
    }
}

impl Specification for State {
    type Op = Op;
    type Ret = u8;

    fn choices(&self, op: Op, by: Actor) -> Vec<(u8, Self)> {
        let is_free = |(_, chunk): &(u8, &Chunk)| !chunk.is_done && chunk.holder.is_none();
        let free = (0..).zip(&self.chunks).filter(is_free);
        let mut ops: Vec<Op> = match op {
            Lease(Any) => free.map(|(number, _)| Lease(One(number))).collect(),
            Work(Any) => free.map(|(number, _)| Work(One(number))).collect(),
            _ => Vec::new(),
        };
        if ops.is_empty() {
            ops.push(op);
        }
        let outcomes = ops.into_iter().filter_map(|op| self.outcome(op, by));
        outcomes.collect()
    }

    fn apply(&mut self, op: Op, by: Actor) -> Option<u8> {
        match op {
            // None is free.
            Lease(Any) | Work(Any) => {
                let all_done = self.chunks.iter().all(|chunk| chunk.is_done);
                return all_done.then_some(NONE);
            }
            Lease(One(chunk)) => return self.lease(chunk, by),
            Work(One(chunk)) => {
                let leased = self.lease(chunk, by)?;
                let Some(chunk) = self.of(One(chunk), by).next() else {
                    return Some(leased);
                };
                let found = found(leased, chunk.words);
                chunk.fill_first();
                chunk.fill_second();
                chunk.end(true);
                return Some(found);
            }
            First => self.of(Any, by).for_each(Chunk::fill_first),
            Second => self.of(Any, by).for_each(Chunk::fill_second),
            Fill(which, value) => self
                .of(which, by)
                .for_each(|chunk| chunk.words = [value; 2]),
            Finish(which) => self.of(which, by).for_each(|chunk| chunk.end(true)),
            Drop(which) => self.of(which, by).for_each(|chunk| chunk.end(false)),
            Hold => return self.lease(0, by).map(|_| 0),
            LetGo => self.of(One(0), by).for_each(|chunk| chunk.end(true)),
            Turn | Read | Write | Look(_) | Repair(_) | Restart
                if self.is_excluded(by) || self.turn.is_some_and(|turn| turn != by) =>
            {
                return None;
            }
            Turn => self.turn = Some(by),
            Exclude => self.excludes = Some(by),
            Admit => (self.turn, self.excludes) = (None, None),
            Restart if self.is_leased() => return Some(LEASED),
            Restart => self
                .chunks
                .iter_mut()
                .for_each(|chunk| chunk.is_done = false),
            Read | Write | Look(_) | Repair(_) if self.is_leased() => return None,
            Write | Repair(_) if self.reader.is_some() => return None,
            Read | Write | Look(_) if self.writer_died => return Some(DIED),
            Read => self.reader = Some(by),
            Write => self.writer = Some(by),
            Leave => (self.reader, self.writer) = (None, None),
            Look(chunk) => return Some(both(self.chunks.get(usize::from(chunk))?.words)),
            HasAll(chunk, value) => {
                let words = self.chunks.get(usize::from(chunk))?.words;
                return Some((words == [value; 2]).into());
            }
            Repair(value) => {
                let died = std::mem::take(&mut self.writer_died);
                if died {
                    self.chunks
                        .iter_mut()
                        .for_each(|chunk| chunk.words = [value; 2]);
                }
                return Some(died.into());
            }
            ChunksLeft => {
                let left = self.chunks.iter().filter(|chunk| !chunk.is_done).count();
                return u8::try_from(left).ok();
            }
            FillEach(_) | TimeOut | Reap | FreeByForce => {}
        }
        Some(0)
    }

    fn dies(&mut self, who: Actor) {
        let dies = |actor: &mut Option<Actor>| actor.take_if(|actor| *actor == who).is_some();
        self.writer_died |= dies(&mut self.writer);
        dies(&mut self.turn);
        dies(&mut self.excludes);
        dies(&mut self.reader);
        let held = self.of(Any, who);
        held.for_each(|chunk| (chunk.holder, chunk.holder_died) = (None, true));
    }
}

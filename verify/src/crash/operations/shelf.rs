//! Two words under a lock of readers and writers, and the processes that use them.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossdock::RwLock;
use crossdock::sync::{
    LockError, LockTimeoutError, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use crossdock_spec::rwlock::Op::{
    self, Count, CountForever, DieReading, Downgrade, Drop, DropAndRead, Enter, First, HoldRead,
    HoldWrite, LetGo, Look, Mend, Peek, Read, ReadAsIs, ReadOrRepair, ReadTimeout, ReadTurn, Reap,
    Second, Smash, TryRead, TryWrite, WipeWriter, Write, WriteAsIs, WriteOrRepair, WriteTimeout,
};
use crossdock_spec::rwlock::{BUSY, OWNER_DIED, POISONED, State, found};
use crossdock_spec::{FAILED, NOTHING};

use crate::crash::operation::Base;
use crate::crash::operations::hand::Hand;
use crate::crash::operations::words::Words;
use crate::crash::specified::Subject;
use crate::process::{Broken, End, Rig, exit_now, forked};

/// Where words of the lock are, for victims that write to them as no user can (see
/// `docs/design.md`).
const WRITING: u64 = 4;
/// What it guards.
const DATA: u64 = 256;
/// The cell of the rig, which is the first participant, in an entry with 16 bytes of data.
const CELLS: u64 = 384;
/// What is in the cell of a first generation.
const GENERATION: u32 = 1 << 13;

type Pair = RwLock<[u64; 2]>;

/// The lock, its words, and a process that has it.
pub(crate) struct Shelf {
    lock: Pair,
    words: Words,
    holder: RefCell<Option<Hand>>,
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, [u64; 2]>),
    Write(RwLockWriteGuard<'a, [u64; 2]>),
}

impl<'a> From<RwLockReadGuard<'a, [u64; 2]>> for Guard<'a> {
    fn from(guard: RwLockReadGuard<'a, [u64; 2]>) -> Self {
        Self::Read(guard)
    }
}

impl<'a> From<RwLockWriteGuard<'a, [u64; 2]>> for Guard<'a> {
    fn from(guard: RwLockWriteGuard<'a, [u64; 2]>) -> Self {
        Self::Write(guard)
    }
}

/// The guards of a process, and what the words were when it got the last one.
pub(crate) struct Held<'a> {
    guards: Vec<Guard<'a>>,
    words: [u64; 2],
}

impl Default for Held<'_> {
    /// With room: a victim that allocates takes hundreds of steps more.
    fn default() -> Self {
        Self {
            guards: Vec::with_capacity(4),
            words: [0; 2],
        }
    }
}

impl<'a> Held<'a> {
    /// Keeps a guard, if one came; what was found.
    fn keep<G: Into<Guard<'a>>>(&mut self, came: Came<G>) -> u8 {
        let (guard, told) = match came {
            Ok((guard, told)) => (guard.into(), told),
            Err(refused) => return refused,
        };
        self.words = match &guard {
            Guard::Read(guard) => **guard,
            Guard::Write(guard) => **guard,
        };
        self.guards.push(guard);
        found(told, self.words)
    }

    /// Keeps a guard of words that are whole.
    fn keep_whole<G: Into<Guard<'a>>>(&mut self, came: Result<G, LockError>) -> u8 {
        let kept = self.keep(came.map(|guard| (guard, 0)).map_err(|_| FAILED));
        if kept == FAILED { FAILED } else { NOTHING }
    }

    /// Whether the words are others than they were, or change meanwhile.
    fn look(&self, words: &Words) -> u8 {
        let is_same = words.load() == self.words;
        u8::from(!is_same || words.load() != self.words)
    }
}

/// A guard, and what was told with it; or what is told without one.
type Came<G> = Result<(G, u8), u8>;

fn locked<G>(came: Result<G, LockError<G>>) -> Came<G> {
    waited(came.map_err(LockTimeoutError::Lock))
}

fn waited<G>(came: Result<G, LockTimeoutError<G>>) -> Came<G> {
    match came {
        Ok(guard) => Ok((guard, 0)),
        Err(LockTimeoutError::Lock(LockError::OwnerDied(guard))) => Ok((guard, OWNER_DIED)),
        Err(LockTimeoutError::Lock(LockError::Poisoned(guard))) => Ok((guard, POISONED)),
        Err(LockTimeoutError::Timeout { .. }) => Err(BUSY),
        Err(_) => Err(FAILED),
    }
}

fn tried<G>(came: Result<G, TryLockError<G>>) -> Came<G> {
    match came {
        Ok(guard) => Ok((guard, 0)),
        Err(TryLockError::Lock(error)) => locked(Err(error)),
        Err(TryLockError::WouldBlock { .. }) => Err(BUSY),
        Err(_) => Err(FAILED),
    }
}

/// A few of a waiter's slices, at the pace of a process that is stepped.
const SLICES: Duration = Duration::from_millis(50);
/// How long another process may take.
const LONG: Duration = Duration::from_secs(20);

impl Subject for Shelf {
    type Spec = State;
    type Hand<'a> = Held<'a>;

    fn create(base: &Base, first: &State) -> Rig<Self> {
        let lock: Pair = base.segment.create("words", [0, 0])?;
        let mut guard = lock.write().map_err(|error| Broken(error.to_string()))?;
        let words = Words::of(&mut guard);
        drop(guard);
        if first.is_poisoned {
            let panics = || {
                let _guard = lock.write();
                resume_unwind(Box::new(()));
            };
            let _ = catch_unwind(AssertUnwindSafe(panics));
        }
        Ok(Self {
            lock,
            words,
            holder: RefCell::new(None),
        })
    }

    fn run<'a>(
        &'a self,
        base: &Base,
        op: Op,
        held: &mut Held<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        match op {
            Read => Some(held.keep(locked(self.lock.read()))),
            Write => Some(held.keep(locked(self.lock.write()))),
            TryRead => Some(held.keep(tried(self.lock.try_read()))),
            TryWrite => Some(held.keep(tried(self.lock.try_write()))),
            ReadTimeout => Some(held.keep(waited(self.lock.read_timeout(SLICES)))),
            WriteTimeout => Some(held.keep(waited(self.lock.write_timeout(SLICES)))),
            Look => Some(held.look(&self.words)),
            Drop => Some(held.guards.pop().is_some().into()),
            First => Some(self.change(|first, second| [first + 1, second])),
            Second => Some(self.change(|first, second| [first, second + 1])),
            Mend => Some(self.change(|first, _| [first, first])),
            _ => self.run_slowly(base, op, held, patience),
        }
    }
}

impl Shelf {
    fn change(&self, to: impl FnOnce(u64, u64) -> [u64; 2]) -> u8 {
        self.words.change(to);
        NOTHING
    }

    /// Does what is not to be among the steps of the other operations.
    #[inline(never)]
    fn run_slowly<'a>(
        &'a self,
        base: &Base,
        op: Op,
        held: &mut Held<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let lock = &self.lock;
        let repair = |words: &mut [u64; 2]| words[1] = words[0];
        let is_done = match op {
            ReadOrRepair => return Some(held.keep_whole(lock.read_or_repair(repair))),
            WriteOrRepair => return Some(held.keep_whole(lock.write_or_repair(repair))),
            ReadAsIs => return Some(held.keep_whole(lock.read_or_repair(|_| ()))),
            WriteAsIs => return Some(held.keep_whole(lock.write_or_repair(|_| ()))),
            // Long enough to sleep in, at the pace of a process that is stepped.
            ReadTurn => match held.keep(waited(lock.read_timeout(SLICES * 5))) {
                BUSY => true,
                FAILED => false,
                _ => {
                    let [first, second] = held.words;
                    let is_same = held.look(&self.words) == 0;
                    held.guards.clear();
                    is_same && first == second
                }
            },
            Downgrade => {
                let Some(Guard::Write(guard)) = held.guards.pop() else {
                    return Some(0);
                };
                held.words = *guard;
                held.guards.push(guard.downgrade().into());
                return Some(1);
            }
            DropAndRead => {
                let words = self.words.load();
                held.guards.clear();
                let read = held.keep(locked(lock.read()));
                held.words = words;
                return Some(u8::from(read != FAILED));
            }
            Count => match held.guards.last_mut() {
                Some(Guard::Write(guard)) => {
                    **guard = [guard[0] + 1; 2];
                    guard.mark_consistent();
                    true
                }
                _ => false,
            },
            Peek | Enter => return self.visit(base, op, held, patience),
            HoldRead => self.hold(|| lock.read().ok()),
            HoldWrite => self.hold(|| lock.write().ok()),
            LetGo => match self.holder.borrow_mut().take() {
                Some(hand) => hand.let_go(LONG).ok()? == Some(0),
                None => true,
            },
            DieReading => {
                let reads = || {
                    let _guard = lock.read();
                    exit_now(0)
                };
                forked(reads).ok()?.end_within(LONG).ok()? == Some(End::Exited(0))
            }
            Reap => base.segment.reap().stuck == 0,
            CountForever => put(base, CELLS, &(GENERATION | 1).to_le_bytes()),
            WipeWriter => put(base, WRITING, &[0; 4]),
            Smash => put(base, DATA, &[7; 16]),
            // Parts of other operations, of which the specification knows.
            _ => true,
        };
        Some(if is_done { NOTHING } else { FAILED })
    }

    /// Locks, and unlocks; what was found. Waits as long as `patience`, or not at all, or as long
    /// as it takes.
    fn visit<'a>(
        &'a self,
        base: &Base,
        op: Op,
        held: &mut Held<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let lock = &self.lock;
        let found = match (op, patience) {
            (Peek, None) => held.keep(locked(lock.read())),
            (Peek, Some(Duration::ZERO)) => held.keep(tried(lock.try_read())),
            (Peek, Some(patience)) => held.keep(waited(lock.read_timeout(patience))),
            (_, None) => held.keep(locked(lock.write())),
            (_, Some(Duration::ZERO)) => held.keep(tried(lock.try_write())),
            (_, Some(patience)) => held.keep(waited(lock.write_timeout(patience))),
        };
        if found == BUSY {
            return None;
        }
        if op == Enter {
            self.run(base, Count, held, patience);
        }
        held.guards.pop();
        Some(found)
    }

    /// Starts a process that has the lock until it is told to leave, and fails then if the words
    /// have changed.
    fn hold<G: std::ops::Deref<Target = [u64; 2]>>(
        &self,
        take: impl FnOnce() -> Option<G>,
    ) -> bool {
        let take = || take().map(|guard| (*guard, guard));
        let hand = Hand::hold(take, |(words, guard)| *guard == words).ok();
        *self.holder.borrow_mut() = hand;
        self.holder.borrow().is_some()
    }
}

/// Writes to the lock's entry, whatever is there.
fn put(base: &Base, at: u64, bytes: &[u8]) -> bool {
    base.offset_of("words")
        .is_ok_and(|entry| base.file().write_all_at(bytes, entry + at).is_ok())
}

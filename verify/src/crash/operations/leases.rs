//! Operations on arrays: leases of chunks, and the lock beside them.
//!
//! Each chunk is filled by a process, and told of when its holder has died half-way. Which one a
//! lease takes is the array's choice.

use std::cell::RefCell;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::time::Duration;

use crossdock::Array;
use crossdock::array::{self, ArrayOptions, Init, LeaseError, LeaseTimeoutError, TryLeaseError};
use crossdock::sync::{
    LockError, LockTimeoutError, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use crossdock_spec::FAILED;
use crossdock_spec::leases::Op::{
    Admit, ChunksLeft, Drop, Exclude, Fill, FillEach, Finish, First, FreeByForce, HasAll, Hold,
    Lease, Leave, LetGo, Look, Read, Reap, Repair, Restart, Second, TimeOut, Turn, Work, Write,
};
use crossdock_spec::leases::Which::{self, Any, One};
use crossdock_spec::leases::{CHUNKS, DIED, LEASED, NONE, Op, State, both, found, leased};

use crate::crash::operation::Base;
use crate::crash::operations::hand::Hand;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

const WORDS: usize = 2;
/// A chunk that may be leased, and that no process has. See `docs/design.md`.
const OPEN: u32 = 1 << 31;
/// How many bytes before the values the words of the chunks are.
const CHUNK_WORDS: u64 = 128;
/// A few of a waiter's slices, at the pace of a process that is stepped.
const SLICES: Duration = Duration::from_millis(150);

/// An array, and the process that has a chunk of it.
struct Leasing {
    array: Array<u64>,
    holder: RefCell<Option<Hand>>,
}

/// What a process has of the array, and the words that it had last.
#[derive(Default)]
struct Held<'a> {
    lease: Option<array::Lease<'a, u64>>,
    reads: Option<RwLockReadGuard<'a, [u64]>>,
    writes: Option<RwLockWriteGuard<'a, [u64]>>,
    words: Option<NonNull<[u64]>>,
}

/// Changes each chunk of the words.
fn change(words: Option<NonNull<[u64]>>, to: impl FnMut(&mut [u64])) -> u8 {
    if let Some(mut words) = words {
        // SAFETY: the array keeps them mapped; that they may be another's by now is a bug's.
        let words = unsafe { words.as_mut() };
        words.chunks_mut(WORDS).for_each(to);
        black_box(words);
    }
    0
}

fn words(chunk: &[u64]) -> [u8; WORDS] {
    std::array::from_fn(|at| u8::try_from(chunk[at]).unwrap_or(FAILED))
}

impl Leasing {
    /// Leases a chunk, and tells so.
    fn lease<'a>(
        &'a self,
        which: Which,
        held: &mut Held<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let array = &self.array;
        let came = match (which, patience) {
            (One(chunk), _) => {
                let lease = array.lease(chunk.into());
                lease.map(Some).map_err(LeaseTimeoutError::Lease)
            }
            (Any, None) => array.lease_chunk().map_err(LeaseTimeoutError::Lease),
            (Any, Some(Duration::ZERO)) => match array.try_lease_chunk() {
                Ok(lease) => Ok(lease),
                Err(TryLeaseError::Lease(error)) => Err(LeaseTimeoutError::Lease(error)),
                Err(_) => return None,
            },
            (Any, Some(time)) => array.lease_chunk_timeout(time),
        };
        Some(match came {
            Ok(Some(mut lease)) => {
                held.words = Some(NonNull::from(&mut *lease));
                let chunk = u8::try_from(lease.index()).unwrap_or(FAILED);
                let told = leased(chunk, lease.holder_died());
                held.lease = Some(lease);
                told
            }
            Ok(None) => NONE,
            Err(LeaseTimeoutError::Timeout) => return None,
            Err(LeaseTimeoutError::Lease(LeaseError::Leased { .. })) => LEASED,
            Err(LeaseTimeoutError::Lease(LeaseError::OwnerDied)) => DIED,
            Err(_) => FAILED,
        })
    }

    /// Reads as long as it takes, or without waiting, or no longer than `patience`.
    fn read<'a>(&'a self, held: &mut Held<'a>, patience: Option<Duration>) -> Option<u8> {
        let came = match patience {
            None => self.array.read().map_err(LockTimeoutError::Lock),
            Some(Duration::ZERO) => match self.array.try_read() {
                Err(TryLockError::WouldBlock { .. }) => return None,
                Err(TryLockError::Lock(error)) => Err(LockTimeoutError::Lock(error)),
                Err(_) => return Some(FAILED),
                Ok(guard) => Ok(guard),
            },
            Some(time) => self.array.read_timeout(time),
        };
        Some(match came {
            Ok(guard) => {
                held.words = Some(NonNull::from(&*guard));
                held.reads = Some(guard);
                0
            }
            Err(LockTimeoutError::Timeout { .. }) => return None,
            Err(LockTimeoutError::Lock(LockError::OwnerDied(_))) => DIED,
            Err(_) => FAILED,
        })
    }
}

fn or_failed(is_done: bool) -> u8 {
    if is_done { 0 } else { FAILED }
}

impl Subject for Leasing {
    type Spec = State;
    type Hand<'a> = Held<'a>;

    fn create(base: &Base, _: &State) -> Rig<Self> {
        let make = |name| {
            let options = ArrayOptions::new(Init::zeroed(CHUNKS * WORDS)).chunk(WORDS);
            base.segment.create::<Array<u64>>(name, options)
        };
        // Of another one there is something to look for, too.
        make("spare")?;
        Ok(Self {
            array: make("array")?,
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
        let array = &self.array;
        Some(match op {
            // The library does it in what follows.
            Turn | Exclude | Admit => 0,
            Lease(which) => self.lease(which, held, patience)?,
            First => change(held.words, |chunk| chunk[0] = chunk[0].max(chunk[1]) + 1),
            Second => change(held.words, |chunk| chunk[1] = chunk[0]),
            Finish(_) => or_failed(held.lease.take()?.finish().is_ok()),
            Drop(_) => or_failed(held.lease.take().is_some()),
            Work(which) => {
                let told = self.lease(which, held, patience)?;
                let Some(lease) = held.lease.take() else {
                    return Some(told);
                };
                let found = found(told, words(&lease));
                change(held.words, |chunk| chunk.fill(chunk[0].max(chunk[1]) + 1));
                found.max(or_failed(lease.finish().is_ok()))
            }
            Read => self.read(held, patience)?,
            Write => {
                let mut guard = array.write().ok()?;
                held.words = Some(NonNull::from(&mut *guard));
                held.writes = Some(guard);
                0
            }
            Leave => {
                (held.reads, held.writes) = (None, None);
                0
            }
            Fill(_, value) => {
                let values = [value.into(); CHUNKS * WORDS];
                or_failed(array.copy_from(0, &values).is_ok())
            }
            FillEach(value) => {
                let copy = |at| array.copy_from(at, &[value.into()]).is_ok();
                or_failed((0..CHUNKS * WORDS).all(copy))
            }
            Look(chunk) => {
                let told = self.read(held, patience)?;
                let Some(values) = held.reads.take() else {
                    return Some(told);
                };
                both(words(&values[usize::from(chunk) * WORDS..]))
            }
            Repair(value) => {
                let told = self.read(held, patience)?;
                held.reads = None;
                if told != DIED {
                    return Some(told);
                }
                let repaired = array.write_or_repair(|words| words.fill(value.into()));
                if repaired.is_ok() { 1 } else { FAILED }
            }
            Restart => or_failed(array.restart().is_ok()),
            ChunksLeft => u8::try_from(array.chunks_left()).ok()?,
            TimeOut => or_failed(self.read(held, Some(SLICES)).is_none()),
            Hold => {
                let held = Hand::hold(|| array.lease(0).ok(), |chunk| chunk.finish().is_ok());
                or_failed(self.holder.replace(held.ok()).is_none())
            }
            LetGo => match self.holder.take() {
                Some(holder) => or_failed(holder.let_go(patience?).ok()?? == 0),
                None => 0,
            },
            Reap => or_failed(base.segment.reap().stuck == 0),
            FreeByForce => {
                let at = array.data_offset() - CHUNK_WORDS;
                or_failed(base.file().write_all_at(&OPEN.to_le_bytes(), at).is_ok())
            }
            HasAll(..) => FAILED,
        })
    }
}

/// A chunk that was leased and given back, after which all may be leased.
const OPENED: &[Op] = &[Lease(One(0)), Drop(One(0))];
/// Dies between the two words.
const HALF: &[Op] = &[Lease(One(0)), First];
const FILLED: &[Op] = &[Lease(One(0)), First, Second, Finish(One(0))];
/// Others do what can be done, and read.
const MEANWHILE: &[Op] = &[Work(Any), Look(0), Look(1), Look(2), Look(3)];
/// Whatever happened, all that is left can be done, and then all of it is whole.
const LAST: &[Op] = &[
    LetGo,
    Repair(11),
    Work(Any),
    Work(Any),
    Work(Any),
    Work(Any),
    Work(Any),
    Look(0),
    Look(1),
    Look(2),
    Look(3),
    ChunksLeft,
];

/// A table of rows, beside all of which others do the same.
macro_rules! leasing {
    ($($name:literal $seed:literal { $($row:tt)* })*) => {
        specified! { Leasing; $($name $seed {
            $($row)* meanwhile: MEANWHILE, again: &[Work(Any)], after: &[ChunksLeft], last: LAST,
        })* }
    };
}

/// The operations on arrays.
pub(crate) const LISTED: &[Listed] = leasing! {
    "Array::lease_chunk, closed, fill, finish" "a chunk that is finished before it is filled" {
        act: &[Turn, Exclude, Lease(Any), Admit, First, Second, Finish(Any)],
        bug: &[Lease(Any), Finish(Any), First, Second],
    }
    "Array::lease_chunk, open, fill, finish" "a chunk that is filled before it is leased" {
        ready: OPENED, act: &[Lease(Any), First, Second, Finish(Any)],
        bug: &[Lease(One(0)), Drop(One(0)), First, Lease(One(0)), Second, Finish(One(0))],
    }
    "Array::lease, fill, finish" "a chunk that is filled after it was finished" {
        ready: OPENED, act: FILLED, bug: &[Lease(One(0)), First, Finish(One(0)), Second],
    }
    "Array::lease, fill, Lease::drop" "a half-filled chunk that is finished" {
        ready: OPENED, act: &[Lease(One(0)), First, Second, Drop(One(0))],
        bug: &[Lease(One(0)), First, Finish(One(0))],
    }
    "Array::lease from a dead holder" "a chunk that is finished as it was found" {
        ready: OPENED, dead: HALF, act: FILLED, bug: &[Lease(One(0)), Finish(One(0))],
    }
    "Array::read beside leases" "a reader that writes" {
        ready: OPENED, act: &[Turn, Exclude, Read, Admit, Leave], bug: &[Read, First, Leave],
    }
    "Array::write beside leases" "the second words are written after the unlock" {
        ready: OPENED, act: &[Turn, Exclude, Write, First, Second, Leave, Admit],
        bug: &[Write, First, Leave, Second],
    }
    "Array::copy_from" "the second words are copied by themselves" {
        ready: OPENED, act: &[Fill(Any, 9)], bug: &[FillEach(9)],
        steps: &[Turn, Exclude, Write, Fill(Any, 9), Leave, Admit],
    }
    "Array::read_timeout beside a lease" "a time-out that takes a chunk from its holder" {
        ready: &[Hold], act: &[Turn, Exclude, TimeOut, Admit], bug: &[TimeOut, FreeByForce],
    }
    "Array::restart" "chunks that are made to do one after the other" {
        ready: &[Work(One(0)), Work(One(1)), Work(One(2)), Work(One(3))],
        act: &[Turn, Exclude, Restart, Admit],
        bug: &[
            Lease(One(0)), Drop(Any), Lease(One(1)), Drop(Any), Lease(One(2)), Drop(Any),
            Lease(One(3)), Drop(Any),
        ],
    }
    "Segment::reap of a holder" "a chunk that is given back without a word of the death" {
        ready: OPENED, dead: HALF, act: &[Reap], bug: &[FreeByForce],
    }
};

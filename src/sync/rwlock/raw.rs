//! The lock of readers and writers below its data: who this process is, and the guards that prove it.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::algorithm::rwlock::{
    Cell, LockHook, MOST, NoHook, ReaderToken, RwLock, RwLockError, RwLockState, RwLockStatus,
    WriterToken,
};
use crate::facade::Deadline;
use crate::format::Padded;
use crate::participant::Tag;
use crate::segment::{Entry, EntryRef, OwnTag};
use crate::sync::error::{Failure, Outcome};
use crate::sync::{Holder, NotLocked};

/// What a handle has that begins with such a lock.
///
/// Invariant 1: `cells` points to `count` cells inside the entry that `state` keeps mapped.
#[derive(Clone)]
pub(crate) struct RawRwLock {
    state: EntryRef<RwLockState>,
    cells: NonNull<Padded<Cell>>,
    count: usize,
}

/// The lock, as one process uses it, beside an annex.
pub(crate) struct Access<'a, A> {
    pub(crate) lock: RwLock<'a, A>,
    anchor: &'a EntryRef<RwLockState>,
}

/// Proof that this thread reads; dropping it ends that.
///
/// In a forked child, one that was inherited is nobody's: dropping it does nothing.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct RawReadGuard<'a> {
    /// At hand, and not behind the handle: what leaves is in registers already. There is one.
    cell: Option<&'a Cell>,
    state: &'a RwLockState,
    own: OwnTag<'a>,
    reading: ReaderToken,
    _not_send: PhantomData<*mut ()>,
}

/// Proof that this thread writes; dropping it ends that.
///
/// In a forked child, one that was inherited is nobody's: dropping it does nothing.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct RawWriteGuard<'a> {
    lock: RwLock<'a>,
    anchor: &'a EntryRef<RwLockState>,
    token: WriterToken,
    /// Whether the thread was panicking already when it locked.
    panicking: bool,
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: the cells are atomics, reachable from any thread; the rest is Send + Sync.
unsafe impl Send for RawRwLock {}
// SAFETY: as above.
unsafe impl Sync for RawRwLock {}
// SAFETY: a shared guard gives no access but through methods that only read the guard itself.
unsafe impl Sync for RawReadGuard<'_> {}
// SAFETY: as above.
unsafe impl Sync for RawWriteGuard<'_> {}

impl RawRwLock {
    /// Attaches to an entry that begins with a lock's state, and has the cells of so many participants
    /// `cells` bytes from its start.
    pub(crate) fn anchored(entry: Entry, cells: u64) -> Option<Self> {
        let count = entry.mapping.geometry().participants as usize;
        let state: EntryRef<RwLockState> = EntryRef::new(entry)?;
        // INVARIANT: 1, by `payloads`.
        let cells = state.payloads(cells, count)?;
        Some(Self {
            state,
            cells,
            count,
        })
    }

    pub(crate) fn entry_ref(&self) -> &EntryRef<RwLockState> {
        &self.state
    }

    /// The lock as it is used beside an annex.
    #[inline(always)]
    pub(crate) fn beside<A: LockHook>(&self, hook: A) -> Access<'_, A> {
        // SAFETY: Invariant 1, and any bytes are a cell.
        let cells = unsafe { std::slice::from_raw_parts(self.cells.as_ptr(), self.count) };
        Access {
            lock: RwLock::new(self.state.state(), cells, hook),
            anchor: &self.state,
        }
    }

    /// The lock by itself.
    #[inline(always)]
    pub(crate) fn alone(&self) -> Access<'_, NoHook> {
        self.beside(NoHook)
    }

    pub(crate) fn glance(&self) -> RwLockStatus {
        self.alone().lock.peek()
    }

    pub(crate) fn clear_poison(&self) {
        self.state.clear_poison();
    }
}

impl<'a, A: LockHook> Access<'a, A> {
    /// Reads if the own cell is open, and this process is a participant already: what nearly every call
    /// comes to, so it is all that is inlined.
    #[inline(always)]
    pub(crate) fn read_clean(&self) -> Option<RawReadGuard<'a>> {
        let own = self.anchor.own();
        let me = own.current()?;
        let reading = self.lock.read_clean(me, &self.anchor.liveness(me))?;
        Some(self.reads(reading))
    }

    /// Reads after [`read_clean`](Self::read_clean) did not do, waiting until `deadline`.
    #[cold]
    pub(crate) fn read_until(
        &self,
        deadline: &Deadline,
    ) -> Result<Outcome<RawReadGuard<'a>>, Failure<Holder>> {
        self.read(Some(deadline))
    }

    /// Reads after [`read_clean`](Self::read_clean) did not do, without waiting.
    #[cold]
    pub(crate) fn try_read(&self) -> Result<Outcome<RawReadGuard<'a>>, Failure<Holder>> {
        self.read(None)
    }

    /// Reads after [`read_clean`](Self::read_clean) did not do.
    #[cold]
    pub(crate) fn read_wait(&self) -> Result<Outcome<RawReadGuard<'a>>, Failure<Infallible>> {
        patiently(|deadline| self.read(Some(deadline)))
    }

    /// Writes if nobody is there, and nobody has read yet, and this process is a participant already.
    #[inline(always)]
    pub(crate) fn write_clean(&self) -> Option<RawWriteGuard<'a>> {
        let me = self.anchor.own().current()?;
        let token = self.lock.write_clean(me, &self.anchor.liveness(me))?;
        Some(self.writes(token))
    }

    /// Writes after [`write_clean`](Self::write_clean) did not do, waiting until `deadline`.
    #[cold]
    pub(crate) fn write_until(
        &self,
        deadline: &Deadline,
    ) -> Result<Outcome<RawWriteGuard<'a>>, Failure<Holder>> {
        self.write(Some(deadline))
    }

    /// Writes after [`write_clean`](Self::write_clean) did not do, without waiting.
    #[cold]
    pub(crate) fn try_write(&self) -> Result<Outcome<RawWriteGuard<'a>>, Failure<Holder>> {
        self.write(None)
    }

    /// Writes after [`write_clean`](Self::write_clean) did not do.
    #[cold]
    pub(crate) fn write_wait(&self) -> Result<Outcome<RawWriteGuard<'a>>, Failure<Infallible>> {
        patiently(|deadline| self.write(Some(deadline)))
    }

    /// Writes after [`write_clean`](Self::write_clean) did not do, and calls `repair` before that if a
    /// writer died.
    #[cold]
    pub(crate) fn write_or_repair(
        &self,
        repair: impl FnOnce(),
    ) -> Result<RawWriteGuard<'a>, NotLocked> {
        match self.write_wait() {
            Ok(Outcome::Clean(guard)) => Ok(guard),
            Ok(Outcome::OwnerDied(mut guard)) if !guard.is_poisoned() => {
                repair();
                guard.mark_consistent();
                Ok(guard)
            }
            Ok(Outcome::OwnerDied(_) | Outcome::Poisoned(_)) => Err(NotLocked::Poisoned),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Reads after [`read_clean`](Self::read_clean) did not do; if a writer died, writes first, calls
    /// `repair`, and goes on to read.
    #[cold]
    pub(crate) fn read_or_repair(
        &self,
        repair: impl FnOnce(),
    ) -> Result<RawReadGuard<'a>, NotLocked> {
        match self.read_wait() {
            Ok(Outcome::Clean(guard)) => Ok(guard),
            Ok(Outcome::OwnerDied(guard)) if !guard.is_poisoned() => {
                drop(guard);
                self.write_or_repair(repair).map(RawWriteGuard::downgrade)
            }
            Ok(Outcome::OwnerDied(_) | Outcome::Poisoned(_)) => Err(NotLocked::Poisoned),
            Err(failure) => Err(failure.into()),
        }
    }

    fn read(&self, wait: Option<&Deadline>) -> Result<Outcome<RawReadGuard<'a>>, Failure<Holder>> {
        let me = self.anchor.tag().map_err(Failure::Join)?;
        // A process that has joined only now, or has an open cell at the last moment.
        let others = self.anchor.liveness(me);
        let read = match self.lock.read_clean(me, &others) {
            Some(reading) => Ok(reading),
            None => self.lock.read(me, &others, wait),
        };
        let reading = read.map_err(|refused| self.failure(refused, me))?;
        let (died, poisoned) = (reading.owner_died(), reading.is_poisoned());
        Ok(Outcome::when(died, poisoned, self.reads(reading)))
    }

    fn write(
        &self,
        wait: Option<&Deadline>,
    ) -> Result<Outcome<RawWriteGuard<'a>>, Failure<Holder>> {
        let me = self.anchor.tag().map_err(Failure::Join)?;
        let written = self.lock.write(me, &self.anchor.liveness(me), wait);
        let token = written.map_err(|refused| self.failure(refused, me))?;
        let (died, poisoned) = (token.owner_died(), token.is_poisoned());
        Ok(Outcome::when(died, poisoned, self.writes(token)))
    }

    #[inline(always)]
    fn writes(&self, token: WriterToken) -> RawWriteGuard<'a> {
        RawWriteGuard {
            lock: self.lock.without_hook(),
            anchor: self.anchor,
            token,
            panicking: std::thread::panicking(),
            _not_send: PhantomData,
        }
    }

    #[inline(always)]
    fn reads(&self, reading: ReaderToken) -> RawReadGuard<'a> {
        RawReadGuard {
            cell: self.lock.cell(reading.owner()),
            state: self.anchor.state(),
            own: self.anchor.own(),
            reading,
            _not_send: PhantomData,
        }
    }

    #[cold]
    fn failure(&self, refused: RwLockError, me: Tag) -> Failure<Holder> {
        match refused {
            RwLockError::Busy => {
                let pid = |index| self.anchor.pid_at(index, me);
                Failure::Busy(Holder::of(self.lock.holder(me), me, pid))
            }
            RwLockError::Corrupt { word } => Failure::Corrupt { word },
            RwLockError::Full => Failure::TooManyReaders { most: MOST },
            RwLockError::MembershipLost => Failure::Join(self.anchor.membership_lost(me)),
        }
    }
}

/// Tries until it is not for lack of time that nothing comes of it.
fn patiently<G>(
    attempt: impl Fn(&Deadline) -> Result<Outcome<G>, Failure<Holder>>,
) -> Result<Outcome<G>, Failure<Infallible>> {
    loop {
        match attempt(&Deadline::never()) {
            Ok(outcome) => return Ok(outcome),
            Err(Failure::Busy(_)) => {}
            Err(Failure::Corrupt { word }) => return Err(Failure::Corrupt { word }),
            Err(Failure::TooManyReaders { most }) => {
                return Err(Failure::TooManyReaders { most });
            }
            Err(Failure::Join(error)) => return Err(Failure::Join(error)),
        }
    }
}

impl RawReadGuard<'_> {
    pub(crate) fn owner_died(&self) -> bool {
        self.reading.owner_died()
    }

    /// Whether the data was poisoned when this one came in, and nobody has cleared that.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.reading.is_poisoned() && self.state.is_poisoned()
    }
}

impl<'a> RawWriteGuard<'a> {
    pub(crate) fn owner_died(&self) -> bool {
        self.token.owner_died()
    }

    /// Whether the data was poisoned when this one came in, and nobody has cleared that.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.token.is_poisoned() && self.lock.is_poisoned()
    }

    pub(crate) fn mark_consistent(&mut self) {
        if self.is_own() {
            self.lock.mark_consistent(&mut self.token);
        }
    }

    /// Reads from now on; nobody writes in between.
    pub(crate) fn downgrade(self) -> RawReadGuard<'a> {
        let (lock, own) = (self.lock, self.anchor.own());
        let reading = if self.is_own() {
            lock.downgrade(self.token, &self.anchor.liveness(self.token.owner()))
        } else {
            ReaderToken::of(self.token)
        };
        std::mem::forget(self);
        RawReadGuard {
            cell: lock.cell(reading.owner()),
            state: lock.state(),
            own,
            reading,
            _not_send: PhantomData,
        }
    }

    /// False in a forked child, to which this is its parent's lock.
    fn is_own(&self) -> bool {
        self.anchor.own().current() == Some(self.token.owner())
    }
}

impl Drop for RawReadGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // In a forked child this is the parent's lock.
        if self.own.current() == Some(self.reading.owner())
            && let Some(cell) = self.cell
        {
            cell.leave(self.reading.owner());
        }
    }
}

impl Drop for RawWriteGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_own() {
            let poison = !self.panicking && std::thread::panicking();
            self.lock.stop_writing(self.token, poison);
        }
    }
}

impl fmt::Debug for RawReadGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawReadGuard")
            .field("owner_died", &self.owner_died())
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

//! The lock that many read by, or one writes by.

mod attach;
mod guards;

use std::fmt;
use std::ptr::NonNull;

pub(crate) use attach::LeaseWords;
pub use guards::{RwLockReadGuard, RwLockWriteGuard};

use crate::Deadline;
use crate::algorithm::chunks::LeaseTable;
use crate::algorithm::rwlock::{
    Cell, LockHook, ReaderToken, RwLock as Raw, RwLockError, RwLockState, RwLockStatus, WriterToken,
};
use crate::format::{Kind, Padded};
use crate::participant::Tag;
use crate::segment::EntryRef;
use crate::sync::error::{refused, until_taken};
use crate::sync::{Holder, LockError, LockTimeoutError, TryLockError};

/// Data that many processes read at a time, or one writes.
///
/// As [`std::sync::RwLock`], and a writer may be killed while it changes the data: then each later
/// reader and writer is told, until a writer answers for it; see the
/// [table](super#what-a-lock-says-of-its-last-owner). A reader that is killed is passed over and
/// not reported. A waiter never waits for a dead process, and no timeout decides that a process is
/// dead.
///
/// Reading and leaving are one atomic instruction each, and no system call, on a cache line
/// that no other process uses: readers of different processes do not slow each other down. A writer
/// pays for that, with two instructions on such a line for every process that has ever read; use a
/// [`Mutex`](super::Mutex) where reading is rare. Where none has read yet, a write costs what that
/// of a mutex does.
///
/// # Waiting
///
/// A writer waits for the readers, and for other writers. A reader that comes later waits for it,
/// so readers do not starve writers. A reader that sleeps has its turn before any writer that comes
/// later, unless it finds no processor within 10 ms of its wake. A process that reads for the first
/// time waits as a writer does, and writers are not fair among each other.
///
/// A thread that reads already and reads again can deadlock, if a writer has come in between; a
/// thread that writes and locks again does deadlock; both as with [`std::sync::RwLock`]. A waiter
/// spins for some microseconds and then sleeps.
///
/// A reader that is stopped (SIGSTOP, a debugger) blocks writers; and while a writer waits for it,
/// also the readers that come later. A writer that is stopped blocks all others. In an
/// [`Array`](crate::Array), readers and writers wait for leased chunks, too.
///
/// The lock of a writer that was killed is taken over within 50 ms, or at once with a
/// [`Monitor`](crate::segment::Monitor), after the kernel has freed its memory; readers that were
/// killed are passed over likewise.
///
/// # Size
///
/// A process can read with 1,023 threads at a time. Besides its data a lock takes 256 bytes, and
/// 128 for each participant that the segment can have: 16 KiB where there can be 128, as by
/// default.
///
/// `T` is [`Pod`](bytemuck::Pod), because a killed writer can leave any bytes behind; it is a slice
/// in an [`Array`](crate::Array). [`create`](crate::Segment::create) copies the first value through
/// the stack; use [`create_boxed`](crate::Segment::create_boxed) or
/// [`create_with`](crate::Segment::create_with) for a value of some hundred KiB and more. Guards
/// refer to the value in place.
///
/// The algorithm is that of the big-reader lock ("brlock") of Linux 2.4, with counts that can be
/// given back when their owner dies.
///
/// # Examples
///
/// ```
/// use crossdock::{RwLock, Segment};
///
/// let segment = Segment::anonymous()?;
/// let prices = segment.create::<RwLock<[u32; 2]>>("prices", [5, 7])?;
/// {
///     let one = prices.read_or_repair(|prices| *prices = [5, 7])?;
///     let other = prices.read_or_repair(|prices| *prices = [5, 7])?;
///     assert_eq!(one[0] + other[1], 12);
/// }
/// prices.write_or_repair(|prices| *prices = [5, 7])?[0] = 6;
/// assert_eq!(*prices.read_or_repair(|_| ())?, [6, 7]);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// A guard stays with its thread:
///
/// ```compile_fail
/// # use crossdock::{RwLock, Segment};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<RwLock<u64>>("total", 0).unwrap();
/// let guard = total.read().unwrap();
/// std::thread::scope(|scope| { scope.spawn(move || drop(guard)); });
/// ```
///
/// does not outlive its lock:
///
/// ```compile_fail
/// # use crossdock::{RwLock, Segment};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<RwLock<u64>>("total", 0).unwrap();
/// let guard = total.read().unwrap();
/// drop(total);
/// println!("{}", *guard);
/// ```
///
/// and a guard that reads does not write:
///
/// ```compile_fail
/// # use crossdock::{RwLock, Segment};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<RwLock<u64>>("total", 0).unwrap();
/// *total.read().unwrap() += 1;
/// ```
///
/// The data means the same in every process, and has no bytes without a meaning: no pointers, no
/// padding:
///
/// ```compile_fail
/// # use crossdock::{RwLock, Segment};
/// let segment = Segment::anonymous().unwrap();
/// segment.create::<RwLock<&'static u64>>("total", &0).unwrap();
/// ```
///
/// ```compile_fail
/// # use bytemuck::{Pod, Zeroable};
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[repr(C)]
/// struct Padded(u8, u64);
/// ```
#[doc(alias = "shared_mutex")]
#[doc(alias = "SharedMutex")]
pub struct RwLock<T: ?Sized> {
    state: EntryRef<RwLockState>,
    /// Invariant 1: the cells of all participants are mapped there as long as `state`, aligned.
    cells: NonNull<[Padded<Cell>]>,
    /// Invariant 2: mapped as long as `state`, aligned, any bytes are a `T`.
    data: NonNull<T>,
    /// The chunks of an array.
    leases: Option<LeaseWords>,
}

// SAFETY: the data is reached through guards, and is Send + Sync; the rest are atomics.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLock<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> RwLock<T> {
    /// Locks to read; blocks while a live participant writes, or waits to write.
    ///
    /// If the writer is stopped, readers wait until it continues.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock, and report to every
    /// reader until a writer answers for it; see the
    /// [table](super#what-a-lock-says-of-its-last-owner). [`LockError::TooManyReaders`] and
    /// [`LockError::Fault`] do not.
    #[inline]
    pub fn read(&self) -> Result<RwLockReadGuard<'_, T>, LockError<RwLockReadGuard<'_, T>>> {
        match self.read_clean() {
            Some(guard) => Ok(guard),
            None => match self.read_wait() {
                Ok(token) => Ok(self.reads(token)),
                Err(error) => Err(error.map(|token| self.reads(token))),
            },
        }
    }

    /// Locks to write; blocks while a live participant reads or writes.
    ///
    /// As soon as it is the first of the writers, readers that come later wait for it.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock; see the
    /// [table](super#what-a-lock-says-of-its-last-owner). [`LockError::Fault`] does not.
    #[inline]
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, T>, LockError<RwLockWriteGuard<'_, T>>> {
        match self.write_clean() {
            Some(guard) => Ok(guard),
            None => match self.write_wait() {
                Ok(token) => Ok(self.writes(token)),
                Err(error) => Err(error.map(|token| self.writes(token))),
            },
        }
    }

    /// Locks as [`read`](Self::read) does; if a writer died, writes first, calls `repair` with the
    /// data, and then [downgrades](RwLockWriteGuard::downgrade): the everyday form.
    ///
    /// When `repair` returns, the data counts as consistent. If this process dies before that, the
    /// next owner's `repair` is called; if `repair` panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// [`LockError::Poisoned`], whether or not a writer died too, [`LockError::TooManyReaders`] and
    /// [`LockError::Fault`]. The lock is not held; see [`clear_poison`](Self::clear_poison).
    #[inline]
    pub fn read_or_repair(
        &self,
        repair: impl FnOnce(&mut T),
    ) -> Result<RwLockReadGuard<'_, T>, LockError> {
        match self.read_clean() {
            Some(guard) => Ok(guard),
            None => match self.read_and_repair(repair) {
                Ok(token) => Ok(self.reads(token)),
                Err(error) => Err(error),
            },
        }
    }

    /// Locks as [`write`](Self::write) does, and calls `repair` with the data if a writer died: the
    /// everyday form.
    ///
    /// When `repair` returns, the data counts as consistent. If this process dies before that, the
    /// next owner's `repair` is called; if `repair` panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// [`LockError::Poisoned`], whether or not a writer died too, and [`LockError::Fault`]. The
    /// lock is not held; see [`clear_poison`](Self::clear_poison).
    #[inline]
    pub fn write_or_repair(
        &self,
        repair: impl FnOnce(&mut T),
    ) -> Result<RwLockWriteGuard<'_, T>, LockError> {
        match self.write_clean() {
            Some(guard) => Ok(guard),
            None => match self.write_and_repair(repair) {
                Ok(token) => Ok(self.writes(token)),
                Err(error) => Err(error),
            },
        }
    }

    /// Locks to read if no live participant writes, or waits to write; never sleeps.
    ///
    /// It may spin for some microseconds while another reader enters by the slow way, as the first
    /// reader of a process, and the first after a writer, do.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a live participant writes or waits to write, or if that
    /// reader takes longer; [`TryLockError::Lock`] as [`read`](Self::read).
    #[inline]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError<RwLockReadGuard<'_, T>>> {
        match self.read_clean() {
            Some(guard) => Ok(guard),
            None => match self.read_until(None) {
                Ok(token) => Ok(self.reads(token)),
                Err(error) => Err(error.map(|token| self.reads(token))),
            },
        }
    }

    /// Locks to write if no live participant reads or writes; never sleeps.
    ///
    /// It may spin for some microseconds while a reader enters by the slow way, as the first reader
    /// of a process, and the first after a writer, do.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a live participant reads or writes; [`TryLockError::Lock`]
    /// as [`write`](Self::write).
    #[inline]
    pub fn try_write(
        &self,
    ) -> Result<RwLockWriteGuard<'_, T>, TryLockError<RwLockWriteGuard<'_, T>>> {
        match self.write_clean() {
            Some(guard) => Ok(guard),
            None => match self.write_until(None) {
                Ok(token) => Ok(self.writes(token)),
                Err(error) => Err(error.map(|token| self.writes(token))),
            },
        }
    }

    /// Locks as [`read`](Self::read) does; blocks no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::Timeout`] if a live participant writes, or waits to write, at the end;
    /// [`LockTimeoutError::Lock`] as [`read`](Self::read).
    #[inline]
    pub fn read_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<RwLockReadGuard<'_, T>, LockTimeoutError<RwLockReadGuard<'_, T>>> {
        match self.read_until(Some(&timeout.into())) {
            Ok(token) => Ok(self.reads(token)),
            Err(error) => Err(error.timed_out(|token| self.reads(token))),
        }
    }

    /// Locks as [`write`](Self::write) does; blocks no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// If it gives up, the readers that came meanwhile are let in.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::Timeout`] if a live participant reads or writes at the end;
    /// [`LockTimeoutError::Lock`] as [`write`](Self::write).
    #[inline]
    pub fn write_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<RwLockWriteGuard<'_, T>, LockTimeoutError<RwLockWriteGuard<'_, T>>> {
        match self.write_until(Some(&timeout.into())) {
            Ok(token) => Ok(self.writes(token)),
            Err(error) => Err(error.timed_out(|token| self.writes(token))),
        }
    }

    /// Returns whether a participant, alive or dead, reads or writes. The answer may be stale when
    /// it is returned. Leases of an [`Array`](crate::Array) do not count.
    pub fn is_locked(&self) -> bool {
        let status = self.peek();
        status.writes || status.readers > 0
    }

    /// Returns whether a participant, alive or dead, writes. The answer may be stale when it is
    /// returned.
    pub fn is_write_locked(&self) -> bool {
        self.peek().writes
    }

    /// Returns the participant that writes, alive or dead; `None` if none does. Never blocks. The
    /// answer may be stale when it is returned.
    ///
    /// A writer that died is returned until the lock is taken over, as [`Holder::Other`] after its
    /// participant was reaped; and not after that if no process has read.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::sync::Holder;
    /// use crossdock::{RwLock, Segment};
    ///
    /// let prices = Segment::anonymous()?.create::<RwLock<u64>>("prices", 3)?;
    /// let guard = prices.write()?;
    /// assert_eq!(prices.writer(), Some(Holder::ThisProcess));
    /// assert_eq!(prices.readers(), []);
    /// # drop(guard);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn writer(&self) -> Option<Holder> {
        let writer = self.raw().writer()?;
        let me = self.state.tag_if_possible()?;
        Some(Holder::of(writer, me, &self.state))
    }

    /// Returns the participants that read, alive or dead, each of them once, however many of its
    /// threads read. Never blocks. The answer may be stale when it is returned, and its parts are
    /// of slightly different times. Leases of an [`Array`](crate::Array) do not count.
    ///
    /// A reader that died blocks no writer, and is returned until its participant is reaped.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::sync::Holder;
    /// use crossdock::{RwLock, Segment};
    ///
    /// let prices = Segment::anonymous()?.create::<RwLock<u64>>("prices", 3)?;
    /// let (one, two) = (prices.read()?, prices.read()?);
    /// assert_eq!(prices.readers(), [Holder::ThisProcess]);
    /// assert_eq!(prices.writer(), None);
    /// # drop((one, two));
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn readers(&self) -> Vec<Holder> {
        let Some(me) = self.state.tag_if_possible() else {
            return Vec::new();
        };
        let mut readers = Vec::new();
        let each = |reader| readers.push(Holder::of(reader, me, &self.state));
        self.raw().each_reader(each);
        readers
    }

    /// Returns whether the lock is poisoned: by a writer's panic; a reader's does not.
    pub fn is_poisoned(&self) -> bool {
        self.state.is_poisoned()
    }

    /// Clears the poison, also while another participant holds the lock.
    pub fn clear_poison(&self) {
        self.state.clear_poison();
    }

    /// Whether there are leases beside the lock: in an array, whose data is a slice.
    const HAS_LEASES: bool = size_of::<NonNull<T>>() > size_of::<NonNull<()>>();
    const KIND: Kind = if Self::HAS_LEASES {
        Kind::Array
    } else {
        Kind::RwLock
    };

    pub(crate) fn entry_ref(&self) -> &EntryRef<RwLockState> {
        &self.state
    }

    pub(crate) fn data(&self) -> NonNull<T> {
        self.data
    }

    pub(crate) fn leases(&self) -> Option<LeaseWords> {
        self.leases
    }

    /// The lock's words, beside `hook`.
    #[inline(always)]
    pub(crate) fn beside<A: LockHook>(&self, hook: A) -> Raw<'_, A> {
        // SAFETY: Invariant 1, and any bytes are a cell.
        let cells = unsafe { self.cells.as_ref() };
        Raw::new(self.state.state(), cells, hook)
    }

    #[inline(always)]
    fn raw(&self) -> Raw<'_, Option<LeaseTable<'_>>> {
        // Where there can be none, the compiler knows that.
        let words = self.leases.filter(|_| Self::HAS_LEASES);
        // SAFETY: the words are beside this lock.
        self.beside(words.map(|words| unsafe { words.table() }))
    }

    fn peek(&self) -> RwLockStatus {
        self.raw().peek()
    }

    /// The guard of a lock that was taken. What waits returns the token and no guard, so that the
    /// guard of what is inlined stays in registers.
    fn reads(&self, token: ReaderToken) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard::new(self.data, self.raw(), self.state.own(), token)
    }

    /// The same of a lock that was taken to write.
    #[inline(always)]
    fn writes(&self, token: WriterToken) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard::new(self, token, std::thread::panicking())
    }

    /// Reads if the own cell is open, and this process is a participant already: what nearly every
    /// call comes to, so it is all that is inlined.
    #[inline(always)]
    fn read_clean(&self) -> Option<RwLockReadGuard<'_, T>> {
        // Everything is looked up before the instruction that locks.
        let (data, lock, own) = (self.data, self.raw(), self.state.own());
        let me = own.current()?;
        let token = lock.read_clean(&self.state.liveness(me))?;
        Some(RwLockReadGuard::new(data, lock, own, token))
    }

    /// Writes if no participant is there, and none has read yet, and this process is a participant
    /// already; not beside leases.
    #[inline(always)]
    fn write_clean(&self) -> Option<RwLockWriteGuard<'_, T>> {
        // Everything is looked up before the instruction that locks.
        let panicking = std::thread::panicking();
        let me = self.state.own().current().filter(|_| !Self::HAS_LEASES)?;
        let token = self.raw().write_clean(&self.state.liveness(me))?;
        Some(RwLockWriteGuard::new(self, token, panicking))
    }

    /// Reads after [`read_clean`](Self::read_clean) did not.
    #[cold]
    fn read_wait(&self) -> Result<ReaderToken, LockError<ReaderToken>> {
        until_taken(|| self.read_until(Some(&Deadline::never())))
    }

    /// Writes after [`write_clean`](Self::write_clean) did not.
    #[cold]
    fn write_wait(&self) -> Result<WriterToken, LockError<WriterToken>> {
        until_taken(|| self.write_until(Some(&Deadline::never())))
    }

    /// As [`read_wait`](Self::read_wait); if a writer died, writes first, repairs, and goes on to
    /// read.
    #[cold]
    fn read_and_repair(&self, repair: impl FnOnce(&mut T)) -> Result<ReaderToken, LockError> {
        let error = match self.read_wait() {
            Ok(token) => return Ok(token),
            Err(error) => error.map(|token| self.reads(token).is_poisoned()),
        };
        match error {
            LockError::OwnerDied(false) => {
                let token = self.write_and_repair(repair)?;
                Ok(self.writes(token).downgrade().into_token())
            }
            LockError::OwnerDied(true) => Err(LockError::Poisoned(())),
            error => Err(error.map(drop)),
        }
    }

    /// As [`write_wait`](Self::write_wait); if a writer died, repairs.
    #[cold]
    fn write_and_repair(&self, repair: impl FnOnce(&mut T)) -> Result<WriterToken, LockError> {
        let (died, token) = match self.write_wait() {
            Ok(token) => return Ok(token),
            Err(LockError::OwnerDied(token)) => (true, token),
            Err(LockError::Poisoned(token)) => (false, token),
            Err(error) => return Err(error.map(drop)),
        };
        let mut guard = self.writes(token);
        if !died || guard.is_poisoned() {
            return Err(LockError::Poisoned(()));
        }
        repair(&mut guard);
        guard.mark_consistent();
        Ok(guard.into_token())
    }

    /// Reads, waiting until the deadline; without a deadline, without waiting.
    #[cold]
    fn read_until(
        &self,
        wait: Option<&Deadline>,
    ) -> Result<ReaderToken, TryLockError<ReaderToken>> {
        let (lock, me) = (self.raw(), self.state.tag()?);
        let others = self.state.liveness(me);
        // A process that has joined only now, or has an open cell at the last moment.
        let read = match lock.read_clean(&others) {
            Some(token) => Ok(token),
            None => lock.read(&others, wait),
        };
        match read {
            Ok(read) => Ok(LockError::told(
                self.state.entry(),
                read.owner_died(),
                read.is_poisoned(),
                read,
            )?),
            Err(error) => Err(self.refused(error, me)),
        }
    }

    /// Writes, waiting until the deadline; without a deadline, without waiting.
    #[cold]
    fn write_until(
        &self,
        wait: Option<&Deadline>,
    ) -> Result<WriterToken, TryLockError<WriterToken>> {
        let me = self.state.tag()?;
        match self.raw().write(&self.state.liveness(me), wait) {
            Ok(token) => Ok(LockError::told(
                self.state.entry(),
                token.owner_died(),
                token.is_poisoned(),
                token,
            )?),
            Err(error) => Err(self.refused(error, me)),
        }
    }

    #[cold]
    fn refused<P>(&self, error: RwLockError, me: Tag) -> TryLockError<P> {
        let holder = || self.raw().holder(me);
        refused(error, (Self::KIND, &self.state, me), holder)
    }
}

impl<T: ?Sized> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            cells: self.cells,
            data: self.data,
            leases: self.leases,
        }
    }
}

/// Never blocks, and does not show the data.
impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.peek();
        f.debug_struct("RwLock")
            .field("write_locked", &status.writes)
            .field("readers", &status.readers)
            .field("owner_died", &status.owner_died)
            .field("poisoned", &status.poisoned)
            .finish_non_exhaustive()
    }
}

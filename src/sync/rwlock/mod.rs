//! The lock that many read by, or one writes by.

mod guards;
mod raw;

use std::fmt;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::Pod;

pub use guards::{RwLockReadGuard, RwLockWriteGuard};
pub(crate) use raw::{Access, RawReadGuard, RawRwLock, RawWriteGuard};

use crate::algorithm::rwlock::layout::RwLockLayout;
use crate::facade::Deadline;
use crate::format::{Kind, PayloadShape};
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{Bytes, Entry, EntryError, HoldsValue, Placeable, Shape, sealed};
use crate::sync::error::{Failure, Outcome};
use crate::sync::{LockError, NotLocked, TimedLockError, TryLockError};

/// Data that many processes read at a time, or one writes.
///
/// As [`std::sync::RwLock`], with one more thing that can have happened: a writer was killed while it
/// changed the data. Everybody who comes next is told, readers too, until a writer has answered for
/// it; see the [table](super#what-a-lock-says-of-its-last-owner). A reader that is killed is passed over, and
/// nobody is told. Nobody ever waits for a dead process, and no time-out decides that one is dead.
///
/// Reading and leaving are one atomic instruction each, and no system call, on a cache line that no other
/// process uses: readers of different processes do not slow each other down. A writer pays for
/// that, with two instructions on such a line for every process that has ever read; use a
/// [`Mutex`](super::Mutex) where reading is rare.
///
/// # Who waits for whom
///
/// A writer waits for those who read, and for other writers. A reader that comes later waits for it,
/// so readers do not starve writers; writers can starve readers. A thread that reads already and
/// reads again can therefore wait for ever, if a writer has come in between; one that writes and
/// locks again does wait for ever; both as with [`std::sync::RwLock`]. Who waits spins for some microseconds
/// and then sleeps.
///
/// A reader that is stopped (SIGSTOP, a debugger) blocks writers; and while a writer waits for it, also the
/// readers that come later. A writer that is stopped blocks everybody.
///
/// A process is counted as often as its threads read, 2,047 times at most. Besides its data a lock takes 256
/// bytes, and 128 for each participant that the segment can have: 16 KiB where there can be 128, as by
/// default.
///
/// `T` is [`Pod`], because a killed writer can leave any bytes behind. A first value of some hundred KiB and
/// more is created by [`Segment::create_boxed`](crate::Segment::create_boxed) or
/// [`create_with`](crate::Segment::create_with), since `create` copies it through the stack; guards refer to it where it is.
///
/// The algorithm is that of the big-reader lock ("brlock") of Linux 2.4, with counts that can be given back
/// when their owner dies.
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
/// and one that reads does not write:
///
/// ```compile_fail
/// # use crossdock::{RwLock, Segment};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<RwLock<u64>>("total", 0).unwrap();
/// *total.read().unwrap() += 1;
/// ```
///
/// What it holds means the same in every process, and has no bytes without a meaning: no pointers, no
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
pub struct RwLock<T> {
    raw: RawRwLock,
    /// Invariant 1: inside the entry that `raw` keeps mapped, aligned, any bytes are a `T`.
    data: NonNull<T>,
}

// SAFETY: the data is reached through guards, and `T` is Send + Sync (Payload).
unsafe impl<T: Payload> Send for RwLock<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for RwLock<T> {}

impl<T: Payload + Pod> RwLock<T> {
    /// Reads, waiting as long as a live participant writes, or waits to write.
    ///
    /// The lock of a writer that was killed is taken over within a few milliseconds, or at once with a
    /// [`Monitor`](crate::segment::Monitor); one that was stopped is waited for.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock, and say so to every reader until
    /// a writer has answered for it; see the [table](super#what-a-lock-says-of-its-last-owner).
    /// [`LockError::Join`], [`LockError::Corrupt`] and [`LockError::TooManyReaders`] do not.
    #[inline]
    pub fn read(&self) -> Result<RwLockReadGuard<'_, T>, LockError<RwLockReadGuard<'_, T>>> {
        match self.raw.alone().read_clean() {
            Some(raw) => Ok(self.reads(raw)),
            None => LockError::result(self.reading(self.raw.alone().read_wait())),
        }
    }

    /// Writes, waiting as long as a live participant reads or writes.
    ///
    /// From when it is the first of the writers, no reader that comes later is let in before it. The lock of
    /// a writer that was killed is taken over within a few milliseconds, or at once with a
    /// [`Monitor`](crate::segment::Monitor), and readers that were killed are passed over likewise.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock; see the
    /// [table](super#what-a-lock-says-of-its-last-owner). [`LockError::Join`] and
    /// [`LockError::Corrupt`] do not.
    #[inline]
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, T>, LockError<RwLockWriteGuard<'_, T>>> {
        match self.raw.alone().write_clean() {
            Some(raw) => Ok(self.writes(raw)),
            None => LockError::result(self.writing(self.raw.alone().write_wait())),
        }
    }

    /// Reads as [`read`](Self::read) does; if a writer died, writes first, calls `repair` with the data,
    /// and then [goes on to read](RwLockWriteGuard::downgrade): the everyday form.
    ///
    /// When `repair` returns the data counts as consistent. If this process dies in the middle of it, the
    /// next one's `repair` is called; if `repair` panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// [`NotLocked`], and the lock is not held: in particular if it is poisoned, whether or not a
    /// writer died too; see [`clear_poison`](Self::clear_poison).
    #[inline]
    pub fn read_or_repair(
        &self,
        repair: impl FnOnce(&mut T),
    ) -> Result<RwLockReadGuard<'_, T>, NotLocked> {
        let raw = match self.raw.alone().read_clean() {
            Some(raw) => raw,
            None => self.raw.alone().read_or_repair(self.repairing(repair))?,
        };
        Ok(self.reads(raw))
    }

    /// Writes as [`write`](Self::write) does, and calls `repair` with the data before that if a writer
    /// died: the everyday form.
    ///
    /// When `repair` returns the data counts as consistent. If this process dies in the middle of it, the
    /// next one's `repair` is called; if `repair` panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// As [`read_or_repair`](Self::read_or_repair), but for [`NotLocked::TooManyReaders`].
    #[inline]
    pub fn write_or_repair(
        &self,
        repair: impl FnOnce(&mut T),
    ) -> Result<RwLockWriteGuard<'_, T>, NotLocked> {
        let raw = match self.raw.alone().write_clean() {
            Some(raw) => raw,
            None => self.raw.alone().write_or_repair(self.repairing(repair))?,
        };
        Ok(self.writes(raw))
    }

    /// Reads if no live participant writes, or waits to write; never sleeps.
    ///
    /// Where another reader is just being let in by the slow way, as a process's first one and the first
    /// after a writer are, this one spins for some microseconds.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if one does, or if that reader takes longer; the others as
    /// [`read`](Self::read).
    #[inline]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError<RwLockReadGuard<'_, T>>> {
        match self.raw.alone().read_clean() {
            Some(raw) => Ok(self.reads(raw)),
            None => TryLockError::result(self.reading(self.raw.alone().try_read())),
        }
    }

    /// Writes if no live participant reads or writes; never sleeps.
    ///
    /// Where a reader is just being let in by the slow way, as a process's first one and the first
    /// after a writer are, this one spins for some microseconds.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if one does; the others as [`write`](Self::write).
    #[inline]
    pub fn try_write(
        &self,
    ) -> Result<RwLockWriteGuard<'_, T>, TryLockError<RwLockWriteGuard<'_, T>>> {
        match self.raw.alone().write_clean() {
            Some(raw) => Ok(self.writes(raw)),
            None => TryLockError::result(self.writing(self.raw.alone().try_write())),
        }
    }

    /// Reads, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedLockError::Timeout`] if a live participant still writes then, or waits to write; the others
    /// as [`read`](Self::read).
    pub fn try_read_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockReadGuard<'_, T>, TimedLockError<RwLockReadGuard<'_, T>>> {
        self.read_until(&Deadline::after(timeout))
    }

    /// Reads, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_read_timeout`](Self::try_read_timeout).
    pub fn try_read_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RwLockReadGuard<'_, T>, TimedLockError<RwLockReadGuard<'_, T>>> {
        self.read_until(&Deadline::at(deadline))
    }

    /// Writes, waiting no longer than `timeout`.
    ///
    /// Readers that came meanwhile are let in if it gives up.
    ///
    /// # Errors
    ///
    /// [`TimedLockError::Timeout`] if a live participant still reads or writes then; the others
    /// as [`write`](Self::write).
    pub fn try_write_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockWriteGuard<'_, T>, TimedLockError<RwLockWriteGuard<'_, T>>> {
        self.write_until(&Deadline::after(timeout))
    }

    /// Writes, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_write_timeout`](Self::try_write_timeout).
    pub fn try_write_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RwLockWriteGuard<'_, T>, TimedLockError<RwLockWriteGuard<'_, T>>> {
        self.write_until(&Deadline::at(deadline))
    }

    /// Returns whether somebody, alive or dead, reads or writes: a glance, which may be over.
    pub fn is_locked(&self) -> bool {
        let glance = self.raw.glance();
        glance.writes || glance.readers > 0
    }

    /// Returns whether somebody, alive or dead, writes: a glance, which may be over.
    pub fn is_write_locked(&self) -> bool {
        self.raw.glance().writes
    }

    /// Returns whether the lock is poisoned: by a writer's panic; a reader's does not.
    pub fn is_poisoned(&self) -> bool {
        self.raw.glance().poisoned
    }

    /// Clears the poison, whoever holds the lock.
    pub fn clear_poison(&self) {
        self.raw.clear_poison();
    }

    fn read_until(
        &self,
        deadline: &Deadline,
    ) -> Result<RwLockReadGuard<'_, T>, TimedLockError<RwLockReadGuard<'_, T>>> {
        TimedLockError::result(self.reading(self.raw.alone().read_until(deadline)))
    }

    fn write_until(
        &self,
        deadline: &Deadline,
    ) -> Result<RwLockWriteGuard<'_, T>, TimedLockError<RwLockWriteGuard<'_, T>>> {
        TimedLockError::result(self.writing(self.raw.alone().write_until(deadline)))
    }

    /// Calls `repair` with the data.
    fn repairing(&self, repair: impl FnOnce(&mut T)) -> impl FnOnce() {
        let mut data = self.data;
        move || {
            // SAFETY: Invariant 1; the lock is held to write, and there is no guard of it yet.
            repair(unsafe { data.as_mut() });
        }
    }

    #[inline(always)]
    fn reads<'a>(&self, raw: RawReadGuard<'a>) -> RwLockReadGuard<'a, T> {
        // SAFETY: Invariant 1, and `raw` is of its lock.
        unsafe { RwLockReadGuard::new(self.data, raw) }
    }

    #[inline(always)]
    fn writes<'a>(&self, raw: RawWriteGuard<'a>) -> RwLockWriteGuard<'a, T> {
        // SAFETY: Invariant 1, and `raw` is of its lock.
        unsafe { RwLockWriteGuard::new(self.data, raw) }
    }

    fn reading<'a, B>(
        &self,
        came: Result<Outcome<RawReadGuard<'a>>, Failure<B>>,
    ) -> Result<Outcome<RwLockReadGuard<'a, T>>, Failure<B>> {
        // SAFETY: Invariant 1, and the guard is of its lock.
        came.map(|outcome| unsafe { RwLockReadGuard::outcome(self.data, outcome) })
    }

    fn writing<'a, B>(
        &self,
        came: Result<Outcome<RawWriteGuard<'a>>, Failure<B>>,
    ) -> Result<Outcome<RwLockWriteGuard<'a, T>>, Failure<B>> {
        // SAFETY: Invariant 1, and the guard is of its lock.
        came.map(|outcome| unsafe { RwLockWriteGuard::outcome(self.data, outcome) })
    }
}

/// Never blocks, and does not show the data.
impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glance = self.raw.glance();
        f.debug_struct("RwLock")
            .field("write_locked", &glance.writes)
            .field("readers", &glance.readers)
            .field("owner_died", &glance.owner_died)
            .field("poisoned", &glance.poisoned)
            .finish_non_exhaustive()
    }
}

impl<T> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            data: self.data,
        }
    }
}

impl<T: Payload + Pod> HoldsValue for RwLock<T> {
    type Value = T;
    type Boxed = Box<T>;

    fn boxed_words(_: Option<&Box<T>>) -> [u64; 4] {
        [0; 4]
    }

    fn boxed_refused(_: Option<&Box<T>>) -> EntryError {
        EntryError::Payload {
            found: Box::new(Self::payload()),
        }
    }

    fn prepare_boxed(bytes: &Bytes<'_>, first: Box<T>) {
        bytes.write(RwLockLayout::DATA, &*first);
    }
}

impl<T: Payload + Pod> sealed::Sealed for RwLock<T> {}

impl<T: Payload + Pod> Placeable for RwLock<T> {
    /// The first value.
    type Config = T;

    const KIND: Kind = Kind::RwLock;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(_: &T) -> [u64; 4] {
        [0; 4]
    }

    fn shape(config: [u64; 4], participants: u32) -> Option<Shape> {
        let payload = shape_of::<T>()?;
        let layout = RwLockLayout::new(payload.size(), participants)?;
        (config == [0; 4]).then_some(Shape {
            kind: Self::KIND,
            len: layout.len,
            payload,
            config,
        })
    }

    /// Zeroed words are a lock that nobody has.
    fn prepare(bytes: &Bytes<'_>, first: T) {
        bytes.write(RwLockLayout::DATA, &first);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = RwLockLayout::new(shape_of::<T>()?.size(), participants)?;
        let raw = RawRwLock::anchored(entry, layout.cells)?;
        // INVARIANT: 1, checked by `payload`; `T` is Pod.
        let data = raw.entry_ref().payload::<T>(RwLockLayout::DATA)?;
        Some(Self { raw, data })
    }

    fn entry(&self) -> &Entry {
        self.raw.entry_ref().entry()
    }
}

//! The ways to read and write an array as a whole, and to copy parts of it.

use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::{Array, CopyError};
use crate::facade::Deadline;
use crate::payload::Payload;
use crate::sync::error::{Failure, Outcome};
use crate::sync::rwlock::{RawReadGuard, RawWriteGuard};
use crate::sync::{
    LockError, NotLocked, RwLockReadGuard, RwLockWriteGuard, TimedLockError, TryLockError,
};

impl<T: Payload + Pod> Array<T> {
    /// Reads the array, waiting while somebody writes it or has chunks of it.
    ///
    /// Any number of threads and processes can read at once. A process that has read before, with nobody
    /// writing or leasing since, comes in with one atomic instruction on a cache line of its own. Else the
    /// chunks that are in living hands are waited for, and no others are leased meanwhile; those of the dead
    /// are taken back. Whoever is stopped with a chunk, or while it writes, is waited for.
    ///
    /// A thread that reads already may wait for ever if somebody waits to write in between; one that
    /// writes, or has a chunk, waits for ever.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock: the last writer died, or
    /// panicked, so the values may be half changed; every reader is told until a writer has answered for it.
    /// [`LockError::TooManyReaders`] if 2047 threads of this process read; [`LockError::Corrupt`];
    /// [`LockError::Join`].
    #[inline]
    pub fn read(&self) -> Result<RwLockReadGuard<'_, [T]>, LockError<RwLockReadGuard<'_, [T]>>> {
        match self.access().read_clean() {
            Some(raw) => Ok(self.reads(raw)),
            None => LockError::result(self.reading(self.access().read_wait())),
        }
    }

    /// Reads the array as [`read`](Self::read) does, and calls `repair` with the values if the last writer
    /// died: the everyday form.
    ///
    /// The repair is made as a writer; then nobody else writes before this reads. If this process dies in
    /// the middle of it, the next one's `repair` is called; if `repair` panics, the array is also poisoned.
    ///
    /// # Errors
    ///
    /// [`NotLocked`], and the array is not locked: in particular if it is poisoned.
    #[inline]
    pub fn read_or_repair(
        &self,
        repair: impl FnOnce(&mut [T]),
    ) -> Result<RwLockReadGuard<'_, [T]>, NotLocked> {
        let raw = match self.access().read_clean() {
            Some(raw) => raw,
            None => self.access().read_or_repair(self.repairing(repair))?,
        };
        Ok(self.reads(raw))
    }

    /// Reads the array if no live participant writes it, or has a chunk; never waits.
    ///
    /// It may spin for some microseconds if somebody is just about to let others in.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if one does; the others as [`read`](Self::read).
    pub fn try_read(
        &self,
    ) -> Result<RwLockReadGuard<'_, [T]>, TryLockError<RwLockReadGuard<'_, [T]>>> {
        match self.access().read_clean() {
            Some(raw) => Ok(self.reads(raw)),
            None => TryLockError::result(self.reading(self.access().try_read())),
        }
    }

    /// Reads the array, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedLockError::Timeout`]; the others as [`read`](Self::read).
    pub fn try_read_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockReadGuard<'_, [T]>, TimedLockError<RwLockReadGuard<'_, [T]>>> {
        self.read_until(&Deadline::after(timeout))
    }

    /// Reads the array, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_read_timeout`](Self::try_read_timeout).
    pub fn try_read_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RwLockReadGuard<'_, [T]>, TimedLockError<RwLockReadGuard<'_, [T]>>> {
        self.read_until(&Deadline::at(deadline))
    }

    /// Writes the array, waiting for all that read it, write it, or have chunks of it.
    ///
    /// Readers that come later wait for this one. Whoever is stopped with what it waits for is waited for;
    /// what the dead had is taken over within a few milliseconds.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock; see
    /// [`RwLockWriteGuard::mark_consistent`] and [`clear_poison`](Self::clear_poison).
    /// [`LockError::Corrupt`]; [`LockError::Join`].
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, [T]>, LockError<RwLockWriteGuard<'_, [T]>>> {
        LockError::result(self.writing(self.access().write_wait()))
    }

    /// Writes the array as [`write`](Self::write) does, and calls `repair` with the values if the last
    /// writer died: the everyday form.
    ///
    /// When `repair` returns the values count as consistent. If this process dies in the middle of it, the
    /// next one's `repair` is called; if `repair` panics, the array is also poisoned.
    ///
    /// # Errors
    ///
    /// [`NotLocked`], and the array is not locked: in particular if it is poisoned.
    pub fn write_or_repair(
        &self,
        repair: impl FnOnce(&mut [T]),
    ) -> Result<RwLockWriteGuard<'_, [T]>, NotLocked> {
        let raw = self.access().write_or_repair(self.repairing(repair))?;
        // SAFETY: Invariant 3 of `Array`, and `raw` is of its lock.
        Ok(unsafe { RwLockWriteGuard::new(self.values(), raw) })
    }

    /// Writes the array if no live participant reads it, writes it or has a chunk of it; never waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if one does; the others as [`write`](Self::write).
    pub fn try_write(
        &self,
    ) -> Result<RwLockWriteGuard<'_, [T]>, TryLockError<RwLockWriteGuard<'_, [T]>>> {
        TryLockError::result(self.writing(self.access().try_write()))
    }

    /// Writes the array, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedLockError::Timeout`]; the others as [`write`](Self::write).
    pub fn try_write_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockWriteGuard<'_, [T]>, TimedLockError<RwLockWriteGuard<'_, [T]>>> {
        self.write_until(&Deadline::after(timeout))
    }

    /// Writes the array, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_write_timeout`](Self::try_write_timeout).
    pub fn try_write_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RwLockWriteGuard<'_, [T]>, TimedLockError<RwLockWriteGuard<'_, [T]>>> {
        self.write_until(&Deadline::at(deadline))
    }

    /// Copies values out, as many as there is room for, beginning with number `at`: under the lock, with
    /// one memcpy.
    ///
    /// Waits as [`read`](Self::read) does.
    ///
    /// # Errors
    ///
    /// [`CopyError::OutOfRange`] if there are not so many, and nothing is copied; [`CopyError::OwnerDied`],
    /// [`CopyError::Poisoned`] if the values may be half changed, and nothing is copied either;
    /// [`CopyError::TooManyReaders`], [`CopyError::Corrupt`], [`CopyError::Join`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Array, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let primes = segment.create::<Array<u32>>("primes", [2, 3, 5, 0, 0].into())?;
    /// primes.copy_from(3, &[7, 11])?;
    /// let mut some = [0; 3];
    /// primes.copy_to(2, &mut some)?;
    /// assert_eq!(some, [5, 7, 11]);
    /// assert!(primes.copy_to(3, &mut some).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_to(&self, at: usize, values: &mut [T]) -> Result<(), CopyError> {
        self.check(at, values.len())?;
        let guard = self.read().map_err(CopyError::of)?;
        if let Some(part) = guard.get(at..).and_then(|rest| rest.get(..values.len())) {
            values.copy_from_slice(part);
        }
        Ok(())
    }

    /// Copies values in, beginning with number `at`: under the lock, with one memcpy.
    ///
    /// Waits as [`write`](Self::write) does. A process that is killed in the middle of it is a writer that
    /// died: the next one is told.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to), but for `TooManyReaders`.
    pub fn copy_from(&self, at: usize, values: &[T]) -> Result<(), CopyError> {
        self.check(at, values.len())?;
        let mut guard = self.write().map_err(CopyError::of)?;
        if let Some(part) = guard
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..values.len()))
        {
            part.copy_from_slice(values);
        }
        Ok(())
    }

    fn read_until(
        &self,
        deadline: &Deadline,
    ) -> Result<RwLockReadGuard<'_, [T]>, TimedLockError<RwLockReadGuard<'_, [T]>>> {
        TimedLockError::result(self.reading(self.access().read_until(deadline)))
    }

    fn write_until(
        &self,
        deadline: &Deadline,
    ) -> Result<RwLockWriteGuard<'_, [T]>, TimedLockError<RwLockWriteGuard<'_, [T]>>> {
        TimedLockError::result(self.writing(self.access().write_until(deadline)))
    }

    /// Calls `repair` with the values.
    fn repairing(&self, repair: impl FnOnce(&mut [T])) -> impl FnOnce() {
        let mut values = self.values();
        move || {
            // SAFETY: Invariant 3 of `Array`; the lock is held to write, and there is no guard of it yet.
            repair(unsafe { values.as_mut() });
        }
    }

    #[inline(always)]
    fn reads<'a>(&self, raw: RawReadGuard<'a>) -> RwLockReadGuard<'a, [T]> {
        // SAFETY: Invariant 3 of `Array`, and `raw` is of its lock.
        unsafe { RwLockReadGuard::new(self.values(), raw) }
    }

    fn reading<'a, B>(
        &self,
        came: Result<Outcome<RawReadGuard<'a>>, Failure<B>>,
    ) -> Result<Outcome<RwLockReadGuard<'a, [T]>>, Failure<B>> {
        // SAFETY: Invariant 3 of `Array`, and the guard is of its lock.
        came.map(|outcome| unsafe { RwLockReadGuard::outcome(self.values(), outcome) })
    }

    fn writing<'a, B>(
        &self,
        came: Result<Outcome<RawWriteGuard<'a>>, Failure<B>>,
    ) -> Result<Outcome<RwLockWriteGuard<'a, [T]>>, Failure<B>> {
        // SAFETY: Invariant 3 of `Array`, and the guard is of its lock.
        came.map(|outcome| unsafe { RwLockWriteGuard::outcome(self.values(), outcome) })
    }

    fn check(&self, at: usize, count: usize) -> Result<(), CopyError> {
        let len = self.len();
        match at.checked_add(count) {
            Some(end) if end <= len => Ok(()),
            _ => Err(CopyError::OutOfRange { at, count, len }),
        }
    }
}

impl<T> Array<T> {
    /// Returns whether somebody, alive or dead, reads or writes the array: a glance, which may be over.
    /// Leases do not count: see [`chunks_left`](Self::chunks_left).
    pub fn is_locked(&self) -> bool {
        let glance = self.raw().glance();
        glance.writes || glance.readers > 0
    }

    /// Returns whether the array is poisoned: a thread panicked while it wrote.
    pub fn is_poisoned(&self) -> bool {
        self.raw().glance().poisoned
    }

    /// Clears the poison, whoever has the array.
    pub fn clear_poison(&self) {
        self.raw().clear_poison();
    }
}

impl CopyError {
    fn of<G>(error: LockError<G>) -> Self {
        match error {
            LockError::OwnerDied(_) => Self::OwnerDied,
            LockError::Poisoned(_) => Self::Poisoned,
            LockError::Corrupt { word } => Self::Corrupt { word },
            LockError::TooManyReaders { most } => Self::TooManyReaders { most },
            LockError::Join(error) => Self::Join(error),
        }
    }
}

//! The guards of data that many read or one writes.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::raw::{RawReadGuard, RawWriteGuard};
use crate::sync::error::Outcome;

/// Shared access to the data of a [`RwLock`](super::RwLock); dropping it ends that.
///
/// In a forked child, one that was inherited is nobody's: dropping it does nothing, and the data
/// behind it can change.
///
/// A guard stays with its thread. Leaking it ([`std::mem::forget`]) leaves the lock read by this process
/// until that ends, or drops its last handle of the segment.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    /// Invariant 1: valid, and written by nobody who follows the protocol while `raw` is there.
    data: NonNull<T>,
    raw: RawReadGuard<'a>,
}

/// Exclusive access to the data of a [`RwLock`](super::RwLock); dropping it ends that.
///
/// In a forked child, one that was inherited is nobody's: dropping it does nothing, and the data
/// behind it is another process's to change.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    /// Invariant 1: valid, and touched by nobody else who follows the protocol while `raw` is there.
    data: NonNull<T>,
    raw: RawWriteGuard<'a>,
}

// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// The guard of `data`.
    ///
    /// # Safety
    ///
    /// `data` is mapped for `'a`, aligned, any bytes are a `T`, and it is what the lock of `raw` protects.
    #[inline(always)]
    pub(crate) unsafe fn new(data: NonNull<T>, raw: RawReadGuard<'a>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self { data, raw }
    }

    /// [`new`](Self::new), for what an attempt came to.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn outcome(
        data: NonNull<T>,
        outcome: Outcome<RawReadGuard<'a>>,
    ) -> Outcome<Self> {
        outcome.map(|raw| {
            // SAFETY: the caller's word.
            unsafe { Self::new(data, raw) }
        })
    }

    /// Returns whether a writer had died while it changed the data, and nobody had answered for it, when
    /// this guard was taken.
    pub fn owner_died(&self) -> bool {
        self.raw.owner_died()
    }

    /// Returns whether a thread had panicked while it changed the data when this guard was taken, and
    /// nobody has cleared that.
    pub fn is_poisoned(&self) -> bool {
        self.raw.is_poisoned()
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// The guard of `data`.
    ///
    /// # Safety
    ///
    /// `data` is mapped for `'a`, aligned, any bytes are a `T`, and it is what the lock of `raw` protects.
    #[inline(always)]
    pub(crate) unsafe fn new(data: NonNull<T>, raw: RawWriteGuard<'a>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self { data, raw }
    }

    /// [`new`](Self::new), for what an attempt came to.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn outcome(
        data: NonNull<T>,
        outcome: Outcome<RawWriteGuard<'a>>,
    ) -> Outcome<Self> {
        outcome.map(|raw| {
            // SAFETY: the caller's word.
            unsafe { Self::new(data, raw) }
        })
    }

    /// Goes on to read: nobody writes in between, and readers that wait come in.
    ///
    /// Never blocks. What the guard says of a dead writer, or of a panic, the new one says too. If this
    /// process dies in the middle, it died as a writer, or as a reader.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{RwLock, Segment};
    ///
    /// let segment = Segment::anonymous()?;
    /// let prices = segment.create::<RwLock<[u32; 2]>>("prices", [5, 7])?;
    /// let mut guard = prices.write_or_repair(|_| ())?;
    /// guard[0] = 6;
    /// let guard = guard.downgrade();
    /// assert_eq!(*guard, [6, 7]);
    /// assert_eq!(*prices.read_or_repair(|_| ())?, [6, 7]);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard {
            data: self.data,
            raw: self.raw.downgrade(),
        }
    }

    /// Returns whether a writer died while it changed the data, and nobody has answered for it yet.
    pub fn owner_died(&self) -> bool {
        self.raw.owner_died()
    }

    /// Returns whether a thread panicked while it changed the data, and nobody has cleared that.
    pub fn is_poisoned(&self) -> bool {
        self.raw.is_poisoned()
    }

    /// Declares that the data is whole again, after a writer died.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        self.raw.mark_consistent();
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: Invariant 1, and the guard is borrowed exclusively.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

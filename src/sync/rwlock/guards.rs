//! The guards of a lock that many read by or one writes by.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::RwLock;
use crate::algorithm::rwlock::{
    Cell, LockHook, NoHook, ReaderToken, RwLock as Raw, RwLockState, WriterToken,
};
use crate::segment::OwnTag;

/// Shared access to the data of a [`RwLock`](super::RwLock); dropping it unlocks.
///
/// In a forked child, dropping an inherited guard does nothing, and the data behind it can change.
///
/// A guard stays with its thread. Leaking it ([`std::mem::forget`]) leaves the lock read by this
/// process until the process ends, or drops its last handle of the segment.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    /// Invariant 1: valid, and not written by any participant that follows the protocol while the
    /// guard is there.
    data: NonNull<T>,
    /// At hand, and not behind the handle: what leaves is in registers already. There is one.
    cell: Option<&'a Cell>,
    state: &'a RwLockState,
    own: OwnTag<'a>,
    token: ReaderToken,
}

/// Exclusive access to the data of a [`RwLock`](super::RwLock); dropping it unlocks.
///
/// In a forked child, dropping an inherited guard does nothing, and the data behind it is the
/// parent's to change.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    /// Invariant 1: valid, and not accessed by any other participant that follows the protocol
    /// while the guard is there.
    data: NonNull<T>,
    /// At hand, and not behind the handle: what unlocks is in registers already.
    state: &'a RwLockState,
    own: OwnTag<'a>,
    token: WriterToken,
    /// Whether the thread was panicking already when it locked.
    panicking: bool,
    /// For an unlock that opens cells.
    lock: &'a RwLock<T>,
}

// SAFETY: a shared guard gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// The guard of `lock`, which protects `data`, when it was taken so.
    #[inline(always)]
    pub(super) fn new<A: LockHook>(
        data: NonNull<T>,
        lock: Raw<'a, A>,
        own: OwnTag<'a>,
        token: ReaderToken,
    ) -> Self {
        // INVARIANT: 1, by 2 of `RwLock`.
        Self {
            data,
            cell: lock.cell(token.owner()),
            state: lock.state(),
            own,
            token,
        }
    }

    /// The token alone; the lock stays taken.
    pub(super) fn into_token(self) -> ReaderToken {
        std::mem::ManuallyDrop::new(self).token
    }

    /// Returns whether, when this guard was taken, a writer had died while it changed the data, and
    /// no writer had declared the data consistent since.
    pub fn owner_died(&self) -> bool {
        self.token.owner_died()
    }

    /// Returns whether, when this guard was taken, a thread had panicked while it changed the data,
    /// and the poison was not cleared since.
    pub fn is_poisoned(&self) -> bool {
        self.token.is_poisoned() && self.state.is_poisoned()
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// The guard of `lock`, when it was taken so by a thread that was panicking already, or not.
    #[inline(always)]
    pub(super) fn new(lock: &'a RwLock<T>, token: WriterToken, panicking: bool) -> Self {
        let entry = lock.entry_ref();
        // INVARIANT: 1, by 2 of `RwLock`.
        Self {
            data: lock.data(),
            state: entry.state(),
            own: entry.own(),
            token,
            panicking,
            lock,
        }
    }

    fn raw(&self) -> Raw<'a> {
        self.lock.beside(NoHook)
    }

    /// Unlocks what is more than one instruction.
    #[cold]
    #[inline(never)]
    fn stop_writing(lock: &RwLock<T>, token: WriterToken, poison: bool) {
        lock.beside(NoHook).stop_writing(token, poison);
    }

    /// The token alone; the lock stays taken.
    pub(super) fn into_token(self) -> WriterToken {
        std::mem::ManuallyDrop::new(self).token
    }

    /// Goes on to read: no participant writes in between, and readers that wait come in.
    ///
    /// Never blocks. The new guard says of a dead writer, or of a panic, what this one does. If
    /// this process dies in the middle, it died as a writer, or as a reader.
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
        let (data, lock, own) = (self.data, self.raw(), self.own);
        let token = if self.is_own() {
            let entry = self.lock.entry_ref();
            lock.downgrade(self.token, &entry.liveness(self.token.owner()))
        } else {
            ReaderToken::of(self.token)
        };
        std::mem::forget(self);
        RwLockReadGuard::new(data, lock, own, token)
    }

    /// Returns whether a writer died while it changed the data, and no writer has declared the data
    /// consistent since.
    pub fn owner_died(&self) -> bool {
        self.token.owner_died()
    }

    /// Returns whether a thread panicked while it changed the data, and the poison was not cleared
    /// since.
    pub fn is_poisoned(&self) -> bool {
        self.token.is_poisoned() && self.state.is_poisoned()
    }

    /// Declares the data consistent after a writer died.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        if self.is_own() {
            self.raw().mark_consistent(&mut self.token);
        }
    }

    /// False in a forked child, to which this is its parent's lock.
    #[inline(always)]
    fn is_own(&self) -> bool {
        self.own.current() == Some(self.token.owner())
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // In a forked child this is the parent's lock.
        if self.own.current() == Some(self.token.owner())
            && let Some(cell) = self.cell
        {
            cell.leave(self.token.owner());
        }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_own() {
            let poison = !self.panicking && std::thread::panicking();
            if !self.state.stop_writing_clean(self.token, poison) {
                Self::stop_writing(self.lock, self.token, poison);
            }
        }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: Invariant 1, and the guard is borrowed exclusively.
        unsafe { self.data.as_mut() }
    }
}

/// What both guards are as references.
macro_rules! refers {
    ($($guard:ident)+) => {$(
        impl<T: ?Sized> Deref for $guard<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: Invariant 1.
                unsafe { self.data.as_ref() }
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )+};
}
refers!(RwLockReadGuard RwLockWriteGuard);

//! The mutex with data.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::Pod;

use crate::algorithm::mutex::MutexState;
use crate::facade::Deadline;
use crate::format::{Kind, PayloadShape};
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{Bytes, Entry, EntryError, HoldsValue, Placeable, Shape, sealed};
use crate::sync::error::{Failure, Outcome};
use crate::sync::{LockError, NotLocked, RawMutex, RawMutexGuard, TimedLockError, TryLockError};

/// Mutual exclusion between processes, with the data that it protects.
///
/// As [`std::sync::Mutex`], with one more thing that can have happened: the owner was killed while
/// it held the lock. The next one is told, within 50 ms, and holds the lock; see the
/// [table](super#what-a-lock-says-of-its-last-owner). Nobody ever waits for a dead process, and
/// no time-out decides that one is dead.
///
/// Uncontended, locking and unlocking are one atomic instruction each, and no system call. Under
/// contention a waiter spins for some microseconds and then sleeps; newcomers may barge in, so the
/// lock is not fair. An owner that is stopped (SIGSTOP, a debugger) blocks the others until it
/// goes on.
///
/// `T` is [`Pod`], because a killed writer can leave any bytes behind. A first value of some hundred KiB and
/// more is created by [`Segment::create_boxed`](crate::Segment::create_boxed) or
/// [`create_with`](crate::Segment::create_with), since `create` copies it through the stack; guards refer to it where it is.
///
/// # Examples
///
/// ```
/// use crossdock::{Mutex, Segment};
///
/// let segment = Segment::anonymous()?;
/// let stock = segment.create::<Mutex<[u64; 2]>>("stock", [3, 4])?;
/// let mut shelf = stock.lock_or_repair(|shelf| shelf[1] = 0)?;
/// shelf[0] += 1;
/// drop(shelf);
/// assert_eq!(*stock.lock_or_repair(|_| ())?, [4, 4]);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// A guard stays with its thread:
///
/// ```compile_fail
/// # use crossdock::{Mutex, Segment};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<Mutex<u64>>("total", 0).unwrap();
/// let guard = total.lock().unwrap();
/// std::thread::scope(|scope| { scope.spawn(move || drop(guard)); });
/// ```
///
/// and does not outlive its mutex:
///
/// ```compile_fail
/// # use crossdock::{Mutex, Segment};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<Mutex<u64>>("total", 0).unwrap();
/// let guard = total.lock().unwrap();
/// drop(total);
/// println!("{}", *guard);
/// ```
#[doc(alias = "Lock")]
pub struct Mutex<T> {
    raw: RawMutex,
    /// Invariant 1: inside the entry that `raw` keeps mapped, aligned, any bytes are a `T`.
    data: NonNull<T>,
}

/// Exclusive access to the data of a [`Mutex`]; dropping it unlocks.
///
/// In a forked child, one that was inherited is nobody's: dropping it does nothing, and the data
/// behind it is another process's to change.
#[must_use = "the lock is released when the guard is dropped"]
pub struct MutexGuard<'a, T> {
    data: NonNull<T>,
    raw: RawMutexGuard<'a>,
}

// SAFETY: the data is reached through guards, one at a time, and `T` is Send + Sync (Payload).
unsafe impl<T: Payload> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Mutex<T> {}
// SAFETY: a shared guard gives `&T`, and `T` is Sync.
unsafe impl<T: Payload> Sync for MutexGuard<'_, T> {}

/// Where in the entry the data is: behind the word, on the same cache line if it fits.
const fn data_offset<T>() -> u64 {
    let word = size_of::<MutexState>();
    let align = if align_of::<T>() > word {
        align_of::<T>()
    } else {
        word
    };
    word.next_multiple_of(align) as u64
}

impl<T: Payload + Pod> Mutex<T> {
    /// Locks, waiting as long as a live participant holds the lock.
    ///
    /// The lock of a participant that was killed is taken over at once by a newcomer, and by a waiter
    /// that sleeps within as long as it has slept, 50 ms at most, or at once with a
    /// [`Monitor`](crate::segment::Monitor): after the kernel has freed the participant's memory, which
    /// takes some 70 ms for each GiB. The lock of one that was stopped is waited for. A thread that holds the
    /// lock already waits for ever.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock; see the
    /// [table](super#what-a-lock-says-of-its-last-owner). [`LockError::Join`] and
    /// [`LockError::Corrupt`] do not.
    #[inline]
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let data = self.data;
        match self.raw.lock_clean() {
            Ok(raw) => Ok(MutexGuard { data, raw }),
            Err(unclean) => LockError::result(self.with_data(self.raw.wait(unclean))),
        }
    }

    /// Locks as [`lock`](Self::lock) does, and calls `repair` with the data if the last owner died:
    /// the everyday form.
    ///
    /// When `repair` returns the data counts as consistent. If this process dies in the middle of
    /// it, the next one's `repair` is called; if `repair` panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// [`NotLocked`], and the lock is not held: in particular if it is poisoned, whether or not an
    /// owner died too; see [`clear_poison`](Self::clear_poison).
    #[inline]
    pub fn lock_or_repair(
        &self,
        repair: impl FnOnce(&mut T),
    ) -> Result<MutexGuard<'_, T>, NotLocked> {
        let data = self.data;
        let raw = match self.raw.lock_clean() {
            Ok(raw) => raw,
            Err(unclean) => self.raw.wait_and_repair(unclean, || {
                let mut data = data;
                // SAFETY: Invariant 1; the lock is held, and there is no guard of it yet.
                repair(unsafe { data.as_mut() });
            })?,
        };
        Ok(MutexGuard { data, raw })
    }

    /// Locks if no live participant holds the lock; never waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if one does; the others as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        let data = self.data;
        match self.raw.lock_clean() {
            Ok(raw) => Ok(MutexGuard { data, raw }),
            Err(unclean) => TryLockError::result(self.with_data(self.raw.attempt(unclean))),
        }
    }

    /// Locks, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`TimedLockError::Timeout`] if a live participant still holds the lock then; the others as
    /// [`lock`](Self::lock).
    pub fn try_lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, TimedLockError<MutexGuard<'_, T>>> {
        TimedLockError::result(self.with_data(self.raw.wait_until(&Deadline::after(timeout))))
    }

    /// Locks, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_lock_timeout`](Self::try_lock_timeout).
    pub fn try_lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<MutexGuard<'_, T>, TimedLockError<MutexGuard<'_, T>>> {
        TimedLockError::result(self.with_data(self.raw.wait_until(&Deadline::at(deadline))))
    }

    /// Returns whether somebody, alive or dead, has the lock: a glance, which may be over.
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Returns whether the lock is poisoned.
    pub fn is_poisoned(&self) -> bool {
        self.raw.is_poisoned()
    }

    /// Clears the poison, whoever holds the lock.
    pub fn clear_poison(&self) {
        self.raw.clear_poison();
    }

    fn guard<'a>(&self, raw: RawMutexGuard<'a>) -> MutexGuard<'a, T> {
        MutexGuard {
            data: self.data,
            raw,
        }
    }

    #[cold]
    fn with_data<'a, B>(
        &self,
        outcome: Result<Outcome<RawMutexGuard<'a>>, Failure<B>>,
    ) -> Result<Outcome<MutexGuard<'a, T>>, Failure<B>> {
        outcome.map(|outcome| match outcome {
            Outcome::Clean(raw) => Outcome::Clean(self.guard(raw)),
            Outcome::OwnerDied(raw) => Outcome::OwnerDied(self.guard(raw)),
            Outcome::Poisoned(raw) => Outcome::Poisoned(self.guard(raw)),
        })
    }
}

impl<T> MutexGuard<'_, T> {
    /// Returns whether an owner died while it held the lock, and nobody has answered for it yet.
    pub fn owner_died(&self) -> bool {
        self.raw.owner_died()
    }

    /// Returns whether a thread panicked while it held the lock, and nobody has cleared that.
    pub fn is_poisoned(&self) -> bool {
        self.raw.is_poisoned()
    }

    /// Declares that the data is whole again, after an owner died.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        self.raw.mark_consistent();
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1 of `Mutex`; the lock is held, so by the protocol nobody else touches
        // the data until the guard is dropped.
        unsafe { self.data.as_ref() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`, and the guard is borrowed exclusively.
        unsafe { self.data.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Never blocks, and does not show the data.
impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glance = self.raw.glance();
        f.debug_struct("Mutex")
            .field("locked", &glance.locked)
            .field("owner_died", &glance.owner_died)
            .field("poisoned", &glance.poisoned)
            .finish_non_exhaustive()
    }
}

impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self {
            raw: self.raw.clone(),
            data: self.data,
        }
    }
}

impl<T: Payload + Pod> HoldsValue for Mutex<T> {
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
        bytes.write(data_offset::<T>(), &*first);
    }
}

impl<T: Payload + Pod> sealed::Sealed for Mutex<T> {}

impl<T: Payload + Pod> Placeable for Mutex<T> {
    /// The first value.
    type Config = T;

    const KIND: Kind = Kind::Mutex;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(_: &T) -> [u64; 4] {
        [0; 4]
    }

    fn shape(config: [u64; 4], _participants: u32) -> Option<Shape> {
        let len = data_offset::<T>().checked_add(size_of::<T>() as u64)?;
        let shape = Shape {
            kind: Self::KIND,
            len,
            payload: shape_of::<T>()?,
            config,
        };
        (config == [0; 4]).then_some(shape)
    }

    fn prepare(bytes: &Bytes<'_>, first: T) {
        bytes.write(data_offset::<T>(), &first);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let raw = RawMutex::anchored(entry)?;
        // INVARIANT: 1, checked by `payload`; `T` is Pod.
        let data = raw.entry_ref().payload::<T>(data_offset::<T>())?;
        Some(Self { raw, data })
    }

    fn entry(&self) -> &Entry {
        self.raw.entry_ref().entry()
    }
}

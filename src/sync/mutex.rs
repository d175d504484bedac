//! The mutex.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use bytemuck::Pod;

use crate::Deadline;
use crate::algorithm::mutex::{LockToken, MutexError, MutexState, Unclean};
use crate::facade::AtomicU64;
use crate::format::{Kind, PayloadShape};
use crate::participant::Tag;
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{Bytes, Entry, EntryRef, HoldsValue, OwnTag, Placeable};
use crate::sync::error::{anew, refused, until_taken};
use crate::sync::{Holder, LockError, LockTimeoutError, TryLockError};

/// Mutual exclusion between processes, with the data that it protects.
///
/// As [`std::sync::Mutex`], and its owner may be killed while it holds the lock: then the next
/// owner gets the lock within 50 ms, and is told; see the
/// [table](super#what-a-lock-says-of-its-last-owner). A waiter never waits for a dead process, and
/// no timeout decides that a process is dead.
///
/// Uncontended, locking and unlocking are one atomic instruction each, and no system call. A waiter
/// spins for some microseconds and then sleeps. The lock is not fair: a newcomer may take it before
/// a waiter. An owner that is stopped (SIGSTOP, a debugger) blocks the others until it continues.
///
/// `T` is [`Pod`], because a killed writer can leave any bytes behind. `Mutex<()>` protects
/// something outside of itself: a file, a device, a region of memory.
/// [`create`](crate::Segment::create) copies the first value through the stack; use
/// [`create_boxed`](crate::Segment::create_boxed) or [`create_with`](crate::Segment::create_with)
/// for a value of some hundred KiB and more. Guards refer to the value in place.
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
///
/// let printer = segment.create::<Mutex<()>>("printer", ())?;
/// let guard = printer.lock_or_repair(|_| println!("a job was cut off"))?;
/// assert!(printer.is_locked());
/// # drop(guard);
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
#[doc(alias = "RawMutex")]
pub struct Mutex<T> {
    state: EntryRef<MutexState>,
    /// Invariant 1: inside the entry that `state` keeps mapped, aligned, any bytes are a `T`.
    data: NonNull<T>,
}

/// Exclusive access to the data of a [`Mutex`]; dropping it unlocks.
///
/// In a forked child, dropping an inherited guard does nothing, and the data behind it is the
/// parent's to change.
#[must_use = "the lock is released when the guard is dropped"]
pub struct MutexGuard<'a, T> {
    data: NonNull<T>,
    /// At hand, and not behind the handle: what unlocks is in registers already.
    state: &'a MutexState,
    own: OwnTag<'a>,
    held: LockToken,
    /// Whether the thread was panicking already when it locked.
    panicking: bool,
    /// For a wait that unlocks and locks again.
    mutex: &'a Mutex<T>,
}

// SAFETY: the data is reached through guards, one at a time, and `T` is Send + Sync (Payload).
unsafe impl<T: Payload> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for Mutex<T> {}
// SAFETY: a shared guard gives `&T`, and `T` is Sync.
unsafe impl<T: Payload> Sync for MutexGuard<'_, T> {}
/// A panic poisons the lock.
impl<T: RefUnwindSafe> UnwindSafe for MutexGuard<'_, T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for MutexGuard<'_, T> {}

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

impl<T> Mutex<T> {
    /// Locks; blocks while a live participant holds the lock.
    ///
    /// If the owner is killed, a newcomer gets the lock at once, and a waiter that sleeps gets it
    /// after at most as long as it has slept, 50 ms at most, or at once with a
    /// [`Monitor`](crate::segment::Monitor). That time begins when the kernel has freed the owner's
    /// memory, which takes some 70 ms for each GiB. If the owner is stopped, waiters wait until it
    /// continues. A thread that holds the lock already deadlocks.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock; see the
    /// [table](super#what-a-lock-says-of-its-last-owner). [`LockError::Fault`] does not.
    #[inline]
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        match self.lock_clean() {
            Ok(guard) => Ok(guard),
            Err(unclean) => anew(self.wait(unclean)),
        }
    }

    /// Locks as [`lock`](Self::lock) does, and calls `repair` with the data if the last owner died:
    /// the everyday form.
    ///
    /// When `repair` returns, the data counts as consistent. If this process dies before that, the
    /// next owner's `repair` is called; if `repair` panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// [`LockError::Poisoned`], whether or not an owner died too, and [`LockError::Fault`]. The
    /// lock is not held. [`lock`](Self::lock) gives access to poisoned data, and
    /// [`clear_poison`](Self::clear_poison) ends the poison.
    #[inline]
    pub fn lock_or_repair(
        &self,
        repair: impl FnOnce(&mut T),
    ) -> Result<MutexGuard<'_, T>, LockError> {
        match self.lock_clean() {
            Ok(guard) => Ok(guard),
            Err(unclean) => anew(self.wait_and_repair(unclean, repair)),
        }
    }

    /// Locks if no live participant holds the lock; never blocks.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a live participant holds the lock; [`TryLockError::Lock`] as
    /// [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        match self.lock_clean() {
            Ok(guard) => Ok(guard),
            Err(unclean) => anew(self.attempt(unclean)),
        }
    }

    /// Locks; blocks while a live participant holds the lock, no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::Timeout`] if a live participant holds the lock at the end;
    /// [`LockTimeoutError::Lock`] as [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use crossdock::sync::LockTimeoutError;
    /// use crossdock::{Mutex, Segment};
    ///
    /// let stock = Segment::anonymous()?.create::<Mutex<u64>>("stock", 3)?;
    /// let guard = stock.lock()?;
    /// let second = stock.lock_timeout(Duration::from_millis(5));
    /// assert!(matches!(second, Err(LockTimeoutError::Timeout { .. })));
    /// # drop(guard);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[inline]
    pub fn lock_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<MutexGuard<'_, T>, LockTimeoutError<MutexGuard<'_, T>>> {
        self.wait_until(&timeout.into())
            .map_err(|error| error.timed_out(|guard| guard))
    }

    /// Returns whether a participant, alive or dead, holds the lock. The answer may be stale when
    /// it is returned.
    pub fn is_locked(&self) -> bool {
        self.state.peek().locked
    }

    /// Returns the participant that holds the lock, alive or dead; `None` if the lock is free.
    /// Never blocks. The answer may be stale when it is returned.
    ///
    /// A holder that died is returned until the lock is taken over, or its participant is reaped.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::sync::Holder;
    /// use crossdock::{Mutex, Segment};
    ///
    /// let stock = Segment::anonymous()?.create::<Mutex<u64>>("stock", 3)?;
    /// assert_eq!(stock.holder(), None);
    /// let guard = stock.lock()?;
    /// assert_eq!(stock.holder(), Some(Holder::ThisProcess));
    /// # drop(guard);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[doc(alias = "owner")]
    pub fn holder(&self) -> Option<Holder> {
        let owner = self.state.peek().owner?;
        let me = self.state.tag_if_possible()?;
        Some(Holder::of(owner, me, &self.state))
    }

    /// Returns whether the lock is poisoned: a thread panicked while it held the lock.
    pub fn is_poisoned(&self) -> bool {
        self.state.peek().poisoned
    }

    /// Clears the poison, also while another participant holds the lock.
    pub fn clear_poison(&self) {
        self.state.clear_poison();
    }

    /// Returns the entry of the lock.
    pub(super) fn entry_of_lock(&self) -> &Entry {
        self.state.entry()
    }

    /// The words, this process's tag, and the data, for a lock that is made of this one.
    #[inline(always)]
    pub(super) fn state(&self) -> &MutexState {
        self.state.state()
    }

    #[inline(always)]
    pub(super) fn own(&self) -> OwnTag<'_> {
        self.state.own()
    }

    #[inline(always)]
    pub(super) fn data(&self) -> NonNull<T> {
        self.data
    }

    /// A word that all handles of the lock in this process share, 0 at first.
    pub(super) fn private_word(&self) -> Option<&AtomicU64> {
        let words = self.state.private_words(1)?;
        // SAFETY: the words stay as long as the mapping, which this handle keeps.
        unsafe { words.as_ref() }.first()
    }

    /// Locks a lock that is free and clean, if this process is a participant already: what nearly
    /// every call comes to, so it is all that is inlined.
    #[inline(always)]
    fn lock_clean(&self) -> Result<MutexGuard<'_, T>, Unclean> {
        // Everything is looked up before the instruction that locks: others wait from then on.
        let (data, state, own) = (self.data, self.state.state(), self.state.own());
        let panicking = std::thread::panicking();
        let me = own.current().ok_or(Unclean(None))?;
        let held = state.lock_clean(&self.state.liveness(me))?;
        Ok(MutexGuard {
            data,
            state,
            own,
            held,
            panicking,
            mutex: self,
        })
    }

    /// Locks after [`lock_clean`](Self::lock_clean) did not.
    #[cold]
    fn wait(&self, unclean: Unclean) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        self.state.put_back(unclean);
        until_taken(|| self.wait_until(&Deadline::never()))
    }

    /// Locks after [`lock_clean`](Self::lock_clean) did not, and repairs the data if the last owner
    /// died.
    #[cold]
    fn wait_and_repair(
        &self,
        unclean: Unclean,
        repair: impl FnOnce(&mut T),
    ) -> Result<MutexGuard<'_, T>, LockError> {
        match self.wait(unclean) {
            Ok(guard) => Ok(guard),
            Err(LockError::OwnerDied(guard)) if guard.is_poisoned() => Err(LockError::Poisoned(())),
            Err(LockError::OwnerDied(mut guard)) => {
                repair(&mut guard);
                guard.mark_consistent();
                Ok(guard)
            }
            Err(error) => Err(error.without_guard()),
        }
    }

    /// Tries after [`lock_clean`](Self::lock_clean) did not lock.
    #[cold]
    fn attempt(
        &self,
        unclean: Unclean,
    ) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        self.state.put_back(unclean);
        let me = self.state.tag()?;
        let tried = self.state.try_lock_contended(&self.state.liveness(me));
        self.told(tried, me)
    }

    #[cold]
    fn wait_until(
        &self,
        deadline: &Deadline,
    ) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        let me = self.state.tag()?;
        let others = self.state.liveness(me);
        let waited = self.state.lock_contended(&others, deadline);
        self.told(waited, me)
    }

    /// The guard of a lock that was taken, or why it was not.
    #[inline]
    fn told(
        &self,
        taken: Result<LockToken, MutexError>,
        me: Tag,
    ) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        let state = self.state.state();
        let held = match taken {
            Ok(held) => held,
            Err(error) => {
                let owner = || state.peek().owner;
                let kind = Kind::from_number(self.state.entry().record.kind).unwrap_or(Kind::Mutex);
                return Err(refused(error.into(), (kind, &self.state, me), owner));
            }
        };
        let guard = MutexGuard {
            data: self.data,
            state,
            own: self.state.own(),
            held,
            panicking: std::thread::panicking(),
            mutex: self,
        };
        Ok(LockError::told(
            self.state.entry(),
            held.owner_died(),
            held.is_poisoned(),
            guard,
        )?)
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// Returns whether an owner died while it held the lock, and no owner has declared the data
    /// consistent since.
    pub fn owner_died(&self) -> bool {
        self.held.owner_died()
    }

    /// Returns whether a thread panicked while it held the lock, and the poison was not cleared
    /// since.
    pub fn is_poisoned(&self) -> bool {
        self.held.is_poisoned() && self.state.peek().poisoned
    }

    /// Declares the data consistent after an owner died.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        if self.is_own() {
            self.state.mark_consistent(&mut self.held);
        }
    }

    /// Returns the token of the lock, which stays held, and whether the thread was panicking when
    /// it locked.
    #[inline(always)]
    pub(super) fn into_token(self) -> (LockToken, bool) {
        let token = (self.held, self.panicking);
        std::mem::forget(self);
        token
    }

    /// Returns the mutex.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }

    /// False in a forked child, to which this is its parent's lock.
    #[inline(always)]
    pub(super) fn is_own(&self) -> bool {
        self.own.current() == Some(self.held.owner())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1 of `Mutex`; the lock is held, so by the protocol no other participant
        // accesses the data until the guard is dropped.
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

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_own() {
            let poison = !self.panicking && std::thread::panicking();
            self.state.unlock(self.held, poison);
        }
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

impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            data: self.data,
        }
    }
}

/// Never blocks, and does not show the data.
impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.state.peek();
        f.debug_struct("Mutex")
            .field("locked", &status.locked)
            .field("owner_died", &status.owner_died)
            .field("poisoned", &status.poisoned)
            .finish_non_exhaustive()
    }
}

impl<T: Payload + Pod> HoldsValue for Mutex<T> {
    type Value = T;
    type Boxed = Box<T>;

    fn prepare_boxed(bytes: &Bytes<'_>, first: Box<T>) {
        bytes.write(data_offset::<T>(), &*first);
    }
}

impl<T: Payload + Pod> Placeable for Mutex<T> {
    /// The first value.
    type Config = T;

    const KIND: Kind = Kind::Mutex;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn size(config: [u64; 4], _participants: u32) -> Option<u64> {
        let len = data_offset::<T>().checked_add(shape_of::<T>()?.size())?;
        (config == [0; 4]).then_some(len)
    }

    fn prepare(bytes: &Bytes<'_>, first: T) {
        bytes.write(data_offset::<T>(), &first);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let state: EntryRef<MutexState> = EntryRef::new(entry)?;
        // INVARIANT: 1, checked by `payload`; `T` is Pod.
        let data = state.payload::<T>(data_offset::<T>())?;
        Some(Self { state, data })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

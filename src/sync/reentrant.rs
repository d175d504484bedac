//! The reentrant mutex.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use bytemuck::Pod;

use crate::Deadline;
use crate::algorithm::mutex::{LockToken, MutexError};
use crate::algorithm::reentrant::{ReentrantState, ThreadNumber};
use crate::facade::{AtomicU64, Ordering};
use crate::format::{Kind, PayloadShape};
use crate::participant::Tag;
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{Bytes, Entry, EntryRef, HoldsValue, OwnTag, Placeable, sealed};
use crate::sync::error::{refused, until_taken};
use crate::sync::{LockError, LockTimeoutError, TryLockError};

/// Mutual exclusion between the threads of all processes, in which the thread that holds the lock
/// locks it again, and unlocks when it has dropped as many guards.
///
/// Everything else is as with a [`Mutex`](crate::Mutex): what its owner's death and a panic leave
/// (see the [table](super#what-a-lock-says-of-its-last-owner)), how long a waiter sleeps, and what
/// it costs: one atomic instruction to lock, and one to unlock, if no other thread wants it.
/// Locking again has none.
///
/// The guard gives a [`Cell<T>`], as `ReentrantLock<Cell<T>>` of std would: a thread can have
/// several guards, so none of them can give a `&mut T`, and a `&T` of plain data could never
/// change. [`Cell::as_slice_of_cells`] and [`Cell::as_array_of_cells`] go on to the parts of an
/// array.
/// `ReentrantMutex<()>` protects something outside of itself.
///
/// The owner is a thread of a process. A thread that ends and has leaked a guard leaves the lock
/// held until its process ends: no other thread is ever taken for it. A forked child has not what
/// its parent holds.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::sync::{LockError, ReentrantMutex};
///
/// fn deposit(account: &ReentrantMutex<u64>, amount: u64) -> Result<(), LockError> {
///     let balance = account.lock_or_repair(|_| ())?;
///     balance.set(balance.get() + amount);
///     Ok(())
/// }
///
/// let segment = Segment::anonymous()?;
/// let account = segment.create::<ReentrantMutex<u64>>("account", 3)?;
/// let balance = account.lock_or_repair(|_| ())?;
/// deposit(&account, 4)?; // locks again
/// assert_eq!(balance.get(), 7);
/// # Ok::<(), crossdock::Error>(())
/// ```
///
/// A guard stays with its thread, as what it refers to does:
///
/// ```compile_fail
/// # use crossdock::{Segment, sync::ReentrantMutex};
/// let segment = Segment::anonymous().unwrap();
/// let total = segment.create::<ReentrantMutex<u64>>("total", 0).unwrap();
/// let guard = total.lock().unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| guard.set(1)); });
/// ```
#[doc(alias = "ReentrantLock")]
#[doc(alias = "RLock")]
pub struct ReentrantMutex<T> {
    state: EntryRef<ReentrantState>,
    /// Invariant 1: inside the entry that `state` keeps mapped, aligned, any bytes are a `T`.
    data: NonNull<Cell<T>>,
}

/// Access to the data of a [`ReentrantMutex`] for one thread, which may have others; dropping all
/// of them unlocks.
///
/// In a forked child, dropping an inherited guard does nothing, and the data behind it is the
/// parent's to change.
#[must_use = "the lock is released when the guard is dropped"]
pub struct ReentrantMutexGuard<'a, T> {
    data: NonNull<Cell<T>>,
    state: &'a ReentrantState,
    own: OwnTag<'a>,
    held: LockToken,
    /// Whether the thread was panicking already when it locked.
    panicking: bool,
}

// SAFETY: the data is reached through guards, which stay with one thread at a time, and `T` is
// Send + Sync (Payload).
unsafe impl<T: Payload> Send for ReentrantMutex<T> {}
// SAFETY: as above.
unsafe impl<T: Payload> Sync for ReentrantMutex<T> {}

/// Returns the number of this thread.
///
/// # Panics
///
/// If this process has numbered 2^35 threads.
#[inline]
pub(super) fn this_thread() -> ThreadNumber {
    thread_local! {
        static NUMBER: Cell<Option<ThreadNumber>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = next_number();
        NUMBER.set(Some(number));
        number
    })
}

#[cold]
fn next_number() -> ThreadNumber {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // ORDERING: Relaxed; a number of its own is all that is asked for.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match ThreadNumber::new(number) {
        Some(number) => number,
        None => panic!("this process has numbered 2^35 threads, and there are no more numbers"),
    }
}

/// Where in the entry the data is: behind the words, on the same cache line if it fits.
const fn data_offset<T>() -> u64 {
    size_of::<ReentrantState>().next_multiple_of(align_of::<T>()) as u64
}

impl<T> ReentrantMutex<T> {
    /// Locks; blocks while another live thread holds the lock. Returns at once if this thread does.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock, and are told to the
    /// thread that holds it already, too, until it has answered for them. [`LockError::TooDeep`]
    /// and [`LockError::Fault`] do not hold the lock once more.
    ///
    /// # Panics
    ///
    /// If more than 2^35 threads of this process have locked a reentrant mutex.
    #[inline]
    #[doc(alias = "acquire")]
    pub fn lock(
        &self,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockError<ReentrantMutexGuard<'_, T>>> {
        match self.at_once() {
            Some(told) => told,
            None => until_taken(|| self.wait_until(&Deadline::never())),
        }
    }

    /// Locks as [`lock`](Self::lock) does, and calls `repair` with the data if the last owner died:
    /// the everyday form.
    ///
    /// When `repair` returns, the data counts as consistent. If this process dies before that, the
    /// next owner's `repair` is called; if `repair` panics, the lock is also poisoned. It is called
    /// for a thread that holds the lock already, too, if that thread has not declared the data
    /// consistent.
    ///
    /// # Errors
    ///
    /// [`LockError::Poisoned`], whether or not an owner died too, [`LockError::TooDeep`] and
    /// [`LockError::Fault`]. The lock is not held by this call.
    pub fn lock_or_repair(
        &self,
        repair: impl FnOnce(&Cell<T>),
    ) -> Result<ReentrantMutexGuard<'_, T>, LockError> {
        match self.lock() {
            Ok(guard) => Ok(guard),
            Err(LockError::OwnerDied(guard)) if guard.is_poisoned() => Err(LockError::Poisoned(())),
            Err(LockError::OwnerDied(mut guard)) => {
                repair(&guard);
                guard.mark_consistent();
                Ok(guard)
            }
            Err(error) => Err(error.without_guard()),
        }
    }

    /// Locks if this thread holds the lock already, or no live participant does; never blocks.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if another live thread holds the lock; [`TryLockError::Lock`]
    /// as [`lock`](Self::lock).
    pub fn try_lock(
        &self,
    ) -> Result<ReentrantMutexGuard<'_, T>, TryLockError<ReentrantMutexGuard<'_, T>>> {
        if let Some(told) = self.at_once() {
            return Ok(told?);
        }
        let me = self.state.tag()?;
        let mutex = self.state.mutex();
        let tried = mutex.try_lock_contended(me, &self.state.liveness(me));
        self.told(tried, me)
    }

    /// Locks as [`lock`](Self::lock) does; blocks no longer than `timeout`, which is a
    /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::Timeout`] if another live thread holds the lock at the end;
    /// [`LockTimeoutError::Lock`] as [`lock`](Self::lock).
    pub fn lock_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockTimeoutError<ReentrantMutexGuard<'_, T>>> {
        if let Some(told) = self.at_once() {
            return Ok(told?);
        }
        self.wait_until(&timeout.into())
            .map_err(|error| error.timed_out(|guard| guard))
    }

    /// Returns whether a participant, alive or dead, holds the lock. The answer may be stale when
    /// it is returned.
    pub fn is_locked(&self) -> bool {
        self.state.mutex().peek().locked
    }

    /// Returns whether the calling thread holds the lock.
    #[doc(alias = "is_owned_by_current_thread")]
    pub fn is_held_by_this_thread(&self) -> bool {
        let held = |me| self.state.is_held_by(me, this_thread());
        self.state.current_tag().is_some_and(held)
    }

    /// Returns whether the lock is poisoned: a thread panicked while it held the lock.
    pub fn is_poisoned(&self) -> bool {
        self.state.mutex().peek().poisoned
    }

    /// Clears the poison, also while another thread holds the lock.
    pub fn clear_poison(&self) {
        self.state.mutex().clear_poison();
    }

    /// Locks a lock that is free and clean, or that this thread holds.
    #[inline]
    fn at_once(
        &self,
    ) -> Option<Result<ReentrantMutexGuard<'_, T>, LockError<ReentrantMutexGuard<'_, T>>>> {
        let (me, thread) = (self.state.current_tag()?, this_thread());
        if self.state.is_held_by(me, thread) {
            return Some(self.again(me));
        }
        let others = self.state.liveness(me);
        let held = self.state.mutex().try_lock_clean(me, &others)?;
        self.state.locked(me, thread);
        Some(Ok(self.guard(held)))
    }

    #[inline]
    fn again(
        &self,
        me: Tag,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockError<ReentrantMutexGuard<'_, T>>> {
        if self.state.lock_again().is_err() {
            return Err(LockError::TooDeep { most: u32::MAX });
        }
        let status = self.state.mutex().peek();
        let guard = self.guard(LockToken::of(me));
        LockError::told(
            self.state.entry(),
            status.owner_died,
            status.poisoned,
            guard,
        )
    }

    #[cold]
    fn wait_until(
        &self,
        deadline: &Deadline,
    ) -> Result<ReentrantMutexGuard<'_, T>, TryLockError<ReentrantMutexGuard<'_, T>>> {
        let me = self.state.tag()?;
        let others = self.state.liveness(me);
        let waited = self.state.mutex().lock_contended(me, &others, deadline);
        self.told(waited, me)
    }

    /// The guard of a lock that was taken, or why it was not.
    fn told(
        &self,
        taken: Result<LockToken, MutexError>,
        me: Tag,
    ) -> Result<ReentrantMutexGuard<'_, T>, TryLockError<ReentrantMutexGuard<'_, T>>> {
        let held = match taken {
            Ok(held) => held,
            Err(error) => {
                let owner = || self.state.mutex().peek().owner.map(|owner| owner.index());
                let lock = (Kind::ReentrantMutex, &self.state, me);
                return Err(refused(error.into(), lock, owner));
            }
        };
        self.state.locked(me, this_thread());
        let guard = self.guard(held);
        Ok(LockError::told(
            self.state.entry(),
            held.owner_died(),
            held.is_poisoned(),
            guard,
        )?)
    }

    #[inline]
    fn guard(&self, held: LockToken) -> ReentrantMutexGuard<'_, T> {
        ReentrantMutexGuard {
            data: self.data,
            state: self.state.state(),
            own: self.state.own(),
            held,
            panicking: std::thread::panicking(),
        }
    }
}

impl<T> ReentrantMutexGuard<'_, T> {
    /// Returns whether an owner died while it held the lock, and no owner has declared the data
    /// consistent since.
    pub fn owner_died(&self) -> bool {
        self.state.mutex().peek().owner_died
    }

    /// Returns whether a thread panicked while it held the lock, and the poison was not cleared
    /// since.
    pub fn is_poisoned(&self) -> bool {
        self.state.mutex().peek().poisoned
    }

    /// Declares the data consistent after an owner died, for all guards of this thread.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        if self.is_own() {
            self.state.mutex().mark_consistent(&mut self.held);
        }
    }

    /// False in a forked child, to which this is its parent's lock.
    #[inline(always)]
    fn is_own(&self) -> bool {
        self.own.current() == Some(self.held.owner())
    }
}

impl<T> Deref for ReentrantMutexGuard<'_, T> {
    type Target = Cell<T>;

    #[inline]
    fn deref(&self) -> &Cell<T> {
        // SAFETY: Invariant 1 of `ReentrantMutex`; this thread holds the lock, so by the protocol
        // no other one accesses the data until the last guard is dropped, and no guard leaves it.
        unsafe { self.data.as_ref() }
    }
}

impl<T> Drop for ReentrantMutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_own() {
            let poison = !self.panicking && std::thread::panicking();
            self.state.unlock(self.held, this_thread(), poison);
        }
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: Copy + fmt::Display> fmt::Display for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T> Clone for ReentrantMutex<T> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            data: self.data,
        }
    }
}

/// Never blocks, and does not show the data.
impl<T> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.state.mutex().peek();
        f.debug_struct("ReentrantMutex")
            .field("locked", &status.locked)
            .field("depth", &self.state.depth())
            .field("owner_died", &status.owner_died)
            .field("poisoned", &status.poisoned)
            .finish_non_exhaustive()
    }
}

impl<T: Payload + Pod> HoldsValue for ReentrantMutex<T> {
    type Value = T;
    type Boxed = Box<T>;

    fn prepare_boxed(bytes: &Bytes<'_>, first: Box<T>) {
        bytes.write(data_offset::<T>(), &*first);
    }
}

impl<T: Payload + Pod> sealed::Sealed for ReentrantMutex<T> {}

impl<T: Payload + Pod> Placeable for ReentrantMutex<T> {
    /// The first value.
    type Config = T;

    const KIND: Kind = Kind::ReentrantMutex;

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
        let state: EntryRef<ReentrantState> = EntryRef::new(entry)?;
        // INVARIANT: 1, by `payload`; a `Cell<T>` is as large, and as aligned, as a `T`.
        let data = state.payload::<Cell<T>>(data_offset::<T>())?;
        Some(Self { state, data })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

//! The reentrant mutex.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use bytemuck::Pod;

use crate::Deadline;
use crate::algorithm::mutex::{LockToken, MutexState};
use crate::algorithm::reentrant::{Holds, LockId, TooDeep};
use crate::facade::{AtomicU64, Ordering};
use crate::format::{Kind, PayloadShape};
use crate::payload::Payload;
use crate::segment::{Bytes, Entry, HoldsValue, Placeable};
use crate::sync::{Holder, LockError, LockTimeoutError, Mutex, MutexGuard, TryLockError};

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
    mutex: Mutex<T>,
    id: LockId,
}

/// Access to the data of a [`ReentrantMutex`] for one thread, which may have others; dropping all
/// of them unlocks.
///
/// In a forked child, dropping an inherited guard does nothing, and the data behind it is the
/// parent's to change.
#[must_use = "the lock is released when the guard is dropped"]
pub struct ReentrantMutexGuard<'a, T> {
    lock: &'a ReentrantMutex<T>,
    /// Invariant 1: this thread's, which keeps the guard from being `Send` or `Sync`.
    holds: NonNull<Holds>,
    held: LockToken,
    /// Whether the thread was panicking already when it locked.
    panicking: bool,
}

/// What came of locking.
type Locked<'a, T> = Result<ReentrantMutexGuard<'a, T>, LockError<ReentrantMutexGuard<'a, T>>>;

thread_local! {
    /// The reentrant mutexes that this thread holds.
    static HOLDS: Holds = const { Holds::new() };
}

/// Returns the holds of this thread.
#[inline(always)]
fn holds() -> NonNull<Holds> {
    HOLDS.with(|holds| NonNull::from(holds))
}

impl<T> ReentrantMutex<T> {
    /// Locks; blocks while another live thread holds the lock. Returns at once if this thread does.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock, and are told to the
    /// thread that holds it already, too, until it has answered for them. [`LockError::TooDeep`]
    /// and [`LockError::Fault`] do not hold the lock once more.
    #[inline]
    #[doc(alias = "acquire")]
    pub fn lock(
        &self,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockError<ReentrantMutexGuard<'_, T>>> {
        match self.again() {
            Ok(told) => told,
            Err(holds) => match self.mutex.lock() {
                Ok(guard) => Ok(self.first(holds, guard)),
                Err(error) => Err(self.told(holds, error)),
            },
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
    #[inline]
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
    #[inline]
    pub fn try_lock(
        &self,
    ) -> Result<ReentrantMutexGuard<'_, T>, TryLockError<ReentrantMutexGuard<'_, T>>> {
        match self.again() {
            Ok(told) => Ok(told?),
            Err(holds) => match self.mutex.try_lock() {
                Ok(guard) => Ok(self.first(holds, guard)),
                Err(error) => Err(error.map(|guard| self.first(holds, guard))),
            },
        }
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
        match self.again() {
            Ok(told) => Ok(told?),
            Err(holds) => match self.mutex.lock_timeout(timeout) {
                Ok(guard) => Ok(self.first(holds, guard)),
                Err(error) => Err(error.map(|guard| self.first(holds, guard))),
            },
        }
    }

    /// Returns whether a participant, alive or dead, holds the lock. The answer may be stale when
    /// it is returned.
    pub fn is_locked(&self) -> bool {
        self.mutex.is_locked()
    }

    /// Returns the participant a thread of which holds the lock, alive or dead; `None` if the lock
    /// is free. Never blocks. The answer may be stale when it is returned.
    ///
    /// [`is_held_by_this_thread`](Self::is_held_by_this_thread) tells the threads of this process
    /// apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::Segment;
    /// use crossdock::sync::{Holder, ReentrantMutex};
    ///
    /// let depth = Segment::anonymous()?.create::<ReentrantMutex<u64>>("depth", 0)?;
    /// let (outer, inner) = (depth.lock()?, depth.lock()?);
    /// drop(inner);
    /// assert_eq!(depth.holder(), Some(Holder::ThisProcess));
    /// drop(outer);
    /// assert_eq!(depth.holder(), None);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    #[doc(alias = "owner")]
    pub fn holder(&self) -> Option<Holder> {
        self.mutex.holder()
    }

    /// Returns whether the calling thread holds the lock.
    #[doc(alias = "is_owned_by_current_thread")]
    pub fn is_held_by_this_thread(&self) -> bool {
        self.depth() > 0
    }

    /// Returns whether the lock is poisoned: a thread panicked while it held the lock.
    pub fn is_poisoned(&self) -> bool {
        self.mutex.is_poisoned()
    }

    /// Clears the poison, also while another thread holds the lock.
    pub fn clear_poison(&self) {
        self.mutex.clear_poison();
    }

    #[inline(always)]
    fn state(&self) -> &MutexState {
        self.mutex.state()
    }

    /// How often this thread has locked.
    fn depth(&self) -> u32 {
        let depth = |me| HOLDS.with(|holds| holds.depth(self.id, me, self.state()));
        self.mutex.own().current().map_or(0, depth)
    }

    /// Locks once more if this thread holds the lock. Otherwise returns the thread's holds.
    #[inline]
    fn again(&self) -> Result<Locked<'_, T>, NonNull<Holds>> {
        let holds = holds();
        let me = self.mutex.own().current().ok_or(holds)?;
        // SAFETY: this thread's, which live until it has ended: they are not dropped.
        let depth = unsafe { holds.as_ref() }.depth(self.id, me, self.state());
        if depth == 0 {
            return Err(holds);
        }
        // SAFETY: as above.
        let counted = unsafe { holds.as_ref() }.lock_again(self.id);
        if counted == Err(TooDeep) {
            return Ok(Err(LockError::TooDeep { most: u32::MAX }));
        }
        let guard = self.guard(holds, LockToken::of(me), std::thread::panicking());
        if self.state().is_flagged() {
            return Ok(self.told_again(guard));
        }
        Ok(Ok(guard))
    }

    #[cold]
    fn told_again<'a>(&'a self, guard: ReentrantMutexGuard<'a, T>) -> Locked<'a, T> {
        let status = self.state().peek();
        LockError::told(
            self.mutex.entry_of_lock(),
            status.owner_died,
            status.poisoned,
            guard,
        )
    }

    /// The first guard of a thread that has locked the mutex.
    #[inline(always)]
    fn first<'a>(
        &'a self,
        holds: NonNull<Holds>,
        guard: MutexGuard<'a, T>,
    ) -> ReentrantMutexGuard<'a, T> {
        let (held, panicking) = guard.into_token();
        // SAFETY: as in `again`.
        unsafe { holds.as_ref() }.locked(self.id, held.owner());
        self.guard(holds, held, panicking)
    }

    #[cold]
    fn told<'a>(
        &'a self,
        holds: NonNull<Holds>,
        error: LockError<MutexGuard<'a, T>>,
    ) -> LockError<ReentrantMutexGuard<'a, T>> {
        error.map(|guard| self.first(holds, guard))
    }

    #[inline(always)]
    fn guard(
        &self,
        holds: NonNull<Holds>,
        held: LockToken,
        panicking: bool,
    ) -> ReentrantMutexGuard<'_, T> {
        // INVARIANT: 1; `holds` came from this thread.
        ReentrantMutexGuard {
            lock: self,
            holds,
            held,
            panicking,
        }
    }
}

impl<T> ReentrantMutexGuard<'_, T> {
    /// Returns whether an owner died while it held the lock, and no owner has declared the data
    /// consistent since.
    pub fn owner_died(&self) -> bool {
        self.lock.state().peek().owner_died
    }

    /// Returns whether a thread panicked while it held the lock, and the poison was not cleared
    /// since.
    pub fn is_poisoned(&self) -> bool {
        self.lock.state().peek().poisoned
    }

    /// Declares the data consistent after an owner died, for all guards of this thread.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        if self.is_own() {
            self.lock.state().mark_consistent(&mut self.held);
        }
    }

    /// False in a forked child, to which this is its parent's lock.
    #[inline(always)]
    fn is_own(&self) -> bool {
        self.lock.mutex.own().current() == Some(self.held.owner())
    }
}

impl<T> Deref for ReentrantMutexGuard<'_, T> {
    type Target = Cell<T>;

    #[inline]
    fn deref(&self) -> &Cell<T> {
        // SAFETY: Invariant 1 of `Mutex`, and a `Cell<T>` has the layout of a `T`. This thread
        // holds the lock, so by the protocol no other one accesses the data until the last guard is
        // dropped, and no guard leaves it.
        unsafe { self.lock.mutex.data().cast::<Cell<T>>().as_ref() }
    }
}

impl<T> Drop for ReentrantMutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_own() {
            let poison = !self.panicking && std::thread::panicking();
            let (lock, held) = (self.lock, self.held);
            // SAFETY: Invariant 1, and they live until the thread has ended: they are not dropped.
            let holds = unsafe { self.holds.as_ref() };
            holds.unlock(lock.id, lock.state(), held, poison);
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
            mutex: self.mutex.clone(),
            id: self.id,
        }
    }
}

/// Never blocks, and does not show the data. The depth is the calling thread's.
impl<T> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.state().peek();
        f.debug_struct("ReentrantMutex")
            .field("locked", &status.locked)
            .field("depth", &self.depth())
            .field("owner_died", &status.owner_died)
            .field("poisoned", &status.poisoned)
            .finish_non_exhaustive()
    }
}

/// Returns the number of the lock of `entry` in this process, which all handles of it share.
fn number_of(entry: &AtomicU64) -> LockId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // ORDERING: Relaxed; a number that no other lock has is all that is asked for.
    let relaxed = Ordering::Relaxed;
    let known = entry.load(relaxed);
    if known != 0 {
        return LockId(known);
    }
    let fresh = NEXT.fetch_add(1, relaxed);
    match entry.compare_exchange(0, fresh, relaxed, relaxed) {
        Ok(_) => LockId(fresh),
        Err(known) => LockId(known),
    }
}

impl<T: Payload + Pod> HoldsValue for ReentrantMutex<T> {
    type Value = T;
    type Boxed = Box<T>;

    fn prepare_boxed(bytes: &Bytes<'_>, first: Box<T>) {
        Mutex::<T>::prepare_boxed(bytes, first);
    }
}

impl<T: Payload + Pod> Placeable for ReentrantMutex<T> {
    /// The first value.
    type Config = T;

    const KIND: Kind = Kind::ReentrantMutex;

    fn payload() -> PayloadShape {
        Mutex::<T>::payload()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        Mutex::<T>::size(config, participants)
    }

    fn prepare(bytes: &Bytes<'_>, first: T) {
        Mutex::<T>::prepare(bytes, first);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let mutex = Mutex::attach(entry)?;
        let id = number_of(mutex.private_word()?);
        Some(Self { mutex, id })
    }

    fn entry(&self) -> &Entry {
        self.mutex.entry()
    }
}

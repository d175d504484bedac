//! The mutex without data, and what both mutexes are made of.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::algorithm::mutex::{LockToken, MutexError, MutexState, MutexStatus, Unclean};
use crate::facade::Deadline;
use crate::format::{Kind, PayloadShape};
use crate::segment::{Bytes, Entry, EntryRef, OwnTag, Placeable, Shape, sealed};
use crate::sync::error::{Failure, Outcome};
use crate::sync::{Holder, LockError, NotLocked, TimedLockError, TryLockError};

/// A lock that protects something outside of itself: a file, a region of memory, a device.
///
/// For data of a [`Pod`](bytemuck::Pod) type use [`Mutex`](super::Mutex); everything that is said
/// there and in the [module's documentation](super) is true here. The guard is the proof.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::sync::RawMutex;
///
/// let segment = Segment::anonymous()?;
/// let printer = segment.create::<RawMutex>("printer", ())?;
/// {
///     let _guard = printer.lock_or_repair(|| println!("a job was cut off"))?;
///     assert!(printer.is_locked());
/// }
/// assert!(!printer.is_locked());
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone)]
pub struct RawMutex {
    state: EntryRef<MutexState>,
}

/// Proof that this thread holds a [`RawMutex`]; dropping it unlocks.
///
/// In a forked child, one that was inherited is nobody's: dropping it does nothing.
#[must_use = "the lock is released when the guard is dropped"]
pub struct RawMutexGuard<'a> {
    /// At hand, and not behind the handle: what unlocks is in registers already.
    state: &'a MutexState,
    own: OwnTag<'a>,
    held: LockToken,
    /// Whether the thread was panicking already when it locked.
    panicking: bool,
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives no access but through methods that only read the guard itself.
unsafe impl Sync for RawMutexGuard<'_> {}

impl RawMutex {
    /// Attaches to an entry that begins with a mutex's word.
    pub(super) fn anchored(entry: Entry) -> Option<Self> {
        EntryRef::new(entry).map(|state| Self { state })
    }

    pub(super) fn entry_ref(&self) -> &EntryRef<MutexState> {
        &self.state
    }

    /// Locks, waiting as long as a live participant holds the lock.
    ///
    /// The lock of a participant that was killed is taken over within 50 ms, or at once with a
    /// [`Monitor`](crate::segment::Monitor), as [`Mutex::lock`](crate::Mutex::lock) says; that of one that
    /// was stopped is waited for.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] and [`LockError::Poisoned`] hold the lock; see the
    /// [table](super#what-a-lock-says-of-its-last-owner). [`LockError::Join`] and
    /// [`LockError::Corrupt`] do not.
    #[inline]
    pub fn lock(&self) -> Result<RawMutexGuard<'_>, LockError<RawMutexGuard<'_>>> {
        match self.lock_clean() {
            Ok(guard) => Ok(guard),
            Err(unclean) => LockError::result(self.wait(unclean)),
        }
    }

    /// Locks as [`lock`](Self::lock) does, and calls `repair` if the last owner died.
    ///
    /// If this process dies in the middle of it, the next one's `repair` is called; if `repair`
    /// panics, the lock is also poisoned.
    ///
    /// # Errors
    ///
    /// [`NotLocked`], and the lock is not held: in particular if it is poisoned.
    #[inline]
    pub fn lock_or_repair(&self, repair: impl FnOnce()) -> Result<RawMutexGuard<'_>, NotLocked> {
        match self.lock_clean() {
            Ok(guard) => Ok(guard),
            Err(unclean) => self.wait_and_repair(unclean, repair),
        }
    }

    #[cold]
    pub(super) fn wait_and_repair(
        &self,
        unclean: Unclean,
        repair: impl FnOnce(),
    ) -> Result<RawMutexGuard<'_>, NotLocked> {
        match self.wait(unclean) {
            Ok(Outcome::Clean(guard)) => Ok(guard),
            Ok(Outcome::OwnerDied(guard)) if guard.is_poisoned() => Err(NotLocked::Poisoned),
            Ok(Outcome::OwnerDied(mut guard)) => {
                repair();
                guard.mark_consistent();
                Ok(guard)
            }
            Ok(Outcome::Poisoned(_)) => Err(NotLocked::Poisoned),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Locks if no live participant holds the lock; never waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if one does; the others as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<RawMutexGuard<'_>, TryLockError<RawMutexGuard<'_>>> {
        match self.lock_clean() {
            Ok(guard) => Ok(guard),
            Err(unclean) => TryLockError::result(self.attempt(unclean)),
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
    ) -> Result<RawMutexGuard<'_>, TimedLockError<RawMutexGuard<'_>>> {
        TimedLockError::result(self.wait_until(&Deadline::after(timeout)))
    }

    /// Locks, waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_lock_timeout`](Self::try_lock_timeout).
    pub fn try_lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RawMutexGuard<'_>, TimedLockError<RawMutexGuard<'_>>> {
        TimedLockError::result(self.wait_until(&Deadline::at(deadline)))
    }

    /// Returns whether somebody, alive or dead, has the lock: a glance, which may be over.
    pub fn is_locked(&self) -> bool {
        self.glance().locked
    }

    /// Returns whether the lock is poisoned.
    pub fn is_poisoned(&self) -> bool {
        self.glance().poisoned
    }

    /// Clears the poison, whoever holds the lock.
    pub fn clear_poison(&self) {
        self.state.clear_poison();
    }

    pub(super) fn glance(&self) -> MutexStatus {
        self.state.peek()
    }

    /// Locks a lock that is free and clean, if this process is a participant already: what nearly
    /// every call comes to, so it is all that is inlined.
    #[inline(always)]
    pub(super) fn lock_clean(&self) -> Result<RawMutexGuard<'_>, Unclean> {
        // Everything is looked up before the instruction that locks: others wait from then on.
        let (state, own) = (self.state.state(), self.state.own());
        let panicking = std::thread::panicking();
        let me = own.current().ok_or(Unclean(None))?;
        let held = state.lock_clean(me, &self.state.liveness(me))?;
        Ok(RawMutexGuard {
            state,
            own,
            held,
            panicking,
            _not_send: PhantomData,
        })
    }

    /// Locks after [`lock_clean`](Self::lock_clean) did not do.
    #[cold]
    pub(super) fn wait(
        &self,
        unclean: Unclean,
    ) -> Result<Outcome<RawMutexGuard<'_>>, Failure<Infallible>> {
        self.state.put_back(unclean);
        loop {
            match self.wait_until(&Deadline::never()) {
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

    #[cold]
    pub(super) fn wait_until(
        &self,
        deadline: &Deadline,
    ) -> Result<Outcome<RawMutexGuard<'_>>, Failure<Holder>> {
        let me = self.state.tag().map_err(Failure::Join)?;
        match self
            .state
            .lock_contended(me, &self.state.liveness(me), deadline)
        {
            Ok(held) => Ok(Outcome::of(held, self.guard(held))),
            Err(refused) => Err(self.failure(refused, me)),
        }
    }

    /// Tries after [`lock_clean`](Self::lock_clean) did not do.
    #[cold]
    pub(super) fn attempt(
        &self,
        unclean: Unclean,
    ) -> Result<Outcome<RawMutexGuard<'_>>, Failure<Holder>> {
        self.state.put_back(unclean);
        let me = self.state.tag().map_err(Failure::Join)?;
        match self.state.try_lock_contended(me, &self.state.liveness(me)) {
            Ok(held) => Ok(Outcome::of(held, self.guard(held))),
            Err(refused) => Err(self.failure(refused, me)),
        }
    }

    fn guard(&self, held: LockToken) -> RawMutexGuard<'_> {
        RawMutexGuard {
            state: self.state.state(),
            own: self.state.own(),
            held,
            panicking: std::thread::panicking(),
            _not_send: PhantomData,
        }
    }

    #[cold]
    fn failure(&self, refused: MutexError, me: crate::participant::Tag) -> Failure<Holder> {
        match refused {
            MutexError::Busy => {
                let owner = self.glance().owner.map(|owner| owner.index());
                Failure::Busy(Holder::of(owner, me, |index| self.state.pid_at(index, me)))
            }
            MutexError::Corrupt { word } => Failure::Corrupt { word },
            MutexError::MembershipLost => Failure::Join(self.state.membership_lost(me)),
        }
    }
}

impl RawMutexGuard<'_> {
    /// Returns whether an owner died while it held the lock, and nobody has answered for it yet.
    pub fn owner_died(&self) -> bool {
        self.held.owner_died()
    }

    /// Returns whether a thread panicked while it held the lock, and nobody has cleared that.
    pub fn is_poisoned(&self) -> bool {
        self.held.is_poisoned() && self.state.peek().poisoned
    }

    /// Declares that what the lock protects is whole again, after an owner died.
    ///
    /// Does nothing in a forked child, or if the lock was taken over because this process was
    /// [lost](crate::segment::MembershipError::Lost).
    pub fn mark_consistent(&mut self) {
        // In a forked child this is the parent's lock.
        if self.own.current() == Some(self.held.owner()) {
            self.state.mark_consistent(&mut self.held);
        }
    }
}

impl Drop for RawMutexGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // In a forked child this is the parent's lock.
        if self.own.current() == Some(self.held.owner()) {
            let poison = !self.panicking && std::thread::panicking();
            self.state.unlock(self.held, poison);
        }
    }
}

impl fmt::Debug for RawMutexGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMutexGuard")
            .field("owner_died", &self.owner_died())
            .field("is_poisoned", &self.is_poisoned())
            .finish_non_exhaustive()
    }
}

/// Never blocks.
impl fmt::Debug for RawMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glance = self.glance();
        f.debug_struct("RawMutex")
            .field("locked", &glance.locked)
            .field("owner_died", &glance.owner_died)
            .field("poisoned", &glance.poisoned)
            .finish()
    }
}

impl sealed::Sealed for RawMutex {}

impl Placeable for RawMutex {
    type Config = ();

    const KIND: Kind = Kind::RawMutex;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn words((): &()) -> [u64; 4] {
        [0; 4]
    }

    fn shape(config: [u64; 4], _participants: u32) -> Option<Shape> {
        let len = size_of::<MutexState>() as u64;
        (config == [0; 4]).then_some(Shape {
            kind: Self::KIND,
            len,
            payload: Self::payload(),
            config,
        })
    }

    /// A zeroed word is a free, clean lock.
    fn prepare(_bytes: &Bytes<'_>, (): ()) {}

    fn attach(entry: Entry) -> Option<Self> {
        Self::anchored(entry)
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

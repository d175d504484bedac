//! What a lock says instead of `Ok`.

use std::fmt;

use crate::algorithm::region::SharedState;
use crate::algorithm::rwlock::{MOST, RwLockError};
use crate::format::Kind;
use crate::participant::{SlowEvent, Tag};
use crate::segment::fault::errors_around;
use crate::segment::{Entry, EntryRef, Fault, MembershipError, stats, trace};

/// The error of an operation that blocks until it has a lock: [`Mutex::lock`](super::Mutex::lock),
/// [`RwLock::read`](super::RwLock::read), [`RwLock::write`](super::RwLock::write).
///
/// Two variants hold the lock, and give its guard `G`: see the
/// [table](super#what-a-lock-says-of-its-last-owner). The error of the forms that repair, such as
/// [`Mutex::lock_or_repair`](super::Mutex::lock_or_repair), has no guard, and the lock is not held.
///
/// # Examples
///
/// ```
/// use crossdock::sync::LockError;
/// use crossdock::{Mutex, Segment};
///
/// let stock = Segment::anonymous()?.create::<Mutex<u64>>("stock", 3)?;
/// let guard = match stock.lock() {
///     Ok(guard) => guard,
///     Err(LockError::OwnerDied(mut guard)) => {
///         *guard = 0;
///         guard.mark_consistent();
///         guard
///     }
///     Err(error) => return Err(error.into()),
/// };
/// assert_eq!(*guard, 3);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LockError<G = ()> {
    /// The lock is held. Its last owner (of an [`RwLock`](super::RwLock): its last writer) died
    /// while it held the lock, so the data may be half changed; or an earlier owner did, and no
    /// owner has declared the data consistent since.
    OwnerDied(G),
    /// The lock is held. A thread panicked while it held the lock (of an [`RwLock`](super::RwLock):
    /// to write), so the data may be half changed.
    Poisoned(G),
    /// The lock is not held: as many threads of this process read an [`RwLock`](super::RwLock) as
    /// can be counted.
    TooManyReaders {
        /// The number of threads that can be counted.
        most: u32,
    },
    /// The lock is not held once more: the thread has locked a
    /// [`ReentrantMutex`](super::ReentrantMutex) as often as can be counted.
    TooDeep {
        /// The number that can be counted.
        most: u32,
    },
    /// The lock is not held. What can happen to every operation.
    Fault(Fault),
}

impl<G> LockError<G> {
    /// Returns the guard, if the lock is held.
    pub fn into_guard(self) -> Option<G> {
        match self {
            Self::OwnerDied(guard) | Self::Poisoned(guard) => Some(guard),
            Self::TooManyReaders { .. } | Self::TooDeep { .. } | Self::Fault(_) => None,
        }
    }

    /// Drops the guard, which unlocks, and returns the same error without it.
    pub fn without_guard(self) -> LockError {
        self.map(drop)
    }

    /// The same error with another guard.
    pub(super) fn map<H>(self, change: impl FnOnce(G) -> H) -> LockError<H> {
        match self {
            Self::OwnerDied(guard) => LockError::OwnerDied(change(guard)),
            Self::Poisoned(guard) => LockError::Poisoned(change(guard)),
            Self::TooManyReaders { most } => LockError::TooManyReaders { most },
            Self::TooDeep { most } => LockError::TooDeep { most },
            Self::Fault(fault) => LockError::Fault(fault),
        }
    }

    /// The token or guard of a lock that was taken, with what the lock says of its last owner.
    pub(super) fn told(
        lock: &Entry,
        owner_died: bool,
        is_poisoned: bool,
        token: G,
    ) -> Result<G, Self> {
        match (owner_died, is_poisoned) {
            (false, false) => Ok(token),
            (true, _) => {
                stats::count(&lock.mapping, SlowEvent::TakeOver);
                trace::lock_taken_over(lock);
                Err(Self::OwnerDied(token))
            }
            (false, true) => Err(Self::Poisoned(token)),
        }
    }
}

impl<G> From<Fault> for LockError<G> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<G> From<MembershipError> for LockError<G> {
    fn from(error: MembershipError) -> Self {
        Self::Fault(error.into())
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("the last owner died while it held the lock"),
            Self::Poisoned(_) => f.write_str(
                "a thread panicked while it held the lock, and clear_poison was not called since",
            ),
            Self::TooManyReaders { most } => write!(
                f,
                "{most} threads of this process read already, and no more can be counted"
            ),
            Self::TooDeep { most } => write!(
                f,
                "this thread has locked {most} times already, and no more can be counted"
            ),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

/// Shows what happened, not what the lock protects.
impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => f.write_str("OwnerDied(..)"),
            Self::Poisoned(_) => f.write_str("Poisoned(..)"),
            Self::TooManyReaders { most } => write!(f, "TooManyReaders {{ most: {most} }}"),
            Self::TooDeep { most } => write!(f, "TooDeep {{ most: {most} }}"),
            Self::Fault(fault) => f.debug_tuple("Fault").field(fault).finish(),
        }
    }
}

impl<G> std::error::Error for LockError<G> {}

errors_around! {
    /// The error of an operation that tries to take a lock and does not block:
    /// [`Mutex::try_lock`](super::Mutex::try_lock), [`RwLock::try_read`](super::RwLock::try_read),
    /// [`RwLock::try_write`](super::RwLock::try_write).
    pub enum TryLockError<G> {
        /// A live participant holds the lock.
        WouldBlock {
            /// The participant. It may have unlocked since.
            holder: Holder,
        } => "{holder} holds the lock",
        /// The error of the operation that blocks.
        else Lock(LockError<G>)
    }

    /// The error of an operation that blocks no longer than a timeout:
    /// [`Mutex::lock_timeout`](super::Mutex::lock_timeout),
    /// [`RwLock::read_timeout`](super::RwLock::read_timeout),
    /// [`RwLock::write_timeout`](super::RwLock::write_timeout).
    pub enum LockTimeoutError<G> {
        /// The timeout passed while a live participant held the lock.
        Timeout {
            /// The participant. It may have unlocked since.
            holder: Holder,
        } => "{holder} still holds the lock",
        /// The error of the operation that blocks.
        else Lock(LockError<G>)
    }
}

impl<G> TryLockError<G> {
    /// Drops the guard, if there is one, and returns the same error without it.
    pub fn without_guard(self) -> TryLockError {
        self.map(drop)
    }

    /// The same error with another guard.
    pub(super) fn map<H>(self, change: impl FnOnce(G) -> H) -> TryLockError<H> {
        match self {
            Self::WouldBlock { holder } => TryLockError::WouldBlock { holder },
            Self::Lock(error) => TryLockError::Lock(error.map(change)),
        }
    }

    /// The same error after a wait, with another guard.
    pub(super) fn timed_out<H>(self, change: impl FnOnce(G) -> H) -> LockTimeoutError<H> {
        match self {
            Self::WouldBlock { holder } => LockTimeoutError::Timeout { holder },
            Self::Lock(error) => LockTimeoutError::Lock(error.map(change)),
        }
    }
}

impl<G> LockTimeoutError<G> {
    /// Drops the guard, if there is one, and returns the same error without it.
    pub fn without_guard(self) -> LockTimeoutError {
        self.map(drop)
    }

    /// The same error with another guard.
    pub(super) fn map<H>(self, change: impl FnOnce(G) -> H) -> LockTimeoutError<H> {
        match self {
            Self::Timeout { holder } => LockTimeoutError::Timeout { holder },
            Self::Lock(error) => LockTimeoutError::Lock(error.map(change)),
        }
    }
}

/// The participant that holds a lock. It may have unlocked since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Holder {
    /// This process: another thread, or the calling one, which would wait for itself.
    ThisProcess,
    /// Another process of this PID namespace.
    Process {
        /// Its process id.
        pid: u32,
    },
    /// A process of another PID namespace, or no process any more when this was looked up.
    Other,
}

impl Holder {
    /// A participant in the segment of an entry, as `me` sees it.
    pub(super) fn of<S: SharedState>(holder: Tag, me: Tag, entry: &EntryRef<S>) -> Self {
        if holder == me {
            return Self::ThisProcess;
        }
        let pid = entry.pid_as(holder, me);
        pid.map_or(Self::Other, |pid| Self::Process { pid })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThisProcess => f.write_str("this process"),
            Self::Process { pid } => write!(f, "process {pid}"),
            Self::Other => f.write_str("another participant"),
        }
    }
}

/// Why participant `me` did not get a lock of a `kind`; `holder` looks up which participant has it.
#[cold]
pub(super) fn refused<S: SharedState, G>(
    refused: RwLockError,
    (kind, entry, me): (Kind, &EntryRef<S>, Tag),
    holder: impl FnOnce() -> Option<Tag>,
) -> TryLockError<G> {
    TryLockError::Lock(match refused {
        RwLockError::Busy => {
            let holder = holder().map(|holder| Holder::of(holder, me, entry));
            let holder = holder.unwrap_or(Holder::Other);
            return TryLockError::WouldBlock { holder };
        }
        RwLockError::Corrupt { word } => Fault::corrupt(kind, word).into(),
        RwLockError::Full => LockError::TooManyReaders { most: MOST },
        RwLockError::MembershipLost => entry.membership_lost(me).into(),
    })
}

/// The same result, made anew: so that the guard of the way that is inlined stays in registers, and
/// is not where that of the cold way was returned.
#[inline(always)]
#[expect(clippy::needless_match, reason = "it separates the two places")]
pub(super) fn anew<G, E>(result: Result<G, E>) -> Result<G, E> {
    match result {
        Ok(guard) => Ok(guard),
        Err(error) => Err(error),
    }
}

/// Attempts until the lock is taken, or cannot be.
pub(super) fn until_taken<G>(
    attempt: impl Fn() -> Result<G, TryLockError<G>>,
) -> Result<G, LockError<G>> {
    loop {
        match attempt() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Lock(error)) => return Err(error),
            Err(TryLockError::WouldBlock { .. }) => {}
        }
    }
}

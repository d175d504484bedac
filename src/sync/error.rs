//! What a lock says instead of `Ok`.

use std::convert::Infallible;
use std::fmt;

use crate::algorithm::mutex::LockToken;
use crate::participant::Tag;
use crate::segment::MembershipError;

/// What [`Mutex::lock`](super::Mutex::lock), [`RwLock::read`](super::RwLock::read) and
/// [`RwLock::write`](super::RwLock::write) say instead of `Ok`.
#[non_exhaustive]
pub enum LockError<G> {
    /// The lock is held, and its last owner died while it held it (to write), so the data may be half
    /// changed; or an earlier owner did, and nobody has answered for it yet.
    OwnerDied(G),
    /// The lock is held, and a thread panicked while it held it (to write).
    Poisoned(G),
    /// The lock's word cannot be one, so the lock is not held.
    Corrupt {
        /// The word found.
        word: u32,
    },
    /// The lock is not held: this process is no participant of the segment.
    Join(MembershipError),
    /// So many threads of this process read already that no more can be counted. Of a
    /// [`RwLock`](super::RwLock) that is read only.
    TooManyReaders {
        /// How many can.
        most: u32,
    },
}

/// What [`Mutex::try_lock`](super::Mutex::try_lock), [`RwLock::try_read`](super::RwLock::try_read) and
/// [`RwLock::try_write`](super::RwLock::try_write) say instead of `Ok`.
#[non_exhaustive]
pub enum TryLockError<G> {
    /// A live participant holds the lock.
    WouldBlock {
        /// Which, at a glance.
        holder: Holder,
    },
    /// As [`LockError::OwnerDied`].
    OwnerDied(G),
    /// As [`LockError::Poisoned`].
    Poisoned(G),
    /// As [`LockError::Corrupt`].
    Corrupt {
        /// The word found.
        word: u32,
    },
    /// As [`LockError::Join`].
    Join(MembershipError),
    /// As [`LockError::TooManyReaders`].
    TooManyReaders {
        /// How many can be counted.
        most: u32,
    },
}

/// What [`Mutex::try_lock_timeout`](super::Mutex::try_lock_timeout) and
/// [`Mutex::try_lock_deadline`](super::Mutex::try_lock_deadline), and the like of
/// [`RwLock`](super::RwLock), say instead of `Ok`.
#[non_exhaustive]
pub enum TimedLockError<G> {
    /// A live participant still holds the lock.
    Timeout {
        /// Which, at a glance.
        holder: Holder,
    },
    /// As [`LockError::OwnerDied`].
    OwnerDied(G),
    /// As [`LockError::Poisoned`].
    Poisoned(G),
    /// As [`LockError::Corrupt`].
    Corrupt {
        /// The word found.
        word: u32,
    },
    /// As [`LockError::Join`].
    Join(MembershipError),
    /// As [`LockError::TooManyReaders`].
    TooManyReaders {
        /// How many can be counted.
        most: u32,
    },
}

/// Why [`Mutex::lock_or_repair`](super::Mutex::lock_or_repair), and the like of
/// [`RwLock`](super::RwLock), hold no lock.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotLocked {
    /// A thread panicked while it held the lock, and nobody has cleared the poison.
    Poisoned,
    /// The lock's word cannot be one.
    Corrupt {
        /// The word found.
        word: u32,
    },
    /// This process is no participant of the segment.
    Join(MembershipError),
    /// So many threads of this process read already that no more can be counted. Of a
    /// [`RwLock`](super::RwLock) that is read only.
    TooManyReaders {
        /// How many can.
        most: u32,
    },
}

/// Who holds a lock: a glance, which may be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// This process: another thread, or the calling one, which would wait for itself.
    ThisProcess,
    /// Another process, of this PID namespace.
    Process {
        /// Its process id.
        pid: u32,
    },
    /// A process of another PID namespace, or none any more when it was looked at.
    Other,
}

impl Holder {
    /// The participant at `index`, if there is one, as `me` sees it.
    pub(super) fn of(index: Option<u32>, me: Tag, pid: impl FnOnce(u32) -> Option<u32>) -> Self {
        match index {
            Some(index) if index == me.index() => Self::ThisProcess,
            Some(index) => pid(index).map_or(Self::Other, |pid| Self::Process { pid }),
            None => Self::Other,
        }
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

/// What a lock attempt came to, before it is told in the words of its operation.
pub(crate) enum Outcome<G> {
    Clean(G),
    OwnerDied(G),
    Poisoned(G),
}

impl<G> Outcome<G> {
    pub(super) fn of(held: LockToken, guard: G) -> Self {
        Self::when(held.owner_died(), held.is_poisoned(), guard)
    }

    pub(crate) fn when(owner_died: bool, poisoned: bool, guard: G) -> Self {
        if owner_died {
            Self::OwnerDied(guard)
        } else if poisoned {
            Self::Poisoned(guard)
        } else {
            Self::Clean(guard)
        }
    }

    pub(crate) fn map<H>(self, make: impl FnOnce(G) -> H) -> Outcome<H> {
        match self {
            Self::Clean(guard) => Outcome::Clean(make(guard)),
            Self::OwnerDied(guard) => Outcome::OwnerDied(make(guard)),
            Self::Poisoned(guard) => Outcome::Poisoned(make(guard)),
        }
    }
}

/// Why a lock attempt came to nothing. `B` says who holds the lock; it is `Infallible` where waiting has
/// no end.
pub(crate) enum Failure<B> {
    Busy(B),
    Corrupt { word: u32 },
    TooManyReaders { most: u32 },
    Join(MembershipError),
}

impl From<Failure<Infallible>> for NotLocked {
    fn from(failure: Failure<Infallible>) -> Self {
        match failure {
            Failure::Busy(never) => match never {},
            Failure::Corrupt { word } => Self::Corrupt { word },
            Failure::TooManyReaders { most } => Self::TooManyReaders { most },
            Failure::Join(error) => Self::Join(error),
        }
    }
}

const OWNER_DIED: &str = "the last owner died while it held the lock";
const POISONED: &str =
    "a thread panicked while it held the lock, and clear_poison was not called since";

fn corrupt(f: &mut fmt::Formatter<'_>, word: u32) -> fmt::Result {
    write!(f, "expected the word of a lock, found {word:#010x}")
}

fn too_many(f: &mut fmt::Formatter<'_>, most: u32) -> fmt::Result {
    write!(
        f,
        "{most} threads of this process read already, and no more can be counted"
    )
}

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned => f.write_str(POISONED),
            Self::Corrupt { word } => corrupt(f, *word),
            Self::TooManyReaders { most } => too_many(f, *most),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotLocked {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Join(error) => error.source(),
            _ => None,
        }
    }
}

/// Implements what the three errors that may carry a guard have in common.
macro_rules! carries_a_guard {
    ($error:ident, $never:ty $(, $busy:ident $does:literal)?) => {
        impl<G> $error<G> {
            pub(crate) fn result(outcome: Result<Outcome<G>, Failure<$never>>) -> Result<G, Self> {
                Err(match outcome {
                    Ok(Outcome::Clean(guard)) => return Ok(guard),
                    Ok(Outcome::OwnerDied(guard)) => Self::OwnerDied(guard),
                    Ok(Outcome::Poisoned(guard)) => Self::Poisoned(guard),
                    $(Err(Failure::Busy(holder)) => Self::$busy { holder },)?
                    Err(Failure::Corrupt { word }) => Self::Corrupt { word },
                    Err(Failure::TooManyReaders { most }) => Self::TooManyReaders { most },
                    Err(Failure::Join(error)) => Self::Join(error),
                })
            }
        }

        impl<G> fmt::Display for $error<G> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$busy { holder } => write!(f, "{holder} {} the lock", $does),)?
                    Self::OwnerDied(_) => f.write_str(OWNER_DIED),
                    Self::Poisoned(_) => f.write_str(POISONED),
                    Self::Corrupt { word } => corrupt(f, *word),
                    Self::TooManyReaders { most } => too_many(f, *most),
                    Self::Join(error) => error.fmt(f),
                }
            }
        }

        /// Shows what happened, not what the lock protects.
        impl<G> fmt::Debug for $error<G> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$busy { holder } => {
                        write!(f, "{} {{ holder: {holder:?} }}", stringify!($busy))
                    })?
                    Self::OwnerDied(_) => f.write_str("OwnerDied(..)"),
                    Self::Poisoned(_) => f.write_str("Poisoned(..)"),
                    Self::Corrupt { word } => write!(f, "Corrupt {{ word: {word:#010x} }}"),
                    Self::TooManyReaders { most } => write!(f, "TooManyReaders {{ most: {most} }}"),
                    Self::Join(error) => write!(f, "Join({error:?})"),
                }
            }
        }

        impl<G> std::error::Error for $error<G> {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    Self::Join(error) => error.source(),
                    _ => None,
                }
            }
        }
    };
}

carries_a_guard!(LockError, Infallible);
carries_a_guard!(TryLockError, Holder, WouldBlock "holds");
carries_a_guard!(TimedLockError, Holder, Timeout "still holds");

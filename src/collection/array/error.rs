//! What can happen at an array with leases.

use std::fmt;

use crate::segment::MembershipError;
use crate::segment::fault::errors_around;
use crate::sync::LockError;

/// Why there is no lease of a chunk.
#[derive(Debug)]
#[non_exhaustive]
pub enum LeaseError {
    /// A live participant has the chunk. Not of [`lease_chunk`](super::Array::lease_chunk), which takes
    /// another one.
    Leased {
        /// Its process id, in its own PID namespace: for people.
        pid: u32,
    },
    /// There is no such chunk.
    OutOfRange {
        /// The chunk that was asked for.
        chunk: usize,
        /// How many there are, counted from 0.
        chunks: usize,
    },
    /// The last writer died over the array, so all of it may be half changed; see
    /// [`write_or_repair`](super::Array::write_or_repair).
    OwnerDied,
    /// A thread panicked while it wrote to the array, and nobody has cleared that.
    Poisoned,
    /// A word that no array can have.
    Corrupt {
        /// The word found.
        word: u32,
    },
    /// This process is no participant of the segment.
    Join(MembershipError),
}

/// Why there is no lease of a chunk, without waiting.
#[derive(Debug)]
#[non_exhaustive]
pub enum TryLeaseError {
    /// Somebody reads or writes the array, or all chunks that are to do are leased, by living
    /// participants.
    WouldBlock,
    /// As [`LeaseError`].
    Refused(LeaseError),
}

/// Why there is no lease of a chunk yet.
#[derive(Debug)]
#[non_exhaustive]
pub enum TimedLeaseError {
    /// Somebody still reads or writes the array, or has all chunks that are to do.
    Timeout,
    /// As [`LeaseError`].
    Refused(LeaseError),
}

/// Why a chunk was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishError {
    /// This process does not have the chunk: it is a forked child of the one that leased it, or others
    /// have taken it for dead, because other code of it unmapped its lock. Then the chunk was
    /// given back, and is to do or done by another.
    Lost,
}

/// Why the chunks of an array were not made to do again.
#[derive(Debug)]
#[non_exhaustive]
pub enum RestartError {
    /// A live participant has a chunk.
    Leased {
        /// Its process id, in its own PID namespace: for people.
        pid: u32,
    },
    /// A word that no array can have.
    Corrupt {
        /// The word found.
        word: u32,
    },
    /// This process is no participant of the segment.
    Join(MembershipError),
}

errors_around! {
    /// The error of [`Array::copy_to`](super::Array::copy_to) and
    /// [`Array::copy_from`](super::Array::copy_from): nothing was copied.
    pub enum CopyError {
        /// The array has not so many values there.
        OutOfRange {
            /// The first value that was asked for.
            at: usize,
            /// How many were.
            count: usize,
            /// How many the array has.
            len: usize,
        } => "expected a part of {len} values, found {count} from number {at} on",
        /// The array was not locked, or its values may be half changed.
        else Lock(LockError)
    }
}

const OWNER_DIED: &str = "the last writer died while it wrote to the array";
const POISONED: &str =
    "a thread panicked while it wrote to the array, and clear_poison was not called since";

fn leased(f: &mut fmt::Formatter<'_>, pid: u32) -> fmt::Result {
    write!(f, "process {pid} has leased the chunk")
}

fn corrupt(f: &mut fmt::Formatter<'_>, word: u32) -> fmt::Result {
    write!(f, "expected a word of an array, found {word:#010x}")
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leased { pid } => leased(f, *pid),
            Self::OutOfRange { chunk, chunks } => {
                write!(f, "expected one of {chunks} chunks, found number {chunk}")
            }
            Self::OwnerDied => f.write_str(OWNER_DIED),
            Self::Poisoned => f.write_str(POISONED),
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TryLeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => {
                f.write_str("other participants have the array, or all that is to do")
            }
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TimedLeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => {
                f.write_str("other participants still have the array, or all that is to do")
            }
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => f.write_str("this process does not have the chunk any more"),
        }
    }
}

impl fmt::Display for RestartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leased { pid } => leased(f, *pid),
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Join(error) => error.fmt(f),
        }
    }
}

macro_rules! joins {
    ($($error:ident)+) => {$(
        impl std::error::Error for $error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    Self::Join(source) => source.source(),
                    _ => None,
                }
            }
        }
    )+};
}

joins!(LeaseError RestartError);

macro_rules! wraps {
    ($($error:ident)+) => {$(
        impl std::error::Error for $error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    Self::Refused(error) => error.source(),
                    _ => None,
                }
            }
        }

        impl From<LeaseError> for $error {
            fn from(error: LeaseError) -> Self {
                Self::Refused(error)
            }
        }
    )+};
}

wraps!(TryLeaseError TimedLeaseError);

impl std::error::Error for FinishError {}

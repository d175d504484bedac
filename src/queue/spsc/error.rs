//! What can happen at the ends of a ring.

use std::fmt;

use crate::segment::MembershipError;

/// Why an end of a ring was not claimed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClaimError {
    /// A live process has it: another one, or another handle of this one.
    RoleTaken {
        /// Its process id, in its own PID namespace: for people.
        pid: u32,
    },
    /// The ring's state cannot be that of a ring.
    Corrupt,
    /// This process could not take part in the segment.
    Join(MembershipError),
}

/// Why nothing was pushed, without waiting; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryPushError<T> {
    /// There is no room.
    Full(T),
    /// The ring's state cannot be that of a ring.
    Corrupt(T),
    /// This process has the role no longer: see [`Producer`](super::Producer).
    Lost(T),
}

/// Why nothing was pushed; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError<T> {
    /// There is no room, and the last consumer has left or died: nobody makes any.
    Disconnected(T),
    /// There still was no room at the deadline. Not without one.
    Timeout(T),
    /// The ring's state cannot be that of a ring.
    Corrupt(T),
    /// This process has the role no longer: see [`Producer`](super::Producer).
    Lost(T),
    /// Other code of this process has closed the segment's descriptor, so that it cannot ask whether the
    /// consumer lives. The role is still its own. Opening a named segment once more mends it.
    Blind(T),
}

/// Why nothing was popped, without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryPopError {
    /// There is no item.
    Empty,
    /// There is no item, and the last producer has left, or others have found it dead. One that was
    /// killed just now still counts as there: [`Consumer::pop`](super::Consumer::pop) asks.
    Disconnected,
    /// The ring's state cannot be that of a ring, or the item was not a valid value; then it is
    /// gone, and the next one is next.
    Corrupt,
    /// This process has the role no longer: see [`Consumer`](super::Consumer).
    Lost,
}

/// Why nothing was popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PopError {
    /// There is no item, and the last producer has left or died. Another may come.
    Disconnected,
    /// There still was no item at the deadline. Not without one.
    Timeout,
    /// As [`TryPopError::Corrupt`].
    Corrupt,
    /// This process has the role no longer: see [`Consumer`](super::Consumer).
    Lost,
    /// As [`PushError::Blind`], of the producer.
    Blind,
}

const FULL: &str = "the ring is full";
const EMPTY: &str = "the ring is empty";
const NO_CONSUMER: &str = "the ring is full, and its consumer has left or died";
const NO_PRODUCER: &str = "the ring is empty, and its producer has left or died";
const STILL_FULL: &str = "the ring was still full at the deadline";
const STILL_EMPTY: &str = "the ring was still empty at the deadline";
const CORRUPT: &str = "expected the state of a ring and valid items, found something else";
const LOST: &str = "this process does not have this end of the ring any more";
const BLIND: &str =
    "the segment's descriptor was closed by other code: nobody can be asked who lives";

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleTaken { pid } => write!(f, "process {pid} has this end of the ring"),
            Self::Corrupt => f.write_str(CORRUPT),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Join(error) => error.source(),
            _ => None,
        }
    }
}

impl TryPushError<()> {
    /// The same, said of a value.
    pub(super) fn with<T>(self, value: T) -> TryPushError<T> {
        match self {
            Self::Full(()) => TryPushError::Full(value),
            Self::Corrupt(()) => TryPushError::Corrupt(value),
            Self::Lost(()) => TryPushError::Lost(value),
        }
    }
}

impl PushError<()> {
    /// The same, said of a value.
    pub(super) fn with<T>(self, value: T) -> PushError<T> {
        match self {
            Self::Disconnected(()) => PushError::Disconnected(value),
            Self::Timeout(()) => PushError::Timeout(value),
            Self::Corrupt(()) => PushError::Corrupt(value),
            Self::Lost(()) => PushError::Lost(value),
            Self::Blind(()) => PushError::Blind(value),
        }
    }
}

impl<T> TryPushError<T> {
    /// The value that was not pushed.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Corrupt(value) | Self::Lost(value) => value,
        }
    }

    fn text(&self) -> (&'static str, &'static str) {
        match self {
            Self::Full(_) => ("Full(..)", FULL),
            Self::Corrupt(_) => ("Corrupt(..)", CORRUPT),
            Self::Lost(_) => ("Lost(..)", LOST),
        }
    }
}

impl<T> PushError<T> {
    /// The value that was not pushed.
    pub fn into_inner(self) -> T {
        match self {
            Self::Disconnected(value)
            | Self::Timeout(value)
            | Self::Corrupt(value)
            | Self::Lost(value)
            | Self::Blind(value) => value,
        }
    }

    fn text(&self) -> (&'static str, &'static str) {
        match self {
            Self::Disconnected(_) => ("Disconnected(..)", NO_CONSUMER),
            Self::Timeout(_) => ("Timeout(..)", STILL_FULL),
            Self::Corrupt(_) => ("Corrupt(..)", CORRUPT),
            Self::Lost(_) => ("Lost(..)", LOST),
            Self::Blind(_) => ("Blind(..)", BLIND),
        }
    }
}

/// What the two errors that give a value back have in common.
macro_rules! gives_back {
    ($($error:ident)+) => {$(
        /// Shows what happened, not the value.
        impl<T> fmt::Debug for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text().0)
            }
        }

        impl<T> fmt::Display for $error<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text().1)
            }
        }

        impl<T> std::error::Error for $error<T> {}
    )+};
}

gives_back!(TryPushError PushError);

impl fmt::Display for TryPopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => EMPTY,
            Self::Disconnected => NO_PRODUCER,
            Self::Corrupt => CORRUPT,
            Self::Lost => LOST,
        })
    }
}

impl std::error::Error for TryPopError {}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => NO_PRODUCER,
            Self::Timeout => STILL_EMPTY,
            Self::Corrupt => CORRUPT,
            Self::Lost => LOST,
            Self::Blind => BLIND,
        })
    }
}

impl std::error::Error for PopError {}

//! What can happen at snapshots.

use std::fmt;

use crate::segment::MembershipError;

/// Why the writer's role was not claimed.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriterError {
    /// A live process has it: another one, or another handle of this one.
    RoleTaken {
        /// Its process id, in its own PID namespace: for people.
        pid: u32,
    },
    /// The snapshot's state cannot be that of a snapshot.
    Corrupt {
        /// The word found.
        word: u64,
    },
    /// This process could not take part in the segment.
    Join(MembershipError),
}

/// Why there is no reader, or why [`Snapshot::load`](super::Snapshot::load) has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReaderError {
    /// Live processes have all seats.
    NoFreeSeat {
        /// How many there are.
        seats: u64,
    },
    /// The snapshot's state cannot be that of a snapshot.
    Corrupt {
        /// The word found.
        word: u64,
    },
    /// This process could not take part in the segment, or does not any more.
    Join(MembershipError),
}

/// Why nothing was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The snapshot's state cannot be that of a snapshot.
    Corrupt {
        /// The word found.
        word: u64,
    },
    /// This process is the writer no longer: see [`Writer`](super::Writer).
    Lost,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The snapshot's state cannot be that of a snapshot.
    Corrupt {
        /// The word found.
        word: u64,
    },
    /// This process has the seat no longer: see [`Reader`](super::Reader).
    Lost,
}

/// Why nothing newer was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitNewerError {
    /// Nothing newer is there, and the last writer has left or died. Another may come.
    Disconnected,
    /// Nothing newer was there at the deadline.
    Timeout,
    /// The snapshot's state cannot be that of a snapshot.
    Corrupt {
        /// The word found; 0 if it was right again when it was looked at.
        word: u64,
    },
    /// As [`ReadError::Lost`].
    Lost,
    /// Other code of this process has closed the segment's descriptor, so that it cannot ask whether the
    /// writer lives. The seat is still its own, and what is there can be read. Opening a named segment once more
    /// mends it.
    Blind,
}

fn corrupt(f: &mut fmt::Formatter<'_>, word: u64) -> fmt::Result {
    write!(f, "expected the state of a snapshot, found {word:#018x}")
}

impl fmt::Display for WriterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleTaken { pid } => write!(f, "process {pid} is the snapshot's writer"),
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ReaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFreeSeat { seats } => {
                write!(f, "live processes have all {seats} seats of the snapshot")
            }
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Join(error) => error.fmt(f),
        }
    }
}

macro_rules! has_a_source {
    ($($error:ident)+) => {$(
        impl std::error::Error for $error {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    Self::Join(error) => error.source(),
                    _ => None,
                }
            }
        }
    )+};
}

has_a_source!(WriterError ReaderError);

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Lost => f.write_str("this process is not the snapshot's writer any more"),
        }
    }
}

impl std::error::Error for PublishError {}

const NO_SEAT: &str = "this process does not have this seat of the snapshot any more";

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Lost => f.write_str(NO_SEAT),
        }
    }
}

impl std::error::Error for ReadError {}

impl fmt::Display for WaitNewerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => {
                f.write_str("nothing newer is there, and the snapshot's writer has left or died")
            }
            Self::Timeout => f.write_str("nothing newer was there at the deadline"),
            Self::Corrupt { word } => corrupt(f, *word),
            Self::Lost => f.write_str(NO_SEAT),
            Self::Blind => f.write_str(
                "the segment's descriptor was closed by other code: nobody can be asked who lives",
            ),
        }
    }
}

impl std::error::Error for WaitNewerError {}

impl From<ReadError> for WaitNewerError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt { word } => Self::Corrupt { word },
            ReadError::Lost => Self::Lost,
        }
    }
}

//! The errors of creating and opening entries.

use std::fmt;

use super::{Fault, MembershipError, Text};
pub use crate::format::NameError;
use crate::format::{Kind, PayloadShape};

/// The error of creating or opening an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum EntryError {
    /// The name is not valid for an entry.
    Name(NameError),
    /// An entry of that name exists.
    Exists {
        /// The name.
        name: String,
        /// What it is.
        found: FoundKind,
    },
    /// There is no entry of that name.
    NotFound {
        /// The name.
        name: String,
    },
    /// The entry is of another kind.
    OtherKind {
        /// The name.
        name: String,
        /// The kind that was asked for.
        expected: Kind,
        /// The kind found.
        found: FoundKind,
    },
    /// The entry's payload is another type.
    OtherPayload {
        /// The name.
        name: String,
        /// The payload that was asked for.
        expected: Box<PayloadShape>,
        /// The payload found.
        found: Box<PayloadShape>,
    },
    /// No value of the channel's type can be decoded.
    Undecodable {
        /// The name.
        name: String,
        /// Why.
        reason: Text,
    },
    /// The entry has another size.
    OtherSize {
        /// The name.
        name: String,
        /// The size that such an entry has, in bytes.
        expected: u64,
        /// The size found, in bytes.
        found: u64,
    },
    /// The entry was created with another capacity. The capacity of a snapshot is its number of
    /// readers.
    OtherCapacity {
        /// The name.
        name: String,
        /// The capacity that was asked for.
        expected: u64,
        /// The capacity found.
        found: u64,
    },
    /// The array was created with another length.
    OtherLength {
        /// The name.
        name: String,
        /// The length that was asked for.
        expected: u64,
        /// The length found.
        found: u64,
    },
    /// The entry was created with the same capacity and another configuration.
    OtherConfig {
        /// The name.
        name: String,
        /// The numbers that were asked for: of a work queue its capacity, the maximum number of
        /// deliveries of a message, and the bytes of a cell; of an array its length, and that of a
        /// chunk.
        expected: Box<[u64; 4]>,
        /// The numbers found.
        found: Box<[u64; 4]>,
    },
    /// The maximum number of deliveries of a message is out of range.
    Attempts {
        /// The number that was asked for.
        found: u64,
        /// The least that there is.
        least: u64,
        /// The most that there is.
        most: u64,
    },
    /// The size of a cell is out of range.
    CellSize {
        /// The number that was asked for.
        found: u64,
        /// The least that there is.
        least: u64,
        /// The most that there is.
        most: u64,
    },
    /// The number of readers is out of range.
    Readers {
        /// The number that was asked for.
        found: u64,
        /// The least that there is.
        least: u64,
        /// The most that there is.
        most: u64,
    },
    /// The capacity is out of range.
    Capacity {
        /// The capacity that was asked for.
        found: u64,
        /// The least that there is.
        least: u64,
        /// The most that there is.
        most: u64,
    },
    /// The length of the array is out of range.
    Length {
        /// The length that was asked for.
        found: u64,
        /// The least that there is.
        least: u64,
        /// The most that there is.
        most: u64,
    },
    /// The length of a chunk is out of range.
    ChunkLength {
        /// The length that was asked for.
        found: u64,
        /// The least that there is.
        least: u64,
        /// The most that there is: the length of the array.
        most: u64,
    },
    /// The payload is aligned to more than 128 bytes, or larger than a segment can be.
    Payload {
        /// The payload.
        found: Box<PayloadShape>,
    },
    /// The directory is full.
    DirectoryFull {
        /// How many entries it has.
        entries: u32,
    },
    /// The segment has no room left for the entry.
    ArenaFull {
        /// Bytes that the entry needs.
        needed: u64,
        /// Bytes that are left.
        free: u64,
    },
    /// The directory holds bytes that crossdock never writes.
    Corrupt {
        /// The record, or `None` if it is the count of records, their index or the control mutex.
        record: Option<u32>,
    },
    /// A fault that can happen to every operation: this process could not become a participant.
    Fault(Fault),
}

/// The kind of an entry as found, which may be unknown to this version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum FoundKind {
    /// A kind of this version.
    Known(Kind),
    /// The number of a kind that this version does not know.
    Unknown(u32),
}

impl FoundKind {
    pub(crate) fn of(number: u32) -> Self {
        Kind::from_number(number).map_or(Self::Unknown(number), Self::Known)
    }
}

impl fmt::Display for FoundKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(kind) => kind.fmt(f),
            Self::Unknown(number) => write!(f, "primitive of unknown kind {number}"),
        }
    }
}

/// Puts the article before a kind: a Mutex, an Array.
pub(super) fn one(kind: impl fmt::Display) -> String {
    let kind = kind.to_string();
    let article = if kind.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str("the name is not valid for an entry"),
            Self::Exists { name, found } => {
                write!(f, "an entry \"{name}\" exists: {}", one(found))
            }
            Self::NotFound { name } => write!(f, "there is no entry \"{name}\""),
            Self::OtherKind {
                name,
                expected,
                found,
            } => {
                write!(
                    f,
                    "entry \"{name}\": expected {}, found {}",
                    one(expected),
                    one(found)
                )
            }
            Self::OtherPayload {
                name,
                expected,
                found,
            } => {
                write!(
                    f,
                    "entry \"{name}\": expected payload {expected}, found {found}"
                )
            }
            Self::OtherSize {
                name,
                expected,
                found,
            } => {
                write!(
                    f,
                    "entry \"{name}\": expected {expected} bytes, found {found}"
                )
            }
            Self::Undecodable { name, reason } => {
                write!(
                    f,
                    "entry \"{name}\": its values cannot be decoded: {reason}"
                )
            }
            Self::Capacity { found, least, most } => {
                write!(f, "expected a capacity of {least} to {most}, found {found}")
            }
            Self::Length { found, least, most } => {
                write!(f, "expected a length of {least} to {most}, found {found}")
            }
            Self::ChunkLength { found, least, most } => {
                write!(
                    f,
                    "expected chunks of {least} to {most} values, found {found}"
                )
            }
            Self::OtherCapacity {
                name,
                expected,
                found,
            } => {
                write!(
                    f,
                    "entry \"{name}\": expected capacity {expected}, found {found}"
                )
            }
            Self::OtherLength {
                name,
                expected,
                found,
            } => {
                write!(
                    f,
                    "entry \"{name}\": expected length {expected}, found {found}"
                )
            }
            Self::OtherConfig {
                name,
                expected,
                found,
            } => write!(
                f,
                "entry \"{name}\": expected a configuration of {expected:?}, found {found:?}"
            ),
            Self::Attempts { found, least, most } => {
                write!(f, "expected {least} to {most} attempts, found {found}")
            }
            Self::CellSize { found, least, most } => {
                write!(
                    f,
                    "expected cells of {least} to {most} bytes, found {found}"
                )
            }
            Self::Readers { found, least, most } => {
                write!(f, "expected {least} to {most} readers, found {found}")
            }
            Self::Payload { found } => write!(
                f,
                "expected a payload aligned to at most 128 bytes that fits a segment, found {found}"
            ),
            Self::DirectoryFull { entries } => {
                write!(
                    f,
                    "the directory is full: it has room for {entries} entries \
                     (SegmentOptions::entries makes more)"
                )
            }
            Self::ArenaFull { needed, free } => {
                write!(
                    f,
                    "the segment has no room left: expected {needed} free bytes, found {free} \
                     (SegmentOptions::size makes more)"
                )
            }
            Self::Corrupt {
                record: Some(record),
            } => {
                write!(
                    f,
                    "expected a directory record, found garbage at number {record}"
                )
            }
            Self::Corrupt { record: None } => f.write_str(
                "expected a directory, found garbage in its count, index or control word",
            ),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for EntryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name(source) => Some(source),
            _ => None,
        }
    }
}

impl From<MembershipError> for EntryError {
    fn from(error: MembershipError) -> Self {
        Self::Fault(error.into())
    }
}

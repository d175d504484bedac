//! The errors of creating and opening entries.

use std::fmt;

use super::fault::plain_errors;
use super::{Fault, MembershipError, Text};
pub use crate::format::NameError;
use crate::format::{Kind, PayloadShape};

plain_errors! {
    /// The error of creating or opening an entry.
    pub enum EntryError {
        /// The name is not valid for an entry.
        Name(source: NameError) => "the name is not valid for an entry" from 0,
        /// An entry of that name exists.
        Exists {
            /// The name.
            name: String,
            /// What it is.
            found: FoundKind,
        } => "an entry \"{name}\" exists: {}" (one(found)),
        /// There is no entry of that name.
        NotFound {
            /// The name.
            name: String,
        } => "there is no entry \"{name}\"",
        /// The entry is of another kind.
        OtherKind {
            /// The name.
            name: String,
            /// The kind that was asked for.
            expected: Kind,
            /// The kind found.
            found: FoundKind,
        } => "entry \"{name}\": expected {}, found {}" (one(expected), one(found)),
        /// The entry's payload is another type.
        OtherPayload {
            /// The name.
            name: String,
            /// The payload that was asked for.
            expected: Box<PayloadShape>,
            /// The payload found.
            found: Box<PayloadShape>,
        } => "entry \"{name}\": expected payload {expected}, found {found}",
        /// No value of the channel's type can be decoded.
        Undecodable {
            /// The name.
            name: String,
            /// Why.
            reason: Text,
        } => "entry \"{name}\": its values cannot be decoded: {reason}",
        /// The entry has another size.
        OtherSize {
            /// The name.
            name: String,
            /// The size that such an entry has, in bytes.
            expected: u64,
            /// The size found, in bytes.
            found: u64,
        } => "entry \"{name}\": expected {expected} bytes, found {found}",
        /// The entry was created with another capacity. The capacity of a snapshot is its number of
        /// readers.
        OtherCapacity {
            /// The name.
            name: String,
            /// The capacity that was asked for.
            expected: u64,
            /// The capacity found.
            found: u64,
        } => "entry \"{name}\": expected capacity {expected}, found {found}",
        /// The array was created with another length.
        OtherLength {
            /// The name.
            name: String,
            /// The length that was asked for.
            expected: u64,
            /// The length found.
            found: u64,
        } => "entry \"{name}\": expected length {expected}, found {found}",
        /// The entry was created with the same capacity and another configuration.
        OtherConfig {
            /// The name.
            name: String,
            /// The numbers that were asked for: of a work queue its capacity, the maximum number of
            /// deliveries of a message, and the bytes of a cell; of an array its length, and that
            /// of a chunk.
            expected: Box<[u64; 4]>,
            /// The numbers found.
            found: Box<[u64; 4]>,
        } => "entry \"{name}\": expected a configuration of {expected:?}, found {found:?}",
        /// The maximum number of deliveries of a message is out of range.
        Attempts {
            /// The number that was asked for.
            found: u64,
            /// The least that there is.
            least: u64,
            /// The most that there is.
            most: u64,
        } => "expected {least} to {most} attempts, found {found}",
        /// The size of a cell is out of range.
        CellSize {
            /// The number that was asked for.
            found: u64,
            /// The least that there is.
            least: u64,
            /// The most that there is.
            most: u64,
        } => "expected cells of {least} to {most} bytes, found {found}",
        /// The number of readers is out of range.
        Readers {
            /// The number that was asked for.
            found: u64,
            /// The least that there is.
            least: u64,
            /// The most that there is.
            most: u64,
        } => "expected {least} to {most} readers, found {found}",
        /// The capacity is out of range.
        Capacity {
            /// The capacity that was asked for.
            found: u64,
            /// The least that there is.
            least: u64,
            /// The most that there is.
            most: u64,
        } => "expected a capacity of {least} to {most}, found {found}",
        /// The length of the array is out of range.
        Length {
            /// The length that was asked for.
            found: u64,
            /// The least that there is.
            least: u64,
            /// The most that there is.
            most: u64,
        } => "expected a length of {least} to {most}, found {found}",
        /// The length of a chunk is out of range.
        ChunkLength {
            /// The length that was asked for.
            found: u64,
            /// The least that there is.
            least: u64,
            /// The most that there is: the length of the array.
            most: u64,
        } => "expected chunks of {least} to {most} values, found {found}",
        /// The payload is aligned to more than 128 bytes, or larger than a segment can be.
        Payload {
            /// The payload.
            found: Box<PayloadShape>,
        } => "expected a payload aligned to at most 128 bytes that fits a segment, found {found}",
        /// The directory is full.
        DirectoryFull {
            /// How many entries it has.
            entries: u32,
        } => "the directory is full: it has room for {entries} entries (SegmentOptions::entries makes more)",
        /// The segment has no room left for the entry.
        ArenaFull {
            /// Bytes that the entry needs.
            needed: u64,
            /// Bytes that are left.
            free: u64,
        } => "the segment has no room left: expected {needed} free bytes, found {free} (SegmentOptions::size makes more)",
        /// The manager has not as many free bytes in a row. Those of a removed object are free when
        /// no live process has a handle of it.
        ManagerFull {
            /// Bytes that the object needs.
            needed: u64,
            /// The most free bytes in a row.
            free: u64,
        } => "the manager has no room left: expected {needed} free bytes in a row, found {free} (ManagerOptions::room makes more, and so does removing objects)",
        /// The manager has as many objects as it can have; removed ones count while a live process
        /// has a handle of them.
        ManagerObjects {
            /// How many that is.
            objects: u64,
        } => "the manager has {objects} objects, and room for no more (ManagerOptions::objects makes more, and so does removing objects)",
        /// The directory holds bytes that crossdock never writes.
        Corrupt {
            /// The record; `None` if it is the count of records, their index or the control mutex.
            record: Option<u32>,
        } => "{}" (garbage(*record)),
        ..
        /// A fault that can happen to every operation: this process could not become a participant.
        Fault(Fault),
    }
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

/// What the directory holds at a record, or in its other words, that crossdock never writes.
fn garbage(record: Option<u32>) -> String {
    match record {
        Some(record) => format!("expected a directory record, found garbage at number {record}"),
        None => "expected a directory, found garbage in its count, index or control word".into(),
    }
}

impl From<MembershipError> for EntryError {
    fn from(error: MembershipError) -> Self {
        Self::Fault(error.into())
    }
}

//! The errors of creating, opening and monitoring segments.

use std::fmt;
use std::io;

use super::{NameError, SystemError, Text};
pub use crate::sys::limits::Limit;

/// The error of creating a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum CreateError {
    /// The name is not valid for a segment.
    Name(NameError),
    /// A segment of that name exists.
    Exists {
        /// The name.
        name: String,
    },
    /// The size is less than the registry, the directory and one page of arena need.
    TooSmall {
        /// The size asked for, in bytes.
        size: u64,
        /// The least size for so many participants and entries, in bytes.
        least: u64,
    },
    /// The size is more than a limit allows; nothing was allocated.
    TooLarge {
        /// The size asked for, in bytes, rounded up to 4,096.
        size: u64,
        /// The limit.
        limit: Limit,
        /// The bytes that the limit still allows.
        available: u64,
    },
    /// The number of participants is 0 or more than a segment can have.
    Participants {
        /// The number asked for.
        found: u32,
        /// The most that a segment can have.
        max: u32,
    },
    /// The number of entries is 0 or more than a segment can have.
    Entries {
        /// The number asked for.
        found: u32,
        /// The most that a segment can have.
        max: u32,
    },
    /// The mode has bits other than read and write permissions, or lacks the owner's.
    Mode {
        /// The mode asked for.
        found: u32,
    },
    /// The process has no permission to create files there.
    Permission(SystemError),
    /// The system refused a request.
    System(SystemError),
}

/// The error of opening a segment.
///
/// Each variant has the segment's name; a segment that came as a descriptor has none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OpenError {
    /// The name is not valid for a segment.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// There is no segment of that name.
    NotFound {
        /// The name.
        name: String,
    },
    /// The segment's mode does not allow this user to read and write it.
    Permission {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// What the system said.
        source: SystemError,
    },
    /// A symbolic link was found instead of the segment.
    Symlink {
        /// The name.
        name: String,
    },
    /// The segment belongs to another user than expected.
    OtherOwner {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// The user expected.
        expected: u32,
        /// The user found.
        found: u32,
    },
    /// The name leads to something other than a file: a directory, a socket, a pipe.
    NotAFile {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The file is empty.
    Empty {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The file is shorter or longer than its header says.
    OtherSize {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// The size in the header, in bytes.
        expected: u64,
        /// The size of the file, in bytes.
        found: u64,
    },
    /// The file was not written by crossdock.
    NotASegment {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The segment has another layout version.
    LayoutVersion {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// The version of this build.
        expected: u32,
        /// The version of the segment.
        found: u32,
    },
    /// The segment is from a machine of the other byte order.
    ByteOrder {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// The value of the byte order mark as read here.
        found: u32,
    },
    /// The checksum or the numbers of the header are wrong.
    Corrupt {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The segment exists and is smaller than asked for.
    Smaller {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// The quantity that is too small.
        what: Text,
        /// The value asked for.
        expected: u64,
        /// The value of the segment.
        found: u64,
    },
    /// Another process has found the segment unused, and is about to remove its name (see
    /// [`remove_unused`](super::SegmentOptions::remove_unused)).
    BeingRemoved {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The descriptor is open for reading only, or writing only.
    ReadOnly {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The descriptor's memory file can still shrink or grow.
    Unsealed {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
    },
    /// The system refused a request.
    System {
        /// The segment's name, if it was opened by one.
        name: Option<String>,
        /// The request, and what the system said.
        error: SystemError,
    },
}

/// The error of opening or creating a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum OpenOrCreateError {
    /// The segment exists and cannot be opened.
    Open(OpenError),
    /// The segment does not exist and cannot be created.
    Create(CreateError),
}

/// The error of starting or using a [`Monitor`](super::Monitor).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum MonitorError {
    /// The monitor was started before the fork that made this process: its thread is the parent's.
    Inherited,
    /// Other code of this process has closed the monitor's descriptors, so it has stopped: start
    /// another.
    Ended,
    /// The system refused a request.
    System(SystemError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str("the name is not valid for a segment"),
            Self::Exists { name } => write!(f, "a segment named \"{name}\" exists"),
            Self::TooSmall { size, least } => {
                write!(f, "expected a size of at least {least} bytes, found {size}")
            }
            Self::TooLarge {
                size,
                limit,
                available,
            } => write!(
                f,
                "expected a size of at most {available} bytes ({limit}), found {size}"
            ),
            Self::Participants { found, max } => {
                write!(f, "expected 1 to {max} participants, found {found}")
            }
            Self::Entries { found, max } => {
                write!(f, "expected room for 1 to {max} entries, found {found}")
            }
            Self::Mode { found } => {
                write!(f, "expected a mode of 0600 to 0666, found {found:04o}")
            }
            Self::Permission(error) | Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name(source) => Some(source),
            _ => None,
        }
    }
}

impl OpenError {
    /// Returns a closure for `map_err`: the system refused `what`.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System {
            name: None,
            error: SystemError::new(what, &error),
        }
    }

    /// Adds the name of the segment.
    pub(crate) fn of(mut self, segment: &str) -> Self {
        match &mut self {
            Self::Name { .. } | Self::NotFound { .. } | Self::Symlink { .. } => {}
            Self::Permission { name, .. }
            | Self::OtherOwner { name, .. }
            | Self::NotAFile { name }
            | Self::Empty { name }
            | Self::OtherSize { name, .. }
            | Self::NotASegment { name }
            | Self::LayoutVersion { name, .. }
            | Self::ByteOrder { name, .. }
            | Self::Corrupt { name }
            | Self::Smaller { name, .. }
            | Self::BeingRemoved { name }
            | Self::ReadOnly { name }
            | Self::Unsealed { name }
            | Self::System { name, .. } => *name = Some(segment.to_owned()),
        }
        self
    }

    /// Returns the name that the segment was opened by, or `None` if it came as a descriptor.
    pub fn segment(&self) -> Option<&str> {
        match self {
            Self::Name { name, .. } | Self::NotFound { name } | Self::Symlink { name } => {
                Some(name)
            }
            Self::Permission { name, .. }
            | Self::OtherOwner { name, .. }
            | Self::NotAFile { name }
            | Self::Empty { name }
            | Self::OtherSize { name, .. }
            | Self::NotASegment { name }
            | Self::LayoutVersion { name, .. }
            | Self::ByteOrder { name, .. }
            | Self::Corrupt { name }
            | Self::Smaller { name, .. }
            | Self::BeingRemoved { name }
            | Self::ReadOnly { name }
            | Self::Unsealed { name }
            | Self::System { name, .. } => name.as_deref(),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::NotFound { name } = self {
            return write!(f, "there is no segment named {name:?}");
        }
        if let Some(name) = self.segment() {
            write!(f, "segment {name:?}: ")?;
        }
        match self {
            Self::Name { .. } => f.write_str("the name is not valid for a segment"),
            Self::NotFound { .. } => Ok(()),
            Self::Permission { .. } => f.write_str("no permission to open it"),
            Self::Symlink { .. } => f.write_str("expected a file, found a symbolic link"),
            Self::OtherOwner {
                expected, found, ..
            } => {
                write!(
                    f,
                    "expected a segment of user {expected}, found one of user {found}"
                )
            }
            Self::NotAFile { .. } => {
                f.write_str("expected a segment, found something that is not a file")
            }
            Self::Empty { .. } => f.write_str("expected a segment, found an empty file"),
            Self::OtherSize {
                expected, found, ..
            } => {
                write!(f, "expected a segment of {expected} bytes, found {found}")
            }
            Self::NotASegment { .. } => {
                f.write_str("expected a segment, found a file of another format")
            }
            Self::LayoutVersion {
                expected, found, ..
            } => {
                write!(f, "expected layout version {expected}, found {found}")
            }
            Self::ByteOrder { found, .. } => {
                write!(
                    f,
                    "expected a little-endian segment, found byte order mark {found:#010x}"
                )
            }
            Self::Corrupt { .. } => f.write_str("expected a segment, found a corrupt header"),
            Self::Smaller {
                what,
                expected,
                found,
                ..
            } => {
                write!(
                    f,
                    "expected a segment with {what} of at least {expected}, found {found}"
                )
            }
            Self::BeingRemoved { .. } => {
                f.write_str("another process is removing it because it was unused")
            }
            Self::ReadOnly { .. } => {
                f.write_str("expected a descriptor open for reading and writing, found another")
            }
            Self::Unsealed { .. } => f.write_str(
                "expected a descriptor sealed against shrinking and growing, found an unsealed one",
            ),
            Self::System { error, .. } => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name { source, .. } => Some(source),
            Self::Permission { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for OpenOrCreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Create(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenOrCreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Open(error) => error.source(),
            Self::Create(error) => error.source(),
        }
    }
}

impl fmt::Display for MonitorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inherited => f.write_str("the monitor belongs to the process before the fork"),
            Self::Ended => f.write_str("the monitor's descriptors were closed by other code"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MonitorError {}

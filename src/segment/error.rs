//! The errors of creating, opening and monitoring segments, and of removing their names.

use std::io;

use super::fault::plain_errors;
use super::{NameError, SystemError, Text};
pub use crate::sys::limits::Limit;

plain_errors! {
    /// The error of creating a segment.
    pub enum CreateError {
        /// The name is not valid for a segment.
        Name(source: NameError) => "the name is not valid for a segment" from 0,
        /// A segment of that name exists.
        Exists {
            /// The name.
            name: String,
        } => "a segment named \"{name}\" exists",
        /// The size is less than the registry, the directory and one page of arena need.
        TooSmall {
            /// The size asked for, in bytes.
            size: u64,
            /// The least size for so many participants and entries, in bytes.
            least: u64,
        } => "expected a size of at least {least} bytes, found {size}",
        /// The size is more than a limit allows; nothing was allocated.
        TooLarge {
            /// The size asked for, in bytes, rounded up to 4,096.
            size: u64,
            /// The limit.
            limit: Limit,
            /// The bytes that the limit still allows.
            available: u64,
        } => "expected a size of at most {available} bytes ({limit}), found {size}",
        /// The number of participants is 0 or more than a segment can have.
        Participants {
            /// The number asked for.
            found: u32,
            /// The most that a segment can have.
            max: u32,
        } => "expected 1 to {max} participants, found {found}",
        /// The number of entries is 0 or more than a segment can have.
        Entries {
            /// The number asked for.
            found: u32,
            /// The most that a segment can have.
            max: u32,
        } => "expected room for 1 to {max} entries, found {found}",
        /// The mode has bits other than read and write permissions, or lacks the owner's.
        Mode {
            /// The mode asked for.
            found: u32,
        } => "expected a mode of 0600 to 0666, found {found:04o}",
        ..
        /// The process has no permission to create files there.
        Permission(SystemError),
        /// The system refused a request.
        System(SystemError),
    }

    /// The error of opening a segment.
    ///
    /// Each variant has the segment's name; a segment that came as a descriptor has none.
    pub enum OpenError {
        /// The name is not valid for a segment.
        Name {
            /// The name.
            name: String,
            /// What is wrong with it.
            source: NameError,
        } => "segment {name:?}: the name is not valid for a segment" from source,
        /// There is no segment of that name.
        NotFound {
            /// The name.
            name: String,
        } => "there is no segment named {name:?}",
        /// The segment's mode does not allow this user to read and write it.
        Permission {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
            /// What the system said.
            source: SystemError,
        } => "{}no permission to open it" (of(name)) from source,
        /// A symbolic link was found instead of the segment.
        Symlink {
            /// The name.
            name: String,
        } => "segment {name:?}: expected a file, found a symbolic link",
        /// The segment belongs to another user than expected.
        OtherOwner {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
            /// The user expected.
            expected: u32,
            /// The user found.
            found: u32,
        } => "{}expected a segment of user {expected}, found one of user {found}" (of(name)),
        /// The name leads to something other than a file: a directory, a socket, a pipe.
        NotAFile {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}expected a segment, found something that is not a file" (of(name)),
        /// The file is empty.
        Empty {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}expected a segment, found an empty file" (of(name)),
        /// The file is shorter or longer than its header says.
        OtherSize {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
            /// The size in the header, in bytes.
            expected: u64,
            /// The size of the file, in bytes.
            found: u64,
        } => "{}expected a segment of {expected} bytes, found {found}" (of(name)),
        /// The file was not written by crossdock.
        NotASegment {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}expected a segment, found a file of another format" (of(name)),
        /// The segment has another layout version.
        LayoutVersion {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
            /// The version of this build.
            expected: u32,
            /// The version of the segment.
            found: u32,
        } => "{}expected layout version {expected}, found {found}" (of(name)),
        /// The segment is from a machine of the other byte order.
        ByteOrder {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
            /// The value of the byte order mark as read here.
            found: u32,
        } => "{}expected a little-endian segment, found byte order mark {found:#010x}" (of(name)),
        /// The checksum or the numbers of the header are wrong.
        Corrupt {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}expected a segment, found a corrupt header" (of(name)),
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
        } => "{}expected a segment with {what} of at least {expected}, found {found}" (of(name)),
        /// Another process has found the segment unused, and is about to remove its name (see
        /// [`remove_unused`](super::SegmentOptions::remove_unused)).
        BeingRemoved {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}another process is removing it because it was unused" (of(name)),
        /// The descriptor is open for reading only, or writing only.
        ReadOnly {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}expected a descriptor open for reading and writing, found another" (of(name)),
        /// The descriptor's memory file can still shrink or grow.
        Unsealed {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
        } => "{}expected a descriptor sealed against shrinking and growing, found an unsealed one" (of(name)),
        /// The system refused a request.
        System {
            /// The segment's name, if it was opened by one.
            name: Option<String>,
            /// The request, and what the system said.
            error: SystemError,
        } => "{}{error}" (of(name)),
    }

    /// The error of opening or creating a segment.
    pub enum OpenOrCreateError {
        ..
        /// The segment exists and cannot be opened.
        Open(OpenError),
        /// The segment does not exist and cannot be created.
        Create(CreateError),
    }

    /// The error of starting or using a [`Monitor`](super::Monitor).
    pub enum MonitorError {
        /// The monitor was started before the fork that made this process: its thread is the
        /// parent's.
        Inherited => "the monitor belongs to the process before the fork",
        /// Other code of this process has closed the monitor's descriptors, so it has stopped:
        /// start another.
        Ended => "the monitor's descriptors were closed by other code",
        ..
        /// The system refused a request.
        System(SystemError),
    }

    /// The error of removing the name of a segment.
    pub enum RemoveError {
        /// The name is not valid for a segment.
        Name {
            /// The name.
            name: String,
            /// What is wrong with it.
            source: NameError,
        } => "segment {name:?}: the name is not valid for a segment" from source,
        /// There is no segment of that name.
        NotFound {
            /// The name.
            name: String,
        } => "there is no segment named {name:?}",
        /// The segment's file has a name that this process does not know.
        NameUnknown => "the segment has a name in /dev/shm that this process does not know",
        /// Another file has that name by now.
        OtherFile {
            /// The name.
            name: String,
        } => "segment {name:?}: another file has its name by now",
        /// The segment or its directory belongs to another user.
        Permission {
            /// The name.
            name: String,
            /// What the system said.
            source: SystemError,
        } => "segment {name:?}: no permission to remove its name" from source,
        /// The system refused a request.
        System {
            /// The name; `None` if it is not known.
            name: Option<String>,
            /// The request, and what the system said.
            error: SystemError,
        } => "{}{error}" (of(name)),
    }
}

/// The beginning of a text about a segment that may have a name.
fn of(name: &Option<String>) -> String {
    name.as_ref()
        .map_or_else(String::new, |name| format!("segment {name:?}: "))
}

/// The variants of [`OpenError`] whose segment may have come as a descriptor.
macro_rules! perhaps_named {
    ($name:ident) => {
        Self::Permission { name: $name, .. }
            | Self::OtherOwner { name: $name, .. }
            | Self::NotAFile { name: $name }
            | Self::Empty { name: $name }
            | Self::OtherSize { name: $name, .. }
            | Self::NotASegment { name: $name }
            | Self::LayoutVersion { name: $name, .. }
            | Self::ByteOrder { name: $name, .. }
            | Self::Corrupt { name: $name }
            | Self::Smaller { name: $name, .. }
            | Self::BeingRemoved { name: $name }
            | Self::ReadOnly { name: $name }
            | Self::Unsealed { name: $name }
            | Self::System { name: $name, .. }
    };
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
        if let perhaps_named!(name) = &mut self {
            *name = Some(segment.to_owned());
        }
        self
    }

    /// Returns the name that the segment was opened by, or `None` if it came as a descriptor.
    pub fn segment(&self) -> Option<&str> {
        match self {
            Self::Name { name, .. } | Self::NotFound { name } | Self::Symlink { name } => {
                Some(name)
            }
            perhaps_named!(name) => name.as_deref(),
        }
    }
}

impl RemoveError {
    /// Returns the error for a refused removal, or a refused query.
    pub(crate) fn refused(name: &str, error: &io::Error) -> Self {
        let name = name.to_owned();
        let refused = SystemError::new("removing its name", error);
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission {
                name,
                source: refused,
            },
            _ => Self::System {
                name: Some(name),
                error: refused,
            },
        }
    }
}

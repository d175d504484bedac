//! What can go wrong with the names of segments.

use std::fmt;
use std::io;

use super::NameError;

/// Why the name of a segment was not removed.
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoveError {
    /// The name cannot be a segment's.
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
    /// The segment's file has a name, and this process does not know it.
    NameUnknown,
    /// Another file has that name by now.
    OtherFile {
        /// The name.
        name: String,
    },
    /// The segment, or where it is, belongs to another user.
    Permission {
        /// The name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused.
    Io {
        /// The name; `None` if it is not known.
        name: Option<String>,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the named segments were not listed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListError {
    /// The system refused.
    Io {
        /// What it said.
        source: io::Error,
    },
}

impl RemoveError {
    /// The system refused to remove that name, or to look at it.
    pub(crate) fn refused(name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { name, source },
            _ => Self::Io {
                name: Some(name),
                source,
            },
        }
    }
}

impl fmt::Display for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, .. } => write!(f, "segment {name:?}: no segment can have that name"),
            Self::NotFound { name } => write!(f, "there is no segment named {name:?}"),
            Self::OtherFile { name } => {
                write!(f, "segment {name:?}: another file has its name by now")
            }
            Self::Permission { name, .. } => {
                write!(f, "segment {name:?}: no permission to remove its name")
            }
            Self::NameUnknown => {
                f.write_str("the segment has a name in /dev/shm that this process does not know")
            }
            Self::Io {
                name: Some(name), ..
            } => write!(f, "segment {name:?}: removing its name failed"),
            Self::Io { name: None, .. } => {
                f.write_str("asking whether the segment has a name failed")
            }
        }
    }
}

impl std::error::Error for RemoveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name { source, .. } => Some(source),
            Self::Permission { source, .. } | Self::Io { source, .. } => Some(source),
            Self::NotFound { .. } | Self::NameUnknown | Self::OtherFile { .. } => None,
        }
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { .. } => f.write_str("reading /dev/shm failed"),
        }
    }
}

impl std::error::Error for ListError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source } => Some(source),
        }
    }
}

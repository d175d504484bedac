//! The errors of removing the names of segments.

use std::fmt;
use std::io;

use super::{NameError, SystemError};

/// The error of removing the name of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum RemoveError {
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
    /// The segment's file has a name that this process does not know.
    NameUnknown,
    /// Another file has that name by now.
    OtherFile {
        /// The name.
        name: String,
    },
    /// The segment or its directory belongs to another user.
    Permission {
        /// The name.
        name: String,
        /// What the system said.
        source: SystemError,
    },
    /// The system refused a request.
    System {
        /// The name; `None` if it is not known.
        name: Option<String>,
        /// The request, and what the system said.
        error: SystemError,
    },
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

impl fmt::Display for RemoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, .. } => {
                write!(f, "segment {name:?}: the name is not valid for a segment")
            }
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
            Self::System {
                name: Some(name),
                error,
            } => write!(f, "segment {name:?}: {error}"),
            Self::System { name: None, error } => error.fmt(f),
        }
    }
}

impl std::error::Error for RemoveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Name { source, .. } => Some(source),
            Self::Permission { source, .. } => Some(source),
            _ => None,
        }
    }
}

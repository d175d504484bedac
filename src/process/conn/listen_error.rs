//! The errors of listening at a name and of connecting to it.

use std::error::Error;
use std::fmt;

use super::PipeError;
use crate::format::NameError;
use crate::segment::SystemError;

/// The error of listening at a name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum BindError {
    /// No listener can have the name.
    Name(NameError),
    /// A listener of this user has the name already.
    InUse {
        /// The name.
        name: String,
    },
    /// No values of the types can be sent.
    Pipe(PipeError),
    /// The system refused a request.
    System(SystemError),
}

/// The error of accepting a connection.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum AcceptError {
    /// The deadline passed before a program connected.
    Timeout,
    /// The memory that a client made cannot be used; the client is told. The next call accepts the
    /// next client.
    Pipe(PipeError),
    /// The system refused a request.
    System(SystemError),
}

/// The error of connecting to a name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ConnectError {
    /// No listener can have the name.
    Name(NameError),
    /// No process of the user listens at the name, or it stopped listening before it had accepted.
    NotListening {
        /// The name.
        name: String,
    },
    /// The deadline passed while the listener had more requests waiting than the kernel queues:
    /// `net.unix.max_dgram_qlen`, which is 10 or more.
    BacklogFull {
        /// The name.
        name: String,
    },
    /// The deadline passed before the listener accepted. The request is withdrawn.
    Timeout {
        /// The name.
        name: String,
    },
    /// The listener does not allow the user of this process.
    OtherUser {
        /// The name.
        name: String,
        /// The user of this process.
        user: u32,
    },
    /// A process of another user has the name: it is not the expected listener.
    OtherOwner {
        /// The name.
        name: String,
        /// The user whose listener was expected.
        expected: u32,
        /// The user of the process that has the name.
        found: u32,
    },
    /// The listener is of another version of crossdock.
    OtherVersion {
        /// The name.
        name: String,
        /// The version of this program's requests.
        expected: u32,
        /// The version of the listener's.
        found: u32,
    },
    /// The listener sends and receives values of other types.
    OtherTypes {
        /// The name.
        name: String,
        /// What this program would have sent and received.
        expected: Box<(String, String)>,
        /// What the listener receives and sends.
        found: Box<(String, String)>,
    },
    /// The memory was not made.
    Pipe(PipeError),
    /// The listener could not use the memory.
    Failed {
        /// The name.
        name: String,
        /// What the listener says.
        text: String,
    },
    /// The system refused a request.
    System(SystemError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str("the name is not valid for a listener"),
            Self::InUse { name } => write!(f, "a process of this user listens at {name:?} already"),
            Self::Pipe(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no program had connected at the deadline"),
            Self::Pipe(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str("the name is not valid for a listener"),
            Self::NotListening { name } => write!(
                f,
                "no process listens at {name:?} (the name belongs to the user, and to the network \
                 namespace)"
            ),
            Self::BacklogFull { name } => write!(
                f,
                "the listener at {name:?} still had too many requests waiting at the deadline \
                 (net.unix.max_dgram_qlen allows more)"
            ),
            Self::Timeout { name } => {
                write!(
                    f,
                    "the listener at {name:?} had not accepted at the deadline"
                )
            }
            Self::OtherUser { name, user } => write!(
                f,
                "the listener at {name:?} does not allow user {user} (ListenerOptions::allow_user does)"
            ),
            Self::OtherOwner {
                name,
                expected,
                found,
            } => write!(
                f,
                "expected a listener of user {expected} at {name:?}, found a process of user {found}"
            ),
            Self::OtherVersion {
                name,
                expected,
                found,
            } => write!(
                f,
                "expected version {expected} of requests at {name:?}, found {found}: the programs \
                 are built with different versions of crossdock"
            ),
            Self::OtherTypes {
                name,
                expected,
                found,
            } => write!(
                f,
                "expected a listener at {name:?} that receives {} and sends {}, found {} and {}",
                expected.0, expected.1, found.0, found.1
            ),
            Self::Pipe(error) => error.fmt(f),
            Self::Failed { name, text } => {
                write!(
                    f,
                    "the listener at {name:?} could not use the memory: {text}"
                )
            }
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Pipe(error) => error.source(),
            _ => None,
        }
    }
}

impl Error for AcceptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Pipe(error) => error.source(),
            _ => None,
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Pipe(error) => error.source(),
            _ => None,
        }
    }
}

impl From<NameError> for BindError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<NameError> for ConnectError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<PipeError> for BindError {
    fn from(error: PipeError) -> Self {
        Self::Pipe(error)
    }
}

impl From<PipeError> for ConnectError {
    fn from(error: PipeError) -> Self {
        Self::Pipe(error)
    }
}

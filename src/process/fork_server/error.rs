//! The error of a fork server.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::process::JoinError;
use crate::segment::SystemError;

/// The error of a fork server; see [`StartMethod`](crate::process::StartMethod).
///
/// The function of the process that was to be started did not begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ForkServerError {
    /// The server has more than one thread, so it must not fork: another thread could hold a lock
    /// that a forked process would wait for in vain.
    Threads {
        /// How many threads there are.
        count: u32,
        /// Whether a [preloaded](super::preload()) function left them behind. Otherwise the program
        /// started them before it called [`init`](crate::process::init()).
        preloading: bool,
    },
    /// A preloaded function panicked, with this message.
    Panicked(String),
    /// The program ended before it became a server.
    NotStarted(Box<JoinError>),
    /// The server died while it started, or several servers died one after the other before they
    /// had started the process.
    Died,
    /// The process ended before its function began.
    ProcessDied(Box<JoinError>),
    /// The system refused the server a request.
    System(SystemError),
}

impl fmt::Display for ForkServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads {
                count,
                preloading: true,
            } => write!(
                f,
                "the fork server has {count} threads after the preloading, and needs to have one: \
                 do not preload what starts threads"
            ),
            Self::Threads { count, .. } => write!(
                f,
                "the fork server has {count} threads before process::init(), and needs to have \
                 one: call init first in main, or use StartMethod::Spawn"
            ),
            Self::Panicked(message) => write!(f, "a preloaded function panicked: {message}"),
            Self::NotStarted(_) => f.write_str("the fork server did not start"),
            Self::Died => f.write_str("the fork server died before it had started the process"),
            Self::ProcessDied(_) => f.write_str("the process ended before its function began"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for ForkServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotStarted(error) | Self::ProcessDied(error) => Some(error),
            Self::Threads { .. } | Self::Panicked(_) | Self::Died | Self::System(_) => None,
        }
    }
}

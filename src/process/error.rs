//! What can go wrong with processes.

use std::error::Error;
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::payload::ValueError;
use crate::segment::SystemError;
use crate::sys::limits::Limit;

/// Why a value could not be encoded or decoded on its way between two processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecError(Cause);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Cause {
    Codec(ValueError),
    /// A handle among the values, in its own words.
    Handle(String),
    /// It happened in the other process, which sent its words.
    Remote(String),
}

impl CodecError {
    pub(super) fn handle(message: String) -> Self {
        Self(Cause::Handle(message))
    }

    pub(super) fn remote(message: &[u8]) -> Self {
        Self(Cause::Remote(String::from_utf8_lossy(message).into_owned()))
    }
}

impl From<ValueError> for CodecError {
    fn from(error: ValueError) -> Self {
        Self(Cause::Codec(error))
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Codec(error) => error.fmt(f),
            Cause::Handle(message) | Cause::Remote(message) => f.write_str(message),
        }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Codec(error) => error.source(),
            Cause::Handle(_) | Cause::Remote(_) => None,
        }
    }
}

/// Why no process was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SpawnError {
    /// This process called neither [`init`](super::init) nor [`init_test`](super::init_test), so a
    /// child would not know that it is one.
    NotInitialised,
    /// This program has more rights than who started it (setuid, file capabilities); a child would
    /// not believe its environment.
    Privileged,
    /// The function lies in a shared library, where no offset from the program finds it.
    NotInProgram,
    /// The arguments do not serialise.
    Encode(CodecError),
    /// The encoded arguments are larger than a limit allows; nothing was allocated for them.
    TooLarge {
        /// Their size, in bytes.
        size: u64,
        /// Which limit.
        limit: Limit,
        /// What the limit still allows, in bytes.
        available: u64,
    },
    /// The system refused a request.
    System(SystemError),
}

impl SpawnError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(SystemError::new(what, &error))
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInitialised => f.write_str(
                "process::init() was not called; call it first in main \
                 (in tests: process::init_test)",
            ),
            Self::Privileged => {
                f.write_str("a program with raised privileges (setuid) cannot spawn")
            }
            Self::NotInProgram => {
                f.write_str("the function does not lie in the program but in a shared library")
            }
            Self::Encode(_) => f.write_str("the arguments do not serialise"),
            Self::TooLarge {
                size,
                limit,
                available,
            } => write!(
                f,
                "the arguments need {size} bytes, and {limit} allows {available}"
            ),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for SpawnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotInitialised
            | Self::Privileged
            | Self::NotInProgram
            | Self::TooLarge { .. }
            | Self::System(_) => None,
            Self::Encode(error) => Some(error),
        }
    }
}

/// Why a process that has ended has no result to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JoinError {
    /// The function panicked with this message. (A payload that is no string has none:
    /// `Box<dyn Any>`.)
    Panicked(String),
    /// A signal ended the process before it committed a result. A panic where panics abort is
    /// `SIGABRT`.
    Killed {
        /// The signal.
        signal: i32,
    },
    /// The process ended itself before the function returned.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The process ended without ever reaching [`init`](super::init).
    NotStarted {
        /// The exit code.
        code: i32,
    },
    /// The process is not the program that spawned it, and did not run the function. The message
    /// says in what they differ.
    Refused(String),
    /// The process ended without a result, and its exit status is gone: something else in this
    /// process waited for it (`waitpid(-1)`), or SIGCHLD is ignored.
    Reaped,
    /// The arguments did not decode in the process.
    Arguments(CodecError),
    /// The result did not serialise in the process.
    Encode(CodecError),
    /// The result serialised but could not be handed over: its bytes are more than memory or a
    /// limit allows (`EFBIG`), or its handles live in more segments than a socket takes at once
    /// (`EAGAIN`, some 70,000) or this user may have on the way (`ETOOMANYREFS`, the limit on open
    /// files).
    Unsent(SystemError),
    /// The result does not decode here.
    Decode(CodecError),
    /// The outcome was taken by an earlier call.
    Taken,
    /// The system refused a request.
    System(SystemError),
}

impl JoinError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(SystemError::new(what, &error))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "the process panicked: {message}"),
            Self::Killed { signal } => write!(f, "the process was killed by signal {signal}"),
            Self::Exited { code } => write!(
                f,
                "the process ended without a result, with exit code {code}; \
                 did its function call exit?"
            ),
            Self::NotStarted { code } => write!(
                f,
                "the process ended before its function began, with exit code {code}; \
                 does its main call process::init() first (or name init_test an existing test)?"
            ),
            Self::Refused(message) => write!(f, "the process refused the call: {message}"),
            Self::Reaped => {
                f.write_str("the process left no result, and its exit status was taken elsewhere")
            }
            Self::Arguments(error) => {
                write!(f, "the arguments did not decode in the process: {error}")
            }
            Self::Encode(error) => {
                write!(f, "the result did not serialise in the process: {error}")
            }
            Self::Unsent(_) => f.write_str("the process could not hand its result over"),
            Self::Decode(_) => f.write_str("the result does not decode"),
            Self::Taken => f.write_str("the result was already taken"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Unsent(source) => Some(source),
            _ => None,
        }
    }
}

/// Why a join with a time limit gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JoinTimeoutError {
    /// The process still runs. Nothing has changed: join again.
    Timeout,
    /// The process has ended, and there is no result.
    Join(JoinError),
}

impl From<JoinError> for JoinTimeoutError {
    fn from(error: JoinError) -> Self {
        Self::Join(error)
    }
}

impl fmt::Display for JoinTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the process still runs"),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl Error for JoinTimeoutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Timeout => None,
            Self::Join(error) => error.source(),
        }
    }
}

/// Why the exit status of a process cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StatusError {
    /// It has ended and the status is gone: something else in this process waited for it
    /// (`waitpid(-1)`), or SIGCHLD is ignored.
    Reaped,
    /// The system refused a request.
    System(SystemError),
}

impl StatusError {
    pub(super) fn system(error: io::Error) -> Self {
        Self::System(SystemError::new("taking the exit status", &error))
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reaped => f.write_str("the exit status of the process was taken elsewhere"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for StatusError {}

//! The errors of processes.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use super::{ForkServerError, OptionError, Panic, RemoteError};
use crate::payload::ValueError;
use crate::segment::SystemError;
use crate::segment::fault::plain_errors;
use crate::sys::limits::Limit;
use crate::sys::process::{NO_PROCESS, NOT_FOUND};

/// The error of encoding or decoding a value that crosses processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecError(CodecCause);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum CodecCause {
    Codec(ValueError),
    /// The text of a handle among the values.
    Handle(String),
    /// The text that the other process sent.
    Remote(String),
}

impl CodecError {
    pub(super) fn handle(message: String) -> Self {
        Self(CodecCause::Handle(message))
    }

    pub(super) fn remote(message: &[u8]) -> Self {
        Self(CodecCause::Remote(
            String::from_utf8_lossy(message).into_owned(),
        ))
    }
}

impl From<ValueError> for CodecError {
    fn from(error: ValueError) -> Self {
        Self(CodecCause::Codec(error))
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CodecCause::Codec(error) => error.fmt(f),
            CodecCause::Handle(message) | CodecCause::Remote(message) => f.write_str(message),
        }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            CodecCause::Codec(error) => error.source(),
            CodecCause::Handle(_) | CodecCause::Remote(_) => None,
        }
    }
}

plain_errors! {
    /// The error of starting a process.
    pub enum SpawnError {
        /// This process called neither [`init`](super::init()) nor
        /// [`init_test`](super::init_test), so a child would not become a worker.
        NotInitialised => "process::init() was not called; call it first in main \
                           (in tests: process::init_test)",
        /// This program has more rights than its invoking user (setuid, file capabilities); a child
        /// would not trust its environment.
        Privileged => "a program with raised privileges (setuid) cannot spawn",
        /// The function lies in a shared library, outside the program that offsets refer to.
        NotInProgram => "the function lies in a shared library, not in the program",
        /// The arguments do not serialise.
        Encode(source: CodecError) => "the arguments do not serialise" from 0,
        /// The encoded arguments are larger than a limit allows; nothing was allocated for them.
        TooLarge {
            /// The size of the arguments, in bytes.
            size: u64,
            /// The limit.
            limit: Limit,
            /// The bytes that the limit still allows.
            available: u64,
        } => "the arguments need {size} bytes, and {limit} allows {available}",
        /// The process did not call [`init`](super::init()) within
        /// [`Builder::start_timeout`](super::Builder::start_timeout). It was killed and reaped, or
        /// a fork server had not started it, and does not run its function.
        StartTimeout {
            /// The timeout.
            timeout: Duration,
        } => "the process did not call process::init() within {timeout:?}, and was killed; \
              call it first in main, or set a longer start_timeout",
        /// The system refused a request.
        System(error: SystemError) => "{error}{}" (cure(*error)),
        ..
        /// An option of the [`Builder`](super::Builder) is invalid.
        Option(OptionError) by ?,
        /// The fork server does not start, or does not start the process.
        ForkServer(ForkServerError) by ?,
    }
}

impl SpawnError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(SystemError::new(what, &error))
    }
}

/// The requests that fail with "not found" where /proc is not mounted.
pub(super) const READING_START: &str = "finding out how this program was started";
pub(super) const READING_FILE: &str = "looking at this program's file";

/// Returns what to do about a request of a start that the system refused, if that is known and not
/// said by the error itself.
fn cure(error: SystemError) -> &'static str {
    let reads_proc = [READING_START, READING_FILE].contains(&error.what());
    match error.errno() {
        NO_PROCESS => "; raise the limit on processes (RLIMIT_NPROC, pids.max of the cgroup)",
        NOT_FOUND if reads_proc => "; mount /proc",
        _ => "",
    }
}

/// What happened to an exit status.
const STATUS_LOST: &str = "the fork server that was to report its exit status was killed";

plain_errors! {
    /// The error of a process that exited without a result.
    pub enum JoinError {
        /// The function panicked.
        Panicked(panic: Panic) => "the process {panic}",
        /// The function, started by [`try_spawn`](super::try_spawn) or its like, returned this
        /// error.
        Failed(error: RemoteError) => "the function failed: {error}" through 0,
        /// A signal killed the process before it committed a result. A panic where panics abort is
        /// `SIGABRT`.
        Killed {
            /// The signal.
            signal: i32,
        } => "the process was killed by signal {signal}",
        /// The process exited before the function returned.
        Exited {
            /// The exit code.
            code: i32,
        } => "the process exited without a result, with code {code}; did its function call exit?",
        /// The process exited before it reached [`init`](super::init()).
        NotStarted {
            /// The exit code.
            code: i32,
        } => "the process exited before its function began, with code {code}; \
              does its main call process::init() first (or name init_test an existing test)?",
        /// The process is not the program that spawned it, so it did not run the function. The
        /// message says in what they differ.
        Refused(message: String) => "the process refused the call: {message}",
        /// The process exited without a result, and its exit status is lost: other code in this
        /// process waited for it (`waitpid(-1)`), or SIGCHLD is ignored.
        Reaped => "the process left no result, and other code took its exit status",
        /// The process exited without a result, and its exit status is lost: see
        /// [`StatusError::ServerDied`].
        ServerDied => "the process left no result, and {STATUS_LOST}",
        /// The arguments did not decode in the process.
        Arguments(error: CodecError) => "the arguments did not decode in the process: {error}",
        /// The result did not serialise in the process.
        Encode(error: CodecError) => "the result did not serialise in the process: {error}",
        /// The result serialised but could not be sent: its bytes are more than memory or a limit
        /// allows (`EFBIG`), or its handles live in more segments than a socket takes at once
        /// (`EAGAIN`, some 70,000) or this user may have in flight (`ETOOMANYREFS`, the limit on
        /// open files).
        Unsent(source: SystemError) => "the process could not hand its result over" from 0,
        /// The result does not decode here.
        Decode(source: CodecError) => "the result does not decode" from 0,
        /// The outcome was taken by an earlier call.
        Taken => "the result was already taken",
        ..
        /// The system refused a request.
        System(SystemError),
    }

    /// The error of a join with a timeout.
    pub enum JoinTimeoutError {
        /// The process is still running. Nothing has changed: join again.
        Timeout => "the process still runs",
        ..
        /// The process has exited without a result.
        Join(JoinError) by ?,
    }

    /// The error of asking for an exit status.
    pub enum StatusError {
        /// The process has exited and its status is lost: other code in this process waited for it
        /// (`waitpid(-1)`), or SIGCHLD is ignored.
        Reaped => "other code took the exit status of the process",
        /// The process has ended and its status is lost: the fork server that had started it, and
        /// was to report it, was killed, and the kernel (before Linux 6.15) does not tell. A result
        /// that it committed is not lost.
        ServerDied => "{}" (STATUS_LOST),
        ..
        /// The system refused a request.
        System(SystemError),
    }

    /// The error of waiting for a process with a timeout.
    pub enum WaitTimeoutError {
        /// The process is still running. Nothing has changed: wait again.
        Timeout => "the process still runs",
        ..
        /// The exit status is unknown.
        Status(StatusError) by ?,
    }
}

impl JoinError {
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(SystemError::new(what, &error))
    }
}

impl StatusError {
    pub(super) fn refused(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(SystemError::new(what, &error))
    }
}

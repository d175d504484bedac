//! The options of a new process, and what is checked of them before anything starts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::SpawnError;
use super::job::VARIABLE;
use crate::Deadline;
use crate::segment::SystemError;
use crate::segment::fault::plain_errors;

/// The longest name of a process, in bytes.
pub(super) const MAX_NAME: usize = 255;

/// What a standard stream of a new process is: see [`Builder`](super::Builder).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stdio {
    /// The stream of this process.
    Inherit,
    /// `/dev/null`: nothing to read, and what is written is lost.
    Null,
    /// A new pipe, whose other end is a field of the [`Process`](super::Process).
    Piped,
}

/// How a process is started: see [`Builder::start`](super::Builder::start).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// This program is started again. Its `static`s are in their initial state.
    #[default]
    Spawn,
    /// A helper process forks it.
    ///
    /// The helper, the *fork server*, is this program started again, once, at the first such start,
    /// and [`init`](super::init()) turns it into the server. It has one thread and little memory,
    /// so a start takes a third of the time of [`Spawn`](Self::Spawn), and as long in a process of
    /// gigabytes as in a small one. The `static`s of the new process are as
    /// [`init`](super::init()) and [`preload`](super::preload()) left them in the server, never as
    /// they are in the process that asks. After the first start a process that sleeps waits for the
    /// next one.
    ForkServer,
}

/// The options of a new process.
///
/// All of them are here, so that a start hands one value on.
#[derive(Clone, Debug)]
pub(super) struct SpawnOptions {
    /// `None` for the counted name.
    pub(super) name: Option<String>,
    /// Whether the process ends with this one.
    pub(super) daemon: bool,
    pub(super) method: StartMethod,
    pub(super) environment: EnvironmentChanges,
    /// `None` for the directory of this process.
    pub(super) directory: Option<PathBuf>,
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
    /// How long a start may take, until the process has called `init`.
    pub(super) start_timeout: Option<Duration>,
}

/// How long a start may take, from when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartLimit {
    timeout: Option<Duration>,
    pub(super) deadline: Deadline,
}

impl StartLimit {
    /// The error of a start that has not come to its end at the deadline.
    pub(super) fn passed(&self) -> SpawnError {
        SpawnError::StartTimeout {
            timeout: self.timeout.unwrap_or_default(),
        }
    }
}

impl SpawnOptions {
    /// The limit of a start that begins now.
    pub(super) fn start_limit(&self) -> StartLimit {
        StartLimit {
            timeout: self.start_timeout,
            deadline: self
                .start_timeout
                .map_or(Deadline::never(), Deadline::after),
        }
    }

    pub(super) fn new() -> Self {
        Self {
            name: None,
            daemon: false,
            method: StartMethod::Spawn,
            environment: EnvironmentChanges::default(),
            directory: None,
            stdin: Stdio::Null,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            start_timeout: None,
        }
    }

    /// Checks what can be checked without the system.
    pub(super) fn check(&self) -> Result<(), OptionError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        self.environment.check()
    }
}

fn check_name(name: &str) -> Result<(), OptionError> {
    if name.is_empty() {
        return Err(OptionError::EmptyName);
    }
    if let Some(at) = name.bytes().position(|byte| byte == 0) {
        return Err(OptionError::NulInName { at });
    }
    if name.len() > MAX_NAME {
        return Err(OptionError::NameTooLong {
            len: name.len(),
            limit: MAX_NAME,
        });
    }
    Ok(())
}

/// How the environment of a new process differs from that of this one.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvironmentChanges {
    /// Whether nothing is inherited.
    pub(super) clear: bool,
    /// The variables that are set, or removed.
    pub(super) variables: BTreeMap<OsString, Option<OsString>>,
}

impl EnvironmentChanges {
    fn check(&self) -> Result<(), OptionError> {
        for (name, value) in &self.variables {
            let bytes = name.as_bytes();
            let refused = if name == VARIABLE {
                Some(VariableFault::Reserved)
            } else if bytes.is_empty() {
                Some(VariableFault::EmptyName)
            } else if bytes.contains(&b'=') {
                Some(VariableFault::EqualsSign)
            } else if bytes.contains(&0) {
                Some(VariableFault::NulInName)
            } else if value.as_ref().is_some_and(|v| v.as_bytes().contains(&0)) {
                Some(VariableFault::NulInValue)
            } else {
                None
            };
            if let Some(fault) = refused {
                let name = name.to_string_lossy().into_owned();
                return Err(OptionError::Variable { name, fault });
            }
        }
        Ok(())
    }

    /// Whether the process has the variable as this one has it.
    pub(super) fn inherits(&self, name: &OsStr) -> bool {
        !self.clear && !self.variables.contains_key(name)
    }
}

plain_errors! {
    /// What is wrong with an option of a [`Builder`](super::Builder).
    pub enum OptionError {
        /// The name of the process has no characters.
        EmptyName =>
            "a process needs a name of at least one character (leave it out for a counted one)",
        /// The name of the process is too long.
        NameTooLong {
            /// Its length, in bytes.
            len: usize,
            /// The longest that is allowed.
            limit: usize,
        } => "the name of the process has {len} bytes, and the longest has {limit}: \
              pass what is longer as an argument",
        /// The name of the process has a NUL in it.
        NulInName {
            /// The index of the NUL, in bytes.
            at: usize,
        } => "the name of the process has a NUL at byte {at}: remove it",
        /// An environment variable cannot be as it was given.
        Variable {
            /// The name of the variable.
            name: String,
            /// What is wrong with it.
            fault: VariableFault,
        } => "the environment variable {name:?} cannot be set: {fault}",
        /// The directory cannot be entered: it does not exist, is no directory, or is another
        /// user's.
        Directory {
            /// The path.
            path: PathBuf,
            /// What the system said.
            source: SystemError,
        } => "the process cannot run in the directory {}" (path.display()) from source,
    }

    /// What is wrong with an environment variable of a [`Builder`](super::Builder).
    #[derive(Copy)]
    pub enum VariableFault {
        /// Its name has no characters.
        EmptyName => "its name is empty",
        /// Its name has an `=` in it, which ends a name.
        EqualsSign => "its name has an equals sign, which ends a name",
        /// Its name has a NUL in it.
        NulInName => "its name has a NUL",
        /// Its value has a NUL in it.
        NulInValue => "its value has a NUL",
        /// crossdock uses the variable to tell the new process its function.
        Reserved => "crossdock starts processes by it; choose another name",
    }
}

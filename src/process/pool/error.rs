//! The errors of pools.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{CodecError, Panic, RemoteError, SpawnError};
use crate::segment::{CreateError, EntryError, Fault, SystemError};

/// Why a pool was not built. No process of it is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BuildError {
    /// There are to be no workers, or more than a segment has participants for.
    Workers {
        /// The number that was asked for.
        found: u32,
        /// The largest number.
        most: u32,
    },
    /// There are to be no tasks in flight, or too many.
    InFlight {
        /// The number that was asked for.
        found: u32,
        /// The largest number.
        most: u32,
    },
    /// A worker was not started.
    Spawn(SpawnError),
    /// The segment of the pool was not created.
    Segment(CreateError),
    /// An entry of the segment was not created.
    Entry(EntryError),
    /// A worker was not ready: what the initializer returned, or the message of its panic, which
    /// [option](super::PoolBuilder) it could not follow, or how its process ended.
    Initializer {
        /// What the worker said.
        message: String,
    },
    /// The system refused a request.
    System(SystemError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workers { found, most } => {
                write!(f, "expected 1 to {most} workers, found {found}")
            }
            Self::InFlight { found, most } => {
                write!(f, "expected 1 to {most} tasks in flight, found {found}")
            }
            Self::Spawn(_) => f.write_str("a worker was not started"),
            Self::Segment(_) => f.write_str("the segment of the pool was not created"),
            Self::Entry(_) => f.write_str("an entry of the pool's segment was not created"),
            Self::Initializer { message } => {
                write!(f, "the initializer failed in a worker: {message}")
            }
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn(error) => Some(error),
            Self::Segment(error) => Some(error),
            Self::Entry(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a task was not submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SubmitError {
    /// As many tasks are in flight as may be, or their messages take up the pool's segment. Wait
    /// for one of them, or [`submit`](super::Pool::submit), which waits.
    Full,
    /// The argument does not encode.
    Encode(CodecError),
    /// The encoded argument is longer than the pool's segment allows: see
    /// [`PoolBuilder::memory`](super::PoolBuilder::memory).
    TooLarge {
        /// Its length in bytes.
        size: u64,
        /// The longest, in bytes.
        most: u64,
    },
    /// The function lies in a shared library, outside the program that offsets refer to.
    NotInProgram,
    /// The pool was closed, or terminated, or belongs to the process that this one was forked from.
    Closed,
    /// The pool cannot start workers any more. The text says why.
    Broken(String),
    /// What can happen to every operation on shared memory.
    Fault(Fault),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the pool has as many tasks in flight as it may have"),
            Self::Encode(_) => f.write_str("the argument of the task does not encode"),
            Self::TooLarge { size, most } => write!(
                f,
                "the argument of the task needs {size} bytes, and the pool's segment has {most}"
            ),
            Self::NotInProgram => {
                f.write_str("the function lies in a shared library, not in the program")
            }
            Self::Closed => f.write_str("the pool is closed"),
            Self::Broken(why) => write!(f, "the pool cannot start workers any more: {why}"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl Error for SubmitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a task has no result. It concerns that task alone: the others go on, and a worker that died
/// is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked. It is this also where panics abort, and so the worker died of it.
    Panicked(Panic),
    /// The function, of a task that [can fail](super::Pool::fallible), returned this error.
    Failed(RemoteError),
    /// The worker died while it ran the task, or just before.
    WorkerDied {
        /// The signal that killed it.
        signal: Option<i32>,
        /// The code with which it exited, if it was not killed.
        code: Option<i32>,
        /// Whether the kernel killed it for want of memory; `None` if that is not known.
        ///
        /// It is known where the cgroup counts such kills, and none was counted since the last
        /// death by SIGKILL, or one while one worker died.
        oom: Option<bool>,
        /// Whether the task had begun.
        started: bool,
        /// How many workers have died of the task.
        attempts: u8,
    },
    /// The task ran longer than its limit, and its worker was killed.
    TimedOut {
        /// The limit.
        limit: Duration,
        /// How often it ran.
        attempts: u8,
    },
    /// The task was cancelled or killed through its handle, or because a task before it failed.
    Cancelled,
    /// The argument did not decode in the worker.
    Arguments(CodecError),
    /// The result did not encode in the worker.
    Encode(CodecError),
    /// The result does not decode here.
    Decode(CodecError),
    /// The encoded result is longer than the pool's segment allows: see
    /// [`PoolBuilder::memory`](super::PoolBuilder::memory).
    TooLarge {
        /// Its length in bytes.
        size: u64,
        /// The longest, in bytes.
        most: u64,
    },
    /// The pool was terminated before the task was done.
    Closed,
    /// The pool cannot start workers any more. The text says why.
    Broken(String),
    /// The task was not submitted.
    Submit(SubmitError),
}

impl TaskError {
    /// Returns whether the worker died, or was killed because of a limit.
    pub fn is_death(&self) -> bool {
        matches!(self, Self::WorkerDied { .. } | Self::TimedOut { .. })
    }
}

impl From<SubmitError> for TaskError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Closed => Self::Closed,
            SubmitError::Broken(why) => Self::Broken(why),
            error => Self::Submit(error),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the task {panic}"),
            Self::Failed(error) => write!(f, "the task failed: {error}"),
            Self::WorkerDied {
                signal,
                code,
                oom,
                started,
                attempts,
            } => {
                match (signal, code) {
                    (Some(signal), _) => write!(f, "the worker was killed by signal {signal}")?,
                    (None, Some(code)) => write!(f, "the worker exited with code {code}")?,
                    (None, None) => f.write_str("the worker died")?,
                }
                let when = if *started { "in" } else { "before" };
                write!(f, " {when} the task, attempt {attempts}")?;
                match oom {
                    Some(true) => f.write_str(", for want of memory"),
                    _ => Ok(()),
                }
            }
            Self::TimedOut { limit, attempts } => write!(
                f,
                "the task ran longer than {limit:?}, and was killed, attempt {attempts}"
            ),
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::Arguments(error) => {
                write!(f, "the argument did not decode in the worker: {error}")
            }
            Self::Encode(error) => {
                write!(f, "the result did not encode in the worker: {error}")
            }
            Self::Decode(_) => f.write_str("the result does not decode"),
            Self::TooLarge { size, most } => write!(
                f,
                "the result needs {size} bytes, and the pool's segment has {most}"
            ),
            Self::Closed => f.write_str("the pool was closed before the task was done"),
            Self::Broken(why) => write!(f, "the pool cannot start workers any more: {why}"),
            Self::Submit(error) => error.fmt(f),
        }
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Decode(error) => Some(error),
            Self::Submit(error) => error.source(),
            _ => None,
        }
    }
}

/// The error of a [`map`](super::Pool::map): the first item, in the order of the items, that has no
/// result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapError {
    /// The position of the item, from 0.
    pub index: u64,
    /// Why it has none.
    pub error: TaskError,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {}: {}", self.index, self.error)
    }
}

impl Error for MapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

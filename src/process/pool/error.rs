//! The errors of pools.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{CodecError, Panic, RemoteError, SpawnError};
use crate::segment::fault::plain_errors;
use crate::segment::{CreateError, EntryError, Fault, SystemError};

plain_errors! {
    /// Why a pool was not built. No process of it is left.
    pub enum BuildError {
        /// There are to be no workers, or more than a segment has participants for.
        Workers {
            /// The number that was asked for.
            found: u32,
            /// The largest number.
            most: u32,
        } => "expected 1 to {most} workers, found {found}",
        /// There are to be no tasks in flight, or too many.
        InFlight {
            /// The number that was asked for.
            found: u32,
            /// The largest number.
            most: u32,
        } => "expected 1 to {most} tasks in flight, found {found}",
        /// A worker was not started.
        Spawn(source: SpawnError) => "a worker was not started" from 0,
        /// The segment of the pool was not created.
        Segment(source: CreateError) => "the segment of the pool was not created" from 0,
        /// An entry of the segment was not created.
        Entry(source: EntryError) => "an entry of the pool's segment was not created" from 0,
        /// A worker was not ready: what the initializer returned, or the message of its panic,
        /// which [option](super::PoolBuilder) it could not follow, or how its process ended.
        Initializer {
            /// What the worker said.
            message: String,
        } => "the initializer failed in a worker: {message}",
        ..
        /// The system refused a request.
        System(SystemError),
    }

    /// Why a task was not submitted.
    pub enum SubmitError {
        /// As many tasks are in flight as may be, or their messages take up the pool's segment.
        /// Wait for one of them, or [`submit`](super::Pool::submit), which waits.
        Full => "the pool has as many tasks in flight as it may have",
        /// The argument does not encode.
        Encode(source: CodecError) => "the argument of the task does not encode" from 0,
        /// The encoded argument is longer than the pool's segment allows: see
        /// [`PoolBuilder::memory`](super::PoolBuilder::memory).
        TooLarge {
            /// Its length in bytes.
            size: u64,
            /// The longest, in bytes.
            most: u64,
        } => "the argument of the task needs {size} bytes, and the pool's segment has {most}",
        /// The function lies in a shared library, outside the program that offsets refer to.
        NotInProgram => "the function lies in a shared library, not in the program",
        /// The pool was closed, or terminated, or belongs to the process that this one was forked
        /// from.
        Closed => "the pool is closed",
        /// The pool cannot start workers any more. The text says why.
        Broken(why: String) => "the pool cannot start workers any more: {why}",
        ..
        /// What can happen to every operation on shared memory.
        Fault(Fault),
    }

    /// Why a task has no result. It concerns that task alone: the others go on, and a worker that
    /// died is replaced.
    pub enum TaskError {
        /// The function panicked. It is this also where panics abort, and so the worker died of it.
        Panicked(panic: Panic) => "the task {panic}",
        /// The function, of a task that [can fail](super::Pool::fallible), returned this error.
        Failed(error: RemoteError) => "the task failed: {error}" through 0,
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
        } => "the worker {} {} the task, attempt {attempts}{}"
            (end(*signal, *code), when(*started), why(*oom)),
        /// The task ran longer than its limit, and its worker was killed.
        TimedOut {
            /// The limit.
            limit: Duration,
            /// How often it ran.
            attempts: u8,
        } => "the task ran longer than {limit:?}, and was killed, attempt {attempts}",
        /// The task was cancelled or killed through its handle, or because a task before it failed.
        Cancelled => "the task was cancelled",
        /// The argument did not decode in the worker.
        Arguments(error: CodecError) => "the argument did not decode in the worker: {error}",
        /// The result did not encode in the worker.
        Encode(error: CodecError) => "the result did not encode in the worker: {error}",
        /// The result does not decode here.
        Decode(source: CodecError) => "the result does not decode" from 0,
        /// The encoded result is longer than the pool's segment allows: see
        /// [`PoolBuilder::memory`](super::PoolBuilder::memory).
        TooLarge {
            /// Its length in bytes.
            size: u64,
            /// The longest, in bytes.
            most: u64,
        } => "the result needs {size} bytes, and the pool's segment has {most}",
        /// The pool was terminated before the task was done.
        Closed => "the pool was closed before the task was done",
        /// The pool cannot start workers any more. The text says why.
        Broken(why: String) => "the pool cannot start workers any more: {why}",
        ..
        /// The task was not submitted.
        Submit(SubmitError),
    }
}

/// How a worker ended.
fn end(signal: Option<i32>, code: Option<i32>) -> String {
    match (signal, code) {
        (Some(signal), _) => format!("was killed by signal {signal}"),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "died".to_owned(),
    }
}

fn when(started: bool) -> &'static str {
    if started { "in" } else { "before" }
}

fn why(oom: Option<bool>) -> &'static str {
    match oom {
        Some(true) => ", for want of memory",
        _ => "",
    }
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

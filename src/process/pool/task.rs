//! The handle of a task, and what becomes of the frames of an outcome.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::TaskError;
use super::core::Core;
use super::message::{FrameKind, next_frame};
use super::sink::{Completed, Sink};
use crate::codec;
use crate::facade::Deadline;
use crate::process::{CodecError, handles};

/// A task of a [`Pool`](super::Pool), whose result is an `R`.
///
/// Dropping it discards the result; the task goes on. A task does not need its pool's handle, but
/// ends with [`TaskError::Closed`] when the pool is dropped.
#[must_use = "dropping it loses the result of the task"]
pub struct Task<R> {
    core: Arc<Core>,
    key: u64,
    sink: Arc<Sink>,
    completed: Option<Completed>,
    /// The result was taken.
    taken: bool,
    returns: PhantomData<fn() -> R>,
}

impl<R> Task<R> {
    pub(super) fn new(core: &Arc<Core>, key: u64, sink: Arc<Sink>) -> Self {
        Self {
            core: Arc::clone(core),
            key,
            sink,
            completed: None,
            taken: false,
            returns: PhantomData,
        }
    }

    /// Returns whether the task has ended, so that [`wait`](Self::wait) returns at once. Does not
    /// block.
    pub fn is_ready(&self) -> bool {
        if self.completed.is_some() || self.taken || !self.core.is_here() {
            return true;
        }
        self.core.drain();
        crate::wait::select::Source::is_ready(&self.sink.notice)
    }

    /// Cancels the task if no worker has begun it, and returns whether it did. Does not block.
    ///
    /// [`wait`](Self::wait) then returns [`TaskError::Cancelled`] at once. The task counts as in
    /// flight until a worker has come to its message.
    pub fn cancel(&self) -> bool {
        self.core.is_here() && {
            let mut table = self.core.table();
            table.cancel(&self.core.shared, self.key)
        }
    }

    /// Ends the task: cancels it, or kills the worker that runs it, which is replaced. Returns
    /// whether it was ended; `false` if it had ended already. Does not wait for the worker's end.
    ///
    /// No other task is killed: the worker is killed only if it is running this one, decided by one
    /// compare-and-swap. [`wait`](Self::wait) then returns [`TaskError::Cancelled`].
    pub fn kill(&self) -> bool {
        self.core.is_here() && {
            let mut table = self.core.table();
            table.kill(&self.core.shared, self.key)
        }
    }

    /// Returns how often the task was sent to a worker: 1, and one more for each time that it was
    /// sent again because a worker died.
    pub fn attempts(&self) -> u32 {
        match &self.completed {
            Some(completed) => completed.attempts,
            None if !self.core.is_here() => 1,
            None => self.core.table().attempts(self.key).unwrap_or(1),
        }
    }

    /// Whether the task has an outcome. A fork has none of its own: the tasks are its parent's, and
    /// [closed](TaskError::Closed) there.
    pub(super) fn poll(&mut self) -> bool {
        let is_here = self.core.is_here();
        if self.completed.is_none() && is_here {
            self.completed = self.sink.pop();
        }
        self.completed.is_some() || !is_here
    }

    fn wait_until(&mut self, deadline: &Deadline) -> bool {
        self.poll() || self.core.wait_for(&self.sink, deadline) && self.poll()
    }
}

impl<R: DeserializeOwned> Task<R> {
    /// Blocks until the task has ended, and returns its result.
    ///
    /// It waits as long as the task takes, also while its worker is stopped. The result arrives if
    /// it was committed, whatever becomes of the worker afterwards.
    ///
    /// # Errors
    ///
    /// [`TaskError`].
    pub fn wait(mut self) -> Result<R, TaskError> {
        self.wait_until(&Deadline::never());
        self.take().unwrap_or(Err(TaskError::Closed))
    }

    /// As [`wait`](Self::wait), at most until `timeout` (a duration or an instant). Returns `None`
    /// if the task is still running then: nothing has changed, and it can be waited for again.
    ///
    /// The limit of a task is [`Options::timeout`](super::Options::timeout).
    ///
    /// # Errors
    ///
    /// [`TaskError`]; [`TaskError::Closed`] if the result was taken by an earlier call.
    pub fn wait_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<Option<R>, TaskError> {
        if self.taken {
            return Err(TaskError::Closed);
        }
        if !self.wait_until(&timeout.into()) {
            return Ok(None);
        }
        self.take().transpose()
    }

    fn take(&mut self) -> Option<Result<R, TaskError>> {
        let Some(completed) = self.completed.take() else {
            let is_fork = !self.core.is_here();
            self.taken |= is_fork;
            return is_fork.then_some(Err(TaskError::Closed));
        };
        self.taken = true;
        Outcomes::new(completed).next(&self.core)
    }
}

debug!([R] Task<R>);

/// The outcomes of the items of a task, one after the other.
pub(super) struct Outcomes {
    completed: Completed,
    /// Where the next frame begins.
    at: usize,
    left: u32,
}

impl Outcomes {
    pub(super) fn new(completed: Completed) -> Self {
        Self {
            at: 0,
            left: completed.items,
            completed,
        }
    }

    pub(super) fn left(&self) -> u32 {
        self.left
    }

    #[inline(always)]
    pub(super) fn next<R: DeserializeOwned>(
        &mut self,
        core: &Core,
    ) -> Option<Result<R, TaskError>> {
        self.left = self.left.checked_sub(1)?;
        let mut rest = self.completed.frames.get(self.at..)?;
        let before = rest.len();
        let frame = next_frame(&mut rest);
        self.at += before - rest.len();
        Some(match frame {
            Some((FrameKind::Value, bytes)) => {
                let passed = &self.completed.segments;
                let decoded = match passed.is_empty() {
                    true => handles::decode_known(bytes, &core.known),
                    false => handles::decode_known(bytes, &[&core.known[..], passed].concat()),
                };
                decoded.map_err(TaskError::Decode)
            }
            Some((kind, bytes)) => Err(Self::error_of(
                &mut self.completed.errors,
                core,
                kind,
                bytes,
            )),
            None => Err(TaskError::Closed),
        })
    }

    #[cold]
    fn error_of(
        errors: &mut VecDeque<TaskError>,
        core: &Core,
        kind: FrameKind,
        bytes: &[u8],
    ) -> TaskError {
        let text = || CodecError::remote(bytes);
        match kind {
            FrameKind::Panicked => match codec::decode(bytes) {
                Ok(panic) => TaskError::Panicked(panic),
                Err(error) => TaskError::Decode(error.into()),
            },
            FrameKind::Failed => match codec::decode(bytes) {
                Ok(error) => TaskError::Failed(error),
                Err(error) => TaskError::Decode(error.into()),
            },
            FrameKind::Arguments => TaskError::Arguments(text()),
            FrameKind::Encode => TaskError::Encode(text()),
            FrameKind::TooLarge => TaskError::TooLarge {
                size: bytes
                    .first_chunk()
                    .map_or(0, |size| u64::from_le_bytes(*size)),
                most: core.shared.max_message() as u64,
            },
            FrameKind::Value | FrameKind::Error => errors.pop_front().unwrap_or(TaskError::Closed),
        }
    }
}

/// Returns an iterator over the results of tasks, each as soon as its task has ended: the first to
/// end is the first to come. It blocks while none of those that are left has ended.
///
/// The tasks may be of several pools.
///
/// # Examples
/// ```
/// use crossdock::process::{self, Pool, as_completed};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     let pool = Pool::builder().workers(2).build()?;
///     let tasks = [3, 4].map(|number: u32| pool.submit(|n: u32| n * n, number));
///     let tasks = tasks.into_iter().collect::<Result<Vec<_>, _>>()?;
///     let mut squares = Vec::new();
///     for square in as_completed(tasks) {
///         squares.push(square?);
///     }
///     squares.sort();
///     assert_eq!(squares, [9, 16]);
///     Ok(())
/// }
/// ```
pub fn as_completed<R: DeserializeOwned>(
    tasks: impl IntoIterator<Item = Task<R>>,
) -> AsCompleted<R> {
    let tasks: Vec<_> = tasks.into_iter().collect();
    for task in &tasks {
        // The supervisors take the replies: this thread waits for several pools.
        task.core.watch();
    }
    AsCompleted { tasks }
}

/// The results of tasks in the order in which they end. Made by [`as_completed`].
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is asked for its items"]
pub struct AsCompleted<R> {
    tasks: Vec<Task<R>>,
}

impl<R: DeserializeOwned> Iterator for AsCompleted<R> {
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ended) = self.tasks.iter_mut().position(Task::poll) {
                return self.tasks.swap_remove(ended).take();
            }
            let notices = self.tasks.iter();
            let notices: Vec<_> = notices.map(|task| &task.sink.notice as _).collect();
            if notices.is_empty() || crate::queue::wait_any(&notices).is_err() {
                return None;
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.tasks.len(), Some(self.tasks.len()))
    }
}

//! How tasks are run: their limits, their retries, and the sizes of chunks.

use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::Core;
use super::function::{Fallible, Runner, WorkerState, run_items};
use super::map::Imap;
use super::message::{FRAME_HEAD, FrameKind, MAX_FRAME, TaskHeader, end_frame};
use super::outgoing::TaskMessage;
use super::passed;
use super::segment::LEAST_MEMORY;
use super::sink::Sink;
use super::table::{NewTask, Rules};
use super::{MapError, SubmitError, Task, TaskError};
use crate::algorithm::tasks::MAX_ITEMS;
use crate::codec::Output;
use crate::facade::Deadline;
use crate::process::{Portable, handles};
use crate::segment::Segment;

/// How tasks of a [`Pool`](super::Pool) are run: with which limit and how many retries, and, of
/// iterators, in which chunks. Made by [`Pool::options`](super::Pool::options).
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use crossdock::process::{self, Pool};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     let pool = Pool::builder().workers(2).build()?;
///     let careful = pool
///         .options()
///         .timeout(Duration::from_secs(30))
///         .retries(2)
///         .chunk_size(8);
///     let lengths = careful.map(|word: String| word.len(), ["dock".to_owned()])?;
///     assert_eq!(lengths, [4]);
///     Ok(())
/// }
/// ```
pub struct Options<'p, W: WorkerState = ()> {
    core: &'p Arc<Core>,
    pub(super) rules: Rules,
    pub(super) chunk: Option<u32>,
    pub(super) window: Option<u64>,
    state: PhantomData<fn() -> W>,
}

impl<W: WorkerState> Clone for Options<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W: WorkerState> Copy for Options<'_, W> {}

/// Where the function of a task is, and the code that calls it.
#[derive(Clone, Copy)]
pub(super) struct Target {
    function: u64,
    trampoline: u64,
}

impl Target {
    /// The header of a message for the function, without an item.
    pub(super) fn header(self) -> TaskHeader {
        TaskHeader {
            function: self.function,
            trampoline: self.trampoline,
            ..TaskHeader::default()
        }
    }
}

impl<'p, W: WorkerState> Options<'p, W> {
    pub(super) fn new(core: &'p Arc<Core>) -> Self {
        Self {
            core,
            rules: Rules::default(),
            chunk: None,
            window: None,
            state: PhantomData,
        }
    }

    pub(super) fn core(&self) -> &'p Arc<Core> {
        self.core
    }

    /// Sets how long a task may run, from the moment a worker begins it; of a chunk, each of its
    /// items. A task that runs longer is ended by killing its worker, with
    /// [`TaskError::TimedOut`].
    ///
    /// The worker is condemned by a compare-and-swap on the task's word, and only then killed: a
    /// task that ends just in time keeps its result, and no other task is hit. It is the time by
    /// the clock, also while the worker is stopped or has no processor.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.rules.limit = Some(limit);
        self
    }

    /// Sets how often a task runs again after its worker has died or was killed at its limit; of a
    /// chunk, each of its items. The default is 0. A task whose outcome was committed never runs
    /// again.
    #[must_use]
    pub fn retries(mut self, retries: u8) -> Self {
        self.rules.retries = retries;
        self
    }

    /// Has a task run again only if `wanted` says so of the error that it would end with; if it
    /// does, also after an error that the function of a [task that can fail](Self::fallible)
    /// returned.
    ///
    /// Of deaths and limits it is asked by the thread that supervises the workers, without a lock:
    /// until it has answered, other deaths and limits wait, so it must not wait for a task of the
    /// pool. A panic of it there is a no. Of [`TaskError::Failed`] it is asked in
    /// the worker, which runs the task again at once, as often as [`retries`](Self::retries) says,
    /// without counting the deaths; these attempts share one limit. A panic is never retried.
    ///
    /// ```
    /// use crossdock::process::{self, Pool, TaskError};
    ///
    /// fn flaky(path: std::path::PathBuf) -> std::io::Result<u64> {
    ///     Ok(std::fs::metadata(path)?.len())
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = Pool::builder().workers(2).build()?;
    ///     let careful = pool.fallible().retries(3);
    ///     let careful = careful.retry_if(|error| !error.to_string().contains("No such file"));
    ///     assert!(careful.call(flaky, "/proc/cpuinfo".into()).is_ok());
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn retry_if(mut self, wanted: fn(&TaskError) -> bool) -> Self {
        self.rules.retry_if = Some(wanted);
        self
    }

    /// As [`Pool::fallible`](super::Pool::fallible).
    #[must_use]
    pub fn fallible<E>(self) -> Options<'p, Fallible<W, E>>
    where
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        Options {
            core: self.core,
            rules: self.rules,
            chunk: self.chunk,
            window: self.window,
            state: PhantomData,
        }
    }

    /// Sets how many items of an iterator are sent to a worker at once, 1 to 65,535. The default of
    /// [`map`](Self::map) is a quarter of each worker's share if the iterator knows its length;
    /// otherwise, and for [`imap`](Self::imap), it is 1. A chunk has fewer items if they are large.
    #[must_use]
    #[doc(alias = "chunksize")]
    pub fn chunk_size(mut self, items: u32) -> Self {
        self.chunk = Some(items.clamp(1, MAX_ITEMS));
        self
    }

    /// Sets how many items an [`imap`](Self::imap) takes ahead of the results that were taken from
    /// it, at least a chunk. The default is four chunks for each worker.
    #[must_use]
    #[doc(alias = "buffersize")]
    pub fn in_flight(mut self, items: u64) -> Self {
        self.window = Some(items.max(1));
        self
    }

    pub(super) fn target<A, R>(&self, function: W::Function<A, R>) -> Result<Target, SubmitError>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let runner: Runner<W::Value> = run_items::<W, A, R>;
        let code = &self.core.code;
        let offset = |address| code.offset(address).ok_or(SubmitError::NotInProgram);
        if let Some(wanted) = self.rules.retry_if {
            // It is called in the worker, too.
            offset(wanted as *const ())?;
        }
        Ok(Target {
            function: offset(W::address(function))?,
            trampoline: offset(runner as *const ())?,
        })
    }

    /// Begins a message, which may use memory again.
    #[inline(always)]
    pub(super) fn message(&self, memory: Vec<u8>) -> TaskMessage<'p> {
        TaskMessage::new(&self.core.shared.tasks, memory)
    }

    /// Appends the frame of an argument.
    #[inline(always)]
    pub(super) fn push<A: Serialize>(
        &self,
        message: &mut TaskMessage<'_>,
        argument: &A,
        segments: &mut Vec<Segment>,
    ) -> Result<(), SubmitError> {
        let at = message.len();
        let _ = message.append(&[0; FRAME_HEAD]);
        let encoded = handles::encode_argument(message, argument, &self.core.known, segments);
        if let Err(error) = encoded {
            message.truncate(at);
            return Err(SubmitError::Encode(error));
        }
        let len = message.len() - at;
        if len > LEAST_MEMORY {
            self.check_length(message, at)?;
        }
        end_frame(message, at, FrameKind::Value);
        Ok(())
    }

    /// Completes a message whose items refer to these segments.
    #[inline(always)]
    pub(super) fn pass(
        &self,
        message: &mut TaskMessage<'_>,
        header: &mut TaskHeader,
        segments: &[Segment],
    ) -> Result<(), SubmitError> {
        if !segments.is_empty() {
            passed::push(message, segments).map_err(SubmitError::Encode)?;
            header.set_passing();
        }
        Ok(())
    }

    #[cold]
    fn check_length(&self, message: &mut TaskMessage<'_>, at: usize) -> Result<(), SubmitError> {
        let (len, most) = (message.len() - at, self.core.shared.max_message());
        if len > MAX_FRAME || len + TaskHeader::LEN > most {
            message.truncate(at);
            return Err(SubmitError::TooLarge {
                size: len as u64,
                most: most as u64,
            });
        }
        Ok(())
    }

    fn start<A, R>(
        &self,
        function: W::Function<A, R>,
        argument: &A,
        deadline: Option<&Deadline>,
        watch: bool,
    ) -> Result<Task<R>, SubmitError>
    where
        A: Portable,
        R: Serialize,
    {
        let mut header = self.target(function)?.header();
        if !self.core.is_here() {
            // A fork takes no cell of the queue, for which it would join the pool's segment.
            return Err(SubmitError::Closed);
        }
        let mut message = self.message(Vec::new());
        let mut segments = Vec::new();
        self.push(&mut message, argument, &mut segments)?;
        self.pass(&mut message, &mut header, &segments)?;
        let sink = Sink::new();
        let new = NewTask {
            items: 1,
            rules: self.rules,
            policy: self.core.policy(&self.rules),
            segments: &segments,
            sink: &sink,
            seq: 0,
        };
        let key = self
            .core
            .submit(&new, &mut header, &mut message, deadline, watch)?;
        Ok(Task::new(self.core, key, sink))
    }

    /// As [`Pool::submit`](super::Pool::submit).
    ///
    /// # Errors
    ///
    /// [`SubmitError`], not `Full`.
    pub fn submit<A, R>(
        &self,
        function: W::Function<A, R>,
        argument: A,
    ) -> Result<Task<R>, SubmitError>
    where
        A: Portable,
        R: Portable,
    {
        self.start(function, &argument, Some(&Deadline::never()), true)
    }

    /// As [`submit`](Self::submit), blocking at most until `timeout` (a duration or an instant).
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub fn submit_timeout<A, R>(
        &self,
        function: W::Function<A, R>,
        argument: A,
        timeout: impl Into<Deadline>,
    ) -> Result<Task<R>, SubmitError>
    where
        A: Portable,
        R: Portable,
    {
        self.start(function, &argument, Some(&timeout.into()), true)
    }

    /// As [`submit`](Self::submit), and never blocks.
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub fn try_submit<A, R>(
        &self,
        function: W::Function<A, R>,
        argument: A,
    ) -> Result<Task<R>, SubmitError>
    where
        A: Portable,
        R: Portable,
    {
        self.start(function, &argument, None, true)
    }

    /// As [`Pool::call`](super::Pool::call).
    ///
    /// # Errors
    ///
    /// [`TaskError`].
    pub fn call<A, R>(&self, function: W::Function<A, R>, argument: A) -> Result<R, TaskError>
    where
        A: Portable,
        R: Portable,
    {
        // This thread takes the reply itself.
        self.start(function, &argument, Some(&Deadline::never()), false)?
            .wait()
    }

    /// As [`Pool::map`](super::Pool::map).
    ///
    /// # Errors
    ///
    /// [`MapError`].
    ///
    /// # Panics
    ///
    /// If the iterator panics.
    pub fn map<A, R, I>(&self, function: W::Function<A, R>, items: I) -> Result<Vec<R>, MapError>
    where
        A: Portable,
        R: Portable,
        I: IntoIterator<Item = A>,
    {
        let items = items.into_iter();
        let mut options = *self;
        let (least, most) = items.size_hint();
        if options.chunk.is_none() && most == Some(least) {
            let shares = u64::from(self.core.workers) * 4;
            let chunk = (least as u64).div_ceil(shares);
            let chunk = u32::try_from(chunk).unwrap_or(MAX_ITEMS);
            options = options.chunk_size(chunk);
        }
        let mut results = Vec::with_capacity(least.min(1 << 20));
        for result in Imap::new(options, function, items, true) {
            match result {
                Ok(result) => results.push(result),
                Err(error) => {
                    let index = results.len() as u64;
                    return Err(MapError { index, error });
                }
            }
        }
        Ok(results)
    }

    /// As [`Pool::imap`](super::Pool::imap).
    pub fn imap<A, R, I>(
        &self,
        function: W::Function<A, R>,
        items: I,
    ) -> Imap<'p, W, A, R, I::IntoIter>
    where
        A: Portable,
        R: Portable,
        I: IntoIterator<Item = A>,
    {
        Imap::new(*self, function, items.into_iter(), true)
    }

    /// As [`Pool::imap_unordered`](super::Pool::imap_unordered).
    pub fn imap_unordered<A, R, I>(
        &self,
        function: W::Function<A, R>,
        items: I,
    ) -> Imap<'p, W, A, R, I::IntoIter>
    where
        A: Portable,
        R: Portable,
        I: IntoIterator<Item = A>,
    {
        Imap::new(*self, function, items.into_iter(), false)
    }
}

debug!([W: WorkerState] Options<'_, W>, |this| {
    rules: this.rules,
    chunk_size: this.chunk,
    in_flight: this.window,
    ..
});

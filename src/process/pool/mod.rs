//! Pools of worker processes: see [`Pool`].

mod builder;
mod chunk;
mod core;
mod error;
mod frames;
mod function;
mod judge;
mod last_words;
mod map;
mod message;
mod options;
mod outgoing;
mod passed;
mod segment;
mod sink;
mod table;
mod task;
mod tasks;
mod worker;
mod worker_options;
mod workers;

use std::sync::Arc;
use std::thread::JoinHandle;

pub use builder::PoolBuilder;
pub use error::{BuildError, MapError, SubmitError, TaskError};
pub use function::{Fallible, State, WorkerState};
pub use map::Imap;
pub use options::Options;
pub use task::{AsCompleted, Task, as_completed};
pub(crate) use tasks::PoolTasks;
pub use worker_options::OnParentDeath;

use super::Portable;
use crate::facade::Deadline;
use core::Core;

/// Worker processes that run tasks: a worker that is killed costs its task, and nothing else.
///
/// A task is a function and its argument: `fn(A) -> R`, or, in a pool with an
/// [initializer](PoolBuilder::initializer), `fn(&mut S, A) -> R` with the worker's own state.
/// Functions are `fn` items and closures that capture nothing; arguments and results are any serde
/// values, as in [`spawn`](super::spawn()). A pool may be used by many threads at once. A worker
/// may have pools of its own.
///
/// ```
/// use crossdock::process::{self, Pool};
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init(); // a worker begins, and ends, here
///     let pool = Pool::builder().workers(2).build()?;
///     assert_eq!(pool.map(square, [1, 2, 3])?, [1, 4, 9]);
///
///     let task = pool.submit(square, 12)?;
///     assert_eq!(task.wait()?, 144);
///     Ok(())
/// }
/// ```
///
/// # What a death costs
///
/// Each task ends once, with a result or an error. A result that its worker has committed arrives,
/// whatever becomes of the worker.
///
/// | killed | what happens |
/// |---|---|
/// | a worker that has no task | it is replaced |
/// | a worker that has taken a task and not begun it | the task is sent to another worker, up to three times |
/// | a worker in a task | [`TaskError::WorkerDied`], or the task runs again, as often as its [`retries`](Options::retries) say; the other tasks do not notice |
/// | a worker in an item of a chunk | as above for that item; the results of the items before it are kept, and those behind it go on elsewhere |
/// | a worker that has committed its result | nothing: the result arrives |
/// | the parent | its workers end at once, also those that are busy, unless [`parent_death`](PoolBuilder::parent_death) says otherwise; stopped ones when they are continued |
///
/// A stopped worker delays its own task; a [limit](Options::timeout), or [`Task::kill`], kills it
/// all the same, if it has begun the task. A worker that is stopped in the moment between taking a
/// task and beginning it keeps that task until it is continued or killed.
///
/// A panic is an error of its task. In a pool with an initializer the worker is replaced after it,
/// since its state may be half changed; so it is where panics abort.
///
/// If an initializer fails when a worker is replaced, the start is tried again after a while. After
/// five failures in a row the pool is broken: all tasks end with [`TaskError::Broken`]. A worker
/// that SIGKILL ends before it is ready is a twentieth of a failure, as it may not be the
/// initializer's.
///
/// Workers ignore SIGINT, without keeping it from programs that they start: on Ctrl-C the parent
/// decides, and if it ends, so do they.
///
/// # How it ends
///
/// Dropping the pool [terminates](Self::terminate) it. [`join`](Self::join) waits for the tasks
/// first. A child that was forked from this process has no part in the pool: it submits nothing,
/// takes no reply of its parent's, and its drop does nothing. To it the tasks that had no outcome
/// are [`TaskError::Closed`], no worker is listed, and the progress is zero.
///
/// # Handles of shared memory
///
/// Arguments may have handles of segments of any kind, and results those of segments that the
/// worker was given. Those among the arguments of the [initializer](PoolBuilder::initializer) are
/// mapped once in each worker. Others are mapped by the worker for the task alone, from
/// `/proc/PID/fd` of this process, which keeps them open until the task has ended; if that cannot
/// be, the task ends with [`TaskError::Arguments`]. Senders and receivers of queues are
/// [`SubmitError::Encode`]: pass the queue. Large data is best put into a segment, and its handle
/// passed:
///
/// ```
/// use crossdock::process::{self, Pool};
/// use crossdock::{AtomicArray, Segment, array::Init};
///
/// fn fill(cells: &mut AtomicArray<u64>, at: usize) {
///     cells[at].store(7);
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
///     let segment = Segment::anonymous()?;
///     let cells = segment.create::<AtomicArray<u64>>("cells", Init::zeroed(4))?;
///     let pool = Pool::builder()
///         .workers(2)
///         .initializer(|cells: AtomicArray<u64>| cells, cells.clone())
///         .build()?;
///     pool.map(fill, 0..4)?;
///     assert_eq!(cells.to_vec(), [7, 7, 7, 7]);
///     Ok(())
/// }
/// ```
///
/// A pool's own handle is no such value. Each worker may build a pool of its own:
///
/// ```compile_fail
/// use crossdock::process::Pool;
///
/// fn delegate(pool: Pool) -> u64 {
///     pool.call(|n: u64| n * n, 3).unwrap()
/// }
///
/// fn hand_on(pool: &Pool, inner: Pool) -> u64 {
///     pool.call(delegate, inner).unwrap()
/// }
/// ```
///
/// # Costs
///
/// A pool has a segment, a thread, and a second one, which all waits for processes share. An idle
/// worker wakes up once a second. A task is encoded and decoded where it is in the segment, if its
/// arguments need less than 2 KiB, and is copied twice otherwise; a result is copied once by the
/// parent.
///
/// Replies that no thread waits for are taken by the supervising thread into memory of the parent,
/// a hundred times a second.
pub struct Pool<W: WorkerState = ()> {
    core: Arc<Core>,
    supervisor: Option<JoinHandle<()>>,
    state: std::marker::PhantomData<fn() -> W>,
}

impl Pool {
    /// Returns the options of a pool: as many workers as there are processors, without a state.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }
}

impl<W: WorkerState> Pool<W> {
    fn new(core: Arc<Core>, supervisor: JoinHandle<()>) -> Self {
        Self {
            core,
            supervisor: Some(supervisor),
            state: std::marker::PhantomData,
        }
    }

    fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Returns options for tasks of this pool: limits, retries, and the sizes of chunks.
    pub fn options(&self) -> Options<'_, W> {
        Options::new(&self.core)
    }

    /// Returns options for tasks that can fail: functions that return a `Result<R, E>`. Everything
    /// else is as it is, but the result of a task is the `R`, and its error
    /// [`TaskError::Failed`], with the text of the `E` and of its causes.
    ///
    /// `E` is what converts into a `Box<dyn Error + Send + Sync>`, and need not be a serde value.
    /// An error that is a [`PortableError`](super::PortableError) arrives as itself, too, if the
    /// function returns a [`RemoteError`](super::RemoteError). A task of a plain
    /// [`submit`](Self::submit) that returns a `Result` has that as its result.
    ///
    /// ```
    /// use crossdock::process::{self, Pool, TaskError};
    ///
    /// fn parse(text: String) -> Result<u32, std::num::ParseIntError> {
    ///     text.parse()
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = Pool::builder().workers(2).build()?;
    ///     let texts = ["1", "2"].map(str::to_owned);
    ///     assert_eq!(pool.fallible().map(parse, texts)?, [1, 2]);
    ///     match pool.fallible().call(parse, "x".to_owned()) {
    ///         Err(TaskError::Failed(error)) => {
    ///             assert_eq!(error.to_string(), "invalid digit found in string");
    ///         }
    ///         other => panic!("{other:?}"),
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn fallible<E>(&self) -> Options<'_, Fallible<W, E>>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        self.options().fallible()
    }

    /// Submits a task, and returns its handle. Blocks while as many tasks are in flight as may be
    /// ([`in_flight`](PoolBuilder::in_flight)).
    ///
    /// # Errors
    ///
    /// [`SubmitError`], not `Full`.
    #[doc(alias = "apply_async")]
    pub fn submit<A, R>(
        &self,
        function: W::Function<A, R>,
        argument: A,
    ) -> Result<Task<R>, SubmitError>
    where
        A: Portable,
        R: Portable,
    {
        self.options().submit(function, argument)
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
        self.options().try_submit(function, argument)
    }

    /// Submits a task, and waits for its result. No other thread of this process takes part.
    ///
    /// # Errors
    ///
    /// [`TaskError`].
    #[doc(alias = "apply")]
    pub fn call<A, R>(&self, function: W::Function<A, R>, argument: A) -> Result<R, TaskError>
    where
        A: Portable,
        R: Portable,
    {
        self.options().call(function, argument)
    }

    /// Runs the function for each item, and returns the results in the order of the items. A tuple
    /// is an item of several arguments.
    ///
    /// The items are sent in chunks ([`chunk_size`](Options::chunk_size)).
    ///
    /// # Errors
    ///
    /// [`MapError`], of the first item without a result. What has not begun then is cancelled; what
    /// has begun goes on, and its results are dropped.
    ///
    /// # Panics
    ///
    /// If the iterator panics; what has not begun is cancelled then, too.
    #[doc(alias = "starmap")]
    pub fn map<A, R, I>(&self, function: W::Function<A, R>, items: I) -> Result<Vec<R>, MapError>
    where
        A: Portable,
        R: Portable,
        I: IntoIterator<Item = A>,
    {
        self.options().map(function, items)
    }

    /// Runs the function for each item of an iterator, which may be endless, and returns an
    /// iterator over the results in the order of the items.
    ///
    /// Takes no more items than [`in_flight`](Options::in_flight) ahead of the results that were
    /// taken. Dropping the iterator cancels what has not begun.
    pub fn imap<A, R, I>(
        &self,
        function: W::Function<A, R>,
        items: I,
    ) -> Imap<'_, W, A, R, I::IntoIter>
    where
        A: Portable,
        R: Portable,
        I: IntoIterator<Item = A>,
    {
        self.options().imap(function, items)
    }

    /// As [`imap`](Self::imap), with the results in the order in which they arrive.
    pub fn imap_unordered<A, R, I>(
        &self,
        function: W::Function<A, R>,
        items: I,
    ) -> Imap<'_, W, A, R, I::IntoIter>
    where
        A: Portable,
        R: Portable,
        I: IntoIterator<Item = A>,
    {
        self.options().imap_unordered(function, items)
    }

    /// Returns the number of workers that the pool keeps, without spare ones.
    pub fn workers(&self) -> u32 {
        self.core.workers
    }

    /// Returns the process ids of the workers that are running, in the order of their places, spare
    /// ones included.
    pub fn worker_ids(&self) -> Vec<u32> {
        if !self.core.is_here() {
            return Vec::new();
        }
        let processes = self.core.table().workers.processes();
        processes.iter().map(|process| process.id()).collect()
    }

    /// Returns what the pool has done so far. Never blocks.
    pub fn progress(&self) -> Progress {
        if !self.core.is_here() {
            return Progress::default();
        }
        self.core.drain();
        let table = self.core.table();
        Progress {
            in_flight: table.in_flight() as u64,
            restarts: table.workers.ended,
            ..table.progress
        }
    }

    /// Blocks until no task is in flight: each has an outcome. Other threads may submit more.
    pub fn wait_idle(&self) {
        self.core.wait_idle(&Deadline::never());
    }

    /// As [`wait_idle`](Self::wait_idle), at most until `timeout` (a duration or an instant).
    /// Returns whether no task was in flight.
    pub fn wait_idle_timeout(&self, timeout: impl Into<Deadline>) -> bool {
        self.core.wait_idle(&timeout.into())
    }

    /// Closes the pool: nothing more is submitted, and what is in flight is done. Does not block.
    pub fn close(&self) {
        if self.core.is_here() {
            self.core.close();
        }
    }

    /// Closes the pool, and blocks until all tasks are done and the workers have left.
    pub fn join(mut self) {
        self.close();
        self.end();
    }

    /// Closes the pool, cancels the tasks that have not begun, and blocks until the others are done
    /// and the workers have left.
    #[doc(alias = "shutdown")]
    pub fn join_cancelling(mut self) {
        self.close();
        if self.core.is_here() {
            self.core.table().cancel_all(&self.core.shared, None);
        }
        self.end();
    }

    /// Kills the workers, and blocks until they have ended: tasks without a result end with
    /// [`TaskError::Closed`].
    pub fn terminate(self) {
        drop(self);
    }

    fn end(&mut self) {
        let Some(supervisor) = self.supervisor.take() else {
            return;
        };
        if self.core.is_here() {
            // It has no panics of its own; the drop is no place for one.
            let _ = supervisor.join();
        } else {
            // The thread is the parent's.
            std::mem::forget(supervisor);
        }
    }
}

impl<W: WorkerState> Drop for Pool<W> {
    fn drop(&mut self) {
        if self.supervisor.is_some() && self.core.is_here() {
            self.core.terminate();
        }
        self.end();
    }
}

debug!([W: WorkerState] Pool<W>, |this| { workers: this.workers(), progress: this.progress(), .. });

/// What a [`Pool`] has done so far, in items: a task of a `submit` is one, a chunk of a `map` as
/// many as it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The items that were submitted.
    pub submitted: u64,
    /// The items of them that have a result, or the error of one.
    pub done: u64,
    /// The items that ended without the answer of a worker: deaths, limits and cancels.
    pub failed: u64,
    /// How often something ran again because its worker died.
    pub retried: u64,
    /// The workers that ended, and were replaced unless the pool ended.
    pub restarts: u64,
    /// The tasks, or chunks, that are in flight.
    pub in_flight: u64,
}

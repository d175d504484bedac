//! The options of a pool.

use std::fmt::Display;
use std::num::NonZero;
use std::thread;

use super::core::{Core, Sizes};
use super::function::{State, WorkerState};
use super::segment::PoolSegment;
use super::table::MAX_IN_FLIGHT;
use super::worker::{Setup, Starter, starter, try_starter, work};
use super::worker_options::{OnParentDeath, WorkerOptions};
use super::{BuildError, Pool};
use crate::algorithm::tasks::MAX_PLACES;
use crate::process::options::SpawnOptions;
use crate::process::spawn;
use crate::process::{Portable, SpawnError, StartMethod, handles};
use crate::segment::SystemError;
use crate::sys::exe::Code;
use crate::sys::signals;

/// The most workers: a segment has 1,023 participants, and a worker and its successor may both be
/// among them for a moment.
const MAX_WORKERS: u32 = 500;
/// The bytes of arguments, and of results, that are in flight at most, unless something else is
/// asked for.
const MEMORY: u64 = 4 << 20;
const STACK: usize = 256 << 10;

const _: () = assert!(MAX_WORKERS <= MAX_PLACES);

/// The options of a [`Pool`]. Made by [`Pool::builder`].
///
/// `W` is what the workers have beside the arguments of their tasks, and `I` what their
/// [initializer](Self::initializer) is told.
#[derive(Clone)]
#[must_use = "it starts nothing before `build` is called"]
pub struct PoolBuilder<W: WorkerState = (), I = ()> {
    workers: Option<u32>,
    in_flight: Option<u32>,
    memory: u64,
    spare: u32,
    each: WorkerOptions,
    method: StartMethod,
    name: Option<String>,
    /// The initializer's address, the code that calls it, and its argument.
    initializer: (usize, Starter<I, W::Value>, I),
    has_state: bool,
}

fn nothing((): ()) {}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        let initializer: fn(()) = nothing;
        Self {
            workers: None,
            in_flight: None,
            memory: MEMORY,
            spare: 0,
            each: WorkerOptions::default(),
            method: StartMethod::Spawn,
            name: None,
            initializer: (
                (initializer as *const ()).expose_provenance(),
                starter::<(), ()>,
                (),
            ),
            has_state: false,
        }
    }

    /// Has each worker call `function(args)` when it starts. What it returns is the worker's state:
    /// tasks are then `fn(&mut S, A) -> R`. The state stays in its worker, so `S` need not be
    /// portable.
    ///
    /// Replacements of workers call it again. Handles of shared memory among the arguments are what
    /// tasks may refer to: see [`Pool`].
    ///
    /// If it panics in one of the first workers, [`build`](Self::build) fails.
    pub fn initializer<S: 'static, I: Portable>(
        self,
        function: fn(I) -> S,
        args: I,
    ) -> PoolBuilder<State<S>, I> {
        self.with_initializer(function as *const (), starter::<I, S>, args)
    }

    /// As [`initializer`](Self::initializer), for a function that can fail: with its error
    /// [`build`](Self::build) fails.
    pub fn try_initializer<S: 'static, I: Portable, E: Display>(
        self,
        function: fn(I) -> Result<S, E>,
        args: I,
    ) -> PoolBuilder<State<S>, I> {
        self.with_initializer(function as *const (), try_starter::<I, S, E>, args)
    }

    fn with_initializer<S: 'static, I>(
        self,
        function: *const (),
        starter: Starter<I, S>,
        args: I,
    ) -> PoolBuilder<State<S>, I> {
        PoolBuilder {
            workers: self.workers,
            in_flight: self.in_flight,
            memory: self.memory,
            spare: self.spare,
            each: self.each,
            method: self.method,
            name: self.name,
            initializer: (function.expose_provenance(), starter, args),
            has_state: true,
        }
    }
}

impl<W: WorkerState, I> PoolBuilder<W, I> {
    /// Sets the number of workers, 1 to 500. The default is the number of processors that this
    /// process may use ([`available_parallelism`](thread::available_parallelism)).
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets how many tasks are in flight at most, 1 to 4,096: submitted, and not answered. The
    /// default is four for each worker, at least 64.
    pub fn in_flight(mut self, tasks: u32) -> Self {
        self.in_flight = Some(tasks);
        self
    }

    /// Sets how many bytes of arguments, and how many of results, are in flight at most; 4 MiB each
    /// if this is not called. It bounds the length of a single one. Memory is taken as it is
    /// used.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Has each worker leave after so many tasks, or items of a [`map`](Pool::map), and replaces
    /// it. The default is 0: no limit.
    ///
    /// The last task is finished, so a worker may do more by the rest of a chunk.
    #[doc(alias = "maxtasksperchild")]
    pub fn max_tasks_per_worker(mut self, tasks: u64) -> Self {
        self.each.max_tasks = tasks;
        self
    }

    /// Has a worker leave once it has so many bytes of memory more than when it began to take
    /// tasks, and replaces it. The default is 0: no limit.
    ///
    /// It is looked at between tasks, or chunks, by a read of /proc of some microseconds: a task is
    /// never ended by it. What counts is the resident memory of the worker alone, without what it
    /// shares through segments.
    pub fn max_memory_per_worker(mut self, bytes: u64) -> Self {
        self.each.max_memory = bytes;
        self
    }

    /// Keeps so many workers more, started and initialised ahead, which wait: when a worker leaves
    /// or dies, a spare one takes tasks at once, and another is started meanwhile. The default is
    /// 0: a replacement is started when its predecessor has ended.
    ///
    /// Workers and spare ones are 500 at most together.
    pub fn spare(mut self, workers: u32) -> Self {
        self.spare = workers;
        self
    }

    /// Has the processes that a worker's tasks have started end with it, however it ends: each
    /// worker leads a process group, to which SIGKILL is sent. The default is `false`: they go on.
    ///
    /// What leaves the group, by setsid(2) or setpgid(2), goes on. So does, before kernel 6.9, what
    /// was started by a worker that ended by itself, not by the pool. A worker is in no foreground
    /// group of a terminal then.
    pub fn kill_group(mut self, kill: bool) -> Self {
        self.each.kill_group = kill;
        self
    }

    /// Sets the processors that workers run on: the first worker has the first set, the next one
    /// the next, and so on, in turn; with one set all have that. The default is those of this
    /// process. If a worker may use none of its set, [`build`](Self::build) fails with
    /// [`BuildError::Initializer`].
    ///
    /// ```
    /// use crossdock::process::{self, Pool};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     // Both workers on processor 0.
    ///     let pool = Pool::builder().workers(2).affinity([[0]]).build()?;
    ///     assert_eq!(pool.map(|n: u32| n + 1, [1, 2])?, [2, 3]);
    ///     Ok(())
    /// }
    /// ```
    pub fn affinity<P: IntoIterator<Item = usize>>(
        mut self,
        processors: impl IntoIterator<Item = P>,
    ) -> Self {
        let sets = processors.into_iter();
        self.each.affinity = sets.map(|set| set.into_iter().collect()).collect();
        self
    }

    /// Adds to the nice value of the workers, as nice(1) does: 19 leaves them what no other process
    /// wants. The default is 0. If it may not be lowered, [`build`](Self::build) fails with
    /// [`BuildError::Initializer`].
    pub fn nice(mut self, increment: i32) -> Self {
        self.each.nice = increment;
        self
    }

    /// Sets what workers do when this process ends, however that is. The default is
    /// [`OnParentDeath::Exit`]: they end with it. A stopped worker does so when it is continued.
    pub fn parent_death(mut self, action: OnParentDeath) -> Self {
        self.each.on_parent_death = action;
        self
    }

    /// Sets how workers are started, the first ones and replacements; the default is
    /// [`StartMethod::Spawn`]. [`StartMethod::ForkServer`] takes a fraction of the time: see
    /// [`Builder::start`](crate::process::Builder::start) for what differs.
    pub fn start(mut self, method: StartMethod) -> Self {
        self.method = method;
        self
    }

    /// Sets the name of the pool. Its workers are called `NAME-1`, `NAME-2` and so on, by their
    /// places; a replacement has the name of its predecessor. The default is `Pool`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn number_of_workers(&self) -> Result<u32, BuildError> {
        let workers = self.workers.unwrap_or_else(|| {
            let available = thread::available_parallelism().map_or(1, NonZero::get);
            u32::try_from(available).map_or(MAX_WORKERS, |workers| workers.min(MAX_WORKERS))
        });
        let all = workers.saturating_add(self.spare);
        if workers == 0 || all > MAX_WORKERS {
            return Err(BuildError::Workers {
                found: if workers == 0 { 0 } else { all },
                most: MAX_WORKERS,
            });
        }
        Ok(workers)
    }
}

impl<W: WorkerState, I: Portable + Send + Sync + 'static> PoolBuilder<W, I> {
    /// Starts the workers, and a thread that supervises them. Blocks until each worker has started
    /// and its initializer has returned.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; no worker is left then.
    pub fn build(self) -> Result<Pool<W>, BuildError> {
        let workers = self.number_of_workers()?;
        let in_flight = self.in_flight.unwrap_or_else(|| (workers * 4).max(64));
        if !(1..=MAX_IN_FLIGHT).contains(&in_flight) {
            return Err(BuildError::InFlight {
                found: in_flight,
                most: MAX_IN_FLIGHT,
            });
        }
        let shared = PoolSegment::create(workers, self.spare, in_flight, self.memory)?;
        let (initializer, starter, args) = self.initializer;
        let known = handles::encode_arguments(&args)
            .map_err(|error| BuildError::Spawn(SpawnError::Encode(error)))?
            .segments;
        let code = Code::of_program();
        let offsets = (
            code.offset(std::ptr::with_exposed_provenance(initializer)),
            code.offset(starter as *const ()),
        );
        let (Some(initializer), Some(starter)) = offsets else {
            return Err(BuildError::Spawn(SpawnError::NotInProgram));
        };
        let name = self.name.unwrap_or_else(|| "Pool".to_owned());
        let kill_group = self.each.kill_group;
        let (workers_shared, segments) = (shared.clone(), known.clone());
        let start = move |place: u32| {
            let setup = Setup {
                place,
                shared: workers_shared.clone(),
                known: segments.clone(),
                initializer,
                starter,
                options: self.each.clone(),
                has_state: self.has_state,
            };
            let mut options = SpawnOptions::new();
            options.name = Some(format!("{name}-{}", place + 1));
            options.daemon = true;
            options.method = self.method;
            spawn::start(&options, work::<W, I>, &(setup, &args))
        };
        let sizes = Sizes {
            workers,
            spare: self.spare,
            in_flight,
            kill_group,
        };
        let core = Core::new(shared, known, code, sizes, Box::new(start))
            .map_err(|error| BuildError::System(SystemError::new("mapping a page", &error)))?;
        let started = core.start_all();
        let supervised = std::sync::Arc::clone(&core);
        let thread = thread::Builder::new()
            .name("crossdock-pool".to_owned())
            .stack_size(STACK);
        let thread = signals::blocked(|| thread.spawn(move || supervised.supervise()))
            .map_err(|error| BuildError::System(SystemError::new("starting a thread", &error)));
        let thread = thread.inspect_err(|_| core.kill_all())?;
        // From here on, dropping the pool ends what was started.
        let pool = Pool::new(core, thread);
        started.map_err(BuildError::Spawn)?;
        pool.core().wait_ready()?;
        Ok(pool)
    }
}

debug!([W: WorkerState, I] PoolBuilder<W, I>, |this| {
    workers: this.workers,
    in_flight: this.in_flight,
    memory: this.memory,
    spare: this.spare,
    each: this.each,
    name: this.name,
    ..
});

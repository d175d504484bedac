//! A worker of a pool: takes tasks, runs their items, commits and sends their outcomes.

use std::fmt::Display;
use std::io::{Write, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::function::{Runner, WorkerState};
use super::last_words;
use super::message::{FrameKind, ReplyHeader, ReplyKind, TaskHeader};
use super::segment::PoolSegment;
use super::worker_options::{MemoryLimit, PoolsProcess, WorkerOptions};
use crate::algorithm::tasks::TaskWord;
use crate::codec;
use crate::process::Panic;
use crate::process::panic::crossdock_begin_short_backtrace;
use crate::queue::RecvError;
use crate::segment::Segment;
use crate::sys::clock::{monotonic, monotonic_coarse};
use crate::sys::events::Here;
use crate::sys::exe::Code;
use crate::sys::signals;

/// The exit code of a worker whose state a panic may have left half changed.
pub(super) const RETIRED: i32 = 85;
/// The exit code of a worker whose initializer failed.
const FAILED: i32 = 1;
/// The interval at which a condemned worker looks whether its parent has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What a worker is told when it starts.
#[derive(Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) place: u32,
    pub(super) shared: PoolSegment,
    /// The segments whose handles the arguments and results of tasks may have.
    pub(super) known: Vec<Segment>,
    /// The offset of the initializer, and of the code that calls it.
    pub(super) initializer: u64,
    pub(super) starter: u64,
    pub(super) options: WorkerOptions,
    /// Whether a panic of a task may leave the state half changed.
    pub(super) has_state: bool,
}

/// Calls the initializer at the address.
pub(super) type Starter<I, V> = fn(*const (), I) -> Result<V, String>;

pub(super) fn starter<I, V>(initializer: *const (), args: I) -> Result<V, String> {
    // SAFETY: the parent sent the offset of a `fn(I) -> V` along with that of this very
    // instantiation.
    let initializer = unsafe { std::mem::transmute::<*const (), fn(I) -> V>(initializer) };
    Ok(initializer(args))
}

pub(super) fn try_starter<I, V, E: Display>(initializer: *const (), args: I) -> Result<V, String> {
    // SAFETY: as in `starter`, of a `fn(I) -> Result<V, E>`.
    let initializer =
        unsafe { std::mem::transmute::<*const (), fn(I) -> Result<V, E>>(initializer) };
    initializer(args).map_err(|error| error.to_string())
}

/// The function of a worker process.
pub(super) fn work<W: WorkerState, I: DeserializeOwned>((setup, args): (Setup, I)) {
    signals::handle_interrupts();
    last_words::prepare(&setup);
    let code = Code::of_program();
    let here = match Here::new() {
        Ok(here) => here,
        Err(error) => {
            eprintln!("crossdock: a worker of a pool cannot map a page: {error}");
            exit(FAILED)
        }
    };
    let mut worker = Worker {
        setup: &setup,
        code,
        argument: Vec::new(),
        served: 0,
        pools: PoolsProcess::of(&setup.options),
        here,
    };
    let Some(state) = worker.initialize::<W, I>(args) else {
        let _ = stdout().flush();
        exit(FAILED)
    };
    setup.shared.running.enter(setup.place);
    // A worker that was started ahead waits for another one to leave or die.
    let turn = setup.shared.turn();
    worker.serve::<W>(state);
    drop(turn);
    setup.options.leave(&worker.pools);
}

struct Worker<'a> {
    setup: &'a Setup,
    code: &'a Code,
    /// The task, if its message is in several parts.
    argument: Vec<u8>,
    served: u64,
    pools: PoolsProcess,
    /// This process, and no child that a task has forked.
    here: Here,
}

impl Worker<'_> {
    fn initialize<W: WorkerState, I>(&mut self, args: I) -> Option<W::Value> {
        let addresses = (
            self.code.address(self.setup.initializer),
            self.code.address(self.setup.starter),
        );
        let applied = self
            .setup
            .options
            .apply(self.setup.place, &self.setup.shared);
        let made = match (applied, addresses) {
            (Err(why), _) => Err(why),
            (Ok(()), (Some(initializer), Some(starter))) => {
                // SAFETY: the parent, whose program this is, took the offset from such a function
                // for these types.
                let starter =
                    unsafe { std::mem::transmute::<*const (), Starter<I, W::Value>>(starter) };
                catch_unwind(AssertUnwindSafe(|| starter(initializer, args))).unwrap_or_else(
                    |payload| {
                        let message = Panic::of(&*payload).message().to_owned();
                        std::mem::forget(payload);
                        Err(message)
                    },
                )
            }
            _ => Err("the initializer does not lie in the program's code".to_owned()),
        };
        let (kind, text, state) = match made {
            Ok(state) => (ReplyKind::Ready, String::new(), Some(state)),
            Err(text) => (ReplyKind::Failed, text, None),
        };
        self.send(0, kind, text.as_bytes()).then_some(())?;
        state
    }

    fn serve<W: WorkerState>(&mut self, mut state: W::Value) {
        let (shared, options) = (&self.setup.shared, &self.setup.options);
        let memory = MemoryLimit::from_now(options);
        loop {
            let delivery = match shared.tasks.recv() {
                Ok(delivery) => delivery,
                Err(RecvError::Invalid { .. }) => continue,
                Err(_) => return,
            };
            if self.pools.has_ended() {
                return;
            }
            let mut copy = std::mem::take(&mut self.argument);
            let message = match delivery.as_slice() {
                Some(message) => message,
                None => {
                    copy.clear();
                    delivery
                        .parts()
                        .for_each(|part| copy.extend_from_slice(part));
                    &copy
                }
            };
            let Some(header) = TaskHeader::read(message) else {
                // Not a message of the parent's.
                let _ = delivery.ack();
                continue;
            };
            if !self.run::<W>(&header, &message[TaskHeader::LEN..], &mut state) {
                return;
            }
            self.argument = copy;
            if delivery.ack().is_err() {
                return;
            }
            if options.max_tasks != 0 && self.served >= options.max_tasks || memory.is_exceeded() {
                return;
            }
        }
    }

    /// Runs a task. Returns false if nothing can be sent any more.
    fn run<W: WorkerState>(
        &mut self,
        header: &TaskHeader,
        arguments: &[u8],
        state: &mut W::Value,
    ) -> bool {
        let setup = self.setup;
        let (Some(task), Some(buffer)) = (
            setup.shared.task(header.slot),
            setup.shared.buffer(setup.place),
        ) else {
            return true;
        };
        let Ok(running) = task.begin(TaskWord(header.word), setup.place, now(header)) else {
            return self.send(header.id, ReplyKind::Skipped, &[]);
        };
        let addresses = (
            self.code.address(header.function),
            self.code.address(header.trampoline),
        );
        let (Some(function), Some(runner)) = addresses else {
            eprintln!("crossdock: the function of a task does not lie in the program's code");
            exit(FAILED);
        };
        // SAFETY: the parent, whose program this is, took the offset from such a function for a
        // pool of this state.
        let runner = unsafe { std::mem::transmute::<*const (), Runner<W::Value>>(runner) };
        let most = setup.shared.max_message() - ReplyHeader::LEN;
        // SAFETY: the place is this worker's, and it runs one task after the other.
        let frames = unsafe { buffer.frames(most) };
        let place = (buffer, frames);
        let mut chunk = Chunk::new(
            (setup, &self.pools, self.code, &self.here),
            header,
            (task, running),
            place,
            arguments,
        );
        loop {
            let run = AssertUnwindSafe(|| {
                crossdock_begin_short_backtrace(|| runner(function, state, &mut chunk));
            });
            let Err(payload) = catch_unwind(run) else {
                break;
            };
            chunk.end_if_forked();
            let panic = Panic::of(&*payload);
            // Its drop may panic.
            std::mem::forget(payload);
            let panic = codec::encode(&panic).unwrap_or_default();
            chunk.write_frame(FrameKind::Panicked, &panic);
            chunk.commit();
            if setup.has_state {
                // The state may be half changed: the rest of the task is for another worker.
                chunk.finish();
                let _ = stdout().flush();
                exit(RETIRED)
            }
        }
        self.served += chunk.served();
        chunk.finish()
    }

    /// Sends a reply without outcomes. Blocks while the parent does not take replies. Returns false
    /// if none can be sent any more.
    fn send(&self, id: u64, kind: ReplyKind, text: &[u8]) -> bool {
        let mut message = vec![0; ReplyHeader::LEN];
        let header = ReplyHeader {
            id,
            kind,
            place: self.setup.place,
            first: 0,
            items: 0,
        };
        header.write(&mut message);
        message.extend_from_slice(text);
        self.setup.shared.replies.send(&message).is_ok()
    }
}

/// The time at which an item with a limit begins; for a task without one, only to be shown, that of
/// the last tick, which takes a few nanoseconds.
pub(super) fn now(header: &TaskHeader) -> u64 {
    let now = match header.is_limited() {
        false => monotonic_coarse(),
        true => monotonic(),
    };
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The worker is condemned: the parent kills it. Returns once the parent has ended, which may have
/// been before it came to that; no task needs this worker then.
pub(super) fn wait_for_the_end(pools: &PoolsProcess) {
    while !pools.has_ended() {
        std::thread::park_timeout(LOOK);
    }
}

//! A worker of a pool: takes tasks, runs their items, commits and sends their outcomes.

use std::fmt::Display;
use std::io::{Write, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TaskError;
use super::function::{Runner, WorkerState};
use super::last_words;
use super::message::{
    FRAME_HEAD, FrameKind, ReplyHeader, ReplyKind, TaskHeader, next_frame, push_frame,
};
use super::segment::{BUFFER, PoolSegment};
use super::worker_options::{MemoryLimit, PoolsProcess, WorkerOptions};
use crate::algorithm::tasks::{Task, TaskWord};
use crate::codec;
use crate::process::Panic;
use crate::process::panic::crossdock_begin_short_backtrace;
use crate::queue::{RecvError, SendError};
use crate::segment::Segment;
use crate::sys::clock::monotonic;
use crate::sys::exe::Code;
use crate::sys::signals;

/// The exit code of a worker whose state a panic may have left half changed.
pub(super) const RETIRED: i32 = 85;
/// The exit code of a worker whose initializer failed.
const FAILED: i32 = 1;

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
    let mut worker = Worker {
        setup: &setup,
        code,
        reply: Vec::new(),
        argument: Vec::new(),
        served: 0,
        pools: PoolsProcess::of(&setup.options),
    };
    let Some(state) = worker.initialize::<W, I>(args) else {
        let _ = stdout().flush();
        exit(FAILED)
    };
    // A worker that was started ahead waits for another one to leave or die.
    let turn = setup.shared.turn();
    worker.serve::<W>(state);
    drop(turn);
    setup.options.leave(&worker.pools);
}

struct Worker<'a> {
    setup: &'a Setup,
    code: &'a Code,
    /// The reply that is being written.
    reply: Vec<u8>,
    /// The task, if its message is in several parts.
    argument: Vec<u8>,
    served: u64,
    pools: PoolsProcess,
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
        self.begin_reply();
        self.reply.extend_from_slice(text.as_bytes());
        self.send(0, kind, 0, 0).then_some(())?;
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
        mut frames: &[u8],
        state: &mut W::Value,
    ) -> bool {
        let setup = self.setup;
        let (Some(task), Some(buffer)) = (
            setup.shared.task(header.slot),
            setup.shared.buffer(setup.place),
        ) else {
            return true;
        };
        let begun = task.begin(TaskWord(header.word), setup.place, now(header));
        self.begin_reply();
        let Ok(mut running) = begun else {
            return self.send(header.id, ReplyKind::Skipped, 0, 0);
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
        for _ in 0..header.first {
            next_frame(&mut frames);
        }
        // The items whose outcomes are in the reply, from `base` on, and in the buffer.
        let (mut base, mut committed) = (header.first, 0);
        if header.items > header.first + 1 {
            buffer.open(header.id, base);
        }
        for item in header.first..header.items {
            let argument = next_frame(&mut frames).map_or(&[][..], |(_, bytes)| bytes);
            let at = self.reply.len();
            let survived = self.run_item(header.slot, runner, function, state, argument);
            self.served += 1;
            if item + 1 == header.items && survived {
                break;
            }
            if !survived {
                self.retire(header, &task, running, base, item);
            }
            if self.pools.has_ended() {
                return false;
            }
            let frame = &self.reply[at..];
            match buffer.commit(item + 1 - base, committed, frame) {
                Some(bytes) => committed = bytes,
                None => {
                    if !self.send(header.id, ReplyKind::Part, base, item + 1 - base) {
                        return false;
                    }
                    (base, committed) = (item + 1, 0);
                    buffer.open(header.id, base);
                    self.begin_reply();
                }
            }
            if header.limited != 0 {
                running = match task.advance(running, now(header)) {
                    Ok(next) => next,
                    Err(_) => wait_for_the_end(),
                };
            }
        }
        if task.finish(running).is_err() {
            wait_for_the_end();
        }
        self.send(header.id, ReplyKind::End, base, header.items - base)
    }

    /// Runs an item, whose frame is then the last one of the reply. Returns false if the state may
    /// be half changed.
    fn run_item<V>(
        &mut self,
        slot: u32,
        runner: Runner<V>,
        function: *const (),
        state: &mut V,
        argument: &[u8],
    ) -> bool {
        let at = self.reply.len();
        last_words::forget();
        let mut ran = self.try_item(runner, function, state, argument);
        let mut tries = 0;
        while ran.is_ok() && self.fails_again(slot, at, tries) {
            self.reply.truncate(at);
            tries += 1;
            ran = self.try_item(runner, function, state, argument);
        }
        match ran {
            Ok(()) => true,
            Err(payload) => {
                self.reply.truncate(at);
                let panic = Panic::of(&*payload);
                // Its drop may panic.
                std::mem::forget(payload);
                let panic = codec::encode(&panic).unwrap_or_default();
                push_frame(&mut self.reply, FrameKind::Panicked, &panic);
                !self.setup.has_state
            }
        }
    }

    fn try_item<V>(
        &mut self,
        runner: Runner<V>,
        function: *const (),
        state: &mut V,
        argument: &[u8],
    ) -> std::thread::Result<()> {
        let (reply, known) = (&mut self.reply, &self.setup.known);
        let run = AssertUnwindSafe(|| {
            crossdock_begin_short_backtrace(|| runner(function, state, argument, known, reply));
        });
        catch_unwind(run)
    }

    /// Whether the frame at `at` is an error that the function returned, after which the task runs
    /// once more.
    fn fails_again(&self, slot: u32, at: usize, tries: u64) -> bool {
        let mut frame = &self.reply[at..];
        let Some((FrameKind::Failed, error)) = next_frame(&mut frame) else {
            return false;
        };
        let policy = self
            .setup
            .shared
            .policy(slot)
            .map_or(0, |policy| policy.load());
        let (retries, offset) = (policy >> 56, policy & ((1 << 56) - 1));
        if tries >= retries {
            return false;
        }
        let (Some(wanted), Ok(error)) = (self.code.address(offset), codec::decode(error)) else {
            return false;
        };
        // SAFETY: the parent, whose program this is, took the offset from such a function.
        let wanted = unsafe { std::mem::transmute::<*const (), fn(&TaskError) -> bool>(wanted) };
        wanted(&TaskError::Failed(error))
    }

    /// Sends the outcomes up to `item`, and ends the process: the rest of the task is for another
    /// worker.
    fn retire(
        &mut self,
        header: &TaskHeader,
        task: &Task<'_>,
        running: TaskWord,
        base: u32,
        item: u32,
    ) -> ! {
        let is_last = item + 1 == header.items;
        if is_last && task.finish(running).is_err() {
            wait_for_the_end();
        }
        let kind = if is_last {
            ReplyKind::End
        } else {
            ReplyKind::Part
        };
        self.send(header.id, kind, base, item + 1 - base);
        let _ = stdout().flush();
        exit(RETIRED)
    }

    fn begin_reply(&mut self) {
        self.reply.clear();
        self.reply.resize(ReplyHeader::LEN, 0);
    }

    /// Sends the reply that was written. Blocks while the parent does not take replies. Returns
    /// false if none can be sent any more.
    fn send(&mut self, id: u64, kind: ReplyKind, first: u32, items: u32) -> bool {
        let header = ReplyHeader {
            id,
            kind,
            place: self.setup.place,
            first,
            items,
        };
        header.write(&mut self.reply);
        let replies = &self.setup.shared.replies;
        match replies.send(&self.reply) {
            Ok(()) => true,
            Err(SendError::TooLong((), long)) if items > 0 => {
                // All but the last item fit into the buffer, so it is the last that is too long.
                let mut frames = &self.reply[ReplyHeader::LEN..];
                for _ in 1..items {
                    next_frame(&mut frames);
                }
                let last = self.reply.len() - frames.len();
                self.reply.truncate(last);
                let size = (long.len as u64).to_le_bytes();
                push_frame(&mut self.reply, FrameKind::TooLarge, &size);
                replies.send(&self.reply).is_ok()
            }
            Err(_) => false,
        }
    }
}

const _: () = assert!(BUFFER > FRAME_HEAD + 8);

/// The time at which an item with a limit begins; 0 for others, which saves the look at the clock.
fn now(header: &TaskHeader) -> u64 {
    match header.limited {
        0 => 0,
        _ => u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX),
    }
}

/// The worker is condemned: the parent kills it.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
}

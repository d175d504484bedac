//! What the threads of a pool's process share, and the thread that supervises the workers.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::TaskError;
use super::message::{ReplyHeader, ReplyKind, TaskHeader};
use super::outgoing::TaskMessage;
use super::segment::PoolSegment;
use super::sink::Sink;
use super::table::{Attention, NewTask, Rules, Status, Table};
use super::workers::LOOK;
use super::{BuildError, SubmitError};
use crate::facade::{AtomicU32, Deadline, Left, Ordering};
use crate::process::notice::Notice;
use crate::process::{Process, SpawnError};
use crate::queue::{SendTimeoutError, TrySendError, WaitAnyError, Waitable, wait_any_timeout};
use crate::segment::Segment;
use crate::sys::clock::monotonic;
use crate::sys::events::Here;
use crate::sys::exe::Code;
use crate::sys::signals;
use crate::wait::select::Source;

/// How many threads start workers at a time, at most.
const SIDE_BY_SIDE: usize = 4;
const STARTER_STACK: usize = 128 << 10;

/// The sizes of a pool, and how its workers are killed.
pub(super) struct Sizes {
    pub(super) workers: u32,
    pub(super) spare: u32,
    pub(super) in_flight: u32,
    pub(super) kill_group: bool,
}

/// The time between looks at replies that no thread waits for: the least, and the most, to which it
/// grows while tasks neither come nor end.
const UNATTENDED: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// Starts the worker of a place.
pub(super) type Start = dyn Fn(u32) -> Result<Process<()>, SpawnError> + Send + Sync;

pub(super) struct Core {
    pub(super) shared: PoolSegment,
    pub(super) known: Vec<Segment>,
    pub(super) code: &'static Code,
    table: Mutex<Table>,
    /// Raised while a task can be put into the table, or none ever can.
    room: Notice,
    /// Raised while no task is in flight.
    idle: Notice,
    /// Raised once all workers are ready, or the pool is broken.
    ready: Notice,
    /// Has the supervisor look.
    wake: Notice,
    start: Box<Start>,
    pub(super) workers: u32,
    here: Here,
}

impl Core {
    pub(super) fn new(
        shared: PoolSegment,
        known: Vec<Segment>,
        code: &'static Code,
        sizes: Sizes,
        start: Box<Start>,
    ) -> io::Result<Arc<Self>> {
        let core = Self {
            shared,
            known,
            code,
            table: Mutex::new(Table::new(&sizes)),
            room: Notice::new(),
            idle: Notice::new(),
            ready: Notice::new(),
            wake: Notice::new(),
            start,
            workers: sizes.workers,
            here: Here::new()?,
        };
        core.room.raise();
        core.idle.raise();
        Ok(Arc::new(core))
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the process that built the pool, and no fork of it.
    pub(super) fn is_here(&self) -> bool {
        self.here.is_here()
    }

    /// How a worker tries a task of these rules again whose function fails: how often, in the high
    /// byte, and the offset of what it asks; 0 if not at all.
    pub(super) fn policy(&self, rules: &Rules) -> u64 {
        let wanted = rules.retry_if.filter(|_| rules.retries > 0);
        let offset = wanted.and_then(|wanted| self.code.offset(wanted as *const ()));
        offset.map_or(0, |offset| u64::from(rules.retries) << 56 | offset)
    }

    /// Whether a task can be submitted at once, or none ever.
    pub(super) fn has_room(&self) -> bool {
        self.room.is_ready()
    }

    /// Raises and clears the notices that say what the table is like.
    fn update(&self, table: &Table) {
        if table.has_room() || table.status != Status::Open {
            self.room.raise();
        } else {
            self.room.clear();
        }
        if table.in_flight() == 0 {
            self.idle.raise();
        } else {
            self.idle.clear();
        }
        if table.workers.are_ready() || table.status != Status::Open {
            self.ready.raise();
        }
    }

    /// Takes the replies that are there. They are not a fork's: it takes none, nor the lock, which
    /// may have been held by a thread that the fork does not have.
    pub(super) fn drain(&self) {
        if !self.is_here() {
            return;
        }
        let mut table = self.table();
        self.drain_into(&mut table);
        self.update(&table);
    }

    /// A reply is taken in before the lock is released, so that a thread which finds none under the
    /// lock knows what all replies said.
    pub(super) fn drain_into(&self, table: &mut Table) {
        while let Ok(delivery) = self.shared.replies.try_recv_only() {
            match delivery.as_slice() {
                Some(reply) => self.take_in(table, reply),
                None => self.take_in(table, &delivery.to_vec()),
            }
            let _ = delivery.ack();
        }
    }

    fn take_in(&self, table: &mut Table, reply: &[u8]) {
        let Some(header) = ReplyHeader::read(reply) else {
            return;
        };
        let rest = &reply[ReplyHeader::LEN..];
        match header.kind {
            ReplyKind::End | ReplyKind::Part => table.receive(
                &self.shared,
                header.id,
                (header.first, header.items),
                rest,
                header.kind == ReplyKind::End,
            ),
            ReplyKind::Skipped => table.skipped(&self.shared, header.id),
            ReplyKind::Ready => {
                table.workers.record_ready(header.place);
            }
            ReplyKind::Failed => {
                let why = String::from_utf8_lossy(rest).into_owned();
                table.workers.record_failure(why);
            }
        }
    }

    /// Blocks until the notice is raised or the deadline has passed; takes replies meanwhile.
    /// Returns whether it was raised; in a fork at once that it was.
    fn wait(&self, notice: &Notice, deadline: &Deadline) -> bool {
        self.wait_draining(notice, deadline, || self.drain())
    }

    /// As [`wait`](Self::wait), for the outcome of a task. The calling thread is the sink's only
    /// waiter, so that what it takes itself need not wake it.
    pub(super) fn wait_for(&self, sink: &Sink, deadline: &Deadline) -> bool {
        self.wait_draining(&sink.notice, deadline, || {
            let mut table = self.table();
            sink.notice.mute(true);
            self.drain_into(&mut table);
            sink.notice.mute(false);
            self.update(&table);
        })
    }

    fn wait_draining(&self, notice: &Notice, deadline: &Deadline, drain: impl Fn()) -> bool {
        if !self.is_here() {
            return true;
        }
        loop {
            if notice.is_ready() {
                return true;
            }
            drain();
            if notice.is_ready() {
                return true;
            }
            let sources: [&dyn Waitable; 2] = [&self.shared.replies, notice];
            match wait_any_timeout(&sources, *deadline) {
                Ok(_) => {}
                Err(WaitAnyError::Timeout) => {
                    drain();
                    return notice.is_ready();
                }
                Err(error) => self.break_with(&error.to_string()),
            }
        }
    }

    /// Waits without a deadline for all workers to be ready.
    pub(super) fn wait_ready(&self) -> Result<(), BuildError> {
        self.wait(&self.ready, &Deadline::never());
        let mut table = self.table();
        table.workers.building = false;
        match &table.status {
            Status::Broken(message) => Err(BuildError::Initializer {
                message: message.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Blocks until no task is in flight.
    pub(super) fn wait_idle(&self, deadline: &Deadline) -> bool {
        self.wait(&self.idle, deadline)
    }

    fn break_with(&self, why: &str) {
        let mut table = self.table();
        self.break_table(&mut table, why);
    }

    fn break_table(&self, table: &mut Table, why: &str) {
        if matches!(table.status, Status::Open | Status::Closed) {
            table.status = Status::Broken(why.to_owned());
            table.fail_all(&self.shared, &TaskError::Broken(why.to_owned()));
            self.shared.tasks.close();
            self.update(table);
            self.wake.raise();
        }
    }

    /// Nothing more is submitted. The workers leave once nothing is in flight.
    pub(super) fn close(&self) {
        let mut table = self.table();
        if table.status == Status::Open {
            table.status = Status::Closed;
        }
        table.attention = Attention::Always;
        self.update(&table);
        self.wake.raise();
    }

    /// Ends all tasks in flight. The supervisor kills the workers.
    pub(super) fn terminate(&self) {
        let mut table = self.table();
        if !matches!(table.status, Status::Broken(_)) {
            table.status = Status::Terminated;
        }
        table.fail_all(&self.shared, &TaskError::Closed);
        self.shared.tasks.close();
        self.update(&table);
        self.wake.raise();
    }

    fn refusal(table: &Table) -> Option<SubmitError> {
        match &table.status {
            Status::Open => None,
            Status::Closed | Status::Terminated => Some(SubmitError::Closed),
            Status::Broken(why) => Some(SubmitError::Broken(why.clone())),
        }
    }

    /// Submits a task: `message` has all but its header. Blocks at most until the deadline; not at
    /// all without one. With `watch` the supervisor takes replies that no thread waits for.
    /// Returns the task's key.
    pub(super) fn submit(
        &self,
        new: &NewTask<'_>,
        header: &mut TaskHeader,
        message: &mut TaskMessage<'_>,
        deadline: Option<&Deadline>,
        watch: bool,
    ) -> Result<u64, SubmitError> {
        if !self.is_here() {
            return Err(SubmitError::Closed);
        }
        let (key, wake) = loop {
            let mut table = self.table();
            if let Some(refusal) = Self::refusal(&table) {
                return Err(refusal);
            }
            if let Some(key) = table.insert(&self.shared, new, header) {
                let wake = watch && table.attend(Attention::Sometimes) || header.is_limited();
                self.update(&table);
                break (key, wake);
            }
            drop(table);
            message.leave_cell();
            self.drain();
            let passed = deadline.is_none_or(|deadline| deadline.left() == Left::Passed);
            if !self.room.is_ready() && passed {
                return Err(SubmitError::Full);
            }
            if let Some(deadline) = deadline {
                self.wait(&self.room, deadline);
            }
        };
        message.set_header(header);
        let sent = match message.try_send() {
            Err(TrySendError::Full(())) if deadline.is_some() => {
                // The supervisor takes the replies, so that the workers go on.
                self.watch();
                let deadline = deadline.copied().unwrap_or(Deadline::never());
                message.send(deadline)
            }
            sent => sent.map_err(SendTimeoutError::from),
        };
        if wake {
            self.wake.raise();
        }
        sent.map(|()| key).map_err(|error| {
            let mut table = self.table();
            table.remove(&self.shared, key);
            self.update(&table);
            match error {
                SendTimeoutError::Timeout(()) => SubmitError::Full,
                SendTimeoutError::TooLong((), long) => SubmitError::TooLarge {
                    size: long.len as u64,
                    most: long.limit as u64,
                },
                SendTimeoutError::Disconnected(()) => {
                    Self::refusal(&table).unwrap_or(SubmitError::Closed)
                }
                SendTimeoutError::Fault((), fault) => SubmitError::Fault(fault),
                SendTimeoutError::Invalid((), _) => SubmitError::Closed,
            }
        })
    }

    /// Has the supervisor take the replies from now on, if tasks are in flight.
    pub(super) fn watch(&self) {
        if !self.is_here() {
            return;
        }
        let mut table = self.table();
        if table.in_flight() > 0 && table.attend(Attention::Always) {
            self.wake.raise();
        }
    }

    /// The thread that supervises the workers, until none is left and none is wanted. If it panics,
    /// which is a bug, the pool is broken, and no task waits for it.
    pub(super) fn supervise(&self) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.look_after_workers())) else {
            return;
        };
        self.break_with("the thread that supervises its workers has panicked");
        self.kill_all();
        // Its drop may panic.
        std::mem::forget(payload);
    }

    fn look_after_workers(&self) {
        let mut pause = Some(Duration::ZERO);
        let (mut unattended, mut seen) = (UNATTENDED.0, (0, 0));
        loop {
            let ((processes, untold), attention, progress) = {
                let table = self.table();
                (table.workers.awaited(), table.attention, table.progress())
            };
            for process in untold {
                // Only the kernel may tell now, and in a moment it is known whether it does: it is
                // waited for without the lock.
                if process.spawned().record().has_lost_its_server() {
                    let _ = process.exit_status();
                }
            }
            let mut sources: Vec<&dyn Waitable> = vec![&self.wake];
            if attention == Attention::Always {
                sources.push(&self.shared.replies);
            }
            sources.extend(processes.iter().map(|process| &**process as &dyn Waitable));
            if attention == Attention::Sometimes {
                let rests = std::mem::replace(&mut seen, progress) == progress;
                unattended = match rests {
                    true => UNATTENDED.1.min(2 * unattended),
                    false => UNATTENDED.0,
                };
                pause = Some(pause.map_or(unattended, |pause| pause.min(unattended)));
            }
            let deadline = pause.map_or(Deadline::never(), Deadline::after);
            match wait_any_timeout(&sources, deadline) {
                Ok(_) | Err(WaitAnyError::Timeout) => {}
                Err(error) => self.break_with(&error.to_string()),
            }
            self.wake.clear();
            match self.step() {
                Some(next) => pause = next,
                None => return,
            }
        }
    }

    /// Does what is to be done. Returns the time until something may be to be done without an
    /// event; `None` when all is over.
    fn step(&self) -> Option<Option<Duration>> {
        let mut table = self.table();
        self.drain_into(&mut table);
        let exited = table.workers.record_exits();
        let have_exited = !exited.is_empty();
        if have_exited || table.expects_a_letter(&self.shared) {
            drop(table);
            table = self.settle(&exited);
            table.workers.judge_exits();
            match table.workers.defeat() {
                Some(why) => self.break_table(&mut table, &why),
                None if have_exited => table.workers.back_off(),
                None => {}
            }
        }
        let mut pause = table.enforce_limits(&self.shared, monotonic());
        let mut sooner = |other: Duration| pause = Some(pause.map_or(other, |p| p.min(other)));
        if table.send_backlog(&self.shared) || table.misses_a_letter(&self.shared) {
            sooner(LOOK);
        }
        if let Some(look) = table.workers.next_look() {
            sooner(look);
        }
        if table.in_flight() == 0 {
            table.attention = Attention::No;
            if table.status == Status::Closed {
                self.shared.tasks.close();
            }
        }
        let is_over = match table.status {
            Status::Open => false,
            Status::Closed => table.in_flight() == 0,
            Status::Terminated | Status::Broken(_) => {
                table.workers.kill_all();
                true
            }
        };
        self.update(&table);
        if is_over {
            let all_ended = table.workers.processes().is_empty();
            return (!all_ended).then_some(pause);
        }
        let left = table
            .workers
            .restart_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if !left.is_zero() => sooner(left),
            _ if table.misses_a_letter(&self.shared) => {}
            _ => {
                table.workers.restart_at = None;
                let places: Vec<usize> = (0..table.workers.seats.len())
                    .filter(|place| table.workers.seats[*place].process.is_none())
                    .collect();
                drop(table);
                if !places.is_empty() {
                    self.start_workers(&places);
                    // The new processes are waited for from now on.
                    return Some(Some(Duration::ZERO));
                }
            }
        }
        Some(pause)
    }

    fn start_workers(&self, places: &[usize]) {
        if let Err(error) = self.start_at(places) {
            let mut table = self.table();
            table.workers.record_refusal(error.to_string());
            match table.workers.defeat() {
                Some(why) => self.break_table(&mut table, &why),
                None => table.workers.back_off(),
            }
        }
    }

    /// Starts the workers of places, side by side: for most of a start this process waits for
    /// another one. Returns the first error, after which no more are begun.
    fn start_at(&self, places: &[usize]) -> Result<(), SpawnError> {
        let next = AtomicU32::new(0);
        let starts = || -> Result<(), SpawnError> {
            // ORDERING: Relaxed; each place is taken once.
            let take = || usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok();
            while let Some(place) = take().and_then(|at| places.get(at)) {
                let started = (self.start)(u32::try_from(*place).unwrap_or(u32::MAX));
                let process = started.inspect_err(|_| {
                    // ORDERING: as above. There are fewer places.
                    next.store(u32::MAX / 2, Ordering::Relaxed);
                })?;
                self.table().record_start(&self.shared, *place, process);
            }
            Ok(())
        };
        let others = places.len().min(SIDE_BY_SIDE).saturating_sub(1);
        thread::scope(|scope| {
            let spawn = || {
                let builder = thread::Builder::new().stack_size(STARTER_STACK);
                signals::blocked(|| builder.spawn_scoped(scope, starts)).ok()
            };
            // Where there are no more threads, this one starts all.
            let others: Vec<_> = std::iter::repeat_with(spawn)
                .take(others)
                .flatten()
                .collect();
            let own = starts();
            let joined = others.into_iter().filter_map(|thread| thread.join().ok());
            joined.fold(own, Result::and)
        })
    }

    /// Kills the workers that were started, for want of a supervisor.
    pub(super) fn kill_all(&self) {
        self.table().workers.kill_all();
    }

    /// Starts the first workers.
    pub(super) fn start_all(&self) -> Result<(), SpawnError> {
        let places: Vec<usize> = (0..self.table().workers.seats.len()).collect();
        self.start_at(&places)
    }
}

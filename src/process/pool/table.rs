//! What the parent knows of the tasks in flight.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::core::Sizes;
use super::frames::OutcomeFrames;
use super::judge::{Letter, Question};
use super::message::{FrameKind, TaskHeader, frames_len, push_frame};
use super::segment::PoolSegment;
use super::sink::{Completed, Sink};
use super::workers::Workers;
use super::{Progress, TaskError};
use crate::algorithm::tasks::{TaskState, TaskWord};
use crate::process::Process;
use crate::segment::Segment;

pub(super) const SLOT_BITS: u32 = 16;
/// The most tasks in flight.
pub(super) const MAX_IN_FLIGHT: u32 = 1 << 12;

/// The rules of a task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) limit: Option<Duration>,
    pub(super) retries: u8,
    pub(super) retry_if: Option<fn(&TaskError) -> bool>,
}

/// A task in flight.
pub(super) struct InFlightTask {
    /// The number of its last sending.
    pub(super) id: u64,
    /// The number that its handle has.
    pub(super) key: u64,
    pub(super) sent: u32,
    pub(super) items: u32,
    /// The items that have outcomes, which are the first ones.
    pub(super) received: u32,
    pub(super) frames: OutcomeFrames,
    pub(super) errors: VecDeque<TaskError>,
    pub(super) rules: Rules,
    /// How many workers have died of the next item, and how often it was sent again for free.
    pub(super) deaths: u8,
    pub(super) free_sends: u8,
    /// Its handle was told that it is cancelled.
    pub(super) told: bool,
    /// It was condemned through its handle.
    pub(super) killed: bool,
    /// Those that its arguments refer to and the workers do not have: a worker that takes it opens
    /// them by the descriptors of this process.
    segments: Vec<Segment>,
    pub(super) sink: Arc<Sink>,
    pub(super) seq: u64,
}

impl InFlightTask {
    pub(super) fn push_error(&mut self, error: TaskError) {
        let _ = push_frame(&mut self.frames, FrameKind::Error, &[]);
        self.errors.push_back(error);
        self.received += 1;
        (self.deaths, self.free_sends) = (0, 0);
    }

    /// Takes in the frames of items from `first` on.
    pub(super) fn take_frames(&mut self, first: u32, items: u32, frames: &[u8]) {
        if items == 0 {
            // Its worker died in the first of them.
            return;
        }
        if first == self.received && first < self.items {
            // A frame that is not there is the error of its item, when it is taken.
            self.frames.extend(frames);
            self.received += items.min(self.items - first);
            (self.deaths, self.free_sends) = (0, 0);
            return;
        }
        let known = self.received.saturating_sub(first).min(items);
        let Some(skipped) = frames_len(frames, known) else {
            return;
        };
        let new = items - known;
        if first + known != self.received || new == 0 {
            return;
        }
        if let Some(len) = frames_len(&frames[skipped..], new) {
            self.frames.extend(&frames[skipped..skipped + len]);
            self.received += new;
            (self.deaths, self.free_sends) = (0, 0);
        }
    }
}

/// What may be done with the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    /// Nothing more is submitted; what is in flight is done.
    Closed,
    Terminated,
    Broken(String),
}

/// Whether the supervisor takes replies while tasks are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attention {
    /// A thread waits for them.
    No,
    /// From time to time, so that the workers have room: the thread that waits for a task takes
    /// them sooner.
    Sometimes,
    /// As they come.
    Always,
}

pub(super) struct Table {
    pub(super) slots: Vec<Option<InFlightTask>>,
    free: Vec<u32>,
    next: u64,
    pub(super) workers: Workers,
    pub(super) status: Status,
    pub(super) attention: Attention,
    /// Letters whose worker is not known to have exited yet.
    pub(super) letters: Vec<Letter>,
    /// Letters that were judged as far as the program was not asked.
    pub(super) questions: Vec<Question>,
    /// Messages to be sent again as soon as there is room.
    pub(super) backlog: VecDeque<(u64, Vec<u8>)>,
    pub(super) progress: Progress,
}

/// A task to be put into the table.
pub(super) struct NewTask<'a> {
    pub(super) items: u32,
    pub(super) rules: Rules,
    /// As [`Core::policy`](super::core::Core::policy) has it.
    pub(super) policy: u64,
    /// What its message [passes](super::passed).
    pub(super) segments: &'a [Segment],
    pub(super) sink: &'a Arc<Sink>,
    pub(super) seq: u64,
}

impl Table {
    pub(super) fn new(sizes: &Sizes) -> Self {
        let in_flight = sizes.in_flight;
        Self {
            slots: (0..in_flight).map(|_| None).collect(),
            free: (0..in_flight).rev().collect(),
            next: 0,
            workers: Workers::new(sizes.workers + sizes.spare, sizes.kill_group),
            status: Status::Open,
            attention: Attention::No,
            letters: Vec::new(),
            questions: Vec::new(),
            backlog: VecDeque::new(),
            progress: Progress::default(),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// What changes with each task that is submitted, and most that are answered.
    pub(super) fn progress(&self) -> (u64, usize) {
        (self.next, self.in_flight())
    }

    /// Has the supervisor take replies so often, or oftener. Returns whether it did not before.
    pub(super) fn attend(&mut self, attention: Attention) -> bool {
        let is_more = attention > self.attention;
        self.attention = self.attention.max(attention);
        is_more
    }

    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    pub(super) fn next_id(&mut self, slot: u32) -> u64 {
        self.next += 1;
        self.next << SLOT_BITS | u64::from(slot)
    }

    fn slot_of(id: u64) -> usize {
        usize::try_from(id & ((1 << SLOT_BITS) - 1)).unwrap_or(usize::MAX)
    }

    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut InFlightTask> {
        let task = self.slots.get_mut(Self::slot_of(id))?.as_mut()?;
        (task.id == id).then_some(task)
    }

    /// Puts a task into a free slot, queued, and completes the header of its message.
    pub(super) fn insert(
        &mut self,
        shared: &PoolSegment,
        new: &NewTask<'_>,
        header: &mut TaskHeader,
    ) -> Option<u64> {
        let slot = self.free.pop()?;
        let id = self.next_id(slot);
        self.slots[Self::slot_of(id)] = Some(InFlightTask {
            id,
            key: id,
            sent: 1,
            items: new.items,
            received: 0,
            frames: OutcomeFrames::default(),
            errors: VecDeque::new(),
            rules: new.rules,
            deaths: 0,
            free_sends: 0,
            told: false,
            killed: false,
            segments: new.segments.to_vec(),
            sink: Arc::clone(new.sink),
            seq: new.seq,
        });
        let word = TaskWord::queued(id >> SLOT_BITS, 1);
        if let Some(task) = shared.task(slot) {
            task.queue(word);
        }
        shared.running.set_policy(slot, new.policy);
        (header.id, header.word, header.slot) = (id, word.0, slot);
        header.items = new.items;
        header.set_limited(new.rules.limit.is_some());
        self.progress.submitted += u64::from(new.items);
        Some(id)
    }

    /// Takes a task out whose message was not sent.
    pub(super) fn remove(&mut self, shared: &PoolSegment, id: u64) {
        if let Some(task) = self.by_id(id) {
            let items = u64::from(task.items);
            self.release(shared, id);
            self.progress.submitted -= items;
        }
    }

    fn release(&mut self, shared: &PoolSegment, id: u64) -> Option<InFlightTask> {
        let task = self.slots.get_mut(Self::slot_of(id))?.take()?;
        let slot = u32::try_from(Self::slot_of(id)).ok()?;
        if let Some(word) = shared.task(slot) {
            word.free();
        }
        self.free.push(slot);
        Some(task)
    }

    /// Ends a task that has all its outcomes, or none that matters.
    pub(super) fn complete(&mut self, shared: &PoolSegment, id: u64) {
        let Some(task) = self.release(shared, id) else {
            return;
        };
        let failed = task.errors.len() as u64;
        self.progress.failed += failed;
        self.progress.done += u64::from(task.received).saturating_sub(failed);
        // Without its handle nothing waits for the outcome.
        if !task.told && Arc::strong_count(&task.sink) > 1 {
            task.sink.push(Completed {
                seq: task.seq,
                items: task.items,
                frames: task.frames,
                errors: task.errors,
                segments: task.segments,
                attempts: task.sent,
            });
        }
    }

    pub(super) fn complete_with(&mut self, shared: &PoolSegment, id: u64, error: &TaskError) {
        if let Some(task) = self.by_id(id) {
            while task.received < task.items {
                task.push_error(error.clone());
            }
            self.complete(shared, id);
        }
    }

    /// Ends all tasks with that error.
    pub(super) fn fail_all(&mut self, shared: &PoolSegment, error: &TaskError) {
        let ids: Vec<u64> = self.slots.iter().flatten().map(|task| task.id).collect();
        for id in ids {
            self.complete_with(shared, id, error);
        }
        self.letters.clear();
        self.questions.clear();
        self.backlog.clear();
    }

    /// The outcomes of items of a task, the last of them if `is_end`.
    pub(super) fn receive(
        &mut self,
        shared: &PoolSegment,
        id: u64,
        (first, items): (u32, u32),
        frames: &[u8],
        is_end: bool,
    ) {
        let Some(task) = self.by_id(id) else {
            return;
        };
        task.take_frames(first, items, frames);
        if is_end && task.received == task.items {
            self.complete(shared, id);
        }
    }

    /// A worker has taken the message of a task that was cancelled.
    pub(super) fn skipped(&mut self, shared: &PoolSegment, id: u64) {
        self.complete_with(shared, id, &TaskError::Cancelled);
    }

    fn by_key(&mut self, key: u64) -> Option<&mut InFlightTask> {
        let task = self.slots.get_mut(Self::slot_of(key))?.as_mut()?;
        (task.key == key).then_some(task)
    }

    pub(super) fn attempts(&mut self, key: u64) -> Option<u32> {
        self.by_key(key).map(|task| task.sent)
    }

    /// Cancels a task that has not begun. Its slot is free once its message was taken.
    pub(super) fn cancel(&mut self, shared: &PoolSegment, key: u64) -> bool {
        let slot = u32::try_from(Self::slot_of(key)).unwrap_or(u32::MAX);
        let Some(word) = shared.task(slot) else {
            return false;
        };
        let Some(task) = self.by_key(key) else {
            return false;
        };
        if task.received > 0 || task.told {
            return false;
        }
        let found = word.load();
        if found.state() != Some(TaskState::Queued) || !word.cancel(found) {
            return false;
        }
        task.told = true;
        let (id, seq, items) = (task.id, task.seq, task.items);
        task.sink
            .push(Completed::failed(seq, items, TaskError::Cancelled));
        // A message that waits to be sent again is not with any worker.
        let waiting = self.backlog.len();
        self.backlog.retain(|(backlogged, _)| *backlogged != id);
        if self.backlog.len() < waiting {
            self.complete_with(shared, id, &TaskError::Cancelled);
        }
        true
    }

    /// Cancels all tasks of a sink that have not begun.
    pub(super) fn cancel_all(&mut self, shared: &PoolSegment, sink: Option<&Arc<Sink>>) {
        let of_sink = |task: &&InFlightTask| sink.is_none_or(|sink| Arc::ptr_eq(&task.sink, sink));
        let tasks = self.slots.iter().flatten().filter(of_sink);
        let keys: Vec<u64> = tasks.map(|task| task.key).collect();
        for key in keys {
            self.cancel(shared, key);
        }
    }

    /// Cancels a task, or condemns it and kills its worker if it is running.
    pub(super) fn kill(&mut self, shared: &PoolSegment, key: u64) -> bool {
        if self.cancel(shared, key) {
            return true;
        }
        let slot = u32::try_from(Self::slot_of(key)).unwrap_or(u32::MAX);
        let (Some(word), Some(task)) = (shared.task(slot), self.by_key(key)) else {
            return false;
        };
        loop {
            let found = word.load();
            if found.state() != Some(TaskState::Running) {
                return false;
            }
            if word.condemn(found) {
                task.killed = true;
                self.workers.kill(found.place());
                return true;
            }
        }
    }

    /// A worker was started, and may have begun a task before this is recorded. If that was
    /// condemned meanwhile, there was no process to be killed: it is killed now.
    pub(super) fn record_start(
        &mut self,
        shared: &PoolSegment,
        place: usize,
        process: Process<()>,
    ) {
        self.workers.record_start(place, process);
        let Ok(place) = u32::try_from(place) else {
            return;
        };
        let slots = (0..).zip(&self.slots).filter(|(_, task)| task.is_some());
        let mut words = slots.filter_map(|(slot, _)| Some(shared.task(slot)?.load()));
        if words.any(|word| word.state() == Some(TaskState::Condemned) && word.place() == place) {
            self.workers.kill(place);
        }
    }

    /// Condemns the tasks that are over their limit, and kills their workers. Returns the time
    /// until the next one may be.
    pub(super) fn enforce_limits(
        &mut self,
        shared: &PoolSegment,
        now: Duration,
    ) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        let mut late = Vec::new();
        for (slot, task) in self.slots.iter().enumerate() {
            let Some((task, limit)) = task
                .as_ref()
                .and_then(|task| Some((task, task.rules.limit?)))
            else {
                continue;
            };
            let Some(word) = u32::try_from(slot).ok().and_then(|slot| shared.task(slot)) else {
                continue;
            };
            if task.told {
                continue;
            }
            let found = word.load();
            let left = match found.state() {
                // It begins now at the earliest.
                Some(TaskState::Queued) => limit,
                Some(TaskState::Running) => {
                    let since = Duration::from_nanos(word.since());
                    match since.saturating_add(limit).checked_sub(now) {
                        Some(left) if !left.is_zero() => left,
                        _ if word.condemn(found) => {
                            late.push(found.place());
                            continue;
                        }
                        // It goes on with its next item.
                        _ => limit,
                    }
                }
                _ => continue,
            };
            next = Some(next.map_or(left, |next| next.min(left)));
        }
        for place in late {
            self.workers.kill(place);
        }
        next
    }

    /// Sends what is to be sent again. Returns whether some of it has to wait for room.
    pub(super) fn send_backlog(&mut self, shared: &PoolSegment) -> bool {
        while let Some((_, message)) = self.backlog.front() {
            match shared.tasks.try_send_only(message) {
                Ok(()) => drop(self.backlog.pop_front()),
                Err(_) => return true,
            }
        }
        false
    }
}

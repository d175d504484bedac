//! Tasks of a pool of workers: whether a task runs, and what is done of it when its worker dies.
//!
//! The parent puts a task into a queue, a worker takes it, runs its items one after the other and
//! sends the results back. Both queues are [work](super::work) queues; what stands here is the word
//! beside them, by which the parent cancels a task, or condemns the worker that runs it.
//!
//! # State
//!
//! A word for each task in flight, and the time since which its item has been running; of a task
//! without a limit, since which the task has been running, as it was at the last tick:
//!
//! | bits | field | |
//! |---|---|---|
//! | 0..3 | state | below |
//! | 3..19 | item | the item of a task with a limit that is running |
//! | 19..31 | place | the place of the worker that runs it |
//! | 31..37 | attempt | how often the task was sent |
//! | 37..64 | id | the task |
//!
//! ```text
//!            begin               finish
//!  QUEUED ----------> RUNNING ------------> DONE
//!    |                 |    ^ advance
//!    | cancel          |    | (the next item)
//!    v                 v condemn
//!  CANCELLED         CONDEMNED
//! ```
//!
//! A word for each place of a worker, with the worker's tag: for those that look from outside.
//!
//! A record for each place of a worker: which task's results lie in its buffer, and how many items
//! and bytes they are. The count is the commit of each item's result.
//!
//! # Protocol
//!
//! - The parent stores QUEUED and sends the message, with the word in it.
//! - A worker holds the message while it works. `begin`: store the time, CAS QUEUED -> RUNNING. If
//!   that is refused, the task was cancelled: it does not run.
//! - After each item of a task with a limit `advance`: store the time, CAS to the next item. After
//!   the last item `finish`: CAS RUNNING -> DONE. If either is refused, the worker is condemned and
//!   waits for its end. Else it sends the result, which is the task's commit, and acknowledges the
//!   message.
//! - `cancel` is a CAS QUEUED -> CANCELLED. `condemn` is a CAS of the word that was looked at,
//!   RUNNING with its item, to CONDEMNED. Only then the worker is killed, so no task is killed that
//!   began later.
//! - [`settle`]: after a death the parent takes the dead letters *first*, then the results, until a
//!   look that began after that finds none, and only then it judges the letters. A task whose
//!   result was found has been answered, and its letter means nothing. The other order would run
//!   a task again whose result is committed between the looks.
//!
//! A word is not used for another task before its message is known to be taken: by a result, or as
//! a dead letter. So no worker holds the message of a task that used the word before.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | worker, before `begin` | QUEUED, its message a dead letter | the parent sends it again |
//! | RUNNING | RUNNING, a dead letter; the results of items in the place's buffer | the parent: it keeps those results, and sends the task from the running item on, or fails it |
//! | DONE, before the result is sent | as RUNNING | as RUNNING |
//! | after that, before the acknowledgement | the result and a dead letter | the parent finds the result first |
//! | CONDEMNED | as RUNNING | the parent knows why |
//! | with CANCELLED in hand | a dead letter | the parent frees the word |
//! | while it opens the buffer | a record of another task, or of none | the parent finds no item of this task |
//! | among the bytes of a result | a count that does not have them | they do not count |
//! | parent | | its workers end with it; a worker that it condemned and did not kill looks for its end |
//!
//! A stopped worker delays its own task; a condemned one is killed all the same. The parent waits
//! for no worker.
//!
//! # Ordering
//!
//! (T1) the time is stored before the RUNNING that it belongs to: the reader of that RUNNING reads
//! this time or a later one, so no task is condemned too early. (T2) the count is released after
//! the bytes of the result. What the arguments and results are is passed by the queues.
//!
//! # Wraps
//!
//! Each sending of a task has an id of its own, which makes its word another one; the attempt, 6
//! bits, is `sent % (MAX_SENT + 1)`, and comes again. An id, 27 bits, may come again in another
//! sending, and never while a worker holds the message of the former one.

#[cfg(not(loom))]
pub(crate) mod layout;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;

use crate::facade::{AtomicU64, Ordering, mutation, ordering};

const STATE_BITS: u32 = 3;
const ITEM_BITS: u32 = 16;
const PLACE_BITS: u32 = 12;
const ATTEMPT_BITS: u32 = 6;
const ITEM_SHIFT: u32 = STATE_BITS;
const PLACE_SHIFT: u32 = ITEM_SHIFT + ITEM_BITS;
const ATTEMPT_SHIFT: u32 = PLACE_SHIFT + PLACE_BITS;
const ID_SHIFT: u32 = ATTEMPT_SHIFT + ATTEMPT_BITS;

/// The most items of a task.
pub(crate) const MAX_ITEMS: u32 = (1 << ITEM_BITS) - 1;
/// The most places of workers.
pub(crate) const MAX_PLACES: u32 = 1 << PLACE_BITS;
/// The most that the attempt of a word can be.
pub(crate) const MAX_SENT: u32 = (1 << ATTEMPT_BITS) - 1;

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// The word belongs to no task.
    Free,
    Queued,
    Running,
    /// All items ran; the result is being sent, or was sent.
    Done,
    Cancelled,
    Condemned,
}

const STATES: [TaskState; 6] = [
    TaskState::Free,
    TaskState::Queued,
    TaskState::Running,
    TaskState::Done,
    TaskState::Cancelled,
    TaskState::Condemned,
];

/// The value of a task's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskWord(pub(crate) u64);

impl TaskWord {
    /// The word of a task that is sent for the `attempt`-th time.
    pub(crate) fn queued(id: u64, attempt: u32) -> Self {
        let attempt = u64::from(attempt & MAX_SENT);
        Self(id << ID_SHIFT | attempt << ATTEMPT_SHIFT | TaskState::Queued as u64)
    }

    pub(crate) fn state(self) -> Option<TaskState> {
        STATES
            .into_iter()
            .find(|state| *state as u64 == self.0 & ((1 << STATE_BITS) - 1))
    }

    pub(crate) fn place(self) -> u32 {
        self.field(PLACE_SHIFT, PLACE_BITS)
    }

    pub(crate) fn item(self) -> u32 {
        self.field(ITEM_SHIFT, ITEM_BITS)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a field is 16 bits at most"
    )]
    fn field(self, shift: u32, bits: u32) -> u32 {
        (self.0 >> shift & ((1 << bits) - 1)) as u32
    }

    fn with(self, state: TaskState) -> Self {
        Self(self.0 & !((1 << STATE_BITS) - 1) | state as u64)
    }

    fn at_place(self, place: u32) -> Self {
        Self(self.0 | u64::from(place) << PLACE_SHIFT)
    }

    fn next_item(self) -> Self {
        Self(self.0.wrapping_add(1 << ITEM_SHIFT))
    }
}

/// The word of a task and the time beside it, where they are in the segment.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) word: &'a AtomicU64,
    /// Since when the item has been running.
    pub(crate) since: &'a AtomicU64,
}

impl Task<'_> {
    pub(crate) fn load(&self) -> TaskWord {
        // ORDERING: Acquire; (T1) pairs with the Release in `change`.
        TaskWord(self.word.load(ordering(Ordering::Acquire, 673)))
    }

    fn change(&self, from: TaskWord, to: TaskWord) -> Result<TaskWord, TaskWord> {
        // ORDERING: AcqRel; (T1) releases the time. A failure acquires nothing that is used.
        let done = self.word.compare_exchange(
            from.0,
            to.0,
            ordering(Ordering::AcqRel, 674),
            Ordering::Acquire,
        );
        done.map(|_| to).map_err(TaskWord)
    }

    /// Parent: queues a task, or sends it again. No worker has its message.
    pub(crate) fn queue(&self, queued: TaskWord) {
        // ORDERING: Release; the queue passes the message anyway.
        self.word.store(queued.0, Ordering::Release);
    }

    /// Parent: the word belongs to no task any more.
    pub(crate) fn free(&self) {
        // ORDERING: Release; as `queue`.
        self.word.store(TaskState::Free as u64, Ordering::Release);
    }

    /// Parent: cancels a task that has not begun. Returns whether it was cancelled.
    pub(crate) fn cancel(&self, queued: TaskWord) -> bool {
        self.change(queued, queued.with(TaskState::Cancelled))
            .is_ok()
    }

    /// Parent: condemns a task that was found running. Returns whether it still was, at that item;
    /// then, and only then, its worker is to be killed.
    pub(crate) fn condemn(&self, found: TaskWord) -> bool {
        if found.state() != Some(TaskState::Running) {
            return false;
        }
        if mutation(670) {
            // ORDERING: as above.
            self.word
                .store(found.with(TaskState::Condemned).0, Ordering::Release);
            return true;
        }
        let found = if mutation(672) { self.load() } else { found };
        self.change(found, found.with(TaskState::Condemned)).is_ok()
    }

    /// Worker: begins a task. It does not run if that is refused.
    pub(crate) fn begin(
        &self,
        queued: TaskWord,
        place: u32,
        now: u64,
    ) -> Result<TaskWord, TaskWord> {
        let running = queued.with(TaskState::Running).at_place(place);
        if !mutation(675) {
            self.stamp(now);
        }
        if mutation(667) {
            // ORDERING: as above.
            self.word.store(running.0, Ordering::Release);
            return Ok(running);
        }
        let begun = self.change(queued, running);
        if mutation(675) {
            self.stamp(now);
        }
        begun
    }

    fn stamp(&self, now: u64) {
        // ORDERING: Relaxed; (T1) the change of the word releases it.
        self.since.store(now, Ordering::Relaxed);
    }

    /// Since when the item of a RUNNING that was loaded before has been running, or one behind it.
    pub(crate) fn since(&self) -> u64 {
        // ORDERING: Relaxed; (T1) the load of the word acquired it.
        self.since.load(Ordering::Relaxed)
    }

    /// Worker: goes on to the next item. If that is refused, the worker is condemned.
    pub(crate) fn advance(&self, running: TaskWord, now: u64) -> Result<TaskWord, TaskWord> {
        self.stamp(now);
        let next = running.next_item();
        if mutation(671) {
            // ORDERING: as above.
            self.word.store(next.0, Ordering::Release);
            return Ok(next);
        }
        self.change(running, next)
    }

    /// Worker: ends a task. If that is refused, the worker is condemned, and sends no result.
    pub(crate) fn finish(&self, running: TaskWord) -> Result<TaskWord, TaskWord> {
        let done = running.with(TaskState::Done);
        if mutation(669) {
            // ORDERING: as above.
            self.word.store(done.0, Ordering::Release);
            return Ok(done);
        }
        self.change(running, done)
    }
}

const BYTES_BITS: u32 = 32;

/// The record of a worker's place: whose results its buffer holds.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) task: &'a AtomicU64,
    /// The items, and below them the bytes of the buffer that they take.
    pub(crate) done: &'a AtomicU64,
}

/// How much of a task lies in a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// The items.
    pub(crate) items: u32,
    /// The bytes of the buffer that their results take.
    pub(crate) bytes: u32,
}

impl Place<'_> {
    /// Worker: the buffer belongs to that task from now on, and holds no result.
    pub(crate) fn open(&self, task: u64) {
        if mutation(676) {
            // ORDERING: as below.
            self.task.store(task, Ordering::Release);
        }
        // ORDERING: Release; a death after it leaves the former task with no item.
        self.done.store(0, Ordering::Release);
        // ORDERING: Release; after the count.
        self.task.store(task, Ordering::Release);
    }

    /// Worker: the results of so many items lie in the buffer. It is the commit of the last of
    /// them.
    #[inline(always)]
    pub(crate) fn record(&self, done: Done) {
        let word = u64::from(done.items) << BYTES_BITS | u64::from(done.bytes);
        // ORDERING: Release; (T2).
        self.done.store(word, Ordering::Release);
    }

    /// Parent: how much of the task lies in the buffer of a worker that has died.
    #[expect(clippy::cast_possible_truncation, reason = "either half is 32 bits")]
    pub(crate) fn read(&self, task: u64) -> Done {
        // ORDERING: Acquire; pairs with `open`.
        if self.task.load(Ordering::Acquire) != task || mutation(677) {
            return Done::default();
        }
        // ORDERING: Acquire; (T2).
        let word = self.done.load(Ordering::Acquire);
        Done {
            items: (word >> BYTES_BITS) as u32,
            bytes: word as u32,
        }
    }
}

/// What the parent finds after a death.
pub(crate) trait Mail {
    /// Takes the dead letters, to be judged.
    fn take_letters(&mut self);

    /// Takes the results that are there, until a look finds none.
    fn take_results(&mut self);

    /// Judges the letters that were taken: those of tasks without a result died with their workers.
    fn judge(&mut self);
}

/// Parent: finds out what became of the tasks of workers that died.
pub(crate) fn settle(mail: &mut impl Mail) {
    if mutation(668) {
        mail.take_results();
    }
    mail.take_letters();
    if !mutation(668) {
        mail.take_results();
    }
    mail.judge();
}

#[cfg(test)]
pub(crate) mod tests;

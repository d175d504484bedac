//! What becomes of the tasks of workers that died.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard};

use super::TaskError;
use super::core::Core;
use super::message::TaskHeader;
use super::segment::PoolSegment;
use super::table::{SLOT_BITS, Table};
use super::worker::RETIRED;
use crate::algorithm::tasks::{MAX_SENT, Mail, TaskState, TaskWord, settle};
use crate::codec;
use crate::process::Process;

/// How often a task that did not begin, or whose worker left after another one, is sent again for
/// free: a task that kills workers before it begins would do so without end.
const FREE_SENDS: u8 = 3;

const SIGABRT: i32 = 6;

/// A message whose worker has died.
pub(super) struct Letter {
    pub(super) header: TaskHeader,
    pub(super) message: Vec<u8>,
}

/// What the program is to be asked of a letter, without the pool's lock: its code may take long, or
/// use the pool.
pub(super) struct Question {
    letter: Letter,
    wanted: fn(&TaskError) -> bool,
    error: TaskError,
}

impl Question {
    /// Asks whether the task runs again after the error. A panic is a no.
    pub(super) fn ask(self) -> (Letter, bool) {
        let asked = catch_unwind(AssertUnwindSafe(|| (self.wanted)(&self.error)));
        let answer = asked.unwrap_or_else(|payload| {
            // Its drop may panic.
            std::mem::forget(payload);
            false
        });
        (self.letter, answer)
    }
}

/// What becomes of a letter.
enum Judgement {
    Done,
    /// Its worker is not known to have ended yet.
    Later(Letter),
    Asks(Question),
}

impl Table {
    /// Whether a task's word says that it is with a worker that has ended, while its message has
    /// not come back.
    pub(super) fn misses_a_letter(&self, shared: &PoolSegment) -> bool {
        let mut tasks = self.slots.iter().enumerate();
        tasks.any(|(slot, task)| {
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            let place = task.as_ref().and(shared.task(slot)).and_then(|word| {
                let word = word.load();
                let begun = [TaskState::Running, TaskState::Done, TaskState::Condemned];
                let has_begun = word.state().is_some_and(|state| begun.contains(&state));
                has_begun.then(|| word.place())
            });
            let seat = place.and_then(|place| self.workers.seats.get(usize::try_from(place).ok()?));
            seat.is_some_and(|seat| seat.exit.is_some())
        })
    }

    /// Whether a letter may come: of a task that [misses one](Self::misses_a_letter), or of a task
    /// whose worker had taken it and not begun, as far as the segment's registry knows.
    pub(super) fn expects_a_letter(&self, shared: &PoolSegment) -> bool {
        self.workers.may_leave_letters() || self.misses_a_letter(shared)
    }

    pub(super) fn add_letters(&mut self, letters: impl IntoIterator<Item = Letter>) {
        self.letters.extend(letters);
    }

    /// Judges the letters: their tasks died with their workers, unless they have been answered.
    pub(super) fn judge(&mut self, shared: &PoolSegment) {
        for letter in std::mem::take(&mut self.letters) {
            self.judge_letter(shared, letter, None);
        }
    }

    /// Judges a letter, of which the program has given that answer, if it was asked.
    pub(super) fn judge_letter(
        &mut self,
        shared: &PoolSegment,
        letter: Letter,
        answer: Option<bool>,
    ) {
        match self.judge_one(shared, letter, answer) {
            None | Some(Judgement::Done) => {}
            Some(Judgement::Later(letter)) => self.letters.push(letter),
            Some(Judgement::Asks(question)) => self.questions.push(question),
        }
    }

    /// As [`judge_letter`](Self::judge_letter); `None` if there is no such task any more.
    fn judge_one(
        &mut self,
        shared: &PoolSegment,
        letter: Letter,
        answer: Option<bool>,
    ) -> Option<Judgement> {
        let id = letter.header.id;
        let word = shared.task(letter.header.slot)?.load();
        let last_exit = self.workers.last_exit;
        self.by_id(id)?;
        let state = word.state();
        let (started, exit) = match state {
            Some(TaskState::Queued) => (false, last_exit),
            Some(TaskState::Running | TaskState::Done | TaskState::Condemned) => {
                let seat = self
                    .workers
                    .seats
                    .get(usize::try_from(word.place()).ok()?)?;
                match seat.exit {
                    Some(exit) => (true, exit),
                    None => return Some(Judgement::Later(letter)),
                }
            }
            _ => {
                self.complete_with(shared, id, &TaskError::Cancelled);
                return Some(Judgement::Done);
            }
        };
        let task = self.by_id(id)?;
        if started && task.items > letter.header.first + 1 {
            let (first, items, frames) = shared.buffer(word.place())?.read(id);
            task.take_frames(first, items, &frames);
        }
        if state == Some(TaskState::Condemned) && task.killed {
            self.complete_with(shared, id, &TaskError::Cancelled);
            return Some(Judgement::Done);
        }
        if task.received == task.items {
            self.complete(shared, id);
            return Some(Judgement::Done);
        }
        if started
            && exit.signal == Some(SIGABRT)
            && let Some(buffer) = shared.buffer(word.place())
            && let Ok(panic) = codec::decode(&buffer.last_panic())
        {
            task.push_error(TaskError::Panicked(panic));
            self.go_on(shared, letter);
            return Some(Judgement::Done);
        }
        let condemned = state == Some(TaskState::Condemned);
        let is_late = condemned && letter.header.first + word.item() == task.received;
        let is_free = !started || exit.code == Some(RETIRED) || condemned && !is_late;
        if is_free && task.free_sends < FREE_SENDS {
            task.free_sends += 1;
        } else {
            let deaths = task.deaths.saturating_add(1);
            let error = match (is_late, task.rules.limit) {
                (true, Some(limit)) => TaskError::TimedOut {
                    limit,
                    attempts: deaths,
                },
                _ => TaskError::WorkerDied {
                    signal: exit.signal,
                    code: exit.code,
                    oom: exit.oom,
                    started,
                    attempts: deaths,
                },
            };
            let is_wanted = match (deaths <= task.rules.retries, task.rules.retry_if, answer) {
                (true, Some(wanted), None) => {
                    return Some(Judgement::Asks(Question {
                        letter,
                        wanted,
                        error,
                    }));
                }
                (is_left, _, answer) => is_left && answer.unwrap_or(true),
            };
            task.deaths = deaths;
            if is_wanted {
                self.progress.retried += 1;
            } else {
                task.push_error(error);
            }
        }
        self.go_on(shared, letter);
        Some(Judgement::Done)
    }

    /// Ends a task that has all its outcomes, and sends it again from the next item on otherwise.
    fn go_on(&mut self, shared: &PoolSegment, letter: Letter) {
        let id = letter.header.id;
        match self.by_id(id) {
            Some(task) if task.received == task.items => self.complete(shared, id),
            Some(_) => self.send_again(shared, letter),
            None => {}
        }
    }

    /// Sends a task again, from its first item without an outcome on.
    fn send_again(&mut self, shared: &PoolSegment, mut letter: Letter) {
        let (old, slot) = (letter.header.id, letter.header.slot);
        let id = self.next_id(slot);
        let Some(task) = self.by_id(old) else {
            return;
        };
        task.id = id;
        task.sent += 1;
        letter.header.id = id;
        letter.header.first = task.received;
        let word = TaskWord::queued(id >> SLOT_BITS, task.sent % (MAX_SENT + 1));
        letter.header.word = word.0;
        letter.header.write(&mut letter.message);
        if let Some(task) = shared.task(slot) {
            task.queue(word);
        }
        self.backlog.push_back((id, letter.message));
    }
}

impl Core {
    /// Finds out what became of the tasks of workers that have exited. What is the program's, or
    /// tells it, is called without the lock.
    pub(super) fn settle(&self, exited: &[Arc<Process<()>>]) -> MutexGuard<'_, Table> {
        for process in exited {
            process.spawned().record().tell();
        }
        self.shared.segment.reap();
        let mut table = self.table();
        settle(&mut Deaths {
            core: self,
            table: &mut table,
        });
        // A question is not asked twice.
        let questions = std::mem::take(&mut table.questions);
        if !questions.is_empty() {
            drop(table);
            let answered: Vec<_> = questions.into_iter().map(Question::ask).collect();
            table = self.table();
            for (letter, answer) in answered {
                table.judge_letter(&self.shared, letter, Some(answer));
            }
        }
        table
    }
}

/// What the parent finds after workers have exited.
struct Deaths<'a> {
    core: &'a Core,
    table: &'a mut Table,
}

impl Mail for Deaths<'_> {
    fn take_letters(&mut self) {
        // The dead were reaped.
        let shared = &self.core.shared;
        // Before the letters are taken: what a worker held that is not listed now is among them.
        if self.table.workers.may_leave_letters() {
            let listed = shared.segment.participants();
            let is_listed = |id| listed.iter().any(|found| found.pid == id);
            self.table.workers.keep_lingering(is_listed);
        }
        let letters = std::iter::from_fn(|| {
            loop {
                let letter = shared.tasks.dead_letters().take().ok()??;
                let message = letter.to_vec();
                let header = TaskHeader::read(&message);
                let _ = letter.ack();
                // What is no message of the parent's is of no task.
                if let Some(header) = header {
                    return Some(Letter { header, message });
                }
            }
        });
        self.table.add_letters(letters);
    }

    fn take_results(&mut self) {
        self.core.drain_into(self.table);
    }

    fn judge(&mut self) {
        self.table.judge(&self.core.shared);
    }
}

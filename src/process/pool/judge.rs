//! What becomes of the tasks of workers that died.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::TaskError;
use super::message::TaskHeader;
use super::segment::PoolSegment;
use super::table::{SLOT_BITS, Table};
use super::worker::RETIRED;
use crate::algorithm::tasks::{MAX_SENT, TaskState, TaskWord};
use crate::codec;

/// How often a task that did not begin, or whose worker left after another one, is sent again for
/// free: a task that kills workers before it begins would do so without end.
const FREE_SENDS: u8 = 3;

const SIGABRT: i32 = 6;

/// Asks the program whether a task runs again after the error. A panic is a no: the pool's lock is
/// held, and the letters that were not judged yet are in no queue.
fn says(wanted: fn(&TaskError) -> bool, error: &TaskError) -> bool {
    catch_unwind(AssertUnwindSafe(|| wanted(error))).unwrap_or_else(|payload| {
        // Its drop may panic.
        std::mem::forget(payload);
        false
    })
}

/// A message whose worker has died.
pub(super) struct Letter {
    pub(super) header: TaskHeader,
    pub(super) message: Vec<u8>,
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
            if let Some(later) = self.judge_one(shared, letter) {
                self.letters.push(later);
            }
        }
    }

    /// Judges a letter. Returns it if its worker is not known to have ended yet.
    fn judge_one(&mut self, shared: &PoolSegment, letter: Letter) -> Option<Letter> {
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
                    None => return Some(letter),
                }
            }
            _ => {
                self.complete_with(shared, id, &TaskError::Cancelled);
                return None;
            }
        };
        let task = self.by_id(id)?;
        if started && task.items > letter.header.first + 1 {
            let (first, items, frames) = shared.buffer(word.place())?.read(id);
            task.take_frames(first, items, &frames);
        }
        if state == Some(TaskState::Condemned) && task.killed {
            self.complete_with(shared, id, &TaskError::Cancelled);
            return None;
        }
        if task.received == task.items {
            self.complete(shared, id);
            return None;
        }
        if started
            && exit.signal == Some(SIGABRT)
            && let Some(buffer) = shared.buffer(word.place())
            && let Ok(panic) = codec::decode(&buffer.last_panic())
        {
            task.push_error(TaskError::Panicked(panic));
            self.go_on(shared, letter);
            return None;
        }
        let condemned = state == Some(TaskState::Condemned);
        let is_late = condemned && letter.header.first + word.item() == task.received;
        let is_free = !started || exit.code == Some(RETIRED) || condemned && !is_late;
        if is_free && task.free_sends < FREE_SENDS {
            task.free_sends += 1;
        } else {
            task.deaths = task.deaths.saturating_add(1);
            let error = match (is_late, task.rules.limit) {
                (true, Some(limit)) => TaskError::TimedOut {
                    limit,
                    attempts: task.deaths,
                },
                _ => TaskError::WorkerDied {
                    signal: exit.signal,
                    code: exit.code,
                    oom: exit.oom,
                    started,
                    attempts: task.deaths,
                },
            };
            let retries = task.deaths <= task.rules.retries;
            let wanted = |asked| says(asked, &error);
            if retries && task.rules.retry_if.is_none_or(wanted) {
                self.progress.retried += 1;
            } else {
                task.push_error(error);
            }
        }
        self.go_on(shared, letter);
        None
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

//! Where the words of a pool's tasks are in their entry.

use crate::algorithm::region::WORD;

/// The bytes from one task to the next, so that they share no cache line: its word, the time beside
/// it, and which errors its worker tries again.
const STRIDE: u64 = 64;

/// The tasks, and behind them a word for each place of a worker, with the worker's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TasksLayout {
    /// The most tasks in flight.
    pub(crate) tasks: u64,
    /// The places of workers.
    pub(crate) places: u64,
    /// The bytes of the entry.
    pub(crate) len: u64,
}

impl TasksLayout {
    /// The words of a task.
    pub(crate) const TASK_WORDS: usize = (STRIDE / WORD) as usize;

    /// The layout of an entry with that configuration; `None` if there is no such entry.
    pub(crate) fn of(config: [u64; 4]) -> Option<Self> {
        let [tasks, places, 0, 0] = config else {
            return None;
        };
        if tasks == 0 || places == 0 {
            return None;
        }
        let len = Self::task(tasks)?.checked_add(places.checked_mul(WORD)?)?;
        Some(Self { tasks, places, len })
    }

    /// The offset of the words of a task.
    pub(crate) fn task(number: u64) -> Option<u64> {
        number.checked_mul(STRIDE)
    }
}

//! What a worker notes of what it is about to do, in case it is found dead.

use std::sync::atomic::{AtomicU64, Ordering};

use crossdock::Segment;

use super::worker::Worker;
use crate::process::Rig;
use crate::torture::in_this_order;
use crate::torture::worker::Ended;

/// Counts of one worker about one line; no other writes them.
#[repr(C)]
struct Counts {
    done: AtomicU64,
    /// How often it has begun to send, or to receive.
    sends: AtomicU64,
    receives: AtomicU64,
}

/// [`Counts`], as they were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) done: u64,
    pub(crate) sends: u64,
    pub(crate) receives: u64,
}

/// What survives a worker in its slot, whatever it works at: at `LINES` lines.
#[repr(C)]
pub(crate) struct Notes<const LINES: usize> {
    /// Operations.
    progress: AtomicU64,
    /// Not 0 while it sends: its lane, and one more.
    sending: AtomicU64,
    first: AtomicU64,
    count: AtomicU64,
    /// Not 0 while something may be delivered to it that is not noted.
    receiving: AtomicU64,
    counts: [Counts; LINES],
}

/// Notes that have [`Notes`] in them, and consist of atomics; and what their worker does.
pub(crate) trait WorkerNotes: Sized {
    /// How many lines there are, and how many of them have one lane only.
    const LINES: usize;
    const SINGLE: usize = 0;
    /// How much a worker does at most where it stays.
    const OPERATIONS: u64;

    /// A process's handles of the lines.
    type Yard;

    fn open(segment: &Segment) -> Rig<Self::Yard>;

    /// The worker begins, whose notes these are.
    fn begin(&'static self) {}

    /// Some work at one line.
    fn stay(worker: &mut Worker<'_, Self>, yard: &Self::Yard) -> Result<(), Ended>;

    fn advance(&self);

    fn counted(&self, line: usize) -> Counted;
}

/// More, in a word that no other process writes.
pub(crate) fn add(word: &AtomicU64, more: u64) -> u64 {
    let sum = word.load(Ordering::Relaxed) + more;
    word.store(sum, Ordering::Relaxed);
    sum
}

impl<const LINES: usize> Notes<LINES> {
    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self) {
        add(&self.progress, 1);
    }

    /// The intent to send so many items of a lane.
    pub(crate) fn begin_to_send(&self, lane: usize, first: u32, items: u32) {
        self.first.store(first.into(), Ordering::Relaxed);
        self.count.store(items.into(), Ordering::Relaxed);
        in_this_order();
        self.sending.store(lane as u64 + 1, Ordering::Relaxed);
        in_this_order();
    }

    /// They are sent, or will not be.
    pub(crate) fn end_of_sending(&self) {
        in_this_order();
        self.sending.store(0, Ordering::Relaxed);
    }

    /// The intent to receive.
    pub(crate) fn begin_to_receive(&self) {
        self.receiving.store(1, Ordering::Relaxed);
        in_this_order();
    }

    /// What was received is noted.
    pub(crate) fn end_of_receiving(&self) {
        in_this_order();
        self.receiving.store(0, Ordering::Relaxed);
    }

    /// What it was sending when it died, and no longer: a lane, a first number, and how many.
    pub(crate) fn clear_sends(&self) -> Option<(usize, u32, u32)> {
        let number = |word: &AtomicU64| u32::try_from(word.load(Ordering::Relaxed)).unwrap_or(0);
        let lane = self.sending.swap(0, Ordering::Relaxed).checked_sub(1)?;
        let lane = usize::try_from(lane).unwrap_or(usize::MAX);
        Some((lane, number(&self.first), number(&self.count)))
    }

    /// Whether it was receiving when it died, and no longer.
    pub(crate) fn clear_receives(&self) -> bool {
        self.receiving.swap(0, Ordering::Relaxed) != 0
    }

    pub(crate) fn count_done(&self, line: usize) {
        add(&self.counts[line].done, 1);
    }

    pub(crate) fn count_send(&self, line: usize) {
        add(&self.counts[line].sends, 1);
    }

    pub(crate) fn count_receive(&self, line: usize) {
        add(&self.counts[line].receives, 1);
    }

    pub(crate) fn counted(&self, line: usize) -> Counted {
        let counts = &self.counts[line];
        Counted {
            done: counts.done.load(Ordering::Relaxed),
            sends: counts.sends.load(Ordering::Relaxed),
            receives: counts.receives.load(Ordering::Relaxed),
        }
    }
}

impl std::iter::Sum for Counted {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |sum, one| Self {
            done: sum.done + one.done,
            sends: sum.sends + one.sends,
            receives: sum.receives + one.receives,
        })
    }
}

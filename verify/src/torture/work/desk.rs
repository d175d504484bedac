//! A worker's desk in the ledger: what it is about to do, for whoever finds it dead.

use std::sync::atomic::{AtomicU64, Ordering};

use super::yard::LINES;
use crate::torture::in_this_order;
use crate::torture::queues::item::Id;

/// Counts of one worker about one line; nobody else writes them.
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

/// What survives a worker in its slot.
#[repr(C)]
pub(crate) struct Desk {
    /// Operations.
    progress: AtomicU64,
    /// Not 0 while it sends: its lane, and one more.
    sending: AtomicU64,
    number: AtomicU64,
    /// Not 0 while something may be delivered to it that is not noted.
    receiving: AtomicU64,
    /// Not 0 while it makes the end of a message: its word.
    ending: AtomicU64,
    /// Deliveries, those of a message that came before, and those that it knows somebody has died with
    /// unnoted.
    delivered: AtomicU64,
    again: AtomicU64,
    unnoted: AtomicU64,
    /// How many dead letters it has made the end of.
    letters: AtomicU64,
    counts: [Counts; LINES],
}

/// What a worker has left undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    /// A lane and a number: sent, or not.
    pub(crate) sends: Option<(usize, u32)>,
    /// A message was delivered to it, or not.
    pub(crate) receives: bool,
    /// A message that is done, or comes again.
    pub(crate) ends: Option<Id>,
}

/// How many deliveries there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deliveries {
    pub(crate) all: u64,
    pub(crate) again: u64,
    pub(crate) unnoted: u64,
    pub(crate) letters: u64,
}

/// More, in a word that nobody else writes.
fn add(word: &AtomicU64, more: u64) {
    let sum = word.load(Ordering::Relaxed) + more;
    word.store(sum, Ordering::Relaxed);
}

impl Desk {
    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self) {
        add(&self.progress, 1);
    }

    /// The intent to send.
    pub(crate) fn begin_to_send(&self, lane: usize, number: u32) {
        self.number.store(number.into(), Ordering::Relaxed);
        in_this_order();
        self.sending.store(lane as u64 + 1, Ordering::Relaxed);
        in_this_order();
    }

    /// It is sent, or will not be.
    pub(crate) fn end_of_sending(&self) {
        in_this_order();
        self.sending.store(0, Ordering::Relaxed);
    }

    /// The intent to receive.
    pub(crate) fn begin_to_receive(&self) {
        self.receiving.store(1, Ordering::Relaxed);
        in_this_order();
    }

    /// What was delivered is noted.
    pub(crate) fn end_of_receiving(&self) {
        in_this_order();
        self.receiving.store(0, Ordering::Relaxed);
    }

    /// The intent to acknowledge a message.
    pub(crate) fn begin_to_end(&self, word: u64) {
        in_this_order();
        self.ending.store(word, Ordering::Relaxed);
        in_this_order();
    }

    /// It is noted that it was.
    pub(crate) fn end_of_ending(&self) {
        in_this_order();
        self.ending.store(0, Ordering::Relaxed);
    }

    /// Clears the desk of a worker that is gone.
    pub(crate) fn clear(&self) -> Undone {
        let number = u32::try_from(self.number.load(Ordering::Relaxed)).unwrap_or(0);
        let lane = self.sending.swap(0, Ordering::Relaxed).checked_sub(1);
        let ends = self.ending.swap(0, Ordering::Relaxed);
        Undone {
            sends: lane.map(|lane| (usize::try_from(lane).unwrap_or(usize::MAX), number)),
            receives: self.receiving.swap(0, Ordering::Relaxed) != 0,
            ends: (ends != 0).then(|| Id::of(ends)).flatten(),
        }
    }

    pub(crate) fn count_delivery(&self, is_again: bool, unnoted: u64) {
        add(&self.delivered, 1);
        add(&self.again, is_again.into());
        add(&self.unnoted, unnoted);
    }

    /// One message is done; a dead letter with so many deliveries that were not noted.
    pub(crate) fn count_done(&self, line: usize, letter: Option<u64>) {
        add(&self.counts[line].done, 1);
        add(&self.letters, letter.is_some().into());
        add(&self.unnoted, letter.unwrap_or(0));
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

    pub(crate) fn deliveries(&self) -> Deliveries {
        Deliveries {
            all: self.delivered.load(Ordering::Relaxed),
            again: self.again.load(Ordering::Relaxed),
            unnoted: self.unnoted.load(Ordering::Relaxed),
            letters: self.letters.load(Ordering::Relaxed),
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

impl std::iter::Sum for Deliveries {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |sum, one| Self {
            all: sum.all + one.all,
            again: sum.again + one.again,
            unnoted: sum.unnoted + one.unnoted,
            letters: sum.letters + one.letters,
        })
    }
}

//! A worker's desk in the ledger: what it is about to do, for whoever finds it dead.

use std::sync::atomic::{AtomicU64, Ordering};

use super::item::Id;
use super::yard::LINES;
use crate::torture::in_this_order;

/// How many items are sent or received at once at most.
pub(crate) const BATCH: usize = 16;

/// Counts of one worker about one line; nobody else writes them.
#[repr(C)]
pub(crate) struct Counts {
    received: AtomicU64,
    redelivered: AtomicU64,
    /// How often it has begun to send, or to receive.
    sends: AtomicU64,
    receives: AtomicU64,
}

/// What survives a worker in its slot.
#[repr(C)]
pub(crate) struct Desk {
    /// Operations.
    progress: AtomicU64,
    /// Not 0 while it sends: its lane, and one more.
    sending: AtomicU64,
    first: AtomicU64,
    count: AtomicU64,
    /// Not 0 while it receives.
    receiving: AtomicU64,
    /// How many items it has read since it began to receive, and which: the last ones.
    touched: AtomicU64,
    /// How many it has ever read.
    read: AtomicU64,
    hand: [AtomicU64; BATCH],
    counts: [Counts; LINES],
}

/// What a worker has left undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    /// A lane, a first number, and how many from there: sent, or not.
    pub(crate) sends: Option<(usize, u32, u32)>,
    /// Items that were read: received, or not.
    pub(crate) hand: Vec<Id>,
}

/// One more, in a word that nobody else writes.
fn count(word: &AtomicU64) -> u64 {
    let more = word.load(Ordering::Relaxed) + 1;
    word.store(more, Ordering::Relaxed);
    more
}

impl Desk {
    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self) {
        count(&self.progress);
    }

    /// The intent to send.
    pub(crate) fn begin_to_send(&self, lane: usize, first: u32, items: u32) {
        self.first.store(first.into(), Ordering::Relaxed);
        self.count.store(items.into(), Ordering::Relaxed);
        in_this_order();
        self.sending.store(lane as u64 + 1, Ordering::Relaxed);
        in_this_order();
    }

    /// What was to be sent is sent, or will not be.
    pub(crate) fn end_of_sending(&self) {
        in_this_order();
        self.sending.store(0, Ordering::Relaxed);
    }

    /// The intent to receive.
    pub(crate) fn begin_to_receive(&self) {
        self.touched.store(0, Ordering::Relaxed);
        in_this_order();
        self.receiving.store(1, Ordering::Relaxed);
        in_this_order();
    }

    /// An item is being read; the how many-th ever.
    pub(crate) fn count_read(&self) -> u64 {
        count(&self.read)
    }

    /// An item is read, and may be received from now on.
    pub(crate) fn touch(&self, word: u64) {
        in_this_order();
        let touched = self.touched.load(Ordering::Relaxed);
        let place = usize::try_from(touched).unwrap_or(0) % BATCH;
        self.hand[place].store(word, Ordering::Relaxed);
        in_this_order();
        self.touched.store(touched + 1, Ordering::Relaxed);
        in_this_order();
    }

    /// What was received is marked as arrived.
    pub(crate) fn end_of_receiving(&self) {
        in_this_order();
        self.receiving.store(0, Ordering::Relaxed);
    }

    /// Clears the desk of a worker that is gone.
    pub(crate) fn clear(&self) -> Undone {
        let mut undone = Undone::default();
        let number = |word: &AtomicU64| u32::try_from(word.load(Ordering::Relaxed)).unwrap_or(0);
        if let Some(lane) = self.sending.swap(0, Ordering::Relaxed).checked_sub(1) {
            let lane = usize::try_from(lane).unwrap_or(usize::MAX);
            undone.sends = Some((lane, number(&self.first), number(&self.count)));
        }
        if self.receiving.swap(0, Ordering::Relaxed) != 0 {
            let touched = usize::try_from(self.touched.load(Ordering::Relaxed)).unwrap_or(BATCH);
            let hand = self.hand.iter().take(touched);
            undone.hand = hand
                .filter_map(|word| Id::of(word.load(Ordering::Relaxed)))
                .collect();
        }
        undone
    }

    pub(crate) fn count_received(&self, line: usize, redelivered: bool) {
        count(&self.counts[line].received);
        if redelivered {
            count(&self.counts[line].redelivered);
        }
    }

    pub(crate) fn count_send(&self, line: usize) {
        count(&self.counts[line].sends);
    }

    pub(crate) fn count_receive(&self, line: usize) {
        count(&self.counts[line].receives);
    }

    pub(crate) fn counted(&self, line: usize) -> Counted {
        let counts = &self.counts[line];
        let [received, redelivered, sends, receives] = [
            &counts.received,
            &counts.redelivered,
            &counts.sends,
            &counts.receives,
        ]
        .map(|word| word.load(Ordering::Relaxed));
        Counted {
            received,
            redelivered,
            sends,
            receives,
        }
    }
}

/// [`Counts`], as they were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) received: u64,
    pub(crate) redelivered: u64,
    pub(crate) sends: u64,
    pub(crate) receives: u64,
}

impl std::iter::Sum for Counted {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |sum, one| Self {
            received: sum.received + one.received,
            redelivered: sum.redelivered + one.redelivered,
            sends: sum.sends + one.sends,
            receives: sum.receives + one.receives,
        })
    }
}

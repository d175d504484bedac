//! What a worker notes of items: how many, and which it has read and perhaps not received.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use super::yard::LINES;
use crate::torture::in_this_order;
use crate::torture::traffic::item::Id;
use crate::torture::traffic::{Notes, add};

/// How many items are sent or received at once at most.
pub(crate) const BATCH: usize = 16;

#[repr(C)]
pub(crate) struct ItemNotes {
    notes: Notes<LINES>,
    /// How many items it has read since it began to receive, and which: the last ones.
    touched: AtomicU64,
    /// How many it has ever read.
    read: AtomicU64,
    hand: [AtomicU64; BATCH],
    /// How many of those that it has received were redelivered.
    redelivered: AtomicU64,
}

/// What a worker has left undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Undone {
    /// A lane, a first number, and how many from there: sent, or not.
    pub(crate) sends: Option<(usize, u32, u32)>,
    /// Items that were read: received, or not.
    pub(crate) hand: Vec<Id>,
}

impl Deref for ItemNotes {
    type Target = Notes<LINES>;

    fn deref(&self) -> &Self::Target {
        &self.notes
    }
}

impl ItemNotes {
    /// The intent to receive.
    pub(crate) fn begin_to_receive(&self) {
        self.touched.store(0, Ordering::Relaxed);
        in_this_order();
        self.notes.begin_to_receive();
    }

    /// An item is being read; the how many-th ever.
    pub(crate) fn count_read(&self) -> u64 {
        add(&self.read, 1)
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

    /// Clears the notes of a worker that is gone.
    pub(crate) fn clear(&self) -> Undone {
        let sends = self.clear_sends();
        let mut hand = Vec::new();
        if self.clear_receives() {
            let touched = usize::try_from(self.touched.load(Ordering::Relaxed)).unwrap_or(BATCH);
            let words = self.hand.iter().take(touched);
            hand.extend(words.filter_map(|word| Id::of(word.load(Ordering::Relaxed))));
        }
        Undone { sends, hand }
    }

    pub(crate) fn count_received(&self, line: usize, redelivered: bool) {
        self.count_done(line);
        add(&self.redelivered, redelivered.into());
    }

    pub(crate) fn redelivered(&self) -> u64 {
        self.redelivered.load(Ordering::Relaxed)
    }
}

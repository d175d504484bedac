//! What a worker notes of messages: which it is about to acknowledge, and how many were delivered
//! to it.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use super::yard::LINES;
use crate::torture::in_this_order;
use crate::torture::traffic::item::Id;
use crate::torture::traffic::{Notes, add};

#[repr(C)]
pub(crate) struct TaskNotes {
    notes: Notes<LINES>,
    /// Not 0 while it makes the end of a message: its word.
    ending: AtomicU64,
    /// Deliveries, those of a message that came before, and those of which it knows that a process
    /// has died with them unnoted.
    delivered: AtomicU64,
    again: AtomicU64,
    unnoted: AtomicU64,
    /// How many dead letters it has made the end of.
    letters: AtomicU64,
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

impl Deref for TaskNotes {
    type Target = Notes<LINES>;

    fn deref(&self) -> &Self::Target {
        &self.notes
    }
}

impl TaskNotes {
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

    /// Clears the notes of a worker that is gone.
    pub(crate) fn clear(&self) -> Undone {
        let ends = self.ending.swap(0, Ordering::Relaxed);
        Undone {
            sends: self.clear_sends().map(|(lane, number, _)| (lane, number)),
            receives: self.clear_receives(),
            ends: (ends != 0).then(|| Id::of(ends)).flatten(),
        }
    }

    pub(crate) fn count_delivery(&self, is_again: bool, unnoted: u64) {
        add(&self.delivered, 1);
        add(&self.again, is_again.into());
        add(&self.unnoted, unnoted);
    }

    /// One message is done; a dead letter with so many deliveries that were not noted.
    pub(crate) fn count_end(&self, line: usize, letter: Option<u64>) {
        self.count_done(line);
        add(&self.letters, letter.is_some().into());
        add(&self.unnoted, letter.unwrap_or(0));
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

//! Which thread of this process received the message of a cell.
//!
//! A word for each cell, private to the process, beside the handles of the queue: the cell's word
//! as it was delivered, with the thread's number in the place of the process's tag. A later
//! delivery has another word, so an old note is never taken for one of it, and nothing has to be
//! erased. Only the thread that made a note finds its own number there, so it needs no ordering. A
//! forked child has a copy, in which its parent's deliveries are noted: of its own are only those
//! whose word has its own tag.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::algorithm::work::layout::CellWord;
use crate::facade::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::participant::Tag;

/// The notes of a queue.
///
/// Invariant 1: there are as many as the queue has cells, and they stay as long as the mapping.
#[derive(Clone, Copy)]
pub(super) struct Receipts(NonNull<[AtomicU64]>);

impl Receipts {
    /// `notes` are as Invariant 1 says.
    pub(super) fn new(notes: NonNull<[AtomicU64]>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self(notes)
    }

    /// The calling thread has received the message of a cell.
    #[inline(always)]
    pub(super) fn note(&self, cell: u32, word: CellWord) {
        if let Some(note) = self.notes().get(cell as usize) {
            note.store(word.0 ^ u64::from(this_thread()), Relaxed);
        }
    }

    /// Whether the calling thread has received the message that the cell with that word has.
    pub(super) fn is_own(&self, cell: u32, word: CellWord) -> bool {
        let note = self.notes().get(cell as usize);
        note.is_some_and(|note| note.load(Relaxed) == word.0 ^ u64::from(this_thread()))
    }

    #[inline(always)]
    fn notes(&self) -> &[AtomicU64] {
        // SAFETY: Invariant 1: a handle keeps the mapping. Atomics may be shared.
        unsafe { self.0.as_ref() }
    }
}

thread_local! {
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

/// The calling thread's number, which no other thread has unless 2^29 were started in between.
#[inline(always)]
fn this_thread() -> u32 {
    match THREAD.get() {
        0 => number_this_thread(),
        number => number,
    }
}

#[cold]
fn number_this_thread() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Relaxed) % Tag::MASK + 1;
    THREAD.set(number);
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::work::layout::State;

    #[test]
    fn a_note_is_of_one_thread_and_one_delivery() {
        let notes = [const { AtomicU64::new(0) }; 2];
        let receipts = || Receipts::new(NonNull::from(&notes[..]));
        let me = Tag::new(1, 1).unwrap();
        let first = CellWord(0).delivered(me);
        assert!(!receipts().is_own(0, first));
        receipts().note(0, first);
        assert!(receipts().is_own(0, first));
        assert!(!receipts().is_own(1, first) && !receipts().is_own(2, first));
        let again = first.unowned(State::Returned).delivered(me);
        assert!(!receipts().is_own(0, again));
        let notes = &notes;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let receipts = Receipts::new(NonNull::from(&notes[..]));
                assert!(!receipts.is_own(0, first));
                receipts.note(0, first);
            });
        });
        assert!(!receipts().is_own(0, first));
    }
}

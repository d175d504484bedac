//! The cells of a work queue, whatever messages are in them.

use std::ptr::NonNull;

use super::receipts::Receipts;
use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::entry;
use crate::algorithm::work::layout::{CELL_WORDS, CellWord, WorkLayout};
use crate::algorithm::work::returned::Due;
use crate::algorithm::work::{Cursor, OwnedCell, Storage, Work, WorkState};
use crate::facade::{AtomicU64, Ordering, WaitHistory};
use crate::format::Kind;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::queue::Wait;
use crate::queue::counted::Counts;
use crate::segment::{Entry, EntryRef, Fault, MembershipError};
use crate::wait::WaitMode;
use crate::wait::event_count::{EventCount, use_events};
use crate::wait::select::NotMember;

/// A handle of a work queue, whatever its messages are.
pub(super) struct Pool {
    pub(super) state: EntryRef<WorkState>,
    /// Invariant 1: as many words as there are slots are mapped there, as long as `state`.
    slots: NonNull<AtomicU64>,
    /// Invariant 2: as many cells as `layout` says are mapped there, likewise, each aligned to 64
    /// and to its message.
    cells: NonNull<u8>,
    /// Invariant 3: as many counts as the segment has participants are mapped there, likewise.
    counts: NonNull<[AtomicU64]>,
    /// Which thread of this process received the message of a cell.
    receipts: Receipts,
    layout: WorkLayout,
    kind: Kind,
    cell_size: usize,
    cursor: [AtomicU64; 7],
    pub(super) wait: Wait,
    /// Of waits for room, for a message, for idleness, and for several.
    waits: [WaitHistory; 4],
}

/// An epoch, and when a message of it is due, as one word: of two threads that keep what they know,
/// one may overwrite the other's, but no thread reads the epoch of one and the time of the other,
/// which would lose a message.
#[inline(always)]
fn packed(epoch: u64, due: Due) -> u64 {
    epoch << Due::BITS | due.bits()
}

/// What was [`packed`].
#[inline(always)]
fn unpacked(word: u64) -> (u64, Due) {
    (word >> Due::BITS, Due::from_bits(word))
}

// SAFETY: what is reached through the pointers is atomic, or the message of a cell, which the
// cell's owner reaches alone, or only reads.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// Where the words are.
#[derive(Clone, Copy)]
pub(super) struct Words<'a>(&'a Pool);

impl Words<'_> {
    /// What a cell begins with.
    #[inline(always)]
    fn words(&self, index: u32) -> &[AtomicU64; CELL_WORDS / size_of::<AtomicU64>()] {
        // SAFETY: below the number of cells, by the word of `Storage`: Invariant 2, and a cell
        // begins with its words. Atomics may be shared.
        unsafe { self.0.cell(index).cast().as_ref() }
    }
}

impl Storage for Words<'_> {
    #[inline(always)]
    fn slot(&self, index: u64) -> &AtomicU64 {
        #[expect(clippy::cast_possible_truncation, reason = "all slots are in memory")]
        let index = index as usize;
        // SAFETY: below the number of slots, by the trait's word: Invariant 1.
        let slot = unsafe { self.0.slots.add(index) };
        // SAFETY: as above; atomics may be shared.
        unsafe { slot.as_ref() }
    }

    #[inline(always)]
    fn cell(&self, index: u32) -> &AtomicU64 {
        &self.words(index)[0]
    }

    #[inline(always)]
    fn not_before(&self, index: u32) -> &AtomicU64 {
        &self.words(index)[1]
    }

    #[inline(always)]
    fn len(&self, index: u32) -> &AtomicU64 {
        &self.words(index)[2]
    }

    #[inline(always)]
    fn next(&self, index: u32) -> &AtomicU64 {
        &self.words(index)[3]
    }

    #[inline(always)]
    fn record_receipt(&self, mine: OwnedCell) {
        self.0.receipts.note(mine.cell, mine.word);
    }

    fn is_own(&self, index: u32, word: CellWord) -> bool {
        self.0.receipts.is_own(index, word)
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            slots: self.slots,
            cells: self.cells,
            counts: self.counts,
            receipts: self.receipts,
            layout: self.layout,
            kind: self.kind,
            cell_size: self.cell_size,
            // ORDERING: Acquire; (W3) of `algorithm::work`, within this process.
            cursor: [0, 1, 2, 3, 4, 5, 6]
                .map(|at: usize| AtomicU64::new(self.cursor[at].load(Ordering::Acquire))),
            wait: self.wait,
            waits: Default::default(),
        }
    }
}

impl Pool {
    /// The handle of an entry of a kind that was laid out so, with so many bytes for a message in
    /// each cell.
    pub(super) fn attach(
        entry: Entry,
        layout: WorkLayout,
        kind: Kind,
        cell_size: u64,
    ) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let state: EntryRef<WorkState> = EntryRef::new(entry)?;
        let count = |count: u64| usize::try_from(count).ok();
        // INVARIANT: 1, 2 and 3, by `payloads`; entries are aligned to 128 bytes, and so is what
        // `layout` puts the cells at.
        let cells = state.payloads(layout.cells, count(layout.cells_len())?)?;
        let region = state.region();
        let words = entry::view(&region, &layout, participants)?;
        let slots = NonNull::from(words.storage.slots).cast();
        let counts = NonNull::from(words.counts);
        let receipts = state.private_words(layout.rules.cells)?;
        use_events(state.events());
        Some(Self {
            state,
            slots,
            cells,
            counts,
            // INVARIANT: 1 of `Receipts`: they stay as long as the mapping, which `state` keeps.
            receipts: Receipts::new(receipts),
            layout,
            kind,
            cell_size: usize::try_from(cell_size).ok()?,
            cursor: Default::default(),
            wait: Wait::default(),
            waits: Default::default(),
        })
    }

    pub(super) fn entry(&self) -> &Entry {
        self.state.entry()
    }

    pub(super) fn layout(&self) -> &WorkLayout {
        &self.layout
    }

    #[inline(always)]
    pub(super) fn work(&self) -> Work<'_, Words<'_>> {
        Work {
            state: &self.state,
            // SAFETY: Invariant 3, and atomics may be shared.
            counts: unsafe { self.counts.as_ref() },
            storage: Words(self),
            rules: &self.layout.rules,
        }
    }

    /// How many bytes of a message a cell holds.
    #[inline(always)]
    pub(super) fn cell_size(&self) -> usize {
        self.cell_size
    }

    /// A word of the entry has an impossible value.
    #[cold]
    pub(super) fn corrupt(&self) -> Fault {
        Fault::corrupt(self.kind, 0_u64)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Where a side sleeps.
    pub(super) fn event_of(&self, endpoint: Endpoint) -> &EventCount {
        self.state.event(endpoint)
    }

    #[inline(always)]
    fn cell(&self, index: u32) -> NonNull<u8> {
        #[expect(clippy::cast_possible_truncation, reason = "all cells are in memory")]
        let offset = (u64::from(index) * self.layout.stride) as usize;
        // SAFETY: the callers' indices are below the number of cells: inside by Invariant 2.
        unsafe { self.cells.add(offset) }
    }

    /// Where the message of a cell is: the cell's owner may write, or read, as many bytes there as
    /// the pool was laid out for.
    #[inline(always)]
    pub(super) fn message(&self, index: u32) -> NonNull<u8> {
        debug_assert!(index < self.layout.rules.cells);
        #[expect(clippy::cast_possible_truncation, reason = "at most 128")]
        let offset = self.layout.message as usize;
        // SAFETY: as in `cell`.
        unsafe { self.cell(index).add(offset) }
    }

    /// All that this handle knows.
    #[inline(always)]
    pub(super) fn cursor(&self) -> Cursor {
        // ORDERING: Acquire; (W3), (W4) of `algorithm::work`, between this process's threads.
        let [tail, head, caught_up, looked, returned, free, checked] = self
            .cursor
            .each_ref()
            .map(|word| word.load(Ordering::Acquire));
        let (epoch, due) = unpacked(looked);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "indices of cells, stored below"
        )]
        Cursor {
            tail: Position(tail),
            head: Position(head),
            caught_up: Position(caught_up),
            epoch,
            due,
            returned: returned as u32,
            free: free as u32,
            checked: checked as u32,
        }
    }

    #[inline(always)]
    pub(super) fn keep(&self, cursor: &Cursor) {
        let words = [
            cursor.tail.0,
            cursor.head.0,
            cursor.caught_up.0,
            packed(cursor.epoch, cursor.due),
            cursor.returned.into(),
            cursor.free.into(),
            cursor.checked.into(),
        ];
        for (place, word) in self.cursor.iter().zip(words) {
            // ORDERING: Release; as for `cursor`.
            place.store(word, Ordering::Release);
        }
    }

    pub(super) fn mode(&self, which: usize) -> WaitMode<'_> {
        WaitMode::new(self.wait.pace(), &self.waits[which])
    }

    pub(super) fn history_of_several(&self) -> &WaitHistory {
        &self.waits[3]
    }

    #[cold]
    pub(super) fn join(&self) -> Result<Tag, MembershipError> {
        use_events(self.state.events());
        self.state.tag()
    }

    /// Whether there is something to receive, or to say, for one of several that are waited for.
    pub(super) fn is_ready(&self) -> bool {
        let mut cursor = self.cursor();
        let ready = self.work().is_ready_for(&mut cursor, self.me_already());
        self.keep(&cursor);
        ready
    }

    /// Returns why this process cannot wait; `None` if it can by now.
    #[cold]
    pub(super) fn lost(&self, why: NotMember) -> Option<Fault> {
        self.state.lost(why)
    }

    /// Gives back what dead participants hold.
    pub(super) fn reap_dead(&self) -> Result<(), NotMember> {
        let me = self.me().map_err(|_| NotMember::UNJOINED)?;
        let others = self.liveness(me);
        let alive = others.is_member();
        if alive {
            let mut cursor = self.cursor();
            let work = self.work();
            work.reap_dead(&mut cursor, Endpoint::Receiver, &others);
            self.keep(&cursor);
        }
        NotMember::unless(alive, me)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::algorithm::work::EPOCH_BITS;

    proptest! {
        #[test]
        fn an_epoch_and_what_is_due_are_kept(epoch in 0..1_u64 << EPOCH_BITS, due: u64) {
            let due = Due::from_bits(due);
            prop_assert_eq!(unpacked(packed(epoch, due)), (epoch, due));
        }
    }
}

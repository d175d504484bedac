//! What work queues of all kinds are made of: cells, whatever is in them.

use std::ptr::NonNull;

use super::receipts::Receipts;
use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::layout::{CELL_WORDS, CellWord, WorkLayout};
use crate::algorithm::work::returned::Due;
use crate::algorithm::work::wait::EventWaitError;
use crate::algorithm::work::{Cursor, OwnedCell, Storage, Work, WorkState};
use crate::facade::{AtomicU64, Deadline, Ordering, WaitHistory};
use crate::format::Kind;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts};
use crate::queue::Wait;
use crate::segment::{Entry, EntryRef, Fault, MembershipError, SegmentLiveness};
use crate::wait::WaitMode;
use crate::wait::event_count::{EventCount, use_events};
use crate::wait::on_event::TryError;

/// A handle of a work queue that does not know what its messages are.
pub(super) struct Pool {
    state: EntryRef<WorkState>,
    /// Invariant 1: as many words as there are slots are mapped there, as long as `state`.
    slots: NonNull<AtomicU64>,
    /// Invariant 2: as many cells as `layout` says are mapped there, likewise, each aligned to 64 and
    /// to its message.
    cells: NonNull<u8>,
    /// Invariant 3: as many counts as the segment has participants are mapped there, likewise.
    counts: NonNull<[AtomicU64]>,
    /// Which thread of this process received the message of a cell.
    receipts: Receipts,
    layout: WorkLayout,
    cursor: [AtomicU64; 7],
    pub(super) wait: Wait,
    /// Of waits for room, for a message, for idleness, and for several.
    waits: [WaitHistory; 4],
}

/// An epoch, and when a message of it is due, as one word: of two threads that keep
/// what they know, one may overwrite the other's, but nobody has the epoch of one and the time of the
/// other, and forgets a message for ever.
#[inline(always)]
fn packed(epoch: u64, due: Due) -> u64 {
    epoch << Due::BITS | due.bits()
}

/// What was [`packed`].
#[inline(always)]
fn unpacked(word: u64) -> (u64, Due) {
    (word >> Due::BITS, Due::from_bits(word))
}

// SAFETY: what is reached through the pointers is atomic, or the message of a cell, which whoever has
// the cell reaches alone, or only reads.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// Where the words are.
#[derive(Clone, Copy)]
pub(super) struct Spots<'a>(&'a Pool);

impl Spots<'_> {
    /// What a cell begins with.
    #[inline(always)]
    fn words(&self, index: u32) -> &[AtomicU64; CELL_WORDS / size_of::<AtomicU64>()] {
        // SAFETY: below the number of cells, by the word of `Storage`: Invariant 2, and a cell begins
        // with its words. Atomics may be shared with anybody.
        unsafe { self.0.cell(index).cast().as_ref() }
    }
}

impl Storage for Spots<'_> {
    #[inline(always)]
    fn slot(&self, index: u64) -> &AtomicU64 {
        #[expect(clippy::cast_possible_truncation, reason = "all slots are in memory")]
        let index = index as usize;
        // SAFETY: below the number of slots, by the trait's word: Invariant 1.
        let slot = unsafe { self.0.slots.add(index) };
        // SAFETY: as above; atomics may be shared with anybody.
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
            // ORDERING: Acquire; (W3) of `algorithm::work`, within this process.
            cursor: [0, 1, 2, 3, 4, 5, 6]
                .map(|at: usize| AtomicU64::new(self.cursor[at].load(Ordering::Acquire))),
            wait: self.wait,
            waits: Default::default(),
        }
    }
}

impl Pool {
    /// The handle of an entry that was laid out so.
    pub(super) fn attach(entry: Entry, layout: WorkLayout) -> Option<Self> {
        let participants = entry.mapping.geometry().participants as usize;
        let state: EntryRef<WorkState> = EntryRef::new(entry)?;
        let count = |count: u64| usize::try_from(count).ok();
        // INVARIANT: 1, 2 and 3, by `payloads`; entries are aligned to 128 bytes, and so is what
        // `layout` puts the cells at.
        let slots = state.payloads(layout.slots, count(layout.rules.order.capacity())?)?;
        let cells = state.payloads(layout.cells, count(layout.cells_len())?)?;
        let counts = state.payloads(layout.counts, participants)?;
        let receipts = state.private_words(layout.rules.cells)?;
        use_events(state.events());
        Some(Self {
            state,
            slots,
            cells,
            counts: NonNull::slice_from_raw_parts(counts, participants),
            // INVARIANT: 1 of `Receipts`: they stay as long as the mapping, which `state` keeps.
            receipts: Receipts::new(receipts),
            layout,
            cursor: Default::default(),
            wait: Wait::default(),
            waits: Default::default(),
        })
    }

    pub(super) fn entry(&self) -> &Entry {
        self.state.entry()
    }

    pub(super) fn kind(&self) -> Kind {
        let record = &self.entry().record;
        Kind::from_number(record.kind).unwrap_or(Kind::WorkQueue)
    }

    #[cold]
    pub(super) fn corrupt(&self) -> Fault {
        Fault::corrupt(self.kind(), 0_u64)
    }

    pub(super) fn layout(&self) -> &WorkLayout {
        &self.layout
    }

    #[inline(always)]
    pub(super) fn work(&self) -> Work<'_, Spots<'_>> {
        Work {
            state: &self.state,
            // SAFETY: Invariant 3, and atomics may be shared with anybody.
            counts: unsafe { self.counts.as_ref() },
            storage: Spots(self),
            rules: &self.layout.rules,
        }
    }

    pub(super) fn endpoints(&self) -> EndpointCounts<'_> {
        self.work().endpoints()
    }

    /// Where a side sleeps.
    pub(super) fn event_of(&self, side: Endpoint) -> &EventCount {
        self.state.event(side)
    }

    #[inline(always)]
    fn cell(&self, index: u32) -> NonNull<u8> {
        #[expect(clippy::cast_possible_truncation, reason = "all cells are in memory")]
        let offset = (u64::from(index) * self.layout.stride) as usize;
        // SAFETY: the callers' indices are below the number of cells: inside by Invariant 2.
        unsafe { self.cells.add(offset) }
    }

    /// Where the message of a cell is: whoever has the cell may write, or read, as many bytes there
    /// as the pool was laid out for.
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

    fn mode(&self, which: usize) -> WaitMode<'_> {
        WaitMode::new(self.wait.pace(), &self.waits[which])
    }

    pub(super) fn history_of_several(&self) -> &WaitHistory {
        &self.waits[3]
    }

    /// This process's tag.
    #[inline(always)]
    pub(super) fn me(&self) -> Result<Tag, MembershipError> {
        match self.me_already() {
            Some(tag) => Ok(tag),
            None => self.join(),
        }
    }

    /// This process's tag, if it has one.
    #[inline(always)]
    pub(super) fn me_already(&self) -> Option<Tag> {
        self.state.current_tag()
    }

    #[cold]
    fn join(&self) -> Result<Tag, MembershipError> {
        use_events(self.state.events());
        self.state.tag()
    }

    #[inline(always)]
    pub(super) fn liveness(&self, me: Tag) -> SegmentLiveness<'_> {
        self.state.liveness(me)
    }

    /// Forgets a membership that others have taken for dead, and says so.
    #[cold]
    pub(super) fn membership_lost(&self, me: Tag) -> MembershipError {
        self.state.membership_lost(me)
    }

    /// Takes so many free cells for one message, if there are as many.
    #[inline(always)]
    pub(super) fn try_loan(&self, me: Tag, cells: u32) -> Result<OwnedCell, TryError> {
        let mut cursor = self.cursor();
        let work = self.work();
        let mut loaned = if work.endpoints().is_over(Endpoint::Sender) {
            Err(TryError::Disconnected)
        } else {
            work.loan_span(&mut cursor, me, cells)
        };
        if loaned == Err(TryError::WouldBlock) {
            loaned = work.on_full(&mut cursor, me, cells, &self.liveness(me));
        }
        self.keep(&cursor);
        loaned
    }

    /// The same, waiting for them.
    #[cold]
    pub(super) fn wait_loan(
        &self,
        me: Tag,
        cells: u32,
        deadline: &Deadline,
    ) -> Result<OwnedCell, EventWaitError> {
        let (mut cursor, others) = (self.cursor(), self.liveness(me));
        let work = self.work();
        let loaned = work.wait_loan(&mut cursor, me, cells, &others, deadline, self.mode(0));
        self.keep(&cursor);
        loaned
    }

    /// Takes the next message, if there is one.
    #[inline(always)]
    pub(super) fn try_receive(&self, me: Tag) -> Result<OwnedCell, TryError> {
        let mut cursor = self.cursor();
        let work = self.work();
        let mut received = work.receive(&mut cursor, me);
        if received == Err(TryError::WouldBlock) {
            received = work.on_empty(&mut cursor, me, &self.liveness(me));
        }
        self.keep(&cursor);
        received
    }

    /// Takes the next message, waiting for one.
    #[cold]
    pub(super) fn wait_receive(
        &self,
        me: Tag,
        deadline: &Deadline,
    ) -> Result<OwnedCell, EventWaitError> {
        let mut cursor = self.cursor();
        let received =
            self.work()
                .wait_receive(&mut cursor, me, &self.liveness(me), deadline, self.mode(1));
        self.keep(&cursor);
        received
    }

    /// Waits until everything that was sent is done.
    pub(super) fn wait_idle(&self, me: Tag, deadline: &Deadline) -> Result<(), EventWaitError> {
        let mut cursor = self.cursor();
        let idle =
            self.work()
                .wait_idle(&mut cursor, me, &self.liveness(me), deadline, self.mode(2));
        self.keep(&cursor);
        idle
    }

    /// Whether there is something to receive, or to say, for one of several that are waited for.
    pub(super) fn is_ready(&self) -> bool {
        let mut cursor = self.cursor();
        let ready = self.work().is_ready_for(&mut cursor, self.me_already());
        self.keep(&cursor);
        ready
    }

    /// Gives back what dead participants hold. False if this process is no participant any more.
    pub(super) fn reap_dead(&self) -> bool {
        let Ok(me) = self.me() else {
            return false;
        };
        let others = self.liveness(me);
        let alive = others.is_member();
        if alive {
            let mut cursor = self.cursor();
            let work = self.work();
            work.reap_dead(&mut cursor, Endpoint::Receiver, &others);
            self.keep(&cursor);
        }
        alive
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

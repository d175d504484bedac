//! A queue of messages that stay with their receiver until it acknowledges them.
//!
//! # State
//!
//! A word for each cell, beside the message in it; a ring of slots, at least as many as cells,
//! which keeps the order; the [endpoint counts](crate::participant::endpoints); three [event
//! counts][event count]; hints.
//!
//! ```text
//! cell   63          40 39       33 32   29 28                                       0
//!        | version: 24 | attempts  | state | owner's tag, or of a part: its head      |
//! slot   63             b + 20 b + 19          20 19            0
//!        | lap: 44 - b         | cell + 1, or 0: b | version: 20  |
//!                                                   b: the bits of the number of cells
//!
//! FREE(v)                may be loaned
//! LOANED(v, tag)         is being written
//! SENDING(v, tag)        is being sent, or was sent
//! QUEUED(v)              was sent by a process that has died since
//! DELIVERED(v, a, tag)   is delivered, for the a-th time
//! RETURNED(v, a)         was delivered a times, to be redelivered
//! DELAYED(v, a, t)       the same, but not before t
//! DEAD_LETTER(v, a)      is a dead letter
//! FREEING(v, tag)        is being freed, with its parts
//! PART(v, t, head)       has been a part of the message of cell `head` since t
//! ```
//!
//! A message is sent when a slot names its cell in the version that the cell has: the cell itself
//! may say SENDING for as long as its sender lives. So a slot never has an owner, and a process
//! that is slow or stopped with a message in flight blocks no other.
//!
//! # Protocol
//!
//! ```text
//! loan       FREE(v) -CAS-> LOANED(v, me), write
//! send       LOANED(v, me) -CAS-> SENDING(v, me); is the queue closed?
//!            if not, slot FREE(l) -CAS-> READY(l, cell, v); does the registry still know me?
//!            if not, SENDING(v, me) -CAS-> QUEUED(v), or see what became of the message
//! withdraw   the queue is closed: SENDING(v, me) -CAS-> FREEING(v, me), and FREE(v + 1);
//!            if that fails, a receiver has the message: it was sent
//! receive    slot READY(l, cell, v): cell SENDING(v, any) or QUEUED(v) -CAS-> DELIVERED(v, 1, me);
//!            then, and if the cell is in another state: slot READY(l, cell, v) -CAS-> FREE(l + 1)
//! ack        DELIVERED(v, a, me) -CAS-> FREE(v + 1)
//! return     DELIVERED(v, a, me or dead) -CAS-> RETURNED(v, a),
//!            or DEAD_LETTER(v, a) after the last attempt; the epoch
//! delay      the time; DELIVERED(v, a, me) -CAS-> DELAYED(v, a, t), or DEAD_LETTER(v, a) likewise;
//!            the epoch
//! redeliver  RETURNED(v, a), or DELAYED(v, a, t) when it is due -CAS-> DELIVERED(v, a + 1, me)
//! parts      FREE(w) -CAS-> PART(w, t, head), while the head is LOANED;
//!            PART(w, t, head) -CAS-> FREE(w + 1), while the head is FREEING:
//!            a message with parts goes through DELIVERED -CAS-> FREEING(v, me) to FREE
//! ```
//!
//! Positions, the walk and the hints are those of [`mpmc`](crate::algorithm::mpmc). There are no
//! more messages than cells, and no fewer slots: a process with a cell to send finds a slot.
//! Receivers search all cells for returned messages when the epoch has changed, before they take
//! pending messages in order.
//!
//! # Crash
//!
//! [event count]: crate::wait::event_count
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | loan, before the CAS | nothing | - |
//! | loan, send, before the slot | LOANED or SENDING(v, dead), in no slot | a reaper: frees it |
//! | send, after the slot | the message | a reaper: QUEUED |
//! | the same, before notifying | a sleeper that is owed a wake | see [event count] |
//! | withdraw, after the CAS | FREEING(v, dead), in no slot | a reaper: frees it |
//! | receive, after the cell | DELIVERED(v, a, dead): the message | a reaper: returns the message |
//! | the same | its slot | before that, the reaper, or the next process at the slot: frees it |
//! | ack, before the CAS | as after the receipt | as after the receipt |
//! | ack, after the CAS | a sleeper that is owed a wake | see [event count] |
//! | ack, loan given up, in the parts | FREEING(v, dead), parts | a reaper: parts, then head |
//! | return, between time and CAS | DELIVERED(v, a, dead), not delayed | a reaper: RETURNED |
//! | return, before the epoch | an unannounced message | the reaper of the killed process |
//!
//! A receiver is told that the queue is disconnected when no message can be redelivered to it: not
//! while another thread has a message, of another process or of the receiver's own, since a thread
//! can end, by a panic, without its process. A message that the asking thread received itself does
//! not count: the thread would wait for itself. The thread that received a message is recorded
//! beside the handles, in memory that is private to the process, with the cell's whole word: a
//! record of an earlier delivery never matches a later one.
//!
//! A stopped process delays no other, except: in SENDING, before its slot, it delays processes that
//! wait for the end of a closed queue; with a message in flight, processes that wait for that
//! message, or for the queue to be idle. A process that is stopped before the epoch delays the
//! message it returned until a process that finds no message checks that cell: each such process
//! checks some cells at a time.
//!
//! A process that is reaped while alive, because other code of its process unmapped its lock, loses
//! its cells, and its next CAS fails, since it expects the process's own word. The slot of a send
//! is not such a word: a reaper may have loaded it before the message was there, and frees the
//! cell. So a sender checks afterwards whether the registry still knows it; only if not is the
//! outcome in doubt, and the sender resolves or reports it.
//!
//! # Ordering
//!
//! (W1) A slot is made READY (Release) after the message is written, and loaded (Acquire) before it
//! is read; a returned message passes through the cell's word (Release, Acquire). (W2) FREE is
//! stored (Release) after the message is read, and loaned (Acquire) before another is written. (W3)
//! Walkers load slots (Acquire), and hints are set (Release) and loaded (Acquire), as (Q3) of
//! `mpmc`. (W4) The epoch (Release, Acquire): the messages returned before. (W5) Closing, and
//! SENDING: as (Q5). (W6) A part is loaded before its head, and freed by a CAS only if the head is
//! still being freed: a later message's part is never taken for this message's. (W7) A sender puts
//! its message into a slot, by an RMW, and then, after a full barrier, checks the registry; a
//! reaper has marked the sender there, and then, after a full barrier, loads the slots. At least
//! one of the two observes the other. (W8) A cell is not reused while its slot still names it: a
//! receiver frees the slot before it acknowledges, and a reaper before it returns a message that
//! was delivered for the first time. Such a slot is the first in the order that is not free, since
//! a receiver passes no other, so a reaper finds it at the head. (M3) of `algorithm::mutex` holds
//! for the words.
//!
//! # Trade-offs
//!
//! The index in the slot is that of LCRQ and SCQ (Nikolaev, 2019), and the cells are a pool; but no
//! process moves a counter that others wait for. A send costs two locked instructions, a delivery
//! two, an acknowledgement one.
//!
//! # Wraps
//!
//! A process that is stopped between its load of a word and its CAS does not notice that the word
//! has returned to the same value in the meantime. docs/design.md has the times.
//!
//! - **Slot**: after 2^43 messages at the earliest. A helper would free a slot that names another
//!   pending message.
//! - **Part**: after 39 hours at the earliest, since the word keeps the time at which the cell
//!   became a part. A helper would free a part of another message.
//! - **DELAYED**: after 22 days at the earliest, since the word keeps the time at which it is due.
//!   A receiver would take a message before it is due.
//! - **SENDING, QUEUED**: after 2^24 uses of the cell, which is less than a second. A receiver
//!   takes the message that is in the cell then, out of order; no message is lost or duplicated.
//!   The message may not be in a slot yet. It was sent then, whatever its sender finds afterwards:
//!   a sender that finds the queue closed withdraws its message by a CAS, and if that fails it
//!   reports success.
//! - **RETURNED, DEAD_LETTER, FREE**: likewise, and any cell in such a state will do.
//! - **A word that names its owner**: after 2^24 uses of the cell, for that owner only.
//!
//! A slot keeps 20 bits of a version. They suffice, as the version of a cell does not change while
//! its slot stands (W8). A receiver loads the slot again after its load of the cell, so the cell
//! was what the slot named at that time.

use crate::algorithm::ends::CountedEnds;
use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::layout::{CellWord, Rules, State, WORK_STATE};
use crate::facade::{AtomicU64, Ordering, mutation, ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts};
use crate::wait::event_count::EventCount;
use crate::wait::on_event::TryError;
use returned::Due;

pub(crate) mod entry;
mod idle;
pub(crate) mod layout;
mod order;
mod parts;
mod repair;
pub(crate) mod returned;
mod send;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
pub(crate) mod wait;

/// The single words of a work queue, in the segment.
#[repr(C)]
pub(crate) struct WorkState {
    /// The words that all processes read and few write.
    common: Padded<Common>,
    tail: Padded<AtomicU64>,
    head: Padded<AtomicU64>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<WorkState>() == WORK_STATE);
#[cfg(loom)]
const _: usize = WORK_STATE;

/// The words that all processes read.
#[repr(C)]
struct Common {
    endpoints: AtomicU64,
    /// The number of times that messages were returned.
    epoch: AtomicU64,
    /// Unused; keeps the layout.
    _unused: AtomicU64,
    /// Receivers wait on `items`, senders on `free_cells`, waiters for an idle queue on `idle`.
    items: EventCount,
    free_cells: EventCount,
    idle: EventCount,
    /// When each endpoint last began anew; see `endpoints`.
    renewed: [AtomicU64; 2],
}

/// Access to the words of slots and cells.
pub(crate) trait Storage: Copy {
    /// Returns the word of the slot at `index`, which is below the number of slots.
    fn slot(&self, index: u64) -> &AtomicU64;
    /// Returns the word of the cell at `index`, which is below the number of cells.
    fn cell(&self, index: u32) -> &AtomicU64;
    /// Returns the time at which its message may be redelivered, by the monotonic clock, in
    /// nanoseconds.
    fn not_before(&self, index: u32) -> &AtomicU64;
    /// Returns the length of the message that begins there, in bytes, if it may have several cells.
    fn len(&self, index: u32) -> &AtomicU64;
    /// Returns the next cell of a message of several cells.
    fn next(&self, index: u32) -> &AtomicU64;
    /// Records, for this process alone, that the calling thread received a message. A helper
    /// receives none.
    fn record_receipt(&self, _owned: OwnedCell) {}
    /// Returns whether the calling thread received the message of a cell with this word.
    fn is_own(&self, _index: u32, _word: CellWord) -> bool {
        false
    }
}

/// The number of bits of the epoch that handles compare.
pub(crate) const EPOCH_BITS: u32 = 28;
const EPOCHS: u64 = (1 << EPOCH_BITS) - 1;

/// The positions of a handle; private to its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// All positions before it were observed as taken to send.
    pub(crate) tail: Position,
    /// All positions before it were observed as received.
    pub(crate) head: Position,
    /// The position at which the handle last caught up with senders.
    pub(crate) caught_up: Position,
    /// The epoch whose returned messages were searched for.
    pub(crate) epoch: u64,
    /// The time at which the next delayed message is due.
    pub(crate) due: Due,
    /// The cell at which the search for a returned message continues.
    pub(crate) returned: u32,
    /// The cell at which the search for a free one continues.
    pub(crate) free: u32,
    /// The cell at which the check of owners continues.
    pub(crate) checked: u32,
}

/// A cell owned by the caller, and its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnedCell {
    /// The cell's index.
    pub(crate) cell: u32,
    pub(crate) word: CellWord,
}

/// The cell was taken away, because its owner was found to be no longer a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellLost;

/// The reason why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkSendError {
    /// The queue is closed, or no receiver is left, and no receiver has or had the message: it is
    /// to be freed.
    Disconnected(OwnedCell),
    /// As [`CellLost`]; the message may have been received if the cell was found lost only while it
    /// was being sent.
    MembershipLost,
    /// The words are not a queue's: the message is still a loan.
    Corrupt(OwnedCell),
}

/// A work queue with its rules.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a, P> {
    pub(crate) state: &'a WorkState,
    pub(crate) counts: &'a [AtomicU64],
    pub(crate) storage: P,
    pub(crate) rules: &'a Rules,
}

impl WorkState {
    /// Returns the state of a queue in which all positions before `begin` were passed.
    #[cfg(all(test, loom))]
    pub(crate) fn after(begin: Position) -> Self {
        Self {
            common: Padded(Common {
                endpoints: AtomicU64::new(0),
                epoch: AtomicU64::new(0),
                _unused: AtomicU64::new(0),
                items: EventCount::new(),
                free_cells: EventCount::new(),
                idle: EventCount::new(),
                renewed: [0; 2].map(AtomicU64::new),
            }),
            tail: Padded(AtomicU64::new(begin.0)),
            head: Padded(AtomicU64::new(begin.0)),
        }
    }

    /// Returns the event count that an endpoint waits on.
    #[inline(always)]
    pub(crate) fn event(&self, endpoint: Endpoint) -> &EventCount {
        match endpoint {
            Endpoint::Sender => &self.common.0.free_cells,
            Endpoint::Receiver => &self.common.0.items,
        }
    }

    /// Returns all event counts, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 3] {
        let common = &self.common.0;
        [&common.items, &common.free_cells, &common.idle]
    }

    fn hint(&self, endpoint: Endpoint) -> &AtomicU64 {
        match endpoint {
            Endpoint::Sender => &self.tail.0,
            Endpoint::Receiver => &self.head.0,
        }
    }
}

impl<'a, P: Storage> Work<'a, P> {
    /// Returns the endpoint counts, which say whether the queue has ended.
    #[inline(always)]
    pub(crate) fn endpoints(&self) -> EndpointCounts<'a> {
        EndpointCounts {
            word: &self.state.common.0.endpoints,
            renewed: &self.state.common.0.renewed,
            cells: self.counts,
        }
    }

    #[inline(always)]
    fn load_cell(&self, cell: u32) -> CellWord {
        // ORDERING: Acquire; (W1), (W6), (M3).
        let acquire = ordering(Ordering::Acquire, 200);
        CellWord(self.storage.cell(cell).load(acquire))
    }

    #[inline(always)]
    fn transition(&self, cell: u32, from: CellWord, to: CellWord) -> bool {
        // ORDERING: Acquire; (W1), (W2). Release; (W1), (W2), (M3).
        let both = ordering(Ordering::AcqRel, 201);
        let word = self.storage.cell(cell);
        word.compare_exchange(from.0, to.0, both, Ordering::Relaxed)
            .is_ok()
    }

    /// Loans a free cell, to be written and then sent or freed.
    #[inline(always)]
    pub(crate) fn loan(&self, cursor: &mut Cursor, me: Tag) -> Result<OwnedCell, TryError> {
        self.claim_free(cursor, |word| word.owned_by(State::Loaned, me))
    }

    /// Claims a free cell by a CAS to `to`.
    #[inline(always)]
    fn claim_free(
        &self,
        cursor: &mut Cursor,
        to: impl Fn(CellWord) -> CellWord,
    ) -> Result<OwnedCell, TryError> {
        for _ in 0..self.rules.cells {
            let cell = cursor.free;
            cursor.free = self.next_cell(cell);
            let word = self.load_cell(cell);
            if word.state() == Some(State::Free) && self.transition(cell, word, to(word)) {
                return Ok(OwnedCell {
                    cell,
                    word: to(word),
                });
            }
        }
        Err(TryError::WouldBlock)
    }

    #[inline(always)]
    fn next_cell(&self, cell: u32) -> u32 {
        if cell + 1 < self.rules.cells {
            cell + 1
        } else {
            0
        }
    }

    /// Notifies one waiter of what an endpoint has just committed.
    #[inline(always)]
    pub(crate) fn notify(&self, endpoint: Endpoint) {
        if !mutation(204) {
            self.state.event(endpoint.other()).notify();
        }
    }

    /// Acknowledges a message without parts, by which its cell becomes free.
    #[inline(always)]
    pub(crate) fn ack(&self, cursor: &Cursor, owned: OwnedCell) -> Result<(), CellLost> {
        if !self.transition(owned.cell, owned.word, owned.word.freed()) {
            return Err(CellLost);
        }
        self.notify_free_cells(cursor);
        Ok(())
    }

    /// Notifies the waiters that a freed cell may concern.
    #[inline(always)]
    fn notify_free_cells(&self, cursor: &Cursor) {
        if self.rules.spans {
            // A single woken sender may need more cells than are free, while another does not.
            self.state.common.0.free_cells.notify_all();
        } else {
            self.notify(Endpoint::Receiver);
        }
        self.notify_idle(cursor);
        self.notify_end();
    }

    /// Wakes the receivers of a queue that has ended: a message that they wait for will not be
    /// redelivered, or not to them.
    #[inline(always)]
    fn notify_end(&self) {
        if self.endpoints().is_over(Endpoint::Receiver) && !mutation(211) {
            self.state.common.0.items.notify_all();
        }
    }

    /// Returns a message that was delivered, to be redelivered, not before a time if there is one,
    /// or to become a dead letter.
    #[cold]
    pub(crate) fn return_message(
        &self,
        cursor: &Cursor,
        owned: OwnedCell,
        not_before: Option<u64>,
    ) -> Result<(), CellLost> {
        // The message of a cell that was taken away is not delayed, whichever process has it now.
        if self.load_cell(owned.cell) != owned.word {
            return Err(CellLost);
        }
        if let Some(not_before) = not_before {
            self.set_not_before(owned.cell, not_before);
        }
        if !self.transition(
            owned.cell,
            owned.word,
            self.after_return(owned.word, not_before),
        ) {
            return Err(CellLost);
        }
        if !mutation(206) {
            self.advance_epoch();
        }
        let items = &self.state.common.0.items;
        if not_before.is_some() && !mutation(648) {
            // Each keeps the time.
            items.notify_all();
        } else if !mutation(214) {
            items.notify();
        }
        self.notify_idle(cursor);
        self.notify_end();
        Ok(())
    }

    /// Returns the word of a message that was delivered and not acknowledged, and is not to be
    /// redelivered before a time, if there is one.
    fn after_return(&self, word: CellWord, not_before: Option<u64>) -> CellWord {
        let max = self.rules.max_attempts;
        if word.attempts() >= max && !mutation(207) {
            return word.dead_letter(max);
        }
        match not_before {
            Some(not_before) => word.delayed(not_before),
            None => word.unowned(State::Returned),
        }
    }

    /// Announces returned messages to all receivers.
    fn advance_epoch(&self) {
        // ORDERING: Release; (W4).
        let release = ordering(Ordering::Release, 208);
        self.state.common.0.epoch.fetch_add(1, release);
    }

    #[inline(always)]
    fn epoch(&self) -> u64 {
        // ORDERING: Acquire; (W4).
        let acquire = ordering(Ordering::Acquire, 209);
        self.state.common.0.epoch.load(acquire) & EPOCHS
    }

    /// Returns a value other than the epoch: for a handle with it, messages were returned since.
    fn other_epoch(&self) -> u64 {
        self.epoch().wrapping_sub(1) & EPOCHS
    }

    /// Receives the next message: a returned one if there is any, else the first in the order.
    /// After [`TryError::WouldBlock`], [`on_empty`](Self::on_empty) decides.
    #[inline(always)]
    pub(crate) fn receive(&self, cursor: &mut Cursor, me: Tag) -> Result<OwnedCell, TryError> {
        if (self.epoch() != cursor.epoch || cursor.due != Due::NEVER)
            && !mutation(210)
            && let Some(owned) = self.receive_returned(cursor, me)
        {
            self.record_receipt(owned);
            return Ok(owned);
        }
        let owned = self.receive_next(cursor, me)?;
        self.record_receipt(owned);
        Ok(owned)
    }

    /// Records the receipt, so that the calling thread does not wait for its own message.
    #[inline(always)]
    fn record_receipt(&self, owned: OwnedCell) {
        if !mutation(510) {
            self.storage.record_receipt(owned);
        }
    }

    /// Closes the queue: nothing can be sent any more.
    pub(crate) fn close(&self) {
        self.endpoints().close();
        if !mutation(212) {
            self.wake_all();
        }
    }

    /// Wakes all waiters.
    pub(crate) fn wake_all(&self) {
        self.state.common.0.free_cells.wake_all();
        self.state.common.0.items.wake_all();
        self.state.common.0.idle.wake_all();
    }
}

impl<S: Storage> CountedEnds for Work<'_, S> {
    fn endpoints(&self) -> EndpointCounts<'_> {
        self.endpoints()
    }
    fn event(&self, endpoint: Endpoint) -> &EventCount {
        self.state.event(endpoint)
    }
    fn wake_all(&self) {
        self.wake_all();
    }
}

#[cfg(all(test, loom))]
pub(crate) mod tests;

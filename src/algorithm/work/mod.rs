//! A queue of messages that their receivers hold until they acknowledge them.
//!
//! # State
//!
//! A word for each cell, beside the message in it; a ring of slots, at least as many as cells, which
//! says in which order; the [`ends`](crate::participant::endpoints); three event counts; hints.
//!
//! ```text
//! cell   63          40 39       33 32   29 28                                        0
//!        | version: 24 | attempts  | state | tag of whoever has it, or of a part: head  |
//! slot   63             b + 20 b + 19          20 19            0
//!        | lap: 44 - b         | cell + 1, or 0: b | version: 20  |     b: the bits of the number of cells
//!
//! FREE(v)            may be loaned                    RETURNED(v, a)  was delivered a times, comes again
//! LOANED(v, tag)     is being written                 DELAYED(v, a, t) the same, not before t
//! SENDING(v, tag)    is being sent, or was            BURIED(v, a)    a dead letter
//! QUEUED(v)          was sent by one that has died    FREEING(v, tag) is given back, with its parts
//! HELD(v, a, tag)    is delivered, the ath time       PART(v, t, head) belongs to a cell's message since t
//! ```
//!
//! A message is sent when a slot names its cell in the version that it has: the cell itself may say
//! SENDING for as long as its sender lives. So a slot is never in somebody's hands, and who is slow or
//! stopped with a message in hand is in nobody's way.
//!
//! # Protocol
//!
//! ```text
//! loan     FREE(v) -CAS-> LOANED(v, me), write
//! send     LOANED(v, me) -CAS-> SENDING(v, me); is it closed? if not, slot FREE(l) -CAS-> READY(l, cell, v);
//!          does the registry still know me? if not, SENDING(v, me) -CAS-> QUEUED(v), or see what became of it
//! withdraw it is closed: SENDING(v, me) -CAS-> FREEING(v, me), and FREE(v + 1); else a receiver has it: it was sent
//! receive  slot READY(l, cell, v): cell SENDING(v, any) or QUEUED(v) -CAS-> HELD(v, 1, me);
//!          then, as whoever finds the cell otherwise: slot READY(l, cell, v) -CAS-> FREE(l + 1)
//! ack      HELD(v, a, me) -CAS-> FREE(v + 1)
//! return   HELD(v, a, me or dead) -CAS-> RETURNED(v, a), or BURIED(v, a) after the most attempts; the epoch
//! later    the time; HELD(v, a, me) -CAS-> DELAYED(v, a, t), or BURIED(v, a) likewise; the epoch
//! again    RETURNED(v, a), or DELAYED(v, a, t) whose time has come -CAS-> HELD(v, a + 1, me)
//! parts    FREE(w) -CAS-> PART(w, t, head), while the head is LOANED; PART(w, t, head) -CAS-> FREE(w + 1)
//!          while it is FREEING: a message with parts goes through HELD -CAS-> FREEING(v, me) to FREE
//! ```
//!
//! Positions, walking and hints are those of [`slots`](crate::algorithm::mpmc). There are no more messages than
//! cells, and no fewer slots: whoever has a cell to send finds a slot. Messages that came back are
//! looked for in all cells when the epoch has changed, before those that wait in the order.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | loan, before the CAS | nothing | - |
//! | loan, send, before the slot | LOANED or SENDING(v, dead), in no slot | whoever reaps: frees it |
//! | send, after the slot | the message; a sleeper whose wake is owed | whoever reaps: QUEUED; see [event count](crate::wait::event_count) |
//! | withdraw, after the CAS | FREEING(v, dead), in no slot | the reaper: frees it |
//! | receive, after the cell | HELD(v, a, dead): the message; its slot | the reaper: frees the slot, then returns the message; before it, the next at the slot: frees it |
//! | ack, before the CAS | as above | as above |
//! | ack, after it | a sleeper whose wake is owed | see [event count](crate::wait::event_count) |
//! | ack, return of a loan, in the parts | FREEING(v, dead) and some parts | whoever reaps: frees the rest, then the head |
//! | return, between the time and the CAS | HELD(v, a, dead): the message, not delayed | whoever reaps: RETURNED |
//! | return, before the epoch | a returned message that nobody looks for | whoever reaps the one that was killed |
//!
//! The end of a queue is told to a receiver when nothing can come back to it: not while another thread has a
//! message, of another process or of its own, since a thread can end, by a panic, without its process. What the asking
//! thread received itself is no such message: it would wait for itself. Which thread received a message is
//! noted beside the handles, in memory that is private to the process, with the cell's whole word: a note of an earlier
//! delivery is never taken for one of this.
//!
//! One that is stopped anywhere delays nobody, but: in SENDING, before its slot, those who wait for
//! the end of a closed queue; with a message in hand, those who wait for that, or for it to be idle. One that is
//! stopped before the epoch delays what it returned until somebody who finds nothing looks at that cell: they look
//! at some each time.
//!
//! One that lives and was taken for dead, because other code of its process unmapped its lock, has its
//! cells taken away, and its next CAS expects its own word. The slot of a send is no such word: whoever reaps may have
//! looked at it before the message was there, and frees the cell. So a sender looks afterwards whether the
//! registry still knows it; only if not there is a doubt, which it decides, or tells of.
//!
//! # Ordering
//!
//! (W1) a slot is made READY (Release) after the message is written, and read (Acquire) before it is
//! read; what was returned passes through the cell's word (Release, Acquire). (W2) FREE (Release) after
//! it is read, and loaned (Acquire) before another is written. (W3) walkers read slots (Acquire), and
//! hints are set (Release) and read (Acquire), as (Q3) of `slots`. (W4) the epoch (Release, Acquire): what was
//! returned before. (W5) closing, and SENDING: as (Q5). (W6) a part is read before its head, and freed by
//! a CAS only if the head is still being freed: a later message's part is never taken for this one's.
//! (W7) a sender puts its message into a slot, by an RMW, and then asks the registry, behind a full barrier;
//! whoever reaps has marked it there, and then looks at the slots, behind a full barrier. One of the two sees
//! the other.
//! (W8) a cell is not used again while its slot still names it: a receiver frees the slot before it acknowledges, and a
//! reaper before it returns what was delivered for the first time. Such a slot is the first in the order that is not free,
//! since a receiver passes no other, so a reaper finds it at the head.
//! (M3) of `algorithm::mutex` holds for the words.
//!
//! # Trade-offs
//!
//! The index in the slot is what LCRQ and SCQ (Nikolaev, 2019) have, the cells are a pool; but nobody
//! moves a counter that others wait for. A send costs two locked instructions, a delivery two, an acknowledgement
//! one.
//!
//! # Wraps
//!
//! A process that is stopped between its look at a word and its CAS does not notice that the word has come back to the
//! same value meanwhile. docs/design.md has the times.
//!
//! - **Slot**: after 2^43 messages at the earliest. A helper would free a slot in which another message waits.
//! - **Part**: after 39 hours at the earliest, since the word keeps the time at which the cell became a part. A helper
//!   would free a part of another message.
//! - **DELAYED**: after 22 days at the earliest, since the word keeps the time at which it is due. A receiver would take
//!   a message before it is due.
//! - **SENDING, QUEUED**: after 2^24 uses of the cell, which is less than a second. A receiver takes the message that is in
//!   the cell then, out of order; no message is lost or doubled. The message may not be in a slot yet. It was sent
//!   then, whatever its sender finds afterwards: a sender that finds the queue closed withdraws its message by a CAS, and
//!   if that fails it reports success.
//! - **RETURNED, BURIED, FREE**: likewise, and any cell in such a state will do.
//! - **A word that names its owner**: after 2^24 uses of the cell, for that owner only.
//!
//! A slot keeps 20 bits of a version. They suffice, as the version of a cell does not change while its slot stands (W8).
//! A receiver looks at the slot again after its look at the cell, so the cell was what the slot named at that time.

use crate::algorithm::mpmc::layout::Position;
use crate::algorithm::work::layout::{CellWord, Rules, State, WORK_STATE};
use crate::facade::{AtomicU64, Ordering, barrier_after_rmw, mutation, ordering};
use crate::format::Padded;
use crate::participant::Liveness;
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
pub(crate) mod wait;

/// A work queue but for what there are several of, in the segment.
#[repr(C)]
pub(crate) struct WorkState {
    /// What everybody reads and hardly anybody writes.
    common: Padded<Common>,
    tail: Padded<AtomicU64>,
    head: Padded<AtomicU64>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<WorkState>() == WORK_STATE);
#[cfg(loom)]
const _: usize = WORK_STATE;

/// What everybody reads.
#[repr(C)]
struct Common {
    ends: AtomicU64,
    /// How often messages were returned.
    epoch: AtomicU64,
    /// Unused; keeps the layout.
    _unused: AtomicU64,
    /// Where receivers sleep, where senders do, and who waits for it to be idle.
    items: EventCount,
    room: EventCount,
    idle: EventCount,
}

/// Where the words of slots and cells are.
pub(crate) trait Places: Copy {
    /// The word of the slot at `index`, which is below their number.
    fn slot(&self, index: u64) -> &AtomicU64;
    /// The word of the cell at `index`, which is below their number.
    fn cell(&self, index: u32) -> &AtomicU64;
    /// When its message may be delivered again, by the monotonic clock, in nanoseconds.
    fn not_before(&self, index: u32) -> &AtomicU64;
    /// The length of the message that begins there, in bytes, if it may have several cells.
    fn len(&self, index: u32) -> &AtomicU64;
    /// The cell after it in a message of several.
    fn next(&self, index: u32) -> &AtomicU64;
    /// Notes, for this process alone, that the calling thread received a message. A helper receives none.
    fn note(&self, _mine: Mine) {}
    /// Whether the calling thread received the message that a cell with that word has.
    fn is_own(&self, _index: u32, _word: CellWord) -> bool {
        false
    }
}

/// The bits of the epoch that handles compare.
pub(crate) const EPOCH_BITS: u32 = 28;
const EPOCHS: u64 = (1 << EPOCH_BITS) - 1;

/// What a handle knows; private to its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// All positions before it were seen taken to send.
    pub(crate) tail: Position,
    /// All positions before it were seen received.
    pub(crate) head: Position,
    /// Where it was when it last caught up with senders.
    pub(crate) caught_up: Position,
    /// The epoch whose returned messages were looked for.
    pub(crate) epoch: u64,
    /// When the next of those that may not be delivered yet is due.
    pub(crate) due: Due,
    /// The cell at which to look for a returned message.
    pub(crate) returned: u32,
    /// The cell at which to look for a free one.
    pub(crate) free: u32,
    /// The cell at which to ask who has it.
    pub(crate) asked: u32,
}

/// A cell that is the caller's alone, and its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mine {
    /// The cell's index.
    pub(crate) cell: u32,
    pub(crate) word: CellWord,
}

/// The cell was taken away: its owner was found to be no participant any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The queue is closed, or no receiver is left, and no receiver has or had the message: it is to be freed.
    Over(Mine),
    /// As [`Lost`]; the message may have been received if the cell was found lost only while it was being sent.
    MembershipLost,
    /// The words cannot be a queue's: it is still a loan.
    Corrupt(Mine),
}

/// A work queue with its rules.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a, P> {
    pub(crate) state: &'a WorkState,
    pub(crate) counts: &'a [AtomicU64],
    pub(crate) places: P,
    pub(crate) rules: &'a Rules,
}

impl WorkState {
    /// As it is when all positions before `begin` were passed.
    #[cfg(all(test, loom))]
    pub(crate) fn after(begin: Position) -> Self {
        Self {
            common: Padded(Common {
                ends: AtomicU64::new(0),
                epoch: AtomicU64::new(0),
                _unused: AtomicU64::new(0),
                items: EventCount::new(),
                room: EventCount::new(),
                idle: EventCount::new(),
            }),
            tail: Padded(AtomicU64::new(begin.0)),
            head: Padded(AtomicU64::new(begin.0)),
        }
    }

    /// Where a side sleeps.
    #[inline(always)]
    pub(crate) fn event(&self, side: Endpoint) -> &EventCount {
        match side {
            Endpoint::Sender => &self.common.0.room,
            Endpoint::Receiver => &self.common.0.items,
        }
    }

    /// All event counts, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 3] {
        let common = &self.common.0;
        [&common.items, &common.room, &common.idle]
    }

    fn hint(&self, side: Endpoint) -> &AtomicU64 {
        match side {
            Endpoint::Sender => &self.tail.0,
            Endpoint::Receiver => &self.head.0,
        }
    }
}

impl<'a, P: Places> Work<'a, P> {
    /// How it ends.
    #[inline(always)]
    pub(crate) fn endpoints(&self) -> EndpointCounts<'a> {
        EndpointCounts {
            word: &self.state.common.0.ends,
            cells: self.counts,
        }
    }

    #[inline(always)]
    fn look(&self, cell: u32) -> CellWord {
        // ORDERING: Acquire; (W1), (W6), (M3).
        let acquire = ordering(Ordering::Acquire, 200);
        CellWord(self.places.cell(cell).load(acquire))
    }

    #[inline(always)]
    fn swap(&self, cell: u32, from: CellWord, to: CellWord) -> bool {
        // ORDERING: Acquire; (W1), (W2). Release; (W1), (W2), (M3).
        let both = ordering(Ordering::AcqRel, 201);
        let word = self.places.cell(cell);
        word.compare_exchange(from.0, to.0, both, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes a free cell, to be written, and sent or given back.
    #[inline(always)]
    pub(crate) fn loan(&self, cursor: &mut Cursor, me: Tag) -> Result<Mine, TryError> {
        self.take_free(cursor, |word| word.held(State::Loaned, me))
    }

    /// Takes a free cell and makes something of it.
    #[inline(always)]
    fn take_free(
        &self,
        cursor: &mut Cursor,
        to: impl Fn(CellWord) -> CellWord,
    ) -> Result<Mine, TryError> {
        for _ in 0..self.rules.cells {
            let cell = cursor.free;
            cursor.free = self.after(cell);
            let word = self.look(cell);
            if word.state() == Some(State::Free) && self.swap(cell, word, to(word)) {
                return Ok(Mine {
                    cell,
                    word: to(word),
                });
            }
        }
        Err(TryError::WouldBlock)
    }

    #[inline(always)]
    fn after(&self, cell: u32) -> u32 {
        if cell + 1 < self.rules.cells {
            cell + 1
        } else {
            0
        }
    }

    /// Sends a message that was written into a loan.
    #[inline(always)]
    pub(crate) fn send(
        &self,
        cursor: &mut Cursor,
        mine: Mine,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<(), Unsent> {
        let sending = mine.word.held(State::Sending, me);
        if !self.swap(mine.cell, mine.word, sending) {
            return Err(Unsent::MembershipLost);
        }
        let mine = Mine {
            word: sending,
            ..mine
        };
        // (W5), behind the RMW.
        if !mutation(202) {
            barrier_after_rmw();
        }
        if self.endpoints().is_over(Endpoint::Sender) && !mutation(203) {
            return self.withdraw(mine, me, peers);
        }
        self.publish(cursor, mine)
            .map_err(|_| Unsent::Corrupt(mine))?;
        // (W7), behind the RMW.
        if !mutation(264) {
            barrier_after_rmw();
        }
        if peers.is_unregistered(me) && !mutation(265) && !self.stays(mine) {
            return Err(Unsent::MembershipLost);
        }
        Ok(())
    }

    /// Takes back a message that is in no slot, since the queue is over.
    ///
    /// A receiver that was stopped while the cell's versions came round may have taken the message. Then it was sent.
    #[cold]
    fn withdraw(&self, mine: Mine, me: Tag, peers: &impl Liveness) -> Result<(), Unsent> {
        let word = mine.word.held(State::Freeing, me);
        let is_withdrawn = self.swap(mine.cell, mine.word, word);
        if is_withdrawn || mutation(637) {
            return Err(Unsent::Over(Mine { word, ..mine }));
        }
        // Acquires what a reaper did before it freed the cell: the registry does not know its sender then.
        if !mutation(643) {
            self.look(mine.cell);
        }
        if peers.is_unregistered(me) && !mutation(642) {
            return Err(Unsent::MembershipLost);
        }
        Ok(())
    }

    /// Whether a message that one sent whom others take for dead is there, or was: they may have freed its
    /// cell. If nobody did so yet, nobody will.
    #[cold]
    fn stays(&self, mine: Mine) -> bool {
        let queued = mine.word.at_rest(State::Queued);
        if mutation(273) && self.look(mine.cell) == mine.word
            || self.swap(mine.cell, mine.word, queued)
        {
            return true;
        }
        let word = self.look(mine.cell);
        let is_it = match word.state() {
            Some(
                State::Queued | State::Held | State::Returned | State::Delayed | State::Buried,
            ) => true,
            // Of what was received: its receiver is about to free it.
            Some(State::Freeing) => word.attempts() > 0,
            _ => false,
        };
        mutation(272) || is_it && word.version() == mine.word.version()
    }

    /// Wakes one that sleeps for what a side has just committed.
    #[inline(always)]
    pub(crate) fn notify(&self, side: Endpoint) {
        if !mutation(204) {
            self.state.event(side.other()).notify();
        }
    }

    /// Acknowledges a message that has no parts: its cell is free.
    #[inline(always)]
    pub(crate) fn ack(&self, cursor: &Cursor, mine: Mine) -> Result<(), Lost> {
        if !self.swap(mine.cell, mine.word, mine.word.freed()) {
            return Err(Lost);
        }
        self.tell_of_room(cursor);
        Ok(())
    }

    /// Wakes whom a cell that has become free may concern.
    #[inline(always)]
    fn tell_of_room(&self, cursor: &Cursor) {
        if self.rules.spans {
            // Who is woken may need more than there is, and another one not.
            self.state.common.0.room.notify_all();
        } else {
            self.notify(Endpoint::Receiver);
        }
        self.tell_of_idleness(cursor);
        self.tell_of_the_end();
    }

    /// Wakes those who wait whether something comes back to a queue that is over, when it does not, or
    /// not to them.
    #[inline(always)]
    fn tell_of_the_end(&self) {
        if self.endpoints().is_over(Endpoint::Receiver) && !mutation(211) {
            self.state.common.0.items.notify_all();
        }
    }

    /// Gives back a message that was delivered, not to be delivered again before a time, if there is one,
    /// or to be a dead letter.
    #[cold]
    pub(crate) fn give_back(
        &self,
        cursor: &Cursor,
        mine: Mine,
        not_before: Option<u64>,
    ) -> Result<(), Lost> {
        // The message of a cell that was taken away is not delayed, whoever has it now.
        if self.look(mine.cell) != mine.word {
            return Err(Lost);
        }
        if let Some(not_before) = not_before {
            self.delay(mine.cell, not_before);
        }
        if !self.swap(mine.cell, mine.word, self.come_back(mine.word, not_before)) {
            return Err(Lost);
        }
        if !mutation(206) {
            self.tell_of_returned();
        }
        if !mutation(214) {
            self.state.common.0.items.notify();
        }
        self.tell_of_idleness(cursor);
        self.tell_of_the_end();
        Ok(())
    }

    /// What becomes of a message that was delivered and not acknowledged, and may not be delivered again before a time,
    /// if there is one.
    fn come_back(&self, word: CellWord, not_before: Option<u64>) -> CellWord {
        let most = self.rules.most_attempts;
        if word.attempts() >= most && !mutation(207) {
            return word.buried(most);
        }
        match not_before {
            Some(not_before) => word.delayed(not_before),
            None => word.at_rest(State::Returned),
        }
    }

    /// Says that there are messages that were returned.
    fn tell_of_returned(&self) {
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

    /// What is not the epoch: to whoever has it, something was returned since.
    fn epoch_before(&self) -> u64 {
        self.epoch().wrapping_sub(1) & EPOCHS
    }

    /// Takes the next message: one that was returned, or else the first in the order.
    /// [`TryError::WouldBlock`] is what [`nothing`](Self::nothing) is to be asked about.
    #[inline(always)]
    pub(crate) fn receive(&self, cursor: &mut Cursor, me: Tag) -> Result<Mine, TryError> {
        if (self.epoch() != cursor.epoch || cursor.due != Due::NEVER)
            && !mutation(210)
            && let Some(mine) = self.take_returned(cursor, me)
        {
            self.note(mine);
            return Ok(mine);
        }
        let mine = self.take_next(cursor, me)?;
        self.note(mine);
        Ok(mine)
    }

    /// The calling thread knows of what it received that it cannot wait for it.
    #[inline(always)]
    fn note(&self, mine: Mine) {
        if !mutation(510) {
            self.places.note(mine);
        }
    }

    /// Closes it: nothing can be sent any more.
    pub(crate) fn close(&self) {
        self.endpoints().close();
        if !mutation(212) {
            self.wake_all();
        }
    }

    /// Wakes all that sleep.
    pub(crate) fn wake_all(&self) {
        self.state.common.0.room.wake_all();
        self.state.common.0.items.wake_all();
        self.state.common.0.idle.wake_all();
    }

    /// Counts participant `me` once less at a side.
    pub(crate) fn uncount(&self, side: Endpoint, me: Tag, peers: &impl Liveness) {
        if self.endpoints().uncount(side, me, peers) {
            self.wake_all();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

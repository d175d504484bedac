//! A bounded ring for many senders and many receivers, in which every slot says who is at work in it.
//!
//! # State
//!
//! A word for each slot, beside its item; the [`ends`](crate::participant::endpoints); two event counts; hints.
//!
//! ```text
//! word of a slot   63        32 31   29 28                         0
//!                  |    lap: 32 | state | tag of whoever is at work |
//!
//! FREE(l)     may be claimed to send item l * capacity + n      READING(l, tag)  an item is being taken
//! WRITING(l, tag)  an item is being written                     ORPHAN(l)        its taker died: again
//! READY(l)         an item is there
//! ```
//!
//! There is no head and no tail that counts: the words of the slots alone decide. Every handle
//! knows a position up to which it saw all slots claimed, and walks on from there. The shared
//! hints say about where others are, for handles that are new or were idle; nobody relies on them.
//!
//! # Protocol
//!
//! ```text
//! send      FREE(l) -CAS-> WRITING(l, me), write, -store-> READY(l)
//! receive   READY(l) -CAS-> READING(l, me), read, -store-> FREE(l + 1)
//! replace   READY(l) -CAS-> READING(l, me), read, -store-> WRITING(l + 1, me), write, READY(l + 1)
//! skip      WRITING(l, dead) -CAS-> FREE(l + 1)               by whoever finds it
//! orphan    READING(l, dead) -CAS-> ORPHAN(l), then the epoch by whoever reaps, a sender that finds it
//! again     ORPHAN(l) or READING(l, dead) -CAS-> READING(l, me)    by a receiver
//! ```
//!
//! After each claim: ask the registry whether it still knows the own tag, (K1) of [`participant`](crate::participant). If not,
//! give the slot back, as a helper gives back that of a dead one: see [`lost`].
//!
//! A walker passes a slot only once it has seen it claimed for its side in its lap, or in a later
//! one; so what is claimed is a prefix, and items leave in the order of their slots. What may
//! come later than its place is an orphan: receivers look for them when the epoch has changed, and
//! when the ring comes round.
//!
//! The commits are the two last stores of send and receive. Whoever commits rings an event count. What waits
//! is in [`wait`], and when a receiver is told of the end in [`end`].
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | send, before the CAS | nothing | - |
//! | send, before the commit | WRITING(l, dead) | whoever comes to the slot, and whoever reaps: skips it |
//! | send, after the commit | the item; a sleeper whose wake is owed | see [event count](crate::wait::event_count) |
//! | receive, before the commit | READING(l, dead): the item | a receiver who comes to the slot, or looks for orphans: takes it; a sender who comes to it: leaves it as an orphan |
//! | receive, after the commit | as for send | see [event count](crate::wait::event_count) |
//! | replace | either of the two: the old item, or a slot to skip | as above |
//! | skip, orphan | the same as before, or repaired | the next to come, as before |
//! | orphan, before the epoch | an orphan that nobody looks for | whoever reaps the one that was killed |
//! | a hint | an older hint | the next to set it |
//!
//! Stopped in WRITING: receivers find nothing behind the slot, and senders no room once they come
//! round to it. Stopped in READING: senders find no room once they come round to it, and receivers of a
//! queue that has ended are not told so.
//!
//! # Ordering
//!
//! (Q1) READY is stored (Release) after the item is written, and claimed (Acquire) before it is
//! read. (Q2) FREE is stored (Release) after it is read, and claimed (Acquire) before another is written.
//! A claim by CAS passes both on. (Q3) a walker reads the words (Acquire), and hints are set
//! (Release) and read (Acquire), so that nobody finds a slot older than what a hint says of it.
//! (Q4) the epoch (Release, Acquire): the orphans marked before. (Q5) closing, and a sender's claim:
//! a sender looks after its claim, an RMW, behind a full barrier, whether the queue is closed; a receiver that
//! finds it closed and empty looks once more, behind a full barrier. One of the two sees the other. (Q6) the
//! end: a receiver frees its slot, and looks behind a light barrier whether the queue has ended; a receiver that
//! is about to sleep has armed the event count, and looks at the slots behind a heavy one. One of the two sees the other;
//! where membarrier(2) is refused, the sleeper's slice may have to end.
//! (M3) of `algorithm::mutex` holds for the words.
//!
//! # Trade-offs
//!
//! Rings with a shared tail (Vyukov's, folly's, DPDK's) need one CAS or fetch-add there, and stall
//! for ever when somebody dies between it and its slot. Here the one CAS is in the slot and names
//! its owner; and no line is written by all. A slot needs eight bytes.

use crate::algorithm::mpmc::layout::{Geometry, Position, SLOTS_STATE, State, Word};
use crate::facade::{AtomicU64, Ordering, barrier_after_rmw, mutation, ordering};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::{Endpoint, EndpointCounts};
use crate::wait::event_count::EventCount;
pub(crate) use crate::wait::on_event::TryError;

mod end;
pub(crate) mod entry;
pub(crate) mod layout;
mod lost;
mod repair;
pub(crate) mod wait;
mod walk;

/// A ring but for its cells and slots, in the segment.
#[repr(C)]
pub(crate) struct SlotsState {
    /// What everybody reads and hardly anybody writes.
    pub(crate) common: Padded<Common>,
    tail: Padded<AtomicU64>,
    head: Padded<AtomicU64>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<SlotsState>() == SLOTS_STATE);

/// What everybody reads.
#[repr(C)]
pub(crate) struct Common {
    ends: AtomicU64,
    /// How often orphans were left.
    epoch: AtomicU64,
    /// Unused; keeps the layout.
    _unused: AtomicU64,
    /// Where receivers sleep, and where senders do.
    items: EventCount,
    room: EventCount,
}

/// Where the words of the slots are.
pub(crate) trait Slots: Copy {
    /// The word of the slot at `index`, which is below the capacity.
    fn word(&self, index: u64) -> &AtomicU64;
}

/// What a handle knows; private to its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// All positions before it were seen claimed to send.
    pub(crate) tail: Position,
    /// All positions before it were seen claimed to receive.
    pub(crate) head: Position,
    /// The epoch whose orphans were looked for.
    pub(crate) epoch: u64,
    /// The slot whose owner was found alive, which is not asked again before others are reaped, or a slice has
    /// passed.
    pub(crate) alive: Asked,
    /// Where it was when it last caught up with receivers, and with senders.
    pub(crate) caught_up: [Position; 2],
}

/// A slot and its word when its owner was asked about; a word of 0 is none. Another slot can have the
/// same word: its owner may be at work in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) index: u64,
    pub(crate) word: u64,
}

/// A slot that is the caller's alone until it commits. It has no padding, so that it stays in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The slot's index.
    pub(crate) index: u64,
    /// Its lap, and above that whether a receiver has died over it before.
    turn: u64,
}

impl Claim {
    #[inline(always)]
    fn new(index: u64, lap: u32, again: bool) -> Self {
        Self {
            index,
            turn: (again as u64) << 32 | lap as u64,
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the mark is above")]
    fn lap(self) -> u32 {
        self.turn as u32
    }

    /// Whether a receiver has died over it before.
    #[inline(always)]
    pub(crate) fn is_again(self) -> bool {
        self.turn >> 32 != 0
    }
}

/// A ring with its geometry.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a, S> {
    pub(crate) state: &'a SlotsState,
    pub(crate) cells: &'a [AtomicU64],
    pub(crate) slots: S,
    pub(crate) geometry: &'a Geometry,
}

impl SlotsState {
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            common: Padded(Common {
                ends: AtomicU64::new(0),
                epoch: AtomicU64::new(0),
                _unused: AtomicU64::new(0),
                items: EventCount::new(),
                room: EventCount::new(),
            }),
            tail: Padded(AtomicU64::new(0)),
            head: Padded(AtomicU64::new(0)),
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
    pub(crate) fn events(&self) -> [&EventCount; 2] {
        [&self.common.0.items, &self.common.0.room]
    }

    fn hint(&self, side: Endpoint) -> &AtomicU64 {
        match side {
            Endpoint::Sender => &self.tail.0,
            Endpoint::Receiver => &self.head.0,
        }
    }
}

impl<'a, S: Slots> Ring<'a, S> {
    /// How it ends.
    #[inline(always)]
    pub(crate) fn endpoints(&self) -> EndpointCounts<'a> {
        EndpointCounts {
            word: &self.state.common.0.ends,
            cells: self.cells,
        }
    }

    fn participants(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    #[inline(always)]
    fn look(&self, index: u64) -> Word {
        // ORDERING: Acquire; (Q3), and (M3).
        Word(
            self.slots
                .word(index)
                .load(ordering(Ordering::Acquire, 100)),
        )
    }

    #[inline(always)]
    fn swap(&self, index: u64, from: Word, to: Word) -> bool {
        // ORDERING: Acquire; (Q1), (Q2). Release; (M3).
        let both = ordering(Ordering::AcqRel, 101);
        let word = self.slots.word(index);
        word.compare_exchange(from.0, to.0, both, Ordering::Relaxed)
            .is_ok()
    }

    /// Claims the slot at `at`, if it is just what this side wants, and says where the next one is.
    #[inline(always)]
    fn take(&self, side: Endpoint, at: Position, me: Tag) -> Option<(Claim, Position)> {
        let (index, lap) = (self.geometry.index(at), self.geometry.lap(at));
        let (open, held) = match side {
            Endpoint::Sender => (State::Free, State::Writing),
            Endpoint::Receiver => (State::Ready, State::Reading),
        };
        let open = Word::new(lap, open);
        if self.look(index) != open || !self.swap(index, open, Word::held(lap, held, me)) {
            return None;
        }
        let claim = Claim::new(index, lap, false);
        Some((claim, self.passed(side, at)))
    }

    /// Claims a slot to send if it is the one at `at`, and nothing is in the way. It may be too late: see
    /// [`is_late`](Self::is_late).
    #[inline(always)]
    pub(crate) fn quick_send(&self, at: Position, me: Tag) -> Option<(Claim, Position)> {
        if self.endpoints().is_over(Endpoint::Sender) {
            return None;
        }
        self.take(Endpoint::Sender, at, me)
    }

    /// Claims the next slot to send.
    pub(crate) fn claim_send(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if let Some((claim, next)) = self.quick_send(cursor.tail, me) {
            cursor.tail = next;
            return self.in_time(claim, me, peers);
        }
        if self.endpoints().is_over(Endpoint::Sender) {
            return Err(TryError::Disconnected);
        }
        let claim = self.search(Endpoint::Sender, cursor, me, peers)?;
        self.in_time(claim, me, peers)
    }

    /// A slot that was claimed to send, if it may be: else it is given back, unsent.
    fn in_time(&self, claim: Claim, me: Tag, peers: &impl Liveness) -> Result<Claim, TryError> {
        self.stay(Endpoint::Sender, claim, me, peers)?;
        if self.is_late() {
            self.abandon(claim);
            return Err(TryError::Disconnected);
        }
        Ok(claim)
    }

    /// Whether a slot that was claimed to send is to be given back by [`abandon`](Self::abandon): nobody
    /// will receive what would be sent.
    #[inline(always)]
    pub(crate) fn is_late(&self) -> bool {
        // Under loom this is a full fence, which would hide that (Q2) is missing.
        if !mutation(102) && !mutation(106) {
            barrier_after_rmw();
        }
        self.endpoints().is_over(Endpoint::Sender) && !mutation(103)
    }

    /// Claims the item at `at`, if nothing is in the way; `epoch` is that of the handle.
    #[inline(always)]
    pub(crate) fn quick_recv(
        &self,
        at: Position,
        epoch: u64,
        me: Tag,
    ) -> Option<(Claim, Position)> {
        if self.epoch() != epoch && !mutation(104) {
            return None;
        }
        self.take(Endpoint::Receiver, at, me)
    }

    #[inline(always)]
    fn epoch(&self) -> u64 {
        // ORDERING: Acquire; (Q4).
        self.state.common.0.epoch.load(Ordering::Acquire)
    }

    /// Claims the next item. [`TryError::WouldBlock`] is what [`nothing`](Self::nothing) is to be asked
    /// about.
    pub(crate) fn claim_recv(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        let claim = self.next_item(cursor, me, peers)?;
        self.stay(Endpoint::Receiver, claim, me, peers)
    }

    fn next_item(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if let Some((claim, next)) = self.quick_recv(cursor.head, cursor.epoch, me) {
            cursor.head = next;
            return Ok(claim);
        }
        let epoch = self.epoch();
        if epoch != cursor.epoch && !mutation(104) {
            if let Some(claim) = self.orphan(me) {
                return Ok(claim);
            }
            cursor.epoch = epoch;
        }
        self.search(Endpoint::Receiver, cursor, me, peers)
    }

    /// Claims the slot at the tail, whether it is free or has the oldest item in it: then that is to
    /// be read, and [`replace`](Self::replace) called.
    pub(crate) fn claim_replace(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<(Claim, bool), TryError> {
        match self.claim_send(cursor, me, peers) {
            Err(TryError::WouldBlock) => {}
            other => return other.map(|claim| (claim, false)),
        }
        let at = cursor.tail;
        let index = self.geometry.index(at);
        let lap = self.geometry.lap(at).wrapping_sub(1);
        let word = self.look(index);
        let is_oldest =
            word == Word::new(lap, State::Ready) || word == Word::new(lap, State::Orphan);
        if !is_oldest || !self.swap(index, word, Word::held(lap, State::Reading, me)) {
            return Err(TryError::WouldBlock);
        }
        let again = word.state() == Some(State::Orphan);
        let claim = Claim::new(index, lap, again);
        let claim = self.stay(Endpoint::Receiver, claim, me, peers)?;
        Ok((claim, true))
    }

    /// Consumes the item of a slot claimed by [`claim_replace`](Self::claim_replace), which was read,
    /// and claims the slot to send.
    pub(crate) fn replace(&self, claim: Claim, cursor: &mut Cursor, me: Tag) -> Claim {
        let lap = claim.lap().wrapping_add(1);
        let writing = Word::held(lap, State::Writing, me);
        // ORDERING: Release; (M3).
        self.slots
            .word(claim.index)
            .store(writing.0, Ordering::Release);
        // Receivers that are idle meanwhile have to hear of it: nothing before it is left.
        self.passed(Endpoint::Receiver, self.geometry.lap_before(cursor.tail));
        cursor.tail = self.passed(Endpoint::Sender, cursor.tail);
        Claim::new(claim.index, lap, false)
    }

    /// Commits an item that was written.
    #[inline(always)]
    pub(crate) fn commit_send(&self, claim: Claim) {
        let ready = Word::new(claim.lap(), State::Ready);
        // ORDERING: Release; (Q1).
        let release = ordering(Ordering::Release, 105);
        self.slots.word(claim.index).store(ready.0, release);
    }

    /// Commits that an item was read.
    #[inline(always)]
    pub(crate) fn commit_recv(&self, claim: Claim) {
        let free = Word::new(claim.lap().wrapping_add(1), State::Free);
        // ORDERING: Release; (Q2).
        let release = ordering(Ordering::Release, 106);
        self.slots.word(claim.index).store(free.0, release);
    }

    /// Gives back a slot that was claimed to send, unsent.
    #[cold]
    pub(crate) fn abandon(&self, claim: Claim) {
        self.commit_recv(claim);
        self.notify_all();
    }

    /// Wakes one that sleeps for what a side has just committed, and the receivers if that was a receipt
    /// from a queue that has ended: it may have been the last.
    #[inline(always)]
    pub(crate) fn notify(&self, side: Endpoint) {
        if !mutation(107) {
            self.state.event(side.other()).notify();
        }
        // ORDERING: (Q6); the barrier is the event count's.
        if side == Endpoint::Receiver && self.endpoints().is_over(side) && !mutation(500) {
            self.state.event(side).notify_all();
        }
    }

    fn notify_all(&self) {
        self.state.event(Endpoint::Sender).notify_all();
        self.state.event(Endpoint::Receiver).notify_all();
    }

    /// Wakes all that sleep at either side.
    pub(crate) fn wake_all(&self) {
        self.state.event(Endpoint::Sender).wake_all();
        self.state.event(Endpoint::Receiver).wake_all();
    }

    /// Closes it: nothing can be sent any more.
    pub(crate) fn close(&self) {
        self.endpoints().close();
        self.wake_all();
    }

    /// Counts participant `me` once less at a side.
    pub(crate) fn uncount(&self, side: Endpoint, me: Tag, peers: &impl Liveness) {
        if self.endpoints().uncount(side, me, peers) {
            self.wake_all();
        }
    }

    /// The position after one that was claimed. Sets the shared hint now and then.
    #[inline(always)]
    fn passed(&self, side: Endpoint, at: Position) -> Position {
        let next = self.geometry.next(at);
        if self.geometry.is_marked(at) {
            self.publish(side, next);
        }
        next
    }

    #[cold]
    fn publish(&self, side: Endpoint, next: Position) {
        let hint = self.state.hint(side);
        // ORDERING: Relaxed; the CAS decides. Release; (Q3).
        let seen = hint.load(Ordering::Relaxed);
        if seen < next.0 {
            let _ = hint.compare_exchange(seen, next.0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Gives back what dead participants have, unless somebody did so just now.
    pub(crate) fn look_for_the_dead(&self, peers: &impl Liveness) {
        peers.reap(false);
    }

    /// What it means that a sender found no room: it looks once more if somebody may have died.
    #[cold]
    pub(crate) fn full(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if !peers.reap(false) {
            return Err(TryError::WouldBlock);
        }
        self.claim_send(cursor, me, peers)
    }
}

#[cfg(test)]
pub(crate) mod tests;

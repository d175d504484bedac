//! A bounded ring for many senders and many receivers, in which the word of each slot names its
//! owner.
//!
//! # State
//!
//! A word for each slot, beside its item; the [endpoint counts](crate::participant::endpoints); two
//! [event counts][event count]; hints.
//!
//! ```text
//! word of a slot   63        32 31   29 28                  0
//!                  |    lap: 32 | state | tag of the owner   |
//!
//! FREE(l)          may be claimed to send item l * capacity + n
//! WRITING(l, tag)  an item is being written
//! READY(l)         an item may be received
//! READING(l, tag)  an item is being read
//! ORPHAN(l)        the item of a receiver that died: to be redelivered
//! ```
//!
//! There are no authoritative head or tail counters; the slot words alone define the queue's state.
//! Each handle keeps a position up to which it has observed all slots as claimed, and walks on from
//! there. The shared hints are approximate positions of other handles, for handles that are new or
//! were idle; nothing relies on them.
//!
//! # Protocol
//!
//! ```text
//! send      FREE(l) -CAS-> WRITING(l, me), write, -store-> READY(l)
//! receive   READY(l) -CAS-> READING(l, me), read, -store-> FREE(l + 1)
//! replace   READY(l) -CAS-> READING(l, me), read, -store-> WRITING(l + 1, me), write, READY(l + 1)
//! skip      WRITING(l, dead) -CAS-> FREE(l + 1)               by any process that finds it
//! orphan    READING(l, dead) -CAS-> ORPHAN(l), then the epoch by a reaper, a sender that finds it
//! redeliver ORPHAN(l) or READING(l, dead) -CAS-> READING(l, me)    by a receiver
//! ```
//!
//! After each claim, the process checks that the registry still knows its tag, (K1) of
//! [`participant`](crate::participant). If not, it gives the slot back, as a helper gives back a
//! dead owner's: see [`lost`].
//!
//! A walker passes a slot only after it has observed the slot as claimed for its side in its lap,
//! or in a later lap; so the claimed slots are a prefix, and items leave in the order of their
//! slots. Only an orphan may be received out of order: receivers search for orphans when the epoch
//! has changed, and find them when the ring wraps around.
//!
//! The commits are the last stores of send and of receive. Each commit notifies an event count.
//! [`wait`] is about waiters, and [`end`] about when a receiver is told that the queue has ended.
//!
//! # Crash
//!
//! [event count]: crate::wait::event_count
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | send, before the CAS | nothing | - |
//! | send, before the commit | WRITING(l, dead) | a process at the slot, or a reaper: skips it |
//! | send, after the commit | the item; a sleeper that is owed a wake | see [event count] |
//! | receive, before the commit | READING(l, dead) | a receiver claims it; a sender orphans it |
//! | receive, after the commit | as for send | see [event count] |
//! | replace | either of the two: the old item, or a slot to skip | as above |
//! | skip, orphan | the same as before, or repaired | the next process, as before |
//! | orphan, before the epoch | an unannounced orphan | the reaper of the killed process |
//! | a hint | an older hint | the next to set it |
//!
//! A receiver claims the item of a dead receiver when it comes to the slot or searches for orphans;
//! a sender orphans it when it comes to the slot. An unannounced orphan is not searched for.
//!
//! While an owner is stopped in WRITING, receivers find no item behind the slot, and senders find
//! the queue full when they wrap around to it. While an owner is stopped in READING, senders find
//! the queue full when they wrap around to it, and receivers of a queue that has ended are not told
//! so.
//!
//! # Ordering
//!
//! (Q1) READY is stored (Release) after the item is written, and claimed (Acquire) before it is
//! read. (Q2) FREE is stored (Release) after the item is read, and claimed (Acquire) before the
//! next is written. A claim by CAS passes both on. (Q3) A walker loads the words (Acquire), and
//! hints are set (Release) and loaded (Acquire), so that no process finds a slot older than a hint
//! implies. (Q4) The epoch (Release, Acquire): the orphans marked before. (Q5) Closing, and a
//! sender's claim: after its claim, an RMW, and a full barrier, a sender checks whether the queue
//! is closed; a receiver that finds the queue closed and empty checks once more after a full
//! barrier. At least one of the two observes the other. (Q6) The end: a receiver frees its slot,
//! and after a light barrier checks whether the queue has ended; a receiver that is about to sleep
//! has registered with the event count, and after a heavy barrier checks the slots. At least one of
//! the two observes the other; where membarrier(2) is refused, the sleeper's slice may have to end.
//! (M3) of `algorithm::mutex` holds for the words.
//!
//! # Trade-offs
//!
//! Rings with a shared tail (Vyukov's, folly's, DPDK's) need one CAS or fetch-add there, and stall
//! forever if a process dies between that and its slot. Here the one CAS is in the slot and names
//! its owner, and no line is written by all processes. A slot needs eight bytes.

use crate::algorithm::ends::CountedEnds;
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
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
pub(crate) mod wait;
mod walk;

/// A ring without its cells and slots, in the segment.
#[repr(C)]
pub(crate) struct SlotsState {
    /// The words that all processes read and few write.
    pub(crate) common: Padded<Common>,
    tail: Padded<AtomicU64>,
    head: Padded<AtomicU64>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<SlotsState>() == SLOTS_STATE);

/// The words that all processes read.
#[repr(C)]
pub(crate) struct Common {
    endpoints: AtomicU64,
    /// The number of times that orphans were left.
    epoch: AtomicU64,
    /// Unused; keeps the layout.
    _unused: AtomicU64,
    /// Receivers wait on `items`, senders on `free_slots`.
    items: EventCount,
    free_slots: EventCount,
    /// When each endpoint last began anew; see `endpoints`.
    renewed: [AtomicU64; 2],
}

/// Access to the words of the slots.
pub(crate) trait Slots: Copy {
    /// Returns the word of the slot at `index`, which is below the capacity.
    fn word(&self, index: u64) -> &AtomicU64;
}

/// The positions of a handle; private to its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// All positions before it were observed as claimed to send.
    pub(crate) tail: Position,
    /// All positions before it were observed as claimed to receive.
    pub(crate) head: Position,
    /// The epoch whose orphans were searched for.
    pub(crate) epoch: u64,
    /// The slot whose owner was found alive. The check is not repeated before other participants
    /// are reaped or a slice has passed.
    pub(crate) alive: CheckedOwner,
    /// The positions at which the handle last caught up with receivers, and with senders.
    pub(crate) caught_up: [Position; 2],
}

/// A slot and its word when its owner was checked; a word of 0 is none. Another slot can have the
/// same word, because its owner may have claimed several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckedOwner {
    pub(crate) index: u64,
    pub(crate) word: u64,
}

/// A slot that is the caller's alone until its commit. It has no padding, so that it stays in
/// registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The slot's index.
    pub(crate) index: u64,
    /// The slot's lap where a word has it, and below it whether a receiver has died with the item
    /// before.
    turn: u64,
}

impl Claim {
    #[inline(always)]
    fn new(index: u64, lap: u32, redelivered: bool) -> Self {
        Self {
            index,
            turn: (lap as u64) << 32 | redelivered as u64,
        }
    }

    #[inline(always)]
    fn lap(self) -> u32 {
        (self.turn >> 32) as u32
    }

    /// Returns whether the item is redelivered: a receiver has died with it before.
    #[inline(always)]
    pub(crate) fn is_redelivered(self) -> bool {
        self.turn & 1 != 0 && !mutation(949)
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
                endpoints: AtomicU64::new(0),
                epoch: AtomicU64::new(0),
                _unused: AtomicU64::new(0),
                items: EventCount::new(),
                free_slots: EventCount::new(),
                renewed: [0; 2].map(AtomicU64::new),
            }),
            tail: Padded(AtomicU64::new(0)),
            head: Padded(AtomicU64::new(0)),
        }
    }

    /// Returns the event count that an endpoint waits on.
    #[inline(always)]
    pub(crate) fn event(&self, endpoint: Endpoint) -> &EventCount {
        match endpoint {
            Endpoint::Sender => &self.common.0.free_slots,
            Endpoint::Receiver => &self.common.0.items,
        }
    }

    /// Returns both event counts, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 2] {
        [&self.common.0.items, &self.common.0.free_slots]
    }

    fn hint(&self, endpoint: Endpoint) -> &AtomicU64 {
        match endpoint {
            Endpoint::Sender => &self.tail.0,
            Endpoint::Receiver => &self.head.0,
        }
    }
}

impl<'a, S: Slots> Ring<'a, S> {
    /// Returns the endpoint counts, which say whether the queue has ended.
    #[inline(always)]
    pub(crate) fn endpoints(&self) -> EndpointCounts<'a> {
        EndpointCounts {
            word: &self.state.common.0.endpoints,
            renewed: &self.state.common.0.renewed,
            cells: self.cells,
        }
    }

    fn participants(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    #[inline(always)]
    fn load_word(&self, index: u64) -> Word {
        // ORDERING: Acquire; (Q3), and (M3).
        Word(
            self.slots
                .word(index)
                .load(ordering(Ordering::Acquire, 100)),
        )
    }

    #[inline(always)]
    fn transition(&self, index: u64, from: Word, to: Word) -> bool {
        // ORDERING: Acquire; (Q1), (Q2). Release; (M3).
        let both = ordering(Ordering::AcqRel, 101);
        let word = self.slots.word(index);
        word.compare_exchange(from.0, to.0, both, Ordering::Relaxed)
            .is_ok()
    }

    /// Claims the slot at `at` if it is in the state that the endpoint needs; returns the claim and
    /// the position after it.
    #[inline(always)]
    fn try_claim(&self, endpoint: Endpoint, at: Position, me: Tag) -> Option<(Claim, Position)> {
        let (index, lap) = (self.geometry.index(at), self.geometry.lap(at));
        let (open, owned) = match endpoint {
            Endpoint::Sender => (State::Free, State::Writing),
            Endpoint::Receiver => (State::Ready, State::Reading),
        };
        let open = Word::new(lap, open);
        if self.load_word(index) != open
            || !self.transition(index, open, Word::owned(lap, owned, me))
        {
            return None;
        }
        let claim = Claim::new(index, lap, false);
        Some((claim, self.advance(endpoint, at)))
    }

    /// Claims the slot at `at` to send, if nothing is in the way. The queue may have ended by then:
    /// see [`is_late`](Self::is_late).
    #[inline(always)]
    pub(crate) fn quick_send(&self, at: Position, me: Tag) -> Option<(Claim, Position)> {
        if self.endpoints().is_over(Endpoint::Sender) {
            return None;
        }
        self.try_claim(Endpoint::Sender, at, me)
    }

    /// Claims the next slot to send.
    pub(crate) fn claim_send(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if let Some((claim, next)) = self.quick_send(cursor.tail, peers.me()) {
            cursor.tail = next;
            return self.check_open(claim, peers);
        }
        if self.endpoints().is_over(Endpoint::Sender) {
            return Err(TryError::Disconnected);
        }
        let claim = self.claim_next(Endpoint::Sender, cursor, peers)?;
        self.check_open(claim, peers)
    }

    /// Returns a slot that was claimed to send if sending is still possible; otherwise gives it
    /// back.
    fn check_open(&self, claim: Claim, peers: &impl Liveness) -> Result<Claim, TryError> {
        self.check_registered(Endpoint::Sender, claim, peers)?;
        if self.is_late() {
            self.abandon(claim);
            return Err(TryError::Disconnected);
        }
        Ok(claim)
    }

    /// Returns whether a slot that was claimed to send has to be given back by
    /// [`abandon`](Self::abandon), because its item would not be received.
    #[inline(always)]
    pub(crate) fn is_late(&self) -> bool {
        // Under loom this is a full fence, which would hide that (Q2) is missing.
        if !mutation(102) && !mutation(106) {
            barrier_after_rmw();
        }
        self.endpoints().is_over(Endpoint::Sender) && !mutation(103)
    }

    /// Claims the item at `at`, if nothing is in the way; `epoch` is the handle's.
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
        self.try_claim(Endpoint::Receiver, at, me)
    }

    #[inline(always)]
    fn epoch(&self) -> u64 {
        // ORDERING: Acquire; (Q4).
        self.state.common.0.epoch.load(Ordering::Acquire)
    }

    /// Claims the next item. After [`TryError::WouldBlock`], [`on_empty`](Self::on_empty) decides.
    pub(crate) fn claim_recv(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        let claim = self.next_item(cursor, peers)?;
        self.check_registered(Endpoint::Receiver, claim, peers)
    }

    fn next_item(&self, cursor: &mut Cursor, peers: &impl Liveness) -> Result<Claim, TryError> {
        let me = peers.me();
        if let Some((claim, next)) = self.quick_recv(cursor.head, cursor.epoch, me) {
            cursor.head = next;
            return Ok(claim);
        }
        let epoch = self.epoch();
        if epoch != cursor.epoch && !mutation(104) {
            if let Some(claim) = self.claim_orphan(me) {
                return Ok(claim);
            }
            cursor.epoch = epoch;
        }
        self.claim_next(Endpoint::Receiver, cursor, peers)
    }

    /// Claims the slot at the tail, whether it is free or holds the oldest item. That item is then
    /// to be read, and [`replace`](Self::replace) called.
    pub(crate) fn claim_replace(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<(Claim, bool), TryError> {
        match self.claim_send(cursor, peers) {
            Err(TryError::WouldBlock) => {}
            other => return other.map(|claim| (claim, false)),
        }
        let at = cursor.tail;
        let index = self.geometry.index(at);
        let lap = self.geometry.lap(at).wrapping_sub(1);
        let word = self.load_word(index);
        let is_oldest =
            word == Word::new(lap, State::Ready) || word == Word::new(lap, State::Orphan);
        if !is_oldest || !self.transition(index, word, Word::owned(lap, State::Reading, peers.me()))
        {
            return Err(TryError::WouldBlock);
        }
        let redelivered = word.state() == Some(State::Orphan);
        let claim = Claim::new(index, lap, redelivered);
        let claim = self.check_registered(Endpoint::Receiver, claim, peers)?;
        Ok((claim, true))
    }

    /// Consumes the item, which was read, of a slot claimed by
    /// [`claim_replace`](Self::claim_replace), and claims the slot to send.
    pub(crate) fn replace(&self, claim: Claim, cursor: &mut Cursor, me: Tag) -> Claim {
        let lap = claim.lap().wrapping_add(1);
        let writing = Word::owned(lap, State::Writing, me);
        // ORDERING: Release; (M3).
        self.slots
            .word(claim.index)
            .store(writing.0, Ordering::Release);
        // Idle receivers must learn of it from the hint: no item before it is left.
        self.advance(Endpoint::Receiver, self.geometry.lap_before(cursor.tail));
        cursor.tail = self.advance(Endpoint::Sender, cursor.tail);
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

    /// Commits the receipt of an item that was read.
    #[inline(always)]
    pub(crate) fn commit_recv(&self, claim: Claim) {
        let free = Word::new(claim.lap().wrapping_add(1), State::Free);
        // ORDERING: Release; (Q2).
        let release = ordering(Ordering::Release, 106);
        self.slots.word(claim.index).store(free.0, release);
    }

    /// Gives back a slot that was claimed to send, without an item.
    #[cold]
    pub(crate) fn abandon(&self, claim: Claim) {
        self.commit_recv(claim);
        self.notify_all();
    }

    /// Notifies one waiter of what an endpoint has just committed. Notifies the receivers as well
    /// if that was a receipt from a queue that has ended: it may have been the last.
    #[inline(always)]
    pub(crate) fn notify(&self, endpoint: Endpoint) {
        if !mutation(107) {
            self.state.event(endpoint.other()).notify();
        }
        // ORDERING: (Q6); the barrier is the event count's.
        if endpoint == Endpoint::Receiver && self.endpoints().is_over(endpoint) && !mutation(500) {
            self.state.event(endpoint).notify_all();
        }
    }

    fn notify_all(&self) {
        self.state.event(Endpoint::Sender).notify_all();
        self.state.event(Endpoint::Receiver).notify_all();
    }

    /// Wakes all waiters of both endpoints.
    pub(crate) fn wake_all(&self) {
        self.state.event(Endpoint::Sender).wake_all();
        self.state.event(Endpoint::Receiver).wake_all();
    }

    /// Closes the queue: nothing can be sent any more.
    pub(crate) fn close(&self) {
        self.endpoints().close();
        self.wake_all();
    }

    /// Returns the position after `at`, which was claimed. Sets the shared hint at every marked
    /// position.
    #[inline(always)]
    fn advance(&self, endpoint: Endpoint, at: Position) -> Position {
        let next = self.geometry.next(at);
        if self.geometry.is_marked(at) {
            self.publish_hint(endpoint, next);
        }
        next
    }

    #[cold]
    fn publish_hint(&self, endpoint: Endpoint, next: Position) {
        let hint = self.state.hint(endpoint);
        // ORDERING: Relaxed; the CAS decides. Release; (Q3).
        let seen = hint.load(Ordering::Relaxed);
        if seen < next.0 {
            let _ = hint.compare_exchange(seen, next.0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Reaps dead participants, unless a process did so just now.
    pub(crate) fn reap(&self, peers: &impl Liveness) {
        peers.reap(false);
    }

    /// Reaps dead participants after a sender found the queue full, and retries if any was reaped.
    #[cold]
    pub(crate) fn on_full(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<Claim, TryError> {
        if !peers.reap(false) {
            return Err(TryError::WouldBlock);
        }
        self.claim_send(cursor, peers)
    }
}

impl<S: Slots> CountedEnds for Ring<'_, S> {
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

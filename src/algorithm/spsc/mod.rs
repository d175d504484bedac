//! A ring buffer for one producer and one consumer, wait-free on both sides.
//!
//! # State
//!
//! Two endpoints, each on cache lines of its own, and a slot for each item of the capacity.
//!
//! ```text
//! endpoint of the producer: position (tail), claim, event count of the consumer
//! endpoint of the consumer: position (head), claim, event count of the producer
//! ```
//!
//! The claims are those of [`holder`].
//!
//! Positions count items and never restart; item n is in slot n modulo the capacity. Invariant 1:
//! head <= tail <= head + capacity.
//!
//! # Protocol
//!
//! - claim: take the [claim](crate::participant::holder), then load both positions. A role has one
//!   process at a time, with one handle.
//! - push: if `tail < head + capacity`, write the slot, then store `tail + 1`: the commit. The
//!   handle caches the last observed head and reloads it only when the ring appears full.
//! - pop: if `head < tail`, read the slot, then store `head + 1`: the commit.
//! - stale positions: a holder that was reaped while alive may store a position older than its
//!   successor's. A position that breaks Invariant 1 therefore counts as stale as long as its
//!   endpoint has a holder: the load yields no news, and is repeated. Before a holder reports or
//!   waits for an empty or full ring, it checks that its own position is as it has stored it, and
//!   stores it again if not. Before each operation it checks that it still has its claim.
//! - hand over: the claim goes from one process to another as in
//!   [`hand_over`](crate::participant::hand_over); the receiver continues at the position.
//! - wait: spin for some microseconds, then sleep on the own event count, which the peer notifies
//!   after each commit. A waiter may want several items or free slots at once. A waiter whose peer
//!   has left or died loads the peer's position once more before it reports that. It puts `DIED`
//!   into the claim of a dead peer first, so what it reports is final: a process that takes the
//!   dead one's end over afterwards finds that it is over. A waiter that never sleeps makes the
//!   checks of a sleeper after each slice of spinning.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | claim, before the CAS | nothing | - |
//! | as holder | the dead tag | the next claim, which continues at the position; a reaper: `DIED` |
//! | push, before the commit | bytes in an uncommitted slot | the next push overwrites them |
//! | push, after the commit, before notifying | a sleeper that is owed a wake | see [event count] |
//! | pop, before the commit | the item, unconsumed | the next consumer receives it |
//! | pop, after the commit | as for push | see [event count] |
//!
//! [event count]: crate::wait::event_count
//!
//! A holder that is reaped in the middle of an operation and continues may write the slot of its
//! successor's position, and hides items or free capacity until its successor's next operation.
//!
//! A stopped producer delays only processes that wait for its items; a stopped consumer delays only
//! processes that wait for free capacity.
//!
//! # Ordering
//!
//! (S1) The store of the tail (Release) pairs with the consumer's load (Acquire): the item. (S2)
//! The store of the head (Release) pairs with the producer's load (Acquire): the slot is read
//! before it is written again. (S3) of [`holder`]: the last holder's
//! positions.
//!
//! # Trade-offs
//!
//! An endpoint that catches up with its peer in the middle of a stream pauses some microseconds
//! before it reloads the peer's position: following at a distance of one item makes both wait for
//! each other's cache lines at each item.
//!
//! A stream of items of a cache line each is bounded by how many of them the processor's store
//! queue holds while their lines come back from the peer: a push is the stores of the item and two
//! more, and is inlined, so the value is stored nowhere else.
//!
//! The scheme is Lamport's (1977), with the cached positions of FastForward and MCRingBuffer, as in
//! folly's ProducerConsumerQueue and rtrb.

use core::marker::PhantomData;

use crate::facade::{AtomicU64, Ordering, ShortSpin, mutation, ordering};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::holder::{self, HolderState, HolderWord};
use crate::wait::event_count::EventCount;

/// The shared part of one endpoint.
#[repr(C)]
pub(crate) struct EndpointState {
    /// Alone on its line: a word loaded at each commit beside it would wait until the peer gives
    /// the line back.
    position: Padded<AtomicU64>,
    claim: HolderWord,
    /// The *peer* sleeps on it: a commit at this endpoint notifies it.
    event: EventCount,
}

/// A ring without its slots, in the segment.
#[repr(C)]
pub(crate) struct SpscState {
    producer: Padded<EndpointState>,
    consumer: Padded<EndpointState>,
}

/// The role of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Consumer,
}

/// A role as a type, so that code that depends on it is selected at compile time.
pub(crate) trait RoleMarker: Copy {
    const ROLE: Role;
}

/// The producer's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producing;

/// The consumer's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consuming;

impl RoleMarker for Producing {
    const ROLE: Role = Role::Producer;
}

impl RoleMarker for Consuming {
    const ROLE: Role = Role::Consumer;
}

/// The reason why a role was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// A live participant has the claim.
    Taken(Tag),
    /// The state is not a ring's.
    Corrupt,
    /// This process is no longer a participant.
    MembershipLost,
}

/// Positions or a claim that a ring cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// The outcome of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    /// This many items or free slots are available.
    Ready(u64),
    /// None is available, and the peer has left or died.
    Disconnected,
    /// None is available, and the deadline has passed.
    TimedOut,
    /// The positions are not a ring's.
    Corrupt,
    /// This process is no longer a participant.
    MembershipLost,
}

/// The position of the holder of a role; private to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<R> {
    position: u64,
    /// The position up to which the peer lets this endpoint go, as of the last load.
    limit: u64,
    /// The position at which this endpoint last caught up with its peer.
    caught_up: u64,
    /// The items of one step of the user's: more are a stream.
    step: u64,
    me: Tag,
    role: PhantomData<R>,
}

impl<R> Cursor<R> {
    /// Returns the position of the next item.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Sets how many items one step of the user's has: not 0.
    #[cfg(feature = "process")]
    #[inline(always)]
    pub(crate) fn set_step(&mut self, items: u64) {
        self.step = items;
    }

    /// Returns the number of items or free slots as of the last load of the peer's position.
    #[inline(always)]
    pub(crate) fn known(&self) -> u64 {
        self.limit.wrapping_sub(self.position)
    }
}

/// A ring with its capacity.
#[derive(Clone, Copy)]
pub(crate) struct Spsc<'a> {
    state: &'a SpscState,
    capacity: u64,
}

impl SpscState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        let endpoint = || {
            Padded(EndpointState {
                position: Padded(AtomicU64::new(0)),
                claim: HolderWord::new(),
                event: EventCount::new(),
            })
        };
        Self {
            producer: endpoint(),
            consumer: endpoint(),
        }
    }

    #[inline(always)]
    fn own(&self, role: Role) -> &EndpointState {
        match role {
            Role::Producer => &self.producer.0,
            Role::Consumer => &self.consumer.0,
        }
    }

    #[inline(always)]
    fn peer(&self, role: Role) -> &EndpointState {
        match role {
            Role::Producer => &self.consumer.0,
            Role::Consumer => &self.producer.0,
        }
    }

    /// Returns both event counts, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 2] {
        [&self.producer.0.event, &self.consumer.0.event]
    }

    /// Recovers the claims of the participant `dead`, and wakes each sleeper that it may have owed
    /// a wake.
    pub(crate) fn recover(&self, dead: Tag) {
        for role in [Role::Producer, Role::Consumer] {
            let endpoint = self.own(role);
            endpoint.claim.recover(dead);
            endpoint.event.wake_all();
        }
    }

    /// Returns the holder of a role.
    #[cfg(test)]
    pub(crate) fn holder(&self, role: Role, participants: u32) -> Option<Tag> {
        self.own(role).claim.load().holder(participants).ok()?
    }
}

impl From<holder::Garbage> for Corrupt {
    fn from(_: holder::Garbage) -> Self {
        Self
    }
}

impl<'a> Spsc<'a> {
    pub(crate) fn new(state: &'a SpscState, capacity: u64) -> Self {
        Self { state, capacity }
    }

    /// Claims a role that no live participant has.
    pub(crate) fn claim<R: RoleMarker>(
        self,
        peers: &impl Liveness,
    ) -> Result<Cursor<R>, ClaimError> {
        let me = peers.me();
        let claimed = self.state.own(R::ROLE).claim.claim(peers);
        claimed.map_err(|refused| match refused {
            holder::HolderError::Taken(tag) => ClaimError::Taken(tag),
            holder::HolderError::Garbage(_) => ClaimError::Corrupt,
            holder::HolderError::MembershipLost => ClaimError::MembershipLost,
        })?;
        self.cursor(me).map_err(|Corrupt| {
            self.leave(R::ROLE, me);
            ClaimError::Corrupt
        })
    }

    /// Continues as the holder of a role that `me` has taken over.
    #[cfg(any(loom, feature = "process"))]
    pub(crate) fn resume<R: RoleMarker>(self, me: Tag) -> Result<Cursor<R>, ClaimError> {
        if self.state.own(R::ROLE).claim.check(me).is_err() {
            return Err(ClaimError::MembershipLost);
        }
        self.cursor(me).map_err(|Corrupt| ClaimError::Corrupt)
    }

    /// Returns the position at which a new holder of the role begins.
    fn cursor<R: RoleMarker>(self, me: Tag) -> Result<Cursor<R>, Corrupt> {
        // ORDERING: Relaxed; (S3) orders the last holder's stores.
        let position = self.state.own(R::ROLE).position.0.load(Ordering::Relaxed);
        let mut cursor = Cursor {
            position,
            limit: position,
            caught_up: position,
            step: 1,
            me,
            role: PhantomData,
        };
        // Whether the positions fit is all that can be checked here, not which of them is stale.
        self.load_peer(&mut cursor).ok_or(Corrupt)?;
        Ok(cursor)
    }

    /// Returns the number of available items or free slots. Loads the peer's position only if none
    /// is known, and lets the peer get ahead if this endpoint has caught up with it in a stream.
    #[inline(always)]
    pub(crate) fn available<R: RoleMarker>(self, cursor: &mut Cursor<R>) -> Result<u64, Corrupt> {
        match cursor.known() {
            0 => self.catch_up(cursor),
            known => Ok(known),
        }
    }

    #[inline]
    fn catch_up<R: RoleMarker>(self, cursor: &mut Cursor<R>) -> Result<u64, Corrupt> {
        let available = self.refresh(cursor);
        if available != Ok(0) {
            return available;
        }
        self.restore(cursor);
        let steps = cursor.position.wrapping_sub(cursor.caught_up);
        cursor.caught_up = cursor.position;
        if ShortSpin::follow(steps.div_ceil(cursor.step)) {
            self.refresh(cursor)
        } else {
            available
        }
    }

    /// Loads the peer's position, and returns the number of available items or free slots. Returns
    /// 0 if the position is invalid and its endpoint has a holder, which will store it again.
    #[inline]
    pub(crate) fn refresh<R: RoleMarker>(self, cursor: &mut Cursor<R>) -> Result<u64, Corrupt> {
        match self.load_peer(cursor) {
            Some(available) => Ok(available),
            None => self.invalid_position(R::ROLE),
        }
    }

    /// Returns the number of items, which may be stale: no endpoint need be claimed. Invalid
    /// positions give a number from 0 to the capacity.
    pub(crate) fn len(self) -> u64 {
        let position = |role, order| self.state.own(role).position.0.load(order);
        // ORDERING: Acquire; pairs with (S2), before which the consumer has loaded a tail that is
        // not behind this head, so the load that follows gets none that is.
        let head = position(Role::Consumer, ordering(Ordering::Acquire, 741));
        // ORDERING: Relaxed; no item is read.
        let tail = position(Role::Producer, Ordering::Relaxed);
        tail.wrapping_sub(head).min(self.capacity)
    }

    /// Distinguishes a stale position of the peer from corruption.
    #[cold]
    fn invalid_position(self, role: Role) -> Result<u64, Corrupt> {
        if self.peer_claim(role).is_free() || mutation(617) {
            return Err(Corrupt);
        }
        Ok(0)
    }

    /// Stores the holder's position again if the word has another value.
    #[cold]
    pub(crate) fn restore<R: RoleMarker>(self, cursor: &Cursor<R>) {
        let endpoint = self.state.own(R::ROLE);
        // ORDERING: Relaxed; the holder's own.
        let is_there = endpoint.position.0.load(Ordering::Relaxed) == cursor.position;
        if !is_there && self.is_held(cursor) && !mutation(616) {
            // ORDERING: Release; (S1), (S2), as for the first store.
            endpoint
                .position
                .0
                .store(cursor.position, Ordering::Release);
            endpoint.event.notify_all();
        }
    }

    /// Returns whether the holder still has its claim.
    #[inline(always)]
    pub(crate) fn is_held<R: RoleMarker>(self, cursor: &Cursor<R>) -> bool {
        self.state.own(R::ROLE).claim.check(cursor.me).is_ok() || mutation(615)
    }

    /// As [`refresh`](Self::refresh); `None` if the position is invalid.
    #[inline]
    fn load_peer<R: RoleMarker>(self, cursor: &mut Cursor<R>) -> Option<u64> {
        let mutant = match R::ROLE {
            Role::Producer => 70,
            Role::Consumer => 71,
        };
        // ORDERING: Acquire; pairs with (S1), or (S2).
        let acquire = ordering(Ordering::Acquire, mutant);
        let other = self.state.peer(R::ROLE).position.0.load(acquire);
        let limit = match R::ROLE {
            Role::Producer if mutation(72) => other.wrapping_add(self.capacity + 1),
            Role::Producer => other.wrapping_add(self.capacity),
            Role::Consumer => other,
        };
        let available = limit.wrapping_sub(cursor.position);
        // Invariant 1; a peer's garbage leads to no slot outside of the ring.
        if available > self.capacity && !mutation(72) {
            return None;
        }
        cursor.limit = limit;
        Some(available)
    }

    /// Commits the next `count` items, which were available and have been written or read.
    #[inline(always)]
    pub(crate) fn commit<R: RoleMarker>(self, cursor: &mut Cursor<R>, count: u64) {
        cursor.position = cursor.position.wrapping_add(count);
        let endpoint = self.state.own(R::ROLE);
        let mutant = match R::ROLE {
            Role::Producer => 73,
            Role::Consumer => 74,
        };
        // ORDERING: Release; (S1) publishes the items, (S2) releases their slots.
        let release = ordering(Ordering::Release, mutant);
        endpoint.position.0.store(cursor.position, release);
        if !mutation(75) {
            endpoint.event.notify_all();
        }
    }

    /// Returns whether the peer has left or died.
    #[cfg(test)]
    pub(crate) fn is_disconnected(
        self,
        role: Role,
        peers: &impl Liveness,
    ) -> Result<bool, Corrupt> {
        Ok(self.peer_claim(role).is_gone(peers)?)
    }

    /// Loads the claim of the peer's endpoint.
    fn peer_claim(self, role: Role) -> HolderState {
        self.state.peer(role).claim.load()
    }

    /// Returns whether the peer is known to have left or died, without a system call.
    pub(crate) fn has_left(self, role: Role) -> bool {
        self.peer_claim(role).is_left()
    }

    /// Returns whether an operation would return without waiting: an item or a free slot is
    /// available, or none will come, or the state is not a ring's.
    pub(crate) fn is_ready<R: RoleMarker>(self, cursor: &Cursor<R>, participants: u32) -> bool {
        cursor.known() > 0
            || self.refresh(&mut { *cursor }) != Ok(0)
            || match self.peer_claim(R::ROLE).holder(participants) {
                Ok(None) => self.has_left(R::ROLE),
                Ok(Some(_)) => false,
                Err(_) => true,
            }
    }

    /// Returns the event count that a role sleeps on. It is on the line of the peer, which notifies
    /// it.
    pub(crate) fn event(self, role: Role) -> &'a EventCount {
        &self.state.peer(role).event
    }

    /// Recovers the peer's claim if its holder is dead.
    pub(crate) fn reap_dead(self, role: Role, peers: &impl Liveness) {
        if let Ok(Some(tag)) = self.peer_claim(role).holder(peers.participants()) {
            peers.sleeps_for(tag);
            if !peers.is_alive(tag) && !mutation(97) {
                self.state.recover(tag);
            }
        }
    }

    /// Gives up a role. Does nothing if it is no longer `me`'s.
    pub(crate) fn leave(self, role: Role, me: Tag) {
        let endpoint = self.state.own(role);
        if endpoint.claim.leave(me) && !mutation(79) {
            endpoint.event.wake_all();
        }
    }
}

#[cfg(any(loom, feature = "process"))]
pub(crate) mod ends;
pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
mod wait;

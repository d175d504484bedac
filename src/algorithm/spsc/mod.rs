//! A ring for one producer and one consumer, wait-free on both sides.
//!
//! # State
//!
//! Two sides, each on cache lines of its own, and a slot for each item of the capacity.
//!
//! ```text
//! side of the producer: position (tail), role, event count of the consumer
//! side of the consumer: position (head), role, event count of the producer
//! ```
//!
//! The roles are [`role`](crate::participant::holder)s.
//!
//! Positions count items for ever; item n is in slot n modulo the capacity. Invariant 1:
//! head <= tail <= head + capacity.
//!
//! # Protocol
//!
//! - claim a [`role`](crate::participant::holder), then read both positions. One process has a role at a time, and one handle in it.
//! - push: with `tail < head + capacity`, write the slot, then store `tail + 1`: the commit. The
//!   head that was last seen is kept in the handle; it is read anew when the ring looks full.
//! - pop: with `head < tail`, read the slot, then store `head + 1`: the commit.
//! - a holder that was taken for dead, and does not know it, may store a position that is older than its
//!   successor's. So a position that breaks Invariant 1 is taken for an old one while the other side has
//!   a holder: nothing new is known, and it is read again. Each holder looks, before it reports or waits
//!   that there is nothing, whether its own position is as it has stored it, and stores it again if not.
//!   Before each operation it looks whether it has its role still.
//! - wait: spin some microseconds, then sleep by the own event count, which the other side rings after
//!   each commit. A sleeper whose peer has left or died looks once more, and then says so. One that
//!   never sleeps asks all that a sleeper does, after each slice of spinning.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | claim, before the CAS | nothing | - |
//! | in a role | the dead tag | the next to claim it, who goes on from the position; whoever reaps: `DIED` |
//! | push, before the commit | bytes in a slot that is nobody's | the next push writes over them |
//! | push, after the commit, before the ringing | a sleeper whose wake is owed | see [event count](crate::wait::event_count) |
//! | pop, before the commit | the item, unconsumed | the next consumer gets it |
//! | pop, after the commit | as for push | see [event count](crate::wait::event_count) |
//!
//! One that was taken for dead in the middle of an operation, and goes on, may write the slot at which its
//! successor is, and hides items, or room, until its successor's next operation.
//!
//! A producer that is stopped delays nobody but those who wait for its items, a stopped consumer
//! nobody but those who wait for room.
//!
//! # Ordering
//!
//! (S1) storing the tail (Release) pairs with the consumer's load (Acquire): the item. (S2) storing the head
//! (Release) pairs with the producer's load (Acquire): the slot is read before it is written
//! again. (S3) of [`role`](crate::participant::holder): positions of the last holder.
//!
//! # Trade-offs
//!
//! Whoever catches up with the other in a stream pauses some microseconds before it looks again: one
//! that follows at the other's heels has both wait for each other's cache lines at each item.
//!
//! What bounds a stream of items of a cache line is how many of them the processor's store queue
//! holds while their lines come back from the other side: a push is the stores of the item and two
//! more, and is inlined, so that the value need not be stored anywhere else.
//!
//! The scheme is Lamport's (1977), with the cached positions of FastForward and MCRingBuffer, as
//! in folly's ProducerConsumerQueue and rtrb.

use core::marker::PhantomData;
use core::time::Duration;

use crate::facade::{AtomicU64, Deadline, Ordering, Patience, mutation, ordering};
use crate::format::Padded;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::holder::{self, HolderState, HolderWord};
use crate::wait::event_count::EventCount;
use crate::wait::on_event;
use crate::wait::{SleepOn, Step, Stepped, WaitError, WaitMode, WaitOp, block_on};

/// The shared part of one side.
#[repr(C)]
pub(crate) struct Side {
    /// Alone on its line: what is read at each commit beside it would wait until the line is back
    /// from the other side.
    position: Padded<AtomicU64>,
    role: HolderWord,
    /// Where the *other* side sleeps: whoever commits here looks at it.
    event: EventCount,
}

/// A ring but for its slots, in the segment.
#[repr(C)]
pub(crate) struct SpscState {
    producer: Padded<Side>,
    consumer: Padded<Side>,
}

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Producer,
    Consumer,
}

/// A role as a type: what depends on it is decided as it is compiled.
pub(crate) trait Seat: Copy {
    const ROLE: Role;
}

/// The producer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producing;

/// The consumer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consuming;

impl Seat for Producing {
    const ROLE: Role = Role::Producer;
}

impl Seat for Consuming {
    const ROLE: Role = Role::Consumer;
}

/// Why a role was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unclaimed {
    /// A live participant has it.
    Taken(Tag),
    /// The state cannot be a ring's.
    Corrupt,
    /// This process is no participant any more.
    MembershipLost,
}

/// Positions or a role that a ring cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// So many items or places are there.
    Ready(u64),
    /// None is there, and the other side has left or died.
    Alone,
    /// None is there, and the deadline has passed.
    TimedOut,
    /// The positions cannot be a ring's.
    Corrupt,
    /// This process is no participant any more.
    MembershipLost,
}

/// Where the holder of a role is; private to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<R> {
    position: u64,
    /// Up to where the other side was seen to let this one go.
    limit: u64,
    /// Where it was when it last caught up with the other side.
    caught_up: u64,
    me: Tag,
    role: PhantomData<R>,
}

impl<R> Cursor<R> {
    /// The position of the next item.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// How many items, or places, were there when the other side was looked at last.
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
        let side = || {
            Padded(Side {
                position: Padded(AtomicU64::new(0)),
                role: HolderWord::new(),
                event: EventCount::new(),
            })
        };
        Self {
            producer: side(),
            consumer: side(),
        }
    }

    #[inline(always)]
    fn side(&self, role: Role) -> &Side {
        match role {
            Role::Producer => &self.producer.0,
            Role::Consumer => &self.consumer.0,
        }
    }

    #[inline(always)]
    fn other(&self, role: Role) -> &Side {
        match role {
            Role::Producer => &self.consumer.0,
            Role::Consumer => &self.producer.0,
        }
    }

    /// Both event counts, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 2] {
        [&self.producer.0.event, &self.consumer.0.event]
    }

    /// Gives back the roles that participant `dead` has, and wakes whom it may have owed a wake.
    pub(crate) fn recover(&self, dead: Tag) {
        for role in [Role::Producer, Role::Consumer] {
            let side = self.side(role);
            side.role.recover(dead);
            side.event.wake_all();
        }
    }

    /// Who has a role.
    #[cfg(test)]
    pub(crate) fn holder(&self, role: Role, participants: u32) -> Option<Tag> {
        self.side(role).role.load().holder(participants).ok()?
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

    /// Takes a role that nobody alive has.
    pub(crate) fn claim<R: Seat>(
        self,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<Cursor<R>, Unclaimed> {
        let claimed = self.state.side(R::ROLE).role.claim(me, peers);
        claimed.map_err(|refused| match refused {
            holder::HolderError::Taken(tag) => Unclaimed::Taken(tag),
            holder::HolderError::Garbage(_) => Unclaimed::Corrupt,
            holder::HolderError::MembershipLost => Unclaimed::MembershipLost,
        })?;
        self.cursor(me).map_err(|Corrupt| {
            self.leave(R::ROLE, me);
            Unclaimed::Corrupt
        })
    }

    /// Where the holder of a role begins.
    fn cursor<R: Seat>(self, me: Tag) -> Result<Cursor<R>, Corrupt> {
        // ORDERING: Relaxed; (S3) orders what the last holder stored.
        let position = self.state.side(R::ROLE).position.0.load(Ordering::Relaxed);
        let mut cursor = Cursor {
            position,
            limit: position,
            caught_up: position,
            me,
            role: PhantomData,
        };
        // Which of the two is older cannot be told here.
        self.look(&mut cursor).ok_or(Corrupt)?;
        Ok(cursor)
    }

    /// How many items, or places, are there; looks at the other side only if none is known of, and
    /// lets it get ahead if it was caught up with in a stream.
    #[inline(always)]
    pub(crate) fn available<R: Seat>(self, cursor: &mut Cursor<R>) -> Result<u64, Corrupt> {
        match cursor.known() {
            0 => self.catch_up(cursor),
            known => Ok(known),
        }
    }

    #[inline]
    fn catch_up<R: Seat>(self, cursor: &mut Cursor<R>) -> Result<u64, Corrupt> {
        let found = self.refresh(cursor);
        if found != Ok(0) {
            return found;
        }
        self.restore(cursor);
        let steps = cursor.position.wrapping_sub(cursor.caught_up);
        cursor.caught_up = cursor.position;
        if Patience::follow(steps) {
            self.refresh(cursor)
        } else {
            found
        }
    }

    /// How many items, or places, are there, by a look at the other side. 0 if that has a position that
    /// cannot be, and a holder, who stores its own again.
    #[inline]
    pub(crate) fn refresh<R: Seat>(self, cursor: &mut Cursor<R>) -> Result<u64, Corrupt> {
        match self.look(cursor) {
            Some(available) => Ok(available),
            None => self.stale(R::ROLE),
        }
    }

    /// What it means that the other side has a position that cannot be.
    #[cold]
    fn stale(self, role: Role) -> Result<u64, Corrupt> {
        if self.others_role(role).is_free() || mutation(617) {
            return Err(Corrupt);
        }
        Ok(0)
    }

    /// Stores the position of a role's holder again if another one stands there.
    #[cold]
    pub(crate) fn restore<R: Seat>(self, cursor: &Cursor<R>) {
        let side = self.state.side(R::ROLE);
        // ORDERING: Relaxed; the holder's own.
        let is_there = side.position.0.load(Ordering::Relaxed) == cursor.position;
        if !is_there && self.is_held(cursor) && !mutation(616) {
            // ORDERING: Release; (S1), (S2), as it was stored before.
            side.position.0.store(cursor.position, Ordering::Release);
            side.event.notify_all();
        }
    }

    /// Whether the role is the holder's still.
    #[inline(always)]
    pub(crate) fn is_held<R: Seat>(self, cursor: &Cursor<R>) -> bool {
        self.state.side(R::ROLE).role.check(cursor.me).is_ok() || mutation(615)
    }

    /// As [`refresh`](Self::refresh); `None` if the position cannot be.
    #[inline]
    fn look<R: Seat>(self, cursor: &mut Cursor<R>) -> Option<u64> {
        let mutant = match R::ROLE {
            Role::Producer => 70,
            Role::Consumer => 71,
        };
        // ORDERING: Acquire; pairs with (S1), or (S2).
        let acquire = ordering(Ordering::Acquire, mutant);
        let other = self.state.other(R::ROLE).position.0.load(acquire);
        let limit = match R::ROLE {
            Role::Producer if mutation(72) => other.wrapping_add(self.capacity + 1),
            Role::Producer => other.wrapping_add(self.capacity),
            Role::Consumer => other,
        };
        let available = limit.wrapping_sub(cursor.position);
        // Invariant 1; a peer's garbage leads to no place outside of the ring.
        if available > self.capacity && !mutation(72) {
            return None;
        }
        cursor.limit = limit;
        Some(available)
    }

    /// Commits the next `count` items, which were written, or read, before. They were available.
    #[inline(always)]
    pub(crate) fn commit<R: Seat>(self, cursor: &mut Cursor<R>, count: u64) {
        cursor.position = cursor.position.wrapping_add(count);
        let side = self.state.side(R::ROLE);
        let mutant = match R::ROLE {
            Role::Producer => 73,
            Role::Consumer => 74,
        };
        // ORDERING: Release; (S1) publishes the items, (S2) gives their slots back.
        let release = ordering(Ordering::Release, mutant);
        side.position.0.store(cursor.position, release);
        if !mutation(75) {
            side.event.notify_all();
        }
    }

    /// Whether the other side's last holder has left or died.
    #[cfg(test)]
    pub(crate) fn is_alone(self, role: Role, peers: &impl Liveness) -> Result<bool, Corrupt> {
        Ok(self.others_role(role).is_gone(peers)?)
    }

    /// The role of the other side.
    fn others_role(self, role: Role) -> HolderState {
        self.state.other(role).role.load()
    }

    /// Whether the other side's last holder is known to have left or died, without asking anybody.
    pub(crate) fn has_left(self, role: Role) -> bool {
        self.others_role(role).is_left()
    }

    /// Whether an operation has something to do, or to say, at once: an item or a place is there, or
    /// none will come, or the state cannot be a ring's.
    pub(crate) fn is_ready<R: Seat>(self, cursor: &Cursor<R>, participants: u32) -> bool {
        cursor.known() > 0
            || self.refresh(&mut { *cursor }) != Ok(0)
            || match self.others_role(R::ROLE).holder(participants) {
                Ok(None) => self.has_left(R::ROLE),
                Ok(Some(_)) => false,
                Err(_) => true,
            }
    }

    /// The event count by which a role sleeps: it is on the line of the other, who rings it.
    pub(crate) fn event(self, role: Role) -> &'a EventCount {
        &self.state.other(role).event
    }

    /// Gives the other side's role back if its holder is dead.
    pub(crate) fn reap_dead(self, role: Role, peers: &impl Liveness) {
        if let Ok(Some(tag)) = self.others_role(role).holder(peers.participants()) {
            peers.sleeps_for(tag);
            if !peers.is_alive(tag) && !mutation(97) {
                self.state.recover(tag);
            }
        }
    }

    /// Waits until an item, or a place, is there.
    pub(crate) fn wait<'m, R: Seat>(
        self,
        cursor: &mut Cursor<R>,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Waited {
        let mut op = Wait {
            ring: self,
            cursor,
            peers,
        };
        match block_on(&mut op, deadline, mode.into()) {
            Ok(count) => Waited::Ready(count),
            Err(waited) => waited,
        }
    }

    /// Gives a role back; does nothing if it is no longer `me`'s.
    pub(crate) fn leave(self, role: Role, me: Tag) {
        let side = self.state.side(role);
        if side.role.leave(me) && !mutation(79) {
            side.event.wake_all();
        }
    }
}

/// What a role waits for: items, or places.
struct Wait<'a, 'b, R, P> {
    ring: Spsc<'a>,
    cursor: &'b mut Cursor<R>,
    peers: &'b P,
}

impl From<WaitError> for Waited {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            WaitError::MembershipLost => Self::MembershipLost,
        }
    }
}

impl<R: Seat, P: Liveness> WaitOp for Wait<'_, '_, R, P> {
    type Output = u64;
    type Error = Waited;

    fn attempt(&mut self) -> Stepped<Self> {
        match self.ring.available(self.cursor) {
            Ok(0) if self.ring.has_left(R::ROLE) => self.alone(),
            Ok(0) => Ok(Step::Blocked),
            Ok(count) => Ok(Step::Done(count)),
            Err(Corrupt) => Err(Waited::Corrupt),
        }
    }

    fn reap_dead(&mut self) -> Stepped<Self> {
        match self.ring.others_role(R::ROLE).is_gone(self.peers) {
            Ok(false) => Ok(Step::Blocked),
            Ok(true) => self.alone(),
            Err(_) => Err(Waited::Corrupt),
        }
    }

    const REAPS_FIRST: bool = false;

    fn is_member(&self) -> bool {
        self.peers.is_member()
    }

    fn progress(&self) -> u64 {
        self.cursor.position
    }

    fn longest(&self) -> Duration {
        on_event::longest()
    }

    fn announce(&mut self) -> Option<SleepOn<'_>> {
        let (ring, other) = (self.ring, self.ring.others_role(R::ROLE));
        if let Ok(Some(tag)) = other.holder(self.peers.participants()) {
            self.peers.sleeps_for(tag);
        }
        let has_left = other.is_left() && !mutation(661);
        ring.event(R::ROLE).announce(|| {
            has_left
                || ring.refresh(self.cursor) != Ok(0)
                || (!mutation(61) && ring.others_role(R::ROLE) != other)
        })
    }
}

impl<R: Seat, P: Liveness> Wait<'_, '_, R, P> {
    /// The other side has left or died; it may have committed something before that.
    fn alone(&mut self) -> Stepped<Self> {
        match self.ring.look(self.cursor) {
            Some(count) if count > 0 && !mutation(77) => Ok(Step::Done(count)),
            Some(_) => Err(Waited::Alone),
            None => Err(Waited::Corrupt),
        }
    }
}

pub(crate) mod entry;
#[cfg(test)]
pub(crate) mod tests;

//! The waiters of both endpoints.
//!
//! # State
//!
//! The two event counts of [`mpmc`](super): senders wait on `free_slots`, receivers on `items`.
//!
//! # Protocol
//!
//! That of [`on_event`](crate::wait::on_event). A waiter detects deaths by reaping, and by
//! recounting the other endpoint; it checks the owner of the slot that it waits for once a slice.
//!
//! # Crash
//!
//! As there.
//!
//! # Ordering
//!
//! As there.

use super::{CheckedOwner, Claim, Cursor, Ring, Slots, TryError};
use crate::facade::Deadline;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::WaitMode;
pub(crate) use crate::wait::on_event::EventWaitError;
use crate::wait::on_event::{EventOp, wait};

/// The common part of the operations that wait.
struct Waiter<'a, S, P> {
    ring: Ring<'a, S>,
    endpoint: Endpoint,
    cursor: &'a mut Cursor,
    me: Tag,
    peers: &'a P,
}

/// Waits for a slot to send.
struct SendOp<'a, S, P>(Waiter<'a, S, P>);

/// Waits for an item.
struct RecvOp<'a, S, P>(Waiter<'a, S, P>);

/// Waits for a slot that is free, or holds an item to be replaced.
struct ReplaceOp<'a, S, P>(Waiter<'a, S, P>);

impl<S: Slots, P: Liveness> Waiter<'_, S, P> {
    fn is_ready(&mut self) -> bool {
        self.ring.is_ready(self.endpoint, self.cursor)
    }

    fn reap_dead(&mut self) {
        // The owner that was found alive may have died since.
        self.cursor.alive = CheckedOwner::default();
        self.ring.reap_dead(self.endpoint, self.peers);
    }
}

impl<S: Slots, P: Liveness> EventOp for SendOp<'_, S, P> {
    type Output = Claim;

    fn attempt(&mut self) -> Result<Claim, TryError> {
        self.0
            .ring
            .claim_send(self.0.cursor, self.0.me, self.0.peers)
    }
    fn is_ready(&mut self) -> bool {
        self.0.is_ready()
    }
    fn leaves_more(&mut self) -> bool {
        self.0.is_ready()
    }
    fn progress(&self) -> u64 {
        self.0.cursor.tail.0
    }
    fn reap_dead(&mut self) {
        self.0.reap_dead();
    }
}

impl<S: Slots, P: Liveness> EventOp for RecvOp<'_, S, P> {
    type Output = Claim;

    fn attempt(&mut self) -> Result<Claim, TryError> {
        let Waiter {
            ring,
            cursor,
            me,
            peers,
            ..
        } = &mut self.0;
        match ring.claim_recv(cursor, *me, *peers) {
            Err(TryError::WouldBlock) => ring.on_empty(cursor, *me, *peers),
            other => other,
        }
    }
    fn is_ready(&mut self) -> bool {
        self.0.is_ready()
    }
    fn leaves_more(&mut self) -> bool {
        self.0.is_ready()
    }
    fn progress(&self) -> u64 {
        self.0.cursor.head.0
    }
    fn reap_dead(&mut self) {
        self.0.reap_dead();
    }
}

impl<S: Slots, P: Liveness> EventOp for ReplaceOp<'_, S, P> {
    type Output = (Claim, bool);

    fn attempt(&mut self) -> Result<(Claim, bool), TryError> {
        self.0
            .ring
            .claim_replace(self.0.cursor, self.0.me, self.0.peers)
    }
    fn is_ready(&mut self) -> bool {
        self.0.ring.is_ready_to_replace(self.0.cursor)
    }
    fn leaves_more(&mut self) -> bool {
        self.0.is_ready()
    }
    fn progress(&self) -> u64 {
        self.0.cursor.tail.0
    }
    fn reap_dead(&mut self) {
        self.0.reap_dead();
    }
}

impl<S: Slots> Ring<'_, S> {
    /// Blocks until a slot to send is claimed.
    pub(crate) fn wait_send<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Claim, EventWaitError> {
        let mut op = SendOp(self.waiter(Endpoint::Sender, cursor, me, peers));
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until an item is claimed.
    pub(crate) fn wait_recv<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Claim, EventWaitError> {
        let mut op = RecvOp(self.waiter(Endpoint::Receiver, cursor, me, peers));
        let event = self.state.event(Endpoint::Receiver);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until the slot at the tail is claimed: it is free, or holds an item to be replaced.
    pub(crate) fn wait_replace<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(Claim, bool), EventWaitError> {
        let mut op = ReplaceOp(self.waiter(Endpoint::Sender, cursor, me, peers));
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, &Deadline::never(), mode.into())
    }

    fn waiter<'b, P>(
        &'b self,
        endpoint: Endpoint,
        cursor: &'b mut Cursor,
        me: Tag,
        peers: &'b P,
    ) -> Waiter<'b, S, P> {
        Waiter {
            ring: *self,
            endpoint,
            cursor,
            me,
            peers,
        }
    }

    /// Reaps dead participants, and recounts the other endpoint.
    pub(crate) fn reap_dead(&self, endpoint: Endpoint, peers: &impl Liveness) {
        peers.reap(false);
        let is_there = |tag| {
            peers.sleeps_for(tag);
            peers.is_marked_live(tag)
        };
        if self.endpoints().settle(endpoint.other(), is_there) {
            self.wake_all();
        }
    }
}

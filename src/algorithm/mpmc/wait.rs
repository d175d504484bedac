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

use core::time::Duration;

use super::{CheckedOwner, Claim, Cursor, Ring, Slots, TryError};
use crate::facade::Deadline;
use crate::participant::Liveness;
use crate::participant::endpoints::Endpoint;
use crate::wait::WaitMode;
pub(crate) use crate::wait::on_event::EventWaitError;
use crate::wait::on_event::{EventOp, longest_until_end, wait};

/// An operation that waits: to send, to receive, or to replace the oldest item of a full queue.
struct Waiter<'a, S, A> {
    ring: Ring<'a, S>,
    endpoint: Endpoint,
    replaces: bool,
    cursor: &'a mut Cursor,
    /// Claims a slot, if there is one.
    attempt: A,
}

impl<S, A, T> EventOp for Waiter<'_, S, A>
where
    S: Slots,
    A: FnMut(&mut Cursor) -> Result<T, TryError>,
{
    type Output = T;

    fn attempt(&mut self) -> Result<T, TryError> {
        (self.attempt)(self.cursor)
    }
    fn is_ready(&mut self) -> bool {
        if self.replaces {
            return self.ring.is_ready_to_replace(self.cursor);
        }
        self.leaves_more()
    }
    fn leaves_more(&mut self) -> bool {
        self.ring.is_ready(self.endpoint, self.cursor)
    }
    fn longest(&self) -> Duration {
        longest_until_end(self.ring.endpoints().may_end(self.endpoint))
    }
    fn progress(&self) -> u64 {
        match self.endpoint {
            Endpoint::Sender => self.cursor.tail.0,
            Endpoint::Receiver => self.cursor.head.0,
        }
    }
    fn reap_dead(&mut self, peers: &impl Liveness) {
        // The owner that was found alive may have died since.
        self.cursor.alive = CheckedOwner::default();
        self.ring.reap_dead(self.endpoint, peers);
    }
}

impl<S: Slots> Ring<'_, S> {
    /// Blocks until a slot to send is claimed.
    pub(crate) fn wait_send<'m>(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Claim, EventWaitError> {
        let attempt = |cursor: &mut Cursor| self.claim_send(cursor, peers);
        let mut op = self.waiter(Endpoint::Sender, cursor, attempt);
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until an item is claimed.
    pub(crate) fn wait_recv<'m>(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Claim, EventWaitError> {
        let attempt = |cursor: &mut Cursor| match self.claim_recv(cursor, peers) {
            Err(TryError::WouldBlock) => self.on_empty(cursor, peers),
            other => other,
        };
        let mut op = self.waiter(Endpoint::Receiver, cursor, attempt);
        let event = self.state.event(Endpoint::Receiver);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until the slot at the tail is claimed: it is free, or holds an item to be replaced.
    pub(crate) fn wait_replace<'m>(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(Claim, bool), EventWaitError> {
        let attempt = |cursor: &mut Cursor| self.claim_replace(cursor, peers);
        let mut op = Waiter {
            replaces: true,
            ..self.waiter(Endpoint::Sender, cursor, attempt)
        };
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, &Deadline::never(), mode.into())
    }

    fn waiter<'b, A>(
        &'b self,
        endpoint: Endpoint,
        cursor: &'b mut Cursor,
        attempt: A,
    ) -> Waiter<'b, S, A> {
        Waiter {
            ring: *self,
            endpoint,
            replaces: false,
            cursor,
            attempt,
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

//! Waiting at either side of a slot ring.
//!
//! # State
//!
//! The two event counts of [`slots`](super): senders sleep by `room`, receivers by `items`.
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait::on_event). Who waits looks after the dead by reaping, and by settling
//! whether anybody is left at the other side; and the owner of the slot that it waits for is asked about once a
//! slice.
//!
//! # Crash
//!
//! As there.
//!
//! # Ordering
//!
//! As there.

use super::{Asked, Claim, Cursor, Ring, Slots, TryError};
use crate::facade::Deadline;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::WaitMode;
pub(crate) use crate::wait::on_event::EventWaitError;
use crate::wait::on_event::{EventOp, wait};

/// What somebody waits for.
struct At<'a, S, P> {
    ring: Ring<'a, S>,
    side: Endpoint,
    cursor: &'a mut Cursor,
    me: Tag,
    peers: &'a P,
}

/// A slot to send.
struct Send<'a, S, P>(At<'a, S, P>);

/// An item.
struct Receive<'a, S, P>(At<'a, S, P>);

/// A slot that is free, or has an item in it that is to be replaced.
struct Replace<'a, S, P>(At<'a, S, P>);

impl<S: Slots, P: Liveness> At<'_, S, P> {
    fn is_ready(&mut self) -> bool {
        self.ring.is_ready(self.side, self.cursor)
    }

    fn reap_dead(&mut self) {
        // Who was found alive may have died since.
        self.cursor.alive = Asked::default();
        self.ring.reap_dead(self.side, self.peers);
    }
}

impl<S: Slots, P: Liveness> EventOp for Send<'_, S, P> {
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

impl<S: Slots, P: Liveness> EventOp for Receive<'_, S, P> {
    type Output = Claim;

    fn attempt(&mut self) -> Result<Claim, TryError> {
        let At {
            ring,
            cursor,
            me,
            peers,
            ..
        } = &mut self.0;
        match ring.claim_recv(cursor, *me, *peers) {
            Err(TryError::WouldBlock) => ring.nothing(cursor, *me, *peers),
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

impl<S: Slots, P: Liveness> EventOp for Replace<'_, S, P> {
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
    /// Waits for a slot to send.
    pub(crate) fn wait_send<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Claim, EventWaitError> {
        let mut op = Send(self.at(Endpoint::Sender, cursor, me, peers));
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Waits for an item.
    pub(crate) fn wait_recv<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Claim, EventWaitError> {
        let mut op = Receive(self.at(Endpoint::Receiver, cursor, me, peers));
        let event = self.state.event(Endpoint::Receiver);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Waits until the slot at the tail is free, or has an item in it that is to be replaced.
    pub(crate) fn wait_replace<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(Claim, bool), EventWaitError> {
        let mut op = Replace(self.at(Endpoint::Sender, cursor, me, peers));
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, &Deadline::never(), mode.into())
    }

    fn at<'b, P>(
        &'b self,
        side: Endpoint,
        cursor: &'b mut Cursor,
        me: Tag,
        peers: &'b P,
    ) -> At<'b, S, P> {
        At {
            ring: *self,
            side,
            cursor,
            me,
            peers,
        }
    }

    /// Gives back what dead participants hold, and finds out whether anybody is left at the other
    /// side.
    pub(crate) fn reap_dead(&self, side: Endpoint, peers: &impl Liveness) {
        peers.reap(false);
        let is_there = |tag| {
            peers.sleeps_for(tag);
            peers.is_marked_live(tag)
        };
        if self.endpoints().settle(side.other(), is_there) {
            self.wake_all();
        }
    }
}

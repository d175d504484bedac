//! Waiting at a work queue: for a cell, for a message, or for it to be idle.
//!
//! # State
//!
//! The three event counts of [`work`](super).
//!
//! # Protocol
//!
//! That of [`wait`](crate::wait::on_event).
//!
//! # Crash
//!
//! As there.
//!
//! # Ordering
//!
//! As there.

use core::time::Duration;

use super::{Cursor, Mine, Places, Work};
use crate::algorithm::work::layout::State;
use crate::facade::Deadline;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::WaitMode;
pub(crate) use crate::wait::on_event::EventWaitError;
use crate::wait::on_event::{EventOp, TryError, wait};

/// Who waits, and where.
struct At<'a, P, Q> {
    work: Work<'a, P>,
    cursor: &'a mut Cursor,
    me: Tag,
    peers: &'a Q,
}

/// So many free cells.
struct Room<'a, P, Q>(At<'a, P, Q>, u32);

/// A message.
struct Message<'a, P, Q>(At<'a, P, Q>);

/// That everything is done.
struct Idleness<'a, P, Q>(At<'a, P, Q>);

impl<P: Places, Q: Liveness> EventOp for Room<'_, P, Q> {
    type Output = Mine;

    fn attempt(&mut self) -> Result<Mine, TryError> {
        let At {
            work, cursor, me, ..
        } = &mut self.0;
        if work.endpoints().is_over(Endpoint::Sender) {
            return Err(TryError::Disconnected);
        }
        work.loan_span(cursor, *me, self.1)
    }
    fn is_ready(&mut self) -> bool {
        let work = &self.0.work;
        work.endpoints().is_over(Endpoint::Sender) || work.has_room(self.1)
    }
    fn leaves_more(&mut self) -> bool {
        self.0.work.has_room(1)
    }
    fn progress(&self) -> u64 {
        self.0.cursor.free.into()
    }
    fn reap_dead(&mut self) {
        let At {
            work,
            cursor,
            peers,
            ..
        } = &mut self.0;
        work.reap_dead(cursor, Endpoint::Sender, *peers);
    }
}

impl<P: Places, Q: Liveness> EventOp for Message<'_, P, Q> {
    type Output = Mine;

    fn attempt(&mut self) -> Result<Mine, TryError> {
        let At {
            work,
            cursor,
            me,
            peers,
        } = &mut self.0;
        match work.receive(cursor, *me) {
            Err(TryError::WouldBlock) => work.nothing(cursor, *me, *peers),
            other => other,
        }
    }
    fn is_ready(&mut self) -> bool {
        self.0.work.is_ready_for(self.0.cursor, Some(self.0.me))
    }
    fn leaves_more(&mut self) -> bool {
        self.0.work.is_ready(self.0.cursor)
    }
    fn progress(&self) -> u64 {
        self.0.cursor.head.0
    }
    fn due(&self) -> Option<Duration> {
        self.0.cursor.due_in()
    }
    fn reap_dead(&mut self) {
        let At {
            work,
            cursor,
            peers,
            ..
        } = &mut self.0;
        work.reap_dead(cursor, Endpoint::Receiver, *peers);
    }
}

impl<P: Places, Q: Liveness> EventOp for Idleness<'_, P, Q> {
    type Output = ();

    fn attempt(&mut self) -> Result<(), TryError> {
        self.0
            .work
            .is_idle()
            .then_some(())
            .ok_or(TryError::WouldBlock)
    }
    fn is_ready(&mut self) -> bool {
        self.0.work.is_idle()
    }
    fn leaves_more(&mut self) -> bool {
        true
    }
    fn progress(&self) -> u64 {
        self.0.cursor.head.0
    }
    fn reap_dead(&mut self) {
        let At {
            work,
            cursor,
            peers,
            ..
        } = &mut self.0;
        work.reap_dead(cursor, Endpoint::Receiver, *peers);
    }
}

impl<P: Places> Work<'_, P> {
    /// Waits for so many free cells.
    pub(crate) fn wait_loan<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        cells: u32,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Mine, EventWaitError> {
        let mut op = Room(self.at(cursor, me, peers), cells);
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Waits for a message.
    pub(crate) fn wait_receive<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<Mine, EventWaitError> {
        let mut op = Message(self.at(cursor, me, peers));
        let event = self.state.event(Endpoint::Receiver);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Waits until everything that was sent is done.
    pub(crate) fn wait_idle<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut op = Idleness(self.at(cursor, me, peers));
        let event = &self.state.common.0.idle;
        wait(&mut op, event, peers, deadline, mode.into())
    }

    fn at<'b, Q>(&'b self, cursor: &'b mut Cursor, me: Tag, peers: &'b Q) -> At<'b, P, Q> {
        At {
            work: *self,
            cursor,
            me,
            peers,
        }
    }

    /// Whether a receiver may find a message, or garbage.
    pub(super) fn is_ready(&self, cursor: &mut Cursor) -> bool {
        self.has_returned(cursor) || self.has_next(cursor)
    }

    /// The same, or that nothing will come any more to the calling thread.
    pub(crate) fn is_ready_for(&self, cursor: &mut Cursor, me: Option<Tag>) -> bool {
        self.is_ready(cursor) || self.endpoints().is_over(Endpoint::Receiver) && !self.expects(me)
    }

    /// Whether so many cells are free just now.
    pub(super) fn has_room(&self, cells: u32) -> bool {
        let is_free = |cell: &u32| self.look(*cell).state() == Some(State::Free);
        let free = (0..self.rules.cells).filter(is_free);
        free.take(cells as usize).count() == cells as usize
    }
}

//! The waiters of a work queue: for cells, for a message, or for an idle queue.
//!
//! # State
//!
//! The three event counts of [`work`](super).
//!
//! # Protocol
//!
//! That of [`on_event`](crate::wait::on_event).
//!
//! # Crash
//!
//! As there.
//!
//! # Ordering
//!
//! As there.

use core::time::Duration;

use super::{Cursor, OwnedCell, Storage, Work};
use crate::algorithm::work::layout::State;
use crate::facade::Deadline;
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::WaitMode;
pub(crate) use crate::wait::on_event::EventWaitError;
use crate::wait::on_event::{EventOp, TryError, wait};

/// The common part of the operations that wait.
struct Waiter<'a, P, Q> {
    work: Work<'a, P>,
    cursor: &'a mut Cursor,
    me: Tag,
    peers: &'a Q,
}

/// Waits for a number of free cells.
struct LoanOp<'a, P, Q>(Waiter<'a, P, Q>, u32);

/// Waits for a message.
struct ReceiveOp<'a, P, Q>(Waiter<'a, P, Q>);

/// Waits for an idle queue.
struct IdleOp<'a, P, Q>(Waiter<'a, P, Q>);

impl<P: Storage, Q: Liveness> EventOp for LoanOp<'_, P, Q> {
    type Output = OwnedCell;

    fn attempt(&mut self) -> Result<OwnedCell, TryError> {
        let Waiter {
            work, cursor, me, ..
        } = &mut self.0;
        if work.endpoints().is_over(Endpoint::Sender) {
            return Err(TryError::Disconnected);
        }
        work.loan_span(cursor, *me, self.1)
    }
    fn is_ready(&mut self) -> bool {
        let work = &self.0.work;
        work.endpoints().is_over(Endpoint::Sender) || work.has_free(self.1)
    }
    fn leaves_more(&mut self) -> bool {
        self.0.work.has_free(1)
    }
    fn progress(&self) -> u64 {
        self.0.cursor.free.into()
    }
    fn reap_dead(&mut self) {
        let Waiter {
            work,
            cursor,
            peers,
            ..
        } = &mut self.0;
        work.reap_dead(cursor, Endpoint::Sender, *peers);
    }
}

impl<P: Storage, Q: Liveness> EventOp for ReceiveOp<'_, P, Q> {
    type Output = OwnedCell;

    fn attempt(&mut self) -> Result<OwnedCell, TryError> {
        let Waiter {
            work,
            cursor,
            me,
            peers,
        } = &mut self.0;
        match work.receive(cursor, *me) {
            Err(TryError::WouldBlock) => work.on_empty(cursor, *me, *peers),
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
        let Waiter {
            work,
            cursor,
            peers,
            ..
        } = &mut self.0;
        work.reap_dead(cursor, Endpoint::Receiver, *peers);
    }
}

impl<P: Storage, Q: Liveness> EventOp for IdleOp<'_, P, Q> {
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
        let Waiter {
            work,
            cursor,
            peers,
            ..
        } = &mut self.0;
        work.reap_dead(cursor, Endpoint::Receiver, *peers);
    }
}

impl<P: Storage> Work<'_, P> {
    /// Blocks until `cells` free cells are loaned.
    pub(crate) fn wait_loan<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        cells: u32,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<OwnedCell, EventWaitError> {
        let mut op = LoanOp(self.waiter(cursor, me, peers), cells);
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until a message is received.
    pub(crate) fn wait_receive<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<OwnedCell, EventWaitError> {
        let mut op = ReceiveOp(self.waiter(cursor, me, peers));
        let event = self.state.event(Endpoint::Receiver);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until every message that was sent is done.
    pub(crate) fn wait_idle<'m>(
        &self,
        cursor: &mut Cursor,
        me: Tag,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let mut op = IdleOp(self.waiter(cursor, me, peers));
        let event = &self.state.common.0.idle;
        wait(&mut op, event, peers, deadline, mode.into())
    }

    fn waiter<'b, Q>(&'b self, cursor: &'b mut Cursor, me: Tag, peers: &'b Q) -> Waiter<'b, P, Q> {
        Waiter {
            work: *self,
            cursor,
            me,
            peers,
        }
    }

    /// Returns whether a receiver may find a message, or a corrupt word.
    pub(super) fn is_ready(&self, cursor: &mut Cursor) -> bool {
        self.has_returned(cursor) || self.has_next(cursor)
    }

    /// As [`is_ready`](Self::is_ready), or no message will come to the calling thread any more.
    pub(crate) fn is_ready_for(&self, cursor: &mut Cursor, me: Option<Tag>) -> bool {
        self.is_ready(cursor)
            || self.endpoints().is_over(Endpoint::Receiver) && !self.may_receive(me)
    }

    /// Returns whether `cells` cells are free. It may be stale when it is returned.
    pub(super) fn has_free(&self, cells: u32) -> bool {
        let is_free = |cell: &u32| self.load_cell(*cell).state() == Some(State::Free);
        let free = (0..self.rules.cells).filter(is_free);
        free.take(cells as usize).count() == cells as usize
    }
}

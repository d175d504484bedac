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
use crate::facade::{Deadline, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::wait::WaitMode;
pub(crate) use crate::wait::on_event::EventWaitError;
use crate::wait::on_event::{EventOp, TryError, longest_until_end, wait};

/// What an operation waits for.
#[derive(Clone, Copy)]
enum Goal {
    /// As many free cells.
    Cells(u32),
    Message,
    Idle,
}

/// An operation that waits.
struct Waiter<'a, P, Q, A> {
    work: Work<'a, P>,
    goal: Goal,
    cursor: &'a mut Cursor,
    peers: &'a Q,
    /// Reaches the goal, if it can be reached now.
    attempt: A,
}

impl<P, Q, A> Waiter<'_, P, Q, A> {
    /// The side of the queue that waits.
    fn endpoint(&self) -> Endpoint {
        match self.goal {
            Goal::Cells(_) => Endpoint::Sender,
            Goal::Message | Goal::Idle => Endpoint::Receiver,
        }
    }
}

impl<P, Q, A, T> EventOp for Waiter<'_, P, Q, A>
where
    P: Storage,
    Q: Liveness,
    A: FnMut(&mut Cursor) -> Result<T, TryError>,
{
    type Output = T;

    fn attempt(&mut self) -> Result<T, TryError> {
        (self.attempt)(self.cursor)
    }
    fn is_ready(&mut self) -> bool {
        let work = &self.work;
        match self.goal {
            Goal::Cells(cells) => {
                work.endpoints().is_over(Endpoint::Sender) || work.has_free(cells)
            }
            Goal::Message => {
                let due = self.cursor.due;
                let is_ready = work.is_ready_for(self.cursor, Some(self.peers.me()));
                // A slice that was chosen without knowing of a delayed message is too long.
                is_ready || (self.cursor.due != due && !mutation(649))
            }
            Goal::Idle => work.is_idle(),
        }
    }
    fn leaves_more(&mut self) -> bool {
        match self.goal {
            Goal::Cells(_) => self.work.has_free(1),
            Goal::Message => self.work.is_ready(self.cursor),
            Goal::Idle => true,
        }
    }
    fn progress(&self) -> u64 {
        match self.goal {
            Goal::Cells(_) => self.cursor.free.into(),
            Goal::Message | Goal::Idle => self.cursor.head.0,
        }
    }
    fn due(&self) -> Option<Duration> {
        matches!(self.goal, Goal::Message)
            .then(|| self.cursor.due_in())
            .flatten()
    }
    /// An idle queue is no end.
    fn longest(&self) -> Duration {
        let ends = self.work.endpoints();
        let may_end = !matches!(self.goal, Goal::Idle) && ends.may_end(self.endpoint());
        longest_until_end(may_end)
    }
    fn reap_dead(&mut self, peers: &impl Liveness) {
        let endpoint = self.endpoint();
        self.work.reap_dead(self.cursor, endpoint, peers);
    }
}

impl<P: Storage> Work<'_, P> {
    /// Blocks until `cells` free cells are loaned.
    pub(crate) fn wait_loan<'m>(
        &self,
        cursor: &mut Cursor,
        cells: u32,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<OwnedCell, EventWaitError> {
        let me = peers.me();
        let attempt = |cursor: &mut Cursor| {
            if self.endpoints().is_over(Endpoint::Sender) {
                return Err(TryError::Disconnected);
            }
            self.loan_span(cursor, me, cells)
        };
        let mut op = self.waiter(Goal::Cells(cells), cursor, peers, attempt);
        let event = self.state.event(Endpoint::Sender);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until a message is received.
    pub(crate) fn wait_receive<'m>(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<OwnedCell, EventWaitError> {
        let attempt = |cursor: &mut Cursor| match self.receive(cursor, peers.me()) {
            Err(TryError::WouldBlock) => self.on_empty(cursor, peers),
            other => other,
        };
        let mut op = self.waiter(Goal::Message, cursor, peers, attempt);
        let event = self.state.event(Endpoint::Receiver);
        wait(&mut op, event, peers, deadline, mode.into())
    }

    /// Blocks until the handle knows of a delayed message, as a receiver that sleeps on does.
    #[cfg(all(test, loom))]
    pub(super) fn wait_delayed(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
    ) -> Result<(), EventWaitError> {
        let attempt = |cursor: &mut Cursor| match self.receive(cursor, peers.me()) {
            Err(TryError::WouldBlock) if cursor.due != super::Due::NEVER => Ok(()),
            other => other.map(drop),
        };
        let mut op = self.waiter(Goal::Message, cursor, peers, attempt);
        let event = self.state.event(Endpoint::Receiver);
        let mode = crate::facade::Pace::Adaptive.into();
        wait(&mut op, event, peers, &Deadline::never(), mode)
    }

    /// Blocks until every message that was sent is done.
    pub(crate) fn wait_idle<'m>(
        &self,
        cursor: &mut Cursor,
        peers: &impl Liveness,
        deadline: &Deadline,
        mode: impl Into<WaitMode<'m>>,
    ) -> Result<(), EventWaitError> {
        let attempt = |_: &mut Cursor| self.is_idle().then_some(()).ok_or(TryError::WouldBlock);
        let mut op = self.waiter(Goal::Idle, cursor, peers, attempt);
        let event = &self.state.common.0.idle;
        wait(&mut op, event, peers, deadline, mode.into())
    }

    fn waiter<'b, Q, A>(
        &'b self,
        goal: Goal,
        cursor: &'b mut Cursor,
        peers: &'b Q,
        attempt: A,
    ) -> Waiter<'b, P, Q, A> {
        Waiter {
            work: *self,
            goal,
            cursor,
            peers,
            attempt,
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

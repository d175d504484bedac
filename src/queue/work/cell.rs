//! A cell that this process owns: a loan, or a message that was delivered.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::time::Duration;

use super::pool::Pool;
use crate::algorithm::work::returned::MAX_DELAY;
use crate::algorithm::work::{OwnedCell, WorkSendError};
use crate::facade::{Deadline, clock};
use crate::participant::endpoints::Endpoint;
use crate::participant::{Liveness, SlowEvent, Tag};
use crate::queue::counted::Counts;
use crate::queue::{RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use crate::segment::{Fault, stats, trace};
use crate::wait::on_event::{EventWaitError, TryError};

/// A cell that is this process's, and with it the other cells of its message.
pub struct OwnedMessage<'q> {
    pool: &'q Pool,
    mine: OwnedCell,
    me: Tag,
}

/// A message that was delivered; it is given back if it is dropped.
pub struct InFlight<'q>(OwnedMessage<'q>);

impl<'q> InFlight<'q> {
    #[inline(always)]
    pub(super) fn into_cell(self) -> OwnedMessage<'q> {
        let OwnedMessage { pool, mine, me } = *ManuallyDrop::new(self).deref().deref();
        OwnedMessage { pool, mine, me }
    }
}

impl<'q> Deref for InFlight<'q> {
    type Target = OwnedMessage<'q>;

    #[inline(always)]
    fn deref(&self) -> &OwnedMessage<'q> {
        &self.0
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // It is redelivered anyway if it is not this process's.
        let _ = self.0.give_back(Duration::ZERO);
    }
}

impl<'q> OwnedMessage<'q> {
    pub(super) fn pool(&self) -> &'q Pool {
        self.pool
    }

    pub(super) fn index(&self) -> u32 {
        self.mine.cell
    }

    /// Where the message begins.
    #[inline(always)]
    pub(super) fn message(&self) -> NonNull<u8> {
        self.pool.message(self.mine.cell)
    }

    /// The cell of the message that comes after `cell`.
    pub(super) fn next_part(&self, cell: u32) -> Option<u32> {
        self.pool.work().next_part(self.mine.cell, cell)
    }

    #[inline(always)]
    pub(super) fn set_len(&self, len: usize) {
        self.pool.work().set_len(self.mine, len as u64);
    }

    /// How many bytes the message says that it has.
    #[inline(always)]
    pub(super) fn message_len(&self) -> usize {
        usize::try_from(self.pool.work().len(self.mine)).unwrap_or(usize::MAX)
    }

    /// How often the message was delivered.
    pub(super) fn attempt(&self) -> u8 {
        let most = self.pool.layout().rules.max_attempts;
        self.mine.word.attempts().min(most)
    }

    /// Fails in a forked child of the owner.
    #[inline(always)]
    fn check_owner(&self) -> Result<(), Fault> {
        if self.pool.me_already() == Some(self.me) {
            Ok(())
        } else {
            Err(Fault::NotOwner)
        }
    }

    /// Acknowledges a message of so many cells, or gives up such a loan.
    #[inline(always)]
    pub(super) fn free(&self, cells: u32) -> Result<(), Fault> {
        self.check_owner()?;
        let cursor = self.pool.cursor();
        let freed = self.pool.work().free(&cursor, self.mine, self.me, cells);
        freed.map_err(|_| Fault::NotOwner)
    }

    /// Gives back a message that was delivered, not to be delivered again before `delay` has
    /// passed.
    #[cold]
    pub(super) fn give_back(&self, delay: Duration) -> Result<(), Fault> {
        self.check_owner()?;
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let not_before = (nanos > 0).then(|| clock().saturating_add(nanos.min(MAX_DELAY)));
        let cursor = self.pool.cursor();
        let given = self
            .pool
            .work()
            .return_message(&cursor, self.mine, not_before);
        given.map_err(|_| Fault::NotOwner)?;
        // A dead letter that was taken counts one more, and is one again.
        if self.mine.word.attempts() == self.pool.layout().rules.max_attempts {
            trace::dead_letter(self.pool.entry(), self.attempt());
        }
        Ok(())
    }

    /// Makes a dead letter of a message that was delivered.
    #[cold]
    pub(super) fn bury(&self) -> Result<(), Fault> {
        self.check_owner()?;
        let cursor = self.pool.cursor();
        let buried = self.pool.work().make_dead_letter(&cursor, self.mine);
        buried.map_err(|_| Fault::NotOwner)?;
        trace::dead_letter(self.pool.entry(), self.attempt());
        Ok(())
    }

    /// Sends a loan of so many cells, or gives it up.
    #[inline(always)]
    pub(super) fn send(&mut self, cells: u32) -> Result<(), SendError<()>> {
        let sent = self.commit();
        if sent.is_err() {
            self.give_up(cells);
        }
        sent
    }

    #[cold]
    pub(super) fn give_up(&self, cells: u32) {
        // It is given back already if it is not this process's.
        let _ = self.free(cells);
    }

    /// If it was not sent, it is a loan still, unless it was lost.
    #[inline(always)]
    fn commit(&mut self) -> Result<(), SendError<()>> {
        self.check_owner()
            .map_err(|fault| SendError::Fault((), fault))?;
        let mut cursor = self.pool.cursor();
        let work = self.pool.work();
        let peers = self.pool.liveness(self.me);
        let sent = work.send(&mut cursor, self.mine, &peers);
        self.pool.keep(&cursor);
        match sent {
            Ok(()) => {
                work.notify(Endpoint::Sender);
                Ok(())
            }
            Err(WorkSendError::Disconnected(mine)) => {
                self.mine = mine;
                Err(SendError::Disconnected(()))
            }
            Err(WorkSendError::Corrupt(mine)) => {
                self.mine = mine;
                Err(SendError::Fault((), self.pool.corrupt()))
            }
            Err(WorkSendError::MembershipLost) => Err(SendError::Fault((), self.lost())),
        }
    }

    /// Why the cell is this process's no longer.
    #[cold]
    fn lost(&self) -> Fault {
        // Garbage in one word is no reason to give up all that this process holds.
        if self.pool.liveness(self.me).is_member() {
            self.pool.corrupt()
        } else {
            self.pool.membership_lost(self.me).into()
        }
    }
}

/// Whether an operation that finds the queue empty, or full, reaps the dead.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reap {
    /// Unless that was done a moment ago.
    IfDue,
    /// A subscriber of `tracing` is told of the dead, and the caller has a lock.
    #[cfg(feature = "process")]
    Never,
}

impl Pool {
    /// Takes so many cells to write one message to, if there are as many.
    #[inline(always)]
    pub(super) fn try_loan(&self, cells: u32) -> Result<OwnedMessage<'_>, TrySendError<()>> {
        self.try_loan_and(cells, Reap::IfDue)
    }

    /// The same, and the dead are reaped or not.
    #[inline(always)]
    pub(super) fn try_loan_and(
        &self,
        cells: u32,
        reap: Reap,
    ) -> Result<OwnedMessage<'_>, TrySendError<()>> {
        let me = self.tag()?;
        let mut cursor = self.cursor();
        let work = self.work();
        let mut loaned = if work.endpoints().is_over(Endpoint::Sender) {
            Err(TryError::Disconnected)
        } else {
            work.loan_span(&mut cursor, me, cells)
        };
        if loaned == Err(TryError::WouldBlock) && reap == Reap::IfDue {
            loaned = work.on_full(&mut cursor, cells, &self.liveness(me));
        }
        self.keep(&cursor);
        match loaned {
            Ok(mine) => Ok(self.owned(mine, me)),
            // Whether cells are free shows at once: whatever is in the way of a sender, it has no
            // room.
            Err(TryError::Busy) => Err(TrySendError::Full(())),
            Err(error) => Err(TrySendError::of(error, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// The same, waiting for them.
    #[inline(always)]
    pub(super) fn loan(
        &self,
        cells: u32,
        deadline: &Deadline,
    ) -> Result<OwnedMessage<'_>, SendTimeoutError<()>> {
        match self.try_loan(cells) {
            Ok(cell) => Ok(cell),
            Err(TrySendError::Full(())) => self.wait_loan(cells, deadline),
            Err(error) => Err(error.into()),
        }
    }

    #[cold]
    fn wait_loan(
        &self,
        cells: u32,
        deadline: &Deadline,
    ) -> Result<OwnedMessage<'_>, SendTimeoutError<()>> {
        let me = self.tag()?;
        let (mut cursor, peers) = (self.cursor(), self.liveness(me));
        let work = self.work();
        let loaned = work.wait_loan(&mut cursor, cells, &peers, deadline, self.mode(0));
        self.keep(&cursor);
        match loaned {
            Ok(mine) => Ok(self.owned(mine, me)),
            Err(error) => Err(SendTimeoutError::of(error, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// Takes the next message, if there is one.
    #[inline(always)]
    pub(super) fn try_receive(&self) -> Result<InFlight<'_>, TryRecvError> {
        self.try_receive_and(Reap::IfDue)
    }

    /// The same, and the dead are reaped or not.
    #[inline(always)]
    pub(super) fn try_receive_and(&self, reap: Reap) -> Result<InFlight<'_>, TryRecvError> {
        let me = self.tag()?;
        let mut cursor = self.cursor();
        let work = self.work();
        let mut received = work.receive(&mut cursor, me);
        if received == Err(TryError::WouldBlock) && reap == Reap::IfDue {
            received = work.on_empty(&mut cursor, &self.liveness(me));
        }
        self.keep(&cursor);
        match received {
            Ok(mine) => Ok(self.received(mine, me)),
            Err(TryError::Busy) => Err(TryRecvError::Empty),
            Err(error) => Err(TryRecvError::of(error, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// The same, waiting for one.
    #[inline(always)]
    pub(super) fn receive(&self, deadline: &Deadline) -> Result<InFlight<'_>, RecvTimeoutError> {
        match self.try_receive() {
            Ok(cell) => Ok(cell),
            Err(TryRecvError::Empty) => self.wait_receive(deadline),
            Err(error) => Err(error.into()),
        }
    }

    #[cold]
    fn wait_receive(&self, deadline: &Deadline) -> Result<InFlight<'_>, RecvTimeoutError> {
        let me = self.tag()?;
        let (mut cursor, peers) = (self.cursor(), self.liveness(me));
        let work = self.work();
        let received = work.wait_receive(&mut cursor, &peers, deadline, self.mode(1));
        self.keep(&cursor);
        match received {
            Ok(mine) => Ok(self.received(mine, me)),
            Err(error) => Err(RecvTimeoutError::of(error, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// Takes a dead letter, if there is one.
    pub(super) fn take_letter(&self) -> Result<Option<InFlight<'_>>, Fault> {
        let me = self.tag()?;
        let taken = self.work().claim_dead_letter(me);
        Ok(taken.map(|mine| InFlight(self.owned(mine, me))))
    }

    /// Waits until everything that was sent is done; false if the deadline passed before.
    pub(super) fn wait_idle(&self, deadline: &Deadline) -> Result<bool, Fault> {
        let me = self.tag()?;
        let (mut cursor, peers) = (self.cursor(), self.liveness(me));
        let work = self.work();
        let idle = work.wait_idle(&mut cursor, &peers, deadline, self.mode(2));
        self.keep(&cursor);
        match idle {
            Ok(()) => Ok(true),
            Err(EventWaitError::TimedOut) => Ok(false),
            Err(EventWaitError::Disconnected | EventWaitError::Corrupt) => Err(self.corrupt()),
            Err(EventWaitError::MembershipLost) => Err(self.membership_lost(me).into()),
        }
    }

    #[inline(always)]
    fn tag(&self) -> Result<Tag, Fault> {
        Ok(self.me()?)
    }

    #[inline(always)]
    fn received(&self, mine: OwnedCell, me: Tag) -> InFlight<'_> {
        if mine.word.attempts() > 1 {
            stats::count(&self.entry().mapping, SlowEvent::Redelivery);
        }
        trace::received(self.entry(), mine.word.attempts());
        InFlight(self.owned(mine, me))
    }

    #[inline(always)]
    fn owned(&self, mine: OwnedCell, me: Tag) -> OwnedMessage<'_> {
        OwnedMessage {
            pool: self,
            mine,
            me,
        }
    }
}

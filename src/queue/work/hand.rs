//! A cell in this process's hands.

use crate::algorithm::work::{OwnedCell, WorkSendError};
use crate::facade::Deadline;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;

use super::AckError;
use super::pool::Pool;
use crate::participant::Liveness;
use crate::queue::{SendError, SendTimeoutError, TrySendError};
use crate::segment::Fault;
use crate::wait::on_event::TryError;

/// A cell that is this process's: a loan, or a message that was delivered.
pub(super) struct Hand<'q> {
    pub(super) pool: &'q Pool,
    pub(super) mine: OwnedCell,
    pub(super) me: Tag,
}

impl Hand<'_> {
    /// Whether it is this process's still, which a forked child's is not.
    #[inline(always)]
    pub(super) fn is_mine(&self) -> bool {
        self.pool.me_already() == Some(self.me)
    }

    /// How often the message was delivered.
    pub(super) fn attempt(&self) -> u8 {
        let most = self.pool.layout().rules.max_attempts;
        self.mine.word.attempts().min(most)
    }

    /// Acknowledges a message of so many cells, or gives up such a loan.
    #[inline(always)]
    pub(super) fn free(&self, cells: u32) -> Result<(), AckError> {
        if !self.is_mine() {
            return Err(AckError::Lost);
        }
        let cursor = self.pool.cursor();
        let work = self.pool.work();
        let freed = work.free(&cursor, self.mine, self.me, cells);
        freed.map_err(|_| AckError::Lost)
    }

    /// Gives back a message that was delivered, not to be delivered again before a time, if there is one.
    #[cold]
    pub(super) fn give_back(&self, not_before: Option<u64>) -> Result<(), AckError> {
        if !self.is_mine() {
            return Err(AckError::Lost);
        }
        let cursor = self.pool.cursor();
        let work = self.pool.work();
        let given = work.return_message(&cursor, self.mine, not_before);
        given.map_err(|_| AckError::Lost)
    }

    /// Makes a dead letter of a message that was delivered.
    #[cold]
    pub(super) fn bury(&self) -> Result<(), AckError> {
        if !self.is_mine() {
            return Err(AckError::Lost);
        }
        let cursor = self.pool.cursor();
        let buried = self.pool.work().make_dead_letter(&cursor, self.mine);
        buried.map_err(|_| AckError::Lost)
    }

    /// Sends a loan. If it was not sent, it is a loan still, unless it is lost.
    #[inline(always)]
    pub(super) fn send(&mut self) -> Result<(), SendError<()>> {
        if !self.is_mine() {
            return Err(Fault::NotOwner.into());
        }
        let mut cursor = self.pool.cursor();
        let work = self.pool.work();
        let others = self.pool.liveness(self.me);
        let sent = work.send(&mut cursor, self.mine, self.me, &others);
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
                Err(self.pool.corrupt().into())
            }
            Err(WorkSendError::MembershipLost) => Err(self.lost()),
        }
    }

    /// Why the cell is this process's no longer.
    #[cold]
    fn lost(&self) -> SendError<()> {
        // Garbage in one word is no reason to give up all that this process holds.
        if self.pool.liveness(self.me).is_member() {
            return self.pool.corrupt().into();
        }
        self.pool.membership_lost(self.me).into()
    }
}

impl Pool {
    /// Takes so many cells to write one message to, if there are as many.
    #[inline(always)]
    pub(super) fn try_hand(&self, cells: u32) -> Result<Hand<'_>, TrySendError<()>> {
        let me = self.me()?;
        match self.try_loan(me, cells) {
            Ok(mine) => Ok(self.hand(mine, me)),
            Err(TryError::Busy) => Err(TrySendError::Full(())),
            Err(refused) => Err(TrySendError::of(refused, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// The same, waiting for them.
    #[inline(always)]
    pub(super) fn hand_until(
        &self,
        cells: u32,
        deadline: &Deadline,
    ) -> Result<Hand<'_>, SendTimeoutError<()>> {
        match self.try_hand(cells) {
            Ok(hand) => Ok(hand),
            Err(TrySendError::Full(())) => self.wait_for_hand(cells, deadline),
            Err(error) => Err(error.into()),
        }
    }

    #[cold]
    fn wait_for_hand(
        &self,
        cells: u32,
        deadline: &Deadline,
    ) -> Result<Hand<'_>, SendTimeoutError<()>> {
        let me = self.me()?;
        match self.wait_loan(me, cells, deadline) {
            Ok(mine) => Ok(self.hand(mine, me)),
            Err(ended) => Err(SendTimeoutError::of(ended, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    #[inline(always)]
    pub(super) fn hand(&self, mine: OwnedCell, me: Tag) -> Hand<'_> {
        Hand {
            pool: self,
            mine,
            me,
        }
    }
}

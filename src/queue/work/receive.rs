//! Receiving, for work queues of all kinds.

use std::time::Duration;

use super::WaitIdleError;
use super::hand::Hand;
use super::pool::Pool;
use crate::algorithm::work::returned::MAX_DELAY;
use crate::algorithm::work::wait::EventWaitError;
use crate::facade::{Deadline, clock};
use crate::queue::{RecvError, RecvTimeoutError, TryRecvError};
use crate::wait::on_event::TryError;

impl Pool {
    /// Takes the next message, if there is one.
    #[inline(always)]
    pub(super) fn try_take(&self) -> Result<Hand<'_>, TryRecvError> {
        let me = self.me()?;
        match self.try_receive(me) {
            Ok(mine) => Ok(self.hand(mine, me)),
            Err(TryError::Busy) => Err(TryRecvError::Empty),
            Err(refused) => Err(TryRecvError::of(refused, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// Takes the next message, waiting for one.
    #[inline(always)]
    pub(super) fn take_until(&self, deadline: &Deadline) -> Result<Hand<'_>, RecvTimeoutError> {
        match self.try_take() {
            Ok(hand) => Ok(hand),
            Err(TryRecvError::Empty) => self.wait_and_take(deadline),
            Err(error) => Err(error.into()),
        }
    }

    #[cold]
    fn wait_and_take(&self, deadline: &Deadline) -> Result<Hand<'_>, RecvTimeoutError> {
        let me = self.me()?;
        match self.wait_receive(me, deadline) {
            Ok(mine) => Ok(self.hand(mine, me)),
            Err(ended) => Err(RecvTimeoutError::of(ended, self.kind(), || {
                self.membership_lost(me)
            })),
        }
    }

    /// Takes a dead letter, if there is one.
    pub(super) fn take_letter(&self) -> Result<Option<Hand<'_>>, RecvError> {
        let me = self.me()?;
        let taken = self.work().claim_dead_letter(me);
        Ok(taken.map(|mine| self.hand(mine, me)))
    }

    /// Waits until everything that was sent is done.
    pub(super) fn until_idle(&self, deadline: &Deadline) -> Result<(), WaitIdleError> {
        let me = self.me().map_err(WaitIdleError::Join)?;
        self.wait_idle(me, deadline).map_err(|ended| match ended {
            EventWaitError::TimedOut => WaitIdleError::Timeout,
            EventWaitError::Disconnected | EventWaitError::Corrupt => WaitIdleError::Corrupt,
            EventWaitError::MembershipLost => WaitIdleError::Join(self.membership_lost(me)),
        })
    }
}

/// When a message may be delivered again that is given back now, if not at once.
pub(super) fn after(delay: Duration) -> Option<u64> {
    let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
    (nanos > 0).then(|| clock().saturating_add(nanos.min(MAX_DELAY)))
}

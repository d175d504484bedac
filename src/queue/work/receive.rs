//! Receiving, for work queues of all kinds.

use std::time::Duration;

use super::WaitIdleError;
use super::hand::Hand;
use super::pool::Pool;
use crate::algorithm::work::returned::LONGEST_DELAY;
use crate::algorithm::work::wait::EventWaitError;
use crate::facade::{Deadline, clock};
use crate::queue::{RecvError, TryRecvError};
use crate::wait::on_event::TryError;

impl Pool {
    /// Takes the next message, if there is one.
    #[inline(always)]
    pub(super) fn try_take(&self) -> Result<Hand<'_>, TryRecvError> {
        let me = self.me().map_err(TryRecvError::Join)?;
        match self.try_receive(me) {
            Ok(mine) => Ok(self.hand(mine, me)),
            Err(TryError::WouldBlock | TryError::Busy) => Err(TryRecvError::Empty),
            Err(TryError::Disconnected) => Err(TryRecvError::Disconnected),
            Err(TryError::Corrupt) => Err(TryRecvError::Corrupt),
            Err(TryError::MembershipLost) => Err(TryRecvError::Join(self.membership_lost(me))),
        }
    }

    /// Takes the next message, waiting for one.
    #[inline(always)]
    pub(super) fn take_until(&self, deadline: &Deadline) -> Result<Hand<'_>, RecvError> {
        match self.try_take() {
            Ok(hand) => Ok(hand),
            Err(TryRecvError::Empty) => self.wait_and_take(deadline),
            Err(error) => Err(error.into()),
        }
    }

    #[cold]
    fn wait_and_take(&self, deadline: &Deadline) -> Result<Hand<'_>, RecvError> {
        let me = self.me().map_err(RecvError::Join)?;
        match self.wait_receive(me, deadline) {
            Ok(mine) => Ok(self.hand(mine, me)),
            Err(EventWaitError::Disconnected) => Err(RecvError::Disconnected),
            Err(EventWaitError::TimedOut) => Err(RecvError::Timeout),
            Err(EventWaitError::Corrupt) => Err(RecvError::Corrupt),
            Err(EventWaitError::MembershipLost) => Err(RecvError::Join(self.membership_lost(me))),
        }
    }

    /// Takes a dead letter, if there is one.
    pub(super) fn take_letter(&self) -> Result<Option<Hand<'_>>, RecvError> {
        let me = self.me().map_err(RecvError::Join)?;
        let taken = self.work().take_buried(me);
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
    (nanos > 0).then(|| clock().saturating_add(nanos.min(LONGEST_DELAY)))
}

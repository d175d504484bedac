//! A registered party of a barrier.

use super::{Barrier, BarrierError, BarrierTimeoutError, BarrierWaitResult};
use crate::Deadline;
use crate::participant::Tag;
use crate::segment::Fault;
use crate::wait::on_event::TryError;

/// A process that a [`Barrier`] waits for, and whose death counts also where it has not arrived.
///
/// Dropping it leaves the barrier, which is as a death: the barrier breaks, or shrinks. Those that
/// were released before are not affected. It belongs to the process: if it is leaked, the barrier
/// waits for it until the process ends. In a forked child, dropping an inherited party does
/// nothing.
#[must_use = "the barrier breaks or shrinks when the party is dropped"]
pub struct Party<'a> {
    barrier: &'a Barrier,
    index: usize,
    owner: Tag,
}

impl<'a> Party<'a> {
    pub(super) fn new(barrier: &'a Barrier, index: usize, owner: Tag) -> Self {
        Self {
            barrier,
            index,
            owner,
        }
    }

    /// Arrives, and blocks until all parties have, as [`Barrier::wait`] does.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Broken`]; [`BarrierError::Fault`], with [`Fault::NotOwner`] in a forked
    /// child.
    #[inline]
    pub fn wait(&mut self) -> Result<BarrierWaitResult, BarrierError> {
        match self.wait_until(&Deadline::never()) {
            Ok(result) => Ok(result),
            Err(error) => Err(super::without_deadline(error)),
        }
    }

    /// Arrives, and blocks until all parties have, no longer than `timeout`, as
    /// [`Barrier::wait_timeout`] does.
    ///
    /// # Errors
    ///
    /// [`BarrierTimeoutError::Timeout`]; [`BarrierTimeoutError::Barrier`] as [`wait`](Self::wait).
    pub fn wait_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<BarrierWaitResult, BarrierTimeoutError> {
        self.wait_until(&timeout.into())
    }

    #[inline]
    fn wait_until(
        &mut self,
        deadline: &Deadline,
    ) -> Result<BarrierWaitResult, BarrierTimeoutError> {
        if !self.is_own() {
            return Err(Fault::NotOwner.into());
        }
        let (barrier, me) = (self.barrier, self.owner);
        let arrived = barrier.raw().arrive_at(self.index, &barrier.liveness(me));
        match arrived {
            Ok(arrival) => barrier.finish(arrival, me, deadline),
            // The seat was recovered: this process counted as dead.
            Err(TryError::MembershipLost) => Err(Fault::NotOwner.into()),
            Err(error) => Err(barrier.not_arrived(error, me).into()),
        }
    }

    /// False in a forked child, to which this is its parent's party.
    #[inline]
    fn is_own(&self) -> bool {
        self.barrier.state.own().current() == Some(self.owner)
    }
}

impl Drop for Party<'_> {
    fn drop(&mut self) {
        if self.is_own() {
            self.barrier.raw().unregister(self.index, self.owner);
        }
    }
}

debug!(Party<'_>);

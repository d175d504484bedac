//! Items too large for the stack: written where they are, and received in a box.

use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit, Pod};

use super::{Queue, RecvError, SendError, TryRecvError, TrySendError};
use crate::algorithm::mpmc::Claim;
use crate::facade::Deadline;
use crate::participant::Tag;
use crate::participant::endpoints::Endpoint;
use crate::payload::{Payload, read_boxed};
use crate::segment::MembershipError;

/// A slot that was claimed to send, and is given back unless it is committed.
struct Place<'q, T: Payload + NoUninit + CheckedBitPattern> {
    queue: &'q Queue<T>,
    claim: Claim,
    me: Tag,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Drop for Place<'_, T> {
    fn drop(&mut self) {
        // If others have taken this process for dead meanwhile, it is not its any more.
        self.queue.withdraw(Endpoint::Sender, self.claim, self.me);
    }
}

impl<T: Payload + Pod> Queue<T> {
    /// Sends an item that `write` writes where it is, if there is room. All else is as for
    /// [`try_send`](Self::try_send).
    ///
    /// What stands there before is an earlier item, or zeros: write all of it. Nothing passes through the
    /// stack, so items may be of any size. If `write` panics, nothing is sent, and its slot is given back:
    /// there is room for one item less until receivers have come past it.
    ///
    /// Others wait at that slot while `write` runs, as they do while an item is copied: it should write,
    /// and nothing else. It must not use the queue itself.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; `write` was not called then, but with [`Join`](TrySendError::Join) perhaps: others
    /// took this process for dead while it wrote.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::SegmentOptions;
    /// use crossdock::queue::Queue;
    ///
    /// let segment = SegmentOptions::new().size(16 << 20).anonymous()?;
    /// let images = segment.create::<Queue<[u8; 4 << 20]>>("images", 2)?;
    /// images.try_send_with(|image| image.fill(7))?;
    /// let image: Box<[u8; 4 << 20]> = images.try_recv_boxed()?;
    /// assert_eq!(image[3], 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send_with(&self, write: impl FnOnce(&mut T)) -> Result<(), TrySendError<()>> {
        let join = |source| TrySendError::Join { value: (), source };
        let me = self.me().map_err(join)?;
        let claim = self.slot()?;
        self.write_with(claim, me, write).map_err(join)
    }

    /// Sends an item that `write` writes where it is, waiting for room as long as it takes: see
    /// [`try_send_with`](Self::try_send_with).
    ///
    /// # Errors
    ///
    /// [`SendError`]; `write` was not called then, but with `Join` perhaps.
    pub fn send_with(&self, write: impl FnOnce(&mut T)) -> Result<(), SendError<()>> {
        self.send_with_until(write, &const { Deadline::never() })
    }

    /// Sends an item that `write` writes where it is, waiting for room no longer than `timeout`: see
    /// [`try_send_with`](Self::try_send_with).
    ///
    /// # Errors
    ///
    /// [`SendError`]; `write` was not called then, but with `Join` perhaps.
    pub fn send_with_timeout(
        &self,
        write: impl FnOnce(&mut T),
        timeout: Duration,
    ) -> Result<(), SendError<()>> {
        self.send_with_until(write, &Deadline::after(timeout))
    }

    /// Sends an item that `write` writes where it is, waiting for room until `deadline` at the latest:
    /// see [`try_send_with`](Self::try_send_with).
    ///
    /// # Errors
    ///
    /// [`SendError`]; `write` was not called then, but with `Join` perhaps.
    pub fn send_with_deadline(
        &self,
        write: impl FnOnce(&mut T),
        deadline: Instant,
    ) -> Result<(), SendError<()>> {
        self.send_with_until(write, &Deadline::at(deadline))
    }

    fn send_with_until(
        &self,
        write: impl FnOnce(&mut T),
        deadline: &Deadline,
    ) -> Result<(), SendError<()>> {
        let join = |source| SendError::Join { value: (), source };
        let me = self.me().map_err(join)?;
        let claim = self.wait_for_slot(deadline)?;
        self.write_with(claim, me, write).map_err(join)
    }

    fn write_with(
        &self,
        claim: Claim,
        me: Tag,
        write: impl FnOnce(&mut T),
    ) -> Result<(), MembershipError> {
        let queue = self;
        let place = Place { queue, claim, me };
        // SAFETY: mapped and aligned, this claim's alone until the commit; any bytes are a `T`.
        write(unsafe { self.item(claim.index).as_mut() });
        // It may have taken long.
        if self.me_already() != Some(me) || self.ring().is_lost(&self.liveness(me)) {
            drop(place);
            return Err(self.membership_lost(me));
        }
        std::mem::forget(place);
        self.ring().commit_send(claim);
        self.ring().notify(Endpoint::Sender);
        Ok(())
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Receives an item into a box, if there is one. All else is as for [`try_recv`](Self::try_recv);
    /// nothing passes through the stack, so items may be of any size.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv_boxed(&self) -> Result<Box<T>, TryRecvError> {
        let claim = self.claim()?;
        self.take_boxed(claim).ok_or(TryRecvError::Invalid)
    }

    /// Receives an item into a box, waiting for one as long as it takes: see
    /// [`try_recv_boxed`](Self::try_recv_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_boxed(&self) -> Result<Box<T>, RecvError> {
        self.recv_boxed_until(&const { Deadline::never() })
    }

    /// Receives an item into a box, waiting for one no longer than `timeout`: see
    /// [`try_recv_boxed`](Self::try_recv_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_boxed_timeout(&self, timeout: Duration) -> Result<Box<T>, RecvError> {
        self.recv_boxed_until(&Deadline::after(timeout))
    }

    /// Receives an item into a box, waiting for one until `deadline` at the latest: see
    /// [`try_recv_boxed`](Self::try_recv_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_boxed_deadline(&self, deadline: Instant) -> Result<Box<T>, RecvError> {
        self.recv_boxed_until(&Deadline::at(deadline))
    }

    fn recv_boxed_until(&self, deadline: &Deadline) -> Result<Box<T>, RecvError> {
        let claim = self.wait_for_item(deadline)?;
        self.take_boxed(claim).ok_or(RecvError::Invalid)
    }

    /// Consumes a claimed item; `None` if its bytes are no value.
    fn take_boxed(&self, claim: Claim) -> Option<Box<T>> {
        // SAFETY: a slot's item is mapped and aligned, and this claim's until the commit.
        let value = unsafe { read_boxed(self.item(claim.index)) };
        self.ring().commit_recv(claim);
        self.ring().notify(Endpoint::Receiver);
        value
    }
}

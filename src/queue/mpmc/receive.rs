//! Receiving.

use std::ptr::NonNull;

use bytemuck::{CheckedBitPattern, NoUninit};

use super::Queue;
use crate::algorithm::mpmc::{Claim, TryError};
use crate::facade::Deadline;
use crate::format::Kind;
use crate::participant::endpoints::Endpoint;
use crate::payload::{Payload, read, read_boxed};
use crate::queue::counted::Counts;
use crate::queue::{Iter, Receive, RecvError, RecvTimeoutError, TryIter, TryRecvError};

/// An item, and whether it is delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<T> {
    /// The item.
    pub value: T,
    /// Whether a receiver was killed in the middle of taking the item. A redelivered item may
    /// arrive after items that were sent later.
    pub redelivered: bool,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Receives an item without waiting.
    ///
    /// Does not block, but spins for some microseconds if the next item is being written. If the
    /// queue is empty after several items were received, it looks twice, some microseconds apart,
    /// as a receiver at the heels of a sender slows both down. Makes no system call, unless a
    /// sender sleeps or the kernel has to be asked which peers are dead: on an empty queue, every
    /// few milliseconds.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    #[inline(always)]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.quick_claim() {
            Some(claim) => self.take_and_ring(claim).ok_or(TryRecvError::INVALID),
            None => self.try_recv_slowly(),
        }
    }

    /// [`try_recv`](Self::try_recv) after the quick way did not do. It returns the item itself, so
    /// that this does not pass through memory where it was quick.
    #[cold]
    #[inline(never)]
    fn try_recv_slowly(&self) -> Result<T, TryRecvError> {
        let claim = self.find_item()?;
        self.take_and_ring(claim).ok_or(TryRecvError::INVALID)
    }

    /// Receives an item; blocks while the queue is empty.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(&const { Deadline::never() })
            .map_err(RecvTimeoutError::untimed)
    }

    /// Receives an item; blocks while the queue is empty, until the deadline at the latest: a
    /// [`Duration`](std::time::Duration) from now, or an [`Instant`](std::time::Instant).
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    #[inline]
    pub fn recv_timeout(&self, timeout: impl Into<Deadline>) -> Result<T, RecvTimeoutError> {
        self.recv_until(&timeout.into())
    }

    #[inline(always)]
    fn recv_until(&self, deadline: &Deadline) -> Result<T, RecvTimeoutError> {
        let claim = self.claim_until(deadline)?;
        self.take_and_ring(claim).ok_or(RecvTimeoutError::INVALID)
    }

    /// Receives items one after the other while there are any, into the first places of `values`,
    /// and returns how many were received. Does not block.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] if there was not even one item; never for an empty slice. An item whose
    /// bytes are no valid value ends the batch. If it is the first, that is
    /// [`Invalid`](TryRecvError::Invalid); otherwise it is dropped.
    pub fn recv_slice(&self, values: &mut [T]) -> Result<usize, TryRecvError> {
        let mut count = 0;
        let mut ended = Ok(());
        for place in &mut *values {
            let item = self.claim().map(|claim| self.take(claim));
            match item.and_then(|item| item.ok_or(TryRecvError::INVALID)) {
                Ok(item) => *place = item,
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
            count += 1;
        }
        self.ring().notify(Endpoint::Receiver);
        match ended {
            Err(error) if count == 0 => Err(error),
            _ => Ok(count),
        }
    }

    /// Receives an item as [`try_recv`](Self::try_recv), with the mark of an item that is delivered
    /// again.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    #[inline]
    pub fn try_recv_marked(&self) -> Result<Received<T>, TryRecvError> {
        let claim = self.claim()?;
        self.take_marked(claim).ok_or(TryRecvError::INVALID)
    }

    /// Receives an item as [`recv`](Self::recv), with the mark of an item that is delivered again.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_marked(&self) -> Result<Received<T>, RecvError> {
        self.recv_marked_timeout(Deadline::never())
            .map_err(RecvTimeoutError::untimed)
    }

    /// Receives an item as [`recv_timeout`](Self::recv_timeout), with the mark of an item that is
    /// delivered again.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_marked_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<Received<T>, RecvTimeoutError> {
        let claim = self.claim_until(&timeout.into())?;
        self.take_marked(claim).ok_or(RecvTimeoutError::INVALID)
    }

    /// Receives an item into a box as [`try_recv`](Self::try_recv). The item does not pass through
    /// the stack, so it may be of any size.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv_boxed(&self) -> Result<Box<T>, TryRecvError> {
        let claim = self.claim()?;
        self.take_boxed(claim).ok_or(TryRecvError::INVALID)
    }

    /// Receives an item into a box as [`recv`](Self::recv); see
    /// [`try_recv_boxed`](Self::try_recv_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_boxed(&self) -> Result<Box<T>, RecvError> {
        self.recv_boxed_timeout(Deadline::never())
            .map_err(RecvTimeoutError::untimed)
    }

    /// Receives an item into a box as [`recv_timeout`](Self::recv_timeout); see
    /// [`try_recv_boxed`](Self::try_recv_boxed).
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_boxed_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<Box<T>, RecvTimeoutError> {
        let claim = self.claim_until(&timeout.into())?;
        self.take_boxed(claim).ok_or(RecvTimeoutError::INVALID)
    }

    /// Returns an iterator that receives items, blocking for each; it ends when the queue is
    /// disconnected.
    pub fn iter(&self) -> Iter<&Self> {
        Iter::new(self)
    }

    /// Returns an iterator that receives items without waiting; it ends when the queue is empty,
    /// but not at [`Busy`](TryRecvError::Busy).
    pub fn try_iter(&self) -> TryIter<&Self> {
        TryIter::new(self)
    }

    /// Consumes a claimed item; `None` if its bytes are no value.
    #[inline(always)]
    fn take(&self, claim: Claim) -> Option<T> {
        // SAFETY: a slot's item is mapped and aligned, and this claim's until the commit.
        self.consume(claim, |item| unsafe { read(item) })
    }

    #[inline(always)]
    fn take_and_ring(&self, claim: Claim) -> Option<T> {
        let value = self.take(claim);
        self.ring().notify(Endpoint::Receiver);
        value
    }

    fn take_marked(&self, claim: Claim) -> Option<Received<T>> {
        let redelivered = claim.is_redelivered();
        let value = self.take_and_ring(claim)?;
        Some(Received { value, redelivered })
    }

    fn take_boxed(&self, claim: Claim) -> Option<Box<T>> {
        // SAFETY: as in `take`.
        let value = self.consume(claim, |item| unsafe { read_boxed(item) });
        self.ring().notify(Endpoint::Receiver);
        value
    }

    #[inline(always)]
    fn consume<V>(&self, claim: Claim, read: impl FnOnce(NonNull<T>) -> V) -> V {
        let value = read(self.item(claim.index));
        self.ring().commit_recv(claim);
        value
    }

    /// The next item, if there is one.
    #[inline(always)]
    fn claim(&self) -> Result<Claim, TryRecvError> {
        match self.quick_claim() {
            Some(claim) => Ok(claim),
            None => self.find_item(),
        }
    }

    /// The next item, waiting for one.
    #[inline(always)]
    fn claim_until(&self, deadline: &Deadline) -> Result<Claim, RecvTimeoutError> {
        match self.quick_claim() {
            Some(claim) => Ok(claim),
            None => self.wait_for_item(deadline),
        }
    }

    /// The next item, if nothing is in the way.
    #[inline(always)]
    fn quick_claim(&self) -> Option<Claim> {
        let me = self.me_already()?;
        let (head, epoch) = self.head();
        let (claim, next) = self.ring().quick_recv(head, epoch, me)?;
        self.set_head(next);
        if self.ring().is_lost(&self.liveness(me)) {
            self.withdraw(Endpoint::Receiver, claim, me);
            return None;
        }
        Some(claim)
    }

    #[cold]
    #[inline(never)]
    fn find_item(&self) -> Result<Claim, TryRecvError> {
        let me = self.me()?;
        let ring = self.ring();
        let mut cursor = self.cursor();
        let others = self.liveness(me);
        let mut claim = ring.claim_recv(&mut cursor, &others);
        if claim == Err(TryError::WouldBlock) {
            claim = ring.on_empty(&mut cursor, &others);
        }
        self.keep(&cursor);
        claim.map_err(|refused| TryRecvError::of(refused, Kind::Queue, || self.membership_lost(me)))
    }

    #[cold]
    #[inline(never)]
    fn wait_for_item(&self, deadline: &Deadline) -> Result<Claim, RecvTimeoutError> {
        match self.find_item() {
            Err(TryRecvError::Empty | TryRecvError::Busy) => {}
            found => return Ok(found?),
        }
        let me = self.me()?;
        let mut cursor = self.cursor();
        let claim = self.ring().wait_recv(
            &mut cursor,
            &self.liveness(me),
            deadline,
            self.mode(Endpoint::Receiver),
        );
        self.keep(&cursor);
        claim.map_err(|ended| RecvTimeoutError::of(ended, Kind::Queue, || self.membership_lost(me)))
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> Receive for &Queue<T> {
    type Item = T;

    fn receive(&mut self) -> Result<T, RecvError> {
        self.recv()
    }

    fn try_receive(&mut self) -> Result<T, TryRecvError> {
        self.try_recv()
    }
}

impl<T: Payload + NoUninit + CheckedBitPattern> IntoIterator for &Queue<T> {
    type Item = Result<T, RecvError>;
    type IntoIter = Iter<Self>;

    fn into_iter(self) -> Iter<Self> {
        self.iter()
    }
}

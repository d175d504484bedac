//! Receiving.

use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::{Iter, Queue, RecvError, TryIter, TryRecvError};
use crate::algorithm::mpmc::wait::EventWaitError;
use crate::algorithm::mpmc::{Claim, TryError};
use crate::facade::Deadline;
use crate::participant::endpoints::Endpoint;
use crate::payload::{Payload, read};

/// An item, and whether somebody has died over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received<T> {
    /// The item.
    pub value: T,
    /// A receiver was killed while it took the item, before it was received: it comes again, and
    /// perhaps after items that were sent later.
    pub redelivered: bool,
}

impl<T: Payload + NoUninit + CheckedBitPattern> Queue<T> {
    /// Receives an item, if there is one.
    ///
    /// Does not wait, but for some microseconds if the next item is just being written: if it still is then, that
    /// is [`Busy`](TryRecvError::Busy), and not [`Empty`](TryRecvError::Empty). When the queue is
    /// empty after several items were received, it looks twice, some microseconds apart: whoever follows
    /// at the other's heels slows both down. No system call, unless somebody sleeps or has to be found
    /// dead: on an empty queue it is asked every few milliseconds who is.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    #[inline(always)]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.quick_claim() {
            Some(claim) => self.take_and_ring(claim),
            None => self.try_recv_slowly(),
        }
    }

    /// [`try_recv`](Self::try_recv) after the quick way did not do. It returns the item itself, so that this
    /// does not pass through memory where it was quick.
    #[cold]
    #[inline(never)]
    fn try_recv_slowly(&self) -> Result<T, TryRecvError> {
        self.find_item().and_then(|claim| self.take_and_ring(claim))
    }

    /// Consumes a claimed item.
    #[inline(always)]
    fn take_and_ring(&self, claim: Claim) -> Result<T, TryRecvError> {
        // SAFETY: a slot's item is mapped and aligned, and this claim's until the commit.
        let value = unsafe { read(self.item(claim.index)) };
        self.ring().commit_recv(claim);
        self.ring().notify(Endpoint::Receiver);
        value.ok_or(TryRecvError::Invalid)
    }

    /// The next item, if there is one.
    #[inline(always)]
    pub(super) fn claim(&self) -> Result<Claim, TryRecvError> {
        match self.quick_claim() {
            Some(claim) => Ok(claim),
            None => self.find_item(),
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

    /// As [`try_recv`](Self::try_recv), with the mark of an item that is delivered again.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    #[inline]
    pub fn try_recv_marked(&self) -> Result<Received<T>, TryRecvError> {
        let received = self.recv_unrung()?;
        self.ring().notify(Endpoint::Receiver);
        received.ok_or(TryRecvError::Invalid)
    }

    /// Receives an item, and wakes nobody; `None` if its bytes are no value.
    #[inline(always)]
    fn recv_unrung(&self) -> Result<Option<Received<T>>, TryRecvError> {
        self.claim().map(|claim| self.take(claim))
    }

    #[cold]
    #[inline(never)]
    fn find_item(&self) -> Result<Claim, TryRecvError> {
        let me = self.me().map_err(TryRecvError::Join)?;
        let ring = self.ring();
        let mut cursor = self.cursor();
        let others = self.liveness(me);
        let mut claim = ring.claim_recv(&mut cursor, me, &others);
        if claim == Err(TryError::WouldBlock) {
            claim = ring.on_empty(&mut cursor, me, &others);
        }
        self.keep(&cursor);
        claim.map_err(|refused| match refused {
            TryError::WouldBlock => TryRecvError::Empty,
            TryError::Busy => TryRecvError::Busy,
            TryError::Disconnected => TryRecvError::Disconnected,
            TryError::Corrupt => TryRecvError::Corrupt,
            TryError::MembershipLost => TryRecvError::Join(self.membership_lost(me)),
        })
    }

    /// Consumes a claimed item; `None` if its bytes are no value.
    #[inline(always)]
    fn take(&self, claim: Claim) -> Option<Received<T>> {
        // SAFETY: as in `try_recv`.
        let value = unsafe { read(self.item(claim.index)) };
        self.ring().commit_recv(claim);
        value.map(|value| Received {
            value,
            redelivered: claim.is_redelivered(),
        })
    }

    /// Receives as many items as are there, one after the other, into the first places of `values`,
    /// and returns how many that were. Does not wait.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`], if there was not even one: never for an empty slice. One whose bytes are no
    /// value ends the batch, and is told by [`Invalid`](TryRecvError::Invalid) if it was the first;
    /// else it is gone.
    pub fn recv_slice(&self, values: &mut [T]) -> Result<usize, TryRecvError> {
        let mut count = 0;
        let mut ended = Ok(());
        for place in &mut *values {
            match self.recv_unrung() {
                Ok(Some(received)) => {
                    *place = received.value;
                    count += 1;
                }
                Ok(None) => {
                    ended = Err(TryRecvError::Invalid);
                    break;
                }
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        self.ring().notify(Endpoint::Receiver);
        if count > 0 {
            Ok(count)
        } else {
            ended.map(|()| 0)
        }
    }

    /// Receives an item, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(&const { Deadline::never() })
            .map(|received| received.value)
    }

    /// Receives an item, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvError> {
        self.recv_until(&Deadline::after(timeout))
            .map(|received| received.value)
    }

    /// Receives an item, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvError> {
        self.recv_until(&Deadline::at(deadline))
            .map(|received| received.value)
    }

    /// As [`recv`](Self::recv), with the mark of an item that is delivered again.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_marked(&self) -> Result<Received<T>, RecvError> {
        self.recv_until(&const { Deadline::never() })
    }

    /// As [`recv_timeout`](Self::recv_timeout), with the mark of an item that is delivered again.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_marked_timeout(&self, timeout: Duration) -> Result<Received<T>, RecvError> {
        self.recv_until(&Deadline::after(timeout))
    }

    /// As [`recv_deadline`](Self::recv_deadline), with the mark of an item that is delivered again.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn recv_marked_deadline(&self, deadline: Instant) -> Result<Received<T>, RecvError> {
        self.recv_until(&Deadline::at(deadline))
    }

    #[inline(always)]
    fn recv_until(&self, deadline: &Deadline) -> Result<Received<T>, RecvError> {
        let claim = match self.quick_claim() {
            Some(claim) => claim,
            None => self.wait_for_item(deadline)?,
        };
        let received = self.take(claim);
        self.ring().notify(Endpoint::Receiver);
        received.ok_or(RecvError::Invalid)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn wait_for_item(&self, deadline: &Deadline) -> Result<Claim, RecvError> {
        match self.find_item() {
            Ok(claim) => return Ok(claim),
            Err(TryRecvError::Empty | TryRecvError::Busy) => {}
            Err(error) => return Err(error.into()),
        }
        let me = self.me().map_err(RecvError::Join)?;
        let mut cursor = self.cursor();
        let claim = self.ring().wait_recv(
            &mut cursor,
            me,
            &self.liveness(me),
            deadline,
            self.mode(Endpoint::Receiver),
        );
        self.keep(&cursor);
        claim.map_err(|ended| match ended {
            EventWaitError::Disconnected => RecvError::Disconnected,
            EventWaitError::TimedOut => RecvError::Timeout,
            EventWaitError::Corrupt => RecvError::Corrupt,
            EventWaitError::MembershipLost => RecvError::Join(self.membership_lost(me)),
        })
    }

    /// The items as they come, waiting for each; ends when the queue is disconnected.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// The items that are there; ends when there is none, and not at [`Busy`](TryRecvError::Busy).
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }
}

//! Receiving.

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use bytemuck::{CheckedBitPattern, NoUninit};

use super::{Iter, Queue, RecvError, TryIter, TryRecvError};
use crate::facade::Deadline;
use crate::payload::Payload;
use crate::ring::ends::Side;
use crate::ring::slots::wait::Ended;
use crate::ring::slots::{Claim, Refused};

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
    /// Does not wait, but for some microseconds if the next item is just being written. No system
    /// call, unless somebody sleeps or has to be found dead: on an empty queue it is asked every
    /// few milliseconds who is.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let Some(claim) = self.quick_claim() else {
            let slowly = self.recv_slowly()?;
            self.ring().ring(Side::Receiver);
            return slowly
                .map(|received| received.value)
                .ok_or(TryRecvError::Invalid);
        };
        let value = read(self.item(claim.index));
        self.ring().commit_recv(&claim);
        self.ring().ring(Side::Receiver);
        value.ok_or(TryRecvError::Invalid)
    }

    /// The next item, if nothing is in the way.
    #[inline(always)]
    fn quick_claim(&self) -> Option<Claim> {
        let me = self.me_already()?;
        let (head, epoch) = self.head();
        let (claim, next) = self.ring().quick_recv(head, epoch, me)?;
        self.set_head(next);
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
        self.ring().ring(Side::Receiver);
        received.ok_or(TryRecvError::Invalid)
    }

    /// Receives an item, and wakes nobody; `None` if its bytes are no value.
    #[inline(always)]
    fn recv_unrung(&self) -> Result<Option<Received<T>>, TryRecvError> {
        match self.quick_claim() {
            Some(claim) => Ok(self.take(&claim)),
            None => self.recv_slowly(),
        }
    }

    #[cold]
    fn recv_slowly(&self) -> Result<Option<Received<T>>, TryRecvError> {
        let me = self.me().map_err(TryRecvError::Join)?;
        let ring = self.ring();
        let mut cursor = self.cursor();
        let others = self.others(me);
        let mut claim = ring.claim_recv(&mut cursor, me, &others);
        if claim == Err(Refused::Nothing) {
            claim = ring.nothing(&mut cursor, me, &others);
        }
        self.keep(&cursor);
        match claim {
            Ok(claim) => Ok(self.take(&claim)),
            Err(Refused::Nothing | Refused::Busy) => Err(TryRecvError::Empty),
            Err(Refused::Over) => Err(TryRecvError::Disconnected),
            Err(Refused::Corrupt) => Err(TryRecvError::Corrupt),
        }
    }

    /// Consumes a claimed item; `None` if its bytes are no value.
    #[inline(always)]
    fn take(&self, claim: &Claim) -> Option<Received<T>> {
        let value = read(self.item(claim.index));
        self.ring().commit_recv(claim);
        value.map(|value| Received {
            value,
            redelivered: claim.again,
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
        self.ring().ring(Side::Receiver);
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
        match self.try_recv() {
            Err(TryRecvError::Empty) => self
                .wait_and_recv(&const { Deadline::never() })
                .map(|received| received.value),
            received => received.map_err(Into::into),
        }
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

    #[inline]
    fn recv_until(&self, deadline: &Deadline) -> Result<Received<T>, RecvError> {
        match self.try_recv_marked() {
            Ok(received) => Ok(received),
            Err(TryRecvError::Empty) => self.wait_and_recv(deadline),
            Err(error) => Err(error.into()),
        }
    }

    #[cold]
    fn wait_and_recv(&self, deadline: &Deadline) -> Result<Received<T>, RecvError> {
        let me = self.me().map_err(RecvError::Join)?;
        let ring = self.ring();
        let mut cursor = self.cursor();
        let claim = ring.wait_recv(&mut cursor, me, &self.others(me), deadline, self.pace());
        self.keep(&cursor);
        let claim = claim.map_err(|ended| match ended {
            Ended::Over => RecvError::Disconnected,
            Ended::Timeout => RecvError::Timeout,
            Ended::Corrupt => RecvError::Corrupt,
            Ended::Expelled => RecvError::Join(self.expelled(me)),
        })?;
        let received = self.take(&claim);
        ring.ring(Side::Receiver);
        received.ok_or(RecvError::Invalid)
    }

    /// The items as they come, waiting for each; ends when the queue is disconnected.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// The items that are there; ends when there is none.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }
}

/// Copies an item out; `None` if its bytes are no value.
#[inline(always)]
pub(super) fn read<T: CheckedBitPattern>(item: NonNull<T>) -> Option<T> {
    // SAFETY: a slot is mapped and aligned; it is the claim's until the commit; any bytes are a
    // `T::Bits`, which has the layout of `T`.
    let bits = unsafe { item.cast::<T::Bits>().read() };
    if !T::is_valid_bit_pattern(&bits) {
        return None;
    }
    // SAFETY: the bits, which are a copy, were just found valid.
    Some(unsafe { NonNull::from(&bits).cast::<T>().read() })
}

//! Messages that were delivered, and dead letters.

use std::ops::Deref;
use std::time::Duration;

use bytemuck::Pod;

use super::Work;
use super::cell::InFlight;
use super::message::{Message, place};
use crate::algorithm::work::layout::State;
use crate::payload::Payload;
use crate::queue::RecvError;
use crate::segment::Fault;

/// A message that was delivered. It is this process's until it is acknowledged or given back.
///
/// Dropping it without [`ack`](Self::ack) gives it back, to be redelivered, and so does the end of
/// the process. In a forked child an inherited delivery is the parent's: dropping it does nothing,
/// and its methods fail with [`Fault::NotOwner`].
///
/// A plain value, and a value that was decoded, is what the delivery dereferences to. Bytes are
/// read in their [`parts`](Self::parts).
///
/// It cannot be acknowledged twice:
///
/// ```compile_fail,E0382
/// # use crossdock::Segment;
/// # use crossdock::queue::WorkQueue;
/// # let segment = Segment::anonymous()?;
/// # let orders = segment.create::<WorkQueue<u32>>("orders", 8)?;
/// let order = orders.recv()?;
/// order.ack()?;
/// order.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// nor is it written to:
///
/// ```compile_fail,E0594
/// # use crossdock::Segment;
/// # use crossdock::queue::WorkQueue;
/// # let segment = Segment::anonymous()?;
/// # let orders = segment.create::<WorkQueue<u32>>("orders", 8)?;
/// let mut order = orders.recv()?;
/// *order = 7;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a delivery that is dropped is redelivered"]
pub struct Delivery<'q, M: Message + ?Sized> {
    /// Invariant 1: a message that was received from a pool that is laid out for messages of `M`.
    pub(super) cell: InFlight<'q>,
    pub(super) content: M::Content,
}

impl<M: Message + ?Sized> Delivery<'_, M> {
    /// Returns which delivery of the message this is: 1 for the first. Of a dead letter the last
    /// one.
    pub fn attempt(&self) -> u8 {
        self.cell.attempt()
    }

    /// Acknowledges the message: it is done, and its cells are free. Lock-free; the commit is one
    /// compare-and-swap.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the message is redelivered, or has been.
    #[inline]
    pub fn ack(self) -> Result<(), Fault> {
        let cells = M::cells(&self.content);
        self.cell.into_cell().free(cells)
    }

    /// Acknowledges the message and returns it: the value, or a copy of the bytes.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn into_inner(self) -> Result<M::Owned, Fault> {
        let cells = M::cells(&self.content);
        let value = M::take(&self.cell, self.content);
        self.cell.into_cell().free(cells)?;
        Ok(value)
    }

    /// Gives the message back, to be redelivered to any receiver once `delay` has passed. A message
    /// that was delivered [`max_attempts`](Work::max_attempts) times, or was a dead letter, becomes
    /// a dead letter.
    ///
    /// A sleeping receiver wakes up at that time, or a millisecond later. A delay of more than 30
    /// days is one of 30 days. It is measured on the machine's monotonic clock, also between
    /// processes of different time namespaces; a process that has left its own by unshare(2) and
    /// has not forked since delays nothing, and takes every delayed message for due.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn nack(self, delay: Duration) -> Result<(), Fault> {
        self.cell.into_cell().give_back(delay)
    }

    /// Makes a dead letter of the message, however often it was delivered.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn reject(self) -> Result<(), Fault> {
        self.cell.into_cell().bury()
    }
}

impl<T: Payload + Pod> Deref for Delivery<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1: mapped, aligned, and not written to while this process has it; any
        // bytes are a `T`.
        unsafe { place::<T>(&self.cell).as_ref() }
    }
}

impl Delivery<'_, [u8]> {
    /// Returns the length of the message, in bytes.
    pub fn len(&self) -> usize {
        self.content.len
    }

    /// Returns whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the parts of the message in their order, where they are in the segment: each is as
    /// long as a [cell](Work::cell_size), except the last.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.content.slices(&self.cell)
    }

    /// Returns the message where it is, if it is in one part.
    pub fn as_slice(&self) -> Option<&[u8]> {
        self.content.as_slice(&self.cell)
    }

    /// Copies the first bytes of the message to `place`, as many as fit, and returns their number.
    pub fn copy_to(&self, place: &mut [u8]) -> usize {
        let mut done = 0;
        for part in self.parts() {
            let rest = &mut place[done..];
            let len = part.len().min(rest.len());
            rest[..len].copy_from_slice(&part[..len]);
            done += len;
        }
        done
    }

    /// Returns a copy of the message.
    pub fn to_vec(&self) -> Vec<u8> {
        self.content.to_vec(&self.cell)
    }
}

debug!([M: Message + ?Sized] Delivery<'_, M>, |this| { attempt: this.attempt(), .. });

/// The dead letters of a queue: messages that were delivered as often as they may be, were
/// rejected, or did not decode. Made by [`Work::dead_letters`].
///
/// Each takes up its cells until it is taken and acknowledged.
pub struct DeadLetters<'q, M: Message + ?Sized> {
    queue: &'q Work<M>,
}

impl<'q, M: Message + ?Sized> DeadLetters<'q, M> {
    pub(super) fn new(queue: &'q Work<M>) -> Self {
        Self { queue }
    }

    /// Returns the number of dead letters, except those that were taken. It may be stale when it is
    /// returned.
    pub fn len(&self) -> u64 {
        self.queue.count(State::DeadLetter)
    }

    /// Returns whether there is no dead letter. The answer may be stale when it is returned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a dead letter, if there is one; in no order. [`ack`](Delivery::ack) is the end of it;
    /// dropped it is a dead letter again. Those of a [`Channel`](super::Channel) are taken as their
    /// bytes, since they may be none that can be decoded. Never blocks.
    ///
    /// # Errors
    ///
    /// [`RecvError`], not `Disconnected`.
    pub fn take(&self) -> Result<Option<Delivery<'q, M::Letter>>, RecvError> {
        let Some(cell) = self.queue.pool().take_letter()? else {
            return Ok(None);
        };
        match M::Letter::accept(cell) {
            Ok(letter) => Ok(Some(letter)),
            Err(reason) => Err(RecvError::Invalid { reason }),
        }
    }
}

debug!([M: Message + ?Sized] DeadLetters<'_, M>, |this| { len: this.len() });

//! Messages in somebody's hands.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::Duration;

use bytemuck::Pod;

use super::hand::Hand;
use super::receive::after;
use super::{AckError, WorkQueue};
use crate::payload::Payload;
use crate::queue::{RecvError, SendError};

/// A place for a message, this process's alone until it is sent.
///
/// It holds whatever stood there before. Dropping it gives the place back, unsent, and so does the end
/// of the process. In a forked child an inherited one is nobody's: dropping it does nothing, what is behind it
/// is another process's to write, and [`send`](Self::send) says [`SendError::Lost`].
#[must_use = "nothing is sent until `send`"]
pub struct Loan<'q, T: Payload + Pod> {
    /// Invariant 1: its pool is laid out for messages of `T`, and its cell is this process's alone.
    hand: Hand<'q>,
    message: PhantomData<&'q mut T>,
}

/// A message that was delivered, read where it is.
///
/// Dropping it without [`ack`](Self::ack) gives it back, to be delivered again, and so does the end of
/// the process. In a forked child an inherited one is nobody's, and dropping it does nothing.
///
/// It cannot be acknowledged twice:
///
/// ```compile_fail,E0382
/// # use crossdock::Segment;
/// # use crossdock::queue::{WorkOptions, WorkQueue};
/// # let segment = Segment::anonymous()?;
/// # let orders = segment.create::<WorkQueue<u32>>("orders", WorkOptions::new(8))?;
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
/// # use crossdock::queue::{WorkOptions, WorkQueue};
/// # let segment = Segment::anonymous()?;
/// # let orders = segment.create::<WorkQueue<u32>>("orders", WorkOptions::new(8))?;
/// let mut order = orders.recv()?;
/// *order = 7;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a delivery that is dropped comes again"]
pub struct Delivery<'q, T: Payload + Pod> {
    /// Invariant 1: its pool is laid out for messages of `T`, and nobody writes to its cell while this
    /// process has it.
    hand: Hand<'q>,
    message: PhantomData<&'q T>,
}

// SAFETY: a cell belongs to a process, not to a thread; `T` is Send.
unsafe impl<T: Payload + Pod> Send for Loan<'_, T> {}
// SAFETY: as above; `T` is Sync.
unsafe impl<T: Payload + Pod> Sync for Loan<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Payload + Pod> Send for Delivery<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Payload + Pod> Sync for Delivery<'_, T> {}

#[inline(always)]
fn place<T>(hand: &Hand<'_>) -> NonNull<T> {
    hand.pool.message(hand.mine.cell).cast()
}

impl<'q, T: Payload + Pod> Loan<'q, T> {
    /// `hand` is a loan of a pool of messages of `T`.
    #[inline(always)]
    pub(super) fn new(hand: Hand<'q>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self {
            hand,
            message: PhantomData,
        }
    }

    /// Sends the message as it is. Lock-free; its commit is one compare-and-swap. No system call unless
    /// a receiver sleeps.
    ///
    /// # Errors
    ///
    /// [`SendError`], not `Timeout`: it was not sent, and the place is given back. With
    /// [`Join`](SendError::Join) others took this process for dead, and gave the place back: if they did that
    /// in the middle of this call, it is not known whether the message was received before.
    #[inline]
    pub fn send(self) -> Result<(), SendError<()>> {
        let mut this = std::mem::ManuallyDrop::new(self);
        let sent = this.hand.send();
        if sent.is_err() {
            this.give_up();
        }
        sent
    }

    /// Writes the message and sends it.
    #[inline(always)]
    pub(super) fn send_value(self, value: T) -> Result<(), SendError<()>> {
        // SAFETY: Invariant 1: mapped, aligned, and this process's alone.
        unsafe { place::<T>(&self.hand).write(value) };
        self.send().map_err(SendError::of_own_loan)
    }

    #[cold]
    fn give_up(&mut self) {
        // It is lost already, if it is not this process's.
        let _ = self.hand.free(1);
    }
}

impl<T: Payload + Pod> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<T: Payload + Pod> Deref for Loan<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1: mapped, aligned, this process's alone; any bytes are a `T`.
        unsafe { place::<T>(&self.hand).as_ref() }
    }
}

impl<T: Payload + Pod> DerefMut for Loan<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { place::<T>(&self.hand).as_mut() }
    }
}

impl<'q, T: Payload + Pod> Delivery<'q, T> {
    /// `hand` is a message that was delivered, of a pool of messages of `T`.
    #[inline(always)]
    pub(super) fn new(hand: Hand<'q>) -> Self {
        // INVARIANT: 1, by the caller's word.
        Self {
            hand,
            message: PhantomData,
        }
    }

    /// Which delivery of the message this is: 1 for the first. Of a dead letter the last one.
    pub fn attempt(&self) -> u8 {
        self.hand.attempt()
    }

    /// Acknowledges the message: it is done, and its place is free. Lock-free; its commit is one
    /// compare-and-swap.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    #[inline]
    pub fn ack(self) -> Result<(), AckError> {
        std::mem::ManuallyDrop::new(self).hand.free(1)
    }

    /// Gives the message back, to be delivered again when `delay` has passed: to whoever receives then.
    /// After [`max_attempts`](super::WorkOptions::max_attempts) deliveries, and of a dead letter, it is a
    /// dead letter.
    ///
    /// A receiver that sleeps wakes up at that time, or a millisecond later. A delay of more than 30 days is
    /// one of 30 days. It is measured on the machine's monotonic clock, also between processes of different time
    /// namespaces; a process that has left its own by unshare(2) and has not forked since delays nothing, and takes
    /// every delayed message for due.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn nack(self, delay: Duration) -> Result<(), AckError> {
        let this = std::mem::ManuallyDrop::new(self);
        this.hand.give_back(after(delay))
    }

    /// Makes a dead letter of the message, whatever its attempts.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn reject(self) -> Result<(), AckError> {
        std::mem::ManuallyDrop::new(self).hand.bury()
    }
}

impl<T: Payload + Pod> Drop for Delivery<'_, T> {
    fn drop(&mut self) {
        // It comes again anyway, if it is not this process's.
        let _ = self.hand.give_back(None);
    }
}

impl<T: Payload + Pod> Deref for Delivery<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1: mapped, aligned, and nobody writes to it; any bytes are a `T`.
        unsafe { place::<T>(&self.hand).as_ref() }
    }
}

impl<T: Payload + Pod + fmt::Debug> fmt::Debug for Loan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loan").field(&**self).finish()
    }
}

impl<T: Payload + Pod + fmt::Debug> fmt::Debug for Delivery<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &**self)
            .field("attempt", &self.attempt())
            .finish()
    }
}

/// The messages of a queue that were given up: delivered as often as they may be, or rejected. Made by
/// [`WorkQueue::dead_letters`].
///
/// They take up places until somebody takes and acknowledges them.
pub struct DeadLetters<'q, T: Payload + Pod> {
    queue: &'q WorkQueue<T>,
}

impl<'q, T: Payload + Pod> DeadLetters<'q, T> {
    pub(super) fn new(queue: &'q WorkQueue<T>) -> Self {
        Self { queue }
    }

    /// How many there are just now, but for those in somebody's hands: a glance.
    pub fn len(&self) -> u64 {
        self.queue
            .pool
            .work()
            .count(crate::algorithm::work::layout::State::DeadLetter)
            .into()
    }

    /// Whether there is none: a glance.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes one of them, if there is one; in no order. [`ack`](Delivery::ack) is the end of it; dropped
    /// it is a dead letter again.
    ///
    /// # Errors
    ///
    /// [`RecvError::Join`].
    pub fn take(&self) -> Result<Option<Delivery<'q, T>>, RecvError> {
        // INVARIANT: 1 of `Delivery`, by Invariant 1 of the queue.
        Ok(self.queue.pool.take_letter()?.map(Delivery::new))
    }
}

impl<T: Payload + Pod> fmt::Debug for DeadLetters<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters")
            .field("len", &self.len())
            .finish()
    }
}

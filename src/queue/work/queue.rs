//! The work queue of payloads.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use bytemuck::Pod;

use super::options::CAPACITIES;
use super::pool::Pool;
use super::{DeadLetters, Delivery, Loan, WaitIdleError, WorkOptions};
use crate::algorithm::work::layout::{State, WorkLayout};
use crate::facade::Deadline;
use crate::format::{Kind, PayloadShape};
use crate::payload::{Payload, describe, shape_of};
use crate::queue::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError, Wait,
};
use crate::segment::{Bytes, Entry, EntryError, Placeable, Shape, sealed};

/// A queue of messages that their receivers hold until they acknowledge them; an entry of a segment.
///
/// A message is written, and read, where it is: [`loan`](Self::loan) gives a place in the segment,
/// [`Loan::send`] puts it into the queue, [`recv`](Self::recv) delivers it, and [`Delivery::ack`] is
/// the end of it. A delivery that is dropped, or whose process dies, however it does, comes again, to
/// another receiver or the same, with an [`attempt`](Delivery::attempt) one higher: at once, as soon as
/// somebody asks the kernel who is dead, and without a timeout that would guess it. After
/// [`max_attempts`](WorkOptions::max_attempts) deliveries it is a [dead letter](Self::dead_letters).
///
/// Messages come in the order in which they were sent; those that come again before those that wait.
/// [`Queue`](crate::queue::Queue) is the one for items that may be lost with their receivers.
///
/// The capacity counts all messages that are not done: loans, those that wait, deliveries, and dead
/// letters that nobody took.
///
/// [`send`](Self::send) copies its value through the stack; a loan and a delivery use none of it, so messages of
/// any size go by those.
///
/// # How it ends
///
/// As [`Queue`](crate::queue::Queue) does: by [`close`](Self::close), or when the last counted
/// [`sender`](Self::sender) or [`receiver`](Self::receiver) has gone. But receivers are told so only when
/// nothing can come back any more: not while another process, or another thread of this one, has a message. Until
/// then [`try_recv`](Self::try_recv) says [`Empty`](crate::queue::TryRecvError::Empty), and `recv` waits.
///
/// A thread is not made to wait for what it received itself, however many deliveries that are. One that
/// was handed a delivery by another thread is: it acknowledges that before it waits for the end. So are two that
/// each wait for more with a delivery in hand: of a queue that may have ended, take batches by `try_recv`, or with
/// a timeout. A delivery that is leaked, or whose thread has ended without dropping it, delays the end for all other
/// threads until its process ends.
///
/// # When processes die or stop
///
/// | | killed | stopped |
/// |---|---|---|
/// | a loan, [`send`](Self::send), before its commit | nothing is sent; the place is free again | nobody is delayed; the place is taken |
/// | `send`, after it | the message arrives | nobody is delayed |
/// | a delivery, before [`ack`](Delivery::ack) | it comes again, one attempt later | nobody is delayed; the message is not done |
/// | `ack`, after its commit | the message is done | nobody is delayed |
/// | [`nack`](Delivery::nack), drop | it comes again | nobody is delayed |
///
/// The commit of each is one compare-and-swap. No operation waits for another's: who is slow, or
/// stopped, with a message in hand is in nobody's way, but for the place that it takes, and for those
/// who wait until [all is done](Self::wait_idle), or for the end of a closed queue.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{WorkOptions, WorkQueue};
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<WorkQueue<u32>>("orders", WorkOptions::new(8))?;
/// orders.send(7)?;
///
/// let order = orders.recv()?;
/// assert_eq!((*order, order.attempt()), (7, 1));
/// drop(order); // as if its process had died
///
/// let order = orders.recv()?;
/// assert_eq!((*order, order.attempt()), (7, 2));
/// order.ack()?;
/// assert!(orders.is_idle());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkQueue<T> {
    /// Invariant 1: it is laid out for messages of `T`.
    pub(super) pool: Pool,
    message: PhantomData<fn(T) -> T>,
}

impl<T> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            message: PhantomData,
        }
    }
}

impl<T> WorkQueue<T> {
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl<T: Payload + Pod> WorkQueue<T> {
    /// A place for a message, if there is one. Lock-free; no system call, unless somebody has to be
    /// found dead.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    #[inline]
    pub fn try_loan(&self) -> Result<Loan<'_, T>, TrySendError<()>> {
        // INVARIANT: 1 of `Loan`, by Invariant 1.
        self.pool.try_hand(1).map(Loan::new)
    }

    /// A place for a message, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    #[inline]
    pub fn loan(&self) -> Result<Loan<'_, T>, SendError<()>> {
        self.loan_until(&const { Deadline::never() })
            .map_err(SendTimeoutError::untimed)
    }

    /// A place for a message, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn loan_timeout(&self, timeout: Duration) -> Result<Loan<'_, T>, SendTimeoutError<()>> {
        self.loan_until(&Deadline::after(timeout))
    }

    /// A place for a message, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn loan_deadline(&self, deadline: Instant) -> Result<Loan<'_, T>, SendTimeoutError<()>> {
        self.loan_until(&Deadline::at(deadline))
    }

    #[inline(always)]
    fn loan_until(&self, deadline: &Deadline) -> Result<Loan<'_, T>, SendTimeoutError<()>> {
        // INVARIANT: 1 of `Loan`, by Invariant 1.
        self.pool.hand_until(1, deadline).map(Loan::new)
    }

    /// Sends a message, if there is room: a loan, a copy, and its sending.
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with the value.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let sent = match self.try_loan() {
            Ok(loan) => loan.send_value(value).map_err(|error| match error {
                SendError::Disconnected(()) => TrySendError::Disconnected(()),
                SendError::Fault((), fault) => TrySendError::Fault((), fault),
            }),
            Err(error) => Err(error),
        };
        sent.map_err(|error| error.map(|()| value))
    }

    /// Sends a message, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the value.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_until(value, &const { Deadline::never() })
            .map_err(SendTimeoutError::untimed)
    }

    /// Sends a message, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], with the value.
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, &Deadline::after(timeout))
    }

    /// Sends a message, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], with the value.
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(value, &Deadline::at(deadline))
    }

    #[inline(always)]
    fn send_until(&self, value: T, deadline: &Deadline) -> Result<(), SendTimeoutError<T>> {
        let sent = self
            .loan_until(deadline)
            .and_then(|loan| Ok(loan.send_value(value)?));
        sent.map_err(|error| error.map(|()| value))
    }

    /// Receives the next message, if there is one. Lock-free; no system call, unless somebody sleeps
    /// or has to be found dead: on an empty queue it is asked every few milliseconds who is.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; not `Invalid`.
    #[inline]
    pub fn try_recv(&self) -> Result<Delivery<'_, T>, TryRecvError> {
        // INVARIANT: 1 of `Delivery`, by Invariant 1.
        self.pool.try_take().map(Delivery::new)
    }

    /// Receives the next message, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; neither `Invalid` nor `Timeout`.
    #[inline]
    pub fn recv(&self) -> Result<Delivery<'_, T>, RecvError> {
        self.recv_until(&const { Deadline::never() })
            .map_err(RecvTimeoutError::untimed)
    }

    /// Receives the next message, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]; not `Invalid`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Delivery<'_, T>, RecvTimeoutError> {
        self.recv_until(&Deadline::after(timeout))
    }

    /// Receives the next message, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]; not `Invalid`.
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Delivery<'_, T>, RecvTimeoutError> {
        self.recv_until(&Deadline::at(deadline))
    }

    #[inline(always)]
    fn recv_until(&self, deadline: &Deadline) -> Result<Delivery<'_, T>, RecvTimeoutError> {
        // INVARIANT: 1 of `Delivery`, by Invariant 1.
        self.pool.take_until(deadline).map(Delivery::new)
    }

    /// The messages as they come, waiting for each; ends when the queue is disconnected.
    pub fn iter(&self) -> impl Iterator<Item = Result<Delivery<'_, T>, RecvError>> {
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            match self.recv() {
                Ok(delivery) => Some(Ok(delivery)),
                Err(error) => {
                    ended = true;
                    (!matches!(error, RecvError::Disconnected)).then_some(Err(error))
                }
            }
        })
    }

    /// The messages that were given up.
    pub fn dead_letters(&self) -> DeadLetters<'_, T> {
        DeadLetters::new(self)
    }

    /// Waits until everything that was sent is done: acknowledged, or a dead letter.
    ///
    /// A message that its holder sends on before it acknowledges its own is waited for as well. There
    /// was a moment at which all was done; others may have sent more since. Who waits with a delivery in its
    /// own hands waits for itself.
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle(&self) -> Result<(), WaitIdleError> {
        self.pool.until_idle(&const { Deadline::never() })
    }

    /// The same, no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<(), WaitIdleError> {
        self.pool.until_idle(&Deadline::after(timeout))
    }

    /// The same, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle_deadline(&self, deadline: Instant) -> Result<(), WaitIdleError> {
        self.pool.until_idle(&Deadline::at(deadline))
    }

    /// Whether everything that was sent is done, at some moment of this call.
    pub fn is_idle(&self) -> bool {
        self.pool.work().is_idle()
    }

    /// How many messages there can be at once.
    pub fn capacity(&self) -> u64 {
        self.pool.layout().rules.cells.into()
    }

    /// After how many deliveries a message that comes back is a dead letter.
    pub fn max_attempts(&self) -> u8 {
        self.pool.layout().rules.max_attempts
    }

    /// How many places are free just now: a glance.
    pub fn room(&self) -> u64 {
        self.pool.work().count(State::Free).into()
    }

    /// The same queue, whose blocking operations wait otherwise: a matter of this handle and its
    /// clones.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.pool.wait = wait;
        self
    }

    /// How the blocking operations of this handle wait; [`Wait::Adaptive`] at first.
    pub fn wait_mode(&self) -> Wait {
        self.pool.wait
    }

    /// Closes the queue, for ever and for all: nothing can be sent any more, loans neither, and
    /// receivers get what is there. Never blocks.
    pub fn close(&self) {
        self.pool.work().close();
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.pool.endpoints().is_closed()
    }
}

impl<T> fmt::Debug for WorkQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue")
            .field("capacity", &self.pool.layout().rules.cells)
            .field("max_attempts", &self.pool.layout().rules.max_attempts)
            .finish_non_exhaustive()
    }
}

impl<T> sealed::Sealed for WorkQueue<T> {}

fn layout_of<T: Payload>(config: [u64; 4], participants: u32) -> Option<WorkLayout> {
    let shape = shape_of::<T>()?;
    let [cells, attempts, 0, 0] = config else {
        return None;
    };
    WorkLayout::new(cells, attempts, (shape.size(), shape.align()), participants)
}

impl<T: Payload + Pod> Placeable for WorkQueue<T> {
    type Config = WorkOptions;

    const KIND: Kind = Kind::WorkQueue;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn words(options: &WorkOptions) -> [u64; 4] {
        [options.capacity, options.max_attempts.into(), 0, 0]
    }

    fn shape(config: [u64; 4], participants: u32) -> Option<Shape> {
        Some(Shape {
            kind: Self::KIND,
            len: layout_of::<T>(config, participants)?.len(),
            payload: shape_of::<T>()?,
            config,
        })
    }

    fn refused(options: &WorkOptions) -> EntryError {
        if shape_of::<T>().is_none() {
            return EntryError::Payload {
                found: Box::new(Self::payload()),
            };
        }
        refused(options.capacity, options.max_attempts)
    }

    /// Zeroed words are those of an empty queue that nobody was ever at.
    fn prepare(_bytes: &Bytes<'_>, _options: WorkOptions) {}

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = layout_of::<T>(entry.record.config, participants)?;
        Some(Self {
            // INVARIANT: 1, by `layout_of`.
            pool: Pool::attach(entry, layout)?,
            message: PhantomData,
        })
    }

    fn entry(&self) -> &Entry {
        self.pool.entry()
    }
}

/// Why there is no queue of such numbers.
pub(super) fn refused(capacity: u64, attempts: u8) -> EntryError {
    let (least, most) = WorkLayout::ATTEMPTS;
    if !(least..=most).contains(&attempts.into()) {
        return EntryError::Attempts {
            found: attempts.into(),
            least,
            most,
        };
    }
    EntryError::Capacity {
        found: capacity,
        least: CAPACITIES.0,
        most: CAPACITIES.1,
    }
}

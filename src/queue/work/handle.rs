//! The work queue's handle: one set of operations, whatever the messages are.

use std::fmt;
use std::marker::PhantomData;

use super::cell::OwnedMessage;
#[cfg(feature = "process")]
use super::cell::Reap;
use super::message::Message;
use super::options::Options;
use super::pool::Pool;
use super::span::Span;
use super::{DeadLetters, Delivery, WaitIdleError};
use crate::algorithm::work::layout::{State, WorkLayout};
use crate::facade::Deadline;
use crate::fixed::TooLongError;
use crate::format::{Kind, Name, PayloadShape};
use crate::queue::counted::Counts;
use crate::queue::{
    Iter, Receive, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryIter, TryRecvError,
    TrySendError, Wait,
};
use crate::segment::{Entry, EntryError, Fault, MembershipError, Placeable};

/// A queue of messages that a receiver holds until it acknowledges them; an entry of a segment. Its
/// names are [`WorkQueue<T>`](super::WorkQueue), [`ByteQueue`](super::ByteQueue) and
/// [`Channel<T>`](super::Channel), by what the [`Message`] is.
///
/// [`recv`](Self::recv) delivers a message, and [`Delivery::ack`] is the end of it. A delivery that
/// is dropped, or whose process dies, however it does, is redelivered, to another receiver or the
/// same, with an [`attempt`](Delivery::attempt) one higher: as soon as a process asks the kernel
/// which peers are dead, and without a timeout that would guess it. After
/// [`max_attempts`](Self::max_attempts) deliveries it is a [dead letter](Self::dead_letters).
///
/// Messages are delivered in the order in which they were sent; redelivered ones before those that
/// wait. [`Queue`](crate::queue::Queue) is for items that may be lost with their receivers.
///
/// # Cells
///
/// The capacity is a number of cells. A plain value takes one; bytes and encoded values take one
/// for each [`cell_size`](Self::cell_size) bytes, at least one. All messages that are not done take
/// up their cells: loans, those that wait, deliveries, and dead letters. A message of many cells is
/// sent when as many are free at once; senders of short messages may take them before. Two senders
/// that want many at the same moment may both find too few, and give back what they took: then
/// `try_send` fails.
///
/// Sending and receiving make no system call unless a process sleeps, or has to be found dead. They
/// allocate no memory, except for encoded values, and for bytes that are copied into a `Vec`.
///
/// # How it ends
///
/// As [`Queue`](crate::queue::Queue) does: by [`close`](Self::close), or when the last counted
/// [`sender`](Self::sender) or [`receiver`](Self::receiver) has left. Receivers are told only when
/// no message can be redelivered any more: not while another process, or another thread of this
/// one, has one. Until then [`try_recv`](Self::try_recv) fails with [`Empty`](TryRecvError::Empty),
/// and [`recv`](Self::recv) waits.
///
/// A thread is not made to wait for what it received itself, however many deliveries that are. A
/// thread that was handed a delivery by another one is: it acknowledges that before it waits for
/// the end. So are two threads that each wait for more with a delivery in flight: of a queue that
/// may have ended, take batches by `try_recv`, or with a timeout. A delivery that is leaked, or
/// whose thread has ended without dropping it, delays the end for all other threads until its
/// process ends.
///
/// # When processes die or stop
///
/// | | killed | stopped |
/// |---|---|---|
/// | a loan, [`send`](Self::send), before its commit | nothing is sent; the cells are free again | no process is delayed; the cells are taken |
/// | `send`, after it | the message arrives | no process is delayed |
/// | a delivery, before [`ack`](Delivery::ack) | it is redelivered, one attempt later | no process is delayed; the message is not done |
/// | `ack`, after its commit | the message is done | no process is delayed |
/// | [`nack`](Delivery::nack), drop | it is redelivered | no process is delayed |
///
/// The commit of each is one compare-and-swap. No operation waits for another's: a slow or stopped
/// holder of a message delays only callers that wait until [all is done](Self::wait_idle), or for
/// the end of a closed queue.
// Transparent, so that a queue of encoded values can be referred to as one of bytes.
#[repr(transparent)]
pub struct Work<M: ?Sized> {
    /// Invariant 1: it is laid out for messages of `M`.
    pool: Pool,
    message: PhantomData<fn(&M) -> &M>,
}

impl<M: ?Sized> Clone for Work<M> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            message: PhantomData,
        }
    }
}

impl<M: ?Sized> Work<M> {
    #[inline(always)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many cells are at a state just now.
    pub(super) fn count(&self, state: State) -> u64 {
        self.pool.work().count(state).into()
    }

    /// How long a message of `len` bytes is in cells, if it is not too long.
    #[inline(always)]
    pub(super) fn span<E: From<SendError<()>>>(&self, len: usize) -> Result<Span, E> {
        let cells = len.div_ceil(self.pool.cell_size()).max(1);
        match u32::try_from(cells) {
            Ok(cells) if cells <= self.pool.layout().rules.cells => Ok(Span { cells, len }),
            _ => Err(self.too_long(len).into()),
        }
    }

    #[cold]
    fn too_long(&self, len: usize) -> SendError<()> {
        let cells = usize::try_from(self.capacity()).unwrap_or(usize::MAX);
        let limit = self.cell_size().saturating_mul(cells);
        SendError::TooLong((), TooLongError { len, limit })
    }

    /// Returns the number of cells, which is the largest number of messages at once.
    pub fn capacity(&self) -> u64 {
        self.pool.layout().rules.cells.into()
    }

    /// Returns how many bytes of a message a cell holds.
    pub fn cell_size(&self) -> usize {
        self.pool.cell_size()
    }

    /// Returns the number of deliveries after which a message that comes back is a dead letter.
    pub fn max_attempts(&self) -> u8 {
        self.pool.layout().rules.max_attempts
    }

    /// Returns the number of free cells. It may be stale when it is returned.
    pub fn free_capacity(&self) -> u64 {
        self.count(State::Free)
    }

    /// Returns the number of messages that wait to be delivered, delayed ones among them. Messages
    /// in flight and dead letters are not counted. It may be stale when it is returned.
    ///
    /// Never blocks; looks at every cell.
    pub fn len(&self) -> u64 {
        self.pool.work().count_pending()
    }

    /// Returns whether no message waits to be delivered: see [`len`](Self::len). A queue that is
    /// empty may still have messages in flight; [`is_idle`](Self::is_idle) says whether all are
    /// done.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether no cell is free. The answer may be stale when it is returned.
    pub fn is_full(&self) -> bool {
        self.free_capacity() == 0
    }

    /// Returns whether everything that was sent is done, at some moment of this call.
    pub fn is_idle(&self) -> bool {
        self.pool.work().is_idle()
    }

    /// Blocks until everything that was sent is done: acknowledged, or a dead letter.
    ///
    /// A message that its holder sends on before it acknowledges its own is waited for as well.
    /// There was a moment at which all was done; other processes may have sent more since. A caller
    /// that has a delivery in flight waits for itself.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn wait_idle(&self) -> Result<(), Fault> {
        self.pool
            .wait_idle(&const { Deadline::never() })
            .map(|_| ())
    }

    /// As [`wait_idle`](Self::wait_idle), until the deadline at the latest.
    ///
    /// # Errors
    ///
    /// [`WaitIdleError`].
    pub fn wait_idle_timeout(&self, timeout: impl Into<Deadline>) -> Result<(), WaitIdleError> {
        match self.pool.wait_idle(&timeout.into())? {
            true => Ok(()),
            false => Err(WaitIdleError::Timeout),
        }
    }

    /// Closes the queue, forever and for all processes: nothing can be sent any more, also no loan,
    /// and receivers get what is there. Never blocks.
    pub fn close(&self) {
        self.pool.work().close();
    }

    /// Returns whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        self.pool.endpoints().is_closed()
    }

    /// Returns the same queue, whose blocking operations wait otherwise: a matter of this handle
    /// and its clones.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.set_wait_mode(wait);
        self
    }

    pub(super) fn set_wait_mode(&mut self, wait: Wait) {
        self.pool.wait = wait;
    }

    /// Returns how the blocking operations of this handle wait; [`Wait::Adaptive`] at first.
    pub fn wait_mode(&self) -> Wait {
        self.pool.wait
    }
}

impl<M: Message + ?Sized> Work<M> {
    /// Returns the length of the longest message, in bytes: of bytes and encoded values that of all
    /// cells together, of plain values the size of one.
    pub fn max_message_len(&self) -> u64 {
        let cells = if M::SPANS { self.capacity() } else { 1 };
        self.cell_size() as u64 * cells
    }

    /// Sends a message, if enough cells are free. Lock-free; no system call, unless a receiver
    /// sleeps or a process has to be found dead.
    ///
    /// A plain value is copied through the stack: large ones are sent by a [loan](super::Loan).
    ///
    /// # Errors
    ///
    /// [`TrySendError`], with a plain value; a message that was lent is the caller's still.
    #[inline]
    pub fn try_send(&self, message: M::Sent<'_>) -> Result<(), TrySendError<M::Unsent>> {
        self.put(message, |cells| self.pool.try_loan(cells))
            .map_err(|error: TrySendError<()>| error.map(|()| M::unsent(message)))
    }

    /// As [`try_send`](Self::try_send), for a caller that has a lock: no code of the program runs.
    #[cfg(feature = "process")]
    pub(crate) fn try_send_only(
        &self,
        message: M::Sent<'_>,
    ) -> Result<(), TrySendError<M::Unsent>> {
        self.put(message, |cells| self.pool.try_loan_and(cells, Reap::Never))
            .map_err(|error: TrySendError<()>| error.map(|()| M::unsent(message)))
    }

    /// Blocks until enough cells are free, and sends a message: see [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`SendError`], with a plain value; a message that was lent is the caller's still.
    #[inline]
    pub fn send(&self, message: M::Sent<'_>) -> Result<(), SendError<M::Unsent>> {
        self.put(message, |cells| {
            self.pool.loan(cells, &const { Deadline::never() })
        })
        .map_err(|error: SendTimeoutError<()>| error.untimed().map(|()| M::unsent(message)))
    }

    /// Blocks until enough cells are free, and sends a message, or until the deadline has passed:
    /// see [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`], with a plain value; a message that was lent is the caller's still.
    pub fn send_timeout(
        &self,
        message: M::Sent<'_>,
        timeout: impl Into<Deadline>,
    ) -> Result<(), SendTimeoutError<M::Unsent>> {
        let deadline = timeout.into();
        self.put(message, |cells| self.pool.loan(cells, &deadline))
            .map_err(|error: SendTimeoutError<()>| error.map(|()| M::unsent(message)))
    }

    #[inline(always)]
    fn put<'q, E: From<SendError<()>>>(
        &self,
        message: M::Sent<'_>,
        loan: impl FnOnce(u32) -> Result<OwnedMessage<'q>, E>,
    ) -> Result<(), E> {
        let staged = M::stage(message).map_err(|reason| SendError::Invalid((), reason))?;
        let cells = if M::SPANS {
            self.span::<E>(M::len(&staged))?.cells
        } else {
            1
        };
        let mut cell = loan(cells)?;
        M::write(&cell, staged);
        cell.send(cells).map_err(|error| of_own_loan(error).into())
    }

    /// Receives the next message, if there is one. Lock-free; no system call, unless a process
    /// sleeps or has to be found dead: on an empty queue the kernel is asked every few
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`], not `Busy`. A plain value is never `Invalid`. A message that does not
    /// decode becomes a [dead letter](Self::dead_letters).
    #[inline]
    pub fn try_recv(&self) -> Result<Delivery<'_, M>, TryRecvError> {
        let cell = self.pool.try_receive()?;
        // INVARIANT: 1 of `Delivery`, by Invariant 1.
        M::accept(cell).map_err(|reason| TryRecvError::Invalid { reason })
    }

    /// As [`try_recv`](Self::try_recv), for a caller that has a lock: no code of the program runs.
    #[cfg(feature = "process")]
    #[inline]
    pub(crate) fn try_recv_only(&self) -> Result<Delivery<'_, M>, TryRecvError> {
        let cell = self.pool.try_receive_and(Reap::Never)?;
        // INVARIANT: as above.
        M::accept(cell).map_err(|reason| TryRecvError::Invalid { reason })
    }

    /// Blocks until a message comes, and receives it.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; `Invalid` as [`try_recv`](Self::try_recv).
    #[inline]
    pub fn recv(&self) -> Result<Delivery<'_, M>, RecvError> {
        let received = self.pool.receive(&const { Deadline::never() });
        let cell = received.map_err(RecvTimeoutError::untimed)?;
        // INVARIANT: as above.
        M::accept(cell).map_err(|reason| RecvError::Invalid { reason })
    }

    /// Blocks until a message comes, and receives it, or until the deadline has passed.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`]; `Invalid` as [`try_recv`](Self::try_recv).
    pub fn recv_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<Delivery<'_, M>, RecvTimeoutError> {
        let cell = self.pool.receive(&timeout.into())?;
        // INVARIANT: as above.
        M::accept(cell).map_err(|reason| RecvTimeoutError::Invalid { reason })
    }

    /// Returns the messages as they come, and blocks for each. It ends when the queue is
    /// disconnected.
    pub fn iter(&self) -> Iter<&Self> {
        Iter::new(self)
    }

    /// Returns the messages that are there, and never blocks. It ends when there is none.
    pub fn try_iter(&self) -> TryIter<&Self> {
        TryIter::new(self)
    }

    /// Returns the dead letters of the queue.
    pub fn dead_letters(&self) -> DeadLetters<'_, M> {
        DeadLetters::new(self)
    }
}

impl<'a, M: Message + ?Sized> Receive for &'a Work<M> {
    type Item = Delivery<'a, M>;

    fn receive(&mut self) -> Result<Self::Item, RecvError> {
        self.recv()
    }

    fn try_receive(&mut self) -> Result<Self::Item, TryRecvError> {
        self.try_recv()
    }
}

/// Says of a loan that was taken only to be sent that it was lost because the other processes took
/// this one for dead, and another thread of it has joined anew.
#[inline(always)]
pub(super) fn of_own_loan(error: SendError<()>) -> SendError<()> {
    match error {
        SendError::Fault((), Fault::NotOwner) => SendError::Fault((), MembershipError::Lost.into()),
        other => other,
    }
}

impl<M: Message + ?Sized> fmt::Debug for Work<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(&M::KIND.to_string())
            .field("capacity", &self.capacity())
            .field("cell_size", &self.cell_size())
            .field("max_attempts", &self.max_attempts())
            .finish_non_exhaustive()
    }
}

fn layout_of<M: Message + ?Sized>(config: [u64; 4], participants: u32) -> Option<WorkLayout> {
    if M::SPANS {
        return WorkLayout::of_bytes(config, participants);
    }
    let [cells, attempts, 0, 0] = config else {
        return None;
    };
    let shape = M::fits().then(M::payload)?;
    WorkLayout::new(cells, attempts, (shape.size(), shape.align()), participants)
}

impl<M: Message + ?Sized + 'static> Placeable for Work<M> {
    type Config = M::Options;

    const KIND: Kind = M::KIND;

    fn payload() -> PayloadShape {
        M::payload()
    }

    fn named(options: Option<&M::Options>) -> Result<PayloadShape, &'static str> {
        match options.and_then(Options::payload_name) {
            Some(name) => Ok(PayloadShape {
                name: Name::payload(name),
                ..Self::payload()
            }),
            None => M::named(),
        }
    }

    /// Both are the same program, so they mean the same by a name of bytes.
    fn handed_over(found: PayloadShape) -> PayloadShape {
        if M::SPANS { found } else { Self::payload() }
    }

    fn words(options: &M::Options) -> [u64; 4] {
        options.words()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        Some(layout_of::<M>(config, participants)?.len())
    }

    fn refused(options: &M::Options) -> EntryError {
        if !M::fits() {
            return Self::unfit();
        }
        options.refused()
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = layout_of::<M>(entry.record.config, participants)?;
        let cell_size = if M::SPANS {
            entry.record.config[2]
        } else {
            M::payload().size()
        };
        Some(Self {
            // INVARIANT: 1, by `layout_of`.
            pool: Pool::attach(entry, layout, M::KIND, cell_size)?,
            message: PhantomData,
        })
    }

    fn entry(&self) -> &Entry {
        self.pool.entry()
    }
}

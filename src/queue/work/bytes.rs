//! The work queue of bytes.

use std::fmt;
use std::time::{Duration, Instant};

use super::bytes_in_hand::{ByteDelivery, ByteLoan};

use super::pool::Pool;
use super::queue::refused;
use super::{ByteOptions, RecvIntoError, SendBytesError, TrySendBytesError, WaitIdleError};
use crate::algorithm::work::layout::{State, WorkLayout};
use crate::facade::Deadline;
use crate::format::{Kind, Name, PayloadShape};
use crate::payload::describe;
use crate::queue::{RecvError, RecvTimeoutError, TryRecvError, Wait};
use crate::segment::{Bytes, Entry, EntryError, Placeable, Shape, sealed};

/// A queue of messages of bytes, of any length; an entry of a segment.
///
/// All that is said of [`WorkQueue`](super::WorkQueue) holds: messages are delivered until they are
/// acknowledged, come again when their holder dies, and are dead letters in the end. A message takes as
/// many cells of the queue as it needs, at least one, and is written and read in their
/// [parts](ByteLoan::parts_mut). No operation allocates memory, but those that return a `Vec`.
///
/// Whoever sends a message of many cells waits until as many are free at once; senders of short ones
/// may take them before, and two that want many at the same moment may both find too few, and give back what
/// they took: one that only tries is refused then.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::queue::{ByteOptions, ByteQueue};
///
/// let segment = Segment::anonymous()?;
/// let options = ByteOptions::new(64).cell_size(32);
/// let lines = segment.create::<ByteQueue>("lines", options)?;
/// lines.send(b"a line that is longer than one cell is")?;
/// lines.send(b"")?;
///
/// let line = lines.recv()?;
/// assert_eq!(line.parts().map(<[u8]>::len).collect::<Vec<_>>(), [32, 6]);
/// assert_eq!(line.to_vec(), b"a line that is longer than one cell is");
/// line.ack()?;
/// let mut place = [0; 100];
/// assert_eq!(lines.recv_into(&mut place)?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ByteQueue {
    /// Invariant 1: it is laid out for cells of `cell_size` bytes.
    pub(super) pool: Pool,
    pub(super) cell_size: usize,
}

impl ByteQueue {
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many cells so many bytes need.
    fn cells(&self, len: usize) -> Result<u32, (usize, u64)> {
        let cells = len.div_ceil(self.cell_size).max(1);
        u32::try_from(cells)
            .ok()
            .filter(|cells| *cells <= self.pool.layout().rules.cells)
            .ok_or((len, self.most()))
    }

    /// The length of the longest message, in bytes: that of all cells together.
    pub fn most(&self) -> u64 {
        self.cell_size as u64 * u64::from(self.pool.layout().rules.cells)
    }

    /// A place for a message of `len` bytes, if there is one. Lock-free; no system call, unless
    /// somebody has to be found dead.
    ///
    /// # Errors
    ///
    /// [`TrySendBytesError`].
    #[inline]
    pub fn try_loan(&self, len: usize) -> Result<ByteLoan<'_>, TrySendBytesError> {
        let cells = self.cells(len)?;
        let hand = self.pool.try_hand(cells)?;
        // INVARIANT: 1 of `ByteLoan`, by Invariant 1 and `cells`.
        Ok(ByteLoan::new(hand, self.cell_size, len, cells))
    }

    /// A place for a message of `len` bytes, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`].
    #[inline]
    pub fn loan(&self, len: usize) -> Result<ByteLoan<'_>, SendBytesError> {
        self.loan_until(len, &const { Deadline::never() })
    }

    /// A place for a message of `len` bytes, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`].
    pub fn loan_timeout(
        &self,
        len: usize,
        timeout: Duration,
    ) -> Result<ByteLoan<'_>, SendBytesError> {
        self.loan_until(len, &Deadline::after(timeout))
    }

    /// A place for a message of `len` bytes, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`].
    pub fn loan_deadline(
        &self,
        len: usize,
        deadline: Instant,
    ) -> Result<ByteLoan<'_>, SendBytesError> {
        self.loan_until(len, &Deadline::at(deadline))
    }

    #[inline(always)]
    fn loan_until(&self, len: usize, deadline: &Deadline) -> Result<ByteLoan<'_>, SendBytesError> {
        let cells = self.cells(len)?;
        let hand = self.pool.hand_until(cells, deadline)?;
        // INVARIANT: 1 of `ByteLoan`, by Invariant 1 and `cells`.
        Ok(ByteLoan::new(hand, self.cell_size, len, cells))
    }

    /// Sends a message, if there is room.
    ///
    /// # Errors
    ///
    /// [`TrySendBytesError`].
    #[inline]
    pub fn try_send(&self, message: &[u8]) -> Result<(), TrySendBytesError> {
        let mut loan = self.try_loan(message.len())?;
        loan.fill(message);
        loan.send().map_err(TrySendBytesError::from)
    }

    /// Sends a message, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`].
    #[inline]
    pub fn send(&self, message: &[u8]) -> Result<(), SendBytesError> {
        self.send_until(message, &const { Deadline::never() })
    }

    /// Sends a message, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`].
    pub fn send_timeout(&self, message: &[u8], timeout: Duration) -> Result<(), SendBytesError> {
        self.send_until(message, &Deadline::after(timeout))
    }

    /// Sends a message, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`].
    pub fn send_deadline(&self, message: &[u8], deadline: Instant) -> Result<(), SendBytesError> {
        self.send_until(message, &Deadline::at(deadline))
    }

    #[inline(always)]
    pub(super) fn send_until(
        &self,
        message: &[u8],
        deadline: &Deadline,
    ) -> Result<(), SendBytesError> {
        let mut loan = self.loan_until(message.len(), deadline)?;
        loan.fill(message);
        loan.send().map_err(SendBytesError::of_own_loan)
    }

    /// Receives the next message, if there is one; as [`WorkQueue`](super::WorkQueue) does.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; `Invalid` for a message whose parts make no sense, which is gone.
    #[inline]
    pub fn try_recv(&self) -> Result<ByteDelivery<'_>, TryRecvError> {
        let hand = self.pool.try_take()?;
        // INVARIANT: 1 of `ByteDelivery`, by Invariant 1.
        ByteDelivery::new(hand, self.cell_size).ok_or(TryRecvError::Invalid)
    }

    /// Receives the next message, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; `Invalid` for a message whose parts make no sense, which is gone.
    #[inline]
    pub fn recv(&self) -> Result<ByteDelivery<'_>, RecvError> {
        self.recv_until(&const { Deadline::never() })
            .map_err(RecvTimeoutError::untimed)
    }

    /// Receives the next message, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<ByteDelivery<'_>, RecvTimeoutError> {
        self.recv_until(&Deadline::after(timeout))
    }

    /// Receives the next message, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<ByteDelivery<'_>, RecvTimeoutError> {
        self.recv_until(&Deadline::at(deadline))
    }

    #[inline(always)]
    pub(super) fn recv_until(
        &self,
        deadline: &Deadline,
    ) -> Result<ByteDelivery<'_>, RecvTimeoutError> {
        let hand = self.pool.take_until(deadline)?;
        // INVARIANT: 1 of `ByteDelivery`, by Invariant 1.
        ByteDelivery::new(hand, self.cell_size).ok_or(RecvTimeoutError::Invalid)
    }

    /// Receives a message into the first bytes of `place`, waiting for one as long as it takes, and
    /// acknowledges it. Returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError`]. A message that is longer than `place` is given back, and comes again, one
    /// attempt later.
    pub fn recv_into(&self, place: &mut [u8]) -> Result<usize, RecvIntoError> {
        self.recv()?.take_into(place)
    }

    /// The same, if there is a message.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError`]; `Timeout` if there is none.
    pub fn try_recv_into(&self, place: &mut [u8]) -> Result<usize, RecvIntoError> {
        self.try_recv()
            .map_err(RecvTimeoutError::from)?
            .take_into(place)
    }

    /// How many messages were given up: they take up cells until somebody takes and acknowledges them.
    pub fn count_dead_letters(&self) -> u64 {
        self.pool.work().count(State::DeadLetter).into()
    }

    /// Takes a message that was given up, if there is one; in no order. Dropped it is a dead letter
    /// again.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    pub fn take_dead_letter(&self) -> Result<Option<ByteDelivery<'_>>, RecvError> {
        let Some(hand) = self.pool.take_letter()? else {
            return Ok(None);
        };
        // INVARIANT: 1 of `ByteDelivery`, by Invariant 1.
        let letter = ByteDelivery::new(hand, self.cell_size);
        letter.map(Some).ok_or(RecvError::Invalid)
    }

    /// Waits until everything that was sent is done; see
    /// [`WorkQueue::wait_idle`](super::WorkQueue::wait_idle).
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

    /// How many cells there are: no more messages than that at once.
    pub fn capacity(&self) -> u64 {
        self.pool.layout().rules.cells.into()
    }

    /// How many bytes a cell holds.
    pub fn cell_size(&self) -> usize {
        self.cell_size
    }

    /// After how many deliveries a message that comes back is a dead letter.
    pub fn max_attempts(&self) -> u8 {
        self.pool.layout().rules.max_attempts
    }

    /// How many cells are free just now: a glance.
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

    /// The handle of an entry that was created so.
    pub(super) fn of(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let config = entry.record.config;
        let layout = WorkLayout::of_bytes(config, participants)?;
        Some(Self {
            // INVARIANT: 1, by `of_bytes`.
            pool: Pool::attach(entry, layout)?,
            cell_size: usize::try_from(config[2]).ok()?,
        })
    }
}

impl fmt::Debug for ByteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteQueue")
            .field("capacity", &self.pool.layout().rules.cells)
            .field("cell_size", &self.cell_size)
            .field("max_attempts", &self.pool.layout().rules.max_attempts)
            .finish_non_exhaustive()
    }
}

impl sealed::Sealed for ByteQueue {}

/// The shape of a queue of bytes, of whatever kind.
pub(super) fn shape(
    kind: Kind,
    payload: PayloadShape,
    config: [u64; 4],
    participants: u32,
) -> Option<Shape> {
    Some(Shape {
        kind,
        len: WorkLayout::of_bytes(config, participants)?.len(),
        payload,
        config,
    })
}

impl ByteOptions {
    /// `payload`, with the name that was asked for, if one was.
    pub(super) fn name(&self, payload: PayloadShape) -> PayloadShape {
        match self.payload {
            Some(name) => PayloadShape {
                name: Name::payload(name),
                ..payload
            },
            None => payload,
        }
    }

    pub(super) fn words(&self) -> [u64; 4] {
        [self.cells, self.max_attempts.into(), self.cell_size, 0]
    }

    /// Why there is no queue of such numbers.
    pub(super) fn refused(&self) -> EntryError {
        let (least, most) = WorkLayout::CELL_SIZES;
        if !(least..=most).contains(&self.cell_size) {
            return EntryError::CellSize {
                found: self.cell_size,
                least,
                most,
            };
        }
        refused(self.cells, self.max_attempts)
    }
}

impl Placeable for ByteQueue {
    type Config = ByteOptions;

    const KIND: Kind = Kind::ByteQueue;

    fn payload() -> PayloadShape {
        describe::<u8>()
    }

    fn named(options: Option<&ByteOptions>) -> Result<PayloadShape, &'static str> {
        Ok(options.map_or_else(Self::payload, |options| options.name(Self::payload())))
    }

    /// Both are the same program, so they mean the same by it.
    fn handed_over(found: PayloadShape) -> PayloadShape {
        found
    }

    fn words(options: &ByteOptions) -> [u64; 4] {
        options.words()
    }

    fn shape(config: [u64; 4], participants: u32) -> Option<Shape> {
        shape(Self::KIND, Self::payload(), config, participants)
    }

    fn refused(options: &ByteOptions) -> EntryError {
        options.refused()
    }

    /// Zeroed words are those of an empty queue that nobody was ever at.
    fn prepare(_bytes: &Bytes<'_>, _options: ByteOptions) {}

    fn attach(entry: Entry) -> Option<Self> {
        Self::of(entry)
    }

    fn entry(&self) -> &Entry {
        self.pool.entry()
    }
}

//! Messages of bytes in somebody's hands.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::time::Duration;

use super::hand::Hand;
use super::receive::after;
use super::{AckError, RecvIntoError, SendBytesError};

/// A place for a message of bytes, this process's alone until it is sent.
///
/// It holds whatever stood there before. It can be filled part by part, or written to as a stream.
/// Dropping it gives the place back, unsent, and so does the end of the process. In a forked child an
/// inherited one is nobody's: dropping it does nothing, what is behind it is another process's to write, and
/// [`send`](Self::send) says [`SendBytesError::Lost`].
#[must_use = "nothing is sent until `send`"]
pub struct ByteLoan<'q> {
    /// Invariant 1: a loan of as many cells as the message needs, of `cell_size` bytes each.
    hand: Hand<'q>,
    cell_size: usize,
    len: usize,
    cells: u32,
    /// Where the stream is: the cell, and how many bytes were written.
    at: (Option<u32>, usize),
}

/// A message of bytes that was delivered, read where it is.
///
/// Dropping it without [`ack`](Self::ack) gives it back, to be delivered again, and so does the end of
/// the process. In a forked child an inherited one is nobody's, and dropping it does nothing.
#[must_use = "a delivery that is dropped comes again"]
pub struct ByteDelivery<'q> {
    /// Invariant 1: a message that was delivered, whose parts were followed to its end; of cells of
    /// `cell_size` bytes.
    hand: Hand<'q>,
    cell_size: usize,
    len: usize,
    cells: u32,
}

/// The parts of a message, in their order: where its bytes are.
struct Parts<'a> {
    hand: &'a Hand<'a>,
    cell_size: usize,
    cell: Option<u32>,
    left: usize,
}

impl Parts<'_> {
    /// The next part: the first of its bytes, and how many they are.
    fn step(&mut self) -> Option<(*mut u8, usize)> {
        let cell = self.cell.filter(|_| self.left > 0)?;
        let len = self.left.min(self.cell_size);
        self.left -= len;
        self.cell = if self.left > 0 {
            let work = self.hand.pool.work();
            work.next_part(self.hand.mine.cell, cell)
        } else {
            None
        };
        Some((self.hand.pool.message(cell).as_ptr(), len))
    }
}

impl<'q> ByteLoan<'q> {
    /// `hand` is a loan of as many cells as `len` bytes need, of `cell_size` each.
    #[inline(always)]
    pub(super) fn new(hand: Hand<'q>, cell_size: usize, len: usize, cells: u32) -> Self {
        hand.pool.work().set_len(hand.mine, len as u64);
        // INVARIANT: 1, by the caller's word.
        Self {
            at: (Some(hand.mine.cell), 0),
            hand,
            cell_size,
            len,
            cells,
        }
    }

    /// How many bytes the message has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            hand: &self.hand,
            cell_size: self.cell_size,
            cell: Some(self.hand.mine.cell),
            left: self.len,
        }
    }

    /// The parts of the message in their order, to be filled: each as long as a cell, but for the last.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let mut parts = self.parts();
        std::iter::from_fn(move || {
            let (first, len) = parts.step()?;
            // SAFETY: Invariant 1: mapped, this process's alone; each cell comes once, as the loan took
            // it once.
            Some(unsafe { std::slice::from_raw_parts_mut(first, len) })
        })
    }

    /// Writes the message, which is as long as the loan.
    #[inline(always)]
    pub(super) fn fill(&mut self, message: &[u8]) {
        let mut parts = self.parts();
        let mut rest = message;
        while let Some((first, len)) = parts.step() {
            let (part, more) = rest.split_at(len);
            // SAFETY: as in `parts_mut`; `message` is no part of a cell that is this loan's alone.
            unsafe { first.copy_from_nonoverlapping(part.as_ptr(), len) };
            rest = more;
        }
    }

    /// Sends the message as it is. Lock-free; its commit is one compare-and-swap. No system call unless
    /// a receiver sleeps.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`], not `Timeout` or `TooLong`: it was not sent, and the place is given back. For
    /// [`Join`](SendBytesError::Join) see [`Loan::send`](super::Loan::send).
    #[inline]
    pub fn send(self) -> Result<(), SendBytesError> {
        let mut this = ManuallyDrop::new(self);
        let sent = this.hand.send();
        if sent.is_err() {
            this.give_up();
        }
        sent.map_err(SendBytesError::from)
    }

    #[cold]
    fn give_up(&mut self) {
        // It is lost already, if it is not this process's.
        let _ = self.hand.free(self.cells);
    }
}

impl Drop for ByteLoan<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Writes the bytes of the message one after the other; nothing more once it is full.
impl io::Write for ByteLoan<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (Some(cell), done) = self.at else {
            return Ok(0);
        };
        let offset = done % self.cell_size;
        let len = bytes
            .len()
            .min(self.cell_size - offset)
            .min(self.len - done);
        // SAFETY: `offset` is inside of the cell.
        let first = unsafe { self.hand.pool.message(cell).add(offset) }.as_ptr();
        // SAFETY: Invariant 1: mapped, this process's alone, and inside of the cell.
        unsafe { first.copy_from_nonoverlapping(bytes.as_ptr(), len) };
        let next = if offset + len < self.cell_size {
            Some(cell)
        } else {
            let work = self.hand.pool.work();
            work.next_part(self.hand.mine.cell, cell)
        };
        let done = done + len;
        self.at = (next.filter(|_| done < self.len), done);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'q> ByteDelivery<'q> {
    /// `hand` is a message of a queue of bytes that was delivered. `None` if its parts make no sense;
    /// then it is freed.
    #[inline(always)]
    pub(super) fn new(hand: Hand<'q>, cell_size: usize) -> Option<Self> {
        let most = hand.pool.layout().rules.cells;
        let len = usize::try_from(hand.pool.work().len(hand.mine)).unwrap_or(usize::MAX);
        let cells = u32::try_from(len.div_ceil(cell_size).max(1)).unwrap_or(u32::MAX);
        let this = Self {
            hand,
            cell_size,
            len,
            cells,
        };
        if cells == 1 || cells <= most && this.is_whole() {
            // INVARIANT: 1.
            return Some(this);
        }
        // More than there are, so that all that is there is looked for.
        let _ = ManuallyDrop::new(this).hand.free(u32::MAX);
        None
    }

    #[cold]
    fn is_whole(&self) -> bool {
        let mut parts = self.walk();
        while parts.step().is_some() {}
        parts.left == 0
    }

    fn walk(&self) -> Parts<'_> {
        Parts {
            hand: &self.hand,
            cell_size: self.cell_size,
            cell: Some(self.hand.mine.cell),
            left: self.len,
        }
    }

    /// How many bytes the message has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The parts of the message in their order, where they are: each as long as a cell, but for the
    /// last.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut parts = self.walk();
        std::iter::from_fn(move || {
            let (first, len) = parts.step()?;
            // SAFETY: Invariant 1: mapped, and nobody writes to it while this process has it.
            Some(unsafe { std::slice::from_raw_parts(first.cast_const(), len) })
        })
    }

    /// The message, if it is in one part.
    pub fn as_slice(&self) -> Option<&[u8]> {
        if self.len == 0 {
            return Some(&[]);
        }
        (self.cells == 1).then(|| self.parts().next()).flatten()
    }

    /// Copies the first bytes of the message to `place`, as far as they go, and returns how many that
    /// were.
    pub fn copy_to(&self, place: &mut [u8]) -> usize {
        let mut done = 0;
        for part in self.parts() {
            let room = &mut place[done..];
            let len = part.len().min(room.len());
            room[..len].copy_from_slice(&part[..len]);
            done += len;
        }
        done
    }

    /// A copy of the message.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        for part in self.parts() {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// Copies the message and acknowledges it.
    pub(super) fn take_into(self, place: &mut [u8]) -> Result<usize, RecvIntoError> {
        if self.len > place.len() {
            return Err(RecvIntoError::TooLong {
                len: self.len,
                room: place.len(),
            });
        }
        let len = self.copy_to(place);
        self.ack().map_err(RecvIntoError::Ack)?;
        Ok(len)
    }

    /// Which delivery of the message this is: 1 for the first. Of a dead letter the last one.
    pub fn attempt(&self) -> u8 {
        self.hand.attempt()
    }

    /// Acknowledges the message: it is done, and its cells are free. Lock-free; its commit is one
    /// compare-and-swap.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    #[inline]
    pub fn ack(self) -> Result<(), AckError> {
        let this = ManuallyDrop::new(self);
        this.hand.free(this.cells)
    }

    /// Gives the message back, to be delivered again when `delay` has passed; see
    /// [`Delivery::nack`](super::Delivery::nack).
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn nack(self, delay: Duration) -> Result<(), AckError> {
        ManuallyDrop::new(self).hand.give_back(after(delay))
    }

    /// Makes a dead letter of the message, whatever its attempts.
    ///
    /// # Errors
    ///
    /// [`AckError`]: it comes again, or has.
    pub fn reject(self) -> Result<(), AckError> {
        ManuallyDrop::new(self).hand.bury()
    }
}

impl Drop for ByteDelivery<'_> {
    fn drop(&mut self) {
        // It comes again anyway, if it is not this process's.
        let _ = self.hand.give_back(None);
    }
}

impl fmt::Debug for ByteLoan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteLoan")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ByteDelivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteDelivery")
            .field("len", &self.len)
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

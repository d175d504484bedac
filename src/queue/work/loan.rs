//! Cells that this process writes a message to.

use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;

use super::Work;
use super::cell::OwnedMessage;
#[cfg(feature = "process")]
use super::handle::of_own_loan;
use super::message::place;
use super::span::{Span, parts};
#[cfg(feature = "process")]
use crate::codec::{Output, OutputFull};
use crate::facade::Deadline;
use crate::payload::Payload;
use crate::queue::{SendError, SendTimeoutError, TrySendError};

/// A place in the segment for a message, this process's alone until it is sent. Made by
/// [`loan`](Work::loan) of a [`WorkQueue`](super::WorkQueue) or a [`ByteQueue`](super::ByteQueue).
///
/// It holds what was there before. A plain value is written through [`DerefMut`]; bytes are written
/// in their [`parts`](Self::parts_mut), or as a stream ([`io::Write`]).
///
/// Dropping it gives the place back, unsent, and so does the end of the process. In a forked child
/// an inherited loan is the parent's: dropping it does nothing, its bytes are the parent's to
/// write, and [`send`](Self::send) fails with [`Fault::NotOwner`](crate::Fault::NotOwner).
#[must_use = "nothing is sent until `send`"]
pub struct Loan<'q, M: ?Sized> {
    /// Invariant 1: a loan of a pool that is laid out for messages of `M`, of as many cells as
    /// `span` says.
    cell: OwnedMessage<'q>,
    span: Span,
    /// Where the stream is: the cell, and how many bytes were written.
    at: (Option<u32>, usize),
    message: PhantomData<&'q mut M>,
}

impl<'q, M: ?Sized> Loan<'q, M> {
    #[inline(always)]
    fn new(cell: OwnedMessage<'q>, span: Span) -> Self {
        // INVARIANT: 1, by the callers.
        Self {
            at: (Some(cell.index()), 0),
            cell,
            span,
            message: PhantomData,
        }
    }

    /// Sends the message as it is. Lock-free; the commit is one compare-and-swap. No system call
    /// unless a receiver sleeps.
    ///
    /// # Errors
    ///
    /// [`SendError`]: the message was not sent, and its place is given back.
    ///
    /// With [`MembershipError::Lost`](crate::segment::MembershipError::Lost) the other processes
    /// have taken this one for dead and gave the place back. If they did so during this call, the
    /// message may have been received.
    #[inline]
    pub fn send(self) -> Result<(), SendError<()>> {
        let mut this = ManuallyDrop::new(self);
        let cells = this.span.cells;
        this.cell.send(cells)
    }
}

impl<M: ?Sized> Drop for Loan<'_, M> {
    fn drop(&mut self) {
        self.cell.give_up(self.span.cells);
    }
}

impl<T: Payload + Pod> Deref for Loan<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: Invariant 1: mapped, aligned, this process's alone; any bytes are a `T`.
        unsafe { place::<T>(&self.cell).as_ref() }
    }
}

impl<T: Payload + Pod> DerefMut for Loan<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { place::<T>(&self.cell).as_mut() }
    }
}

impl Loan<'_, [u8]> {
    /// Returns the length of the message, in bytes.
    pub fn len(&self) -> usize {
        self.span.len
    }

    /// Returns whether the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the parts of the message in their order, to be written: each is as long as a
    /// [cell](Work::cell_size), except the last.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let mut parts = parts(&self.cell, self.span.len);
        std::iter::from_fn(move || {
            let (first, len) = parts.step()?;
            // SAFETY: Invariant 1: mapped, this process's alone; each cell comes once, as the loan
            // took it once.
            Some(unsafe { std::slice::from_raw_parts_mut(first, len) })
        })
    }
}

/// Writes the bytes of the message one after the other; nothing more once it is full.
impl io::Write for Loan<'_, [u8]> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (Some(cell), done) = self.at else {
            return Ok(0);
        };
        let pool = self.cell.pool();
        let offset = done % pool.cell_size();
        let len = bytes
            .len()
            .min(pool.cell_size() - offset)
            .min(self.len() - done);
        // SAFETY: `offset` is inside of the cell.
        let first = unsafe { pool.message(cell).add(offset) }.as_ptr();
        // SAFETY: Invariant 1: mapped, this process's alone, and inside of the cell.
        unsafe { first.copy_from_nonoverlapping(bytes.as_ptr(), len) };
        let next = if offset + len < pool.cell_size() {
            Some(cell)
        } else {
            self.cell.next_part(cell)
        };
        let done = done + len;
        self.at = (next.filter(|_| done < self.len()), done);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Payload + Pod> Work<T> {
    /// Returns a place for a message, if one is free: [`Loan::send`] sends it. Nothing of the
    /// message passes through the stack, so that it may be of any size.
    ///
    /// Lock-free; no system call, unless a process has to be found dead.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    #[inline]
    pub fn try_loan(&self) -> Result<Loan<'_, T>, TrySendError<()>> {
        self.pool().try_loan(1).map(Loan::of_value)
    }

    /// Blocks until a place for a message is free, and returns it: see
    /// [`try_loan`](Self::try_loan).
    ///
    /// # Errors
    ///
    /// [`SendError`].
    #[inline]
    pub fn loan(&self) -> Result<Loan<'_, T>, SendError<()>> {
        let loan = self.pool().loan(1, &const { Deadline::never() });
        loan.map(Loan::of_value).map_err(SendTimeoutError::untimed)
    }

    /// Blocks until a place for a message is free, and returns it, or until the deadline has
    /// passed: see [`try_loan`](Self::try_loan).
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn loan_timeout(
        &self,
        timeout: impl Into<Deadline>,
    ) -> Result<Loan<'_, T>, SendTimeoutError<()>> {
        self.pool().loan(1, &timeout.into()).map(Loan::of_value)
    }
}

impl<'q, T: Payload + Pod> Loan<'q, T> {
    #[inline(always)]
    fn of_value(cell: OwnedMessage<'q>) -> Self {
        Self::new(cell, Span { cells: 1, len: 0 })
    }
}

impl<'q> Loan<'q, [u8]> {
    #[inline(always)]
    fn of_bytes(cell: OwnedMessage<'q>, span: Span) -> Self {
        cell.set_len(span.len);
        Self::new(cell, span)
    }
}

impl Work<[u8]> {
    /// Returns a place for a message of `len` bytes, if enough cells are free: [`Loan::send`] sends
    /// it.
    ///
    /// Lock-free; no system call, unless a process has to be found dead.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    #[inline]
    pub fn try_loan(&self, len: usize) -> Result<Loan<'_, [u8]>, TrySendError<()>> {
        let span = self.span::<TrySendError<()>>(len)?;
        let cell = self.pool().try_loan(span.cells)?;
        Ok(Loan::of_bytes(cell, span))
    }

    /// Blocks until enough cells for a message of `len` bytes are free, and returns a place for it.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    #[inline]
    pub fn loan(&self, len: usize) -> Result<Loan<'_, [u8]>, SendError<()>> {
        self.loan_timeout(len, const { Deadline::never() })
            .map_err(SendTimeoutError::untimed)
    }

    /// Blocks until enough cells for a message of `len` bytes are free, and returns a place for it,
    /// or until the deadline has passed.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`].
    pub fn loan_timeout(
        &self,
        len: usize,
        timeout: impl Into<Deadline>,
    ) -> Result<Loan<'_, [u8]>, SendTimeoutError<()>> {
        let span = self.span::<SendTimeoutError<()>>(len)?;
        let cell = self.pool().loan(span.cells, &timeout.into())?;
        Ok(Loan::of_bytes(cell, span))
    }
}

/// A message that is written to a cell of its own piece by piece, and whose length is known once it
/// is sent. Dropped, it gives the cell back.
#[cfg(feature = "process")]
pub(crate) struct CellWriter<'q> {
    loan: Loan<'q, [u8]>,
    /// Invariant 1: the cell of the loan, which is this writer's alone, has `most` bytes there.
    first: std::ptr::NonNull<u8>,
    /// Of these so many are written; at most `most`.
    len: usize,
    most: usize,
}

#[cfg(feature = "process")]
impl Work<[u8]> {
    /// Returns a writer of a message of one cell, if a cell is free.
    #[inline]
    pub(crate) fn try_write(&self) -> Result<CellWriter<'_>, TrySendError<()>> {
        let most = self.cell_size();
        let cell = self.pool().try_loan(1)?;
        Ok(CellWriter {
            // INVARIANT: 1, by that of `Loan`.
            first: cell.message(),
            loan: Loan::new(
                cell,
                Span {
                    cells: 1,
                    len: most,
                },
            ),
            len: 0,
            most,
        })
    }
}

#[cfg(feature = "process")]
impl CellWriter<'_> {
    /// Returns the bytes that were written.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: Invariant 1; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }

    /// Sends what was written.
    #[inline]
    pub(crate) fn send(self) -> Result<(), SendError<()>> {
        self.loan.cell.set_len(self.len);
        self.loan.send().map_err(of_own_loan)
    }
}

#[cfg(feature = "process")]
impl Output for CellWriter<'_> {
    #[inline(always)]
    fn append(&mut self, bytes: &[u8]) -> Result<(), OutputFull> {
        if bytes.len() > self.most - self.len {
            return Err(OutputFull);
        }
        // SAFETY: Invariant 1: `len` is at most `most`.
        let end = unsafe { self.first.add(self.len) };
        // SAFETY: Invariant 1: there is room for so many bytes, which are no part of the cell.
        unsafe {
            end.as_ptr()
                .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
        };
        self.len += bytes.len();
        Ok(())
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[inline(always)]
    fn put_at(&mut self, at: usize, bytes: [u8; 4]) {
        self.as_mut_slice()[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

debug!([M: ?Sized] Loan<'_, M>);

//! A lease of a chunk.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use super::Array;
use crate::algorithm::chunks::Leased;
use crate::segment::Fault;

/// Exclusive access to a chunk of an [`Array`], for this process until it is finished or dropped.
///
/// [`finish`](Self::finish) makes the chunk done. Dropping the lease without gives the chunk back,
/// to be done again, and so do a panic and the end of the process. The chunk has the values that
/// were there before: if it is done again, an earlier holder has written to it, which gave it back
/// or died; [`holder_died`](Self::holder_died) tells.
///
/// A chunk belongs to a process and not to a thread, so a lease can be sent to another thread of
/// it. In a forked child, dropping an inherited lease does nothing, and the chunk is the parent's
/// to change.
///
/// # Examples
///
/// ```
/// use crossdock::array::{ArrayOptions, Init};
/// use crossdock::{Array, Segment};
///
/// let segment = Segment::anonymous()?;
/// let options = ArrayOptions::new(Init::zeroed(10)).chunk(4);
/// let squares = segment.create::<Array<u64>>("squares", options)?;
/// while let Some(mut chunk) = squares.lease_chunk()? {
///     let first = chunk.range().start as u64;
///     for (i, square) in (first..).zip(chunk.iter_mut()) {
///         *square = i * i;
///     }
///     chunk.finish()?;
/// }
/// assert_eq!(*squares.read_or_repair(|_| ())?, [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It does not outlive its array:
///
/// ```compile_fail,E0505
/// # use crossdock::{Array, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// let squares = segment.create::<Array<u64>>("squares", Init::zeroed(10)).unwrap();
/// let chunk = squares.lease(0).unwrap();
/// drop(squares);
/// println!("{}", chunk[0]);
/// ```
///
/// and is not finished twice:
///
/// ```compile_fail,E0382
/// # use crossdock::{Array, Segment, array::Init};
/// let segment = Segment::anonymous().unwrap();
/// let squares = segment.create::<Array<u64>>("squares", Init::zeroed(10)).unwrap();
/// let chunk = squares.lease(0).unwrap();
/// chunk.finish().unwrap();
/// chunk.finish().unwrap();
/// ```
#[must_use = "a chunk that is dropped is to do again"]
pub struct Lease<'a, T> {
    array: &'a Array<T>,
    leased: Leased,
    /// Invariant 1: the values of the chunk, inside of those of `array`, and this process's alone
    /// while it has the chunk.
    values: NonNull<[T]>,
}

// SAFETY: a chunk belongs to a process, not to a thread; `T` is Send.
unsafe impl<T: Send + Sync> Send for Lease<'_, T> {}
// SAFETY: a shared lease gives `&[T]`, and `T` is Sync.
unsafe impl<T: Send + Sync> Sync for Lease<'_, T> {}

impl<'a, T> Lease<'a, T> {
    pub(super) fn new(array: &'a Array<T>, leased: Leased) -> Self {
        // INVARIANT: 1, by the protocol of leases.
        Self {
            array,
            values: array.values_of(array.range(leased.chunk())),
            leased,
        }
    }

    /// Returns the number of the chunk, counted from 0.
    pub fn index(&self) -> usize {
        self.leased.chunk()
    }

    /// Returns the part of the array that the chunk is.
    pub fn range(&self) -> Range<usize> {
        self.array.range(self.leased.chunk())
    }

    /// Returns whether the last holder of the chunk died, and none has finished it since: the
    /// values may be half changed. It may have died before it changed any.
    pub fn holder_died(&self) -> bool {
        self.leased.holder_died()
    }

    /// Finishes the chunk: it is done, and its values are visible to all that find it done, or
    /// lease it again.
    ///
    /// The commit is one compare-and-swap; it makes no system call unless another participant
    /// sleeps for the chunk.
    ///
    /// # Errors
    ///
    /// [`Fault::NotOwner`] if this process does not own the chunk any more. It was given back, and
    /// is to do, or done by another process.
    #[inline]
    pub fn finish(self) -> Result<(), Fault> {
        if std::mem::ManuallyDrop::new(self).end(true) {
            Ok(())
        } else {
            Err(Fault::NotOwner)
        }
    }

    #[inline]
    fn end(&self, done: bool) -> bool {
        // In a forked child this is the parent's chunk.
        self.array.entry_ref().current_tag() == Some(self.leased.owner())
            && self.array.table().end(self.leased, done)
    }
}

impl<T> Drop for Lease<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // If it is not this process's, it was given back already.
        let _ = self.end(false);
    }
}

impl<T> Deref for Lease<'_, T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: Invariant 1; any bytes are a `T`.
        unsafe { self.values.as_ref() }
    }
}

impl<T> DerefMut for Lease<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the lease is borrowed exclusively.
        unsafe { self.values.as_mut() }
    }
}

debug!([T: fmt::Debug] Lease<'_, T>, |this| {
    index: this.index(),
    range: this.range(),
    holder_died: this.holder_died(),
    values: &**this,
});

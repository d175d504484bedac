//! Items written and read where they are, without copying them in or out.

use std::fmt;
use std::ptr::NonNull;

use bytemuck::Pod;

use super::handle::End;
use super::{Consumer, Producer, consumer, producer};
use crate::algorithm::spsc::{Consuming, Producing, Role, RoleMarker};
use crate::payload::Payload;
use crate::queue::{TryRecvError, TrySendError};

/// Places of a ring that a [`Producer`] may write to; none of them is pushed until
/// [`commit`](Self::commit).
///
/// They hold whatever stood there before. Dropping it pushes nothing.
#[must_use = "nothing is pushed until `commit`"]
pub struct WriteChunk<'a, T: Payload> {
    end: &'a mut End<T, Producing>,
    len: usize,
}

/// Items of a ring where they are; none of them is popped until [`commit`](Self::commit).
///
/// Dropping it pops nothing: they come again.
#[must_use = "nothing is popped until `commit`"]
pub struct ReadChunk<'a, T: Payload> {
    end: &'a mut End<T, Consuming>,
    len: usize,
}

impl<T: Payload + Pod> Producer<T> {
    /// As many places as there are, up to `most`, to be written in place. Wait-free.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if there is none; [`TrySendError::Fault`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Segment, queue::spsc::Spsc};
    ///
    /// let ring = Segment::anonymous()?.create::<Spsc<u64>>("ring", 4)?;
    /// let (mut push, mut pop) = (ring.producer()?, ring.consumer()?);
    /// let mut chunk = push.write_chunk(3)?;
    /// let (first, second) = chunk.as_mut_slices();
    /// for (number, place) in first.iter_mut().chain(second).enumerate() {
    ///     *place = number as u64 * 10;
    /// }
    /// chunk.commit(2);
    /// assert_eq!(pop.read_chunk(9)?.as_slices(), (&[0, 10][..], &[][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_chunk(&mut self, most: usize) -> Result<WriteChunk<'_, T>, TrySendError<()>> {
        match self.end.up_to(most) {
            Ok(0) => Err(TrySendError::Full(())),
            Ok(len) => Ok(WriteChunk {
                end: &mut self.end,
                len,
            }),
            Err(error) => Err(producer::refused(error)),
        }
    }
}

impl<T: Payload + Pod> Consumer<T> {
    /// As many items as there are, up to `most`, to be read in place. Wait-free.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] or [`TryRecvError::Disconnected`] if there is none;
    /// [`TryRecvError::Fault`].
    pub fn read_chunk(&mut self, most: usize) -> Result<ReadChunk<'_, T>, TryRecvError> {
        let mut len = self.end.up_to(most);
        if len == Ok(0) {
            if !self.end.ring().has_left(Role::Consumer) {
                return Err(TryRecvError::Empty);
            }
            // It may have pushed something before it left.
            len = self.end.up_to(most);
        }
        match len {
            Ok(0) => Err(TryRecvError::Disconnected),
            Ok(len) => Ok(ReadChunk {
                end: &mut self.end,
                len,
            }),
            Err(error) => Err(consumer::refused(error)),
        }
    }
}

/// The slots of the next `len` items, in two runs: to the end of the ring, and from its beginning.
fn runs<T: Payload, R: RoleMarker>(end: &End<T, R>, len: usize) -> [(NonNull<T>, usize); 2] {
    let (first, run) = end.slots(len as u64);
    [(first.cast(), run), (end.first().cast(), len - run)]
}

impl<T: Payload + Pod> WriteChunk<'_, T> {
    /// How many places there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The places, in the order in which they will be popped: first those of the first slice.
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        let [first, second] = runs(self.end, self.len);
        // SAFETY: so many slots are mapped, aligned, and this end's alone until the commit; any bytes
        // are a `T`; the two runs are apart.
        let first = unsafe { std::slice::from_raw_parts_mut(first.0.as_ptr(), first.1) };
        // SAFETY: as above.
        let second = unsafe { std::slice::from_raw_parts_mut(second.0.as_ptr(), second.1) };
        (first, second)
    }

    /// Pushes the first `count` places at once, and gives up the others. Nothing if this process has lost the
    /// end meanwhile, which the next operation says.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn commit(self, count: usize) {
        assert!(count <= self.len, "{count} of {} places", self.len);
        if self.end.is_mine() {
            self.end.commit(count as u64);
        }
    }
}

impl<T: Payload + Pod> ReadChunk<'_, T> {
    /// How many items there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The items, in their order: first those of the first slice.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let [first, second] = runs(self.end, self.len);
        // SAFETY: so many slots are mapped and aligned, and nobody writes to them until the commit;
        // any bytes are a `T`.
        let first = unsafe { std::slice::from_raw_parts(first.0.as_ptr(), first.1) };
        // SAFETY: as above.
        let second = unsafe { std::slice::from_raw_parts(second.0.as_ptr(), second.1) };
        (first, second)
    }

    /// Pops the first `count` items at once; the others come again. None if this process has lost the end
    /// meanwhile, which the next operation says.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn commit(self, count: usize) {
        assert!(count <= self.len, "{count} of {} items", self.len);
        if self.end.is_mine() {
            self.end.commit(count as u64);
        }
    }
}

impl<T: Payload> fmt::Debug for WriteChunk<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteChunk")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<T: Payload> fmt::Debug for ReadChunk<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadChunk")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

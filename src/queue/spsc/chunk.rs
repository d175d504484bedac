//! Items written and read where they are, without copying them in or out.

use std::fmt;
use std::ptr::NonNull;

use bytemuck::Pod;

use super::handle::End;
use super::{Consumer, Producer, consumer, producer};
use crate::algorithm::spsc::{Consuming, Producing, Role, RoleMarker};
use crate::payload::Payload;
use crate::queue::{TryRecvError, TrySendError};

/// Free places of a ring that a [`Producer`] may write to.
///
/// They hold the bytes of earlier items. No item is pushed until [`commit`](Self::commit); dropping
/// the chunk pushes none.
#[must_use = "nothing is pushed until `commit`"]
pub struct WriteChunk<'a, T: Payload> {
    end: &'a mut End<T, Producing>,
    len: usize,
}

/// Items of a ring, in place, that a [`Consumer`] may read.
///
/// No item is popped until [`commit`](Self::commit); dropping the chunk pops none.
#[must_use = "nothing is popped until `commit`"]
pub struct ReadChunk<'a, T: Payload> {
    end: &'a mut End<T, Consuming>,
    len: usize,
}

impl<T: Payload + Pod> Producer<T> {
    /// Returns as many free places as there are, up to `most`, to be written in place. Wait-free.
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
    /// Returns as many items as there are, up to `most`, to be read in place. Wait-free.
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
    /// Returns the places, in the order in which their items will be popped: first those of the
    /// first slice.
    pub fn as_mut_slices(&mut self) -> (&mut [T], &mut [T]) {
        let [first, second] = runs(self.end, self.len);
        // SAFETY: so many slots are mapped, aligned, and this end's alone until the commit; any
        // bytes are a `T`; the two runs are apart.
        let first = unsafe { std::slice::from_raw_parts_mut(first.0.as_ptr(), first.1) };
        // SAFETY: as above.
        let second = unsafe { std::slice::from_raw_parts_mut(second.0.as_ptr(), second.1) };
        (first, second)
    }
}

impl<T: Payload + Pod> ReadChunk<'_, T> {
    /// Returns the items in their order: first those of the first slice.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        let [first, second] = runs(self.end, self.len);
        // SAFETY: so many slots are mapped and aligned, and not written to until the commit; any
        // bytes are a `T`.
        let first = unsafe { std::slice::from_raw_parts(first.0.as_ptr(), first.1) };
        // SAFETY: as above.
        let second = unsafe { std::slice::from_raw_parts(second.0.as_ptr(), second.1) };
        (first, second)
    }
}

/// What both chunks can.
macro_rules! chunks {
    ($($chunk:ident $what:literal $commit:literal;)+) => {$(
        impl<T: Payload + Pod> $chunk<'_, T> {
            #[doc = concat!("Returns the number of ", $what, ": at least 1.")]
            #[expect(clippy::len_without_is_empty, reason = "it never is")]
            pub fn len(&self) -> usize {
                self.len
            }

            #[doc = $commit]
            /// If this process has lost the end meanwhile, it does nothing, and the next operation
            /// returns the fault.
            ///
            /// # Panics
            ///
            /// If the chunk has fewer.
            pub fn commit(self, count: usize) {
                assert!(count <= self.len, "{count} of {} {}", self.len, $what);
                if self.end.is_mine() {
                    self.end.commit(count as u64);
                }
            }
        }

        impl<T: Payload> fmt::Debug for $chunk<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($chunk))
                    .field("len", &self.len)
                    .finish_non_exhaustive()
            }
        }
    )+};
}

chunks! {
    WriteChunk "places" "Pushes the first `count` places at once, and gives up the others.";
    ReadChunk "items" "Pops the first `count` items at once; the others stay.";
}

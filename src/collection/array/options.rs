//! What an array with leases is created with.

use crate::algorithm::chunks::layout::Cut;
use crate::collection::array::Init;
use crate::payload::Payload;
use crate::segment::{EntryError, IntoConfig};

/// What an [`Array`](super::Array) is created with: its values, and how it is cut into chunks.
///
/// # Examples
///
/// ```
/// use crossdock::array::{ArrayOptions, Init};
/// use crossdock::{Array, Segment};
///
/// let segment = Segment::anonymous()?;
/// let squares = segment.create::<Array<u64>>("squares", Init::zeroed(1000))?;
/// assert_eq!((squares.len(), squares.chunk_len(), squares.chunks()), (1000, 16, 63));
///
/// let rows = ArrayOptions::new(Init::zeroed(50 * 50)).chunk(50);
/// let rows = segment.create::<Array<f64>>("rows", rows)?;
/// assert_eq!((rows.chunk_len(), rows.chunks()), (50, 50));
///
/// let primes = segment.create::<Array<u32>>("primes", [2, 3, 5])?;
/// assert_eq!(*primes.read_or_repair(|_| ())?, [2, 3, 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ArrayOptions<T> {
    pub(super) init: Init<T>,
    chunk: Option<usize>,
}

impl<T: Payload> ArrayOptions<T> {
    /// With these values, cut into chunks as is usual: see [`chunk`](Self::chunk).
    pub fn new(init: impl IntoConfig<Init<T>>) -> Self {
        Self {
            init: init.into_config(),
            chunk: None,
        }
    }

    /// Sets the number of values in a chunk, 1 to the length of the array; the last chunk has the
    /// rest.
    ///
    /// A chunk is what one process works on at a time, and what has to be done again if it is
    /// killed. Leasing and finishing a chunk costs two atomic instructions, so a microsecond of
    /// work is enough for a chunk; each chunk costs four bytes, and one load in a reader that comes
    /// after leases. If this is not called, a chunk is a 64th of the array, rounded up to a
    /// multiple of 128 bytes: that is enough chunks for many processes to end at about the same
    /// time, and no two of them share a cache line.
    ///
    /// Like the length it is fixed: an array that exists is only opened with
    /// [`open_or_create`](crate::Segment::open_or_create) if its chunks are as long.
    #[must_use]
    pub fn chunk(mut self, len: usize) -> Self {
        self.chunk = Some(len);
        self
    }

    /// Has the values made, as [`Init::ready`] does.
    pub(super) fn ready(
        self,
        fits: impl FnOnce() -> Result<(), EntryError>,
    ) -> Result<Self, EntryError> {
        Ok(Self {
            init: self.init.ready(fits)?,
            chunk: self.chunk,
        })
    }

    /// How many values a chunk is to have.
    pub(super) fn chunk_len(&self) -> u64 {
        match self.chunk {
            Some(len) => len as u64,
            None => Cut::usual(self.init.len() as u64, size_of::<T>() as u64),
        }
    }
}

impl<T: Payload, I: IntoConfig<Init<T>>> IntoConfig<ArrayOptions<T>> for I {
    fn into_config(self) -> ArrayOptions<T> {
        ArrayOptions::new(self)
    }
}

debug!(
    /// Shows no values.
    [T] ArrayOptions<T>, |this| { init: this.init, chunk: this.chunk }
);

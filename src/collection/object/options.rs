//! What objects are created with.

use std::fmt;
use std::marker::PhantomData;

use crate::algorithm::blocks::HEADER;
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::codec;
use crate::collection::object::Stored;
use crate::payload::ValueError;
use crate::segment::{EntryError, IntoConfig};

/// The room that a [`Dict`](crate::Dict) is created with; for most, the number of values is enough.
/// In a [`Manager`](crate::Manager) it is the room at first.
///
/// # Examples
///
/// ```
/// use crossdock::object::ObjectOptions;
/// use crossdock::{Dict, Segment};
///
/// let segment = Segment::anonymous()?;
/// let sizes = segment.create::<Dict<String, u64>>("sizes", 1_000)?;
/// // Each key with its value takes up to 400 bytes:
/// let pages = ObjectOptions::new(50).bytes_each(400);
/// let pages = segment.create::<Dict<String, String>>("pages", pages)?;
/// # let _ = (sizes, pages);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectOptions {
    values: u64,
    bytes_each: u64,
}

/// The bytes of content in a block unless something else is asked for.
const BYTES_EACH: u64 = 96;
const LINE: u64 = 64;
const HEADER_BYTES: u64 = (HEADER * size_of::<u64>()) as u64;

impl ObjectOptions {
    /// Room for so many values, 1 to 2^28, of up to 96 bytes each when encoded, with their keys.
    #[must_use]
    pub const fn new(values: u64) -> Self {
        Self {
            values,
            bytes_each: BYTES_EACH,
        }
    }

    /// Sets the bytes that there are for each value, encoded, with its key: 1 to 2^31. A longer
    /// value takes the room of several.
    ///
    /// The memory for a value is 32 bytes more, rounded up to a multiple of 64, and some 40 bytes
    /// of the index. Eight values more have room, which are only used to replace others.
    #[must_use]
    pub const fn bytes_each(mut self, bytes: u64) -> Self {
        self.bytes_each = bytes;
        self
    }

    pub(super) fn words(self) -> [u64; 4] {
        let (least, most) = BlocksLayout::BYTES;
        if !(1..=most).contains(&self.bytes_each) {
            return [self.values, 0, 0, 0];
        }
        let block = (self.bytes_each.max(least) + HEADER_BYTES).next_multiple_of(LINE);
        [self.values, (block - HEADER_BYTES).min(most), 0, 0]
    }

    pub(super) fn refused(self) -> EntryError {
        let (least, most) = BlocksLayout::VALUES;
        if !(least..=most).contains(&self.values) {
            return EntryError::Capacity {
                found: self.values,
                least,
                most,
            };
        }
        let (_, most) = BlocksLayout::BYTES;
        EntryError::CellSize {
            found: self.bytes_each,
            least: 1,
            most,
        }
    }
}

impl IntoConfig<ObjectOptions> for u64 {
    fn into_config(self) -> ObjectOptions {
        ObjectOptions::new(self)
    }
}

/// What a [`Shared`](crate::Shared) is created with: its first value, and the most bytes of one.
pub struct SharedOptions<T> {
    pub(super) first: Result<Vec<u8>, ValueError>,
    capacity: u64,
    value: PhantomData<fn(T)>,
}

/// The most bytes of a value unless something else is asked for.
const CAPACITY: u64 = 4_096;

impl<T: Stored> SharedOptions<T> {
    /// With that value, and room for values of up to 4,096 bytes when encoded.
    #[must_use]
    pub fn new(first: &T) -> Self {
        Self {
            first: codec::encode(first),
            capacity: CAPACITY,
            value: PhantomData,
        }
    }

    /// Sets the most bytes of a value when encoded, 8 to 2^31. The object takes up four times as
    /// many. In a [`Manager`](crate::Manager) it grows for a longer value.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    pub(super) fn words(&self) -> [u64; 4] {
        let fits = |first: &Vec<u8>| first.len() as u64 <= self.capacity;
        // Why a value has no encoding is said by name.
        let fits = self.first.as_ref().map_or(true, fits);
        [if fits { self.capacity } else { 0 }, 0, 0, 0]
    }

    pub(super) fn refused(&self) -> EntryError {
        let (least, most) = BlocksLayout::BYTES;
        let len = self.first.as_ref().map_or(0, Vec::len) as u64;
        EntryError::Capacity {
            found: self.capacity,
            least: least.max(len),
            most,
        }
    }
}

impl<T: Stored> IntoConfig<SharedOptions<T>> for T {
    fn into_config(self) -> SharedOptions<T> {
        SharedOptions::new(&self)
    }
}

/// Does not show the value.
impl<T> fmt::Debug for SharedOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedOptions")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

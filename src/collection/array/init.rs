//! What an array is created with.

use bytemuck::{NoUninit, Zeroable};

use crate::payload::Payload;
use crate::segment::{Bytes, EntryError, IntoConfig};

/// What an array is created with: how many values it holds, and what they are at first.
///
/// The length is 1 at least: nothing can be put into an array of none later, so a 0 is a number
/// that went wrong, and says so ([`EntryError::Length`]). It is `isize::MAX` bytes at most, and as
/// much as the segment has room for; that is found out before anything is allocated or called.
///
/// Single values of some hundred KiB and more come zeroed, or from a `Vec` or a box: the functions
/// that take or make one by value copy it through the stack. Leases and guards refer to values
/// where they are.
///
/// With [`open_or_create`](crate::Segment::open_or_create), the values are those of an array that
/// is created; an array that exists must have the same length, and keeps its values.
///
/// # Examples
///
/// ```
/// use crossdock::array::Init;
/// use crossdock::{AtomicArray, Segment};
///
/// let segment = Segment::anonymous()?;
/// let hits = segment.create::<AtomicArray<u64>>("hits", Init::zeroed(1000))?;
/// assert_eq!(hits.to_vec(), [0; 1000]);
///
/// let numbers = segment.create::<AtomicArray<i32>>("numbers", [2, 3, -5])?;
/// assert_eq!(numbers.to_vec(), [2, 3, -5]);
///
/// let squares = Init::from_fn(5, |i| (i * i) as f64);
/// let squares = segment.create::<AtomicArray<f64>>("squares", squares)?;
/// assert_eq!(squares.to_vec(), [0.0, 1.0, 4.0, 9.0, 16.0]);
/// # Ok::<(), crossdock::Error>(())
/// ```
pub struct Init<T> {
    len: usize,
    values: Values<T>,
}

/// What the values are.
enum Values<T> {
    /// All bytes are 0.
    Zeroed,
    /// In a box, so that what an array is created with is small however large its values are.
    Same(Box<T>),
    /// As many as the length.
    Listed(Box<[T]>),
    /// Not made yet.
    Made(Box<dyn FnMut(usize) -> T>),
}

impl<T: Payload> Init<T> {
    /// So many values whose bytes are 0: 0, 0.0 or `false`.
    pub fn zeroed(len: usize) -> Self
    where
        T: Zeroable,
    {
        Self {
            len,
            values: Values::Zeroed,
        }
    }

    /// So many values, all the same.
    pub fn filled(len: usize, value: T) -> Self {
        Self {
            len,
            values: Values::Same(Box::new(value)),
        }
    }

    /// These values.
    pub fn from_slice(values: &[T]) -> Self {
        Self::listed(values.into())
    }

    /// So many values, each made by `value` of its index, in order.
    ///
    /// The function is called when the array is created, and not at all if there is no room for it
    /// or it exists; a panic in it leaves nothing behind. The values are gathered in this process's
    /// memory before others are kept waiting, so an array that takes up most of the machine is
    /// better created zeroed and filled where it is.
    pub fn from_fn(len: usize, value: impl FnMut(usize) -> T + 'static) -> Self {
        Self {
            len,
            values: Values::Made(Box::new(value)),
        }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no values: there is no such array.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn listed(values: Box<[T]>) -> Self {
        Self {
            len: values.len(),
            values: Values::Listed(values),
        }
    }

    /// The longest array that there is.
    const MOST: u64 = {
        let size = if size_of::<T>() == 0 {
            1
        } else {
            size_of::<T>()
        };
        (isize::MAX.cast_unsigned() / size) as u64
    };

    /// Whether an array can be so long, as far as its values go.
    pub(super) fn is_length(len: u64) -> bool {
        (1..=Self::MOST).contains(&len)
    }

    /// What to say of a length that cannot be.
    pub(super) fn refused(&self) -> EntryError {
        EntryError::Length {
            found: self.len as u64,
            least: 1,
            most: Self::MOST,
        }
    }

    /// Has the values made, unless the array would be refused, as `fits` says.
    pub(super) fn ready(
        self,
        fits: impl FnOnce() -> Result<(), EntryError>,
    ) -> Result<Self, EntryError> {
        let Values::Made(make) = self.values else {
            return Ok(self);
        };
        fits()?;
        Ok(Self::listed((0..self.len).map(make).collect()))
    }

    /// Writes the values into an entry's zeroed bytes, one after the other from `offset` on.
    pub(super) fn write(self, bytes: &Bytes<'_>, offset: u64)
    where
        T: NoUninit,
    {
        match self.values {
            Values::Zeroed => {}
            Values::Same(value) => bytes.write_same(offset, &*value, self.len),
            Values::Listed(values) => bytes.write_all(offset, &values),
            // `ready` has made them.
            Values::Made(_) => {}
        }
    }
}

impl<T: Payload> IntoConfig<Init<T>> for Vec<T> {
    fn into_config(self) -> Init<T> {
        Init::listed(self.into())
    }
}

impl<T: Payload> IntoConfig<Init<T>> for Box<[T]> {
    fn into_config(self) -> Init<T> {
        Init::listed(self)
    }
}

impl<T: Payload> IntoConfig<Init<T>> for &[T] {
    fn into_config(self) -> Init<T> {
        Init::from_slice(self)
    }
}

impl<T: Payload, const N: usize> IntoConfig<Init<T>> for [T; N] {
    fn into_config(self) -> Init<T> {
        Init::listed(self.into())
    }
}

impl<T: Payload> FromIterator<T> for Init<T> {
    /// All values that come.
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::listed(values.into_iter().collect())
    }
}

debug!(
    /// Shows no values.
    [T] Init<T>, |this| { len: this.len, .. }
);

//! Text of bounded length.

use std::fmt;
use std::str::FromStr;

use bytemuck::{Pod, Zeroable};

use super::{ContentError, FixedBytes, TooLongError};

/// Text of up to `N` bytes of UTF-8, held in place: a payload without a pointer.
///
/// It is a value for a [`Mutex`](crate::Mutex), a [`Queue`](crate::queue::Queue), an
/// [`Array`](crate::Array), a [`Snapshot`](crate::Snapshot) or a
/// [`WorkQueue`](crate::queue::WorkQueue), and a field of structs that derive [`Pod`]. For text of
/// unbounded length use [`Channel<String>`](crate::queue::Channel).
///
/// It is made by [`new`](Self::new), `parse` or `try_from`, and read by [`as_str`](Self::as_str),
/// which checks the bytes each time: any process that has the segment open may have written other
/// bytes there. `Display` and `Debug` never fail; they show U+FFFD for bytes that are not UTF-8.
///
/// Two values are equal if their text is, and are ordered as `str` is. The payload name contains
/// the number, so an entry of `FixedStr<16>` does not open as `FixedStr<32>`. The
/// [layout](crate::fixed#layout) is part of the layout version.
///
/// # Examples
///
/// ```
/// use bytemuck::{Pod, Zeroable};
/// use crossdock::queue::Queue;
/// use crossdock::{FixedStr, Segment};
///
/// #[derive(Clone, Copy, Pod, Zeroable)]
/// #[repr(C)]
/// struct Order {
///     item: FixedStr<28>, // takes 32 bytes
///     pieces: u64,
/// }
/// crossdock::payload!(Order, "bakery.order/1");
///
/// let segment = Segment::anonymous()?;
/// let orders = segment.create::<Queue<Order>>("orders", 16)?;
/// let item = FixedStr::new("Sourdough")?;
/// orders.send(Order { item, pieces: 2 })?;
/// assert_eq!(orders.recv()?.item.as_str()?, "Sourdough");
///
/// let error = "Pumpernickel".parse::<FixedStr<8>>().unwrap_err();
/// assert_eq!(error.to_string(), "12 bytes are too long: at most 8 fit");
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "String")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct FixedStr<const N: usize> {
    bytes: FixedBytes<N>,
}

// SAFETY: its only field is.
unsafe impl<const N: usize> Zeroable for FixedStr<N> {}
// SAFETY: its only field is, and it has the layout of that.
unsafe impl<const N: usize> Pod for FixedStr<N> {}

impl<const N: usize> FixedStr<N> {
    /// The empty text, which is the default.
    pub const EMPTY: Self = Self {
        bytes: FixedBytes::EMPTY,
    };

    /// Copies `text`.
    ///
    /// # Errors
    ///
    /// [`TooLongError`] if it has more than `N` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::FixedStr;
    ///
    /// // Refused when it is compiled, if it were too long.
    /// const GREETING: FixedStr<16> = match FixedStr::new("Hello !!") {
    ///     Ok(text) => text,
    ///     Err(_) => panic!("too long"),
    /// };
    /// assert_eq!(GREETING, "Hello !!");
    /// ```
    pub const fn new(text: &str) -> Result<Self, TooLongError> {
        match FixedBytes::new(text.as_bytes()) {
            Ok(bytes) => Ok(Self { bytes }),
            Err(error) => Err(error),
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    ///
    /// [`ContentError`] if the bytes are not text of at most `N` bytes.
    pub const fn as_str(&self) -> Result<&str, ContentError> {
        let contents = match self.bytes.as_slice() {
            Ok(contents) => contents,
            Err(error) => return Err(error),
        };
        match str::from_utf8(contents) {
            Ok(text) => Ok(text),
            Err(error) => Err(ContentError::NotUtf8 {
                valid_up_to: error.valid_up_to(),
            }),
        }
    }

    /// Returns the bytes of the text, without checking for UTF-8.
    #[must_use]
    pub const fn as_fixed_bytes(&self) -> &FixedBytes<N> {
        &self.bytes
    }

    /// Returns whether the text is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<const N: usize> Default for FixedStr<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> PartialEq<str> for FixedStr<N> {
    fn eq(&self, other: &str) -> bool {
        self.bytes == *other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for FixedStr<N> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl<const N: usize> PartialEq<String> for FixedStr<N> {
    fn eq(&self, other: &String) -> bool {
        *self == **other
    }
}

impl<const N: usize> PartialEq<FixedStr<N>> for str {
    fn eq(&self, other: &FixedStr<N>) -> bool {
        other == self
    }
}

impl<const N: usize> PartialEq<FixedStr<N>> for &str {
    fn eq(&self, other: &FixedStr<N>) -> bool {
        other == *self
    }
}

impl<const N: usize> PartialEq<FixedStr<N>> for String {
    fn eq(&self, other: &FixedStr<N>) -> bool {
        other == self
    }
}

impl<const N: usize> FromStr for FixedStr<N> {
    type Err = TooLongError;

    fn from_str(text: &str) -> Result<Self, TooLongError> {
        Self::new(text)
    }
}

impl<const N: usize> TryFrom<&str> for FixedStr<N> {
    type Error = TooLongError;

    fn try_from(text: &str) -> Result<Self, TooLongError> {
        Self::new(text)
    }
}

impl<const N: usize> TryFrom<String> for FixedStr<N> {
    type Error = TooLongError;

    fn try_from(text: String) -> Result<Self, TooLongError> {
        Self::new(&text)
    }
}

impl<const N: usize> fmt::Display for FixedStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Ok(text) => f.pad(text),
            Err(_) => f.pad(&String::from_utf8_lossy(self.bytes.lossy())),
        }
    }
}

/// Formats the text as a string literal.
impl<const N: usize> fmt::Debug for FixedStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Ok(text) => text.fmt(f),
            Err(_) => String::from_utf8_lossy(self.bytes.lossy()).fmt(f),
        }
    }
}

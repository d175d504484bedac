//! Bytes of bounded length.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytemuck::{Pod, Zeroable};

use super::{ContentError, TooLongError};

/// Up to `N` bytes, held in place: a payload without a pointer.
///
/// Behaves for bytes as [`FixedStr`](crate::FixedStr) does for text. Two values are equal if their
/// contents are, and are ordered as slices are.
///
/// # Examples
///
/// ```
/// use crossdock::{FixedBytes, Mutex, Segment};
///
/// let segment = Segment::anonymous()?;
/// let digest = segment.create::<Mutex<FixedBytes<32>>>("digest", FixedBytes::EMPTY)?;
/// let mut digest = digest.lock_or_repair(|digest| *digest = FixedBytes::EMPTY)?;
/// *digest = FixedBytes::new(&[0x5a, 0xa5])?;
/// assert_eq!(digest.as_slice()?, [0x5a, 0xa5]);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct FixedBytes<const N: usize> {
    /// The length of the contents, little-endian. Any process may have written anything, so it can
    /// be more than `N`.
    len: [u8; 4],
    bytes: [u8; N],
}

// SAFETY: two arrays of bytes, which may all be zero.
unsafe impl<const N: usize> Zeroable for FixedBytes<N> {}
// SAFETY: `repr(C)` of two arrays of bytes, whose alignment of 1 leaves no padding; any bytes are a
// value.
unsafe impl<const N: usize> Pod for FixedBytes<N> {}

impl<const N: usize> FixedBytes<N> {
    /// The empty value, which is the default.
    pub const EMPTY: Self = Self {
        len: [0; 4],
        bytes: [0; N],
    };

    /// Copies `contents`.
    ///
    /// # Errors
    ///
    /// [`TooLongError`] if there are more than `N` bytes.
    pub const fn new(contents: &[u8]) -> Result<Self, TooLongError> {
        let (len, limit) = (contents.len(), N);
        if len > limit || len > u32::MAX as usize {
            return Err(TooLongError { len, limit });
        }
        #[expect(clippy::cast_possible_truncation, reason = "compared above")]
        let mut value = Self {
            len: (len as u32).to_le_bytes(),
            bytes: [0; N],
        };
        let (place, _) = value.bytes.split_at_mut(len);
        place.copy_from_slice(contents);
        Ok(value)
    }

    /// Returns the contents.
    ///
    /// # Errors
    ///
    /// [`ContentError::Length`] if the length is more than `N`.
    pub const fn as_slice(&self) -> Result<&[u8], ContentError> {
        let (len, limit) = (self.stored_len(), N);
        if len as usize > limit {
            return Err(ContentError::Length { len, limit });
        }
        Ok(self.bytes.split_at(len as usize).0)
    }

    /// Returns whether there are no contents.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stored_len() == 0
    }

    const fn stored_len(&self) -> u32 {
        u32::from_le_bytes(self.len)
    }

    /// Returns the contents, or all bytes if the length is more than `N`.
    pub(super) fn lossy(&self) -> &[u8] {
        self.as_slice().unwrap_or(&self.bytes)
    }

    /// Returns the key of comparisons. The length distinguishes a value that is too long from the
    /// longest valid one.
    fn key(&self) -> (&[u8], u32) {
        (self.lossy(), self.stored_len())
    }
}

impl<const N: usize> Default for FixedBytes<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> PartialEq for FixedBytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<const N: usize> Eq for FixedBytes<N> {}

impl<const N: usize> PartialOrd for FixedBytes<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for FixedBytes<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<const N: usize> Hash for FixedBytes<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl<const N: usize> PartialEq<[u8]> for FixedBytes<N> {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == Ok(other)
    }
}

impl<const N: usize> PartialEq<&[u8]> for FixedBytes<N> {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl<const N: usize, const M: usize> PartialEq<[u8; M]> for FixedBytes<N> {
    fn eq(&self, other: &[u8; M]) -> bool {
        *self == other[..]
    }
}

impl<const N: usize> TryFrom<&[u8]> for FixedBytes<N> {
    type Error = TooLongError;

    fn try_from(contents: &[u8]) -> Result<Self, TooLongError> {
        Self::new(contents)
    }
}

/// Formats the contents as a byte string literal.
impl<const N: usize> fmt::Debug for FixedBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_slice() {
            Ok(contents) => write!(f, "b\"{}\"", contents.escape_ascii()),
            Err(error) => write!(f, "<{error}>"),
        }
    }
}

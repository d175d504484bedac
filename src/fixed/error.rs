//! The errors of values of bounded length.

use std::error::Error;
use std::fmt;

/// The error of a [`FixedStr`](crate::FixedStr) or [`FixedBytes`](crate::FixedBytes) made from more
/// bytes than it holds, and of a message that is longer than its [queue](crate::queue::ByteQueue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TooLongError {
    /// The length of the contents that do not fit, in bytes.
    pub len: usize,
    /// How many bytes fit.
    pub limit: usize,
}

impl fmt::Display for TooLongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, limit } = self;
        write!(f, "{len} bytes are too long: at most {limit} fit")
    }
}

impl Error for TooLongError {}

/// The error of reading a [`FixedStr`](crate::FixedStr) or [`FixedBytes`](crate::FixedBytes) with
/// bytes that no constructor makes: another process wrote other bytes there, or died while it
/// wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ContentError {
    /// The length is more than `N`.
    Length {
        /// The length found, in bytes.
        len: u32,
        /// How many bytes fit.
        limit: usize,
    },
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// The number of bytes at the start that are UTF-8.
        valid_up_to: usize,
    },
}

impl fmt::Display for ContentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { len, limit } => {
                write!(f, "the length is {len} bytes where at most {limit} fit")
            }
            Self::NotUtf8 { valid_up_to } => {
                write!(f, "the text is not UTF-8 from byte {valid_up_to} on")
            }
        }
    }
}

impl Error for ContentError {}

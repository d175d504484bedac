//! Text and bytes of bounded length: payloads that hold their contents in place.
//!
//! A `String` is a pointer, which has no meaning in another process. [`FixedStr`] and
//! [`FixedBytes`] hold only a length and up to `N` bytes, so they are values for every primitive
//! that takes a [`Payload`](crate::Payload), and fields of structs that are payloads. Values of
//! unbounded length, and all others that serde encodes, go through a
//! [`Channel`](crate::queue::Channel).
//!
//! Both are [`Pod`](bytemuck::Pod): any bytes are a value, so a guard may refer to bytes that
//! another process wrote. The contents are checked when they are read: [`FixedStr::as_str`] and
//! [`FixedBytes::as_slice`] return a [`ContentError`] for contents that no constructor makes.
//!
//! # Layout
//!
//! `N` + 4 bytes with an alignment of 1: the length in bytes as a little-endian `u32`, then `N`
//! bytes, of which constructors zero those after the contents. A struct that derives `Pod` has no
//! padding, so beside fields of 8 bytes choose `N` such that `N` + 4 is a multiple of 8: 12, 28
//! or 60.

mod bytes;
mod error;
mod name;
#[cfg(feature = "process")]
mod serialise;
#[cfg(test)]
mod tests;
mod text;

pub use bytes::FixedBytes;
pub use error::{ContentError, TooLongError};
pub use text::FixedStr;

//! Values in messages: how serde's values are encoded, and decoded within bounds.
//!
//! The bytes are postcard's. A message comes from another process, which may be another build of the
//! program, so decoding trusts nothing in it:
//!
//! - all bytes of the message belong to the value: bytes that are left over are an error;
//! - values are nested at most [`MAX_DEPTH`] levels deep, so no message exhausts the stack;
//! - a length that the bytes behind it cannot hold is refused before anything is allocated for it, and at
//!   most [`MAX_EMPTY`] elements of a message take no bytes, so no short message keeps its receiver busy.

mod bounded;
mod error;
mod schema;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::ValueError;

pub(crate) use schema::{HANDLE, name_of};

use bounded::{Bounded, Bounds, Source};
use error::Cause;

/// How many levels of a value lie in each other at most: sequences, maps, tuples, structs, enums and
/// options.
pub(crate) const MAX_DEPTH: u32 = 128;
/// How many elements of the sequences and maps in a message may take no bytes.
pub(crate) const MAX_EMPTY: u32 = 1 << 16;

/// Encodes a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    postcard::to_stdvec(value).map_err(ValueError::codec)
}

/// Decodes the value of which `bytes` are the encoding: all of them.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    let bounds = Bounds::new(bytes.len());
    let mut source = postcard::Deserializer::from_flavor(Source::new(bytes, &bounds));
    let decoded = T::deserialize(Bounded::new(&mut source, &bounds));
    let value = decoded.map_err(|error| match bounds.exceeded() {
        Some(exceeded) => ValueError::of(Cause::Exceeded(exceeded)),
        None => ValueError::codec(error),
    })?;
    match bounds.left() {
        0 => Ok(value),
        left => Err(ValueError::of(Cause::LeftOver(left))),
    }
}

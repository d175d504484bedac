//! The codec of messages: encoding of serde values, and decoding within bounds.
//!
//! The bytes are postcard's. A message comes from another process, possibly of another build of the
//! program, so decoding trusts nothing in it:
//!
//! - all bytes of the message belong to the value: left-over bytes are an error;
//! - values are nested at most [`MAX_DEPTH`] levels deep, so no message exhausts the stack;
//! - a length that exceeds the bytes behind it is refused before anything is allocated for it, and
//!   at most [`MAX_EMPTY`] elements of a message take no bytes, so no short message keeps its
//!   receiver busy.
//!
//! Encoding applies the same bounds, so every message that was sent can be received.
//!
//! What processes of one program send each other can be encoded so that it takes less time and more
//! bytes ([`append_plain`]), within the same bounds.

mod bounds;
mod plain;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use plain::{Output, OutputFull};
pub(crate) use schema::{END, HANDLE, name_of};

use bounds::Bounds;
use plain::{PlainReader, PlainWriter};
use read::{BoundedDeserializer, MessageInput};
use write::{BoundedSerializer, MessageOutput};

use crate::payload::{Cause, END_ELSEWHERE, HANDLE_ELSEWHERE, ValueError};

/// The maximum nesting depth of a value: sequences, maps, tuples, structs, enums and options.
pub(crate) const MAX_DEPTH: u32 = 128;
/// The maximum number of elements of the sequences and maps in a message that take no bytes.
pub(crate) const MAX_EMPTY: u32 = 1 << 16;

thread_local! {
    /// What was refused in the value that this thread encodes or decodes; postcard drops the text
    /// of a refusal.
    static REFUSED: Cell<Option<Cause>> = const { Cell::new(None) };
}

/// Records that a handle was refused in the value that this thread encodes or decodes, and returns
/// the text.
pub(crate) fn refuse_handle() -> &'static str {
    REFUSED.set(Some(Cause::Handle));
    HANDLE_ELSEWHERE
}

/// As [`refuse_handle`], of a sender or a receiver.
pub(crate) fn refuse_end() -> &'static str {
    REFUSED.set(Some(Cause::End));
    END_ELSEWHERE
}

/// Returns the error for a value that postcard refused: the exceeded bound, or else postcard's
/// error.
#[cold]
fn refusal(bounds: &Bounds, error: &postcard::Error) -> ValueError {
    if let Some(refused) = REFUSED.take() {
        return refused.into();
    }
    let cause = bounds.exceeded().unwrap_or(match error {
        postcard::Error::SerdeSerCustom | postcard::Error::SerdeDeCustom => Cause::Refused,
        postcard::Error::WontImplement => Cause::SelfDescribing,
        postcard::Error::SerializeSeqLengthUnknown => Cause::NoLength,
        postcard::Error::DeserializeUnexpectedEnd => Cause::Cut,
        _ => Cause::Undecodable,
    });
    cause.into()
}

/// Encodes a value. Fails if it could not be decoded again.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ValueError> {
    encode_behind(Vec::new(), value)
}

/// As [`encode`], behind the bytes of `prefix`.
pub(crate) fn encode_behind<T: Serialize + ?Sized>(
    mut prefix: Vec<u8>,
    value: &T,
) -> Result<Vec<u8>, ValueError> {
    append(&mut prefix, value)?;
    Ok(prefix)
}

/// As [`encode`], behind the bytes that are there, which stay as they are if it fails.
pub(crate) fn append<T: Serialize + ?Sized, O: Output>(
    output: &mut O,
    value: &T,
) -> Result<(), ValueError> {
    REFUSED.set(None);
    let before = output.len();
    let bounds = Bounds::new(before);
    let mut message = postcard::Serializer {
        output: MessageOutput::new(&mut *output, &bounds),
    };
    let encoded = value.serialize(BoundedSerializer::new(&mut message, &bounds));
    encoded.map_err(|error| {
        output.truncate(before);
        refusal(&bounds, &error)
    })
}

/// Appends the encoding of a value for processes of this very program. What is there stays as it is
/// if that fails.
#[inline(always)]
pub(crate) fn append_plain<T: Serialize + ?Sized, O: Output>(
    output: &mut O,
    value: &T,
) -> Result<(), ValueError> {
    REFUSED.with(|refused| refused.set(None));
    let before = output.len();
    let bounds = Bounds::new(before);
    let mut writer = PlainWriter {
        output: &mut *output,
        bounds: &bounds,
    };
    let encoded = value.serialize(BoundedSerializer::new(&mut writer, &bounds));
    encoded.map_err(|error| {
        output.truncate(before);
        refusal(&bounds, &error)
    })
}

/// Decodes the value whose encoding by [`append_plain`] is exactly `bytes`.
#[inline(always)]
pub(crate) fn decode_plain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    REFUSED.with(|refused| refused.set(None));
    let bounds = Bounds::new(bytes.len());
    let mut reader = PlainReader {
        rest: bytes,
        bounds: &bounds,
    };
    let decoded = T::deserialize(BoundedDeserializer::new(&mut reader, &bounds));
    let value = decoded.map_err(|error| refusal(&bounds, &error))?;
    match bounds.place() {
        0 => Ok(value),
        left => Err(Cause::LeftOver(left).into()),
    }
}

/// Decodes the value whose encoding is exactly `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    REFUSED.set(None);
    let bounds = Bounds::new(bytes.len());
    let mut source = postcard::Deserializer::from_flavor(MessageInput::new(bytes, &bounds));
    let decoded = T::deserialize(BoundedDeserializer::new(&mut source, &bounds));
    let value = decoded.map_err(|error| refusal(&bounds, &error))?;
    match bounds.place() {
        0 => Ok(value),
        left => Err(Cause::LeftOver(left).into()),
    }
}

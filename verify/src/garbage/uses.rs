//! What a kind has to say of itself so that it can be used while any bytes stand in it: how an
//! entry is made, all operations of a handle, once, and where a wild value does most.

use std::ops::RangeInclusive;

use crossdock::{Placeable, Segment};

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Worked,
    /// It was refused with an error, such as that nothing came in time.
    Refused,
    /// It was refused because of a word that crossdock never writes.
    Corrupt,
}

/// An operation of a handle, which ends by itself whatever stands in the words. What is held from
/// one operation to the next is in the second argument; the third is any three numbers.
pub(crate) type Operation<P> = for<'h> fn(&'h P, &mut <P as Uses>::Held<'h>, [u8; 3]) -> Came;

/// A value that is written over an entry, of three numbers that are drawn: something that can
/// stand there, near the first or the last that can, or something that cannot.
pub(crate) type Shape = fn([u8; 3]) -> Write;

/// Which number of a configuration, and what it can be.
pub(crate) type Free = (usize, RangeInclusive<u64>);

/// A kind that is used while any bytes stand in its entry.
pub(crate) trait Uses: Placeable {
    /// Guards, ends and messages that are held from one operation to the next.
    type Held<'h>: Default;

    /// All operations of a handle, in an order in which most of them work.
    const OPERATIONS: &'static [Operation<Self>];

    /// Values at known places, besides those that are written anywhere.
    const SHAPES: &'static [Shape] = &[];

    /// How many bytes are words of which each bit is flipped.
    const WORDS: u64 = u64::MAX;

    /// Of the rest, one bit in so many is flipped.
    const ONE_IN: u64 = 23;

    /// Whether any word can be one that crossdock never writes, so that an operation says so.
    const HAS_WRONG_WORDS: bool = true;

    /// The numbers of its configuration that can be others in a record of as many bytes.
    const FREE_NUMBERS: &'static [Free] = &[];

    /// Of a number below 8.
    fn config(capacity: u64) -> Self::Config;

    /// Brings an entry into the middle of its use, if it can be.
    fn begin(_handle: &Self, _segment: &Segment, _held: &mut Self::Held<'_>) {}

    /// The second of two handles, which waits otherwise if there are several ways.
    fn other_way(self) -> Self {
        self
    }

    /// Whether the word at an offset is that of a mutex that is waited for without an end: while it
    /// has the tag of this process, no operation of this process returns, as it should be.
    fn is_waited_for(_at: u64) -> bool {
        false
    }
}

/// How many guards or messages of a sort are held at most.
const MOST_HELD: usize = 4;

/// What came of an operation with this result, which is dropped. An error can say what it is.
pub(crate) fn came<T, E: Into<crossdock::Error>>(result: Result<T, E>) -> Came {
    match result {
        Ok(_) => Came::Worked,
        Err(error) => refused(error),
    }
}

/// Keeps what came, if there are not many yet.
pub(crate) fn kept<T, E: Into<crossdock::Error>>(held: &mut Vec<T>, result: Result<T, E>) -> Came {
    match result {
        Ok(one) => keep(held, one),
        Err(error) => refused(error),
    }
}

/// Keeps it, if there are not many yet.
pub(crate) fn keep<T>(held: &mut Vec<T>, one: T) -> Came {
    if held.len() < MOST_HELD {
        held.push(one);
    }
    Came::Worked
}

/// What came of an operation with this error.
pub(crate) fn refused(error: impl Into<crossdock::Error>) -> Came {
    let error = error.into();
    assert!(!error.to_string().is_empty());
    if format!("{error:#?}").contains("Corrupt") {
        Came::Corrupt
    } else {
        Came::Refused
    }
}

/// What came of operations that cannot be refused.
macro_rules! sure {
    ($($operation:expr),* $(,)?) => {
        $crate::garbage::uses::worked(($($operation,)*))
    };
}
pub(crate) use sure;

pub(crate) fn worked<T>(_: T) -> Came {
    Came::Worked
}

/// What came of an operation that has no error.
pub(crate) fn maybe<T>(result: Option<T>) -> Came {
    with(result, worked)
}

/// What came of an operation on one that may not be there.
pub(crate) fn with<T>(one: Option<T>, operation: impl FnOnce(T) -> Came) -> Came {
    one.map_or(Came::Refused, operation)
}

/// What came of reading all values, of which there may be too many: what is wrong with the last
/// that is no value.
pub(crate) fn all<T, E: Into<crossdock::Error>>(
    values: impl Iterator<Item = Result<T, E>>,
) -> Came {
    let wrong = values.take(200).filter_map(Result::err).last();
    wrong.map_or(Came::Worked, refused)
}

/// Formats a handle, which never blocks.
pub(crate) fn shown(handle: &impl std::fmt::Debug) -> Came {
    assert!(!format!("{handle:?}").is_empty());
    Came::Worked
}

/// Up to 8 bytes for an offset in an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) at: u64,
    bytes: [u8; 8],
    len: usize,
}

impl Write {
    pub(crate) fn byte(at: u64, value: u8) -> Self {
        let bytes = u64::from(value).to_le_bytes();
        Self { at, bytes, len: 1 }
    }

    pub(crate) fn word(at: u64, value: u32) -> Self {
        let bytes = u64::from(value).to_le_bytes();
        Self { at, bytes, len: 4 }
    }

    pub(crate) fn long(at: u64, value: u64) -> Self {
        let bytes = value.to_le_bytes();
        Self { at, bytes, len: 8 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The tag of a participant, which may be this process, another, or none.
pub(crate) fn tag(index: u8, generation: u8) -> u32 {
    u32::from(generation % 3) << 10 | u32::from(index % 5)
}

/// A number near the first or near the last that there are, of `bits` bits.
pub(crate) fn near(number: u8, bits: u32) -> u64 {
    i64::from(number.cast_signed()).cast_unsigned() & (u64::MAX >> (64 - bits))
}

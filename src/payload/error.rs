//! The error of values that cannot be encoded or decoded.

use std::error::Error;
use std::fmt;

/// The error of encoding a value, or of received bytes that are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
pub struct ValueError(Cause);

/// The cause of a [`ValueError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    not(feature = "process"),
    expect(dead_code, reason = "most are of encoded values")
)]
pub(crate) enum Cause {
    /// The bytes are not a bit pattern of the type.
    BitPattern,
    /// The cells of a message do not have the length of the message.
    Cells,
    /// Values are nested deeper than this.
    Depth(u32),
    /// The bytes behind the number of elements cannot hold that many.
    Length { elements: usize, bytes: usize },
    /// More elements than this take no bytes.
    Empty(u32),
    /// The value contains a handle.
    Handle,
    /// The value contains a sender or a receiver.
    End,
    /// This many bytes of the message are not part of the value.
    LeftOver(usize),
    /// The message ends before the value does.
    Cut,
    /// The type's own serde code refused.
    Refused,
    /// The type needs a self-describing format.
    SelfDescribing,
    /// A sequence does not say its length.
    NoLength,
    /// The bytes are not those of such a value.
    Undecodable,
}

/// The explanation of how handles reach other processes.
pub(crate) const HANDLE_ELSEWHERE: &str = "handles of shared memory can only be arguments and \
     results of process::spawn: pass the receiver the segment that way, and send an entry's name";

/// The explanation of how senders and receivers reach other processes.
pub(crate) const END_ELSEWHERE: &str = "senders and receivers can only be arguments of \
     process::spawn: pass the receiver their queue, and let it take an end of its own by sender() \
     or receiver()";

impl ValueError {
    /// The bytes are no bit pattern of the type.
    pub(crate) const BIT_PATTERN: Self = Self(Cause::BitPattern);
}

impl From<Cause> for ValueError {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BitPattern => "expected bytes that are a valid value, found others",
            Self::Cells => "the cells of a message are not as long as the message",
            Self::Depth(most) => {
                return write!(
                    f,
                    "expected a value of at most {most} levels, found a deeper one"
                );
            }
            Self::Length { elements, bytes } => {
                return write!(
                    f,
                    "expected no more elements than the {bytes} bytes behind their number can \
                     hold, found {elements}"
                );
            }
            Self::Empty(most) => {
                return write!(
                    f,
                    "expected at most {most} elements that take no bytes, found more"
                );
            }
            Self::Handle => HANDLE_ELSEWHERE,
            Self::End => END_ELSEWHERE,
            Self::LeftOver(bytes) => {
                return write!(
                    f,
                    "expected the bytes of one value, found {bytes} more behind it: its sender \
                     means another type"
                );
            }
            Self::Cut => "the message ends before its value does",
            Self::Refused => "the value's own serde code refused",
            Self::SelfDescribing => "the type needs a self-describing format",
            Self::NoLength => "a sequence does not say its length",
            Self::Undecodable => "the bytes are not those of such a value",
        })
    }
}

impl Error for ValueError {}

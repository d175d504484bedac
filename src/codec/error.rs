//! Values that cannot be encoded, or decoded.

use std::error::Error;
use std::fmt;

use super::bounds::{Bounds, Exceeded};

/// How handles get to other processes.
pub(super) const HANDLE_ELSEWHERE: &str = "handles of shared memory travel only as arguments and \
     results of process::spawn: give the receiver the segment that way, and send an entry's name";

/// Why a value could not be encoded, or a message not be decoded.
#[derive(Clone, Debug)]
pub struct ValueError(Cause);

#[derive(Clone, Debug)]
enum Cause {
    Codec(postcard::Error),
    Exceeded(Exceeded),
    /// A handle is among what the value is made of.
    Handle,
    /// So many bytes of the message were not part of the value.
    LeftOver(usize),
}

impl ValueError {
    /// The bound that was exceeded, or else what the codec says.
    pub(super) fn caused(bounds: &Bounds, error: postcard::Error) -> Self {
        match bounds.exceeded() {
            Some(exceeded) => Self(Cause::Exceeded(exceeded)),
            None => Self(Cause::Codec(error)),
        }
    }

    /// A handle is among what the value is made of.
    pub(super) fn handle() -> Self {
        Self(Cause::Handle)
    }

    pub(super) fn left_over(bytes: usize) -> Self {
        Self(Cause::LeftOver(bytes))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match &self.0 {
            Cause::Codec(error) => error,
            Cause::Exceeded(exceeded) => return exceeded.fmt(f),
            Cause::Handle => return f.write_str(HANDLE_ELSEWHERE),
            Cause::LeftOver(bytes) => {
                return write!(
                    f,
                    "expected the bytes of one value, found {bytes} more behind it: \
                     its sender means another type"
                );
            }
        };
        f.write_str(match error {
            postcard::Error::SerdeSerCustom | postcard::Error::SerdeDeCustom => {
                "the value's own serde code refused"
            }
            postcard::Error::WontImplement => "the type needs a self-describing format",
            postcard::Error::SerializeSeqLengthUnknown => "a sequence does not say its length",
            _ => "the bytes are not those of such a value",
        })
    }
}

impl Error for ValueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Codec(error) => Some(error),
            Cause::Exceeded(_) | Cause::Handle | Cause::LeftOver(_) => None,
        }
    }
}

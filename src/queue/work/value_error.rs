//! Values that cannot be encoded, or decoded.

use std::error::Error;
use std::fmt;

/// Why a value could not be encoded, or a message not be decoded.
#[derive(Clone, Debug)]
pub struct ValueError(postcard::Error);

impl From<postcard::Error> for ValueError {
    fn from(error: postcard::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
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
        Some(&self.0)
    }
}

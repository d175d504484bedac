//! What a client and a listener say to each other before they are connected.
//!
//! ```text
//! request: 0 `crossCON` | 8 version (u32) | 12 layout version (u32) | 16 postcard: the two types
//! answer:  0 what (u8) | 1 postcard, or the version (u32)
//! ```
//!
//! The first sixteen bytes of a request and the first five of an answer are the same in every
//! version.

use crate::codec;
use crate::format::LAYOUT_VERSION;

const MAGIC: [u8; 8] = *b"crossCON";
const PREFIX: usize = 16;

/// A client's request: the names of the types that it sends and receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectRequest {
    pub(super) sends: String,
    pub(super) receives: String,
}

impl ConnectRequest {
    /// The version of requests and answers, raised with any change, of frames too.
    pub(super) const VERSION: u32 = 1;
    /// The longest request: two names of 64 bytes and their lengths.
    pub(super) const MAX_LEN: usize = 256;

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&Self::VERSION.to_le_bytes());
        bytes.extend_from_slice(&LAYOUT_VERSION.to_le_bytes());
        // Two short texts are within every bound.
        bytes.extend(codec::encode(&(&self.sends, &self.receives)).unwrap_or_default());
        bytes
    }

    /// Decodes a request; if it is not of this version, returns the answer.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ConnectAnswer> {
        let other = ConnectAnswer::OtherVersion {
            found: Self::VERSION,
        };
        let versions = [Self::VERSION.to_le_bytes(), LAYOUT_VERSION.to_le_bytes()];
        let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
            return Err(other);
        };
        if prefix[..8] != MAGIC || prefix[8..] != *versions.as_flattened() {
            return Err(other);
        }
        match codec::decode(rest) {
            Ok((sends, receives)) => Ok(Self { sends, receives }),
            Err(_) => Err(other),
        }
    }
}

/// A listener's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectAnswer {
    Accepted,
    OtherVersion {
        /// The listener's.
        found: u32,
    },
    OtherUser,
    /// What the listener receives and sends.
    OtherTypes {
        receives: String,
        sends: String,
    },
    Failed {
        text: String,
    },
}

impl ConnectAnswer {
    /// The longest answer.
    pub(super) const MAX_LEN: usize = 1024;
    /// The longest text.
    const MAX_TEXT: usize = 512;

    pub(super) fn encode(&self) -> Vec<u8> {
        let text = |text: &str| {
            let end = (0..=Self::MAX_TEXT.min(text.len())).rev();
            let end = end.into_iter().find(|end| text.is_char_boundary(*end));
            text[..end.unwrap_or(0)].to_owned()
        };
        let (what, rest) = match self {
            Self::Accepted => (0, Vec::new()),
            Self::OtherVersion { found } => (1, found.to_le_bytes().to_vec()),
            Self::OtherUser => (2, Vec::new()),
            Self::OtherTypes { receives, sends } => {
                (3, codec::encode(&(receives, sends)).unwrap_or_default())
            }
            Self::Failed { text: said } => (4, codec::encode(&text(said)).unwrap_or_default()),
        };
        let mut bytes = vec![what];
        bytes.extend(rest);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (what, rest) = bytes.split_first()?;
        match what {
            0 => Some(Self::Accepted),
            1 => Some(Self::OtherVersion {
                found: u32::from_le_bytes(*rest.first_chunk()?),
            }),
            2 => Some(Self::OtherUser),
            3 => {
                let (receives, sends) = codec::decode(rest).ok()?;
                Some(Self::OtherTypes { receives, sends })
            }
            4 => Some(Self::Failed {
                text: codec::decode(rest).ok()?,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_decoded_as_it_was_and_another_version_is_answered() {
        let request = ConnectRequest {
            sends: "a".repeat(64),
            receives: "b".repeat(64),
        };
        let bytes = request.encode();
        assert!(bytes.len() <= ConnectRequest::MAX_LEN);
        assert_eq!(ConnectRequest::decode(&bytes), Ok(request));
        let answer = Err(ConnectAnswer::OtherVersion {
            found: ConnectRequest::VERSION,
        });
        for (at, byte) in [(0, b'x'), (8, 99), (12, 99), (16, 0)] {
            let mut other = bytes.clone();
            other[at] = byte;
            assert_eq!(ConnectRequest::decode(&other), answer, "byte {at}");
        }
        for len in 0..bytes.len() {
            assert_eq!(ConnectRequest::decode(&bytes[..len]), answer, "{len} bytes");
        }
    }

    #[test]
    fn answers_are_decoded_as_they_were() {
        for answer in [
            ConnectAnswer::Accepted,
            ConnectAnswer::OtherVersion { found: 7 },
            ConnectAnswer::OtherUser,
            ConnectAnswer::OtherTypes {
                receives: "a".repeat(64),
                sends: "b".repeat(64),
            },
            ConnectAnswer::Failed {
                text: "no memory".to_owned(),
            },
        ] {
            let bytes = answer.encode();
            assert!(bytes.len() <= ConnectAnswer::MAX_LEN);
            assert_eq!(ConnectAnswer::decode(&bytes), Some(answer));
        }
        let long = ConnectAnswer::Failed {
            text: "ä".repeat(1000),
        };
        assert!(long.encode().len() <= ConnectAnswer::MAX_LEN);
        assert!(ConnectAnswer::decode(&long.encode()).is_some());
        assert_eq!(ConnectAnswer::decode(&[]), None);
        assert_eq!(ConnectAnswer::decode(&[9]), None);
    }
}

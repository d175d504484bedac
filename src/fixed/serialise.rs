//! Serde: text as a string, bytes as bytes, of at most as many as fit.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FixedBytes, FixedStr};

/// Serialises as a string; fails if the bytes are not valid text.
impl<const N: usize> Serialize for FixedStr<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.as_str().map_err(S::Error::custom)?;
        serializer.serialize_str(text)
    }
}

/// Deserialises from a string; fails if it has more than `N` bytes.
impl<'de, const N: usize> Deserialize<'de> for FixedStr<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<const N: usize>;

        impl<const N: usize> Visitor<'_> for TextVisitor<N> {
            type Value = FixedStr<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a string of at most {N} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                FixedStr::new(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Serialises as bytes; fails if the length is more than `N`.
impl<const N: usize> Serialize for FixedBytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let contents = self.as_slice().map_err(S::Error::custom)?;
        serializer.serialize_bytes(contents)
    }
}

/// Deserialises from bytes, or a sequence of them; fails if there are more than `N`.
impl<'de, const N: usize> Deserialize<'de> for FixedBytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentsVisitor<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for ContentsVisitor<N> {
            type Value = FixedBytes<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, contents: &[u8]) -> Result<Self::Value, E> {
                FixedBytes::new(contents).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Self::Value, A::Error> {
                let (mut place, mut len) = ([0; N], 0);
                while let Some(byte) = bytes.next_element()? {
                    *place
                        .get_mut(len)
                        .ok_or_else(|| A::Error::invalid_length(len + 1, &self))? = byte;
                    len += 1;
                }
                FixedBytes::new(&place[..len]).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_bytes(ContentsVisitor)
    }
}

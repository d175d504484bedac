//! Names of entries, payloads and segments.

use core::fmt;

/// A checked name of at most 64 bytes, as a record holds it: zero-padded.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Name {
    words: [u64; Self::WORDS],
}

/// Why a name is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name has more bytes than its place holds.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most bytes that a name may have there.
        max: usize,
    },
    /// The name contains `/` or NUL.
    Forbidden {
        /// The first such character.
        character: char,
    },
    /// The name is `.` or `..`.
    Dots,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("expected a name, found an empty one"),
            Self::TooLong { len, max } => {
                write!(f, "expected a name of at most {max} bytes, found {len}")
            }
            Self::Forbidden { character } => {
                write!(
                    f,
                    "expected a name without '/' and NUL, found {character:?}"
                )
            }
            Self::Dots => f.write_str("expected a name other than \".\" and \"..\""),
        }
    }
}

impl core::error::Error for NameError {}

impl Name {
    /// Words that a name takes in a record.
    pub(crate) const WORDS: usize = 8;
    /// The most bytes that a name can have.
    pub(crate) const MAX: usize = Self::WORDS * 8;

    /// The rule for every name: 1 to `max` bytes, no `/`, no NUL, not `.` or `..`.
    pub(crate) fn check(text: &str, max: usize) -> Result<(), NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(character) = text.chars().find(|c| matches!(c, '/' | '\0')) {
            return Err(NameError::Forbidden { character });
        }
        if text.len() > max {
            return Err(NameError::TooLong {
                len: text.len(),
                max,
            });
        }
        if matches!(text, "." | "..") {
            return Err(NameError::Dots);
        }
        Ok(())
    }

    /// The name of an entry.
    pub(crate) fn entry(text: &str) -> Result<Self, NameError> {
        Self::check(text, Self::MAX)?;
        Ok(Self::padded(text))
    }

    /// The name of a payload, which may contain `/` and is cut if it is too long.
    pub(crate) fn payload(text: &str) -> Self {
        Self::padded(text)
    }

    fn padded(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut words = [0; Self::WORDS];
        for (word, chunk) in words.iter_mut().zip(text.as_bytes()[..end].chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(bytes);
        }
        Self { words }
    }

    pub(crate) fn from_words(words: [u64; Self::WORDS]) -> Self {
        Self { words }
    }

    pub(crate) fn words(&self) -> [u64; Self::WORDS] {
        self.words
    }
}

/// Shows the bytes up to the padding; what is no UTF-8 shows as the replacement character.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; Self::MAX];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let len = bytes
            .iter()
            .rposition(|b| *b != 0)
            .map_or(0, |last| last + 1);
        f.pad(&String::from_utf8_lossy(&bytes[..len]))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_comes_back_as_it_was(text in "[a-zA-Z0-9 ._äß-]{1,32}") {
            if let Ok(name) = Name::entry(&text) {
                prop_assert_eq!(name.to_string(), text);
                prop_assert_eq!(Name::from_words(name.words()), name);
            }
        }

        #[test]
        fn showing_any_words_does_not_panic(words: [u64; Name::WORDS]) {
            let _ = Name::from_words(words).to_string();
        }
    }

    #[test]
    fn bad_names_are_told_apart() {
        assert_eq!(Name::entry("").unwrap_err(), NameError::Empty);
        assert_eq!(
            Name::entry("a/b").unwrap_err(),
            NameError::Forbidden { character: '/' }
        );
        assert_eq!(
            Name::entry("a\0b").unwrap_err(),
            NameError::Forbidden { character: '\0' }
        );
        assert_eq!(Name::entry(".").unwrap_err(), NameError::Dots);
        assert_eq!(Name::entry("..").unwrap_err(), NameError::Dots);
        let long = "x".repeat(65);
        assert_eq!(
            Name::entry(&long).unwrap_err(),
            NameError::TooLong { len: 65, max: 64 }
        );
        assert!(Name::entry(&long[..64]).is_ok());
    }

    #[test]
    fn a_long_payload_name_is_cut_at_a_character() {
        let text = format!("{}ä", "x".repeat(63));
        assert_eq!(Name::payload(&text).to_string(), "x".repeat(63));
    }
}

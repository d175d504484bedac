//! Records: what the directory says of an entry.
//!
//! ```text
//! word   0       1        2     3            4..8     8          9        10..16  16..24  24..32
//!     | kind | offset | len | size, align | config | (zero) | checksum | (zero) | name | payload |
//! ```
//!
//! 32 words of 8 bytes. `offset` is in bytes from the start of the segment, `len` in bytes. A
//! record is written once, before the directory's count publishes it, and never again; the
//! checksum is over all its other words, so a flipped byte is a typed error.

use core::fmt;

use crate::format::checksum::checksum;
use crate::format::{Name, PADDING};

/// Words of a record.
pub(crate) const RECORD_WORDS: usize = 32;
/// Bytes of a record.
pub(crate) const RECORD_LEN: usize = RECORD_WORDS * 8;

const KIND: usize = 0;
const OFFSET: usize = 1;
const LEN: usize = 2;
const SHAPE: usize = 3;
const CONFIG: usize = 4;
const CONFIG_WORDS: usize = 4;
const CHECKSUM: usize = 9;
const NAME: usize = 16;
const PAYLOAD: usize = 24;

/// Size, alignment and name of a payload: its fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
pub struct PayloadShape {
    pub(crate) size: u32,
    pub(crate) align: u32,
    pub(crate) name: Name,
}

impl PayloadShape {
    /// Returns the size of a value, in bytes.
    pub fn size(&self) -> u64 {
        self.size.into()
    }

    /// Returns the alignment of a value, in bytes.
    pub fn align(&self) -> u64 {
        self.align.into()
    }

    /// Returns the name that the payload was declared with.
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// The shape of an entry without a payload.
    pub(crate) fn none() -> Self {
        Self {
            size: 0,
            align: 1,
            name: Name::payload(""),
        }
    }
}

impl fmt::Display for PayloadShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::none() {
            return f.write_str("no payload");
        }
        write!(
            f,
            "\"{}\" ({} bytes, aligned to {})",
            self.name, self.size, self.align
        )
    }
}

/// One entry of the directory, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// The number of its kind, which this version may not know.
    pub(crate) kind: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) payload: PayloadShape,
    /// What the kind was configured with, such as a capacity; 0 where unused.
    pub(crate) config: [u64; CONFIG_WORDS],
    pub(crate) name: Name,
}

/// Why a record's words are not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordFault {
    Checksum,
    /// The bytes that it names are not inside the arena, or not aligned.
    Place,
}

impl Record {
    /// The words to write; the place is filled in by the directory.
    pub(crate) fn encode(&self) -> [u64; RECORD_WORDS] {
        let mut words = [0; RECORD_WORDS];
        words[KIND] = self.kind.into();
        words[OFFSET] = self.offset;
        words[LEN] = self.len;
        words[SHAPE] = u64::from(self.payload.align) << 32 | u64::from(self.payload.size);
        words[CONFIG..CONFIG + CONFIG_WORDS].copy_from_slice(&self.config);
        words[NAME..NAME + Name::WORDS].copy_from_slice(&self.name.words());
        words[PAYLOAD..PAYLOAD + Name::WORDS].copy_from_slice(&self.payload.name.words());
        words[CHECKSUM] = Self::checksum(&words);
        words
    }

    /// The record in `words`, whose bytes lie in the arena from `arena` to `end`.
    pub(crate) fn decode(
        words: &[u64; RECORD_WORDS],
        arena: u64,
        end: u64,
    ) -> Result<Self, RecordFault> {
        if words[CHECKSUM] != Self::checksum(words) {
            return Err(RecordFault::Checksum);
        }
        let name = |at: usize| Name::from_words(core::array::from_fn(|i| words[at + i]));
        let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
        let record = Self {
            kind: low(words[KIND]),
            offset: words[OFFSET],
            len: words[LEN],
            payload: PayloadShape {
                size: low(words[SHAPE]),
                align: low(words[SHAPE] >> 32),
                name: name(PAYLOAD),
            },
            config: core::array::from_fn(|i| words[CONFIG + i]),
            name: name(NAME),
        };
        let inside = record.offset >= arena
            && record.end().is_some_and(|record_end| record_end <= end)
            && record.offset.is_multiple_of(PADDING as u64);
        if inside {
            Ok(record)
        } else {
            Err(RecordFault::Place)
        }
    }

    /// The first byte after the entry's.
    pub(crate) fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.len)
    }

    fn checksum(words: &[u64; RECORD_WORDS]) -> u64 {
        checksum(
            words
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != CHECKSUM)
                .map(|(_, word)| *word),
        )
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(offset: u64, len: u64) -> Record {
        Record {
            kind: 1,
            offset,
            len,
            payload: PayloadShape {
                size: 8,
                align: 8,
                name: Name::payload("u64"),
            },
            config: [1, 2, 3, 4],
            name: Name::entry("total").unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(slot in 0u64..100, len in 0u64..128) {
            let record = sample(4096 + slot * 128, len);
            prop_assert_eq!(Record::decode(&record.encode(), 4096, 1 << 20), Ok(record));
        }

        #[test]
        fn a_flipped_bit_is_seen(word in 0..RECORD_WORDS, bit in 0..64) {
            let mut words = sample(4096, 64).encode();
            words[word] ^= 1u64 << bit;
            prop_assert_eq!(Record::decode(&words, 4096, 1 << 20), Err(RecordFault::Checksum));
        }

        #[test]
        fn a_place_outside_the_arena_is_refused(offset: u64, len: u64) {
            let record = sample(offset, len);
            let decoded = Record::decode(&record.encode(), 4096, 8192);
            let fits = offset >= 4096 && offset % 128 == 0 && offset.checked_add(len).is_some_and(|end| end <= 8192);
            prop_assert_eq!(decoded.is_ok(), fits);
        }
    }
}

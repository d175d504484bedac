//! The header's fixed words, and where everything in a segment lies.
//!
//! ```text
//! byte 0                                128       256     320       384      512
//!      | identity and geometry, 16 words | control | count | indexed | cursor |
//!      | registry: participants x 64 bytes, from byte 512                  |
//!      | directory: entries x 256 bytes                                    |
//!      | index of the directory: slots x 4 bytes                           |
//!      | arena: everything else, from a multiple of 4,096                  |
//! ```
//!
//! ```text
//! word   0       1                 2     3                      4           5
//!     | magic | order, version | len | entries, participants | registry | directory |
//! word   6       7       8       9..15    15
//!     | arena | index | flags | (zero) | checksum |
//! ```
//!
//! The words are written before another process can open the segment and never again. They are
//! checked once at open and copied; nothing reads them a second time.

use crate::format::checksum::checksum;
use crate::format::index::{MAX_ENTRIES, index_slots};
use crate::format::{LAYOUT_VERSION, RECORD_LEN};

/// Words of the header that describe the segment.
pub(crate) const HEADER_WORDS: usize = 16;
/// Bytes before the registry.
pub(crate) const HEADER_LEN: usize = 512;
/// The arena and the segment's length are multiples of this.
pub(crate) const PAGE: u64 = 4096;

/// `crossdok`, read as a little-endian word.
const MAGIC: u64 = u64::from_le_bytes(*b"crossdok");
/// Reads as another number on a machine of the other byte order.
const BYTE_ORDER: u32 = 0x0102_0304;
const FLAG_ANONYMOUS: u64 = 1;

/// Offsets, in bytes from the start of the segment, of what the header holds besides its words.
pub(crate) mod offsets {
    /// The mutex that serialises the creation of entries.
    pub(crate) const CONTROL: usize = 128;
    /// The number of published entries, and the tag of the last creator.
    pub(crate) const COUNT: usize = 256;
    /// How many of them the index has for certain.
    pub(crate) const INDEXED: usize = 320;
    /// Where the next joiner begins to look for a free index.
    pub(crate) const CURSOR: usize = 384;
    /// When waiters reap the dead next: on the cursor's line.
    pub(crate) const REAPING_DUE: usize = 448;
}

/// Bytes of a participant's registry entry.
pub(crate) const PARTICIPANT_LEN: u64 = 64;
/// Bytes of a slot of the index.
const SLOT_LEN: u64 = 4;

/// Where everything in a segment lies; valid by construction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Geometry {
    pub(crate) len: u64,
    pub(crate) participants: u32,
    pub(crate) entries: u32,
    pub(crate) registry: u64,
    pub(crate) directory: u64,
    pub(crate) index: u64,
    pub(crate) arena: u64,
    pub(crate) anonymous: bool,
}

/// What a segment is asked to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) len: u64,
    pub(crate) participants: u32,
    pub(crate) entries: u32,
    pub(crate) anonymous: bool,
}

/// Why bytes are not the header of a segment that this build can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HeaderFault {
    Magic,
    ByteOrder { found: u32 },
    Version { found: u32 },
    Checksum,
    Geometry,
    Len { header: u64 },
}

impl Geometry {
    /// The layout for `request`, of at most [`MAX_ENTRIES`], or the least length that it needs.
    pub(crate) fn plan(request: Request) -> Result<Self, u64> {
        let registry = HEADER_LEN as u64;
        let directory = registry + u64::from(request.participants) * PARTICIPANT_LEN;
        let index = directory + u64::from(request.entries) * RECORD_LEN as u64;
        let index_end = index + u64::from(index_slots(request.entries)) * SLOT_LEN;
        let arena = index_end.next_multiple_of(PAGE);
        let least = arena + PAGE;
        if request.len < least {
            return Err(least);
        }
        Ok(Self {
            len: request.len,
            participants: request.participants,
            entries: request.entries,
            registry,
            directory,
            index,
            arena,
            anonymous: request.anonymous,
        })
    }

    pub(crate) fn encode(&self) -> [u64; HEADER_WORDS] {
        let mut words = [0; HEADER_WORDS];
        words[0] = MAGIC;
        words[1] = u64::from(BYTE_ORDER) << 32 | u64::from(LAYOUT_VERSION);
        words[2] = self.len;
        words[3] = u64::from(self.entries) << 32 | u64::from(self.participants);
        words[4] = self.registry;
        words[5] = self.directory;
        words[6] = self.arena;
        words[7] = self.index;
        words[8] = if self.anonymous { FLAG_ANONYMOUS } else { 0 };
        words[15] = checksum(words[..15].iter().copied());
        words
    }

    /// The geometry in a header of a file that is `file_len` bytes long.
    pub(crate) fn decode(words: &[u64; HEADER_WORDS], file_len: u64) -> Result<Self, HeaderFault> {
        let halves = |word: u64| {
            let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
            (
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
            )
        };
        let (version, byte_order) = halves(words[1]);
        if words[0] == MAGIC.swap_bytes() || (words[0] == MAGIC && byte_order != BYTE_ORDER) {
            return Err(HeaderFault::ByteOrder { found: byte_order });
        }
        if words[0] != MAGIC {
            return Err(HeaderFault::Magic);
        }
        if version != LAYOUT_VERSION {
            return Err(HeaderFault::Version { found: version });
        }
        if words[15] != checksum(words[..15].iter().copied()) {
            return Err(HeaderFault::Checksum);
        }
        let (participants, entries) = halves(words[3]);
        let anonymous = words[8] & FLAG_ANONYMOUS != 0;
        if words[2] != file_len {
            return Err(HeaderFault::Len { header: words[2] });
        }
        let possible = (1..=super::MAX_PARTICIPANTS).contains(&participants)
            && (1..=MAX_ENTRIES).contains(&entries);
        if !possible {
            return Err(HeaderFault::Geometry);
        }
        let planned = Self::plan(Request {
            len: file_len,
            participants,
            entries,
            anonymous,
        });
        // The one layout of this version for these numbers, or none that we wrote.
        match planned {
            Ok(planned) if planned.encode() == *words => Ok(planned),
            _ => Err(HeaderFault::Geometry),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(len: u64, participants: u32, entries: u32) -> Request {
        Request {
            len,
            participants,
            entries,
            anonymous: true,
        }
    }

    proptest! {
        #[test]
        fn what_is_planned_is_decoded(pages in 1u64..1000, participants in 1u32..=1023, entries in 1u32..5000) {
            match Geometry::plan(request(pages * PAGE, participants, entries)) {
                Ok(geometry) => {
                    prop_assert_eq!(Geometry::decode(&geometry.encode(), pages * PAGE), Ok(geometry));
                    prop_assert!(geometry.arena < geometry.len);
                }
                Err(least) => {
                    prop_assert!(least > pages * PAGE);
                    prop_assert!(Geometry::plan(request(least, participants, entries)).is_ok());
                }
            }
        }

        #[test]
        fn any_words_are_refused_or_a_plan(words: [u64; HEADER_WORDS], len: u64) {
            prop_assert!(Geometry::decode(&words, len).is_err());
        }

        #[test]
        fn a_flipped_bit_is_seen(word in 0..HEADER_WORDS, bit in 0..64) {
            let geometry = Geometry::plan(request(1 << 20, 128, 64)).unwrap();
            let mut words = geometry.encode();
            words[word] ^= 1u64 << bit;
            prop_assert!(Geometry::decode(&words, 1 << 20).is_err());
        }
    }

    #[test]
    fn a_lie_with_a_right_checksum_is_refused() {
        let mut words = Geometry::plan(request(1 << 20, 128, 64)).unwrap().encode();
        words[6] = u64::MAX - 7;
        words[15] = checksum(words[..15].iter().copied());
        assert_eq!(
            Geometry::decode(&words, 1 << 20),
            Err(HeaderFault::Geometry)
        );
    }

    #[test]
    fn another_version_and_byte_order_are_named() {
        let mut words = Geometry::plan(request(1 << 20, 128, 64)).unwrap().encode();
        words[1] = u64::from(BYTE_ORDER) << 32 | 7;
        assert_eq!(
            Geometry::decode(&words, 1 << 20),
            Err(HeaderFault::Version { found: 7 })
        );
        let swapped = words.map(u64::swap_bytes);
        assert!(matches!(
            Geometry::decode(&swapped, 1 << 20),
            Err(HeaderFault::ByteOrder { .. })
        ));
    }
}

//! What may live in shared memory, byte by byte.
//!
//! Everything here is `repr(C)`, little-endian, and made of fixed-width atomics; nothing is
//! trusted that was read from a segment before it was checked here. `tests/abi.rs` holds the sizes
//! and offsets; a change to any of them is a new [`LAYOUT_VERSION`].

mod checksum;
mod geometry;
mod index;
mod kind;
mod name;
mod padded;
mod record;

pub(crate) use geometry::{Geometry, HEADER_WORDS, HeaderFault, PAGE, Request, offsets};
pub(crate) use index::{MAX_ENTRIES, NameHash, Slot, index_slots};
pub use kind::Kind;
pub(crate) use name::Name;
pub use name::NameError;
pub(crate) use padded::Padded;
pub use record::PayloadShape;
pub(crate) use record::{RECORD_LEN, RECORD_WORDS, Record, RecordFault};

/// The version of everything in this module; segments of another version are refused.
pub(crate) const LAYOUT_VERSION: u32 = 2;

/// Bytes between two words that different processes write: two cache lines, because processors
/// prefetch lines in pairs.
pub(crate) const PADDING: usize = 128;

/// Bits of the index of a participant.
pub(crate) const PARTICIPANT_BITS: u32 = 10;
/// The most participants that a segment can have. The last index is never used, so that a word of
/// ones is never a valid tag.
pub(crate) const MAX_PARTICIPANTS: u32 = (1 << PARTICIPANT_BITS) - 1;

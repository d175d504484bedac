//! What may live in shared memory, byte by byte.
//!
//! Everything here is `repr(C)`, little-endian, and made of fixed-width atomics; nothing is
//! trusted that was read from a segment before it was checked here. `tests/abi.rs` holds the sizes
//! and offsets; a change to any of them is a new [`LAYOUT_VERSION`].

pub(crate) mod array;
mod checksum;
mod geometry;
mod index;
mod kind;
mod name;
mod padded;
mod record;
mod rwlock;
pub(crate) mod slots;
pub(crate) mod snapshot;
mod tag;
pub(crate) mod work;

pub(crate) use geometry::{Geometry, HEADER_WORDS, HeaderFault, PAGE, Request, offsets};
pub(crate) use index::{MAX_ENTRIES, NameHash, Slot, index_slots};
pub use kind::Kind;
pub(crate) use name::Name;
pub use name::NameError;
pub(crate) use padded::Padded;
pub use record::PayloadShape;
pub(crate) use record::{RECORD_LEN, RECORD_WORDS, Record, RecordFault};
pub(crate) use rwlock::{RWLOCK_STATE, RwLockLayout};
pub(crate) use tag::{GENERATION_MAX, Tag};

/// The version of everything in this module; segments of another version are refused.
pub(crate) const LAYOUT_VERSION: u32 = 2;

/// Bytes between two words that different processes write: two cache lines, because processors
/// prefetch lines in pairs.
pub(crate) const PADDING: usize = 128;

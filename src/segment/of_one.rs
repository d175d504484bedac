//! Segments that are made for one entry.

use super::{CreateError, EntryError, Placeable, Segment, SegmentOptions};
#[cfg(feature = "process")]
use super::{Shape, undecodable};
use crate::format::{Geometry, PAGE, Request};

/// Why there is no entry in a segment of its own.
pub(crate) enum OfOneError {
    /// The segment was not created.
    Create(CreateError),
    /// The entry was not created.
    Entry(EntryError),
}

/// The number of processes that can take part at a time.
const PARTICIPANTS: u32 = 128;

impl Segment {
    /// Creates an anonymous segment that has room for one entry, and that entry.
    pub(crate) fn of_one<P: Placeable>(name: &str, config: P::Config) -> Result<P, OfOneError> {
        let shape = P::shape(P::words(&config), PARTICIPANTS);
        let shape = shape.ok_or_else(|| OfOneError::Entry(P::refused(&config)))?;
        let segment = options_for(shape.len).anonymous();
        let created = segment.map_err(OfOneError::Create)?.create(name, config);
        created.map_err(OfOneError::Entry)
    }

    /// Creates an entry of the shape of `other`, whose bytes are zeros, in an anonymous segment
    /// with room for it alone. Its memory is not reserved.
    #[cfg(feature = "process")]
    pub(crate) fn of_one_like<P: Placeable>(name: &str, other: &P) -> Result<P, OfOneError> {
        let record = other.entry().record;
        let refused = || undecodable(name, "its configuration is not one of its kind");
        let shape = P::shape(record.config, PARTICIPANTS);
        let shape = shape.ok_or_else(|| OfOneError::Entry(refused()))?;
        let payload = record.payload;
        let shape = Shape { payload, ..shape };
        let segment = options_for(shape.len).reserve(false).anonymous();
        let segment = segment.map_err(OfOneError::Create)?;
        let created = segment.create_shaped(name, &shape, |_| Ok(()), |_, ()| {});
        created.map_err(OfOneError::Entry)
    }
}

/// Returns the options of a segment for one entry of `len` bytes.
fn options_for(len: u64) -> SegmentOptions {
    let least = Geometry::plan(Request {
        len: 0,
        participants: PARTICIPANTS,
        entries: 1,
        anonymous: true,
    });
    // The least length has one page for entries.
    let before = least.map_or_else(|least| least - PAGE, |geometry| geometry.arena);
    SegmentOptions::new()
        .size(before.saturating_add(len))
        .participants(PARTICIPANTS)
        .entries(1)
}

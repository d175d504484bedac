//! What a snapshot is created with.

use crate::segment::IntoConfig;

/// What a [`Snapshot`](super::Snapshot) is created with: its first value, and how many readers
/// there can be at once.
///
/// # Examples
///
/// ```
/// use crossdock::{Segment, Snapshot, SnapshotOptions};
///
/// let segment = Segment::anonymous()?;
/// let options = SnapshotOptions::new([0_u64; 2]).readers(4);
/// let place = segment.create::<Snapshot<[u64; 2]>>("place", options)?;
/// assert_eq!(place.readers(), 4);
/// // With 16, if only the value matters:
/// let pace = segment.create::<Snapshot<f64>>("pace", 1.5)?;
/// assert_eq!(pace.readers(), 16);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOptions<T> {
    pub(super) first: T,
    pub(super) readers: u64,
}

/// How many readers there can be unless something else is asked for.
pub(super) const READERS: u64 = 16;

impl<T> SnapshotOptions<T> {
    /// With that value, of version 0, until a value is published; and 16 reader slots.
    pub const fn new(first: T) -> Self {
        Self {
            first,
            readers: READERS,
        }
    }

    /// Sets the number of reader slots: 1 to 4,094, as far as the segment has room. Each
    /// [`Reader`](super::Reader) takes one, and each [`Snapshot::load`](super::Snapshot::load) as
    /// long as it lasts. A slot takes up 136 bytes and a buffer for a value, which is a multiple of
    /// 128 bytes; there are two buffers more.
    #[must_use]
    pub const fn readers(mut self, slots: u64) -> Self {
        self.readers = slots;
        self
    }
}

impl<T> IntoConfig<SnapshotOptions<T>> for T {
    fn into_config(self) -> SnapshotOptions<T> {
        SnapshotOptions::new(self)
    }
}

/// [`SnapshotOptions::new`].
impl<T> From<T> for SnapshotOptions<T> {
    fn from(first: T) -> Self {
        Self::new(first)
    }
}

//! What a manager is created with.

use crate::algorithm::manager::layout::ManagerLayout;
use crate::segment::{EntryError, IntoConfig};

/// The room that a [`Manager`](crate::Manager) is created with; for most, the number of bytes is
/// enough.
///
/// # Examples
///
/// ```
/// use crossdock::manager::ManagerOptions;
/// use crossdock::{Manager, Segment, SegmentOptions};
///
/// let segment = SegmentOptions::new().size(4 << 20).anonymous()?;
/// let few = segment.create::<Manager>("few", 256 << 10)?;
/// let many = ManagerOptions::new(1 << 20).objects(1_000);
/// let many = segment.create::<Manager>("many", many)?;
/// # let _ = (few, many);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagerOptions {
    room: u64,
    objects: u64,
}

/// The most objects unless something else is asked for.
const OBJECTS: u64 = 64;

impl ManagerOptions {
    /// Room for objects of so many bytes, all together: 512 to 2^40, rounded up to a multiple of
    /// 512, as that of each object is. There can be 64 objects at a time.
    #[must_use]
    pub const fn new(room: u64) -> Self {
        Self {
            room,
            objects: OBJECTS,
        }
    }

    /// Sets how many objects there can be at a time: 1 to 65,536. Each takes up 272 bytes beside
    /// its room, and 8 more for each process that the segment has room for. Opening, creating and
    /// removing an object looks at each.
    #[must_use]
    pub const fn objects(mut self, objects: u64) -> Self {
        self.objects = objects;
        self
    }

    pub(super) fn words(self) -> [u64; 4] {
        [self.room, self.objects, 0, 0]
    }

    /// The bytes of the manager's entry.
    pub(super) fn bytes(self, participants: u32) -> u64 {
        ManagerLayout::of(self.words(), participants).map_or(0, |layout| layout.len())
    }

    pub(super) fn refused(self) -> EntryError {
        let (found, (least, most)) = match self.room {
            room if (ManagerLayout::ROOM.0..=ManagerLayout::ROOM.1).contains(&room) => {
                (self.objects, ManagerLayout::OBJECTS)
            }
            room => (room, ManagerLayout::ROOM),
        };
        EntryError::Capacity { found, least, most }
    }
}

impl IntoConfig<ManagerOptions> for u64 {
    fn into_config(self) -> ManagerOptions {
        ManagerOptions::new(self)
    }
}

//! Where the words of a manager are in its entry.

use super::{HEAD, ManagerState};
use crate::algorithm::region::WORD;
use crate::format::{PADDING, RECORD_LEN};

/// The places of a manager's words, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ManagerLayout {
    /// The number of blocks, and the bytes of each.
    pub(crate) blocks: u64,
    pub(crate) block: u64,
    pub(crate) records: u64,
    pub(crate) participants: u64,
    /// Offsets into the entry.
    pub(crate) heads: u64,
    pub(crate) directory: u64,
    pub(crate) cells: u64,
    pub(crate) pool: u64,
    len: u64,
}

impl ManagerLayout {
    /// The bytes of a block.
    pub(crate) const BLOCK: u64 = 512;
    /// The least and the most bytes of room.
    pub(crate) const ROOM: (u64, u64) = (Self::BLOCK, 1 << 40);
    /// The least and the most objects.
    pub(crate) const OBJECTS: (u64, u64) = (1, 1 << 16);

    /// The layout of an entry with these numbers: bytes of room, and objects.
    pub(crate) fn of(config: [u64; 4], participants: u32) -> Option<Self> {
        let [room, records, 0, 0] = config else {
            return None;
        };
        let is_within = |(least, most): (u64, u64), value| (least..=most).contains(&value);
        if !is_within(Self::ROOM, room) || !is_within(Self::OBJECTS, records) {
            return None;
        }
        let padding = PADDING as u64;
        let participants = u64::from(participants);
        let heads = (size_of::<ManagerState>() as u64).next_multiple_of(padding);
        let directory = (heads + records * HEAD as u64 * WORD).next_multiple_of(padding);
        let cells = directory + records * RECORD_LEN as u64;
        let pool = (cells + records * participants * WORD).next_multiple_of(padding);
        let blocks = room.div_ceil(Self::BLOCK);
        Some(Self {
            blocks,
            block: Self::BLOCK,
            records,
            participants,
            heads,
            directory,
            cells,
            pool,
            len: pool.checked_add(blocks.checked_mul(Self::BLOCK)?)?,
        })
    }

    /// The bytes of the entry.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

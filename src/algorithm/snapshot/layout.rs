//! The words of a snapshot, and the offsets of its parts in an entry.

use crate::format::PADDING;
use crate::participant::Tag;

const INDEX_BITS: u32 = 12;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// The maximum number of buffers.
pub(crate) const MAX_BUFFERS: usize = 1 << INDEX_BITS;

/// A published version: its number, and below it the index of its buffer.
///
/// ```text
///  63                    12 11         0
/// |       number: 52       |  index: 12 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u64);

impl Version {
    #[inline(always)]
    pub(crate) fn index(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    #[inline(always)]
    pub(crate) fn number(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// Returns the version after this one, in another buffer.
    pub(crate) fn next(self, index: u32) -> Self {
        let number = self.number().wrapping_add(1);
        Self(number << INDEX_BITS | u64::from(index) & INDEX_MASK)
    }
}

/// The state of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReaderState {
    Idle,
    /// The reader chooses a buffer, or is assigned one.
    Choosing,
    /// The reader has the buffer of this index.
    Buffer(u32),
}

const CHOOSING: u32 = 1;
const BUFFERS: u32 = 2;

/// The word of a reader slot: its owner's tag, and the owner's state. 0 is free.
///
/// ```text
///  63                             32 31  29 28                 0
/// | 0, 1 CHOOSING, 2 + buffer: 32   |  0   |      tag: 29       |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderWord(pub(crate) u64);

impl ReaderWord {
    pub(crate) const FREE: Self = Self(0);

    #[inline(always)]
    pub(crate) fn new(tag: Tag, state: ReaderState) -> Self {
        let state = match state {
            ReaderState::Idle => 0,
            ReaderState::Choosing => CHOOSING,
            ReaderState::Buffer(index) => index + BUFFERS,
        };
        Self(u64::from(state) << 32 | u64::from(tag.bits()))
    }

    /// Returns the reader's state, or `None` if its buffer's index is not below `buffers`.
    #[inline(always)]
    pub(crate) fn state(self, buffers: u32) -> Option<ReaderState> {
        match (self.0 >> 32) as u32 {
            0 => Some(ReaderState::Idle),
            CHOOSING => Some(ReaderState::Choosing),
            state => Some(state - BUFFERS)
                .filter(|index| *index < buffers)
                .map(ReaderState::Buffer),
        }
    }

    #[inline(always)]
    pub(crate) fn is_choosing(self) -> bool {
        self.0 >> 32 == u64::from(CHOOSING)
    }

    /// Returns the word of the same owner with the buffer `index`.
    pub(crate) fn with(self, index: u32) -> Self {
        let tag = self.0 & u64::from(u32::MAX);
        Self(u64::from(index + BUFFERS) << 32 | tag)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    fn half(self) -> u32 {
        self.0 as u32
    }

    /// Returns the owner's tag, or `None` if the word holds no participant's.
    pub(crate) fn tag(self, participants: u32) -> Option<Tag> {
        Tag::in_word(self.half(), participants).filter(|tag| self.is_of(*tag))
    }

    pub(crate) fn is_of(self, tag: Tag) -> bool {
        self.half() == tag.bits()
    }
}

/// The bytes of a snapshot without its reader slots, buffer versions and buffers.
pub(crate) const SNAPSHOT_STATE: usize = 2 * PADDING;

/// The offsets of a snapshot's parts, in bytes from the start of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotLayout {
    /// The reader slots, 128 bytes apart.
    pub(crate) slots: u64,
    /// The buffer versions: a word for each buffer.
    pub(crate) buffer_versions: u64,
    pub(crate) buffers: u64,
    /// The distance from one buffer to the next.
    pub(crate) stride: u64,
    /// The number of reader slots.
    pub(crate) readers: u64,
}

impl SnapshotLayout {
    /// The minimum and the maximum number of reader slots.
    pub(crate) const READERS: (u64, u64) = (1, MAX_BUFFERS as u64 - 2);

    /// Returns the layout for values of `size` bytes, aligned to 128 at most; `None` if there is
    /// none.
    pub(crate) fn new(readers: u64, size: u64) -> Option<Self> {
        const PAD: u64 = PADDING as u64;
        let (least, most) = Self::READERS;
        if !(least..=most).contains(&readers) {
            return None;
        }
        let slots = SNAPSHOT_STATE as u64;
        let buffer_versions = slots + readers * PAD;
        let end = buffer_versions + (readers + 2) * size_of::<u64>() as u64;
        let layout = Self {
            slots,
            buffer_versions,
            buffers: end.next_multiple_of(PAD),
            // A write to one buffer does not slow down reads of others.
            stride: size.max(1).checked_next_multiple_of(PAD)?,
            readers,
        };
        layout
            .count()
            .checked_mul(layout.stride)?
            .checked_add(layout.buffers)
            .map(|_| layout)
    }

    /// Returns the number of buffers: one for each reader, the latest, and one to write.
    pub(crate) fn count(&self) -> u64 {
        self.readers + 2
    }

    /// Returns the bytes of all buffers.
    pub(crate) fn buffers_len(&self) -> u64 {
        self.count() * self.stride
    }

    /// Returns the bytes of the whole entry.
    pub(crate) fn len(&self) -> u64 {
        self.buffers + self.buffers_len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn version_is_its_number_and_its_buffer(word: u64, index in 0_u32..1 << INDEX_BITS) {
            let version = Version(word);
            let next = version.next(index);
            prop_assert_eq!(next.index(), index);
            prop_assert_eq!(next.number(), (version.number() + 1) & (u64::MAX >> INDEX_BITS));
        }

        #[test]
        fn reader_word_round_trips(index in 0_u32..4096, generation in 1_u32..500, at in 0_u32..Tag::MAX_PARTICIPANTS) {
            let tag = Tag::new(at, generation).unwrap();
            for state in [ReaderState::Idle, ReaderState::Choosing, ReaderState::Buffer(index)] {
                let word = ReaderWord::new(tag, state);
                prop_assert_eq!(word.state(4096), Some(state));
                prop_assert_eq!(word.tag(Tag::MAX_PARTICIPANTS), Some(tag));
                prop_assert_eq!(word.is_choosing(), state == ReaderState::Choosing);
                prop_assert_eq!(word.with(index), ReaderWord::new(tag, ReaderState::Buffer(index)));
            }
        }

        #[test]
        fn any_word_is_an_existing_buffer_or_corrupt(word: u64, low in 0_u64..4096, buffers in 3_u32..4096) {
            for word in [word, low << 32 | word & 0xffff_ffff] {
                if let Some(ReaderState::Buffer(index)) = ReaderWord(word).state(buffers) {
                    prop_assert!(index < buffers);
                }
                if let Some(tag) = ReaderWord(word).tag(7) {
                    prop_assert!(tag.index() < 7);
                    prop_assert!(ReaderWord(word).is_of(tag));
                }
            }
        }

        #[test]
        fn layout_fits_all_parts_or_is_none(readers in 0_u64..5_000, size: u64, small in 0_u64..10_000) {
            for size in [size, small] {
                if let Some(layout) = SnapshotLayout::new(readers, size) {
                    prop_assert!((1..=4094).contains(&readers));
                    prop_assert!(layout.buffer_versions >= layout.slots + 128 * readers);
                    prop_assert!(layout.buffers >= layout.buffer_versions + 8 * (readers + 2));
                    prop_assert!(layout.stride >= size && layout.stride % 128 == 0);
                    prop_assert!(layout.len() >= layout.buffers + (readers + 2) * layout.stride);
                    prop_assert_eq!(layout.buffers % 128, 0);
                }
            }
        }
    }
}

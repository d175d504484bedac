//! The words of a snapshot, and where its parts are in an entry.

use crate::format::PADDING;
use crate::participant::Tag;

const INDEX_BITS: u32 = 12;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// How many buffers there can be.
pub(crate) const MOST_BUFFERS: usize = 1 << INDEX_BITS;

/// What was published last: its version, and below it the index of its buffer.
///
/// ```text
///  63                    12 11         0
/// |      version: 52       |  index: 12 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edition(pub(crate) u64);

impl Edition {
    #[inline(always)]
    pub(crate) fn index(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    #[inline(always)]
    pub(crate) fn version(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// The edition after this one, in another buffer.
    pub(crate) fn next(self, index: u32) -> Self {
        let version = self.version().wrapping_add(1);
        Self(version << INDEX_BITS | u64::from(index) & INDEX_MASK)
    }
}

/// What a reader has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Nothing,
    /// Whatever is given to it.
    Choosing,
    /// The buffer of that index.
    Buffer(u32),
}

const CHOOSING: u32 = 1;
const BUFFERS: u32 = 2;

/// The word of a reader's seat: whose it is, and what that one has. 0 is free.
///
/// ```text
///  63                             32 31  29 28                 0
/// | 0, 1 CHOOSING, 2 + buffer: 32   |  0   |      tag: 29       |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeatWord(pub(crate) u64);

impl SeatWord {
    pub(crate) const FREE: Self = Self(0);

    #[inline(always)]
    pub(crate) fn new(tag: Tag, held: Held) -> Self {
        let held = match held {
            Held::Nothing => 0,
            Held::Choosing => CHOOSING,
            Held::Buffer(index) => index + BUFFERS,
        };
        Self(u64::from(held) << 32 | u64::from(tag.bits()))
    }

    /// What its reader has, if there are so many buffers; `None` if that cannot be.
    #[inline(always)]
    pub(crate) fn held(self, buffers: u32) -> Option<Held> {
        match (self.0 >> 32) as u32 {
            0 => Some(Held::Nothing),
            CHOOSING => Some(Held::Choosing),
            held => Some(held - BUFFERS)
                .filter(|index| *index < buffers)
                .map(Held::Buffer),
        }
    }

    #[inline(always)]
    pub(crate) fn is_choosing(self) -> bool {
        self.0 >> 32 == u64::from(CHOOSING)
    }

    /// The same one's, with that buffer.
    pub(crate) fn with(self, index: u32) -> Self {
        let tag = self.0 & u64::from(u32::MAX);
        Self(u64::from(index + BUFFERS) << 32 | tag)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    fn half(self) -> u32 {
        self.0 as u32
    }

    /// Whose it is, if that can be a participant.
    pub(crate) fn tag(self, participants: u32) -> Option<Tag> {
        Tag::in_word(self.half(), participants).filter(|tag| self.is_of(*tag))
    }

    pub(crate) fn is_of(self, tag: Tag) -> bool {
        self.half() == tag.bits()
    }
}

/// The bytes of a snapshot but for its seats, stamps and buffers.
pub(crate) const SNAPSHOT_STATE: usize = 2 * PADDING;

/// Where the parts of a snapshot are, in bytes from the start of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotLayout {
    /// Seats, 128 bytes apart.
    pub(crate) seats: u64,
    /// A word for each buffer.
    pub(crate) stamps: u64,
    pub(crate) buffers: u64,
    /// From one buffer to the next.
    pub(crate) stride: u64,
    /// How many seats there are.
    pub(crate) readers: u64,
}

impl SnapshotLayout {
    /// The fewest and the most seats.
    pub(crate) const READERS: (u64, u64) = (1, MOST_BUFFERS as u64 - 2);

    /// `None` if there is no such snapshot of values of `size` bytes, aligned to 128 at most.
    pub(crate) fn new(readers: u64, size: u64) -> Option<Self> {
        const PAD: u64 = PADDING as u64;
        let (least, most) = Self::READERS;
        if !(least..=most).contains(&readers) {
            return None;
        }
        let seats = SNAPSHOT_STATE as u64;
        let stamps = seats + readers * PAD;
        let end = stamps + (readers + 2) * size_of::<u64>() as u64;
        let layout = Self {
            seats,
            stamps,
            buffers: end.next_multiple_of(PAD),
            // Whoever writes one buffer is not in the way of those who read others.
            stride: size.max(1).checked_next_multiple_of(PAD)?,
            readers,
        };
        layout
            .count()
            .checked_mul(layout.stride)?
            .checked_add(layout.buffers)
            .map(|_| layout)
    }

    /// How many buffers there are: one that each reader has, the latest, and one to write.
    pub(crate) fn count(&self) -> u64 {
        self.readers + 2
    }

    /// The bytes of all buffers.
    pub(crate) fn buffers_len(&self) -> u64 {
        self.count() * self.stride
    }

    /// The bytes of all.
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
        fn an_edition_is_its_version_and_its_buffer(word: u64, index in 0_u32..1 << INDEX_BITS) {
            let edition = Edition(word);
            let next = edition.next(index);
            prop_assert_eq!(next.index(), index);
            prop_assert_eq!(next.version(), (edition.version() + 1) & (u64::MAX >> INDEX_BITS));
        }

        #[test]
        fn a_seat_is_what_it_was_made_of(index in 0_u32..4096, generation in 1_u32..500, at in 0_u32..Tag::MAX_PARTICIPANTS) {
            let tag = Tag::new(at, generation).unwrap();
            for held in [Held::Nothing, Held::Choosing, Held::Buffer(index)] {
                let word = SeatWord::new(tag, held);
                prop_assert_eq!(word.held(4096), Some(held));
                prop_assert_eq!(word.tag(Tag::MAX_PARTICIPANTS), Some(tag));
                prop_assert_eq!(word.is_choosing(), held == Held::Choosing);
                prop_assert_eq!(word.with(index), SeatWord::new(tag, Held::Buffer(index)));
            }
        }

        #[test]
        fn any_word_is_a_buffer_that_there_is_or_garbage(word: u64, low in 0_u64..4096, buffers in 3_u32..4096) {
            for word in [word, low << 32 | word & 0xffff_ffff] {
                if let Some(Held::Buffer(index)) = SeatWord(word).held(buffers) {
                    prop_assert!(index < buffers);
                }
                if let Some(tag) = SeatWord(word).tag(7) {
                    prop_assert!(tag.index() < 7);
                    prop_assert!(SeatWord(word).is_of(tag));
                }
            }
        }

        #[test]
        fn a_layout_has_room_for_all_or_there_is_none(readers in 0_u64..5_000, size: u64, small in 0_u64..10_000) {
            for size in [size, small] {
                if let Some(layout) = SnapshotLayout::new(readers, size) {
                    prop_assert!((1..=4094).contains(&readers));
                    prop_assert!(layout.stamps >= layout.seats + 128 * readers);
                    prop_assert!(layout.buffers >= layout.stamps + 8 * (readers + 2));
                    prop_assert!(layout.stride >= size && layout.stride % 128 == 0);
                    prop_assert!(layout.len() >= layout.buffers + (readers + 2) * layout.stride);
                    prop_assert_eq!(layout.buffers % 128, 0);
                }
            }
        }
    }
}

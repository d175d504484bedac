//! The layout of an array in its entry, and its division into chunks.

use core::ops::Range;

use crate::algorithm::rwlock::layout::RWLOCK_STATE;
use crate::format::PADDING;

/// The most chunks of an array, unless a chunk length is given.
const CHUNKS: u64 = 64;

/// The number of values of an array, and of each of its chunks; the last chunk may have fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    len: usize,
    chunk: usize,
}

impl Cut {
    /// The most chunks of any array.
    const MOST: u64 = 1 << 32;

    /// Creates a division; `None` if it is not possible.
    pub(crate) fn new(len: u64, chunk: u64) -> Option<Self> {
        let fits = (1..=len).contains(&chunk) && len.div_ceil(chunk) <= Self::MOST;
        let (len, chunk) = (usize::try_from(len).ok()?, usize::try_from(chunk).ok()?);
        fits.then_some(Self { len, chunk })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number of values of a chunk.
    pub(crate) fn chunk(&self) -> usize {
        self.chunk
    }

    /// The number of chunks.
    pub(crate) fn count(&self) -> usize {
        self.len.div_ceil(self.chunk)
    }

    /// The values of a chunk.
    #[inline]
    pub(crate) fn range(&self, chunk: usize) -> Range<usize> {
        let from = chunk.saturating_mul(self.chunk).min(self.len);
        from..from.saturating_add(self.chunk).min(self.len)
    }

    /// The default length of a chunk: an array has 64 chunks at most, and none of them shares a
    /// pair of cache lines with the next.
    pub(crate) fn usual(len: u64, size: u64) -> u64 {
        let padding = PADDING as u64;
        // This many values fill whole lines: the padding divided by what it has in common with the
        // size.
        let twos = (size | padding).trailing_zeros();
        let lines = padding >> twos;
        let chunk = len.div_ceil(CHUNKS).max(1);
        chunk
            .checked_next_multiple_of(lines)
            .map_or(len, |chunk| chunk.min(len))
    }
}

/// The offsets of the parts, in bytes from the start of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArrayLayout {
    pub(crate) cells: u64,
    pub(crate) chunks: u64,
    pub(crate) data: u64,
    len: u64,
    pub(crate) cut: Cut,
}

impl ArrayLayout {
    /// The word of the table, behind the lock and on lines of its own.
    pub(crate) const TABLE: u64 = RWLOCK_STATE as u64;

    /// The layout for this many values, of `size` and `align`, in chunks of this length; `None` if
    /// there is no such array.
    pub(crate) fn new(
        (len, chunk): (u64, u64),
        (size, align): (u64, u64),
        participants: u32,
    ) -> Option<Self> {
        let padding = PADDING as u64;
        if !align.is_power_of_two() || align > padding {
            return None;
        }
        let cut = Cut::new(len, chunk)?;
        let cells = Self::TABLE + padding;
        let chunks = cells + u64::from(participants) * padding;
        let words = (cut.count() as u64).checked_mul(size_of::<u32>() as u64)?;
        let data = chunks
            .checked_add(words)?
            .checked_next_multiple_of(padding)?;
        Some(Self {
            cells,
            chunks,
            data,
            len: len.checked_mul(size)?.checked_add(data)?,
            cut,
        })
    }

    /// The length of the entry.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_are_all_of_the_array_and_no_value_is_in_two(len in 1_u64..5_000, chunk in 1_u64..6_000) {
            let Some(cut) = Cut::new(len, chunk) else {
                prop_assert!(chunk > len);
                return Ok(());
            };
            let mut end = 0;
            for index in 0..cut.count() {
                let range = cut.range(index);
                prop_assert_eq!(range.start, end);
                prop_assert!(!range.is_empty() && range.len() <= cut.chunk());
                end = range.end;
            }
            prop_assert_eq!(end, cut.len());
            prop_assert!(cut.range(cut.count()).is_empty());
        }

        #[test]
        fn a_usual_chunk_is_whole_lines_and_there_are_64_at_most(len in 1_u64..1 << 40, size in 0_u64..1 << 20) {
            let chunk = Cut::usual(len, size);
            let cut = Cut::new(len, chunk).unwrap();
            prop_assert!(cut.count() <= 64);
            prop_assert!(chunk == len || (chunk * size).is_multiple_of(PADDING as u64));
        }

        #[test]
        fn a_layout_has_room_for_all_or_there_is_none(len: u64, chunk: u64, size in 0_u64..1 << 40, align in 0_u32..9, participants in 1_u32..1024) {
            let made = ArrayLayout::new((len, chunk), (size, 1 << align), participants);
            if let Some(layout) = made {
                prop_assert!(align <= 7 && chunk <= len);
                prop_assert!(layout.chunks >= layout.cells + 128 * u64::from(participants));
                prop_assert!(layout.data >= layout.chunks + 4 * layout.cut.count() as u64);
                prop_assert!(layout.data.is_multiple_of(128));
                prop_assert_eq!(u128::from(layout.len()), u128::from(layout.data) + u128::from(len) * u128::from(size));
            }
        }
    }
}

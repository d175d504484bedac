//! The bytes of an entry, as algorithms refer to them.

use crate::facade::{AtomicU8, AtomicU32, AtomicU64, Futex, Words};
use crate::format::{Padded, Record};
use crate::participant::Tag;

/// The bytes of one entry.
///
/// # Safety
///
/// The implementor hands out references to memory that stays mapped while it lives, is aligned to
/// 128 bytes at its start, and is only ever reached through atomics.
pub(crate) unsafe trait Region {
    /// Returns the state at the start of the entry; `None` if the entry is too short.
    fn state<S: SharedState>(&self) -> Option<&S>;

    /// Returns `count` states, `offset` bytes into the entry; `None` if not all of them are inside.
    fn states<S: SharedState>(&self, offset: u64, count: u64) -> Option<&[S]>;
}

/// State that may be referred to at any place of a segment: atomics only, any bytes are valid.
///
/// # Safety
///
/// `Self` is `repr(C)` or `repr(transparent)`, made of atomics and padding, aligned to at most 128.
pub(crate) unsafe trait SharedState: Sync {}

// SAFETY: one atomic byte.
unsafe impl SharedState for AtomicU8 {}
// SAFETY: one atomic word.
unsafe impl SharedState for AtomicU32 {}
// SAFETY: one atomic word.
unsafe impl SharedState for AtomicU64 {}
// SAFETY: one atomic word.
unsafe impl SharedState for Futex {}
// SAFETY: `repr(transparent)` over atomic words.
unsafe impl<const N: usize> SharedState for Words<N> {}
// SAFETY: `repr(C)`, the state and padding, aligned to 128.
unsafe impl<S: SharedState> SharedState for Padded<S> {}

/// An entry of a segment, whatever the type of its values.
pub(crate) struct Located<'a, R> {
    pub(crate) record: &'a Record,
    /// The number of participants that the segment has room for.
    pub(crate) participants: u32,
    pub(crate) region: R,
}

/// The number of bytes of a word.
pub(crate) const WORD: u64 = size_of::<u64>() as u64;

/// Entries whose words carry no tag.
pub(crate) mod unowned {
    use super::{Located, Region, Tag};

    /// Has nothing to recover: no word of the entry carries a tag.
    #[expect(clippy::unnecessary_wraps, reason = "as the others")]
    pub(crate) fn recover(_: &Located<'_, impl Region>, _: Tag) -> Option<()> {
        Some(())
    }
}

/// Entries without ends.
#[cfg(any(loom, feature = "process"))]
pub(crate) mod no_ends {
    use super::{Located, Region};
    use crate::participant::Liveness;
    use crate::participant::hand_over::{HandOverStep, TakeOverError};

    /// Returns `None`: no such entry has an end.
    pub(crate) fn perform(
        _: &Located<'_, impl Region>,
        _: HandOverStep,
        _: &impl Liveness,
    ) -> Option<Result<(), TakeOverError>> {
        None
    }
}

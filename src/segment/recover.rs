//! What a dead participant may hold in an entry, and how it is given back, kind by kind.
//!
//! A new primitive adds its line here, and nothing to the segment.

use crate::facade::{AtomicU32, Words};
use crate::layout::{Kind, Padded, Tag};
use crate::raw::counter::CounterState;
use crate::raw::mutex::MutexState;
use crate::ring::spsc::SpscState;

/// Where an entry's first bytes are, as a reference to state of the type that its kind has.
///
/// # Safety
///
/// The implementor hands out references to memory that stays mapped while it lives, aligned to 128
/// bytes, holds `len` bytes, and is only ever reached through atomics.
pub(crate) unsafe trait Place {
    /// The state at the start of the entry, if it is long enough.
    fn state<S: SharedState>(&self) -> Option<&S>;
}

/// State that may be referred to at any place of a segment: atomics only, any bytes are valid.
///
/// # Safety
///
/// `Self` is `repr(C)` or `repr(transparent)`, made of atomics and padding, aligned to at most 128.
pub(crate) unsafe trait SharedState: Sync {}

// SAFETY: one atomic word.
unsafe impl SharedState for MutexState {}
// SAFETY: one atomic word.
unsafe impl SharedState for CounterState {}
// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SpscState {}
// SAFETY: one atomic word.
unsafe impl SharedState for AtomicU32 {}
// SAFETY: `repr(transparent)` over atomic words.
unsafe impl<const N: usize> SharedState for Words<N> {}
// SAFETY: `repr(C)`, the state and padding, aligned to 128.
unsafe impl<S: SharedState> SharedState for Padded<S> {}

/// Gives back what `dead` holds in an entry of kind `kind`; false if the kind is unknown, or the
/// entry too short to be one.
pub(crate) fn recover(kind: u32, place: &impl Place, dead: Tag) -> bool {
    match Kind::from_number(kind) {
        Some(Kind::Mutex | Kind::RawMutex) => place
            .state::<MutexState>()
            .map(|state| state.recover(dead))
            .is_some(),
        Some(Kind::Counter | Kind::ShardedCounter) => true,
        Some(Kind::Spsc) => place
            .state::<SpscState>()
            .map(|state| state.recover(dead))
            .is_some(),
        None => false,
    }
}

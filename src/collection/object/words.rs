//! Where the words of an object are in this process.

use std::ptr::NonNull;

use crate::algorithm::blocks::entry::view;
use crate::algorithm::blocks::layout::BlocksLayout;
use crate::algorithm::blocks::{Blocks, BlocksState, Shape};
use crate::facade::AtomicU64;
use crate::segment::{Entry, EntryRef, Hold};

/// The words of an object, or of what it has grown to, as long as they are mapped.
pub(super) struct ObjectWords {
    pub(super) state: EntryRef<BlocksState>,
    /// Invariant 1: as many words as the layout of the entry has are mapped there, as long as
    /// `state`.
    ring: NonNull<[AtomicU64]>,
    tables: NonNull<[AtomicU64]>,
    cells: NonNull<[AtomicU64]>,
    pub(super) shape: Shape,
    slots: usize,
    pub(super) payload: usize,
}

// SAFETY: the pointers are to atomics, which may be shared, and stay mapped.
unsafe impl Send for ObjectWords {}
// SAFETY: as above.
unsafe impl Sync for ObjectWords {}

impl Clone for ObjectWords {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            ..*self
        }
    }
}

impl ObjectWords {
    pub(super) fn attach(entry: Entry, shape: Shape) -> Option<Self> {
        let layout = BlocksLayout::of(shape, entry.record.config)?;
        let state: EntryRef<BlocksState> = EntryRef::new(entry)?;
        // INVARIANT: 1, by `view`.
        let region = state.region();
        let words = view(&region, &layout, shape)?;
        let (slots, payload) = (words.slots, words.payload);
        let (ring, tables) = (NonNull::from(words.ring), NonNull::from(words.tables));
        let cells = NonNull::from(words.blocks);
        Some(Self {
            state,
            ring,
            tables,
            cells,
            shape,
            slots,
            payload,
        })
    }

    /// Of an object of a manager: what keeps its room.
    pub(super) fn hold(&self) -> Option<&Hold> {
        self.state.entry().hold.as_ref()
    }

    #[inline(always)]
    pub(super) fn blocks(&self) -> Blocks<'_> {
        Blocks {
            state: self.state.state(),
            shape: self.shape,
            // SAFETY: Invariant 1, and atomics may be shared.
            ring: unsafe { self.ring.as_ref() },
            // SAFETY: as above.
            tables: unsafe { self.tables.as_ref() },
            // SAFETY: as above.
            blocks: unsafe { self.cells.as_ref() },
            slots: self.slots,
            payload: self.payload,
        }
    }
}

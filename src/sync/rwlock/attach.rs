//! Where the parts of a lock are in its entry.

use std::ptr::NonNull;

use bytemuck::Pod;

use super::RwLock;
use crate::algorithm::chunks::{LeaseTable, LeaseTableState};
use crate::algorithm::rwlock::RwLockState;
use crate::algorithm::rwlock::layout::RwLockLayout;
use crate::algorithm::rwlock::{NoHook, entry};
use crate::facade::Futex;
use crate::format::{Kind, PayloadShape};
use crate::payload::{Payload, describe, shape_of};
use crate::segment::{Bytes, Entry, EntryRef, HoldsValue, Placeable};

/// Where the lease table of an array is.
///
/// Invariant 1: mapped as long as the lock beside it, aligned; any bytes are such states.
#[derive(Clone, Copy)]
pub(crate) struct LeaseWords {
    pub(crate) state: NonNull<LeaseTableState>,
    pub(crate) chunks: NonNull<[Futex]>,
}

// SAFETY: the words are atomics, reachable from any thread.
unsafe impl Send for LeaseWords {}
// SAFETY: as above.
unsafe impl Sync for LeaseWords {}

impl LeaseWords {
    /// The words.
    ///
    /// # Safety
    ///
    /// The lock beside the table outlives the result.
    #[inline(always)]
    pub(crate) unsafe fn table<'a>(&self) -> LeaseTable<'a> {
        LeaseTable {
            // SAFETY: Invariant 1, and an atomic may be shared.
            state: unsafe { self.state.as_ref() },
            // SAFETY: as above.
            chunks: unsafe { self.chunks.as_ref() },
        }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Attaches to an entry that begins with a lock's state, has the participants' cells `cells`
    /// bytes from its start, and the data where `locate` says.
    ///
    /// # Safety
    ///
    /// Any bytes are a `T`, and what `locate` gives is inside of the entry and aligned. There is a
    /// lease table if and only if the data is a slice.
    pub(crate) unsafe fn anchored(
        entry: Entry,
        cells: u64,
        locate: impl FnOnce(&EntryRef<RwLockState>) -> Option<(NonNull<T>, Option<LeaseWords>)>,
    ) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let state: EntryRef<RwLockState> = EntryRef::new(entry)?;
        // INVARIANT: 1, by the view.
        let region = state.region();
        let cells = NonNull::from(entry::view(&region, cells, participants, NoHook)?.cells());
        // INVARIANT: 2, and 1 of `LeaseWords`, by the caller's word.
        let (data, leases) = locate(&state)?;
        Some(Self {
            state,
            cells,
            data,
            leases,
        })
    }
}

impl<T: Payload + Pod> HoldsValue for RwLock<T> {
    type Value = T;
    type Boxed = Box<T>;

    fn prepare_boxed(bytes: &Bytes<'_>, first: Box<T>) {
        bytes.write(RwLockLayout::DATA, &*first);
    }
}

impl<T: Payload + Pod> Placeable for RwLock<T> {
    /// The first value.
    type Config = T;

    const KIND: Kind = Kind::RwLock;

    fn payload() -> PayloadShape {
        describe::<T>()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        let layout = RwLockLayout::new(shape_of::<T>()?.size(), participants)?;
        (config == [0; 4]).then_some(layout.len)
    }

    /// Zeroed words are a free lock.
    fn prepare(bytes: &Bytes<'_>, first: T) {
        bytes.write(RwLockLayout::DATA, &first);
    }

    fn attach(entry: Entry) -> Option<Self> {
        let participants = entry.mapping.geometry().participants;
        let layout = RwLockLayout::new(shape_of::<T>()?.size(), participants)?;
        let locate = |state: &EntryRef<RwLockState>| {
            let data = state.payload::<T>(RwLockLayout::DATA)?;
            Some((data, None))
        };
        // SAFETY: `T` is Pod and no slice; the data is where `payload` has checked.
        unsafe { Self::anchored(entry, layout.cells, locate) }
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

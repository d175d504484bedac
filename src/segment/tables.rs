//! The tables of a segment in front of its arena: the registry and the directory, where they are
//! mapped, or in a copy of their bytes.

use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::algorithm::directory::index::Index;
use crate::algorithm::directory::{Directory, RecordState};
use crate::algorithm::mutex::MutexState;
use crate::algorithm::region::SharedState;
use crate::facade::{AtomicU32, AtomicU64};
use crate::format::{Geometry, Padded, index_slots, offsets};
use crate::participant::registry::{self, Registry};

/// A participant's entry of the registry, in the segment: its word, and informative fields.
#[repr(C, align(64))]
pub(crate) struct ParticipantEntry {
    word: AtomicU32,
    pub(crate) pid: AtomicU32,
    pub(crate) start_time: AtomicU64,
    pub(crate) pid_namespace: AtomicU64,
    joined: AtomicU64,
    pub(crate) time_namespace: AtomicU64,
}

impl registry::RegistryEntry for ParticipantEntry {
    #[inline(always)]
    fn word(&self) -> &AtomicU32 {
        &self.word
    }

    fn joined(&self) -> &AtomicU64 {
        &self.joined
    }
}

// SAFETY: `repr(C)`, atomics only, aligned to 64.
unsafe impl SharedState for ParticipantEntry {}

/// The tables, at some place in this process's memory.
///
/// Invariant 1: the bytes before `geometry.arena` are readable from `base` on for `'a`, which is
/// aligned to 128, and are only ever accessed through atomics; `geometry` is a plan (see
/// [`Geometry::decode`]), so all its offsets are inside and aligned.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    base: NonNull<u8>,
    geometry: &'a Geometry,
    bytes: PhantomData<&'a AtomicU64>,
}

impl<'a> Tables<'a> {
    /// # Safety
    ///
    /// Invariant 1 holds.
    #[inline(always)]
    pub(crate) unsafe fn new(base: NonNull<u8>, geometry: &'a Geometry) -> Self {
        let bytes = PhantomData;
        Self {
            base,
            geometry,
            bytes,
        }
    }

    #[inline(always)]
    fn slice<T: SharedState>(self, offset: u64, count: u32) -> &'a [T] {
        let inside = |offset: u64| {
            let end = offset.checked_add((size_of::<T>() as u64).checked_mul(count.into())?)?;
            let fits = end <= self.geometry.arena && offset.is_multiple_of(align_of::<T>() as u64);
            usize::try_from(offset).ok().filter(|_| fits)
        };
        let Some(offset) = inside(offset) else {
            return &[];
        };
        // SAFETY: inside the bytes before the arena (Invariant 1).
        let first = unsafe { self.base.add(offset) }.cast::<T>();
        // SAFETY: bounds and alignment were checked; `SharedState` makes any bytes valid and all
        // access atomic; the bytes stay for 'a (Invariant 1).
        unsafe { std::slice::from_raw_parts(first.as_ptr(), count as usize) }
    }

    #[inline(always)]
    fn state<T: SharedState>(self, offset: usize) -> &'a T {
        // SAFETY: the header's offsets are below the least length of the tables (Invariant 1).
        let place = unsafe { self.base.add(offset) }.cast::<T>();
        // SAFETY: the offsets are multiples of 64 and of the state's alignment; as in `slice`.
        unsafe { place.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn participants(self) -> &'a [ParticipantEntry] {
        self.slice(self.geometry.registry, self.geometry.participants)
    }

    #[inline(always)]
    pub(crate) fn registry(self) -> Registry<'a, ParticipantEntry> {
        let cursor = self.state::<Padded<AtomicU32>>(offsets::CURSOR);
        Registry::new(self.participants(), cursor.as_ref())
    }

    pub(crate) fn reaping_due(self) -> &'a AtomicU64 {
        self.state::<AtomicU64>(offsets::REAPING_DUE)
    }

    pub(crate) fn directory(self) -> Directory<'a> {
        Directory {
            control: self.state::<Padded<MutexState>>(offsets::CONTROL).as_ref(),
            count: self.state::<Padded<AtomicU64>>(offsets::COUNT).as_ref(),
            records: self.slice::<RecordState>(self.geometry.directory, self.geometry.entries),
            index: Index {
                indexed: self.state::<AtomicU32>(offsets::INDEXED),
                slots: self.slice(self.geometry.index, index_slots(self.geometry.entries)),
            },
            arena: self.geometry.arena,
            end: self.geometry.len,
        }
    }
}

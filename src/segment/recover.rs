//! What a dead participant may hold in an entry, and how it is given back, kind by kind.
//!
//! A new primitive adds its line here, and nothing to the segment.

use crate::algorithm::chunks::layout::ArrayLayout;
use crate::algorithm::chunks::{Grid, GridState};
use crate::algorithm::counter::CounterState;
use crate::algorithm::mpmc::layout::SlotsLayout;
use crate::algorithm::mpmc::{Ring, Slots, SlotsState};
use crate::algorithm::mutex::MutexState;
use crate::algorithm::rwlock::layout::RwLockLayout;
use crate::algorithm::rwlock::{Cell, Nothing, RwLock, RwLockState};
use crate::algorithm::snapshot::layout::SnapshotLayout;
use crate::algorithm::snapshot::{Snapshot, SnapshotState};
use crate::algorithm::spsc::SpscState;
use crate::algorithm::work::layout::WorkLayout;
use crate::algorithm::work::{Places, Work, WorkState};
use crate::facade::{AtomicU8, AtomicU32, AtomicU64, Futex, Words};
use crate::format::{Kind, Padded, Record};
use crate::participant::Tag;

/// Where an entry's first bytes are, as a reference to state of the type that its kind has.
///
/// # Safety
///
/// The implementor hands out references to memory that stays mapped while it lives, aligned to 128
/// bytes, holds `len` bytes, and is only ever reached through atomics.
pub(crate) unsafe trait Place {
    /// The state at the start of the entry, if it is long enough.
    fn state<S: SharedState>(&self) -> Option<&S>;

    /// `count` states, `offset` bytes into the entry, if all of them are inside.
    fn states<S: SharedState>(&self, offset: u64, count: u64) -> Option<&[S]>;
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
unsafe impl SharedState for RwLockState {}
// SAFETY: `repr(transparent)` over one atomic word.
unsafe impl SharedState for Cell {}
// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SpscState {}
// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SlotsState {}
// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for WorkState {}
// SAFETY: one atomic byte.
unsafe impl SharedState for AtomicU8 {}
// SAFETY: `repr(C)`, atomic words and padding, aligned to 128.
unsafe impl SharedState for SnapshotState {}
// SAFETY: one atomic word.
unsafe impl SharedState for GridState {}
// SAFETY: one atomic word.
unsafe impl SharedState for Futex {}
// SAFETY: one atomic word.
unsafe impl SharedState for AtomicU32 {}
// SAFETY: one atomic word.
unsafe impl SharedState for AtomicU64 {}
// SAFETY: `repr(transparent)` over atomic words.
unsafe impl<const N: usize> SharedState for Words<N> {}
// SAFETY: `repr(C)`, the state and padding, aligned to 128.
unsafe impl<S: SharedState> SharedState for Padded<S> {}

/// Gives back what `dead` holds in the entry of a record; false if the kind is unknown, or the entry
/// too short to be one.
pub(crate) fn recover(record: &Record, participants: u32, place: &impl Place, dead: Tag) -> bool {
    match Kind::from_number(record.kind) {
        Some(Kind::Mutex | Kind::RawMutex) => place
            .state::<MutexState>()
            .map(|state| state.recover(dead))
            .is_some(),
        Some(Kind::Counter | Kind::ShardedCounter | Kind::AtomicArray) => true,
        Some(Kind::RwLock) => recover_rwlock(record, participants, place, dead).is_some(),
        Some(Kind::Array) => recover_array(record, participants, place, dead).is_some(),
        Some(Kind::Spsc) => place
            .state::<SpscState>()
            .map(|state| state.recover(dead))
            .is_some(),
        Some(Kind::Queue) => recover_queue(record, participants, place, dead).is_some(),
        Some(Kind::WorkQueue) => {
            let [cells, attempts, ..] = record.config;
            let message = (record.payload.size(), record.payload.align());
            WorkLayout::new(cells, attempts, message, participants)
                .and_then(|layout| recover_work(&layout, participants, place, dead))
                .is_some()
        }
        Some(Kind::ByteQueue | Kind::Channel) => WorkLayout::of_bytes(record.config, participants)
            .and_then(|layout| recover_work(&layout, participants, place, dead))
            .is_some(),
        Some(Kind::Snapshot) => recover_snapshot(record, place, dead).is_some(),
        None => false,
    }
}

/// As [`recover`], for a lock of readers and writers.
fn recover_rwlock(record: &Record, participants: u32, place: &impl Place, dead: Tag) -> Option<()> {
    let layout = RwLockLayout::new(record.payload.size(), participants)?;
    let cells = place.states(layout.cells, participants.into())?;
    RwLock::new(place.state::<RwLockState>()?, cells, Nothing).recover(dead);
    Some(())
}

/// As [`recover`], for a snapshot of whatever payload.
fn recover_snapshot(record: &Record, place: &impl Place, dead: Tag) -> Option<()> {
    let layout = SnapshotLayout::new(record.config[0], record.payload.size())?;
    let snapshot = Snapshot {
        state: place.state::<SnapshotState>()?,
        seats: place.states(layout.seats, layout.readers)?,
        stamps: place.states(layout.stamps, layout.count())?,
    };
    snapshot.recover(dead);
    Some(())
}

/// As [`recover`], for an array of whatever payload.
fn recover_array(record: &Record, participants: u32, place: &impl Place, dead: Tag) -> Option<()> {
    let [len, chunk, ..] = record.config;
    let payload = (record.payload.size(), record.payload.align());
    let layout = ArrayLayout::new((len, chunk), payload, participants)?;
    let grid = Grid {
        state: place.states(ArrayLayout::GRID, 1)?.first()?,
        chunks: place.states(layout.chunks, layout.cut.count() as u64)?,
    };
    let cells = place.states(layout.cells, participants.into())?;
    grid.recover(dead);
    RwLock::new(place.state::<RwLockState>()?, cells, grid).recover(dead);
    Some(())
}

/// As [`recover`], for a queue of whatever payload.
fn recover_queue(record: &Record, participants: u32, place: &impl Place, dead: Tag) -> Option<()> {
    let [capacity, ..] = record.config;
    let layout = SlotsLayout::new(
        capacity,
        record.payload.size(),
        record.payload.align(),
        participants,
    )?;
    let ring = Ring {
        state: place.state::<SlotsState>()?,
        cells: place.states(layout.cells, participants.into())?,
        slots: Strided {
            words: place.states(layout.slots, layout.slots_len() / WORD)?,
            stride: usize::try_from(layout.stride / WORD).ok()?,
        },
        geometry: &layout.geometry,
    };
    ring.recover(dead);
    Some(())
}

/// As [`recover`], for a work queue that is laid out so.
fn recover_work(
    layout: &WorkLayout,
    participants: u32,
    place: &impl Place,
    dead: Tag,
) -> Option<()> {
    let work = Work {
        state: place.state::<WorkState>()?,
        counts: place.states(layout.counts, participants.into())?,
        places: Spots {
            slots: place.states(layout.slots, layout.rules.order.capacity())?,
            cells: place.states(layout.cells, layout.cells_len() / WORD)?,
            stride: usize::try_from(layout.stride / WORD).ok()?,
        },
        rules: &layout.rules,
    };
    work.recover(dead);
    Some(())
}

const WORD: u64 = size_of::<AtomicU64>() as u64;

/// The words of slots that lie so many words apart.
#[derive(Clone, Copy)]
struct Strided<'a> {
    words: &'a [AtomicU64],
    stride: usize,
}

impl Slots for Strided<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "as many as are in memory")]
    fn word(&self, index: u64) -> &AtomicU64 {
        &self.words[index as usize * self.stride]
    }
}

/// The slots and cells of a work queue, as words.
#[derive(Clone, Copy)]
struct Spots<'a> {
    slots: &'a [AtomicU64],
    cells: &'a [AtomicU64],
    stride: usize,
}

impl Places for Spots<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "as many as are in memory")]
    fn slot(&self, index: u64) -> &AtomicU64 {
        &self.slots[index as usize]
    }

    fn cell(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride]
    }

    fn not_before(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride + 1]
    }

    fn len(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride + 2]
    }

    fn next(&self, index: u32) -> &AtomicU64 {
        &self.cells[index as usize * self.stride + 3]
    }
}

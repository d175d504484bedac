//! The ledger: numbers that were given out, what is known of each message, and the workers' notes.
//!
//! It has a file of its own, not a segment: what it says must not depend on what is tortured. Of
//! the file only what was touched is in memory.

use std::marker::PhantomData;
use std::num::TryFromIntError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::item::{Id, MOST_LANES};
use super::notes::{Counted, WorkerNotes};
use crate::process::{Broken, Rig};
use crate::torture::sheet::Sheet;

const PAGE: usize = 4096;
/// Where the notes begin.
const NOTES: usize = PAGE;
/// What is known of the messages of a lane takes so many bytes.
const LANE_BYTES: usize = 1 << 21;

/// The beginning of the file.
#[repr(C)]
struct Head {
    slots: AtomicU64,
    round: AtomicU64,
    /// Not 0 when workers shall leave.
    stop: AtomicU64,
}

/// A lane's next number; on cache lines of its own, since each has another writer.
#[repr(C, align(64))]
struct Lane {
    next: AtomicU64,
}

/// How lanes are numbered, which are sequences of messages in a line: one of each slot's worker;
/// or, in the first `single` lines, only one, of the worker that has the line's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbering {
    single: usize,
    lines: usize,
    pub(crate) slots: usize,
}

impl Numbering {
    pub(crate) fn lanes(self) -> usize {
        self.single + (self.lines - self.single) * self.slots
    }

    /// The lane of the worker in `slot`, in a line.
    pub(crate) fn lane(self, line: usize, slot: usize) -> usize {
        match line.checked_sub(self.single) {
            None => line,
            Some(queue) => self.single + queue * self.slots + slot,
        }
    }

    pub(crate) fn line_of(self, lane: usize) -> usize {
        match lane.checked_sub(self.single) {
            None => lane,
            Some(lane) => self.single + lane / self.slots,
        }
    }
}

/// The file.
///
/// Invariant 1: it holds a `Head`, the notes of `slots` workers at `NOTES`, and after them the
/// lanes and the bytes of messages that `numbering` has.
pub(crate) struct Ledger<N> {
    sheet: Sheet,
    numbering: Numbering,
    notes: PhantomData<N>,
}

impl<N: WorkerNotes> Ledger<N> {
    fn numbering_of(slots: usize) -> Numbering {
        Numbering {
            single: N::SINGLE,
            lines: N::LINES,
            slots,
        }
    }

    /// An empty ledger for so many slots.
    pub(crate) fn create(slots: usize) -> Rig<Self> {
        let numbering = Self::numbering_of(slots);
        if numbering.lanes() > MOST_LANES {
            return Err(Broken(format!("{slots} workers have too many lanes")));
        }
        // INVARIANT: 1, by the length.
        let sheet = Sheet::create(Self::len(numbering))?;
        let ledger = Self {
            sheet,
            numbering,
            notes: PhantomData,
        };
        ledger.head().slots.store(slots as u64, Ordering::Relaxed);
        Ok(ledger)
    }

    /// The ledger in the file at `path`.
    pub(crate) fn open(path: Option<&str>) -> Rig<Self> {
        let path = path.ok_or_else(|| Broken("a worker was given no ledger".into()))?;
        let mut numbering = Self::numbering_of(0);
        let sheet = Sheet::open(path, |slots| {
            numbering.slots = usize::try_from(slots)?;
            Ok(Self::len(numbering))
        })?;
        // INVARIANT: 1, as its maker wrote.
        Ok(Self {
            sheet,
            numbering,
            notes: PhantomData,
        })
    }

    fn lanes_at(numbering: Numbering) -> usize {
        (NOTES + numbering.slots * size_of::<N>()).next_multiple_of(PAGE)
    }

    fn items_at(numbering: Numbering) -> usize {
        let lanes = numbering.lanes() * size_of::<Lane>();
        (Self::lanes_at(numbering) + lanes).next_multiple_of(PAGE)
    }

    fn len(numbering: Numbering) -> usize {
        Self::items_at(numbering) + numbering.lanes() * LANE_BYTES
    }

    fn head(&self) -> &Head {
        // SAFETY: Invariant 1.
        unsafe { self.sheet.at(0) }
    }

    pub(crate) fn numbering(&self) -> Numbering {
        self.numbering
    }

    /// The descriptor, for workers to find it at this process.
    pub(crate) fn fd(&self) -> i32 {
        self.sheet.fd()
    }

    /// # Panics
    ///
    /// If there is no such slot.
    pub(crate) fn notes(&self, slot: usize) -> &N {
        assert!(slot < self.numbering.slots, "no slot {slot}");
        // SAFETY: Invariant 1; notes consist of atomics.
        unsafe { self.sheet.at(NOTES + slot * size_of::<N>()) }
    }

    pub(crate) fn all_notes(&self) -> impl Iterator<Item = &N> {
        (0..self.numbering.slots).map(|slot| self.notes(slot))
    }

    /// What all workers have counted at a line.
    pub(crate) fn counted(&self, line: usize) -> Counted {
        self.all_notes().map(|notes| notes.counted(line)).sum()
    }

    fn lane(&self, lane: usize) -> &Lane {
        assert!(lane < self.numbering.lanes(), "no lane {lane}");
        // SAFETY: Invariant 1.
        unsafe {
            self.sheet
                .at(Self::lanes_at(self.numbering) + lane * size_of::<Lane>())
        }
    }

    /// The `index`-th word of what is known of a lane's messages.
    ///
    /// # Safety
    ///
    /// `W` is an atomic integer.
    ///
    /// # Panics
    ///
    /// If there is no such word.
    pub(crate) unsafe fn word<W>(&self, lane: usize, index: usize) -> &W {
        let at = index * size_of::<W>();
        assert!(
            lane < self.numbering.lanes() && at < LANE_BYTES,
            "no word {index} of lane {lane}"
        );
        // SAFETY: Invariant 1, and an atomic by the caller's word.
        unsafe {
            self.sheet
                .at(Self::items_at(self.numbering) + lane * LANE_BYTES + at)
        }
    }

    pub(crate) fn round(&self) -> u8 {
        self.head().round.load(Ordering::Relaxed).to_le_bytes()[0]
    }

    pub(crate) fn is_over(&self) -> bool {
        self.head().stop.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn dismiss(&self) {
        self.head().stop.store(1, Ordering::Relaxed);
    }

    /// The number that the lane's next message gets.
    pub(crate) fn next(&self, lane: usize) -> u32 {
        // ORDERING: none is needed of it; the lane's owner got it in order from the one before.
        let next = self.lane(lane).next.load(Ordering::Relaxed);
        u32::try_from(next).unwrap_or(u32::MAX).max(1)
    }

    /// To be called by the lane's owner.
    pub(crate) fn set_next(&self, lane: usize, next: u32) {
        self.lane(lane).next.store(next.into(), Ordering::Relaxed);
    }

    /// The id of the next message of the worker in `slot`, in a line.
    pub(crate) fn next_id(&self, line: usize, slot: usize) -> Result<Id, TryFromIntError> {
        let lane = self.numbering.lane(line, slot);
        Ok(Id {
            round: self.round(),
            lane: u16::try_from(lane)?,
            number: self.next(lane),
        })
    }

    /// Whether a message with such an id was sent in this round.
    pub(crate) fn was_sent(&self, id: Id) -> bool {
        let lane = usize::from(id.lane);
        id.round == self.round()
            && lane < self.numbering.lanes()
            && (1..self.next(lane)).contains(&id.number)
    }

    /// Begins anew: all numbers are free again, nothing is known of any. No other is using it.
    pub(crate) fn turn_over(&self) -> Rig {
        // The counts of the notes stay; lanes and words become zeros.
        self.sheet.clear_from(Self::lanes_at(self.numbering))?;
        let head = self.head();
        head.round.fetch_add(1, Ordering::Relaxed);
        head.stop.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// All numbers that were given out in this round.
    pub(crate) fn given_out(&self) -> u64 {
        let lanes = 0..self.numbering.lanes();
        lanes.map(|lane| u64::from(self.next(lane) - 1)).sum()
    }
}

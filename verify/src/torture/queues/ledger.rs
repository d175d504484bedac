//! The ledger: numbers that were given out, a bit for each that arrived, and the workers' desks.
//!
//! It has a file of its own, not a segment: what it says must not depend on what is tortured. Of
//! the file only what was touched is in memory: a bit for each item of a round.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::Broken;
use crate::torture::sheet::Sheet;

use super::desk::Desk;
use super::item::{Id, MOST_LANES};
use super::yard::Numbering;

/// How many items a lane may have in a round; their numbers begin with 1.
pub(crate) const LANE_ITEMS: u32 = 1 << 24;
const LANE_BYTES: usize = LANE_ITEMS as usize / 8;
const PAGE: usize = 4096;

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
pub(crate) struct Lane {
    next: AtomicU64,
}

/// What marking an item as arrived found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    First,
    Again,
    /// Nobody was given such a number, in this round.
    Unknown,
}

/// The file.
///
/// Invariant 1: it holds a `Head`, `slots` desks at `DESKS`, and after them the lanes and the bits that
/// `numbering` has.
pub(crate) struct Ledger {
    sheet: Sheet,
    numbering: Numbering,
}

const DESKS: usize = PAGE;

impl Ledger {
    /// An empty ledger for so many slots.
    pub(crate) fn create(slots: usize) -> Result<Self, Broken> {
        let numbering = Numbering::new(slots);
        if numbering.lanes() > MOST_LANES {
            return Err(Broken(format!("{slots} workers have too many lanes")));
        }
        // INVARIANT: 1, by the length.
        let sheet = Sheet::create(Self::len(numbering))?;
        let ledger = Self { sheet, numbering };
        ledger.head().slots.store(slots as u64, Ordering::Relaxed);
        Ok(ledger)
    }

    /// The ledger in the file at `path`.
    pub(crate) fn open(path: &str) -> Result<Self, Broken> {
        let mut numbering = Numbering::new(0);
        let sheet = Sheet::open(path, |slots| {
            numbering = Numbering::new(usize::try_from(slots)?);
            Ok(Self::len(numbering))
        })?;
        // INVARIANT: 1, as whoever made it wrote.
        Ok(Self { sheet, numbering })
    }

    fn len(numbering: Numbering) -> usize {
        Self::bits_at(numbering) + numbering.lanes() * LANE_BYTES
    }

    fn lanes_at(numbering: Numbering) -> usize {
        (DESKS + numbering.slots * size_of::<Desk>()).next_multiple_of(PAGE)
    }

    fn bits_at(numbering: Numbering) -> usize {
        let lanes = numbering.lanes() * size_of::<Lane>();
        (Self::lanes_at(numbering) + lanes).next_multiple_of(PAGE)
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
    pub(crate) fn desk(&self, slot: usize) -> &Desk {
        assert!(slot < self.numbering.slots, "no slot {slot}");
        // SAFETY: Invariant 1.
        unsafe { self.sheet.at(DESKS + slot * size_of::<Desk>()) }
    }

    pub(crate) fn desks(&self) -> impl Iterator<Item = &Desk> {
        (0..self.numbering.slots).map(|slot| self.desk(slot))
    }

    fn lane(&self, lane: usize) -> &Lane {
        assert!(lane < self.numbering.lanes(), "no lane {lane}");
        // SAFETY: Invariant 1.
        unsafe {
            self.sheet
                .at(Self::lanes_at(self.numbering) + lane * size_of::<Lane>())
        }
    }

    fn bits(&self, lane: usize, word: usize) -> &AtomicU64 {
        assert!(
            lane < self.numbering.lanes() && word < LANE_BYTES / 8,
            "no word {word} of lane {lane}"
        );
        // SAFETY: Invariant 1.
        unsafe {
            self.sheet
                .at(Self::bits_at(self.numbering) + lane * LANE_BYTES + word * 8)
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

    /// The number that the lane's next item gets.
    pub(crate) fn next(&self, lane: usize) -> u32 {
        // ORDERING: none is needed of it; who has the lane got it in order from whoever had it.
        let next = self.lane(lane).next.load(Ordering::Relaxed);
        u32::try_from(next).unwrap_or(LANE_ITEMS).max(1)
    }

    /// To be called by whoever has the lane.
    pub(crate) fn set_next(&self, lane: usize, next: u32) {
        self.lane(lane).next.store(next.into(), Ordering::Relaxed);
    }

    /// Marks an item as arrived.
    pub(crate) fn arrive(&self, id: Id) -> Arrival {
        let lane = usize::from(id.lane);
        if id.round != self.round()
            || lane >= self.numbering.lanes()
            || id.number == 0
            || id.number >= self.next(lane)
        {
            return Arrival::Unknown;
        }
        let (word, bit) = (id.number as usize / 64, 1 << (id.number % 64));
        let before = self.bits(lane, word).fetch_or(bit, Ordering::Relaxed);
        if before & bit == 0 {
            Arrival::First
        } else {
            Arrival::Again
        }
    }

    /// The items of a lane that have a number and have not arrived.
    pub(crate) fn missing(&self, lane: usize) -> Vec<u32> {
        let next = self.next(lane);
        let mut missing = Vec::new();
        for word in 0..(next as usize).div_ceil(64) {
            let bits = self.bits(lane, word).load(Ordering::Relaxed);
            if bits == u64::MAX {
                continue;
            }
            let first = u32::try_from(word * 64).unwrap_or(LANE_ITEMS);
            let numbers = (first..first + 64).filter(|number| (1..next).contains(number));
            missing.extend(numbers.filter(|number| bits & 1 << (number % 64) == 0));
        }
        missing
    }

    /// Begins anew: all numbers are free again, nothing has arrived. Nobody else is using it.
    pub(crate) fn turn_over(&self) -> Result<(), Broken> {
        // The counts of the desks stay; lanes and bits become zeros.
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

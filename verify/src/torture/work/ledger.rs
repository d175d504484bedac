//! The ledger: numbers that were given out, what is known of each message, and the workers' desks.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use super::desk::{Deliveries, Desk};
use super::yard::Numbering;
use crate::process::Broken;
use crate::torture::queues::item::{Id, MOST_LANES};
use crate::torture::sheet::Sheet;

/// How many messages a lane may have in a round; their numbers begin with 1.
pub(crate) const LANE_ITEMS: u32 = 1 << 20;
const LANE_BYTES: usize = LANE_ITEMS as usize * 2;
const PAGE: usize = 4096;
const DESKS: usize = PAGE;

/// The low bits of what is known of a message: which was the last delivery that was noted.
const ATTEMPTS: u16 = 0x7f;
/// Somebody was about to reject it.
const REJECTED: u16 = 1 << 8;
/// It was acknowledged, as a message or as a dead letter.
const DONE: u16 = 1 << 9;

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

/// The file.
///
/// Invariant 1: it holds a `Head`, `slots` desks at `DESKS`, and after them the lanes and the words
/// of messages that `numbering` has.
pub(crate) struct Ledger {
    sheet: Sheet,
    numbering: Numbering,
}

impl Ledger {
    /// An empty ledger for so many slots.
    pub(crate) fn create(slots: usize) -> Result<Self, Broken> {
        let numbering = Numbering { slots };
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
        let mut numbering = Numbering { slots: 0 };
        let sheet = Sheet::open(path, |slots| {
            numbering.slots = usize::try_from(slots)?;
            Ok(Self::len(numbering))
        })?;
        // INVARIANT: 1, as whoever made it wrote.
        Ok(Self { sheet, numbering })
    }

    fn lanes_at(numbering: Numbering) -> usize {
        (DESKS + numbering.slots * size_of::<Desk>()).next_multiple_of(PAGE)
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

    fn item(&self, lane: usize, number: u32) -> &AtomicU16 {
        assert!(
            lane < self.numbering.lanes() && number < LANE_ITEMS,
            "no item {number} of lane {lane}"
        );
        let at = lane * LANE_BYTES + number as usize * 2;
        // SAFETY: Invariant 1.
        unsafe { self.sheet.at(Self::items_at(self.numbering) + at) }
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
        let next = self.lane(lane).next.load(Ordering::Relaxed);
        u32::try_from(next).unwrap_or(LANE_ITEMS).max(1)
    }

    /// To be called by whoever has the lane.
    pub(crate) fn set_next(&self, lane: usize, next: u32) {
        self.lane(lane).next.store(next.into(), Ordering::Relaxed);
    }

    /// What is known of a message; an error if nobody was given such a number in this round.
    fn known(&self, id: Id) -> Result<&AtomicU16, String> {
        let lane = usize::from(id.lane);
        let is_one = id.round == self.round()
            && lane < self.numbering.lanes()
            && (1..self.next(lane)).contains(&id.number);
        if !is_one {
            return Err(format!("{id:?} came, and nobody sent it"));
        }
        Ok(self.item(lane, id.number))
    }

    /// Notes a delivery. Returns how many before it were not noted, because whoever got them has died.
    pub(crate) fn deliver(&self, id: Id, attempt: u8) -> Result<u64, String> {
        let known = self.known(id)?;
        let before = known.load(Ordering::Relaxed);
        if before & DONE != 0 {
            return Err(format!("{id} was done, and came again"));
        }
        let last = before & ATTEMPTS;
        let Some(unnoted) = u16::from(attempt).checked_sub(last + 1) else {
            return Err(format!(
                "{id} came as delivery {attempt}, after delivery {last}"
            ));
        };
        let after = before - last + u16::from(attempt);
        // Whoever else has it at the same time notes something else meanwhile.
        if known
            .compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            return Err(format!("{id} was delivered to two at once"));
        }
        Ok(unnoted.into())
    }

    /// Notes that a message may become a dead letter before its last delivery.
    pub(crate) fn reject(&self, id: Id) -> Result<(), String> {
        self.known(id)?.fetch_or(REJECTED, Ordering::Relaxed);
        Ok(())
    }

    /// Notes a dead letter in somebody's hands. Returns how many deliveries were not noted, because
    /// whoever got them has died.
    pub(crate) fn bury(&self, id: Id, most: u8) -> Result<u64, String> {
        let known = self.known(id)?.load(Ordering::Relaxed);
        if known & DONE != 0 {
            return Err(format!("{id} was done, and is a dead letter"));
        }
        if known & REJECTED != 0 {
            return Ok(0);
        }
        Ok(u64::from(most).saturating_sub((known & ATTEMPTS).into()))
    }

    /// Notes that a message is done.
    pub(crate) fn end(&self, id: Id) -> Result<(), String> {
        let before = self.known(id)?.fetch_or(DONE, Ordering::Relaxed);
        if before & DONE != 0 {
            return Err(format!("{id} was done twice"));
        }
        Ok(())
    }

    /// The messages of a lane that have a number and are not known to be done.
    pub(crate) fn missing(&self, lane: usize) -> Vec<u32> {
        let is_missing =
            |number: &u32| self.item(lane, *number).load(Ordering::Relaxed) & DONE == 0;
        (1..self.next(lane)).filter(is_missing).collect()
    }

    /// Begins anew: all numbers are free again. Nobody else is using it.
    pub(crate) fn turn_over(&self) -> Result<(), Broken> {
        // The counts of the desks stay; lanes and messages become zeros.
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

    pub(crate) fn deliveries(&self) -> Deliveries {
        self.desks().map(Desk::deliveries).sum()
    }
}

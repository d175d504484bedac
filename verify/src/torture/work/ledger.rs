//! What is known of each message: which delivery was the last, and whether it is done.

use std::sync::atomic::{AtomicU16, Ordering};

use super::notes::{Deliveries, TaskNotes};
use crate::torture::traffic::Ledger;
use crate::torture::traffic::item::Id;

/// How many messages a lane may have in a round; their numbers begin with 1.
pub(crate) const LANE_ITEMS: u32 = 1 << 20;

/// The low bits of what is known of a message: which was the last delivery that was noted.
const ATTEMPTS: u16 = 0x7f;
/// It was about to be rejected.
const REJECTED: u16 = 1 << 8;
/// It was acknowledged, as a message or as a dead letter.
const DONE: u16 = 1 << 9;

impl Ledger<TaskNotes> {
    fn item(&self, lane: usize, number: u32) -> &AtomicU16 {
        // SAFETY: an atomic.
        unsafe { self.word(lane, number as usize) }
    }

    /// What is known of a message; an error if no sender was given such a number in this round.
    fn known(&self, id: Id) -> Result<&AtomicU16, String> {
        if !self.was_sent(id) {
            return Err(format!("{id:?} came, and no process sent it"));
        }
        Ok(self.item(id.lane.into(), id.number))
    }

    /// Notes a delivery. Returns how many before it were not noted, because their receivers have
    /// died.
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
        // Another that has it at the same time notes something else meanwhile.
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

    /// Notes a dead letter that was taken. Returns how many deliveries were not noted, because
    /// their receivers have died.
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

    pub(crate) fn deliveries(&self) -> Deliveries {
        self.all_notes().map(TaskNotes::deliveries).sum()
    }
}

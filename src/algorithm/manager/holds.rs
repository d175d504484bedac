//! Which participants hold an object, and the recovery of what a dead one held there.
//!
//! # State
//!
//! The cells of [`manager`](super).
//!
//! # Protocol
//!
//! That of [`manager`](super).
//!
//! # Crash
//!
//! That of [`manager`](super).
//!
//! # Ordering
//!
//! (G1) and (G2) of [`manager`](super).

use super::{FREE, FREEING, HoldError, Manager, ObjectRef, ObjectWord};
use crate::facade::{AtomicU64, Ordering, barrier_after_rmw, fence, mutation, ordering};
use crate::format::Record;
use crate::participant::{Liveness, Tag, is_still_registered};

/// One more in a cell.
const ONE: u64 = 1 << 29;
/// The most that a cell counts.
const MOST: u64 = (1 << 35) - 1;

/// The tag in a cell.
#[expect(clippy::cast_possible_truncation, reason = "masked")]
fn owner(cell: u64) -> u32 {
    cell as u32 & Tag::MASK
}

/// How often the participant of a cell holds the object.
fn count(cell: u64) -> u64 {
    cell / ONE
}

/// Calls `read` if the object whose state this is is live, and returns what it returns if the
/// object is still live then; `None` if it was removed, or has moved. No hold is needed to read
/// words of the object: what was read of another one's does not count.
#[cfg_attr(
    not(any(loom, feature = "process")),
    expect(dead_code, reason = "only objects that grow are read so")
)]
#[inline(always)]
pub(crate) fn read_live<R>(
    state: &AtomicU64,
    object: ObjectRef,
    read: impl FnOnce() -> R,
) -> Option<R> {
    // ORDERING: Acquire; (G3).
    let before = ObjectWord(state.load(Ordering::Acquire));
    if before.first_attempt() != object.word {
        return None;
    }
    let result = read();
    // ORDERING: Acquire; (G5).
    if !mutation(898) {
        fence(Ordering::Acquire);
    }
    // ORDERING: Relaxed; the fence is before it.
    let after = ObjectWord(state.load(Ordering::Relaxed));
    let is_live = after.first_attempt() == object.word || mutation(894) || mutation(905);
    is_live.then_some(result)
}

impl<'a> Manager<'a> {
    fn cells_of(self, index: u32) -> &'a [AtomicU64] {
        let participants = self.cells.len() / self.records.len().max(1);
        let from = index as usize * participants;
        self.cells.get(from..from + participants).unwrap_or(&[])
    }

    fn cell(self, index: u32, tag: Tag) -> Option<&'a AtomicU64> {
        self.cells_of(index).get(tag.index() as usize)
    }

    /// Adds one to the cell of `me`, which another participant of its index has no longer.
    fn add(self, index: u32, me: Tag, is_others: impl Fn(Tag) -> bool) -> Result<(), HoldError> {
        let cell = self.cell(index, me).ok_or(HoldError::MembershipLost)?;
        // ORDERING: Acquire; what the index's owner before did.
        let mut seen = cell.load(Ordering::Acquire);
        loop {
            let mine = if owner(seen) == me.bits() {
                seen
            } else if Tag::from_bits(owner(seen)).is_some_and(&is_others) {
                return Err(HoldError::MembershipLost);
            } else {
                u64::from(me.bits())
            };
            if count(mine) == MOST {
                return Err(HoldError::TooMany);
            }
            // ORDERING: Release; a collector that reads the tag sees that its owner has joined.
            match cell.compare_exchange(seen, mine + ONE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// Counts `me` once more in its cell, and asks the registry.
    pub(super) fn count_in(
        self,
        index: u32,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<(), HoldError> {
        self.add(index, me, |other| {
            other.index() == me.index() && !peers.is_unregistered(other)
        })?;
        if !is_still_registered(peers, 871) {
            self.release(index, me);
            return Err(HoldError::MembershipLost);
        }
        Ok(())
    }

    /// Holds a live object for `me` once more.
    pub(crate) fn hold(
        self,
        object: ObjectRef,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<(), HoldError> {
        let index = object.index;
        if mutation(872) {
            // A seeded bug: the look at the state comes before the cell.
            if self.is_removed(object) {
                return Err(HoldError::Removed);
            }
            return self.count_in(index, me, peers);
        }
        self.count_in(index, me, peers)?;
        // (G1)
        if !mutation(873) {
            barrier_after_rmw();
        }
        if self.is_removed(object) {
            if !mutation(874) {
                self.release(index, me);
            }
            return Err(HoldError::Removed);
        }
        Ok(())
    }

    /// Holds the object of a record for `me` once less.
    pub(crate) fn release(self, index: u32, me: Tag) {
        let Some(cell) = self.cell(index, me) else {
            return;
        };
        // ORDERING: Relaxed; one's own word.
        let mut seen = cell.load(Ordering::Relaxed);
        // Otherwise its membership was lost, and others have cleared its cell.
        while owner(seen) == me.bits() && count(seen) > 0 {
            // ORDERING: Release; (G2).
            let release = ordering(Ordering::Release, 875);
            match cell.compare_exchange(seen, seen - ONE, release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether a registered participant holds the object of a record.
    pub(super) fn is_held(self, index: u32, peers: &impl Liveness) -> bool {
        self.cells_of(index).iter().any(|cell| {
            // ORDERING: Acquire; (G2).
            let seen = cell.load(ordering(Ordering::Acquire, 876));
            let tag = Tag::in_word(owner(seen), peers.participants());
            count(seen) > 0 && tag.is_some_and(|tag| peers.is_marked_live(tag))
        })
    }

    /// Calls `recover` with the record of each object that `dead` holds, which `me` holds
    /// meanwhile, and clears the cells of `dead`. Returns false if `recover` does for one.
    pub(crate) fn visit(
        self,
        dead: Tag,
        me: Option<Tag>,
        mut recover: impl FnMut(&Record) -> bool,
    ) -> bool {
        let mut all = true;
        for index in 0..self.count() {
            let Some(cell) = self.cell(index, dead) else {
                continue;
            };
            // ORDERING: Acquire; what the dead one did in the object.
            let mut seen = cell.load(Ordering::Acquire);
            if owner(seen) != dead.bits() {
                continue;
            }
            if let Some(me) = me
                && count(seen) > 0
            {
                if mutation(899) {
                    // A seeded bug: the hold is cleared before what the dead one held is recovered.
                    cell.store(0, Ordering::Relaxed);
                }
                all &= self.visit_one(index, dead, me, &mut recover);
            }
            while owner(seen) == dead.bits() && !mutation(877) {
                // ORDERING: Release; (G2): a helper passes on what it saw.
                match cell.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => break,
                    Err(now) => seen = now,
                }
            }
        }
        all
    }

    fn visit_one(
        self,
        index: u32,
        dead: Tag,
        me: Tag,
        recover: &mut impl FnMut(&Record) -> bool,
    ) -> bool {
        let is_own = me == dead || mutation(878);
        if !is_own && self.add(index, me, |_| false).is_err() {
            return true;
        }
        // (G1)
        barrier_after_rmw();
        let state = self.word(index).state();
        let recovered = match self.record_if(state != FREE && state != FREEING, index) {
            Some(record) => recover(&record),
            None => true,
        };
        if !is_own {
            self.release(index, me);
        }
        recovered
    }

    fn record_if(self, is_object: bool, index: u32) -> Option<Record> {
        is_object.then(|| self.record(index).ok()).flatten()
    }
}

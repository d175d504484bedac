//! Creating objects: what the owner of the mutex does.
//!
//! # State
//!
//! That of [`manager`](super).
//!
//! # Protocol
//!
//! That of [`manager`](super).
//!
//! # Crash
//!
//! That of [`manager`](super). A creator that is taken for dead while it prepares bytes may
//! overwrite what the next creator makes there, as in the directory. Its own commit is taken back:
//! it asks after it whether the mutex is still its own.
//!
//! # Ordering
//!
//! (G1) to (G4) of [`manager`](super).

use super::{
    FREE, FREEING, HeldObject, HoldError, LIVE, Manager, ObjectRef, ObjectWord, REMOVED, hash_of,
};
use crate::algorithm::mutex::MutexError;
use crate::facade::{Deadline, Ordering, barrier_after_rmw, fence, mutation};
use crate::format::{Name, Record};
use crate::participant::{Liveness, Tag};

/// Why no object was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotMade {
    /// There is a live object of that name, of this kind.
    Exists {
        kind: u32,
    },
    /// There is no free record.
    RecordsFull,
    /// There are not as many free bytes in a row.
    Full {
        free: u64,
    },
    /// A record is garbage, or the mutex cannot be acquired, or its own object not be held.
    Hold(HoldError),
    Mutex(MutexError),
}

impl From<HoldError> for NotMade {
    fn from(error: HoldError) -> Self {
        Self::Hold(error)
    }
}

/// The memory of a process in which the places of objects are put in order.
pub(crate) trait ExtentBuffer {
    fn clear(&mut self);
    /// Adds an object's bytes, from one offset to another.
    fn add(&mut self, extent: (u64, u64));
    /// Sorts what was added.
    fn sorted(&mut self) -> &[(u64, u64)];
}

/// What the records leave free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// The bytes of all free blocks, and of the most in a row.
    pub(crate) free: u64,
    pub(crate) longest: u64,
    /// The number of free records.
    pub(crate) records: u32,
}

impl Manager<'_> {
    /// Creates the object that `record` describes, except for its offset, and returns it, held.
    /// `prepare` writes its bytes, at the offset that it is given, before it can be found.
    pub(crate) fn create(
        self,
        record: Record,
        me: Tag,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
        prepare: impl FnOnce(u64),
    ) -> Result<HeldObject, NotMade> {
        self.locked(me, peers, |this| {
            this.create_locked(record, me, peers, used, prepare)
        })
    }

    /// Returns what is free, after what no participant holds was collected.
    pub(crate) fn room(
        self,
        me: Tag,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
    ) -> Result<Room, NotMade> {
        self.locked(me, peers, |this| {
            this.collect(peers);
            let mut room = Room::default();
            let records = (0..this.count()).filter(|index| this.word(*index).state() == FREE);
            room.records = u32::try_from(records.count()).unwrap_or(u32::MAX);
            this.gaps(used, |_, free| {
                room.free += free;
                room.longest = room.longest.max(free);
                false
            })?;
            Ok(room)
        })
    }

    /// Calls `body` as the owner of the mutex. A dead owner has left nothing to repair but what
    /// each owner does first: to collect.
    fn locked<R>(
        self,
        me: Tag,
        peers: &impl Liveness,
        body: impl FnOnce(Self) -> Result<R, NotMade>,
    ) -> Result<R, NotMade> {
        let lock = self.state.lock();
        let locked = lock.lock(me, peers, &Deadline::never());
        let mut token = locked.map_err(NotMade::Mutex)?;
        lock.mark_consistent(&mut token);
        let result = body(self);
        match lock.unlock_if_held(token, false) {
            true => result,
            false => Err(NotMade::Mutex(MutexError::MembershipLost)),
        }
    }

    fn create_locked(
        self,
        mut record: Record,
        me: Tag,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
        prepare: impl FnOnce(u64),
    ) -> Result<HeldObject, NotMade> {
        if let Some(there) = self.named(record.name)? {
            return Err(NotMade::Exists { kind: there.kind });
        }
        self.collect(peers);
        let mut free = (0..self.count()).filter(|index| self.word(*index).state() == FREE);
        let index = free.next().ok_or(NotMade::RecordsFull)?;
        record.offset = self.place(record.len, used)?;
        let (state, hash) = self.head(index).ok_or(NotMade::RecordsFull)?;
        let before = self.word(index);
        self.count_in(index, me, peers)?;
        prepare(record.offset);
        let lost = NotMade::Mutex(MutexError::MembershipLost);
        let give_up = |error| {
            self.release(index, me);
            Err(error)
        };
        if !self.state.lock().is_of(me) {
            return give_up(lost);
        }
        let write = || self.records[index as usize].write(&record.encode());
        if !mutation(886) {
            write();
        }
        // ORDERING: Relaxed; (G3) publishes it.
        hash.store(hash_of(record.name), Ordering::Relaxed);
        let word = before.next();
        // ORDERING: Release; (G3). No seeded bug weakens it: the barrier behind it publishes, too.
        if state
            .compare_exchange(before.0, word.0, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            return give_up(lost);
        }
        let object = ObjectRef { index, word };
        barrier_after_rmw();
        if mutation(886) {
            write();
        }
        if !self.state.lock().is_of(me) {
            self.remove(object);
            return give_up(lost);
        }
        Ok(HeldObject { object, record })
    }

    /// The record of the live object of that name. For the owner of the mutex.
    fn named(self, name: Name) -> Result<Option<Record>, HoldError> {
        for object in self.objects(Some(hash_of(name))) {
            let record = self.record(object.index)?;
            if record.name == name && !mutation(880) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Frees the records of removed objects that no participant holds. For the owner of the mutex.
    fn collect(self, peers: &impl Liveness) {
        for index in 0..self.count() {
            let Some((state, _)) = self.head(index) else {
                return;
            };
            let seen = self.word(index);
            let change = |from: ObjectWord, to: u64| {
                // ORDERING: Release; (G4). Acquire; what a former collector did.
                let (both, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
                let to = from.with(to);
                state
                    .compare_exchange(from.0, to.0, both, relaxed)
                    .is_ok()
                    .then_some(to)
            };
            let freeing = match seen.state() {
                REMOVED => change(seen, FREEING),
                FREEING if !mutation(881) => Some(seen),
                LIVE if mutation(882) => change(seen, FREEING),
                _ => None,
            };
            let Some(freeing) = freeing else { continue };
            // (G1)
            if !mutation(883) {
                fence(Ordering::SeqCst);
            }
            let is_held = self.is_held(index, peers) && !mutation(884);
            change(freeing, if is_held { REMOVED } else { FREE });
        }
    }

    /// Calls `found` with the offset and the length of the free bytes between objects, in their
    /// order, until it returns true; returns the offset of those. For the owner of the mutex.
    fn gaps(
        self,
        used: &mut impl ExtentBuffer,
        mut found: impl FnMut(u64, u64) -> bool,
    ) -> Result<Option<u64>, NotMade> {
        used.clear();
        for index in 0..self.count() {
            if self.word(index).state() != FREE && !mutation(885) {
                let record = self.record(index)?;
                used.add((record.offset, record.end().unwrap_or(u64::MAX)));
            }
        }
        let all = self.pool + self.blocks * self.block;
        let mut at = self.pool;
        for (from, to) in used.sorted().iter().copied().chain([(all, all)]) {
            if from > at && found(at, from - at) {
                return Ok(Some(at));
            }
            let blocks = to.saturating_sub(self.pool).div_ceil(self.block);
            at = at.max(self.pool + blocks * self.block);
        }
        Ok(None)
    }

    /// Returns the offset of the first free bytes of that length.
    fn place(self, len: u64, used: &mut impl ExtentBuffer) -> Result<u64, NotMade> {
        let mut longest = 0;
        let place = self.gaps(used, |_, free| {
            longest = longest.max(free);
            free >= len
        })?;
        place.ok_or(NotMade::Full { free: longest })
    }
}

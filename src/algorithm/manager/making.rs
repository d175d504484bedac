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

use super::look_up::Wanted;
use super::{
    FREE, FREEING, HeldObject, HoldError, LIVE, MOVED, Manager, ObjectNumber, ObjectRef,
    ObjectWord, REMOVED, hash_of,
};
use crate::algorithm::mutex::MutexError;
use crate::facade::{AtomicU64, Deadline, Ordering, barrier_after_rmw, fence, mutation};
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
    /// Its bytes could not be prepared.
    Unprepared,
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
        self.locked(peers, |this| {
            this.create_locked(record, me, peers, used, prepare)
        })
    }

    /// Returns what is free, after what no participant holds was collected.
    pub(crate) fn room(
        self,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
    ) -> Result<Room, NotMade> {
        self.locked(peers, |this| {
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
    pub(super) fn locked<R>(
        self,
        peers: &impl Liveness,
        body: impl FnOnce(Self) -> Result<R, NotMade>,
    ) -> Result<R, NotMade> {
        let lock = self.state.lock();
        let locked = lock.lock(peers, &Deadline::never());
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
        record: Record,
        me: Tag,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
        prepare: impl FnOnce(u64),
    ) -> Result<HeldObject, NotMade> {
        self.collect(peers);
        if let Some(there) = self.named(record.name)? {
            return Err(NotMade::Exists { kind: there.kind });
        }
        let published = self.publish((record, [0, 0]), LIVE, me, peers, used, |offset| {
            prepare(offset);
            true
        });
        published.map(|(held, _)| held)
    }

    /// Writes an object into a free record and makes the record's state `state`; returns it, held,
    /// with that word. The record has the offset of the one before, or 0; `words` are the number of
    /// the object and of the record before; `prepare` writes the bytes, and returns whether it did.
    /// For the owner of the mutex, after it has collected.
    pub(super) fn publish(
        self,
        (mut record, words): (Record, [u64; 2]),
        state: u64,
        me: Tag,
        peers: &impl Liveness,
        used: &mut impl ExtentBuffer,
        prepare: impl FnOnce(u64) -> bool,
    ) -> Result<(HeldObject, ObjectWord), NotMade> {
        let mut free = (0..self.count()).filter(|index| self.word(*index).state() == FREE);
        let index = free.next().ok_or(NotMade::RecordsFull)?;
        record.offset = match record.offset {
            0 => self.place(record.len, used)?,
            before => self.place_beside(before, record.len, used)?,
        };
        let head = self.head(index).ok_or(NotMade::RecordsFull)?;
        let before = self.word(index);
        self.count_in(index, me, peers)?;
        // ORDERING: Release; (G5). No seeded bug omits it: a collector's barrier is one, too.
        fence(Ordering::Release);
        let lost = NotMade::Mutex(MutexError::MembershipLost);
        let give_up = |error| {
            self.release(index, me);
            Err(error)
        };
        if !prepare(record.offset) {
            return give_up(NotMade::Unprepared);
        }
        if !self.state.lock().is_of(me) {
            return give_up(lost);
        }
        let write = || self.records[index as usize].write(&record.encode());
        if !mutation(886) {
            write();
        }
        // ORDERING: Relaxed; (G3) publishes it.
        head[1].store(hash_of(record.name), Ordering::Relaxed);
        // ORDERING: Release; a process that reads it sees that the record was FREE.
        let store = |word: &AtomicU64, value| word.store(value, Ordering::Release);
        store(&head[2], words[0]);
        store(&head[3], words[1]);
        let word = before.next(state);
        // ORDERING: Release; (G3). No seeded bug weakens it: the barrier behind it publishes, too.
        if head[0]
            .compare_exchange(before.0, word.0, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            return give_up(lost);
        }
        barrier_after_rmw();
        if mutation(886) {
            write();
        }
        if !self.state.lock().is_of(me) {
            self.change(index, word, REMOVED);
            return give_up(lost);
        }
        let object = ObjectRef {
            index,
            word: word.with(LIVE),
        };
        let number = match words[0] {
            0 => object.number(),
            number => ObjectNumber(number),
        };
        let held = HeldObject {
            object,
            number,
            record,
        };
        Ok((held, word))
    }

    /// The record of the live object of that name. For the owner of the mutex.
    fn named(self, name: Name) -> Result<Option<Record>, HoldError> {
        for object in self.objects(Some(Wanted::Name(name))) {
            let record = self.record(object.index)?;
            if record.name == name && !mutation(880) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Settles what growths have left, and frees the records of removed objects that no participant
    /// holds. For the owner of the mutex.
    pub(super) fn collect(self, peers: &impl Liveness) {
        self.settle_all();
        for index in 0..self.count() {
            let seen = self.word(index);
            let freeing = match seen.state() {
                REMOVED => self.change(index, seen, FREEING),
                FREEING if !mutation(881) => Some(seen),
                LIVE if mutation(882) => self.change(index, seen, FREEING),
                MOVED => {
                    // (H3): what took its place was GROWN before.
                    if !mutation(891) {
                        self.settle_all();
                    }
                    self.change(index, seen, FREEING)
                }
                _ => None,
            };
            let Some(freeing) = freeing else { continue };
            // (G1)
            if !mutation(883) {
                fence(Ordering::SeqCst);
            }
            let is_held = self.is_held(index, peers) && !mutation(884);
            self.change(index, freeing, if is_held { REMOVED } else { FREE });
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

    /// Returns the offset of free bytes of that length, as far as can be from what is to be free
    /// later: so that is one with most of the rest.
    fn place_beside(
        self,
        before: u64,
        len: u64,
        used: &mut impl ExtentBuffer,
    ) -> Result<u64, NotMade> {
        let half = self.blocks / 2 * self.block;
        if before >= self.pool + half {
            return self.place(len, used);
        }
        let (mut longest, mut last) = (0, None);
        self.gaps(used, |at, free| {
            longest = longest.max(free);
            let blocks = (free / self.block).checked_sub(len.div_ceil(self.block));
            last = blocks.map(|blocks| at + blocks * self.block).or(last);
            false
        })?;
        last.ok_or(NotMade::Full { free: longest })
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

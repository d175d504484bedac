//! The directory: append-only, found by name.
//!
//! # State
//!
//! A word with the count and the tag of the last creator, records behind it, and a control mutex
//! that creators take. Records below the count are complete and never change; what lies above is
//! unused.
//!
//! ```text
//! | 0: 3 | creator's tag: 29 | count: 32 |
//! ```
//!
//! # Protocol
//!
//! - find: follow the name through the [`index`], then compare
//!   the names of the records that are not in it yet. Lock-free; does not wait.
//! - create: take the control mutex; stamp: CAS the own tag into the word, whatever the count is;
//!   look for the name again, find space behind the last entry, prepare its bytes, write the
//!   record, and publish both with **one CAS** from the stamped word: count + 1. Then put it into
//!   the index.
//!
//! The stamp is for a creator that others took for dead, and that has not learnt it: the next
//! creator has stamped the word since, so its CAS fails. Without a stamp it could publish a record
//! that the next one has half written. It also checks before it writes its record that the stamp is
//! still its own.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | before the CAS of the count | bytes and a record above the count, the control mutex held | the next creator takes the mutex over and overwrites them |
//! | after it | a complete entry, perhaps not in the index, the control mutex held | the next creator takes the mutex over, and completes the index |
//!
//! There is no intent to record beyond the mutex's own tag: nothing below the count is ever half
//! done, so the next owner has nothing to repair. To a reaper the control mutex is only one more
//! mutex that the dead participant may hold.
//!
//! A creator that is taken for dead while it prepares bytes, or in the moment between its check of
//! the stamp and its record, may overwrite what the next creator makes there.
//!
//! A stopped creator blocks other creators, but no process that looks for or uses entries.
//!
//! # Ordering
//!
//! (D1) the count's CAS (Release) pairs with the load in `find` and `records` (Acquire): the record
//! and the entry's prepared bytes. The orderings of the index are in its own docs.

use crate::algorithm::directory::index::{Index, IndexGarbage};
use crate::algorithm::mutex::{MutexError, MutexState};
use crate::facade::{AtomicU64, Deadline, Ordering, Words, mutation, ordering};
use crate::format::{Name, NameHash, RECORD_WORDS, Record, RecordFault, Slot};
use crate::participant::Liveness;
use crate::participant::Tag;

/// A record of the directory, in the segment.
pub(crate) type RecordState = Words<RECORD_WORDS>;

/// The directory of a segment whose arena is the bytes from `arena` to `end`.
#[derive(Clone, Copy)]
pub(crate) struct Directory<'a> {
    pub(crate) control: &'a MutexState,
    /// The count, and the tag of the last creator.
    pub(crate) count: &'a AtomicU64,
    pub(crate) records: &'a [RecordState],
    pub(crate) index: Index<'a>,
    pub(crate) arena: u64,
    pub(crate) end: u64,
}

/// A record that was found, and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) record: Record,
}

/// Why no entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no entry of that name.
    Name,
    /// The directory contains garbage.
    Corrupt(DirectoryFault),
}

/// Garbage in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirectoryFault {
    /// The count is above the capacity.
    Count { found: u32 },
    /// A record has a wrong checksum or position.
    Record { index: u32, fault: RecordFault },
    /// The index has an impossible value.
    Index,
}

/// Why an entry was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCreated {
    Exists(Found),
    DirectoryFull,
    ArenaFull { free: u64 },
    Corrupt(DirectoryFault),
    Control(MutexError),
}

/// The count in the word.
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
fn count_in(word: u64) -> u32 {
    word as u32
}

impl<'a> Directory<'a> {
    /// The published records, in the order of their creation.
    pub(crate) fn records(
        self,
    ) -> Result<impl Iterator<Item = Result<Found, DirectoryFault>> + 'a, DirectoryFault> {
        self.records_from(0)
    }

    /// The published records from number `first` on.
    fn records_from(
        self,
        first: u32,
    ) -> Result<impl Iterator<Item = Result<Found, DirectoryFault>> + 'a, DirectoryFault> {
        let published = self.published()?;
        let some = published
            .get(first as usize..)
            .ok_or(DirectoryFault::Index)?;
        Ok((first..).zip(some).map(move |it| self.decode(it)))
    }

    fn published(self) -> Result<&'a [RecordState], DirectoryFault> {
        // ORDERING: Acquire; pairs with (D1).
        let acquire = ordering(Ordering::Acquire, 30);
        let count = count_in(self.count.load(acquire));
        self.records
            .get(..count as usize)
            .ok_or(DirectoryFault::Count { found: count })
    }

    fn decode(self, (index, words): (u32, &RecordState)) -> Result<Found, DirectoryFault> {
        Record::decode(&words.read(), self.arena, self.end)
            .map(|record| Found { index, record })
            .map_err(|fault| DirectoryFault::Record { index, fault })
    }

    /// The record at `index`, as named by another process's handle.
    pub(crate) fn at(self, index: u32) -> Result<Found, Missing> {
        let published = self.published().map_err(Missing::Corrupt)?;
        let words = published.get(index as usize).ok_or(Missing::Name)?;
        self.decode((index, words)).map_err(Missing::Corrupt)
    }

    /// Looks for `name`.
    pub(crate) fn find(self, name: Name) -> Result<Found, Missing> {
        let indexed = self.index.indexed();
        let mut missing = Missing::Name;
        let hash = NameHash::of(name);
        for slot in self.index.slots(hash) {
            match self.in_slot(slot) {
                Ok(found) if found.record.name == name => return Ok(found),
                Ok(_) => {}
                // It may have been this name: do not report that there is none.
                Err(fault) => missing = Missing::Corrupt(fault),
            }
        }
        if mutation(704) {
            return Err(missing);
        }
        // Not in the index yet.
        for found in self.records_from(indexed).map_err(Missing::Corrupt)? {
            match found {
                Ok(found) if found.record.name == name => return Ok(found),
                Ok(_) => {}
                Err(fault) => missing = Missing::Corrupt(fault),
            }
        }
        Err(missing)
    }

    /// The record that a slot of the index names: it is published before it has one, and its name
    /// has the slot's mark.
    fn in_slot(self, slot: Result<Slot, IndexGarbage>) -> Result<Found, DirectoryFault> {
        let slot = slot.map_err(|IndexGarbage| DirectoryFault::Index)?;
        let number = slot.number().ok_or(DirectoryFault::Index)?;
        let found = self.at(number).map_err(|missing| match missing {
            Missing::Name => DirectoryFault::Index,
            Missing::Corrupt(fault) => fault,
        })?;
        let is_its = NameHash::of(found.record.name).slot(number) == slot;
        is_its.then_some(found).ok_or(DirectoryFault::Index)
    }

    #[expect(
        clippy::result_large_err,
        reason = "once for each entry, and all of it is used"
    )]
    /// Creates the entry that `record` describes, except for its offset. `prepare` writes its
    /// bytes, at the offset it is given, before the entry can be found.
    pub(crate) fn create(
        self,
        mut record: Record,
        peers: &impl Liveness,
        prepare: impl FnOnce(u64),
    ) -> Result<Found, NotCreated> {
        let me = peers.me();
        if mutation(35) {
            return self
                .create_locked(&mut record, me, prepare)
                .map(|index| Found { index, record });
        }
        // A dead creator has left nothing to repair, see above.
        let mut held = self
            .control
            .lock(peers, &Deadline::never())
            .map_err(NotCreated::Control)?;
        self.control.mark_consistent(&mut held);
        let created = self.create_locked(&mut record, me, prepare);
        if !(mutation(34) && created.is_err()) {
            self.control.unlock(held, false);
        }
        created.map(|index| Found { index, record })
    }

    #[expect(
        clippy::result_large_err,
        reason = "once for each entry, and all of it is used"
    )]
    fn create_locked(
        self,
        record: &mut Record,
        me: Tag,
        prepare: impl FnOnce(u64),
    ) -> Result<u32, NotCreated> {
        let lost = NotCreated::Control(MutexError::MembershipLost);
        let stamped = self.stamp(me);
        let (index, place, offset) = self.room(record)?;
        if index != count_in(stamped) {
            return Err(lost);
        }
        record.offset = offset;
        if mutation(32) {
            self.count.store(stamped + 1, Ordering::Release);
        }
        prepare(record.offset);
        // ORDERING: Relaxed; what follows from the answer is this process's risk.
        if self.count.load(Ordering::Relaxed) != stamped && !mutation(32) && !mutation(621) {
            return Err(lost);
        }
        place.write(&record.encode());
        if !self.publish(stamped) && !mutation(32) {
            return Err(lost);
        }
        self.complete_index(index + 1);
        Ok(index)
    }

    /// Stamps the word with the creator's tag, and returns it. For the control mutex's owner.
    fn stamp(self, me: Tag) -> u64 {
        // ORDERING: Relaxed; only the control mutex's owner changes it, or a former owner, whose
        // CAS is detected.
        let mut seen = self.count.load(Ordering::Relaxed);
        loop {
            let stamped = u64::from(me.bits()) << 32 | u64::from(count_in(seen));
            // ORDERING: Acquire; what a former owner published last. Release; (D1) is continued.
            let both = Ordering::AcqRel;
            match self
                .count
                .compare_exchange(seen, stamped, both, Ordering::Relaxed)
            {
                Ok(_) => return stamped,
                Err(now) => seen = now,
            }
        }
    }

    /// Publishes the record behind the count, if no other creator has stamped the word since.
    fn publish(self, stamped: u64) -> bool {
        // ORDERING: Release; (D1) publishes the record and the bytes behind it.
        let release = ordering(Ordering::Release, 33);
        if mutation(620) {
            // A seeded bug: a CAS on the count alone.
            let seen = self.count.load(Ordering::Relaxed);
            return count_in(seen) == count_in(stamped)
                && self
                    .count
                    .compare_exchange(seen, seen + 1, release, Ordering::Relaxed)
                    .is_ok();
        }
        self.count
            .compare_exchange(stamped, stamped + 1, release, Ordering::Relaxed)
            .is_ok()
    }

    /// Adds every record below `count` that the index lacks: the last one, and those of creators
    /// that were killed in between. For the control mutex's owner.
    fn complete_index(self, count: u32) {
        // ORDERING: Relaxed; only the control mutex's owner writes it.
        let mut indexed = self.index.indexed.load(Ordering::Relaxed);
        if mutation(705) {
            indexed = count - 1;
        }
        if mutation(707) {
            self.index.set_indexed(count);
        }
        let Some(missing) = self.records.get(indexed as usize..count as usize) else {
            // Garbage, which `find` reports.
            return;
        };
        for it in (indexed..).zip(missing) {
            // Garbage, or a record without a slot, stays where `find` compares each record.
            let Ok(found) = self.decode(it) else { return };
            if !self.index.insert(found.record.name, found.index) {
                return;
            }
        }
        self.index.set_indexed(count);
    }

    #[expect(
        clippy::result_large_err,
        reason = "once for each entry, and all of it is used"
    )]
    /// Finds space for a record and its bytes: its index, its position, and the bytes' offset. The
    /// control mutex's owner may rely on the answer. For others it says what is not worth
    /// attempting, since entries stay and space is never freed.
    pub(crate) fn room(self, record: &Record) -> Result<(u32, &'a RecordState, u64), NotCreated> {
        match self.find(record.name) {
            Ok(found) if !mutation(31) => return Err(NotCreated::Exists(found)),
            Ok(_) | Err(Missing::Name) => {}
            Err(Missing::Corrupt(fault)) => return Err(NotCreated::Corrupt(fault)),
        }
        // ORDERING: Relaxed; only the control mutex's owner writes it, and only the owner may rely
        // on it.
        let index = count_in(self.count.load(Ordering::Relaxed));
        let place = self
            .records
            .get(index as usize)
            .ok_or(NotCreated::DirectoryFull)?;
        // Entries lie in the order of their records.
        let used = match self.records[..index as usize].last() {
            Some(words) if !mutation(36) => {
                let last = self
                    .decode((index - 1, words))
                    .map_err(NotCreated::Corrupt)?;
                last.record.end().unwrap_or(self.end)
            }
            _ => self.arena,
        };
        let offset = arena::place(used, self.end, record.len)
            .map_err(|free| NotCreated::ArenaFull { free })?;
        Ok((index, place, offset))
    }
}

mod arena;
pub(crate) mod index;
#[cfg(test)]
pub(crate) mod tests;

//! The directory: append-only, found by name.
//!
//! # State
//!
//! A count, records behind it, and a control mutex that creators take. Records below the count are
//! complete and never change; what lies above is nobody's.
//!
//! # Protocol
//!
//! - find: load the count, compare names. Lock-free; waits for nobody.
//! - create: take the control mutex, look for the name again, find room behind the last entry,
//!   prepare its bytes, write the record, and publish both with **one store**: count + 1.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | before the count's store | bytes and a record above the count, the control mutex held | the next creator takes the mutex over and writes over them |
//! | after it | a complete entry, the control mutex held | the next creator takes the mutex over |
//!
//! There is no intent to write down beyond the mutex's own tag: nothing below the count is ever
//! half done, so the next owner has nothing to repair. Reaping needs the control mutex only as one
//! more mutex that the dead one may hold.
//!
//! A stopped creator blocks other creators, and nobody who looks for or uses entries.
//!
//! # Ordering
//!
//! (D1) the count's store (Release) pairs with the load in `find` and `records` (Acquire): the
//! record and the entry's prepared bytes.

use crate::facade::{AtomicU32, Deadline, Ordering, Words, mutation, ordering};
use crate::layout::{Name, RECORD_WORDS, Record, RecordFault, Tag};
use crate::raw::mutex::{MutexState, Refused};
use crate::raw::{Peers, arena};

/// A record of the directory, in the segment.
pub(crate) type RecordState = Words<RECORD_WORDS>;

/// The directory of a segment whose arena is the bytes from `arena` to `end`.
#[derive(Clone, Copy)]
pub(crate) struct Directory<'a> {
    pub(crate) control: &'a MutexState,
    pub(crate) count: &'a AtomicU32,
    pub(crate) records: &'a [RecordState],
    pub(crate) arena: u64,
    pub(crate) end: u64,
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) record: Record,
}

/// Why no entry was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is none of that name.
    Name,
    /// The directory holds what cannot be one of its records.
    Corrupt(Fault),
}

/// Garbage in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The count is above the capacity.
    Count { found: u32 },
    /// A record whose checksum or place is wrong.
    Record { index: u32, fault: RecordFault },
}

/// Why no entry was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCreated {
    Exists(Found),
    DirectoryFull,
    ArenaFull { free: u64 },
    Corrupt(Fault),
    Control(Refused),
}

impl<'a> Directory<'a> {
    /// The published records, in the order of their creation.
    pub(crate) fn records(self) -> Result<impl Iterator<Item = Result<Found, Fault>> + 'a, Fault> {
        // ORDERING: Acquire; pairs with (D1).
        let acquire = ordering(Ordering::Acquire, 30);
        let count = self.count.load(acquire);
        let published = self
            .records
            .get(..count as usize)
            .ok_or(Fault::Count { found: count })?;
        Ok((0..count).zip(published).map(move |(index, words)| {
            Record::decode(&words.read(), self.arena, self.end)
                .map(|record| Found { index, record })
                .map_err(|fault| Fault::Record { index, fault })
        }))
    }

    /// The record at `index`, which a handle of another process named.
    #[cfg(any(test, feature = "process"))]
    pub(crate) fn at(self, index: u32) -> Result<Found, Missing> {
        self.records()
            .map_err(Missing::Corrupt)?
            .nth(index as usize)
            .ok_or(Missing::Name)?
            .map_err(Missing::Corrupt)
    }

    /// Looks for `name`.
    pub(crate) fn find(self, name: Name) -> Result<Found, Missing> {
        let mut missing = Missing::Name;
        for found in self.records().map_err(Missing::Corrupt)? {
            match found {
                Ok(found) if found.record.name == name => return Ok(found),
                Ok(_) => {}
                // It may have been the one: do not claim that there is none.
                Err(fault) => missing = Missing::Corrupt(fault),
            }
        }
        Err(missing)
    }

    #[expect(
        clippy::result_large_err,
        reason = "once for each entry, and all of it is used"
    )]
    /// Creates the entry that `record` describes, but for its offset; `prepare` writes its bytes,
    /// at the offset it is given, before anybody can find it.
    pub(crate) fn create(
        self,
        mut record: Record,
        me: Tag,
        peers: &impl Peers,
        prepare: impl FnOnce(u64),
    ) -> Result<Found, NotCreated> {
        if mutation(35) {
            return self
                .create_locked(&mut record, prepare)
                .map(|index| Found { index, record });
        }
        // A dead creator has left nothing to repair, see above.
        let mut held = self
            .control
            .lock(me, peers, &Deadline::never())
            .map_err(NotCreated::Control)?;
        self.control.mark_consistent(&mut held);
        let created = self.create_locked(&mut record, prepare);
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
        prepare: impl FnOnce(u64),
    ) -> Result<u32, NotCreated> {
        let (index, place, offset) = self.room(record)?;
        record.offset = offset;
        if mutation(32) {
            self.count.store(index + 1, Ordering::Release);
        }
        prepare(record.offset);
        place.write(&record.encode());
        // ORDERING: Release; (D1) publishes the record and the bytes behind it.
        let release = ordering(Ordering::Release, 33);
        self.count.store(index + 1, release);
        Ok(index)
    }

    #[expect(
        clippy::result_large_err,
        reason = "once for each entry, and all of it is used"
    )]
    /// Where the record and its bytes go: its index, its place, and the bytes' offset. Whoever holds
    /// the control mutex may rely on it; to others it says what there is no use in trying, since entries
    /// stay and room never comes back.
    pub(crate) fn room(self, record: &Record) -> Result<(u32, &'a RecordState, u64), NotCreated> {
        match self.find(record.name) {
            Ok(found) if !mutation(31) => return Err(NotCreated::Exists(found)),
            Ok(_) | Err(Missing::Name) => {}
            Err(Missing::Corrupt(fault)) => return Err(NotCreated::Corrupt(fault)),
        }
        // ORDERING: Relaxed; only the control mutex's owner writes it, and only one may rely on it.
        let index = self.count.load(Ordering::Relaxed);
        let place = self
            .records
            .get(index as usize)
            .ok_or(NotCreated::DirectoryFull)?;
        let taken = self.records().map_err(NotCreated::Corrupt)?;
        let taken = taken.filter_map(Result::ok).filter(|_| !mutation(36));
        let offset = arena::place(
            taken.map(|found| found.record),
            self.arena,
            self.end,
            record.len,
        )
        .map_err(|free| NotCreated::ArenaFull { free })?;
        Ok((index, place, offset))
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Objects that are made and removed while processes use them, in one pool of equal blocks.
//!
//! # State
//!
//! A [mutex](super::mutex) that creators take, and a count of growths; for each object that there
//! can be a head, a record, and a cell for each participant; and the pool.
//!
//! ```text
//! head   | state | hash of the name | number | number of the one before |
//! state  | edition: 45 | attempt: 16 | FREE, LIVE, REMOVED, FREEING, GROWN or MOVED: 3 |
//! number | edition of the first record of the object: 45 | its index: 16 |
//! record | as one of the directory: kind, place in the pool, payload, configuration, name |
//! cell   | times the participant holds the object: 35 | tag of the participant: 29 |   0 = none
//! ```
//!
//! An object that [grows](growth) has one record after the other; the number, which no other object
//! ever has, stays the same.
//!
//! There is no list of free blocks: a block is free if it belongs to no record that is not FREE.
//!
//! Invariant 1: a record changes, and the blocks that it names are given to another, only while its
//! state is FREE.
//! Invariant 2: a participant writes to an object, or reads its record, only while its own cell
//! counts it, or as the owner of the mutex.
//!
//! # Protocol
//!
//! - hold: add one in the own cell, by CAS; ask the registry whether it still lists the own tag,
//!   (K1) of [`participant`](crate::participant); then load the state once more. If it is another
//!   edition or state than the one that was found, release.
//! - release: subtract one in the own cell.
//! - open: for each record whose state is LIVE and whose hash is that of the name: hold, then
//!   compare the name, and release if it is another one.
//! - create: lock the mutex; collect; choose a FREE record and the first blocks in a row that no
//!   other record has; hold; prepare the bytes; write the record; CAS the state from FREE to LIVE
//!   of the next edition: **the commit**; unlock.
//! - remove: CAS the state from LIVE to REMOVED: **the commit**. No handle is made after that.
//! - read: load the state; copy; load the state again, behind a fence. What was copied counts if it
//!   was LIVE, of the same edition, both times: no hold is needed.
//! - grow: see [`growth`].
//! - collect, under the mutex: settle growths; for each REMOVED record CAS the state to FREEING; if
//!   no cell counts a registered participant, CAS it to FREE, else to REMOVED again.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | create, before the commit | bytes, a record and a cell that are no object's; the mutex's dead tag | the next creator, which overwrites them; a reaper clears the cell |
//! | create, after it | a complete object, a dead cell, the mutex's dead tag | the next creator takes the mutex over; a reaper clears the cell |
//! | grow | see [`growth`] | |
//! | hold, release, or in between | a dead cell | a reaper, which first recovers what the participant held in the object |
//! | remove | LIVE or REMOVED | - |
//! | read | nothing | - |
//! | collect | FREEING | the next creator, which collects it again |
//! | reaping | the reaper's own dead cell | the next reaper |
//!
//! No count but the cells says whether an object is held, and each names its participant. A cell
//! whose participant the registry does not list as live holds nothing. A process that is stopped
//! keeps the objects that it holds, and, in the middle of a creation, holds up other creators; it
//! holds up no open, no removal and no use of an object.
//!
//! A reaper writes to the words of an object, so it holds it meanwhile: if it is stopped, its own
//! cell keeps the blocks from being another object's when it goes on. A reaper that is no
//! participant cannot hold; it leaves objects alone. What the dead one held there carries its tag,
//! which the registry does not list any more: the next process that wants it takes it over.
//!
//! A process that lost its membership and has not learnt it holds nothing, though it has handles:
//! see the limits in [`participant`](crate::participant).
//!
//! # Ordering
//!
//! (G1) between a holder and a collector:
//!
//! ```text
//! a holder                        a collector
//! its cell: one more              the state: FREEING
//! barrier                         barrier
//! the state: still LIVE?          the cells: does one count?
//! ```
//!
//! One of the two sees the other's store: the holder releases, or the record is not FREE. (G2) The
//! release of a cell (Release) pairs with the collector's load (Acquire): all that the holder did in
//! the object is before it is given to another. (G3) The commit of a creation (Release) pairs with
//! the load of the state (Acquire): the record and the prepared bytes. (G4) FREE (Release) is
//! loaded by the next creator under the mutex, whose (M1) orders them; the edition tells a holder
//! that was stopped before its barrier. (G5) A release fence is between FREE and the first byte of
//! the next object, and an acquire fence between what a reader copied and its second load of the
//! state: a reader that copied a later object's byte sees that its own is not LIVE.

pub(crate) mod entry;
#[cfg_attr(
    not(any(loom, feature = "process")),
    expect(dead_code, reason = "what grows is of values that serde encodes")
)]
pub(crate) mod growth;
pub(crate) mod holds;
pub(crate) mod layout;
pub(crate) mod look_up;
pub(crate) mod making;
#[cfg(all(test, loom))]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;

use core::ptr::NonNull;

use crate::algorithm::directory::RecordState;
use crate::algorithm::mutex::MutexState;
use crate::facade::{AtomicU32, AtomicU64, Ordering};
use crate::format::{Name, NameHash, Padded, Record, RecordFault};

/// The words of a record's head: its state, the hash of its name, the number of its object, and of
/// the record that it takes the place of.
pub(crate) const HEAD: usize = 4;

/// The words of a manager before its records, in the segment.
#[repr(C)]
pub(crate) struct ManagerState {
    creators: Padded<Creators>,
}

#[repr(C)]
struct Creators {
    lock: MutexState,
    _unused: AtomicU32,
    /// The number of growths, of which some were not committed.
    growths: AtomicU64,
}

impl ManagerState {
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            creators: Padded(Creators {
                lock: MutexState::new(),
                _unused: AtomicU32::new(0),
                growths: AtomicU64::new(0),
            }),
        }
    }

    pub(crate) fn lock(&self) -> &MutexState {
        &self.creators.0.lock
    }

    fn growths(&self) -> &AtomicU64 {
        &self.creators.0.growths
    }
}

/// The state of a record, its edition, and how many growths of it did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectWord(u64);

const FREE: u64 = 0;
const LIVE: u64 = 1;
const REMOVED: u64 = 2;
const FREEING: u64 = 3;
/// It is to take the place of the one before, or has.
const GROWN: u64 = 4;
/// Another record has taken its place.
const MOVED: u64 = 5;
const STATE: u64 = 7;
const ATTEMPT: u64 = STATE + 1;
const ATTEMPTS: u64 = 0xffff * ATTEMPT;
const EDITION: u32 = 19;
const INDEX: u32 = 16;

impl ObjectWord {
    fn with(self, state: u64) -> Self {
        Self(self.0 & !STATE | state)
    }

    /// The word of the next object that has the record.
    fn next(self, state: u64) -> Self {
        let edition = (self.0 >> EDITION).wrapping_add(1);
        Self(edition << EDITION | state)
    }

    /// The same after one more growth that did not come about.
    fn next_attempt(self) -> Self {
        let attempts = self.0.wrapping_add(ATTEMPT) & ATTEMPTS;
        Self(self.0 & !ATTEMPTS | attempts)
    }

    /// The same whatever growths did not come about.
    #[inline]
    pub(crate) fn first_attempt(self) -> Self {
        Self(self.0 & !ATTEMPTS)
    }

    fn state(self) -> u64 {
        self.0 & STATE
    }

    fn edition(self) -> u64 {
        self.0 >> EDITION
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// What no other object of a manager has, or ever had: the edition and the index of the first
/// record that it had. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectNumber(u64);

impl ObjectNumber {
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// An object: which record it has, and as which edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectRef {
    pub(crate) index: u32,
    /// LIVE, of the first attempt.
    pub(crate) word: ObjectWord,
}

impl ObjectRef {
    fn number(self) -> ObjectNumber {
        ObjectNumber(self.word.edition() << INDEX | u64::from(self.index))
    }

    /// The object, or the record, of a number.
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    fn numbered(number: ObjectNumber) -> Self {
        let index = number.0 as u32 & ((1 << INDEX) - 1);
        let word = ObjectWord((number.0 >> INDEX) << EDITION | LIVE);
        Self { index, word }
    }
}

/// An object that was found or created, which the caller holds, and its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldObject {
    pub(crate) object: ObjectRef,
    pub(crate) number: ObjectNumber,
    pub(crate) record: Record,
}

/// Why an object is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldError {
    /// It was removed, or there never was one.
    Removed,
    /// This participant holds it as often as a cell can count.
    TooMany,
    /// This process is no participant any more.
    MembershipLost,
    /// Its record is garbage.
    Corrupt { index: u32, fault: RecordFault },
}

/// The words of a manager.
#[derive(Clone, Copy)]
pub(crate) struct Manager<'a> {
    pub(crate) state: &'a ManagerState,
    /// `HEAD` for each record.
    pub(crate) heads: &'a [AtomicU64],
    pub(crate) records: &'a [RecordState],
    /// For each record as many as participants.
    pub(crate) cells: &'a [AtomicU64],
    /// The offset of the pool in the segment.
    pub(crate) pool: u64,
    pub(crate) blocks: u64,
    /// The bytes of a block.
    pub(crate) block: u64,
}

/// What a record's name is found by.
fn hash_of(name: Name) -> u64 {
    NameHash::of(name).word()
}

impl<'a> Manager<'a> {
    fn head(self, index: u32) -> Option<&'a [AtomicU64]> {
        let from = index as usize * HEAD;
        self.heads.get(from..from + HEAD)
    }

    /// Where the state of an object is.
    pub(crate) fn state_of(self, object: ObjectRef) -> Option<NonNull<AtomicU64>> {
        self.head(object.index).map(|head| NonNull::from(&head[0]))
    }

    /// The state of a record.
    fn word(self, index: u32) -> ObjectWord {
        // ORDERING: Acquire; pairs with (G3). No seeded bug weakens it: the barrier of a holder
        // acquires, too.
        let load = |head: &[AtomicU64]| ObjectWord(head[0].load(Ordering::Acquire));
        self.head(index).map_or(ObjectWord(FREE), load)
    }

    /// The number of a record's object.
    fn number(self, object: ObjectRef) -> ObjectNumber {
        // ORDERING: Acquire; a process that reads a later object's number sees its record FREE.
        let number = self.head(object.index);
        match number.map_or(0, |head| head[2].load(Ordering::Acquire)) {
            0 => object.number(),
            number => ObjectNumber(number),
        }
    }

    /// Changes the state of a record, if it is `from`.
    fn change(self, index: u32, from: ObjectWord, to: u64) -> Option<ObjectWord> {
        let to = from.with(to);
        // ORDERING: Release; (G4), and (H1) to (H3). Acquire; what the last one to change it saw.
        let (both, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
        let changed = self.head(index)?[0].compare_exchange(from.0, to.0, both, relaxed);
        changed.is_ok().then_some(to)
    }

    /// Returns whether an object was removed, or has moved. One load.
    #[inline]
    pub(crate) fn is_removed(self, object: ObjectRef) -> bool {
        self.word(object.index).first_attempt() != object.word
    }

    /// The number of records.
    fn count(self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    /// The record of an object that the caller holds, or the owner of the mutex reads.
    fn record(self, index: u32) -> Result<Record, HoldError> {
        let words = self.records.get(index as usize).ok_or(HoldError::Removed)?;
        let end = self.pool + self.blocks * self.block;
        Record::decode(&words.read(), self.pool, end)
            .map_err(|fault| HoldError::Corrupt { index, fault })
    }

    /// Removes an object; returns false if it was removed before, or has moved.
    pub(crate) fn remove(self, object: ObjectRef) -> bool {
        loop {
            let seen = self.word(object.index);
            if seen.first_attempt() != object.word {
                return false;
            }
            if self.change(object.index, seen, REMOVED).is_some() {
                return true;
            }
        }
    }
}

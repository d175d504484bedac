//! Objects that are made and removed while processes use them, in one pool of equal blocks.
//!
//! # State
//!
//! A [mutex](super::mutex) that creators take; for each object that there can be a state, the hash
//! of its name, a record, and a cell for each participant; and the pool.
//!
//! ```text
//! state  | edition: 62 | FREE, LIVE, REMOVED or FREEING: 2 |
//! record | as one of the directory: kind, place in the pool, payload, configuration, name |
//! cell   | times the participant holds the object: 35 | tag of the participant: 29 |   0 = none
//! ```
//!
//! There is no list of free blocks: a block is free if it belongs to no record that is not FREE.
//!
//! Invariant 1: a record changes, and the blocks that it names are given to another, only while its
//! state is FREE.
//! Invariant 2: a participant accesses an object, or reads its record, only while its own cell
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
//! - collect, under the mutex: for each REMOVED record CAS the state to FREEING; if no cell counts a
//!   registered participant, CAS it to FREE, else to REMOVED again.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | create, before the commit | bytes, a record and a cell that are no object's; the mutex's dead tag | the next creator, which overwrites them; a reaper clears the cell |
//! | create, after it | a complete object, a dead cell, the mutex's dead tag | the next creator takes the mutex over; a reaper clears the cell |
//! | hold, release, or in between | a dead cell | a reaper, which first recovers what the participant held in the object |
//! | remove | LIVE or REMOVED | - |
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
//! that was stopped before its barrier.

pub(crate) mod entry;
mod holds;
pub(crate) mod layout;
pub(crate) mod making;
#[cfg(all(test, loom))]
pub(crate) mod tests;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;

use core::ptr::NonNull;

use crate::algorithm::directory::RecordState;
use crate::algorithm::mutex::MutexState;
use crate::facade::{AtomicU64, Ordering};
use crate::format::{Name, NameHash, Padded, Record, RecordFault};
use crate::participant::{Liveness, Tag};

/// The words of a record's head: its state, and the hash of its name.
pub(crate) const HEAD: usize = 2;

/// The words of a manager before its records, in the segment.
#[repr(C)]
pub(crate) struct ManagerState {
    lock: Padded<MutexState>,
}

impl ManagerState {
    #[cfg(all(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            lock: Padded(MutexState::new()),
        }
    }

    pub(crate) fn lock(&self) -> &MutexState {
        &self.lock.0
    }
}

/// The state of a record, and its edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectWord(u64);

const FREE: u64 = 0;
const LIVE: u64 = 1;
const REMOVED: u64 = 2;
const FREEING: u64 = 3;
const STATE: u64 = 3;

impl ObjectWord {
    fn with(self, state: u64) -> Self {
        Self(self.0 & !STATE | state)
    }

    /// The word of the next object that has the record.
    fn next(self) -> Self {
        Self((self.0 & !STATE).wrapping_add(STATE + 1) | LIVE)
    }

    fn state(self) -> u64 {
        self.0 & STATE
    }

    fn is_live(self) -> bool {
        self.state() == LIVE
    }

    pub(crate) fn edition(self) -> u64 {
        self.0 >> 2
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The word of a live object of that edition.
    #[cfg(any(loom, feature = "process"))]
    pub(crate) fn live(edition: u64) -> Self {
        Self(edition << 2 | LIVE)
    }
}

/// An object: which record it has, and as which edition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectRef {
    pub(crate) index: u32,
    pub(crate) word: ObjectWord,
}

/// An object that was found or created, which the caller holds, and its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldObject {
    pub(crate) object: ObjectRef,
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
    fn head(self, index: u32) -> Option<(&'a AtomicU64, &'a AtomicU64)> {
        let from = index as usize * HEAD;
        let head = self.heads.get(from..from + HEAD)?;
        Some((&head[0], &head[1]))
    }

    /// Where the state of an object is.
    pub(crate) fn state_of(self, object: ObjectRef) -> Option<NonNull<AtomicU64>> {
        self.head(object.index)
            .map(|(state, _)| NonNull::from(state))
    }

    /// The state of a record.
    fn word(self, index: u32) -> ObjectWord {
        // ORDERING: Acquire; pairs with (G3). No seeded bug weakens it: the barrier of a holder
        // acquires, too.
        let load = |state: &AtomicU64| ObjectWord(state.load(Ordering::Acquire));
        self.head(index)
            .map_or(ObjectWord(FREE), |(state, _)| load(state))
    }

    /// Returns whether an object was removed. One load.
    #[inline]
    pub(crate) fn is_removed(self, object: ObjectRef) -> bool {
        self.word(object.index) != object.word
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

    /// Returns the live object of that name, held; `Removed` if there is none.
    pub(crate) fn open(
        self,
        name: Name,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<HeldObject, HoldError> {
        let wanted = hash_of(name);
        self.objects(Some(wanted))
            .find_map(|object| {
                let held = self.open_at(object, me, peers);
                match held {
                    Ok(held) if held.record.name == name => Some(Ok(held)),
                    Ok(held) => {
                        self.release(held.object.index, me);
                        None
                    }
                    Err(HoldError::Removed) => None,
                    Err(error) => Some(Err(error)),
                }
            })
            .unwrap_or(Err(HoldError::Removed))
    }

    /// The objects that are live when they are returned, all or those of one hash.
    pub(crate) fn objects(self, hash: Option<u64>) -> impl Iterator<Item = ObjectRef> + 'a {
        (0..self.count()).filter_map(move |index| {
            let word = self.word(index);
            let (_, of) = self.head(index)?;
            // ORDERING: Relaxed; (G3) orders it, and the name is compared when it is held.
            let is_wanted = hash.is_none_or(|hash| hash == of.load(Ordering::Relaxed));
            (word.is_live() && is_wanted).then_some(ObjectRef { index, word })
        })
    }

    /// Returns a live object, held, and its record.
    pub(crate) fn open_at(
        self,
        object: ObjectRef,
        me: Tag,
        peers: &impl Liveness,
    ) -> Result<HeldObject, HoldError> {
        self.hold(object, me, peers)?;
        match self.record(object.index) {
            Ok(record) => Ok(HeldObject { object, record }),
            Err(error) => {
                self.release(object.index, me);
                Err(error)
            }
        }
    }

    /// Removes an object; returns false if it was removed before.
    pub(crate) fn remove(self, object: ObjectRef) -> bool {
        let Some((state, _)) = self.head(object.index) else {
            return false;
        };
        let removed = object.word.with(REMOVED).0;
        // ORDERING: Release; a collector that acquires it sees what the remover saw.
        let (both, relaxed) = (Ordering::AcqRel, Ordering::Relaxed);
        state
            .compare_exchange(object.word.0, removed, both, relaxed)
            .is_ok()
    }
}

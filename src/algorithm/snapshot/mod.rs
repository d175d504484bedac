//! The latest whole value of one writer, for many readers; wait-free on both sides.
//!
//! # State
//!
//! The latest version; the writer's [claim](crate::participant::holder); an [event count] on which
//! readers wait for a newer version; a slot for each reader, on lines of its own; and two buffers
//! more than there are reader slots, each with a buffer version: the version written to it last.
//!
//! [event count]: crate::wait::event_count
//!
//! ```text
//! version       | number: 52 | index of its buffer: 12 |
//! reader slot   | idle, CHOOSING or a buffer: 32 | 0 | reader's tag: 29 |    0 = free
//! ```
//!
//! Invariant 1: no process writes to the buffer of the latest version, nor to a buffer named by a
//! reader slot.
//!
//! # Protocol
//!
//! - read: if the own buffer holds the latest version, return it. Otherwise CAS the own slot from
//!   its buffer to `CHOOSING`, by which the writer may reuse that buffer; a full barrier; load the
//!   latest version; CAS the slot from `CHOOSING` to its buffer. If that CAS fails, the writer has
//!   assigned a buffer to the reader in the meantime, and the slot names it. The reader has the
//!   buffer until its next read.
//! - publish: pick a buffer that neither is the latest nor is named by a slot; write it, and its
//!   buffer version; CAS the latest version: the commit. A full barrier; then assign the new
//!   version to all choosing readers, by a CAS of each slot from `CHOOSING` to its buffer. Notify
//!   the event count.
//! - claim the writer: take the claim, then assign the latest version to all choosing readers,
//!   because the writer before may have died before it did.
//! - claim a reader slot: CAS a slot from free, or from a dead reader's word, to the own tag; then
//!   check that the registry still knows that tag, (K1) of [`participant`](crate::participant), and
//!   release the slot if not.
//! - release a reader slot: CAS it to free.
//! - wait: see [`wait`](mod@wait).
//!
//! A reader that loaded a version before a commit fails its CAS after the assignment that follows
//! the commit. So when the next buffer is picked, each reader has named the buffer that it will
//! read, or will choose among the versions published since.
//!
//! # Crash
//!
//! | killed | what is left | repaired by |
//! |---|---|---|
//! | claim of the writer | the dead tag | the next claim; a reaper: `DIED` |
//! | publish, before the commit | bytes in an unread buffer | the next publish, in it or another |
//! | publish, after the commit | readers that choose unaided | the next writer, before a pick |
//! | the same, before notifying | a sleeper that is owed a wake | see [event count] |
//! | a reader, anywhere | its slot, with a buffer or `CHOOSING` | the slot's next claim; a reaper |
//!
//! There are two buffers more than reader slots, so the writer finds one whatever dead or stopped
//! readers have. A stopped reader keeps its slot and a buffer. A stopped writer keeps its claim;
//! readers continue with the latest version.
//!
//! # Ordering
//!
//! (N1) The commit (Release) pairs with the load of the latest version (Acquire): the buffer and
//! its buffer version. (N2) is the barrier between two stores and two loads:
//!
//! ```text
//! reader                      writer, or its successor
//! slot: CHOOSING              the latest version
//! barrier                     barrier
//! load the latest version     choosing? then assign
//! ```
//!
//! At least one of the two observes the other's store. (N3) The store of `CHOOSING`, the release of
//! a slot, and the CAS that frees or takes a dead reader's slot (Release) pair with the loads by
//! which a buffer is picked (Acquire): the reads of the buffer before are complete. The changes of
//! the slot in between are RMWs, which continue the release sequence. (N4) The assignment (Release)
//! pairs with the CAS of the reader that fails (Acquire): the buffer and its buffer version. (S3)
//! of [`holder`] orders successive writers, and (M3) of `algorithm::mutex` holds for reader slots.
//!
//! # Trade-offs
//!
//! The scheme is Chen's and Burns' ("A Fully Asynchronous Reader/Writer Mechanism for
//! Multiprocessor Real-Time Systems", York 1997). A sequence lock has one buffer, but its readers
//! retry as often as the writer publishes, and copy bytes that change; here a reader has a
//! reference. The price is memory for as many values as there are reader slots, and a scan of all
//! slots by the writer. A reader does not announce the end of a read, because its buffer counts as
//! its own anyway: a repeated read of the same version needs no locked instruction, and any other
//! read needs two.

pub(crate) mod entry;
pub(crate) mod layout;
#[cfg(all(feature = "inspect", not(loom)))]
pub(crate) mod view;
pub(crate) mod wait;

use crate::algorithm::snapshot::layout::{MAX_BUFFERS, ReaderState, ReaderWord, Version};
use crate::facade::{AtomicU64, Ordering, barrier_after_rmw, mutation, ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::holder::{self, Garbage, HolderWord};
use crate::participant::{Liveness, is_still_registered};
use crate::wait::event_count::EventCount;

/// The words that readers seldom load.
#[repr(C)]
struct WriterState {
    claim: HolderWord,
    /// Readers that wait for a newer version sleep on it.
    event: EventCount,
}

/// A snapshot without its reader slots, buffer versions and buffers, in the segment.
#[repr(C)]
pub(crate) struct SnapshotState {
    latest: Padded<AtomicU64>,
    writer: Padded<WriterState>,
}

/// A reader's slot, in the segment.
pub(crate) type ReaderSlot = Padded<AtomicU64>;

/// A word that the protocol does not allow: no snapshot's, or, in a process that was reaped while
/// alive, that of a slot or a claim which has passed to a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt {
    pub(crate) word: u64,
}

impl From<Garbage> for Corrupt {
    fn from(Garbage(word): Garbage) -> Self {
        Self { word: word.into() }
    }
}

/// The reason why no reader slot was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotError {
    /// All slots belong to live participants.
    Full,
    Corrupt(Corrupt),
    /// This process is no longer a participant.
    MembershipLost,
}

/// The reason why the writer was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// A live participant has the claim.
    Taken(Tag),
    Corrupt(Corrupt),
    /// This process is no longer a participant.
    MembershipLost,
}

/// The claim of a reader to its slot; private to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderClaim {
    /// The index of the slot. Invariant 1: below the number of slots.
    at: usize,
    me: Tag,
    /// The slot's word while this reader is not in an operation.
    word: ReaderWord,
    /// The buffer that the reader has, below the number of buffers, and the version in it; `None`
    /// before the first read.
    has: Option<(u32, Version)>,
}

impl ReaderClaim {
    pub(crate) fn tag(&self) -> Tag {
        self.me
    }

    /// Returns the version read last.
    pub(crate) fn version(&self) -> Option<Version> {
        self.has.map(|(_, version)| version)
    }
}

/// The number of words that have a bit for each buffer.
const MARKS: usize = MAX_BUFFERS / u64::BITS as usize;

/// The claim of the writer; private to its process.
#[derive(Clone, Debug)]
pub(crate) struct WriterClaim {
    me: Tag,
    /// The published version.
    version: Version,
    /// The buffers that must not be written; valid while one is picked.
    marks: [u64; MARKS],
}

impl WriterClaim {
    pub(crate) fn tag(&self) -> Tag {
        self.me
    }

    /// The published version.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    fn mark(&mut self, index: u32) {
        if let Some(word) = self.marks.get_mut((index / u64::BITS) as usize) {
            *word |= 1 << (index % u64::BITS);
        }
    }

    /// Returns the first buffer that is not marked.
    fn unmarked(&self) -> u32 {
        let full = self.marks.iter().take_while(|word| **word == u64::MAX);
        let word = full.count();
        let bit = self.marks.get(word).map_or(0, |word| word.trailing_ones());
        u32::try_from(word).map_or(u32::MAX, |word| word * u64::BITS + bit)
    }
}

/// A snapshot without its buffers: there are as many as buffer versions, and two more than slots.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot<'a> {
    pub(crate) state: &'a SnapshotState,
    pub(crate) slots: &'a [ReaderSlot],
    pub(crate) buffer_versions: &'a [AtomicU64],
}

impl SnapshotState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            latest: Padded(AtomicU64::new(0)),
            writer: Padded(WriterState {
                claim: HolderWord::new(),
                event: EventCount::new(),
            }),
        }
    }

    fn writer(&self) -> &WriterState {
        &self.writer.0
    }

    /// Returns the event count, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 1] {
        [&self.writer().event]
    }

    /// Returns the number of the version published last. It may be stale when it is returned.
    pub(crate) fn peek(&self) -> u64 {
        // ORDERING: Relaxed; the value may be stale.
        Version(self.latest.0.load(Ordering::Relaxed)).number()
    }

    /// Recovers the writer's claim if the participant `dead` has it, and wakes each sleeper that it
    /// may have owed a wake.
    fn recover_writer(&self, dead: Tag) {
        self.writer().claim.recover(dead);
        if !mutation(391) {
            self.writer().event.wake_all();
        }
    }
}

impl Snapshot<'_> {
    /// Returns the number of buffers.
    #[inline(always)]
    fn count(self) -> u32 {
        u32::try_from(self.buffer_versions.len()).unwrap_or(0)
    }

    /// Returns the version published last.
    #[inline(always)]
    pub(crate) fn latest(self) -> Result<Version, Corrupt> {
        // ORDERING: Acquire; pairs with (N1) in `commit`.
        let acquire = ordering(Ordering::Acquire, 370);
        let word = self.state.latest.0.load(acquire);
        let version = Version(word);
        (version.index() < self.count())
            .then_some(version)
            .ok_or(Corrupt { word })
    }

    /// Claims a slot that no live participant has, as idle or, to continue with
    /// [`choose`](Self::choose), as `CHOOSING`.
    pub(crate) fn claim_slot(
        self,
        state: ReaderState,
        peers: &impl Liveness,
    ) -> Result<ReaderClaim, SlotError> {
        let me = peers.me();
        let first = me.index() as usize % self.slots.len().max(1);
        let word = ReaderWord::new(me, state);
        let mut first_corrupt = None;
        // Free slots first: a check whether an owner is alive is a system call.
        for checks_owner in [false, true] {
            for at in (first..self.slots.len()).chain(0..first) {
                match self.try_claim_slot(at, word, peers, checks_owner) {
                    // INVARIANT: 1, by the range.
                    Ok(true) => {
                        let reader = ReaderClaim {
                            at,
                            me,
                            word,
                            has: None,
                        };
                        return self.check_registered(reader, peers);
                    }
                    Ok(false) => {}
                    Err(corrupt) => first_corrupt = Some(corrupt),
                }
            }
        }
        Err(first_corrupt.map_or(SlotError::Full, SlotError::Corrupt))
    }

    /// Checks that the process of a claimed slot is still registered, and releases the slot if not.
    fn check_registered(
        self,
        reader: ReaderClaim,
        peers: &impl Liveness,
    ) -> Result<ReaderClaim, SlotError> {
        if is_still_registered(peers, 610) {
            return Ok(reader);
        }
        if !mutation(611) {
            // If the slot has a new owner, it has been recovered.
            let _ = self.release_slot(&reader);
        }
        Err(SlotError::MembershipLost)
    }

    /// Claims the slot `at` if it is free, or, if `checks_owner`, if its reader is dead.
    fn try_claim_slot(
        self,
        at: usize,
        word: ReaderWord,
        peers: &impl Liveness,
        checks_owner: bool,
    ) -> Result<bool, Corrupt> {
        let slot = &self.slots[at].0;
        loop {
            // ORDERING: Acquire; pairs with (M3) below.
            let seen = ReaderWord(slot.load(Ordering::Acquire));
            if seen != ReaderWord::FREE {
                let corrupt = Corrupt { word: seen.0 };
                let tag = seen.tag(peers.participants()).ok_or(corrupt)?;
                if !checks_owner || !mutation(385) && peers.is_alive(tag) {
                    return Ok(false);
                }
            }
            // ORDERING: Release; (M3), and (N3): the dead reader's buffer is no longer read.
            let release = ordering(Ordering::AcqRel, 384);
            let claimed = slot.compare_exchange(seen.0, word.0, release, Ordering::Relaxed);
            if claimed.is_ok() {
                return Ok(true);
            }
        }
    }

    /// Returns the buffer to read, which is this reader's until its next read.
    #[inline(always)]
    pub(crate) fn read(self, reader: &mut ReaderClaim) -> Result<u32, Corrupt> {
        let latest = self.latest()?;
        match reader.has {
            Some((index, version)) if version == latest && self.owns_slot(reader) => Ok(index),
            _ => self.read_newer(reader),
        }
    }

    /// Returns whether the slot is still this reader's, in the reader's state.
    #[inline(always)]
    fn owns_slot(self, reader: &ReaderClaim) -> bool {
        // ORDERING: Relaxed; only a process that sees this one as dead changes it.
        self.slots[reader.at].0.load(Ordering::Relaxed) == reader.word.0
    }

    #[inline(never)]
    fn read_newer(self, reader: &mut ReaderClaim) -> Result<u32, Corrupt> {
        if mutation(388) {
            return self.read_unannounced(reader);
        }
        let choosing = ReaderWord::new(reader.me, ReaderState::Choosing);
        // ORDERING: Release; (N3) releases the buffer read before.
        let release = ordering(Ordering::AcqRel, 374);
        let slot = &self.slots[reader.at].0;
        slot.compare_exchange(reader.word.0, choosing.0, release, Ordering::Relaxed)
            .map_err(|word| Corrupt { word })?;
        reader.word = choosing;
        reader.has = None;
        self.choose(reader)
    }

    /// A seeded bug: reads the latest version without having announced that it chooses.
    fn read_unannounced(self, reader: &mut ReaderClaim) -> Result<u32, Corrupt> {
        let latest = self.latest()?;
        let word = reader.word.with(latest.index());
        self.slots[reader.at].0.store(word.0, Ordering::Release);
        reader.word = word;
        reader.has = Some((latest.index(), latest));
        Ok(latest.index())
    }

    /// Returns the buffer to read, after the slot was set to `CHOOSING`.
    pub(crate) fn choose(self, reader: &mut ReaderClaim) -> Result<u32, Corrupt> {
        // (N2)
        if !mutation(372) {
            barrier_after_rmw();
        }
        let latest = self.latest();
        let state = latest.map_or(ReaderState::Idle, |version| {
            ReaderState::Buffer(version.index())
        });
        let word = ReaderWord::new(reader.me, state);
        let slot = &self.slots[reader.at].0;
        // ORDERING: Acquire if it fails; pairs with (N4). Else Relaxed: the RMW is part of the
        // release sequence of (N3).
        let acquire = ordering(Ordering::Acquire, 377);
        match slot.compare_exchange(reader.word.0, word.0, Ordering::Relaxed, acquire) {
            Ok(_) => {
                reader.word = word;
                let version = latest?;
                reader.has = Some((version.index(), version));
                Ok(version.index())
            }
            Err(assigned) => self.accept_assigned(reader, ReaderWord(assigned), latest),
        }
    }

    /// Returns the buffer that the writer has assigned.
    #[cold]
    fn accept_assigned(
        self,
        reader: &mut ReaderClaim,
        assigned: ReaderWord,
        latest: Result<Version, Corrupt>,
    ) -> Result<u32, Corrupt> {
        let (true, Some(ReaderState::Buffer(index))) =
            (assigned.is_of(reader.me), assigned.state(self.count()))
        else {
            return Err(Corrupt { word: assigned.0 });
        };
        reader.word = assigned;
        if let (true, Ok(version)) = (mutation(393), latest) {
            return Ok(version.index());
        }
        // ORDERING: Relaxed; (N4) orders it.
        let version = Version(self.buffer_versions[index as usize].load(Ordering::Relaxed));
        reader.has = Some((index, version));
        Ok(index)
    }

    /// Releases the slot if it is still this reader's.
    pub(crate) fn release_slot(self, reader: &ReaderClaim) -> Result<(), Corrupt> {
        self.free_slot(reader.at, reader.word, reader.me, 386)
    }

    /// Frees the slot `at` if it is `tag`'s.
    fn free_slot(
        self,
        at: usize,
        mut seen: ReaderWord,
        tag: Tag,
        mutant: u32,
    ) -> Result<(), Corrupt> {
        // ORDERING: Release; (N3).
        let release = ordering(Ordering::AcqRel, mutant);
        let slot = &self.slots[at].0;
        while seen.is_of(tag) {
            match slot.compare_exchange(seen.0, ReaderWord::FREE.0, release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => seen = ReaderWord(now),
            }
        }
        Err(Corrupt { word: seen.0 })
    }

    /// Claims the writer if no live participant has it.
    pub(crate) fn claim_writer(self, peers: &impl Liveness) -> Result<WriterClaim, ClaimError> {
        let me = peers.me();
        let claim = &self.state.writer().claim;
        claim.claim(peers).map_err(|refused| match refused {
            holder::HolderError::Taken(tag) => ClaimError::Taken(tag),
            holder::HolderError::Garbage(garbage) => ClaimError::Corrupt(garbage.into()),
            holder::HolderError::MembershipLost => ClaimError::MembershipLost,
        })?;
        match self.latest() {
            Ok(version) => {
                // (N2)
                if !mutation(380) {
                    barrier_after_rmw();
                }
                if !mutation(379) {
                    self.assign(version);
                }
                Ok(WriterClaim {
                    me,
                    version,
                    marks: [0; MARKS],
                })
            }
            Err(corrupt) => {
                self.release_writer(me);
                Err(ClaimError::Corrupt(corrupt))
            }
        }
    }

    /// Returns a buffer that no reader has, and that none will have before it is committed.
    #[inline]
    pub(crate) fn pick(self, writer: &mut WriterClaim) -> Result<u32, Corrupt> {
        self.state.writer().claim.check(writer.me)?;
        let words = self.buffer_versions.len().div_ceil(u64::BITS as usize);
        writer
            .marks
            .iter_mut()
            .take(words)
            .for_each(|word| *word = 0);
        if !mutation(382) {
            writer.mark(writer.version.index());
        }
        for slot in self.slots {
            // ORDERING: Acquire; pairs with (N3).
            let word = slot.0.load(ordering(Ordering::Acquire, 375));
            match ReaderWord(word).state(self.count()) {
                Some(ReaderState::Buffer(index)) if !mutation(381) => writer.mark(index),
                Some(_) => {}
                None => return Err(Corrupt { word }),
            }
        }
        // One buffer for each slot is marked at most, and one more.
        Ok(writer.unmarked().min(self.count().saturating_sub(1)))
    }

    /// Publishes a buffer that was picked and written.
    #[inline]
    pub(crate) fn commit(self, writer: &mut WriterClaim, index: u32) -> Result<Version, Corrupt> {
        let version = writer.version.next(index);
        // ORDERING: Relaxed; (N1) and (N4) publish it with the buffer.
        self.buffer_versions[index as usize].store(version.0, Ordering::Relaxed);
        // ORDERING: Release; (N1).
        let release = ordering(Ordering::Release, 371);
        let latest = &self.state.latest.0;
        let (from, to) = (writer.version.0, version.0);
        let to = if mutation(952) { from } else { to };
        latest
            .compare_exchange(from, to, release, Ordering::Relaxed)
            .map_err(|word| Corrupt { word })?;
        writer.version = version;
        // (N2)
        if !mutation(373) {
            barrier_after_rmw();
        }
        if !mutation(378) {
            self.assign(version);
        }
        if !mutation(390) {
            self.state.writer().event.notify_all();
        }
        Ok(version)
    }

    /// Assigns the latest version to all choosing readers.
    #[inline]
    fn assign(self, latest: Version) {
        for slot in self.slots {
            // ORDERING: Relaxed; (N2) orders it, and the CAS decides.
            let seen = ReaderWord(slot.0.load(Ordering::Relaxed));
            if seen.is_choosing() {
                let assigned = seen.with(latest.index());
                // ORDERING: Release; (N4). No seeded bug weakens it: the barrier before it
                // releases, too.
                let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
                // If the CAS fails, the reader has chosen.
                let _ = slot
                    .0
                    .compare_exchange(seen.0, assigned.0, release, relaxed);
            }
        }
    }

    /// Releases the writer's claim. Does nothing if it is no longer `me`'s.
    pub(crate) fn release_writer(self, me: Tag) {
        let writer = self.state.writer();
        if !mutation(953) && writer.claim.leave(me) && !mutation(394) {
            writer.event.wake_all();
        }
    }

    /// Recovers the claims of the participant `dead`, and wakes each sleeper that it may have owed
    /// a wake.
    pub(crate) fn recover(self, dead: Tag) {
        for (at, slot) in self.slots.iter().enumerate() {
            // ORDERING: Relaxed; a dead reader's word does not change until it is recovered.
            let seen = ReaderWord(slot.0.load(Ordering::Relaxed));
            // Most slots are other participants'.
            let _ = self.free_slot(at, seen, dead, 387);
        }
        self.state.recover_writer(dead);
    }
}

#[cfg(test)]
pub(crate) mod tests;

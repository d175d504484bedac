//! This process's membership of a segment: joining, staying alive, leaving, and helping.
//!
//! The algorithm of the registry is `participant::registry`, and that of the tag, which all threads
//! of this process share, is `participant::own_tag`. This module has the mapping that holds the
//! lock, the descriptor that probes, and the page of the tag, which a forked child does not
//! inherit.

use crate::facade::Ordering::Relaxed;
use crate::facade::{AtomicU32, WaitHistory, clock_coarse};
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::format::Kind;
use crate::participant::Tag;
use crate::participant::own_tag::OwnTag;
use crate::participant::registry::{ByteLocks, Joined, Reaped, RegistryEntry};
use crate::participant::{Liveness, SlowEvent};
use crate::segment::attachment::Attachment;
use crate::segment::fault::{MembershipError, SystemError};
use crate::segment::mapping::{EntryBytes, Mapping, ParticipantEntry};
use crate::segment::{managed, recover, stats, trace};
use crate::sys::clock;
use crate::sys::fork::{Exclusive, ForkPage, exclusive};
use crate::sys::identity::{self, Identity};
use crate::sys::locks::{self, Held};
use crate::sys::shm;

/// The offset of the participants' bytes in the file: far behind the end of any segment.
pub(crate) const LOCKS_BASE: u64 = 1 << 40;

/// The interval at which the participants of a segment, all together, probe for dead peers:
/// nanoseconds, at least and at most.
const REAP_EVERY: (u64, u64) = (4_000_000, 400_000_000);
/// The interval for each probed peer: 500 times the duration of a probe.
const REAP_EACH: u64 = 500_000;
/// The bits of the time at which peers are next probed that are the interval, in milliseconds.
const INTERVAL: u64 = (1 << 10) - 1;
const MILLISECOND: u64 = 1_000_000;

/// This process's membership. A forked child reads zeros everywhere: it is not a member.
#[derive(Debug)]
pub(crate) struct Membership {
    page: ForkPage,
}

/// The byte locks of a segment's file.
struct Locks<'a> {
    purpose: LockUse<'a>,
    mapping: &'a Mapping,
}

/// The use that this process makes of the byte locks.
enum LockUse<'a> {
    /// Probes whether peers are alive.
    Probe,
    /// Acquires one, through a description of its own.
    Join(BorrowedFd<'a>),
    /// Releases its own.
    Leave(Cell<Option<Held>>),
}

impl<'a> Locks<'a> {
    fn probing(mapping: &'a Mapping) -> Self {
        let purpose = LockUse::Probe;
        Self { purpose, mapping }
    }
}

impl ByteLocks for Locks<'_> {
    type Error = io::Error;

    fn try_lock(&self, index: u32) -> io::Result<bool> {
        match &self.purpose {
            LockUse::Join(fd) => locks::try_lock_byte(*fd, LOCKS_BASE + u64::from(index)),
            LockUse::Probe | LockUse::Leave(_) => Ok(false),
        }
    }

    fn unlock(&self, index: u32) -> io::Result<()> {
        match &self.purpose {
            LockUse::Join(fd) => locks::unlock_byte(*fd, LOCKS_BASE + u64::from(index))?,
            LockUse::Leave(held) => held.take().into_iter().for_each(Held::release),
            LockUse::Probe => {}
        }
        Ok(())
    }

    fn is_locked(&self, index: u32) -> bool {
        let at = LOCKS_BASE + u64::from(index);
        // Only the segment's own file can prove a death.
        let is_free = |fd: BorrowedFd<'_>| matches!(locks::is_byte_locked(fd, at), Ok(false));
        !self.mapping.probe().proves(is_free)
    }
}

/// The numbers of registry entries that a reap freed and could not free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaping {
    /// Dead participants whose holdings were recovered and whose registry entries are free now.
    pub freed: u32,
    /// Dead participants that may hold something in an entry that this version cannot recover: of
    /// an unknown kind, or with a corrupt record. Their registry entries stay taken.
    pub stuck: u32,
}

impl Membership {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            page: ForkPage::new()?,
        })
    }

    /// The tag, 0 for none.
    #[inline]
    pub(crate) fn tag_word(&self) -> &AtomicU32 {
        &self.page.words()[0]
    }

    /// Not 0 once this process failed to join and goes on without a tag.
    #[inline]
    fn nonmember_word(&self) -> &AtomicU32 {
        &self.page.words()[1]
    }

    /// Returns the tag of this process, if it is a participant already.
    #[inline]
    pub(crate) fn current(&self) -> Option<Tag> {
        self.own_tag().current()
    }

    #[inline]
    fn own_tag(&self) -> OwnTag<'_> {
        OwnTag::new(self.tag_word())
    }

    /// Returns the tag of this process, for an operation that does not need one: a process that
    /// failed to join does not try again.
    #[cold]
    pub(crate) fn tag_if_possible(mapping: &Mapping) -> Option<Tag> {
        let this = mapping.membership();
        // ORDERING: Relaxed; a hint.
        if this.nonmember_word().load(Relaxed) != 0 {
            return this.current();
        }
        let joined = Self::join(mapping).ok();
        this.nonmember_word()
            .store(u32::from(joined.is_none()), Relaxed);
        joined
    }

    /// Returns the tag of this process, which joins if it has none.
    #[inline]
    pub(crate) fn tag(mapping: &Mapping) -> Result<Tag, MembershipError> {
        match mapping.membership().current() {
            Some(tag) => Ok(tag),
            None => Self::join(mapping),
        }
    }

    #[cold]
    fn join(mapping: &Mapping) -> Result<Tag, MembershipError> {
        loop {
            if let Joined::As(tag) = Self::try_join(mapping)? {
                return Ok(tag);
            }
            // Outside the exclusion, as the pause: a subscriber of `tracing` is told.
            Self::reap(mapping);
            match Self::try_join(mapping)? {
                Joined::As(tag) => return Ok(tag),
                Joined::Resting(left) => clock::pause(left),
                Joined::Full => {
                    let participants = mapping.geometry().participants;
                    return Err(MembershipError::RegistryFull { participants });
                }
            }
        }
    }

    fn try_join(mapping: &Mapping) -> Result<Joined, MembershipError> {
        // Allocation and reading /proc come before the exclusion, for which a fork waits. The first
        // reading of the clock does both.
        clock_coarse();
        let identity = identity::own();
        let path = mapping.path().map(|path| path.as_os_str().as_bytes());
        let path = path.and_then(|path| CString::new(path).ok());
        let exclusive = exclusive();
        let own = mapping.membership().own_tag();
        own.join(&exclusive, || {
            Self::join_held(mapping, identity, path.as_deref())
        })
    }

    /// Joins and keeps the mapping that holds the lock. Runs under the exclusion.
    fn join_held(
        mapping: &Mapping,
        identity: Identity,
        path: Option<&CStr>,
    ) -> Result<Joined, MembershipError> {
        let io =
            |what| move |error: io::Error| MembershipError::System(SystemError::new(what, &error));
        let id = (mapping.id().device, mapping.id().inode);
        let fresh = locks::reopen(mapping.fd(), id, path)
            .map_err(io("reopening the segment through /proc/thread-self/fd"))?;
        let held = Held::new(fresh.as_fd()).map_err(io("mmap of the page that holds a lock"))?;
        let locks = Locks {
            purpose: LockUse::Join(fresh.as_fd()),
            mapping,
        };
        let joined = Self::join_through(&locks, identity);
        // From here on the mapping alone holds the lock.
        drop(fresh);
        match joined {
            Ok(Joined::As(tag)) => {
                if !Locks::probing(mapping).is_locked(tag.index()) {
                    let left = Self::leave_as(mapping, tag, held);
                    let source = left.err().unwrap_or_else(locks::not_kept);
                    return Err(io("keeping a lock by a mapping")(source));
                }
                // ORDERING: Relaxed; read under the exclusion only.
                let address = mapping.membership().page.address();
                address.store(held.address(), Relaxed);
                Ok(Joined::As(tag))
            }
            Ok(refused) => {
                held.release();
                Ok(refused)
            }
            Err(source) => {
                held.release();
                Err(io("locking a byte of the segment")(source))
            }
        }
    }

    fn join_through(locks: &Locks<'_>, identity: Identity) -> io::Result<Joined> {
        let mapping = locks.mapping;
        let describe = |index: u32| {
            if let Some(entry) = mapping.participants().get(index as usize) {
                // ORDERING: Relaxed; informative, published by (R1) with the rest.
                entry.pid.store(identity.pid, Relaxed);
                entry.start_time.store(identity.start_time, Relaxed);
                entry.pid_namespace.store(identity.pid_namespace, Relaxed);
                entry.time_namespace.store(identity.time_namespace, Relaxed);
            }
        };
        mapping.registry().join(locks, clock_coarse, describe)
    }

    /// Leaves, if this process is a participant. First recovers what it still holds.
    pub(crate) fn leave(mapping: &Mapping, exclusive: &Exclusive) -> io::Result<()> {
        let own = mapping.membership().own_tag();
        let left = own.leave(exclusive, |tag| {
            let held = Self::held(mapping, exclusive);
            held.map_or(Ok(()), |held| Self::leave_as(mapping, tag, held))
        });
        left.unwrap_or(Ok(()))
    }

    fn leave_as(mapping: &Mapping, tag: Tag, held: Held) -> io::Result<()> {
        let locks = Locks {
            purpose: LockUse::Leave(Cell::new(Some(held))),
            mapping,
        };
        let visit = |tag| visit(mapping, tag, Some(tag));
        mapping.registry().leave(tag, &locks, visit)
    }

    /// Takes the mapping that holds this process's lock, if it is a participant.
    fn held(mapping: &Mapping, _: &Exclusive) -> Option<Held> {
        let address = mapping.membership().page.address().swap(0, Relaxed);
        // SAFETY: `join` has stored it, in this address space, since a child of fork reads 0; it is
        // taken out once, under the exclusion.
        unsafe { Held::at(address) }
    }

    /// Forgets a membership that peers have taken for dead; the next operation joins anew.
    ///
    /// Keeps the membership if the descriptor that probes is gone, or was gone when the operation
    /// asked: to its peers this process is alive, and its guards hold.
    pub(crate) fn membership_lost(mapping: &Mapping, tag: Tag) -> MembershipError {
        let exclusive = exclusive();
        // Without the descriptor each byte counts as locked.
        let is_member = || {
            let locks = Locks::probing(mapping);
            mapping.registry().is_member(tag, &locks)
        };
        let release = || {
            let held = Self::held(mapping, &exclusive);
            held.into_iter().for_each(Held::release);
        };
        let own = mapping.membership().own_tag();
        if own.forget(&exclusive, tag, is_member, release) {
            return MembershipError::System(SystemError::new(
                "asking which peers are alive, through the segment's descriptor,",
                &shm::closed_by_other_code(),
            ));
        }
        MembershipError::Lost
    }

    /// Not 0 while a monitor of this process watches the segment; a monitor of the process that it
    /// was forked from does not count.
    #[inline]
    pub(crate) fn monitored_word(&self) -> &AtomicU32 {
        &self.page.words()[2]
    }

    /// Returns the process id of a participant, if it means the same process here as there.
    pub(crate) fn pid_of(mapping: &Mapping, tag: Tag, own_namespace: u64) -> Option<u32> {
        let entry = mapping.participants().get(tag.index() as usize)?;
        // ORDERING: Relaxed; a probe checks afterwards.
        let namespace = entry.pid_namespace.load(Relaxed);
        let pid = entry.pid.load(Relaxed);
        (namespace == own_namespace && namespace != 0 && pid != 0).then_some(pid)
    }

    /// Returns whether the participant with `tag` is alive.
    pub(crate) fn is_alive(mapping: &Mapping, tag: Tag) -> bool {
        let locks = Locks::probing(mapping);
        match mapping.membership().current() {
            Some(me) => mapping.registry().is_alive(tag, me, &locks),
            None => mapping.registry().probe(tag, &locks),
        }
    }

    /// Recovers what every dead participant holds, and frees its registry entry.
    pub(crate) fn reap(mapping: &Mapping) -> Reaping {
        Self::reap_with(&Locks::probing(mapping), mapping.membership().current())
    }

    /// Recovers what the participant at `index` holds, if it is dead, and frees its registry entry.
    pub(crate) fn reap_at(mapping: &Mapping, index: u32) {
        let locks = Locks::probing(mapping);
        let me = mapping.membership().current();
        Self::reap_one(&locks, index, me);
    }

    fn reap_one(locks: &Locks<'_>, index: u32, me: Option<Tag>) -> Reaped {
        let mapping = locks.mapping;
        let mut dead = None;
        let reaped = mapping.registry().reap(index, me, locks, |tag| {
            dead = Some((tag, trace::Obituary::of(mapping, tag)));
            visit(mapping, tag, me)
        });
        // Only now: other code runs here, and may use the segment. Of several helpers only the last
        // one tells.
        if let (Reaped::Freed, Some((tag, obituary))) = (&reaped, dead) {
            stats::count(mapping, SlowEvent::Reaping);
            trace::participant_reaped(mapping, tag, &obituary);
        }
        reaped
    }

    fn reap_with(locks: &Locks<'_>, me: Option<Tag>) -> Reaping {
        let mapping = locks.mapping;
        let mut reaping = Reaping::default();
        for index in 0..mapping.geometry().participants {
            match Self::reap_one(locks, index, me) {
                Reaped::None | Reaped::FreedByAnother => {}
                Reaped::Freed => reaping.freed += 1,
                Reaped::Stuck => reaping.stuck += 1,
            }
        }
        reaping
    }
}

/// Recovers what `tag` holds in every published entry, as the participant `me`, if this process is
/// one. Returns false if one of them cannot be recovered.
fn visit(mapping: &Mapping, tag: Tag, me: Option<Tag>) -> bool {
    let directory = mapping.directory();
    directory.control.recover(tag);
    let Ok(records) = directory.records() else {
        return false;
    };
    let mut all = true;
    for found in records {
        all &= found.is_ok_and(|found| {
            let recovered = recover::recover(&EntryBytes::located(mapping, &found.record), tag);
            let is_manager = found.record.kind == Kind::Manager as u32;
            recovered && (!is_manager || managed::visit(mapping, &found.record, tag, me))
        });
    }
    all
}

/// The liveness of the other participants, as seen by one.
#[derive(Clone, Copy)]
pub(crate) struct SegmentLiveness<'a> {
    pub(crate) mapping: &'a Attachment,
    /// The entries of the mapping's registry.
    registry: &'a [ParticipantEntry],
    /// Invariant 1: its index is below the number of those entries.
    pub(crate) me: Tag,
    /// The handle's history of waits.
    waits: Option<&'a WaitHistory>,
}

impl<'a> SegmentLiveness<'a> {
    /// Returns the liveness of the peers of `me`, a present or past tag of this process.
    #[inline(always)]
    pub(crate) fn new(mapping: &'a Attachment, registry: &'a [ParticipantEntry], me: Tag) -> Self {
        // INVARIANT: 1; `Registry::join` gives no other tags.
        Self {
            mapping,
            registry,
            me,
            waits: None,
        }
    }

    /// Adds the handle's history of waits.
    #[inline(always)]
    pub(crate) fn remembering(self, waits: &'a WaitHistory) -> Self {
        Self {
            waits: Some(waits),
            ..self
        }
    }
}

impl Liveness for SegmentLiveness<'_> {
    const KNOWS_UNREGISTERED: bool = true;

    #[inline(always)]
    fn me(&self) -> Tag {
        self.me
    }

    #[inline(always)]
    fn is_unregistered(&self, tag: Tag) -> bool {
        let entry = self.registry.get(tag.index() as usize);
        !entry.is_some_and(|entry| entry.is_live(tag))
    }

    #[inline(always)]
    fn is_registered(&self) -> bool {
        // SAFETY: Invariant 1.
        let entry = unsafe { self.registry.get_unchecked(self.me.index() as usize) };
        entry.is_live(self.me)
    }

    #[cold]
    fn is_alive(&self, tag: Tag) -> bool {
        let locks = Locks::probing(self.mapping);
        self.mapping.registry().is_alive(tag, self.me, &locks)
    }

    #[cold]
    fn count(&self, event: SlowEvent) {
        stats::count(self.mapping, event);
    }

    fn sleeps_for(&self, tag: Tag) {
        if tag != self.me {
            let membership = self.mapping.membership();
            self.mapping.watch_requests().request(membership, tag);
        }
    }

    fn is_marked_live(&self, tag: Tag) -> bool {
        tag == self.me || !self.is_unregistered(tag)
    }

    fn is_watched(&self, tag: Tag) -> bool {
        let membership = self.mapping.membership();
        self.mapping.watch_requests().is_watched(membership, tag)
    }

    fn history(&self) -> Option<&WaitHistory> {
        self.waits
    }

    #[cold]
    fn is_member(&self) -> bool {
        let locks = Locks::probing(self.mapping);
        self.mapping.is_intact() && self.mapping.registry().is_member(self.me, &locks)
    }

    #[cold]
    fn reap(&self, urgent: bool) -> bool {
        let now = clock_coarse();
        let due = self.mapping.reaping_due();
        // ORDERING: Relaxed; it only saves work.
        let at = due.load(Relaxed);
        // No process postpones it by more than the longest interval, so a later time is garbage.
        let is_due = at <= now || at - now > 2 * REAP_EVERY.1;
        if !urgent && !is_due {
            return false;
        }
        let registry = self.mapping.registry();
        let asked = (0..self.participants()).filter(|index| registry.state(*index).is_live());
        let pause = REAP_EACH.saturating_mul(asked.count() as u64);
        let pause = pause.clamp(REAP_EVERY.0, REAP_EVERY.1);
        let next = (now.saturating_add(pause) & !INTERVAL) | (pause / MILLISECOND);
        // Postponed before the reap, not after it: a process that is killed here delays its peers
        // no longer than a live one.
        let is_first = due.compare_exchange(at, next, Relaxed, Relaxed).is_ok();
        let does = urgent || is_first;
        if does {
            Membership::reap_with(&Locks::probing(self.mapping), Some(self.me));
        }
        does
    }

    fn since_reap(&self) -> Option<Duration> {
        // ORDERING: Relaxed; as in `reap`.
        let (due, now) = (self.mapping.reaping_due().load(Relaxed), clock_coarse());
        let last = due.saturating_sub((due & INTERVAL) * MILLISECOND);
        (due > now).then(|| Duration::from_nanos(now.saturating_sub(last)))
    }

    fn participants(&self) -> u32 {
        self.mapping.geometry().participants
    }
}

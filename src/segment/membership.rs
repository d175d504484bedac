//! This process's membership of a segment: joining, staying alive, leaving, and helping.
//!
//! The registry's algorithm is `raw::registry`; here are the descriptor that locks, the one that
//! probes, and the tag, which a forked child does not inherit.

use crate::facade::Ordering::{self, Relaxed};
use crate::facade::{AtomicU32, AtomicU64};
use std::io;
use std::os::fd::BorrowedFd;

use crate::layout::Tag;
use crate::raw::Peers;
use crate::raw::registry::{ByteLocks, Joined, Reaped};
use crate::segment::error::MembershipError;
use crate::segment::mapping::{EntryBytes, Mapping};
use crate::segment::recover;
use crate::sys::clock::monotonic_coarse;
use crate::sys::fork::{Exclusive, ForkPage, SlotId, exclusive};
use crate::sys::{identity, locks, shm};

/// Where in the file the participants' bytes are: far behind any segment's end.
const LOCKS_BASE: u64 = 1 << 40;

/// How often those who wait in one queue look for dead participants, all together: nanoseconds.
const REAP_EVERY: u64 = 4_000_000;

/// What this process knows of its membership. A forked child reads zeros everywhere: it is nobody.
#[derive(Debug)]
pub(crate) struct Membership {
    page: ForkPage,
}

/// The byte locks of a segment's file.
struct Locks<'a> {
    /// The description that is this process's alone; none for those who only probe.
    own: Option<BorrowedFd<'a>>,
    mapping: &'a Mapping,
}

impl ByteLocks for Locks<'_> {
    type Error = io::Error;

    fn try_lock(&self, index: u32) -> io::Result<bool> {
        self.own.map_or(Ok(false), |fd| {
            locks::try_lock_byte(fd, LOCKS_BASE + u64::from(index))
        })
    }

    fn unlock(&self, index: u32) -> io::Result<()> {
        self.own.map_or(Ok(()), |fd| {
            locks::unlock_byte(fd, LOCKS_BASE + u64::from(index))
        })
    }

    fn is_locked(&self, index: u32) -> bool {
        match locks::is_byte_locked(self.mapping.fd(), LOCKS_BASE + u64::from(index)) {
            // Only the segment's own file says that somebody is dead.
            Ok(false) => !self.mapping.is_intact(),
            Ok(true) | Err(_) => true,
        }
    }
}

/// How many indices a helper freed, and how many it could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaping {
    /// Dead participants whose holdings were given back and whose places are free now.
    pub freed: u32,
    /// Dead participants that may hold something in an entry that this version cannot repair: of
    /// an unknown kind, or with a corrupt record. Their places stay taken.
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

    /// The slot of the descriptor that locks, its number plus 1; 0 for none.
    fn slot_word(&self) -> &AtomicU32 {
        &self.page.words()[1]
    }

    /// Not 0 once this process could not join and does well without.
    #[inline]
    fn outsider_word(&self) -> &AtomicU32 {
        &self.page.words()[2]
    }

    /// The tag of this process, if it is a participant already.
    #[inline]
    pub(crate) fn current(&self) -> Option<Tag> {
        Self::tag_in(self.tag_word())
    }

    /// The tag in a [`tag_word`](Self::tag_word).
    #[inline(always)]
    pub(crate) fn tag_in(word: &AtomicU32) -> Option<Tag> {
        // ORDERING: Acquire; (B1) pairs with the store in `join`. The thread that joined published
        // that in the segment, and whoever reads the tag here may put it into a word that others
        // read with (M3).
        Tag::from_bits(word.load(Ordering::Acquire))
    }

    /// The tag of this process, for an operation that does not need one: a process that could not
    /// join is not asked again.
    #[cold]
    pub(crate) fn tag_if_possible(mapping: &Mapping) -> Option<Tag> {
        let this = mapping.membership();
        // ORDERING: Relaxed; a hint.
        if this.outsider_word().load(Relaxed) != 0 {
            return this.current();
        }
        let joined = Self::join(mapping).ok();
        this.outsider_word()
            .store(u32::from(joined.is_none()), Relaxed);
        joined
    }

    /// The tag of this process, which joins if it has none.
    #[inline]
    pub(crate) fn tag(mapping: &Mapping) -> Result<Tag, MembershipError> {
        match mapping.membership().current() {
            Some(tag) => Ok(tag),
            None => Self::join(mapping),
        }
    }

    #[cold]
    fn join(mapping: &Mapping) -> Result<Tag, MembershipError> {
        let this = mapping.membership();
        let exclusive = exclusive();
        if let Some(tag) = this.current() {
            return Ok(tag);
        }
        let io = |what| move |source| MembershipError::Io { what, source };
        let id = (mapping.id().device, mapping.id().inode);
        let path = mapping.path().map(|path| path.as_path());
        let fresh = locks::reopen(mapping.fd(), id, path).map_err(io(
            "opening the segment a second time, through /proc/thread-self/fd",
        ))?;
        let slot = exclusive.adopt(fresh).map_err(io("fstat of the segment"))?;
        let joined = Self::join_through(mapping, &exclusive, slot);
        match joined {
            Ok(Joined::As(tag)) => {
                // ORDERING: Relaxed; read under the exclusion only.
                this.slot_word().store(slot_word(slot), Relaxed);
                // ORDERING: Release; (B1) publishes to other threads that this process has joined.
                this.tag_word().store(tag.bits(), Ordering::Release);
                Ok(tag)
            }
            Ok(Joined::Full) => {
                exclusive.close(slot);
                let participants = mapping.geometry().participants;
                Err(MembershipError::RegistryFull { participants })
            }
            Err(source) => {
                exclusive.close(slot);
                Err(MembershipError::Io {
                    what: "locking a byte of the segment",
                    source,
                })
            }
        }
    }

    fn join_through(mapping: &Mapping, exclusive: &Exclusive, slot: SlotId) -> io::Result<Joined> {
        let locks = Locks {
            own: exclusive.borrow(slot),
            mapping,
        };
        let identity = identity::own();
        let describe = |index: u32| {
            if let Some(entry) = mapping.participants().get(index as usize) {
                // ORDERING: Relaxed; for people, published by (R1) with the rest.
                entry.pid.store(identity.pid, Relaxed);
                entry.start_time.store(identity.start_time, Relaxed);
                entry.pid_namespace.store(identity.pid_namespace, Relaxed);
            }
        };
        match mapping.registry().join(&locks, describe)? {
            Joined::Full => {
                Self::reap_with(mapping, &locks, None);
                mapping.registry().join(&locks, describe)
            }
            joined => Ok(joined),
        }
    }

    /// Leaves, if this process is a participant: gives back what it still holds first.
    pub(crate) fn leave(mapping: &Mapping) -> io::Result<()> {
        let this = mapping.membership();
        let exclusive = exclusive();
        let Some(tag) = this.current() else {
            return Ok(());
        };
        let slot = slot_of(this.slot_word().load(Relaxed));
        let own = slot.and_then(|slot| exclusive.borrow(slot));
        let locks = Locks { own, mapping };
        let left = mapping
            .registry()
            .leave(tag, &locks, |tag| visit(mapping, tag));
        this.tag_word().store(0, Relaxed);
        if let Some(slot) = slot {
            exclusive.close(slot);
        }
        left
    }

    /// Forgets a membership that others have taken for dead; the next operation joins anew.
    ///
    /// Unless only the descriptor that probes is gone: to the others this process lives, and other
    /// threads' guards hold. It just cannot ask who else does.
    pub(crate) fn expel(mapping: &Mapping, tag: Tag) -> MembershipError {
        let this = mapping.membership();
        let exclusive = exclusive();
        if this.current() != Some(tag) {
            return MembershipError::Expelled;
        }
        let slot = slot_of(this.slot_word().load(Relaxed));
        if !mapping.is_intact() && slot.is_some_and(|slot| exclusive.borrow(slot).is_some()) {
            return MembershipError::Io {
                what: "asking who is alive, through the segment's descriptor",
                source: shm::closed_by_others(),
            };
        }
        this.tag_word().store(0, Relaxed);
        if let Some(slot) = slot {
            exclusive.close(slot);
        }
        MembershipError::Expelled
    }

    /// Not 0 while a monitor of this process, and not of one that it was forked from, watches the
    /// segment.
    #[inline]
    pub(crate) fn monitored_word(&self) -> &AtomicU32 {
        &self.page.words()[3]
    }

    /// The process id of a participant, if it means the same process here as there.
    pub(crate) fn pid_of(mapping: &Mapping, tag: Tag, own_namespace: u64) -> Option<u32> {
        let entry = mapping.participants().get(tag.index() as usize)?;
        // ORDERING: Relaxed; what is done with it is checked by a probe afterwards.
        let namespace = entry.pid_namespace.load(Relaxed);
        let pid = entry.pid.load(Relaxed);
        (namespace == own_namespace && namespace != 0 && pid != 0).then_some(pid)
    }

    /// Whether the participant with this standing at `index` is alive.
    pub(crate) fn is_alive(mapping: &Mapping, tag: Tag) -> bool {
        let locks = Locks { own: None, mapping };
        match mapping.membership().current() {
            Some(me) => mapping.registry().is_alive(tag, me, &locks),
            None => mapping.registry().probe(tag, &locks),
        }
    }

    /// Gives back what every dead participant holds, and frees its place.
    pub(crate) fn reap(mapping: &Mapping) -> Reaping {
        let locks = Locks { own: None, mapping };
        Self::reap_with(mapping, &locks, mapping.membership().current())
    }

    /// Gives back what the participant at `index` holds, if it is dead, and frees its place.
    pub(crate) fn reap_at(mapping: &Mapping, index: u32) {
        let locks = Locks { own: None, mapping };
        let me = mapping.membership().current();
        let visit = |tag| visit(mapping, tag);
        mapping.registry().reap(index, me, &locks, visit);
    }

    fn reap_with(mapping: &Mapping, locks: &Locks<'_>, me: Option<Tag>) -> Reaping {
        let mut reaping = Reaping::default();
        for index in 0..mapping.geometry().participants {
            match mapping
                .registry()
                .reap(index, me, locks, |tag| visit(mapping, tag))
            {
                Reaped::Nobody => {}
                Reaped::Freed => reaping.freed += 1,
                Reaped::Stuck => reaping.stuck += 1,
            }
        }
        reaping
    }
}

fn slot_word(slot: SlotId) -> u32 {
    u32::try_from(slot.number()).map_or(0, |number| number.saturating_add(1))
}

fn slot_of(word: u32) -> Option<SlotId> {
    Some(SlotId::from_number(word.checked_sub(1)? as usize))
}

/// Gives back what `tag` holds in every published entry; false if one of them cannot be repaired.
fn visit(mapping: &Mapping, tag: Tag) -> bool {
    let directory = mapping.directory();
    directory.control.recover(tag);
    let Ok(records) = directory.records() else {
        return false;
    };
    let mut all = true;
    for found in records {
        all &= found.is_ok_and(|found| {
            let bytes = EntryBytes {
                mapping,
                offset: found.record.offset,
                len: found.record.len,
            };
            let participants = mapping.geometry().participants;
            recover::recover(&found.record, participants, &bytes, tag)
        });
    }
    all
}

/// The others, as one participant's operations see them.
#[derive(Clone, Copy)]
pub(crate) struct Others<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) me: Tag,
}

impl Peers for Others<'_> {
    const KNOWS_STRANGERS: bool = true;

    #[inline(always)]
    fn is_stranger(&self, tag: Tag) -> bool {
        !self.mapping.registry().is_live(tag)
    }

    #[cold]
    fn is_alive(&self, tag: Tag) -> bool {
        let locks = Locks {
            own: None,
            mapping: self.mapping,
        };
        self.mapping.registry().is_alive(tag, self.me, &locks)
    }

    fn sleeps_for(&self, tag: Tag) {
        if tag != self.me {
            let membership = self.mapping.membership();
            self.mapping.attention().wants(membership, tag);
        }
    }

    #[cold]
    fn am_alive(&self) -> bool {
        let locks = Locks {
            own: None,
            mapping: self.mapping,
        };
        self.mapping.is_intact() && self.mapping.registry().stands(self.me, &locks)
    }

    #[cold]
    fn reap(&self, last: &AtomicU64, urgent: bool) -> bool {
        let now = u64::try_from(monotonic_coarse().as_nanos()).unwrap_or(0);
        // ORDERING: Relaxed; it only spares work. A time to come is no time: garbage.
        let before = last.load(Relaxed);
        let is_recent = before <= now && now - before < REAP_EVERY;
        let does = urgent || !is_recent;
        if does {
            last.store(now, Relaxed);
            let locks = Locks {
                own: None,
                mapping: self.mapping,
            };
            Membership::reap_with(self.mapping, &locks, Some(self.me));
        }
        does
    }

    fn participants(&self) -> u32 {
        self.mapping.geometry().participants
    }
}

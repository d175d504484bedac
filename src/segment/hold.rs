//! The hold of a process on an object of a manager, by which its handles keep the object's room.
//!
//! An object that has grown is another one, and has another hold: see
//! [`growth`](crate::algorithm::manager::growth).

use std::ptr::NonNull;
use std::sync::Arc;

#[cfg(feature = "process")]
use super::MembershipError;
#[cfg(feature = "process")]
use super::entry::Bytes;
use super::entry::Entry;
use super::managed::with_manager;
#[cfg(feature = "process")]
use super::managed::{Extents, ManagedEntry, Opened, wake_waiters};
#[cfg(feature = "process")]
use super::mapping::EntryBytes;
#[cfg(feature = "process")]
use super::membership::{Membership, SegmentLiveness};
#[cfg(feature = "process")]
use crate::algorithm::manager::HoldError;
#[cfg(feature = "process")]
use crate::algorithm::manager::holds::read_live;
#[cfg(feature = "process")]
use crate::algorithm::manager::look_up::Wanted;
#[cfg(feature = "process")]
use crate::algorithm::manager::making::NotMade;
use crate::algorithm::manager::{HeldObject, Manager, ObjectWord};
#[cfg(feature = "process")]
use crate::algorithm::mutex::MutexError;
#[cfg(feature = "process")]
use crate::facade::Ordering::AcqRel;
use crate::facade::Ordering::{Acquire, Relaxed};
use crate::facade::{AtomicU32, AtomicU64};
#[cfg(feature = "process")]
use crate::format::Record;
use crate::participant::Tag;

/// The hold of this process on an object, as long as a handle of it that has not moved on.
#[derive(Clone, Debug)]
pub(crate) struct Hold(Arc<HoldOnce>);

#[derive(Debug)]
struct HoldOnce {
    /// The manager's entry.
    manager: Entry,
    held: HeldObject,
    /// Invariant 1: the state of the object's record, mapped as long as `manager`.
    state: NonNull<AtomicU64>,
    /// The tag whose cell counts this; another one has a forked child, and a process that was
    /// reaped.
    tag: AtomicU32,
    /// The operations that use the object now, and [`HANDLES`].
    uses: AtomicU32,
}

/// The handles use the object: they have not moved on.
const HANDLES: u32 = 1 << 31;

// SAFETY: `state` points to an atomic, which may be shared, and stays mapped.
unsafe impl Send for HoldOnce {}
// SAFETY: as above.
unsafe impl Sync for HoldOnce {}

/// An object was removed, or has moved.
#[cfg(feature = "process")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed;

/// Why an object cannot be used.
#[cfg(feature = "process")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnsureError {
    Removed(Removed),
    Membership(MembershipError),
}

/// Why an object did not grow.
#[cfg(feature = "process")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotGrown {
    /// The manager has so many free bytes in a row, or no free record.
    Full {
        longest: u64,
    },
    /// It was removed, or has grown before.
    Removed,
    /// Its values could not be copied.
    Uncopied,
    MembershipLost,
    /// A word of the manager is corrupt.
    Corrupt,
}

/// An operation uses an object.
#[cfg(feature = "process")]
#[derive(Debug)]
pub(crate) struct HoldUse<'a>(&'a HoldOnce);

#[cfg(feature = "process")]
impl Drop for HoldUse<'_> {
    fn drop(&mut self) {
        self.0.leave(1);
    }
}

impl Hold {
    /// The hold that `held` is, which is released when this is dropped.
    pub(super) fn new(manager: &Entry, held: HeldObject) -> Option<Self> {
        let me = manager.mapping.membership().current();
        // INVARIANT: 1.
        let state = with_manager(manager, |words| words.state_of(held.object)).flatten()?;
        Some(Self(Arc::new(HoldOnce {
            manager: manager.clone(),
            held,
            state,
            tag: AtomicU32::new(me.map_or(0, Tag::bits)),
            uses: AtomicU32::new(HANDLES),
        })))
    }

    /// Returns whether the object was removed. One load, unless it was or has moved.
    #[inline]
    pub(crate) fn is_removed(&self) -> bool {
        let this = &*self.0;
        let number = this.held.number;
        !this.is_live() && this.with(|manager| manager.has(number)) != Some(true)
    }

    /// A number that is another one for each object of a manager, and never 0.
    pub(crate) fn number(&self) -> u64 {
        self.0.held.number.bits()
    }
}

#[cfg(feature = "process")]
impl Hold {
    /// Returns what `read` does; `None` if the object was not live all the while.
    #[inline(always)]
    pub(crate) fn read<R>(&self, read: impl FnOnce() -> R) -> Option<R> {
        // SAFETY: Invariant 1.
        let state = unsafe { self.0.state.as_ref() };
        read_live(state, self.0.held.object, read)
    }

    /// Returns whether the object is live here: neither removed nor moved. One load.
    pub(crate) fn is_live(&self) -> bool {
        self.0.is_live()
    }

    /// Holds the object for the participant that this process is now: another one than that which
    /// opened it, if it is a forked child. Fails if the object was removed, or has moved.
    #[inline]
    pub(crate) fn ensure(&self) -> Result<(), EnsureError> {
        let now = self.0.manager.mapping.membership().current();
        // ORDERING: Relaxed; this process's own word.
        let counted = self.0.tag.load(Relaxed);
        match now {
            Some(me) if me.bits() == counted && self.0.is_live() => Ok(()),
            _ => self.ensure_anew(),
        }
    }

    #[cold]
    fn ensure_anew(&self) -> Result<(), EnsureError> {
        let this = &*self.0;
        if !this.is_live() {
            return Err(EnsureError::Removed(Removed));
        }
        let mapping = &this.manager.mapping;
        let me = Membership::tag(mapping).map_err(EnsureError::Membership)?;
        // ORDERING: Relaxed; as above.
        let counted = this.tag.load(Relaxed);
        if counted == me.bits() {
            return Ok(());
        }
        let peers = SegmentLiveness::new(mapping, mapping.participants(), me);
        let object = this.held.object;
        match this.with(|manager| manager.hold(object, me, &peers)) {
            Some(Ok(())) => {}
            Some(Err(HoldError::MembershipLost)) => return Err(this.membership_lost(me)),
            _ => return Err(EnsureError::Removed(Removed)),
        }
        let noted = this
            .tag
            .compare_exchange(counted, me.bits(), AcqRel, Relaxed);
        if noted.is_err() {
            // Another thread was faster.
            this.with(|manager| manager.release(object.index, me));
        }
        Ok(())
    }

    /// Keeps the object's room for an operation, though handles move on meanwhile; `None` if they
    /// have.
    pub(crate) fn enter(&self) -> Option<HoldUse<'_>> {
        let uses = &self.0.uses;
        // ORDERING: Relaxed; the count says all, and its end acquires.
        let mut seen = uses.load(Relaxed);
        while seen != 0 {
            match uses.compare_exchange(seen, seen + 1, Relaxed, Relaxed) {
                Ok(_) => return Some(HoldUse(&self.0)),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// The handles have moved on to what the object has grown to: its room is not theirs any more.
    pub(crate) fn move_on(&self) {
        // ORDERING: Relaxed; the decision, if it is one, is that of `leave`.
        if self.0.uses.load(Relaxed) & HANDLES != 0 {
            self.0.leave(HANDLES);
        }
    }

    /// Opens what the object is now, after it has moved.
    pub(crate) fn follow(&self) -> Result<Entry, EnsureError> {
        let this = &*self.0;
        let mapping = &this.manager.mapping;
        let me = Membership::tag(mapping).map_err(EnsureError::Membership)?;
        let peers = SegmentLiveness::new(mapping, mapping.participants(), me);
        let wanted = Wanted::Number(this.held.number);
        match this.with(|manager| manager.open(wanted, me, &peers)) {
            Some(Ok(held)) => this.entry(held).ok_or(EnsureError::Removed(Removed)),
            Some(Err(HoldError::MembershipLost)) => Err(this.membership_lost(me)),
            _ => Err(EnsureError::Removed(Removed)),
        }
    }

    /// Lets the object grow to one of these numbers and so many bytes, which `copy` fills. The
    /// caller has the writers' mutex, as `is_writer` says, and wakes the waiters behind it.
    pub(crate) fn grow(
        &self,
        (config, len): ([u64; 4], u64),
        me: Tag,
        peers: &SegmentLiveness<'_>,
        is_writer: impl Fn() -> bool,
        mut copy: impl FnMut(&EntryBytes<'_>) -> bool,
    ) -> Result<Entry, NotGrown> {
        let this = &*self.0;
        let mapping = &this.manager.mapping;
        let record = Record {
            offset: 0,
            len,
            config,
            ..this.held.record
        };
        let mut prepare = |offset| {
            let placed = at(&record, offset);
            Bytes::zeroed(mapping, offset, len).is_some()
                && copy(&EntryBytes::new(mapping, &placed))
        };
        let grown = this.with(|manager| {
            let mut used = Extents::default();
            let held = &this.held;
            manager.grow(held, record, me, peers, &mut used, is_writer, &mut prepare)
        });
        match grown {
            Some(Ok(held)) => this.entry(held).ok_or(NotGrown::Corrupt),
            Some(Err(NotMade::Full { free })) => Err(NotGrown::Full { longest: free }),
            Some(Err(NotMade::RecordsFull)) => Err(NotGrown::Full { longest: 0 }),
            Some(Err(NotMade::Hold(HoldError::Removed))) => Err(NotGrown::Removed),
            Some(Err(NotMade::Unprepared)) => Err(NotGrown::Uncopied),
            Some(Err(
                NotMade::Hold(HoldError::MembershipLost)
                | NotMade::Mutex(MutexError::MembershipLost),
            )) => Err(NotGrown::MembershipLost),
            Some(Err(_)) | None => Err(NotGrown::Corrupt),
        }
    }

    /// Makes what a former owner of the writers' mutex has begun to let grow come to nothing; false
    /// if it has come about, or the object was removed.
    pub(crate) fn renew(&self) -> bool {
        let object = self.0.held.object;
        self.0.with(|manager| manager.renew(object)) == Some(true)
    }

    /// Wakes waiters for the object here, after it has grown.
    pub(crate) fn wake_waiters(&self) {
        wake_waiters(&self.0.manager.mapping, &self.0.held.record);
    }

    /// The object: its manager's entry, and its number there.
    pub(crate) fn place(&self) -> (u32, u64) {
        (self.0.manager.index, self.number())
    }
}

/// The same record, of an object at another place.
#[cfg(feature = "process")]
fn at(record: &Record, offset: u64) -> Record {
    Record { offset, ..*record }
}

impl HoldOnce {
    fn with<R>(&self, f: impl FnOnce(Manager<'_>) -> R) -> Option<R> {
        with_manager(&self.manager, f)
    }

    /// Whether the object is neither removed nor moved.
    #[inline]
    fn is_live(&self) -> bool {
        // SAFETY: Invariant 1.
        let state = unsafe { self.state.as_ref() };
        // ORDERING: Acquire; what the remover saw.
        let word = ObjectWord::from_bits(state.load(Acquire));
        word.first_attempt() == self.held.object.word
    }

    #[cfg(feature = "process")]
    fn entry(&self, held: HeldObject) -> Option<Entry> {
        Opened::new(&ManagedEntry(self.manager.clone()), held).entry
    }

    #[cfg(feature = "process")]
    fn membership_lost(&self, me: Tag) -> EnsureError {
        EnsureError::Membership(Membership::membership_lost(&self.manager.mapping, me))
    }

    /// Ends a use; the last one releases the hold.
    #[cfg(feature = "process")]
    fn leave(&self, of: u32) {
        // ORDERING: Release, Acquire; what all uses did is before the release of the cell.
        if self.uses.fetch_sub(of, AcqRel) == of {
            self.release();
        }
    }

    fn release(&self) {
        // ORDERING: Relaxed; this process's own word.
        let counted = Tag::from_bits(self.tag.load(Relaxed));
        let now = self.manager.mapping.membership().current();
        if let Some(me) = counted.filter(|counted| now == Some(*counted)) {
            self.with(|manager| manager.release(self.held.object.index, me));
        }
    }
}

impl Drop for HoldOnce {
    fn drop(&mut self) {
        // Of a forked child, a use may have ended in its parent.
        if *self.uses.get_mut() != 0 {
            self.release();
        }
    }
}

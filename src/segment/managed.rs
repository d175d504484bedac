//! Objects of a manager as entries: how they are created, opened, held, removed and recovered.
//!
//! The algorithm is [`algorithm::manager`](crate::algorithm::manager). A handle of an object has an
//! [`Entry`] as every handle does, whose record says where it is in the manager's pool, and which
//! has a [`Hold`]: all clones of the handle share it.

use std::ptr::NonNull;
use std::sync::Arc;

use super::entry::{Bytes, Entry, Placeable, check_kind, check_payload};
use super::mapping::{EntryBytes, Mapping};
use super::membership::{Membership, SegmentLiveness};
use super::{EntryError, FoundKind, MembershipError, Segment, Shape, recover, undecodable};
use crate::algorithm::manager::entry::view;
use crate::algorithm::manager::making::{ExtentBuffer, NotMade, Room};
use crate::algorithm::manager::{HeldObject, HoldError, Manager, ObjectRef, ObjectWord};
use crate::algorithm::mutex::MutexError;
#[cfg(feature = "process")]
use crate::facade::Ordering::AcqRel;
use crate::facade::Ordering::{Acquire, Relaxed};
use crate::facade::{AtomicU32, AtomicU64};
use crate::format::{Kind, Name, Record};
use crate::participant::{Liveness, Tag};

/// The hold of this process on an object, as long as a handle of it.
#[derive(Clone, Debug)]
pub(crate) struct Hold(Arc<HoldOnce>);

#[derive(Debug)]
struct HoldOnce {
    /// The manager's entry.
    manager: Entry,
    object: ObjectRef,
    /// Invariant 1: the state of the object's record, mapped as long as `manager`.
    state: NonNull<AtomicU64>,
    /// The tag whose cell counts this; another one has a forked child, and a process that was
    /// reaped.
    tag: AtomicU32,
}

// SAFETY: `state` points to an atomic, which may be shared, and stays mapped.
unsafe impl Send for HoldOnce {}
// SAFETY: as above.
unsafe impl Sync for HoldOnce {}

/// An object was removed.
#[cfg(feature = "process")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed;

impl Hold {
    /// Returns whether the object was removed. One load.
    #[inline]
    pub(crate) fn is_removed(&self) -> bool {
        // SAFETY: Invariant 1.
        let state = unsafe { self.0.state.as_ref() };
        // ORDERING: Acquire; what the remover saw.
        ObjectWord::from_bits(state.load(Acquire)) != self.0.object.word
    }

    /// Holds the object for the participant that this process is now: another one than that which
    /// opened it, if it is a forked child. Fails if the object was removed.
    #[cfg(feature = "process")]
    #[inline]
    pub(crate) fn ensure(&self) -> Result<(), EnsureError> {
        let now = self.0.manager.mapping.membership().current();
        // ORDERING: Relaxed; this process's own word.
        let counted = self.0.tag.load(Relaxed);
        match now {
            Some(me) if me.bits() == counted && !self.is_removed() => Ok(()),
            _ => self.ensure_anew(),
        }
    }

    #[cfg(feature = "process")]
    #[cold]
    fn ensure_anew(&self) -> Result<(), EnsureError> {
        let this = &*self.0;
        if self.is_removed() {
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
        let held = this.with(|manager| manager.hold(this.object, me, &peers));
        match held {
            Some(Ok(())) => {}
            Some(Err(HoldError::MembershipLost)) => {
                return Err(EnsureError::Membership(Membership::membership_lost(
                    mapping, me,
                )));
            }
            _ => return Err(EnsureError::Removed(Removed)),
        }
        let noted = this
            .tag
            .compare_exchange(counted, me.bits(), AcqRel, Relaxed);
        if noted.is_err() {
            // Another thread was faster.
            this.with(|manager| manager.release(this.object.index, me));
        }
        Ok(())
    }

    /// The object: its manager's entry, the number of its record, and its edition.
    #[cfg(feature = "process")]
    pub(crate) fn place(&self) -> (u32, u32, u64) {
        let object = self.0.object;
        (self.0.manager.index, object.index, object.word.edition())
    }

    /// A number that is another one for each object of a manager, and never 0.
    pub(crate) fn number(&self) -> u64 {
        let object = self.0.object;
        object.word.edition().wrapping_shl(16) | u64::from(object.index)
    }
}

/// Why an object cannot be used.
#[cfg(feature = "process")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnsureError {
    Removed(Removed),
    Membership(MembershipError),
}

impl HoldOnce {
    fn with<R>(&self, f: impl FnOnce(Manager<'_>) -> R) -> Option<R> {
        with_manager(&self.manager, f)
    }
}

impl Drop for HoldOnce {
    fn drop(&mut self) {
        // ORDERING: Relaxed; this process's own word.
        let counted = Tag::from_bits(self.tag.load(Relaxed));
        let now = self.manager.mapping.membership().current();
        if let Some(me) = counted.filter(|counted| now == Some(*counted)) {
            self.with(|manager| manager.release(self.object.index, me));
        }
    }
}

/// The places of a manager's objects.
#[derive(Default)]
struct Extents(Vec<(u64, u64)>);

impl ExtentBuffer for Extents {
    fn clear(&mut self) {
        self.0.clear();
    }

    fn add(&mut self, extent: (u64, u64)) {
        self.0.push(extent);
    }

    fn sorted(&mut self) -> &[(u64, u64)] {
        self.0.sort_unstable();
        &self.0
    }
}

/// Calls `f` with the words of the manager of an entry.
fn with_manager<R>(entry: &Entry, f: impl FnOnce(Manager<'_>) -> R) -> Option<R> {
    let region = EntryBytes::new(&entry.mapping, &entry.record);
    let participants = entry.mapping.geometry().participants;
    view(&entry.record, participants, &region).map(f)
}

/// Recovers what `tag` held in the objects of a manager. `me` is this process, if it takes part.
pub(super) fn visit(mapping: &Mapping, record: &Record, tag: Tag, me: Option<Tag>) -> bool {
    let region = EntryBytes::new(mapping, record);
    let participants = mapping.geometry().participants;
    let Some(manager) = view(record, participants, &region) else {
        return false;
    };
    manager.visit(tag, me, |object| {
        let bytes = EntryBytes::new(mapping, object);
        recover::recover(object, participants, &bytes, tag)
    })
}

/// A manager's entry, as its handle has it: what creates and opens objects there.
#[derive(Clone, Debug)]
pub(crate) struct ManagedEntry(pub(crate) Entry);

impl ManagedEntry {
    /// Calls `f` with the manager, as a participant.
    fn with<R>(
        &self,
        f: impl FnOnce(Manager<'_>, Tag, &SegmentLiveness<'_>) -> R,
    ) -> Result<R, EntryError> {
        let mapping = &self.0.mapping;
        let me = Membership::tag(mapping)?;
        let peers = SegmentLiveness::new(mapping, mapping.participants(), me);
        let result = with_manager(&self.0, |manager| f(manager, me, &peers));
        result.ok_or_else(|| self.corrupt())
    }

    fn corrupt(&self) -> EntryError {
        EntryError::Corrupt { record: None }
    }

    fn segment(&self) -> Segment {
        Segment::from_mapping(self.0.mapping.clone())
    }

    /// Creates an object.
    pub(crate) fn create<P: Placeable>(
        &self,
        name: &str,
        config: P::Config,
    ) -> Result<P, EntryError> {
        let shape = self.segment().shape_for::<P>(name, &config)?;
        let record = shape.record(Name::entry(name).map_err(EntryError::Name)?);
        let config = P::ready(config, || Ok(()))?;
        let mapping = &self.0.mapping;
        let mut config = Some(config);
        let mut prepare = |offset| {
            let bytes = Bytes::zeroed(mapping, offset, shape.len);
            if let Some((bytes, config)) = bytes.zip(config.take()) {
                P::prepare(&bytes, config);
            }
        };
        let created = self.with(|manager, me, peers| {
            let mut used = Extents::default();
            let created = match manager.create(record, me, peers, &mut used, &mut prepare) {
                // Nothing was prepared. A dead participant may hold what was removed.
                Err(NotMade::Full { .. } | NotMade::RecordsFull) => {
                    peers.reap(true);
                    manager.create(record, me, peers, &mut used, &mut prepare)
                }
                created => created,
            };
            created.map_err(|refused| self.not_made(name, record.len, refused, me))
        })?;
        self.attach(created?)
    }

    /// Opens an object of `P`'s kind and types, created with `config` if that is given.
    pub(crate) fn open<P: Placeable>(
        &self,
        name: &str,
        config: Option<&P::Config>,
    ) -> Result<P, EntryError> {
        let checked = Name::entry(name).map_err(EntryError::Name)?;
        let found = self.with(|manager, me, peers| {
            let found = manager.open(checked, me, peers);
            found.map_err(|error| self.not_held(name, error, me))
        })?;
        let held = Opened::new(self, found?);
        match config {
            Some(config) => {
                let shape = self.segment().shape_for::<P>(name, config)?;
                shape.check(name, &held.object.record)?;
                held.attach()
            }
            None => {
                let payload = P::named(None).map_err(|reason| undecodable(name, reason))?;
                held.attach_as(name, payload)
            }
        }
    }

    /// Opens the object that a handle of another process of this program named.
    #[cfg(feature = "process")]
    pub(crate) fn open_at<P: Placeable>(&self, index: u32, edition: u64) -> Result<P, EntryError> {
        let word = ObjectWord::live(edition);
        let object = ObjectRef { index, word };
        let name = format!("number {index} of a manager, edition {edition}");
        let found = self.with(|manager, me, peers| {
            let found = manager.open_at(object, me, peers);
            found.map_err(|error| self.not_held(&name, error, me))
        })?;
        let held = Opened::new(self, found?);
        let record = held.object.record;
        held.attach_as(&record.name.to_string(), P::handed_over(record.payload))
    }

    /// Removes the object of that name, and returns its record; `None` if there is none.
    pub(crate) fn remove(&self, name: &str) -> Result<Option<Record>, EntryError> {
        let checked = Name::entry(name).map_err(EntryError::Name)?;
        self.with(|manager, me, peers| {
            let held = match manager.open(checked, me, peers) {
                Ok(held) => held,
                Err(HoldError::Removed) => return Ok(None),
                Err(error) => return Err(self.not_held(name, error, me)),
            };
            let removed = manager.remove(held.object);
            if removed {
                wake_waiters(&self.0.mapping, &held.record);
            }
            manager.release(held.object.index, me);
            Ok(removed.then_some(held.record))
        })?
    }

    /// Returns the records of all live objects.
    pub(crate) fn records(&self) -> Result<Vec<Record>, EntryError> {
        self.with(|manager, me, peers| {
            let mut records = Vec::new();
            for object in manager.objects(None) {
                match manager.open_at(object, me, peers) {
                    Ok(held) => {
                        manager.release(object.index, me);
                        records.push(held.record);
                    }
                    Err(HoldError::Removed) => {}
                    Err(error) => return Err(self.not_held("", error, me)),
                }
            }
            Ok(records)
        })?
    }

    /// Returns what is free.
    pub(crate) fn room(&self) -> Result<Room, EntryError> {
        self.with(|manager, me, peers| {
            peers.reap(true);
            let room = manager.room(me, peers, &mut Extents::default());
            room.map_err(|refused| self.not_made("", 0, refused, me))
        })?
    }

    fn not_held(&self, name: &str, error: HoldError, me: Tag) -> EntryError {
        let name = || name.to_owned();
        match error {
            HoldError::Removed => EntryError::NotFound { name: name() },
            HoldError::MembershipLost => Membership::membership_lost(&self.0.mapping, me).into(),
            HoldError::Corrupt { index, .. } => EntryError::Corrupt {
                record: Some(index),
            },
            HoldError::TooMany => self.corrupt(),
        }
    }

    fn not_made(&self, name: &str, needed: u64, refused: NotMade, me: Tag) -> EntryError {
        match refused {
            NotMade::Exists { kind } => EntryError::Exists {
                name: name.to_owned(),
                found: FoundKind::of(kind),
            },
            NotMade::RecordsFull => EntryError::ManagerObjects {
                objects: self.0.record.config[1],
            },
            NotMade::Full { free } => EntryError::ManagerFull { needed, free },
            NotMade::Hold(error) => self.not_held(name, error, me),
            NotMade::Mutex(MutexError::MembershipLost) => {
                self.not_held(name, HoldError::MembershipLost, me)
            }
            NotMade::Mutex(_) => self.corrupt(),
        }
    }

    /// Attaches a handle to an object that this process holds.
    fn attach<P: Placeable>(&self, held: HeldObject) -> Result<P, EntryError> {
        Opened::new(self, held).attach()
    }
}

/// Wakes processes that wait for a change of an object, which then learn that it was removed.
fn wake_waiters(mapping: &Mapping, record: &Record) {
    use crate::algorithm::blocks::BlocksState;
    use crate::algorithm::region::Region;
    let objects = [
        Kind::Dict,
        Kind::Shared,
        Kind::List,
        Kind::Set,
        Kind::Namespace,
    ];
    if objects.iter().any(|kind| *kind as u32 == record.kind)
        && let Some(state) = EntryBytes::new(mapping, record).state::<BlocksState>()
    {
        state.event().wake_all();
    }
}

/// An object that this process holds, until it has a handle.
struct Opened {
    object: HeldObject,
    entry: Option<Entry>,
}

impl Opened {
    /// The hold is given up with the entry.
    fn new(manager: &ManagedEntry, object: HeldObject) -> Self {
        let mapping = &manager.0.mapping;
        let state = with_manager(&manager.0, |words| words.state_of(object.object));
        let me = mapping.membership().current();
        // INVARIANT: 1.
        let entry = state.flatten().map(|state| Entry {
            mapping: mapping.clone(),
            #[cfg(feature = "process")]
            index: manager.0.index,
            record: object.record,
            hold: Some(Hold(Arc::new(HoldOnce {
                manager: manager.0.clone(),
                object: object.object,
                state,
                tag: AtomicU32::new(me.map_or(0, Tag::bits)),
            }))),
        });
        Self { object, entry }
    }

    fn attach<P: Placeable>(self) -> Result<P, EntryError> {
        let attached = self.entry.and_then(P::attach);
        attached.ok_or(EntryError::Corrupt {
            record: Some(self.object.object.index),
        })
    }

    /// Checks the record against `P`'s shape of its configuration, and attaches a handle.
    fn attach_as<P: Placeable>(
        self,
        name: &str,
        payload: crate::format::PayloadShape,
    ) -> Result<P, EntryError> {
        let record = self.object.record;
        let own = || name.to_owned();
        check_kind(P::KIND, own, &record)?;
        check_payload(payload, own, &record)?;
        let participants = self.entry.as_ref();
        let participants = participants.map_or(0, |entry| entry.mapping.geometry().participants);
        let shape = P::shape(record.config, participants).ok_or(EntryError::Corrupt {
            record: Some(self.object.object.index),
        })?;
        Shape { payload, ..shape }.check(name, &record)?;
        self.attach()
    }
}

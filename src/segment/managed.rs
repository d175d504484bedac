//! Objects of a manager as entries: how they are created, opened, held, removed and recovered.
//!
//! The algorithm is [`algorithm::manager`](crate::algorithm::manager). A handle of an object has an
//! [`Entry`] as every handle does, whose record says where it is in the manager's pool, and which
//! has a [`Hold`]: all clones of the handle share it.

use super::entry::{Bytes, Entry, Placeable, check_kind, check_payload};
use super::hold::Hold;
use super::mapping::{EntryBytes, Mapping};
use super::membership::{Membership, SegmentLiveness};
use super::{EntryError, FoundKind, Segment, Shape, recover, undecodable};
#[cfg(feature = "process")]
use crate::algorithm::manager::ObjectNumber;
use crate::algorithm::manager::entry::view;
use crate::algorithm::manager::look_up::Wanted;
use crate::algorithm::manager::making::{ExtentBuffer, NotMade, Room};
use crate::algorithm::manager::{HeldObject, HoldError, Manager};
use crate::algorithm::mutex::MutexError;
use crate::format::{Kind, Name, Record};
use crate::participant::{Liveness, Tag};

/// The places of a manager's objects.
#[derive(Default)]
pub(super) struct Extents(Vec<(u64, u64)>);

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
pub(super) fn with_manager<R>(entry: &Entry, f: impl FnOnce(Manager<'_>) -> R) -> Option<R> {
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
        recover::recover(&EntryBytes::located(mapping, object), tag)
    })
}

/// A manager's entry, as its handle has it: what creates and opens objects there.
#[derive(Clone, Debug)]
pub(crate) struct ManagedEntry(pub(crate) Entry);

impl ManagedEntry {
    /// Calls `f` with the manager, as a participant.
    pub(super) fn with<R>(
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
        let wanted = Wanted::Name(checked);
        let found = self.with(|manager, me, peers| {
            let found = manager.open(wanted, me, peers);
            found.map_err(|error| self.not_held(name, error, me))
        })?;
        let held = Opened::new(self, found?);
        match config {
            Some(config) => {
                let shape = self.segment().shape_for::<P>(name, config)?;
                let participants = self.0.mapping.geometry().participants;
                let created = as_created::<P>(&held.object.record, participants);
                shape.check(name, &created)?;
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
    pub(crate) fn open_at<P: Placeable>(&self, number: u64) -> Result<P, EntryError> {
        let wanted = Wanted::Number(ObjectNumber::from_bits(number));
        let name = format!("number {number} of a manager");
        let found = self.with(|manager, me, peers| {
            let found = manager.open(wanted, me, peers);
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
            loop {
                let held = match manager.open(Wanted::Name(checked), me, peers) {
                    Ok(held) => held,
                    Err(HoldError::Removed) => return Ok(None),
                    Err(error) => return Err(self.not_held(name, error, me)),
                };
                let removed = manager.remove(held.object);
                if removed {
                    wake_waiters(&self.0.mapping, &held.record);
                }
                manager.release(held.object.index, me);
                if removed {
                    return Ok(Some(held.record));
                }
                // It has grown meanwhile, or another process was faster.
            }
        })?
    }

    /// Returns the records of all live objects.
    pub(crate) fn records(&self) -> Result<Vec<Record>, EntryError> {
        self.with(|manager, me, peers| {
            // An object that grows meanwhile may be found twice.
            let mut records = std::collections::BTreeMap::new();
            let listed = manager.each(me, peers, |held| {
                records.insert(held.number.bits(), held.record);
            });
            listed.map_err(|error| self.not_held("", error, me))?;
            Ok(records.into_values().collect())
        })?
    }

    /// Returns what is free.
    pub(crate) fn room(&self) -> Result<Room, EntryError> {
        self.with(|manager, me, peers| {
            peers.reap(true);
            let room = manager.room(peers, &mut Extents::default());
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
            NotMade::Mutex(_) | NotMade::Unprepared => self.corrupt(),
        }
    }

    /// Attaches a handle to an object that this process holds.
    fn attach<P: Placeable>(&self, held: HeldObject) -> Result<P, EntryError> {
        Opened::new(self, held).attach()
    }
}

/// The record of an object as it was created, if it has grown since.
fn as_created<P: Placeable>(record: &Record, participants: u32) -> Record {
    use crate::algorithm::blocks::layout::BlocksLayout;
    let config = match shape_of(record.kind) {
        Some(shape) => BlocksLayout::first(shape, record.config),
        None => record.config,
    };
    match P::size(config, participants) {
        Some(len) if config != record.config => Record {
            config,
            len,
            ..*record
        },
        _ => *record,
    }
}

/// What the slots are of an object of this kind, if it has some.
fn shape_of(kind: u32) -> Option<crate::algorithm::blocks::Shape> {
    use crate::algorithm::blocks::Shape;
    let shapes = [
        (Kind::Dict, Shape::Index),
        (Kind::Set, Shape::Index),
        (Kind::Namespace, Shape::Index),
        (Kind::List, Shape::List),
        (Kind::Shared, Shape::Single),
    ];
    let mut of = shapes.iter().filter(|(of, _)| *of as u32 == kind);
    of.next().map(|(_, shape)| *shape)
}

/// Wakes processes that wait for a change of an object, which then learn that it was removed, or
/// has grown.
pub(super) fn wake_waiters(mapping: &Mapping, record: &Record) {
    use crate::algorithm::blocks::BlocksState;
    use crate::algorithm::region::Region;
    if shape_of(record.kind).is_some()
        && let Some(state) = EntryBytes::new(mapping, record).state::<BlocksState>()
    {
        state.event().wake_all();
    }
}

/// An object that this process holds, until it has a handle.
pub(super) struct Opened {
    object: HeldObject,
    pub(super) entry: Option<Entry>,
}

impl Opened {
    /// The hold is given up with the entry.
    pub(super) fn new(manager: &ManagedEntry, object: HeldObject) -> Self {
        let hold = Hold::new(&manager.0, object);
        let entry = hold.map(|hold| Entry {
            mapping: manager.0.mapping.clone(),
            #[cfg(feature = "process")]
            index: manager.0.index,
            record: object.record,
            hold: Some(hold),
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

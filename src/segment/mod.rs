//! Segments: shared memory with a registry of its participants and a directory of its entries.

mod attachment;

mod boxed;
mod config;
mod entry;
mod entry_error;
mod error;
pub(crate) mod fault;
#[cfg(feature = "process")]
mod hand_over;
mod hold;
mod inspect;
#[cfg(feature = "inspect")]
mod inspection;
mod managed;
mod mapping;
mod membership;
mod monitor;
mod names;
mod of_one;
mod options;

mod presence;
mod private;
mod recover;
pub(crate) mod stats;
mod tables;
pub(crate) mod trace;
#[cfg(feature = "inspect")]
mod view;
pub(crate) mod waitable;
mod watch_requests;
mod watcher;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(crate) use crate::participant::own_tag::OwnTag;
pub use boxed::HoldsValue;
pub use config::IntoConfig;
pub use entry::Placeable;
pub(crate) use entry::{Bytes, Entry, EntryRef, EntryStates, Shape};
pub use entry_error::{EntryError, FoundKind, NameError};
pub use error::{CreateError, Limit, MonitorError, OpenError, OpenOrCreateError, RemoveError};
pub use fault::{ClaimError, Fault, MembershipError, SystemError, Text};
#[cfg(feature = "process")]
pub(crate) use hand_over::TakeOverFailure;
#[cfg(feature = "process")]
pub(crate) use hold::{EnsureError, Hold, HoldUse, NotGrown};
pub use inspect::{EntryInfo, ParticipantInfo};
#[cfg(feature = "inspect")]
pub use inspection::{FileInfo, Inspection, Overview};
pub(crate) use managed::ManagedEntry;
#[cfg(feature = "process")]
pub(crate) use mapping::FileId;
pub use membership::Reaping;
pub(crate) use membership::SegmentLiveness;
pub use monitor::Monitor;
pub use names::NamedSegment;
pub(crate) use of_one::OfOneError;
pub use options::SegmentOptions;
#[cfg(feature = "inspect")]
pub use view::{EntryView, Field, ParticipantId, Seen, ValueInfo};
#[doc(hidden)]
pub use waitable::Waitable;

use crate::algorithm::directory::{DirectoryFault, Found, Missing, NotCreated};
use crate::algorithm::mutex::MutexError;
pub use crate::format::{Kind, PayloadShape};
use crate::format::{Name, Record};
use crate::segment::attachment::Attachment;
use crate::segment::membership::Membership;
use crate::sys::{descriptor, locks, shm};

/// Shared memory of several processes, with named, typed entries in it.
///
/// An anonymous segment lives as long as a handle of it, in any process. A named segment is the
/// file `/dev/shm/crossdock.NAME`; it lives until [`unlink`](Self::unlink) or the next boot, and
/// its memory stays valid for processes that have it open. Entries live as long as their segment:
/// none can be removed. What comes and goes is an object of a [`Manager`](crate::Manager), or has a
/// segment of its own.
///
/// A `Segment` is a handle: it is cheap to clone and `Send + Sync`, and it keeps the memory mapped,
/// as every handle of an entry does. A process has one mapping and is one participant, however
/// often it opens a segment.
///
/// What a killed process held is recovered by the participants that need it: see
/// [`reap`](Self::reap).
///
/// # Examples
///
/// ```
/// use crossdock::{Counter, Segment};
///
/// let segment = Segment::anonymous()?;
/// let total = segment.create::<Counter>("total", 0)?;
/// assert_eq!(total.add(2), 2);
/// assert_eq!(segment.open::<Counter>("total")?.load(), 2);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone)]
pub struct Segment {
    mapping: Attachment,
}

impl Segment {
    /// Creates an anonymous segment with the default options: 1 MiB, 128 participants, 64 entries.
    ///
    /// # Errors
    ///
    /// See [`SegmentOptions::anonymous`].
    pub fn anonymous() -> Result<Self, CreateError> {
        SegmentOptions::new().anonymous()
    }

    /// Creates an entry.
    ///
    /// `config` passes through the stack. For a first value of some hundred KiB and more, use
    /// [`create_boxed`](Self::create_boxed) or [`create_with`](Self::create_with).
    ///
    /// The entry appears complete or not at all, whenever this process is killed. Blocks while
    /// another process creates an entry in the same segment. A creator that was killed is passed
    /// over; a creator that was stopped is waited for.
    ///
    /// # Errors
    ///
    /// [`EntryError::Exists`] if there is an entry of that name; [`EntryError::DirectoryFull`],
    /// [`EntryError::ArenaFull`]; [`EntryError::Name`], [`EntryError::Payload`],
    /// [`EntryError::Capacity`], [`EntryError::Length`], [`EntryError::Attempts`],
    /// [`EntryError::ChunkLength`], [`EntryError::CellSize`], [`EntryError::Readers`],
    /// [`EntryError::Undecodable`]; [`EntryError::Fault`] if this process cannot take part;
    /// [`EntryError::Corrupt`].
    pub fn create<P: Placeable>(
        &self,
        name: &str,
        config: impl IntoConfig<P::Config>,
    ) -> Result<P, EntryError> {
        let config = config.into_config();
        let shape = self.shape_for::<P>(name, &config)?;
        self.create_shaped(name, &shape, |fits| P::ready(config, fits), P::prepare)
    }

    /// Creates an entry of that shape. `ready` makes the first contents before other creators have
    /// to wait, and `prepare` writes them into the entry's bytes. `ready` can ask whether the entry
    /// would be refused as things stand.
    fn create_shaped<P: Placeable, C>(
        &self,
        name: &str,
        shape: &Shape,
        ready: impl FnOnce(&dyn Fn() -> Result<(), EntryError>) -> Result<C, EntryError>,
        prepare: impl FnOnce(&Bytes<'_>, C),
    ) -> Result<P, EntryError> {
        let checked = Name::entry(name).map_err(EntryError::Name)?;
        let record = shape.record(checked);
        let config = ready(&|| {
            let room = self.mapping.directory().room(&record);
            room.map(drop)
                .map_err(|refused| self.not_created(name, &record, refused))
        })?;
        let mut first = Some((prepare, config));
        let found = self.create_recorded(name, record, shape.len, &mut |bytes| {
            if let Some((prepare, config)) = first.take() {
                prepare(bytes, config);
            }
        })?;
        self.attach(found)
    }

    /// Creates the entry that `record` describes, and `prepare` writes its bytes. This is built
    /// once, and not for each type of entry that a program has.
    fn create_recorded(
        &self,
        name: &str,
        record: Record,
        len: u64,
        prepare: &mut dyn FnMut(&Bytes<'_>),
    ) -> Result<Found, EntryError> {
        let me = Membership::tag(&self.mapping).map_err(EntryError::from)?;
        let others = SegmentLiveness::new(&self.mapping, self.mapping.participants(), me);
        let prepare = |offset: u64| {
            if let Some(bytes) = Bytes::zeroed(&self.mapping, offset, len) {
                prepare(&bytes);
            }
        };
        let created = self.mapping.directory().create(record, &others, prepare);
        created.map_err(|refused| match refused {
            NotCreated::Control(MutexError::MembershipLost) => {
                EntryError::from(Membership::membership_lost(&self.mapping, me))
            }
            refused => self.not_created(name, &record, refused),
        })
    }

    /// Opens an entry.
    ///
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// [`EntryError::NotFound`] if there is no entry of that name; [`EntryError::OtherKind`],
    /// [`EntryError::OtherPayload`], [`EntryError::OtherSize`] if it differs from what is asked
    /// for; [`EntryError::Undecodable`] for a channel; [`EntryError::Name`];
    /// [`EntryError::Corrupt`].
    pub fn open<P: Placeable>(&self, name: &str) -> Result<P, EntryError> {
        let found = self.find(name)?;
        let payload = P::named(None).map_err(|reason| undecodable(name, reason))?;
        self.attach_as(name, found, payload)
    }

    /// Opens an entry that was created with that configuration. A first value is not compared.
    ///
    /// Never blocks. Opens a [`Channel`](crate::queue::Channel) whose values were given a name at
    /// its creation.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); and [`EntryError::OtherCapacity`], [`EntryError::OtherLength`] or
    /// [`EntryError::OtherConfig`] if it was created with another configuration.
    pub fn open_as<P: Placeable>(
        &self,
        name: &str,
        config: impl IntoConfig<P::Config>,
    ) -> Result<P, EntryError> {
        let found = self.find(name)?;
        let shape = self.shape_for::<P>(name, &config.into_config())?;
        shape.check(name, &found.record)?;
        self.attach(found)
    }

    /// Opens an entry, or creates it if there is none.
    ///
    /// Never blocks if the entry exists; otherwise as [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) and [`create`](Self::create), except [`EntryError::NotFound`]
    /// and [`EntryError::Exists`]; and [`EntryError::OtherCapacity`], [`EntryError::OtherLength`]
    /// or [`EntryError::OtherConfig`] if it exists with another configuration. A first value is not
    /// compared: an existing entry keeps its value.
    pub fn open_or_create<P: Placeable>(
        &self,
        name: &str,
        config: impl IntoConfig<P::Config>,
    ) -> Result<P, EntryError> {
        let config = config.into_config();
        let shape = self.shape_for::<P>(name, &config)?;
        self.open_or_create_shaped(name, &shape, || self.create(name, config))
    }

    /// Opens an entry of that shape, or calls `create` if there is none.
    fn open_or_create_shaped<P: Placeable>(
        &self,
        name: &str,
        shape: &Shape,
        create: impl FnOnce() -> Result<P, EntryError>,
    ) -> Result<P, EntryError> {
        let opened = match self.find(name) {
            Err(EntryError::NotFound { .. }) => match create() {
                // Another process was faster. Entries are never removed, so this time it is found.
                Err(EntryError::Exists { .. }) => self.find(name)?,
                created => return created,
            },
            found => found?,
        };
        shape.check(name, &opened.record)?;
        self.attach(opened)
    }

    /// Returns the name of a named segment.
    pub fn name(&self) -> Option<&str> {
        names::name_of(self.mapping.path()?)
    }

    /// Returns the size in bytes, registry and directory included.
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub fn len(&self) -> u64 {
        self.mapping.geometry().len
    }

    /// Recovers what dead participants hold, and frees their registry entries.
    ///
    /// Never needed for progress: a waiter takes over from a dead owner, and a process that joins a
    /// full registry reaps first. Never blocks. Any number of processes may reap at once. A stopped
    /// process is alive and is not reaped.
    pub fn reap(&self) -> Reaping {
        Membership::reap(&self.mapping)
    }

    pub(crate) fn from_mapping(mapping: Attachment) -> Self {
        Self { mapping }
    }

    /// Opens a segment that a process of this program handed over, which has checked it and knows
    /// it by `name`.
    #[cfg(feature = "process")]
    pub(crate) fn inherit(fd: OwnedFd, name: Option<&str>) -> Result<Self, OpenError> {
        let io = OpenError::io;
        let status = shm::status(fd.as_fd()).map_err(io("fstat of the descriptor"))?;
        // It keeps its name if the name leads to the same file here.
        let path = name.and_then(|name| names::path_of(name).ok());
        let path = path.filter(|path| {
            shm::place(path).is_ok_and(|place| place == (status.device, status.inode))
        });
        Ok(Self::from_mapping(Attachment::of(fd, path)?))
    }

    /// Attaches to the entry at `index`, which a handle of another process named.
    #[cfg(feature = "process")]
    pub(crate) fn open_at<P: Placeable>(&self, index: u32) -> Result<P, EntryError> {
        let found = self
            .mapping
            .directory()
            .at(index)
            .map_err(|missing| match missing {
                Missing::Name => EntryError::NotFound {
                    name: format!("number {index}"),
                },
                Missing::Corrupt(fault) => corrupt(fault),
            })?;
        let payload = P::handed_over(found.record.payload);
        self.attach_as(&found.record.name.to_string(), found, payload)
    }

    /// Returns a descriptor of the segment's file for another process. Fails if other code has
    /// closed the segment's own, whatever its number means now.
    #[cfg(feature = "process")]
    pub(crate) fn duplicate(&self) -> std::io::Result<OwnedFd> {
        let fd = self.mapping.fd().try_clone_to_owned()?;
        let now = FileId::from(shm::status(fd.as_fd())?);
        (now == self.id())
            .then_some(fd)
            .ok_or_else(shm::closed_by_other_code)
    }

    /// Returns the identity of the segment.
    #[cfg(feature = "process")]
    pub(crate) fn id(&self) -> FileId {
        self.mapping.id()
    }

    pub(crate) fn mapping(&self) -> &Attachment {
        &self.mapping
    }

    fn shape_for<P: Placeable>(&self, name: &str, config: &P::Config) -> Result<Shape, EntryError> {
        let shape = P::shape(P::words(config), self.mapping.geometry().participants);
        let shape = shape.ok_or_else(|| P::refused(config))?;
        let payload = P::named(Some(config)).map_err(|reason| undecodable(name, reason))?;
        Ok(Shape { payload, ..shape })
    }

    /// Returns the error for an entry that was not created.
    fn not_created(&self, name: &str, record: &Record, refused: NotCreated) -> EntryError {
        match refused {
            NotCreated::Exists(found) => EntryError::Exists {
                name: name.to_owned(),
                found: FoundKind::of(found.record.kind),
            },
            NotCreated::DirectoryFull => EntryError::DirectoryFull {
                entries: self.mapping.geometry().entries,
            },
            NotCreated::ArenaFull { free } => EntryError::ArenaFull {
                needed: record.len,
                free,
            },
            NotCreated::Corrupt(fault) => corrupt(fault),
            // The control mutex is acquired without a deadline; `create` handles a lost membership.
            NotCreated::Control(_) => EntryError::Corrupt { record: None },
        }
    }

    fn find(&self, name: &str) -> Result<Found, EntryError> {
        let checked = Name::entry(name).map_err(EntryError::Name)?;
        self.mapping
            .directory()
            .find(checked)
            .map_err(|missing| match missing {
                Missing::Name => EntryError::NotFound {
                    name: name.to_owned(),
                },
                Missing::Corrupt(fault) => corrupt(fault),
            })
    }

    /// Checks a record against `P`'s shape of its configuration, and attaches a handle.
    fn attach_as<P: Placeable>(
        &self,
        name: &str,
        found: Found,
        payload: PayloadShape,
    ) -> Result<P, EntryError> {
        entry::check_kind(P::KIND, || name.to_owned(), &found.record)?;
        entry::check_payload(payload, || name.to_owned(), &found.record)?;
        let shape = P::shape(found.record.config, self.mapping.geometry().participants).ok_or(
            EntryError::Corrupt {
                record: Some(found.index),
            },
        )?;
        Shape { payload, ..shape }.check(name, &found.record)?;
        self.attach(found)
    }

    fn attach<P: Placeable>(&self, found: Found) -> Result<P, EntryError> {
        let Found { index, record } = found;
        P::attach(Entry {
            mapping: self.mapping.clone(),
            #[cfg(feature = "process")]
            index,
            record,
            hold: None,
        })
        .ok_or(EntryError::Corrupt {
            record: Some(index),
        })
    }
}

fn undecodable(name: &str, reason: &'static str) -> EntryError {
    EntryError::Undecodable {
        name: name.to_owned(),
        reason: reason.into(),
    }
}

fn corrupt(fault: DirectoryFault) -> EntryError {
    EntryError::Corrupt {
        record: match fault {
            DirectoryFault::Count { .. } | DirectoryFault::Index => None,
            DirectoryFault::Record { index, .. } => Some(index),
        },
    }
}

debug!(
    /// Never blocks, and shows no contents.
    Segment, |this| { name: this.name(), len: this.len() }
);

/// The descriptor of the segment's file, to pass to another process. Do not lock anything through
/// it: the registry's byte locks are in the same file.
impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mapping.fd()
    }
}

/// Opens an anonymous segment that came as a descriptor.
///
/// # Errors
///
/// [`OpenError::Unsealed`] if the file can still shrink or grow, as that of a named segment can:
/// open that by its name. [`OpenError::ReadOnly`] if the descriptor is not open for reading and
/// writing. Every other [`OpenError`] if it is not a segment.
impl TryFrom<OwnedFd> for Segment {
    type Error = OpenError;

    fn try_from(fd: OwnedFd) -> Result<Self, OpenError> {
        let io = OpenError::io;
        let status = shm::status(fd.as_fd()).map_err(io("fstat of the descriptor"))?;
        if !status.is_regular {
            return Err(OpenError::NotAFile { name: None });
        }
        if !shm::is_read_write(fd.as_fd()).map_err(io("fcntl of the descriptor"))? {
            return Err(OpenError::ReadOnly { name: None });
        }
        let seals = shm::seals(fd.as_fd()).map_err(io("fcntl of the descriptor"))?;
        if !seals.contains(shm::segment_seals()) {
            return Err(OpenError::Unsealed { name: None });
        }
        // Probes use a description of their own, so locks through the passed one do not
        // matter.
        let place = (status.device, status.inode);
        let fd = match locks::reopen(fd.as_fd(), place, None) {
            Ok(own) => own,
            Err(_) => descriptor::above_standard(fd).map_err(io("duplicating the descriptor"))?,
        };
        Ok(Self::from_mapping(Attachment::of(fd, None)?))
    }
}

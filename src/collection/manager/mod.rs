//! Objects that are made and removed while processes use them.
//!
//! An entry of a segment stays as long as the segment. An object of a [`Manager`] can be removed,
//! and its room be used again.
//!
//! | take | for |
//! |---|---|
//! | entries of a segment | what all processes use all the time: made once, at the start; nothing to count, and a name that always means the same |
//! | objects of a manager | what comes and goes: the state of a session, results of a job, a queue for each client |
//!
//! # What holds for each object
//!
//! - **It is any kind of entry**, but for a manager: locks, numbers, arrays, queues, dictionaries.
//!   Its operations, and what the death of a process does to it, are the same as in a segment.
//! - **A handle holds the object.** What has been removed keeps its room until the last live
//!   process has dropped its handles of it, as a file that is unlinked does. Clones of a handle
//!   share one hold. A process that is killed holds nothing: this is exact, as its hold has its
//!   tag. A process that is stopped holds what it has. A handle on its way to another process, or
//!   in a value, holds nothing: its receiver opens the object, which fails if it was removed.
//! - **After [`remove`](Manager::remove)** no new handle is made. The next operation of a `Dict`,
//!   `List`, `Set`, `Namespace` or `Shared` returns `Removed`, and waiters for a change are woken
//!   and told. Kinds whose operations have no such error go on: all processes that have handles
//!   still share the object.
//! - **A forked child** holds nothing until it has opened an object itself, or, of a `Dict` and the
//!   like, used it. Let it open what it needs.
//! - **A `Dict`, `List`, `Set`, `Namespace` or `Shared` [grows](crate::object#growth)** when a
//!   value finds no room, as far as the manager has room. Others have the room that they were
//!   created with, as an entry does.

mod options;
#[cfg(feature = "process")]
mod short;

use std::fmt;

pub use options::ManagerOptions;

use crate::algorithm::manager::ManagerState;
use crate::algorithm::manager::layout::ManagerLayout;
use crate::format::{Kind, PayloadShape, Record};
use crate::segment::{
    Entry, EntryError, EntryRef, FoundKind, IntoConfig, ManagedEntry, Placeable, Segment,
    SegmentOptions,
};

/// Room for objects that any process creates, opens by name, and removes: dictionaries, lists,
/// numbers, locks, queues.
///
/// What is removed gives its room to others as soon as no live process has a handle of it. See
/// [what holds for each object](crate::manager#what-holds-for-each-object), and when to take
/// entries of a segment instead.
///
/// # Examples
///
/// ```
/// use crossdock::{Counter, Dict, Manager};
///
/// let manager = Manager::new(256 << 10)?;
/// let stock = manager.create::<Dict<String, u32>>("stock", 100)?;
/// stock.insert(&"apples".to_owned(), &3)?;
/// let visits = manager.create::<Counter>("visits", 0)?;
/// visits.add(1);
///
/// assert!(manager.remove("stock")?);
/// assert!(stock.get("apples").is_err());
/// assert!(manager.open::<Dict<String, u32>>("stock").is_err());
/// let stock = manager.create::<Dict<u64, u64>>("stock", 100)?;
/// assert!(stock.is_empty());
/// # Ok::<(), crossdock::Error>(())
/// ```
#[doc(alias = "SyncManager")]
#[doc(alias = "SharedMemoryManager")]
#[derive(Clone)]
pub struct Manager {
    state: EntryRef<ManagerState>,
    entry: ManagedEntry,
}

/// What a manager has of one object; see [`Manager::objects`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: FoundKind,
    /// The type of its values.
    pub payload: PayloadShape,
    /// The bytes that it takes, before they are rounded up to a multiple of 512.
    pub len: u64,
}

/// What is free in a manager; see [`Manager::room`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerRoom {
    /// The free bytes.
    pub free: u64,
    /// The most free bytes in a row: the largest object that there is room for.
    pub longest: u64,
    /// How many more objects there can be.
    pub objects: u64,
}

/// The number of processes that can take part in a manager's own segment.
const PARTICIPANTS: u32 = 128;

impl Manager {
    /// Creates a manager in an anonymous segment of its own, with room for objects of so many
    /// bytes, or with [`ManagerOptions`]. 128 processes can take part at a time.
    ///
    /// A segment of a name or a size of your own has managers as it has other entries:
    /// `segment.create::<Manager>("objects", 1 << 20)`.
    ///
    /// # Errors
    ///
    /// [`Error::Create`](crate::Error::Create) if there is no room for such a segment;
    /// [`Error::Entry`](crate::Error::Entry) if the options are out of range.
    pub fn new(options: impl IntoConfig<ManagerOptions>) -> Result<Self, crate::Error> {
        let options = options.into_config();
        let size = options.bytes(PARTICIPANTS).saturating_add(HEADROOM);
        let segment = SegmentOptions::new().participants(PARTICIPANTS).entries(1);
        let segment = segment.size(size).anonymous()?;
        Ok(segment.create(NAME, options)?)
    }

    /// Creates an object, as [`Segment::create`] creates an entry: whole or not at all, wherever
    /// this process is killed. Blocks while another process creates one; a creator that was killed
    /// is passed over, a creator that was stopped is waited for.
    ///
    /// # Errors
    ///
    /// [`EntryError::ManagerFull`] and [`EntryError::ManagerObjects`] if there is no room, also
    /// after that of removed objects and dead processes was collected; and as [`Segment::create`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::queue::Queue;
    /// use crossdock::{Manager, sync::Mutex};
    ///
    /// let manager = Manager::new(64 << 10)?;
    /// let lock = manager.create::<Mutex<u64>>("total", 0)?;
    /// *lock.lock()? += 1;
    /// let queue = manager.create::<Queue<u32>>("queue", 16)?;
    /// queue.send(7)?;
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn create<P: Placeable>(
        &self,
        name: &str,
        config: impl IntoConfig<P::Config>,
    ) -> Result<P, EntryError> {
        const {
            assert!(
                P::KIND as u32 != Kind::Manager as u32,
                "a manager in a manager"
            )
        };
        self.entry.create(name, config.into_config())
    }

    /// Opens an object. Never blocks. Types are compared, as at [`Segment::open`].
    ///
    /// # Errors
    ///
    /// [`EntryError::NotFound`] if there is no object of that name, or it was removed; and as
    /// [`Segment::open`]. [`EntryError::Fault`] if this process cannot take part, which opening an
    /// object does.
    pub fn open<P: Placeable>(&self, name: &str) -> Result<P, EntryError> {
        self.entry.open(name, None)
    }

    /// Opens an object that was created with that configuration, or creates it if there is none. A
    /// first value is not compared.
    ///
    /// # Errors
    ///
    /// As [`Segment::open_or_create`], [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create<P>(
        &self,
        name: &str,
        config: impl IntoConfig<P::Config>,
    ) -> Result<P, EntryError>
    where
        P: Placeable,
        P::Config: Clone,
    {
        let config = config.into_config();
        loop {
            match self.entry.open(name, Some(&config)) {
                Err(EntryError::NotFound { .. }) => {}
                opened => return opened,
            }
            match self.create(name, config.clone()) {
                // Another process was faster.
                Err(EntryError::Exists { .. }) => {}
                created => return created,
            }
        }
    }

    /// Removes an object, and returns whether there was one. Its name is free at once; its room
    /// when the last live process has dropped its handles of it. Never blocks.
    ///
    /// # Errors
    ///
    /// [`EntryError::Name`]; [`EntryError::Corrupt`]; [`EntryError::Fault`] if this process cannot
    /// take part.
    pub fn remove(&self, name: &str) -> Result<bool, EntryError> {
        Ok(self.entry.remove(name)?.is_some())
    }

    /// Returns what there is of each object, in no order, while others create and remove some.
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// [`EntryError::Corrupt`]; [`EntryError::Fault`] if this process cannot take part.
    pub fn objects(&self) -> Result<Vec<ObjectInfo>, EntryError> {
        let info = |record: Record| ObjectInfo {
            name: record.name.to_string(),
            kind: FoundKind::of(record.kind),
            payload: record.payload,
            len: record.len,
        };
        Ok(self.entry.records()?.into_iter().map(info).collect())
    }

    /// Returns what is free, after the room of removed objects that no live process has a handle of
    /// was collected. Blocks while another process creates an object. It may be stale when it is
    /// returned.
    ///
    /// # Errors
    ///
    /// As [`objects`](Self::objects).
    pub fn room(&self) -> Result<ManagerRoom, EntryError> {
        let room = self.entry.room()?;
        Ok(ManagerRoom {
            free: room.free,
            longest: room.longest,
            objects: room.records.into(),
        })
    }

    /// Opens the object that a handle of another process named.
    #[cfg(feature = "process")]
    pub(crate) fn open_at<P: Placeable>(&self, number: u64) -> Result<P, EntryError> {
        self.entry.open_at(number)
    }

    /// Returns the segment of the manager.
    pub fn segment(&self) -> Segment {
        Segment::from_mapping(self.state.entry().mapping.clone())
    }
}

/// The name of the manager in a segment of its own.
const NAME: &str = "manager";
/// The bytes of a segment's header, registry and directory with one entry.
const HEADROOM: u64 = 32 << 10;

/// Returns whether the object of a handle was removed from its [`Manager`]; false for an entry of a
/// segment. One load. The answer may be stale when it is returned.
///
/// # Examples
///
/// ```
/// use crossdock::{Counter, Manager, manager};
///
/// let objects = Manager::new(4096)?;
/// let visits = objects.create::<Counter>("visits", 0)?;
/// assert!(!manager::is_removed(&visits));
/// objects.remove("visits")?;
/// assert!(manager::is_removed(&visits));
/// visits.add(1); // All that still have a handle share it.
/// # Ok::<(), crossdock::Error>(())
/// ```
pub fn is_removed<P: Placeable>(handle: &P) -> bool {
    let hold = handle.entry().hold.as_ref();
    hold.is_some_and(|hold| hold.is_removed())
}

/// Shows no objects. Never blocks.
impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [room, objects, ..] = self.state.entry().record.config;
        f.debug_struct("Manager")
            .field("room", &room)
            .field("objects", &objects)
            .finish_non_exhaustive()
    }
}

impl Placeable for Manager {
    type Config = ManagerOptions;

    const KIND: Kind = Kind::Manager;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn words(options: &ManagerOptions) -> [u64; 4] {
        options.words()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        Some(ManagerLayout::of(config, participants)?.len())
    }

    fn refused(options: &ManagerOptions) -> EntryError {
        options.refused()
    }

    fn attach(entry: Entry) -> Option<Self> {
        // Segments may be of another process: a handle of a manager in a manager has no words.
        if entry.hold.is_some() {
            return None;
        }
        let managed = ManagedEntry(entry.clone());
        Some(Self {
            state: EntryRef::new(entry)?,
            entry: managed,
        })
    }

    fn entry(&self) -> &Entry {
        self.state.entry()
    }
}

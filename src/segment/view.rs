//! Entries looked at by what the directory says, not by a Rust type.

use std::os::fd::AsFd;

use crate::algorithm::look::Sight;
pub use crate::algorithm::look::{Field, ParticipantId, Seen};
use crate::algorithm::{self, look::Look};
use crate::error::Error;
use crate::facade::Ordering::Relaxed;
use crate::facade::clock_here;
use crate::format::{Kind, Name, Record};
use crate::participant::Tag;
use crate::segment::inspect::{EntryInfo, ParticipantInfo};
use crate::segment::inspection::{Inspection, TablesCopy};
use crate::segment::{EntryError, SystemError, corrupt};
use crate::sys::{identity, shm};

/// What was seen of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryView {
    /// What the directory says of the entry.
    pub info: EntryInfo,
    /// What the algorithm of its kind says. Empty for a kind that this version does not know.
    pub fields: Vec<Field>,
    /// Where values are: the first 64 of them.
    pub values: Vec<ValueInfo>,
    /// The live objects of a manager, with the names by which they are opened:
    /// `"MANAGER/OBJECT"`. Empty for other kinds.
    pub objects: Vec<EntryInfo>,
}

/// Where a value of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueInfo {
    /// What it is: `"value"`, or the state of a message.
    pub label: &'static str,
    /// Its number among those of the entry: the index of an element, a cell or a slot.
    pub number: u64,
    /// The offset of its bytes from the start of the segment.
    pub offset: u64,
    /// The number of its bytes.
    pub len: u64,
}

/// Defines the dispatch after the table.
macro_rules! views {
    ($($(#[$docs:meta])+ $kind:ident = $number:literal, [$($bounds:tt)*] $handle:ty, $($recover:ident)::+, $($ends:ident)::+, $($view:ident)::+;)+) => {
        /// Looks at the entry of a record; `None` if its words are not those of its kind.
        fn sight(look: &Look<'_>) -> Option<Sight> {
            match Kind::from_number(look.record.kind) {
                $(Some(Kind::$kind) => algorithm::$($view)::+(look),)+
                None => Some(Sight::new()),
            }
        }
    };
}
kinds!(views);

impl Inspection {
    /// Looks at an entry by what the directory says of it, whatever its kind and payload.
    ///
    /// An object of a manager is `"MANAGER/OBJECT"`: names of entries have no slash.
    ///
    /// The answer has named fields: the holder of a lock, the messages of a queue by their state.
    /// Its words are of slightly different times, and may be old when it is returned.
    ///
    /// # Errors
    ///
    /// [`EntryError::NotFound`], also of an object, and [`EntryError::Name`];
    /// [`EntryError::Corrupt`] if the entry's record or words are not those of its kind; and those
    /// of [`overview`](Self::overview).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::segment::{Inspection, Seen};
    /// use crossdock::{Mutex, SegmentOptions};
    ///
    /// let name = format!("doc-open-dyn-{}", std::process::id());
    /// let segment = SegmentOptions::new().create_new(&name)?;
    /// let stock = segment.create::<Mutex<u64>>("stock", 12)?;
    /// let guard = stock.lock()?;
    ///
    /// let inspection = Inspection::open(&name)?;
    /// let seen = inspection.open_dyn("stock")?;
    /// let Some(Seen::Participant(holder)) = seen.field("holder") else {
    ///     panic!("it is locked");
    /// };
    /// let participants = inspection.overview()?.participants;
    /// let pid = participants.iter().find(|one| one.id() == *holder).map(|one| one.pid);
    /// assert_eq!(pid, Some(std::process::id()));
    /// assert_eq!(inspection.read(&seen.values[0], 64)?, 12_u64.to_le_bytes());
    /// # drop(guard);
    /// segment.unlink()?;
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn open_dyn(&self, name: &str) -> Result<EntryView, Error> {
        let (entry, object) = match name.split_once('/') {
            Some((manager, object)) => (manager, Some(object)),
            None => (name, None),
        };
        let checked = |name| Name::entry(name).map_err(EntryError::Name);
        let (entry, object) = (checked(entry)?, object.map(checked).transpose()?);
        let copy = self.copy()?;
        let not_found = || EntryError::NotFound {
            name: name.to_owned(),
        };
        let mut damaged = None;
        // Not by the index, which may be damaged while the record is whole.
        let records = copy.tables().directory().records().map_err(corrupt)?;
        for found in records {
            match found {
                Ok(found) if found.record.name == entry => {
                    let index = Some(found.index);
                    let record = match object {
                        None => found.record,
                        Some(object) => self
                            .object_of(&found.record, object, &copy)
                            .ok_or_else(not_found)?,
                    };
                    let index = index.filter(|_| object.is_none());
                    let seen = self.sight_of(&record, index, &copy)?;
                    return Ok(Self::view_of(name, &record, seen));
                }
                Ok(_) => {}
                Err(fault) => damaged = Some(corrupt(fault)),
            }
        }
        Err(damaged.unwrap_or_else(not_found).into())
    }

    /// Calls `look` with the words of the entry, or of the object, of a record.
    fn with_look<R>(
        &self,
        record: &Record,
        copy: &TablesCopy,
        look: impl FnOnce(&Look<'_>) -> R,
    ) -> R {
        let (now, own) = (clock_here(), identity::own());
        let clock = |participant: Tag| {
            let all = copy.tables().participants();
            let entry = all.get(participant.index() as usize)?;
            // ORDERING: Relaxed; a copy of this process's own.
            let namespace = entry.time_namespace.load(Relaxed);
            (namespace == own.time_namespace).then_some(now)
        };
        let read = |offset: u64, bytes: &mut [u8]| {
            let at = record.offset.checked_add(offset)?;
            let read = shm::read_at(self.fd.as_fd(), at, bytes).ok()?;
            (read == bytes.len()).then_some(())
        };
        let participants = copy.geometry.participants;
        look(&Look::new(record, participants, &clock, &read))
    }

    /// Looks at an entry or an object; `index` is the number of an entry in the directory.
    fn sight_of(
        &self,
        record: &Record,
        index: Option<u32>,
        copy: &TablesCopy,
    ) -> Result<Sight, EntryError> {
        let seen = self.with_look(record, copy, sight);
        seen.ok_or(EntryError::Corrupt { record: index })
    }

    /// The record of the object of that name in the entry of a record, if that is a manager.
    fn object_of(&self, record: &Record, name: Name, copy: &TablesCopy) -> Option<Record> {
        let is_manager = record.kind == Kind::Manager as u32;
        let found = is_manager.then(|| {
            self.with_look(record, copy, |look| {
                algorithm::manager::view::object(look, name)
            })
        });
        found.flatten()
    }

    fn view_of(name: &str, record: &Record, seen: Sight) -> EntryView {
        let inside = |offset: u64, len: u64| {
            let end = offset.checked_add(len)?;
            let at = record.offset.checked_add(offset)?;
            (end <= record.len).then_some(at)
        };
        let values = seen.values.into_iter().filter_map(|span| {
            Some(ValueInfo {
                label: span.label,
                number: span.number,
                offset: inside(span.offset, span.len)?,
                len: span.len,
            })
        });
        let named = |name: String, record| EntryInfo {
            name,
            ..EntryInfo::of(record)
        };
        let objects = seen.objects.iter();
        let objects = objects.map(|object| named(format!("{name}/{}", object.name), object));
        EntryView {
            info: named(name.to_owned(), record),
            fields: seen.fields,
            values: values.collect(),
            objects: objects.collect(),
        }
    }

    /// Reads the first `most` bytes of a value, as they are: no lock is taken, so a value that a
    /// process writes meanwhile may be half old and half new. Fewer are returned if the file was
    /// cut short.
    ///
    /// # Errors
    ///
    /// [`SystemError`] if the system refuses to read.
    pub fn read(&self, value: &ValueInfo, most: usize) -> Result<Vec<u8>, SystemError> {
        let len = usize::try_from(value.len).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; len];
        let read = shm::read_at(self.fd.as_fd(), value.offset, &mut bytes)
            .map_err(|error| SystemError::new("reading the segment", &error))?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

impl EntryView {
    /// Returns the value of a field, if the entry has it.
    pub fn field(&self, name: &str) -> Option<&Seen> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some(&field.value)
    }
}

impl ParticipantInfo {
    /// Returns the participant as the words of a segment name it.
    pub fn id(&self) -> ParticipantId {
        ParticipantId {
            index: self.index,
            generation: self.generation,
        }
    }
}

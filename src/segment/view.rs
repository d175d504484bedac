//! Entries looked at by what the directory says, not by a Rust type.

use std::os::fd::AsFd;

use crate::algorithm::look::Sight;
pub use crate::algorithm::look::{Field, ParticipantId, Seen};
use crate::algorithm::{self, look::Look};
use crate::error::Error;
use crate::format::{Geometry, Kind, Name, Record};
use crate::segment::inspect::{EntryInfo, ParticipantInfo};
use crate::segment::inspection::Inspection;
use crate::segment::{EntryError, SystemError, corrupt};
use crate::sys::shm;

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
    /// The answer has named fields: the holder of a lock, the messages of a queue by their state.
    /// Its words are of slightly different times, and may be old when it is returned.
    ///
    /// # Errors
    ///
    /// [`EntryError::NotFound`] and [`EntryError::Name`]; [`EntryError::Corrupt`] if the entry's
    /// record or words are not those of its kind; and those of [`overview`](Self::overview).
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
        let checked = Name::entry(name).map_err(EntryError::Name)?;
        let copy = self.copy()?;
        let mut damaged = None;
        // Not by the index, which may be damaged while the record is whole.
        let records = copy.tables().directory().records().map_err(corrupt)?;
        for found in records {
            match found {
                Ok(found) if found.record.name == checked => {
                    return Ok(self.look_at(&found.record, found.index, &copy.geometry)?);
                }
                Ok(_) => {}
                Err(fault) => damaged = Some(corrupt(fault)),
            }
        }
        let name = name.to_owned();
        Err(damaged.unwrap_or(EntryError::NotFound { name }).into())
    }

    fn look_at(
        &self,
        record: &Record,
        index: u32,
        geometry: &Geometry,
    ) -> Result<EntryView, EntryError> {
        let read = |offset: u64, bytes: &mut [u8]| {
            let at = record.offset.checked_add(offset)?;
            let read = shm::read_at(self.fd.as_fd(), at, bytes).ok()?;
            (read == bytes.len()).then_some(())
        };
        let look = Look::new(record, geometry.participants, &read);
        let index = Some(index);
        let seen = sight(&look).ok_or(EntryError::Corrupt { record: index })?;
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
        Ok(EntryView {
            info: EntryInfo::of(record),
            fields: seen.fields,
            values: values.collect(),
        })
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

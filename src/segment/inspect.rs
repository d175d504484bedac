//! Inspection of a segment without joining it.

use std::fmt;

use crate::algorithm::directory::Directory;
use crate::format::{PayloadShape, Record};
use crate::participant::Tag;
use crate::segment::mapping::ParticipantEntry;
use crate::segment::membership::Membership;
use crate::segment::tables::Tables;
use crate::segment::{EntryError, FoundKind};
use crate::segment::{Segment, corrupt};

/// An entry as described by the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryInfo {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: FoundKind,
    /// The payload: the type of the entry's values.
    pub payload: PayloadShape,
    /// The offset of its bytes from the start of the segment.
    pub offset: u64,
    /// The number of its bytes.
    pub len: u64,
}

/// A participant as described by the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantInfo {
    /// The index in the registry.
    pub index: u32,
    /// The number of participants that have had this index, up to 524,287 and then from 1 again.
    pub generation: u32,
    /// The process id, in its own PID namespace. It is informative: the kernel alone says which
    /// process is alive.
    pub pid: u32,
    /// The start time of the process, in clock ticks since boot in its time namespace; 0 if
    /// unknown.
    pub start_time: u64,
    /// The inode of its PID namespace; 0 if unknown.
    pub pid_namespace: u64,
    /// The inode of its time namespace; 0 if unknown.
    pub time_namespace: u64,
    /// Whether it is alive, as the kernel says. A dead participant has not been reaped yet.
    pub alive: bool,
    /// Whether it is the calling process.
    pub is_self: bool,
}

impl EntryInfo {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            name: record.name.to_string(),
            kind: FoundKind::of(record.kind),
            payload: record.payload,
            offset: record.offset,
            len: record.len,
        }
    }
}

impl fmt::Display for ParticipantInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.alive { "alive" } else { "dead" };
        write!(
            f,
            "participant {}.{}: pid {}, {state}",
            self.index, self.generation, self.pid
        )
    }
}

impl Segment {
    /// Lists the entries, in the order of their creation. Never blocks.
    ///
    /// # Errors
    ///
    /// [`EntryError::Corrupt`] if the directory holds bytes that crossdock never writes.
    pub fn entries(&self) -> Result<Vec<EntryInfo>, EntryError> {
        entries_of(self.mapping().directory()).collect()
    }

    /// Lists the participants that are alive, and the dead ones that were not reaped yet. Never
    /// blocks, does not join, and may miss or show a participant that joins or leaves meanwhile.
    pub fn participants(&self) -> Vec<ParticipantInfo> {
        let mapping = self.mapping();
        let me = mapping.membership().current();
        let is_alive = |tag| Membership::is_alive(mapping, tag);
        participants_of(mapping.tables(), is_alive, |tag, _| Some(tag) == me).collect()
    }
}

/// The entries of a directory, and what is wrong with it.
pub(super) fn entries_of(
    directory: Directory<'_>,
) -> impl Iterator<Item = Result<EntryInfo, EntryError>> + '_ {
    let (records, fault) = match directory.records() {
        Ok(records) => (Some(records), None),
        Err(fault) => (None, Some(Err(corrupt(fault)))),
    };
    let entries = records
        .into_iter()
        .flatten()
        .map(|found| Ok(EntryInfo::of(&found.map_err(corrupt)?.record)));
    entries.chain(fault)
}

/// The participants of a registry: live ones, and dead ones that were not reaped yet.
pub(super) fn participants_of<'a>(
    tables: Tables<'a>,
    is_alive: impl Fn(Tag) -> bool + 'a,
    is_self: impl Fn(Tag, &ParticipantEntry) -> bool + 'a,
) -> impl Iterator<Item = ParticipantInfo> + 'a {
    use crate::facade::Ordering::Relaxed;
    let registry = tables.registry();
    (0..)
        .zip(tables.participants())
        .filter_map(move |(index, entry)| {
            let state = registry.state(index);
            let tag = state
                .tag(index)
                .filter(|_| state.is_live() || state.is_dead())?;
            Some(ParticipantInfo {
                index,
                generation: tag.generation(),
                // ORDERING: Relaxed; published by (R1), read by `state`.
                pid: entry.pid.load(Relaxed),
                start_time: entry.start_time.load(Relaxed),
                pid_namespace: entry.pid_namespace.load(Relaxed),
                time_namespace: entry.time_namespace.load(Relaxed),
                alive: is_alive(tag),
                is_self: is_self(tag, entry),
            })
        })
}

//! Looking at a segment without taking part in it.

use std::fmt;

use crate::format::PayloadShape;
use crate::segment::membership::Membership;
use crate::segment::{EntryError, FoundKind};
use crate::segment::{Segment, corrupt};

/// What the directory says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryInfo {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: FoundKind,
    /// What values it holds.
    pub payload: PayloadShape,
    /// Where its bytes begin, counted from the start of the segment.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
}

/// What the registry says of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantInfo {
    /// Its index in the registry.
    pub index: u32,
    /// How many participants have had this index, up to 524,287 and then from 1 again.
    pub generation: u32,
    /// Its process id, in its own PID namespace: for people, not to tell who is alive.
    pub pid: u32,
    /// When the process started, in clock ticks since boot as its time namespace has it; 0 if it could not tell.
    pub start_time: u64,
    /// The inode of its PID namespace; 0 if it could not tell.
    pub pid_namespace: u64,
    /// The inode of its time namespace; 0 if it could not tell.
    pub time_namespace: u64,
    /// Whether it lives, which the kernel says; a dead one has not been reaped yet.
    pub alive: bool,
    /// Whether it is the calling process.
    pub is_self: bool,
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
    /// [`EntryError::Corrupt`] if the directory holds what crossdock did not write.
    pub fn entries(&self) -> Result<Vec<EntryInfo>, EntryError> {
        let records = self.mapping().directory().records().map_err(corrupt)?;
        records
            .map(|found| {
                let record = found.map_err(corrupt)?.record;
                Ok(EntryInfo {
                    name: record.name.to_string(),
                    kind: FoundKind::of(record.kind),
                    payload: record.payload,
                    offset: record.offset,
                    len: record.len,
                })
            })
            .collect()
    }

    /// Lists the participants, the living and the dead that were not reaped yet. Never blocks, does
    /// not join, and may miss or show one that comes or goes meanwhile.
    pub fn participants(&self) -> Vec<ParticipantInfo> {
        use crate::facade::Ordering::Relaxed;
        let mapping = self.mapping();
        let registry = mapping.registry();
        let me = mapping.membership().current();
        (0..)
            .zip(mapping.participants())
            .filter_map(|(index, entry)| {
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
                    alive: Membership::is_alive(mapping, tag),
                    is_self: Some(tag) == me,
                })
            })
            .collect()
    }
}

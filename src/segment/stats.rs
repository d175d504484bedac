//! The counters of a segment that was created with [`SegmentOptions::stats`]: its first entry.
//!
//! [`SegmentOptions::stats`]: crate::SegmentOptions::stats

use crate::algorithm::stats;
use crate::facade::AtomicU64;
use crate::format::{Kind, PayloadShape, Record};
use crate::participant::SlowEvent;
use crate::segment::mapping::{EntryBytes, Mapping};
use crate::segment::{Entry, EntryRef, Placeable};

/// The name of the entry.
pub(crate) const NAME: &str = "crossdock.stats";

/// Adds an event of this process to the counters of the segment, if it has some.
#[cold]
pub(crate) fn count(mapping: &Mapping, event: SlowEvent) {
    if let (Some(record), Some(me)) = (mapping.stats(), mapping.membership().current()) {
        stats::count(&EntryBytes::new(mapping, record), me, event);
    }
}

/// The record of the counters of a segment: its first one, if it has some.
pub(crate) fn find(mapping: &Mapping) -> Option<Record> {
    let first = mapping.directory().at(0).ok()?.record;
    let is_whole = first.len >= stats::len(mapping.geometry().participants);
    (first.kind == Kind::Stats as u32 && is_whole).then_some(first)
}

/// The counters, which the segment itself adds to.
#[derive(Clone)]
pub(crate) struct Stats {
    first: EntryRef<AtomicU64>,
}

debug!(Stats);

impl Placeable for Stats {
    type Config = ();

    const KIND: Kind = Kind::Stats;

    fn payload() -> PayloadShape {
        PayloadShape::none()
    }

    fn size(config: [u64; 4], participants: u32) -> Option<u64> {
        (config == [0; 4]).then(|| stats::len(participants))
    }

    fn attach(entry: Entry) -> Option<Self> {
        EntryRef::new(entry).map(|first| Self { first })
    }

    fn entry(&self) -> &Entry {
        self.first.entry()
    }
}

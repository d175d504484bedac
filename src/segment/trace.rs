//! Events for the crate `tracing`: what happens to the dead. Without the feature `tracing` these
//! functions are empty. None of them is on a path of an operation that finds its peers alive.

use crate::participant::Tag;
use crate::segment::entry::Entry;
use crate::segment::mapping::Mapping;

/// A lock whose last owner died has been acquired.
#[cfg(feature = "tracing")]
#[cold]
pub(crate) fn lock_taken_over(entry: &Entry) {
    use crate::segment::FoundKind;
    tracing::warn!(
        target: "crossdock",
        kind = %FoundKind::of(entry.record.kind),
        entry = %entry.record.name,
        segment = name(&entry.mapping),
        "lock taken over: its last owner died while it held it"
    );
}

/// A dead participant, of the process `pid`, has been reaped.
#[cfg(feature = "tracing")]
#[cold]
pub(crate) fn participant_reaped(mapping: &Mapping, tag: Tag, pid: u32) {
    tracing::warn!(
        target: "crossdock",
        index = tag.index(),
        pid,
        segment = name(mapping),
        "participant reaped: its process died"
    );
}

/// The pid that a participant has given, for an event.
#[cfg(feature = "tracing")]
pub(crate) fn pid_of(mapping: &Mapping, tag: Tag) -> u32 {
    use crate::facade::Ordering::Relaxed;
    let participant = mapping.participants().get(tag.index() as usize);
    // ORDERING: Relaxed; informative, published by (R1).
    participant.map_or(0, |participant| participant.pid.load(Relaxed))
}

/// The name of a named segment.
#[cfg(feature = "tracing")]
fn name(mapping: &Mapping) -> Option<&str> {
    crate::segment::names::name_of(mapping.path()?)
}

#[cfg(not(feature = "tracing"))]
#[inline(always)]
pub(crate) fn lock_taken_over(_: &Entry) {}

#[cfg(not(feature = "tracing"))]
#[inline(always)]
pub(crate) fn participant_reaped(_: &Mapping, _: Tag, _: u32) {}

#[cfg(not(feature = "tracing"))]
#[inline(always)]
pub(crate) fn pid_of(_: &Mapping, _: Tag) -> u32 {
    0
}

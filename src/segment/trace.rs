//! Events for the crate `tracing`: what happens to the dead, and to their messages. Without the
//! feature `tracing` these functions are empty. None of them is on a path of an operation that
//! finds its peers alive; a receiver compares the attempt of its message with 1.

use crate::participant::Tag;
use crate::segment::entry::Entry;
use crate::segment::mapping::Mapping;

/// What is told of a dead participant; collected before it is reaped, without allocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Obituary {
    #[cfg(feature = "tracing")]
    pid: u32,
    /// The messages that become dead letters by its death, and the first queue of them.
    #[cfg(feature = "tracing")]
    dead_letters: Option<(crate::format::Record, u32)>,
}

#[cfg(feature = "tracing")]
mod told {
    use super::{Entry, Mapping, Obituary, Tag};
    use crate::algorithm::work::entry as work;
    use crate::facade::Ordering::Relaxed;
    use crate::format::{Kind, Record};
    use crate::segment::FoundKind;
    use crate::segment::mapping::EntryBytes;

    impl Obituary {
        /// Collects what is to be told of the participant with `tag`, which is dead and still
        /// holds what it held.
        #[cold]
        pub(crate) fn of(mapping: &Mapping, tag: Tag) -> Self {
            let participant = mapping.participants().get(tag.index() as usize);
            let mut dead_letters = None;
            let records = mapping.directory().records();
            for found in records.into_iter().flatten().flatten() {
                let messages = last_attempts(mapping, &found.record, tag);
                if messages > 0 {
                    let (_, all) = dead_letters.get_or_insert((found.record, 0));
                    *all += messages;
                }
            }
            Self {
                // ORDERING: Relaxed; informative, published by (R1).
                pid: participant.map_or(0, |participant| participant.pid.load(Relaxed)),
                dead_letters,
            }
        }
    }

    /// How many messages `dead` holds at their last attempt in the entry of a record.
    fn last_attempts(mapping: &Mapping, record: &Record, dead: Tag) -> u32 {
        let entry = EntryBytes::located(mapping, record);
        let messages = match Kind::from_number(record.kind) {
            Some(Kind::WorkQueue | Kind::ByteQueue | Kind::Channel) => {
                work::last_attempts(&entry, dead)
            }
            _ => None,
        };
        messages.unwrap_or(0)
    }

    /// A lock whose last owner died has been acquired.
    #[cold]
    pub(crate) fn lock_taken_over(entry: &Entry) {
        tracing::warn!(
            target: "crossdock",
            kind = %FoundKind::of(entry.record.kind),
            entry = %entry.record.name,
            segment = name(&entry.mapping),
            "lock taken over: its last owner died while it held it"
        );
    }

    /// A dead participant has been reaped.
    #[cold]
    pub(crate) fn participant_reaped(mapping: &Mapping, tag: Tag, obituary: &Obituary) {
        tracing::warn!(
            target: "crossdock",
            index = tag.index(),
            pid = obituary.pid,
            segment = name(mapping),
            "participant reaped: its process died"
        );
        if let Some((record, messages)) = obituary.dead_letters {
            tracing::warn!(
                target: "crossdock",
                kind = %FoundKind::of(record.kind),
                entry = %record.name,
                segment = name(mapping),
                messages,
                pid = obituary.pid,
                "dead letters: the receiver of their last attempt died"
            );
        }
    }

    /// A message was received at this attempt.
    #[inline(always)]
    pub(crate) fn received(entry: &Entry, attempt: u8) {
        if attempt > 1 {
            redelivered(entry, attempt);
        }
    }

    #[cold]
    fn redelivered(entry: &Entry, attempt: u8) {
        tracing::info!(
            target: "crossdock",
            kind = %FoundKind::of(entry.record.kind),
            entry = %entry.record.name,
            segment = name(&entry.mapping),
            attempt,
            "message redelivered"
        );
    }

    /// A message that was delivered this often has become a dead letter.
    #[cold]
    pub(crate) fn dead_letter(entry: &Entry, attempts: u8) {
        tracing::warn!(
            target: "crossdock",
            kind = %FoundKind::of(entry.record.kind),
            entry = %entry.record.name,
            segment = name(&entry.mapping),
            attempts,
            "dead letter"
        );
    }

    /// The name of a named segment.
    fn name(mapping: &Mapping) -> Option<&str> {
        crate::segment::names::name_of(mapping.path()?)
    }
}

#[cfg(not(feature = "tracing"))]
mod told {
    use super::{Entry, Mapping, Obituary, Tag};

    impl Obituary {
        #[inline(always)]
        pub(crate) fn of(_: &Mapping, _: Tag) -> Self {
            Self {}
        }
    }

    #[inline(always)]
    pub(crate) fn lock_taken_over(_: &Entry) {}

    #[inline(always)]
    pub(crate) fn participant_reaped(_: &Mapping, _: Tag, _: &Obituary) {}

    #[inline(always)]
    pub(crate) fn received(_: &Entry, _: u8) {}

    #[inline(always)]
    pub(crate) fn dead_letter(_: &Entry, _: u8) {}
}

pub(crate) use told::{dead_letter, lock_taken_over, participant_reaped, received};

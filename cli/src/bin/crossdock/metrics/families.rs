//! The names of what is seen.
//!
//! An entry is shown by the fields of its view, whatever its kind: a number, a flag and a holder
//! have a family each, with the name of the field as a label. Some fields have better names, by the
//! tables here.

use crossdock::segment::{EntryView, Field, Overview, ParticipantId, Seen};

use super::text::Type::{Counter, Gauge};
use super::text::{Family, Text, Type};
use crate::operate::find::Found;

const fn family(name: &'static str, kind: Type, help: &'static str) -> Family {
    Family { name, help, kind }
}

const READABLE: Family = family(
    "crossdock_segment_readable",
    Gauge,
    "Whether the segment is there and could be looked at.",
);
const SIZE: Family = family(
    "crossdock_segment_size_bytes",
    Gauge,
    "The size of the segment.",
);
const USED: Family = family(
    "crossdock_segment_used_bytes",
    Gauge,
    "The bytes up to the end of the last entry.",
);
const IN_USE: Family = family(
    "crossdock_segment_in_use",
    Gauge,
    "Whether any process has the segment open.",
);
const CREATED: Family = family(
    "crossdock_segment_created_timestamp_seconds",
    Gauge,
    "When the segment was created.",
);
const ENTRIES: Family = family("crossdock_segment_entries", Gauge, "The number of entries.");
const MOST_ENTRIES: Family = family(
    "crossdock_segment_entries_limit",
    Gauge,
    "The maximum number of entries.",
);
const UNREADABLE: Family = family(
    "crossdock_segment_unreadable_entries",
    Gauge,
    "Entries and objects that are not shown: damaged ones, those behind the first 256.",
);
const PARTICIPANTS: Family = family(
    "crossdock_participants",
    Gauge,
    "Participants that are alive, and dead ones that were not reaped yet.",
);
const MOST_PARTICIPANTS: Family = family(
    "crossdock_participants_limit",
    Gauge,
    "The maximum number of participants.",
);

const VALUE: Family = family(
    "crossdock_entry_value",
    Gauge,
    "A number that is seen of an entry.",
);
const EVENTS: Family = family(
    "crossdock_entry_events_total",
    Counter,
    "A number that is seen of an entry and only grows.",
);
const FLAG: Family = family(
    "crossdock_entry_flag",
    Gauge,
    "Whether something is so of an entry.",
);
const HELD: Family = family(
    "crossdock_entry_held",
    Gauge,
    "Whether a participant in that state holds an entry, or a role in it.",
);
const MESSAGES: Family = family(
    "crossdock_queue_messages",
    Gauge,
    "The messages of a queue, by their state.",
);
const CAPACITY: Family = family(
    "crossdock_queue_capacity",
    Gauge,
    "The maximum number of messages of a queue, or of their parts.",
);
const ENDPOINTS: Family = family(
    "crossdock_queue_endpoints",
    Gauge,
    "The handles of a queue that send, and those that receive.",
);
const PERMITS: Family = family(
    "crossdock_semaphore_permits",
    Gauge,
    "The permits of a semaphore, by their state.",
);

/// Fields that are a family of their own in entries which also have the field `beside`, with the
/// label that tells them apart.
struct Named {
    beside: &'static str,
    family: &'static Family,
    label: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

const NAMED: [Named; 6] = [
    Named {
        beside: "dead letters",
        family: &MESSAGES,
        label: "state",
        fields: &[
            ("waiting", "waiting"),
            ("held", "held"),
            ("returned", "returned"),
            ("dead letters", "dead"),
            ("loaned", "loaned"),
        ],
    },
    Named {
        beside: "capacity",
        family: &MESSAGES,
        label: "state",
        fields: &[("depth", "waiting")],
    },
    Named {
        beside: "depth",
        family: &CAPACITY,
        label: "",
        fields: &[("capacity", "")],
    },
    Named {
        beside: "dead letters",
        family: &CAPACITY,
        label: "",
        fields: &[("cells", "")],
    },
    Named {
        beside: "senders",
        family: &ENDPOINTS,
        label: "side",
        fields: &[("senders", "sender"), ("receivers", "receiver")],
    },
    Named {
        beside: "most",
        family: &PERMITS,
        label: "state",
        fields: &[("free", "free"), ("held", "held")],
    },
];

/// Fields that only grow, as long as their entry is there.
const GROWING: [&str; 14] = [
    "changes",
    "claimers that died",
    "edition",
    "generation",
    "locks taken over",
    "long waits",
    "notifications",
    "participants reaped",
    "received",
    "redeliveries",
    "sent",
    "sleeps",
    "times set",
    "waits",
];

/// Adds what is seen of a segment; `None` if there is none.
pub(super) fn segment(text: &mut Text, name: &str, found: Option<&Found>) {
    let of = [("segment", name)];
    let look = found.and_then(|found| Some((found, found.look.as_ref().ok()?)));
    text.add(&READABLE, &of, u8::from(look.is_some()));
    if let Some(found) = found {
        text.add(&SIZE, &of, found.bytes());
        text.add(&IN_USE, &of, u8::from(found.in_use));
        if let Some(file) = &found.file {
            text.add(&CREATED, &of, file.created);
        }
    }
    let Some((found, look)) = look else { return };
    text.add(&USED, &of, look.used);
    text.add(&ENTRIES, &of, look.entries.len());
    text.add(&MOST_ENTRIES, &of, look.max_entries);
    let (alive, dead) = found.participants().unwrap_or_default();
    for (state, count) in [("alive", alive), ("dead", dead)] {
        text.add(&PARTICIPANTS, &[("segment", name), ("state", state)], count);
    }
    text.add(&MOST_PARTICIPANTS, &of, look.max_participants);
    let (all, left) = found.looked_at();
    let views = all.iter().filter_map(|(_, view)| view.as_ref().ok());
    text.add(&UNREADABLE, &of, all.len() - views.clone().count() + left);
    for view in views {
        entry(text, name, look, view);
    }
}

/// Adds what is seen of an entry. Texts and tables are not shown.
fn entry(text: &mut Text, segment: &str, look: &Overview, view: &EntryView) {
    let kind = view.info.kind.to_string();
    let of = [
        ("segment", segment),
        ("entry", view.info.name.as_str()),
        ("kind", kind.as_str()),
    ];
    for field in &view.fields {
        let with = |label, value| [&of[..], &[(label, value)]].concat();
        let (generic, number) = match &field.value {
            Seen::Number(number) => (&VALUE, i128::from(*number)),
            Seen::Signed(number) => (&VALUE, i128::from(*number)),
            Seen::Flag(flag) => (&FLAG, i128::from(*flag)),
            Seen::None => {
                held(text, &with("field", field.name), None);
                continue;
            }
            Seen::Participant(id) => {
                held(text, &with("field", field.name), Some(is_alive(look, *id)));
                continue;
            }
            _ => continue,
        };
        match named(field, &view.fields) {
            Some((family, "", _)) => text.add(family, &of, number),
            Some((family, label, value)) => text.add(family, &with(label, value), number),
            None if GROWING.contains(&field.name) => {
                text.add(&EVENTS, &with("field", field.name), number);
            }
            None => text.add(generic, &with("field", field.name), number),
        }
    }
}

/// The family of a field that has a better name, with its label and the label's value.
fn named(field: &Field, all: &[Field]) -> Option<(&'static Family, &'static str, &'static str)> {
    NAMED.iter().find_map(|named| {
        all.iter().find(|one| one.name == named.beside)?;
        let mut fields = named.fields.iter();
        let (_, value) = fields.find(|(name, _)| *name == field.name)?;
        Some((named.family, named.label, *value))
    })
}

/// Whether a live participant holds it, and whether a dead one does.
fn held(text: &mut Text, of: &[(&str, &str)], alive: Option<bool>) {
    for (state, is_alive) in [("alive", true), ("dead", false)] {
        let labels = [of, &[("state", state)]].concat();
        text.add(&HELD, &labels, u8::from(alive == Some(is_alive)));
    }
}

/// One that the registry does not list was reaped.
fn is_alive(look: &Overview, id: ParticipantId) -> bool {
    let mut listed = look.participants.iter();
    listed.any(|one| one.id() == id && one.alive)
}

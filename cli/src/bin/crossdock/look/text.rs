//! What is seen, for people: in lines of 80 columns.

use std::fmt::Write;

use crossdock::segment::{EntryInfo, EntryView, Field, Overview, Seen};

use super::people::{People, described};
use super::values::{Value, hex};
use crate::operate::find::LookedAt;
use crate::operate::text::size as bytes;

const COLUMNS: usize = 80;

/// Text of a segment, which may have any characters.
fn plain(text: &str) -> String {
    text.escape_debug().to_string()
}

/// Puts words into lines, two spaces between them.
fn wrapped(out: &mut String, indent: usize, words: impl IntoIterator<Item = String>) {
    let mut column = 0;
    for word in words {
        let width = word.chars().count();
        if column > 0 && column + 2 + width <= COLUMNS {
            out.push_str("  ");
            column += 2 + width;
        } else {
            if column > 0 {
                out.push('\n');
            }
            out.push_str(&" ".repeat(indent));
            column = indent + width;
        }
        out.push_str(&word);
    }
    if column > 0 {
        out.push('\n');
    }
}

/// A field in words; `None` if it is a table.
fn word(field: &Field, people: &People) -> Option<String> {
    let name = field.name;
    Some(match &field.value {
        Seen::None => format!("{name} none"),
        Seen::Flag(flag) => format!("{name} {}", if *flag { "yes" } else { "no" }),
        Seen::Number(number) => format!("{name} {number}"),
        Seen::Signed(number) => format!("{name} {number}"),
        Seen::Text(text) => format!("{name} {}", plain(text)),
        Seen::Participant(id) => format!("{name} {}", people.name(*id)),
        _ => return None,
    })
}

pub(super) fn entry(view: &EntryView, people: &People, with_tables: bool) -> String {
    let mut out = String::new();
    wrapped(&mut out, 0, title(&view.info));
    let words = view.fields.iter().filter_map(|field| word(field, people));
    wrapped(&mut out, 2, words);
    if !with_tables {
        return out;
    }
    for field in &view.fields {
        let Seen::Rows(rows) = &field.value else {
            continue;
        };
        let _ = writeln!(out, "  {}", field.name);
        for row in rows {
            wrapped(&mut out, 4, row.iter().filter_map(|one| word(one, people)));
        }
    }
    out
}

fn title(info: &EntryInfo) -> Vec<String> {
    let name = info.payload.name();
    // An encoded type has its schema behind its name, and values of different lengths.
    let payload = match (name.split_once('#'), info.payload.size()) {
        (_, 0) => String::new(),
        (Some((name, _)), _) => format!("<{}>", plain(name)),
        (None, len) => format!("<{}> of {}", plain(&name), bytes(len)),
    };
    let kind = format!("{}{payload}", info.kind);
    vec![plain(&info.name), kind, bytes(info.len)]
}

pub(super) fn segment(
    name: &str,
    seen: &Overview,
    (views, left): (&[LookedAt], usize),
    people: &People,
) -> String {
    let mut out = String::new();
    let percent = u128::from(seen.used) * 100 / u128::from(seen.len.max(1));
    let alive = seen.participants.iter().filter(|one| one.alive).count();
    let dead = seen.participants.len() - alive;
    let facts = [
        plain(name),
        bytes(seen.len),
        format!("{percent}% used"),
        format!("{} of {} entries", seen.entries.len(), seen.max_entries),
        format!("{alive} alive"),
        format!("{dead} dead"),
        format!("room for {} participants", seen.max_participants),
    ];
    wrapped(&mut out, 0, facts);
    if let Some(damaged) = &seen.damaged {
        let _ = writeln!(out, "damaged: {damaged}");
    }
    if !seen.participants.is_empty() {
        out.push_str("\nparticipants\n");
    }
    for one in &seen.participants {
        wrapped(&mut out, 2, [one.id().to_string(), described(one)]);
    }
    if !views.is_empty() {
        out.push('\n');
    }
    for (found, view) in views {
        match view {
            Ok(view) => out.push_str(&entry(view, people, false)),
            Err(error) => {
                wrapped(&mut out, 0, title(found));
                let _ = writeln!(out, "  {error}");
            }
        }
    }
    if left > 0 {
        let _ = writeln!(out, "and {left} entries more");
    }
    out
}

pub(super) fn values(view: &EntryView, all: &[Value<'_>]) -> String {
    let mut out = String::new();
    wrapped(&mut out, 0, title(&view.info));
    if all.is_empty() {
        out.push_str("  no values to be seen\n");
    }
    for value in all {
        let info = value.info;
        let cut = match info.len - value.bytes.len() as u64 {
            0 => String::new(),
            more => format!("and {more} bytes more"),
        };
        let label = format!("{} {}", info.label, info.number);
        wrapped(&mut out, 2, [label].into_iter().chain(value.text.clone()));
        for line in value.bytes.chunks(16) {
            let _ = writeln!(out, "    {}", hex(line));
        }
        if !cut.is_empty() {
            let _ = writeln!(out, "    {cut}");
        }
    }
    out
}

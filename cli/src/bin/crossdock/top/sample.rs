//! A look at a segment, and what has changed since the one before.
//!
//! Nothing here knows a kind of entry: it knows names of fields, which several kinds share.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

use crossdock::segment::{EntryView, Field, Overview, ParticipantId, ParticipantInfo, Seen};

use crate::operate::find::{MOST_ENTRIES, doing, held_by, looked_at, opened};
use crate::operate::processes::{Process, own_namespaces};
use crate::operate::text::{cut, percent, size};
use crate::with_causes;

/// The most characters of the segment's name.
const NAME: usize = 30;

/// The fields that count what has happened. Of an entry with several of them the first is its rate.
const COUNTED: [&str; 8] = [
    "value",
    "sent",
    "changes",
    "times set",
    "notifications",
    "generation",
    "edition",
    "waits",
];

/// The fields that say how much there is in an entry.
const DEPTHS: [&str; 6] = [
    "depth",
    "waiting",
    "length",
    "leased",
    "running",
    "blocks in use",
];

/// A segment at one look.
pub(super) struct Sample {
    at: Instant,
    /// The device and the inode of its file, and its creation.
    file: (u64, u64, u64),
    /// What it is, in short pieces.
    pub(super) title: Vec<String>,
    /// What is wrong with it.
    pub(super) note: Option<String>,
    pub(super) entries: Vec<Entry>,
    pub(super) participants: Vec<Participant>,
}

/// An entry as it is shown.
pub(super) struct Entry {
    /// Its number in the order of creation.
    number: usize,
    pub(super) name: String,
    pub(super) kind: String,
    /// Its fields, the more telling ones first.
    pub(super) fields: String,
    /// The waiters: `yes`, `senders`.
    pub(super) waits: String,
    pub(super) depth: Option<u64>,
    /// The change for each second since the look before.
    pub(super) rate: Option<f64>,
    counted: Option<u64>,
}

/// A participant as it is shown.
pub(super) struct Participant {
    pub(super) id: ParticipantId,
    pub(super) pid: u32,
    pub(super) command: String,
    /// As /proc has it: `R`, `S`, `D`, `T`; `dead`; `?` if /proc does not show its process.
    pub(super) state: String,
    pub(super) resident: Option<u64>,
    /// The entries of which it holds something; of the worker of a pool, the task that it runs.
    pub(super) holds: String,
}

impl Participant {
    /// Whether it is one to look at: dead, or stopped.
    pub(super) fn is_ill(&self) -> bool {
        matches!(self.state.as_str(), "dead" | "T" | "Z")
    }
}

impl Sample {
    /// Looks at a segment, which is opened anew: by then its name may be gone, or another one's.
    pub(super) fn take(segment: &str) -> Result<Self, String> {
        let inspection = opened(segment)?;
        let seen = inspection.overview().map_err(|error| with_causes(&error))?;
        let at = Instant::now();
        let mut views = Vec::new();
        let mut entries = Vec::new();
        let pids: HashMap<_, _> = seen
            .participants
            .iter()
            .map(|one| (one.id(), one.pid))
            .collect();
        let (all, left) = looked_at(&inspection, &seen, MOST_ENTRIES);
        for (number, (info, view)) in all.into_iter().enumerate() {
            let mut entry = Entry {
                number,
                name: info.name.escape_debug().to_string(),
                kind: info.kind.to_string(),
                fields: String::new(),
                waits: String::new(),
                depth: None,
                rate: None,
                counted: None,
            };
            match view {
                Ok(view) => {
                    entry.tell(&view, &pids);
                    views.push(view);
                }
                Err(error) => entry.fields = error,
            }
            entries.push(entry);
        }
        let own = own_namespaces();
        let people = seen.participants.iter();
        let file = inspection.file();
        Ok(Self {
            at,
            file: (file.device, file.inode, file.created),
            title: title(segment, &seen),
            note: note(&seen, left, file.is_linked),
            entries,
            participants: people.map(|one| participant(one, own, &views)).collect(),
        })
    }

    /// Fills in the rates, from the look before at the same segment.
    pub(super) fn since(&mut self, before: &Self) {
        if self.file != before.file {
            return;
        }
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let then: HashMap<_, _> = before.entries.iter().map(|one| (&one.name, one)).collect();
        for entry in &mut self.entries {
            let counted = then.get(&entry.name).and_then(|before| before.counted);
            if let (Some(now), Some(then)) = (entry.counted, counted) {
                entry.rate = (seconds > 0.0).then(|| change(then, now) / seconds);
            }
        }
    }
}

/// The change of a number, which may go down, and past its end.
fn change(then: u64, now: u64) -> f64 {
    let change = now.wrapping_sub(then).cast_signed();
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let change = change as f64;
    change
}

impl Entry {
    fn tell(&mut self, view: &EntryView, pids: &HashMap<ParticipantId, u32>) {
        let mut words = Vec::new();
        for Field { name, value, .. } in &view.fields {
            let number = match value {
                Seen::Number(number) => Some(*number),
                Seen::Signed(number) => Some(number.cast_unsigned()),
                _ => None,
            };
            if self.counted.is_none() && COUNTED.contains(name) {
                self.counted = number;
            }
            if self.depth.is_none() && DEPTHS.contains(name) {
                self.depth = number;
            }
            match value {
                Seen::Flag(true) => match waiters(name) {
                    Some(who) if self.waits.is_empty() => who.clone_into(&mut self.waits),
                    Some(_) => self.waits = "both".to_owned(),
                    None => words.push((*name).to_owned()),
                },
                Seen::None if words.is_empty() => words.push(format!("{name} none")),
                // A zero says something in the first place only.
                Seen::Number(0) | Seen::Signed(0) if !words.is_empty() => {}
                Seen::Number(number) => words.push(format!("{name} {number}")),
                Seen::Signed(number) => words.push(format!("{name} {number}")),
                Seen::Text(text) => words.push(format!("{name} {}", text.escape_debug())),
                Seen::Participant(id) => words.push(match pids.get(id) {
                    Some(pid) => format!("{name} pid {pid}"),
                    None => format!("{name} {id} (gone)"),
                }),
                _ => {}
            }
        }
        self.fields = words.join("  ");
    }

    /// Whether anything waits at it.
    fn is_waited_for(&self) -> bool {
        !self.waits.is_empty()
    }
}

/// The waiters, if a flag of that name says that there are some.
fn waiters(name: &str) -> Option<&str> {
    match name {
        "contended" | "waited for" => Some("yes"),
        _ => name.strip_suffix(" waits").or(name.strip_suffix(" wait")),
    }
}

fn title(segment: &str, seen: &Overview) -> Vec<String> {
    let alive = seen.participants.iter().filter(|one| one.alive).count();
    let dead = seen.participants.len() - alive;
    vec![
        cut(&segment.escape_debug().to_string(), NAME),
        size(seen.len),
        format!("{}% used", percent(seen.used, seen.len)),
        format!("{} entries", seen.entries.len()),
        format!("{alive} alive"),
        format!("{dead} dead"),
    ]
}

fn note(seen: &Overview, left: usize, is_linked: bool) -> Option<String> {
    if let Some(damaged) = &seen.damaged {
        return Some(format!("damaged: {damaged}"));
    }
    if left > 0 {
        return Some(format!("the first {MOST_ENTRIES} entries are looked at"));
    }
    let lost = !is_linked && !seen.is_anonymous;
    lost.then(|| "its name was removed: crossdock doctor".to_owned())
}

fn participant(one: &ParticipantInfo, own: (u64, u64), views: &[EntryView]) -> Participant {
    let process = one
        .alive
        .then(|| Process::of_participant(one, own))
        .flatten();
    let state = match &process {
        _ if !one.alive => "dead".to_owned(),
        Some(process) => process.state.to_ascii_uppercase().to_string(),
        None => "?".to_owned(),
    };
    Participant {
        id: one.id(),
        pid: one.pid,
        state,
        resident: process.as_ref().and_then(|_| resident(one.pid)),
        command: process.map_or_else(String::new, |process| process.name),
        holds: doing(one.id(), views)
            .or_else(|| held_by(one.id(), views))
            .unwrap_or_default(),
    }
}

/// The resident memory of a process, in bytes. proc_pid_status(5).
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The order of creation; of participants, that of the registry.
    #[default]
    Creation,
    Name,
    Rate,
    Depth,
    /// What is waited for first; of participants, those that hold something.
    Waits,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Creation => Self::Name,
            Self::Name => Self::Rate,
            Self::Rate => Self::Depth,
            Self::Depth => Self::Waits,
            Self::Waits => Self::Creation,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Name => "name",
            Self::Rate => "rate",
            Self::Depth => "depth",
            Self::Waits => "waits",
        }
    }

    /// Sorts both tables. Equal rows stay in the order of creation.
    pub(super) fn apply(self, sample: &mut Sample) {
        let entries = &mut sample.entries;
        entries.sort_by_key(|one| one.number);
        match self {
            Self::Creation => {}
            Self::Name => entries.sort_by(|one, other| one.name.cmp(&other.name)),
            Self::Rate => {
                let rate = |one: &Entry| one.rate.map_or(-1.0, f64::abs);
                entries.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
            }
            Self::Depth => entries.sort_by_key(|one| std::cmp::Reverse(one.depth)),
            Self::Waits => entries.sort_by_key(|one| !one.is_waited_for()),
        }
        let people = &mut sample.participants;
        people.sort_by_key(|one| one.id);
        match self {
            Self::Name => people.sort_by(|one, other| one.command.cmp(&other.command)),
            Self::Waits => people.sort_by_key(|one| one.holds.is_empty()),
            Self::Creation | Self::Rate | Self::Depth => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_go_down_and_past_its_end() {
        assert!((change(7, 10) - 3.0).abs() < f64::EPSILON);
        assert!((change(10, 7) + 3.0).abs() < f64::EPSILON);
        assert!((change(u64::MAX, 1) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn who_waits_is_read_from_names_of_flags() {
        let names = ["contended", "waited for", "senders wait", "producer waits"];
        let found = names.map(waiters);
        assert_eq!(
            found,
            [Some("yes"), Some("yes"), Some("senders"), Some("producer")]
        );
        assert_eq!(waiters("closed"), None);
    }

    #[test]
    fn the_memory_of_this_process_is_known() {
        assert!(resident(std::process::id()) > Some(4096));
        assert_eq!(resident(0), None);
    }
}

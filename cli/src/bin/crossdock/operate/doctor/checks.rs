//! What the doctor looks for.

use crossdock::segment::{EntryView, OpenError, Overview, ParticipantInfo, Seen};

use super::Finding;
use crate::operate::find::{Found, Kind, LookedAt, doing, held_by};
use crate::operate::processes::{self, Process};
use crate::operate::text;

/// A segment, and a file system, is nearly full when this much of it is used, in percent.
const FULL: u64 = 95;

/// What is wrong with a segment.
pub(super) fn segment(found: &Found) -> Vec<Finding> {
    match &found.look {
        Ok(_) if found.is_unused() => vec![unused(found)],
        Ok(look) => looked(found, look),
        Err(error) => unreadable(found, error).into_iter().collect(),
    }
}

/// No process can open it any more. Nothing is to be seen of it but its users.
fn removed(found: &Found) -> Finding {
    let pids: Vec<String> = found.pids.iter().map(u32::to_string).collect();
    let (many, uses) = if pids.len() == 1 {
        ("", "uses")
    } else {
        ("s", "use")
    };
    let pids = pids.join(" ");
    let what = format!("its name was removed, and pid{many} {pids} {uses} it");
    let remedy = format!("restart: kill {pids}");
    let finding = Finding::of(found, "name-removed", what, remedy);
    Finding {
        pid: found.pids.first().copied(),
        ..finding
    }
}

fn unused(found: &Found) -> Finding {
    let age = found
        .age()
        .map_or_else(String::new, |age| format!(", {} old", text::age(age)));
    let what = format!("no process has it open{age}");
    let remedy = format!("crossdock clean {}", found.name);
    Finding::of(found, "unused", what, remedy)
}

fn looked(found: &Found, look: &Overview) -> Vec<Finding> {
    let mut findings = Vec::new();
    if found.kind == Kind::Removed {
        findings.push(removed(found));
    }
    let own = processes::own_namespaces();
    let (all, _) = found.looked_at();
    let entries: Vec<EntryView> = all
        .iter()
        .filter_map(|(_, view)| view.clone().ok())
        .collect();
    for one in &look.participants {
        findings.extend(participant(found, one, own, &entries));
    }
    findings.extend(
        entries
            .iter()
            .filter_map(|entry| dead_letters(found, entry)),
    );
    let damaged = all.iter().filter(|one| damage(one).is_some());
    if damaged.clone().next().is_some() {
        // Words that were read while they changed are whole in another look.
        let (again, _) = found.looked_at();
        let is_still = |one: &&LookedAt| {
            let mut again = again.iter().filter(|two| two.0.name == one.0.name);
            again.any(|two| damage(two).is_some())
        };
        let lines = damaged.filter(is_still).filter_map(damage);
        let remedy = "end its users, then create it anew";
        findings
            .extend(lines.map(|what| Finding::of(found, "damaged-entry", what, remedy.to_owned())));
    }
    let places = look.max_participants as usize;
    if look.participants.len() >= places && look.participants.iter().all(|one| one.alive) {
        let what = format!("all {places} places of participants are taken");
        let remedy = "end one, or create a segment with more".to_owned();
        findings.push(Finding::of(found, "no-place", what, remedy));
    }
    if let Some(damage) = &look.damaged {
        let what = damage.to_string();
        let remedy = "end its users, then create it anew".to_owned();
        findings.push(Finding::of(found, "damaged", what, remedy));
    }
    let used = text::percent(look.used, found.bytes());
    if used >= FULL {
        let what = format!("{used}% full: new entries may not fit");
        let remedy = "create a larger segment".to_owned();
        findings.push(Finding::of(found, "full", what, remedy));
    }
    findings
}

fn dead_letters(found: &Found, entry: &EntryView) -> Option<Finding> {
    let name = &entry.info.name;
    let what = match entry.field("dead letters") {
        None | Some(Seen::Number(0)) => return None,
        Some(Seen::Number(1)) => format!("{name} has a dead letter"),
        Some(Seen::Number(letters)) => format!("{name} has {letters} dead letters"),
        Some(_) => return None,
    };
    let remedy = "take them: Work::dead_letters".to_owned();
    Some(Finding::of(found, "dead-letters", what, remedy))
}

/// What is wrong with the words of an entry.
fn damage((info, view): &LookedAt) -> Option<String> {
    let name = info.name.escape_debug();
    match view {
        Err(error) => Some(format!("{name} cannot be read: {error}")),
        Ok(view) => match view.field("corrupt") {
            Some(Seen::Number(words)) => Some(format!("{name} has corrupt words: {words}")),
            _ => None,
        },
    }
}

/// The processes in whose memory the lock of the dead participant `pid` may live on: those which
/// have one, and are no participant's process.
fn memory_of_others(found: &Found, pid: u32) -> Vec<u32> {
    let (Some(file), Ok(look)) = (&found.file, &found.look) else {
        return Vec::new();
    };
    let own = processes::own_namespaces();
    let is_participant = |pid: &u32| {
        look.participants
            .iter()
            .any(|one| one.pid == *pid && Process::of_participant(one, own).is_some())
    };
    let mut all = processes::with_locks(file.device, file.inode);
    all.retain(|other| *other != pid && !is_participant(other));
    all
}

/// What is wrong with a participant, if something is. `own` are the namespaces of this process.
fn participant(
    found: &Found,
    one: &ParticipantInfo,
    own: (u64, u64),
    entries: &[EntryView],
) -> Option<Finding> {
    let (name, pid) = (&found.name, one.pid);
    let held = held_by(one.id(), entries);
    let task = doing(one.id(), entries);
    if !one.alive {
        let held = held.map_or_else(|| "not reaped".to_owned(), |held| format!("held {held}"));
        let place = processes::elsewhere(one, own);
        let what = format!("pid {pid}{place} is dead, {held}");
        let remedy = format!("crossdock repair {name}");
        return Some(Finding::of(found, "dead", what, remedy).about(pid));
    }
    // The pid means another process here, or none.
    if one.pid_namespace != own.0 || pid == 0 {
        return None;
    }
    let process = Process::of(pid);
    // Ticks since boot are other ones in another time namespace.
    let same_clock = one.time_namespace == own.1 && one.start_time != 0;
    let is_it = |process: &Process| !same_clock || process.started == one.start_time;
    match process.filter(|process| is_it(process) && !process.is_zombie()) {
        Some(process) if process.is_stopped() => {
            let shown = &process.name;
            let held = task.or(held);
            let held = held.map_or_else(String::new, |held| format!(", holds {held}"));
            let what = format!("pid {pid} ({shown}) is stopped{held}");
            let remedy = format!("kill -CONT {pid}");
            Some(Finding::of(found, "stopped", what, remedy).about(pid))
        }
        Some(_) => None,
        None => Some(lives_on(found, pid)),
    }
}

/// A participant that the kernel counts as alive, and whose process is not there.
fn lives_on(found: &Found, pid: u32) -> Finding {
    let others = memory_of_others(found, pid);
    let (what, remedy) = match others.first() {
        None => (
            format!("pid {pid} is alive, but not in /proc"),
            "see docs/operate.md".to_owned(),
        ),
        Some(other) => {
            let process = Process::of(*other);
            let name = process.map_or_else(String::new, |process| format!(" ({})", process.name));
            let what = format!("pid {pid} is gone, but pid {other}{name} runs in its memory");
            (what, format!("kill {other}, or let it exec"))
        }
    };
    Finding::of(found, "not-in-proc", what, remedy).about(pid)
}

/// What is wrong with a file that has the name of a segment and cannot be opened as one.
fn unreadable(found: &Found, error: &OpenError) -> Option<Finding> {
    let name = &found.name;
    let clean = format!("crossdock clean {name}");
    let (code, what, remedy) = match error {
        OpenError::LayoutVersion {
            expected, found, ..
        } => (
            "other-layout",
            format!("layout version {found}; this crossdock reads {expected}"),
            "use the crossdock of its programs".to_owned(),
        ),
        OpenError::Empty { .. } => ("empty", "an empty file, no segment".to_owned(), clean),
        OpenError::OtherSize {
            expected, found, ..
        } => {
            let (found, expected) = (text::size(*found), text::size(*expected));
            let what = format!("{found} long, not {expected}: it was truncated or grown");
            ("other-size", what, format!("end its users, then {clean}"))
        }
        OpenError::NotASegment { .. } | OpenError::ByteOrder { .. } => {
            let what = "a file of another program or machine".to_owned();
            ("foreign", what, format!("rm /dev/shm/crossdock.{name}"))
        }
        OpenError::Corrupt { .. } => {
            let what = "its header is corrupt".to_owned();
            ("corrupt", what, format!("end its users, then {clean}"))
        }
        OpenError::Permission { .. } => return None,
        // It is gone meanwhile.
        OpenError::NotFound { .. } => return None,
        other => {
            let what = other.to_string();
            ("unreadable", what, "see the system's message".to_owned())
        }
    };
    Some(Finding::of(found, code, what, remedy))
}

/// The bytes that are used in /dev/shm, and all of them.
pub(super) fn shared_memory() -> Result<(u64, u64), String> {
    let stat = nix::sys::statvfs::statvfs("/dev/shm");
    let stat = stat.map_err(|error| format!("asking how full /dev/shm is: {error}"))?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
    let free = bytes(stat.blocks_available());
    Ok((
        bytes(stat.blocks()).saturating_sub(free),
        bytes(stat.blocks()),
    ))
}

/// Whether a file system with so many bytes in use, of so many, is nearly full.
pub(super) fn space(used: u64, of: u64) -> Option<Finding> {
    let percent = text::percent(used, of);
    (of > 0 && percent >= FULL).then(|| Finding {
        code: "shm-full",
        segment: None,
        pid: None,
        what: format!("{percent}% of {} used", text::size(of)),
        remedy: "crossdock clean --dead, or a larger --shm-size".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_full_at_95_percent_and_one_without_a_size_never() {
        assert_eq!(space(94, 100), None);
        assert_eq!(space(5, 0), None);
        let full = space(95 << 20, 100 << 20).expect("full");
        let expected = "warn  /dev/shm: 95% of 100 MiB used -> \
                        crossdock clean --dead, or a larger --shm-size\n";
        assert_eq!(full.line(), expected);
    }
}

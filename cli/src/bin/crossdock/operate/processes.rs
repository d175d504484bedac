//! What /proc says of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crossdock::segment::ParticipantInfo;

/// What a process is known by.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// The name of its command.
    pub(crate) name: String,
    /// Its state: `T` and `t` are stopped.
    pub(crate) state: char,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
}

impl Process {
    /// Returns what /proc says of a process; `None` if it is not there.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Returns the process of a participant, if its number means that process in these namespaces.
    pub(crate) fn of_participant(participant: &ParticipantInfo, own: (u64, u64)) -> Option<Self> {
        let (pids, times) = own;
        if pids != participant.pid_namespace {
            return None;
        }
        let process = Self::of(participant.pid)?;
        let comparable = participant.start_time != 0 && participant.time_namespace == times;
        (!comparable || process.started == participant.start_time).then_some(process)
    }

    /// proc_pid_stat(5); the name may contain anything.
    fn parse(stat: &str) -> Option<Self> {
        let (before, after) = stat.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let started = fields.nth(18)?.parse().ok()?;
        // Another process's name may have control characters in it.
        let name = name.chars().filter(|one| !one.is_control()).collect();
        Some(Self {
            name,
            state,
            started,
        })
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Dead, and not waited for by its parent.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Says of a participant's number that it means another process here, if so.
pub(crate) fn elsewhere(participant: &ParticipantInfo, own: (u64, u64)) -> &'static str {
    match participant.pid_namespace {
        0 => "",
        pids if pids == own.0 => "",
        _ => " of another PID namespace",
    }
}

/// The namespaces of this process: of PIDs, and of time. 0 where /proc does not say.
pub(crate) fn own_namespaces() -> (u64, u64) {
    let inode = |path| fs::metadata(path).map_or(0, |meta: fs::Metadata| meta.ino());
    (
        inode("/proc/thread-self/ns/pid"),
        inode("/proc/thread-self/ns/time"),
    )
}

/// The processes whose memory holds the lock of a participant of the segment in that file.
///
/// Each has a page of it mapped without access, which a child of fork has not, and a child of vfork
/// has. What this process may not look at is left out.
pub(crate) fn with_locks(device: u64, inode: u64) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = all.flatten().filter_map(|process| {
        let name = process.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let holds = |pid: &u32| {
        // It may have ended, or be another user's.
        let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        let maps = String::from_utf8_lossy(&maps);
        maps.lines().any(|line| is_lock(line, device, inode))
    };
    pids.filter(holds).collect()
}

/// proc_pid_maps(5): whether a line is of such a page.
fn is_lock(line: &str, device: u64, inode: u64) -> bool {
    use nix::sys::stat::{major, minor};
    let mut fields = line.split_ascii_whitespace().skip(1);
    let device = format!("{:02x}:{:02x}", major(device), minor(device));
    let [mode, _, of, number] = std::array::from_fn(|_| fields.next().unwrap_or_default());
    mode == "---s" && of == device && number.parse() == Ok(inode)
}

/// A file without a name that processes have open.
#[derive(Clone, Debug)]
pub(crate) struct Nameless {
    /// A path that leads to it as long as the process lives.
    pub(crate) path: PathBuf,
    /// The processes that have a descriptor of it.
    pub(crate) pids: BTreeSet<u32>,
}

/// Finds the files without a name that processes have open, by device and inode: each once. What
/// this process may not look at is left out.
pub(crate) fn nameless() -> io::Result<BTreeMap<(u64, u64), Nameless>> {
    let mut found: BTreeMap<(u64, u64), Nameless> = BTreeMap::new();
    for process in fs::read_dir("/proc")? {
        let name = process?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended, or be another user's.
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let path = descriptor.path();
            let Ok(meta) = fs::metadata(&path) else {
                continue;
            };
            if meta.is_file() && meta.nlink() == 0 {
                let file = found.entry((meta.dev(), meta.ino()));
                let pids = BTreeSet::new();
                let file = file.or_insert(Nameless { path, pids });
                file.pids.insert(pid);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_holds_a_lock_is_told_from_other_mappings() {
        let line = "7f1c4000-7f1c5000 ---s 00000000 00:1a 4242 /dev/shm/crossdock.x (deleted)";
        assert!(is_lock(line, 0x1a, 4242));
        assert!(!is_lock(line, 0x1b, 4242) && !is_lock(line, 0x1a, 42));
        assert!(!is_lock(&line.replace("---s", "rw-s"), 0x1a, 4242));
        assert!(!is_lock("", 0, 0));
    }

    #[test]
    fn a_name_may_contain_brackets() {
        let stat = "7 (a) b\n) T 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        let process = Process::parse(stat).unwrap();
        assert_eq!((process.name.as_str(), process.started), ("a) b", 4242));
        assert!(process.is_stopped() && !process.is_zombie());
        assert!(Process::parse("nonsense").is_none());
        assert!(Process::of(std::process::id()).is_some());
    }
}

//! The identity of this process, for display: never a proof that a process is alive.

#[cfg(feature = "process")]
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::fs;
#[cfg(feature = "process")]
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{descriptor, timens};

/// What tells one process from another that has its number later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Process id, in its own PID namespace.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot; 0 when /proc does not say.
    pub(crate) start_time: u64,
    /// The inode of its PID namespace; 0 when /proc does not say.
    pub(crate) pid_namespace: u64,
    /// The inode of its time namespace; 0 when /proc does not say.
    pub(crate) time_namespace: u64,
}

/// The identity of the calling process.
pub(crate) fn own() -> Identity {
    Identity {
        pid: std::process::id(),
        // That of a thread says when the thread started, and that of a main thread that has ended
        // can still be read.
        start_time: descriptor::read_text(Path::new("/proc/self/stat"))
            .ok()
            .and_then(|stat| start_time(&stat))
            .unwrap_or(0),
        pid_namespace: fs::metadata("/proc/thread-self/ns/pid")
            .map(|meta| meta.ino())
            .unwrap_or(0),
        time_namespace: timens::inode(),
    }
}

/// When the process with this number, in this process's PID namespace, started; 0 if there is none,
/// or /proc does not say.
#[cfg(feature = "process")]
pub(crate) fn started(pid: u32) -> u64 {
    let stat = descriptor::read_text(Path::new(&format!("/proc/{pid}/stat")));
    stat.ok().and_then(|stat| start_time(&stat)).unwrap_or(0)
}

/// When this process started, as [`started`] says it: asked once, and again in a forked child.
#[cfg(feature = "process")]
pub(crate) fn own_start() -> u64 {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    static KNOWN_BY: AtomicU32 = AtomicU32::new(0);
    let pid = std::process::id();
    // ORDERING: Acquire; pairs with the Release below, so the time is that of this process.
    if KNOWN_BY.load(Ordering::Acquire) == pid {
        return KNOWN.load(Ordering::Relaxed);
    }
    let start = started(pid);
    KNOWN.store(start, Ordering::Relaxed);
    KNOWN_BY.store(pid, Ordering::Release);
    start
}

/// Returns whether the process with this number runs that started at this time.
#[cfg(feature = "process")]
pub(crate) fn is_running(pid: u32, since: u64) -> bool {
    // The descriptor is of that process if the time is right afterwards: its number is not given to
    // another one before it has ended.
    let Ok(process) = super::pidfd::open(pid) else {
        return false;
    };
    started(pid) == since && !super::child::has_ended(process.as_fd()).unwrap_or(false)
}

/// Field 22 of proc_pid_stat(5); the command in field 2 may contain anything.
fn start_time(stat: &str) -> Option<u64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_may_contain_spaces_and_brackets() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(start_time(stat), Some(4242));
        assert_eq!(start_time("nonsense"), None);
    }

    #[test]
    fn this_process_has_an_identity() {
        let me = own();
        assert_eq!(me.pid, std::process::id());
        assert!(me.start_time > 0 && me.pid_namespace > 0);
    }
}

//! Where and when the threads of this process run, the memory that it has, and its process group.

use std::io;
use std::path::Path;

use super::{checked, descriptor};

/// The highest number of a processor that [`set_affinity`] takes.
const MAX_PROCESSOR: usize = (1 << 16) - 1;

/// sched_setaffinity(2): this thread, and those that it starts, run on these processors only.
pub(crate) fn set_affinity(processors: &[usize]) -> io::Result<()> {
    const BITS: usize = u64::BITS as usize;
    let highest = processors.iter().copied().max().unwrap_or(0);
    if highest > MAX_PROCESSOR {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut mask = vec![0_u64; highest / BITS + 1];
    for processor in processors {
        mask[processor / BITS] |= 1 << (processor % BITS);
    }
    // SAFETY: the mask is as long as the size says, and outlives the call; 0 is this thread.
    checked(unsafe { libc::sched_setaffinity(0, size_of_val(&*mask), mask.as_ptr().cast()) })
        .map(drop)
}

/// getpriority(2), setpriority(2): adds to the nice value of this thread, and of those that it
/// starts. The kernel cuts off what is beyond -20 and 19.
pub(crate) fn add_nice(increment: i32) -> io::Result<()> {
    // SAFETY: takes integers; 0 is this thread. It fails for no thread of its own.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let nice = nice.saturating_add(increment);
    // SAFETY: takes integers.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// setpgid(2): this process leads a process group of its own.
pub(crate) fn lead_group() -> io::Result<()> {
    // SAFETY: takes integers; 0 is this process.
    checked(unsafe { libc::setpgid(0, 0) }).map(drop)
}

/// kill(2) of 0: SIGKILL to the process group that this process leads, itself included.
pub(crate) fn kill_own_group() {
    // SAFETY: takes nothing.
    let group = unsafe { libc::getpgrp() };
    if u32::try_from(group) == Ok(std::process::id()) {
        // SAFETY: takes integers; the group is this process's own.
        unsafe { libc::kill(0, libc::SIGKILL) };
    }
}

/// proc_pid_statm(5): the resident memory in bytes that this process shares with no file, and so
/// with no segment; `None` where /proc does not tell.
pub(crate) fn own_memory() -> Option<u64> {
    let text = descriptor::read_text(Path::new("/proc/thread-self/statm")).ok()?;
    let mut pages = text
        .split_ascii_whitespace()
        .map(|field| field.parse::<u64>());
    let resident = pages.nth(1)?.ok()?;
    let shared = pages.next()?.ok()?;
    // SAFETY: takes an integer.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    Some(resident.saturating_sub(shared) * page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_this_process_grows_by_what_it_touches() {
        let before = own_memory().unwrap();
        let touched = vec![1_u8; 64 << 20];
        let after = own_memory().unwrap();
        assert!(after >= before + (48 << 20), "{before} {after}");
        drop(touched);
    }

    #[test]
    fn no_processor_or_one_beyond_all_is_refused() {
        for processors in [&[][..], &[MAX_PROCESSOR][..], &[usize::MAX][..]] {
            let refused = set_affinity(processors).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        }
    }
}

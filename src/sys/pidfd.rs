//! Processes by file descriptor, whose numbers cannot come to mean another process.

use std::io;
use std::os::fd::OwnedFd;

use super::descriptor;

/// pidfd_open(2), close-on-exec. Async-signal-safe.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = libc::c_int::try_from(fd).unwrap_or(-1);
    // SAFETY: the kernel has just made it for this call, or has failed with -1.
    unsafe { descriptor::made(fd) }
}

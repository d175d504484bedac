//! Processes by file descriptor, whose numbers cannot come to mean another process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// pidfd_open(2), close-on-exec. Async-signal-safe.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match libc::c_int::try_from(fd) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: the kernel has just made `fd` for this call; nothing else owns it.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

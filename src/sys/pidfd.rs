//! Processes by file descriptor, whose numbers cannot come to mean another process.

use std::io;
use std::os::fd::OwnedFd;
#[cfg(feature = "process")]
use std::os::fd::{AsRawFd, BorrowedFd};
#[cfg(feature = "process")]
use std::os::unix::process::ExitStatusExt;
#[cfg(feature = "process")]
use std::process::ExitStatus;
#[cfg(feature = "process")]
use std::time::Duration;

use super::descriptor;

/// pidfd_open(2), close-on-exec. Async-signal-safe.
pub(crate) fn open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = libc::c_int::try_from(fd).unwrap_or(-1);
    // SAFETY: the kernel has just made it for this call, or has failed with -1.
    unsafe { descriptor::made(fd) }
}

/// The kernel's `struct pidfd_info`, in its first version.
#[cfg(feature = "process")]
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// Process, thread group and parent; real, effective, saved and filesystem user and group.
    ids: [u32; 11],
    exit_code: i32,
}

#[cfg(feature = "process")]
const _: () = assert!(size_of::<PidfdInfo>() == 64);

/// `PIDFD_INFO_EXIT`.
#[cfg(feature = "process")]
const INFO_EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`: `_IOWR(0xff, 11, struct pidfd_info)`.
#[cfg(feature = "process")]
const GET_INFO: libc::c_ulong = 3 << 30 | 64 << 16 | 0xff << 8 | 11;

/// ioctl(2) with `PIDFD_GET_INFO`: how a process ended that its parent, whichever process that is,
/// has waited for. `None` as long as it has not, and on kernels before 6.15, which do not tell.
#[cfg(feature = "process")]
pub(crate) fn exit_status(pidfd: BorrowedFd<'_>) -> Option<ExitStatus> {
    let mut info = PidfdInfo {
        mask: INFO_EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: the structure is as long as the request says, and outlives the call.
    let asked =
        unsafe { libc::syscall(libc::SYS_ioctl, pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    (asked == 0 && info.mask & INFO_EXIT != 0).then(|| ExitStatus::from_raw(info.exit_code))
}

/// poll(2): waits until the parent of a process has waited for it, for `timeout` at most. Kernels
/// before 6.15 do not tell, and this takes the time.
#[cfg(feature = "process")]
pub(crate) fn wait_reaped(pidfd: BorrowedFd<'_>, timeout: Duration) {
    let mut poll = libc::pollfd {
        fd: pidfd.as_raw_fd(),
        // POLLHUP is told in any case, and the process's end alone is not asked for.
        events: 0,
        revents: 0,
    };
    let timeout = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one pollfd, which outlives the call.
    unsafe { libc::poll(&raw mut poll, 1, timeout) };
}

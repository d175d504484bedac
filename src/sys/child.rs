//! Children by file descriptor: waiting, reaping and signalling without a pid that could have been
//! given to another process meanwhile.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::clock::{Deadline, Left};
use super::socket::receive_byte;
use super::{checked, restarted, timespec};

/// A child, as waitid(2) sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// It runs.
    Runs,
    /// It has ended like this, and is forgotten now.
    Ended(ExitStatus),
    /// It is no child of this process, or no longer: other code took its exit status, or
    /// SIGCHLD is ignored.
    Unknown,
}

/// What a parent learns of a child that is to send a byte when it has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has sent the byte.
    Begun,
    /// It has ended, perhaps after it sent the byte.
    Ended,
    /// Neither, and the deadline has passed.
    TimedOut,
}

/// ppoll(2): waits until the process has ended, or until `deadline`; says whether it has ended.
///
/// A process that other code has reaped has ended, too.
pub(crate) fn wait(pidfd: BorrowedFd<'_>, deadline: Deadline) -> io::Result<bool> {
    let mut polled = [readable(pidfd)];
    poll(&mut polled, deadline)
}

/// ppoll(2): waits until the socket can be written to, or is closed at its other end; false if the
/// deadline has passed.
pub(crate) fn wait_writable(socket: BorrowedFd<'_>, deadline: Deadline) -> io::Result<bool> {
    let mut polled = [readable(socket)];
    polled[0].events = libc::POLLOUT;
    poll(&mut polled, deadline)
}

/// ppoll(2): waits until a byte has come over the socket, the process has ended, or the deadline
/// has passed. Takes the byte.
pub(crate) fn wait_for_byte(
    pidfd: BorrowedFd<'_>,
    socket: BorrowedFd<'_>,
    deadline: Deadline,
) -> io::Result<Answer> {
    let mut both = [readable(pidfd), readable(socket)];
    loop {
        if !poll(&mut both, deadline)? {
            return Ok(Answer::TimedOut);
        }
        let [process, other] = &mut both;
        if other.revents != 0 {
            match receive_byte(socket) {
                Ok(true) => return Ok(Answer::Begun),
                // The child has closed its end, or is about to be gone: a negative number is
                // skipped.
                Ok(false) => other.fd = -1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => other.fd = -1,
                Err(error) => return Err(error),
            }
        }
        if process.revents != 0 {
            return Ok(Answer::Ended);
        }
    }
}

fn readable(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Waits until one of the descriptors is ready; false if the deadline passed before.
fn poll(polled: &mut [libc::pollfd], deadline: Deadline) -> io::Result<bool> {
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    loop {
        let left = deadline.left();
        let timeout = match left {
            Left::Forever => None,
            Left::For(left) => Some(timespec(left)),
            Left::Passed => Some(timespec(Duration::ZERO)),
        };
        let timeout = timeout
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the pollfds are passed and counted; `timeout` is null or points to a timespec
        // that lives in this iteration; no signal mask is given.
        let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), count, timeout, std::ptr::null()) };
        match checked(ready) {
            Ok(0) if left == Left::Passed => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            // The time that is left is counted anew.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// poll(2): waits until one of several processes has ended; gives the index of the first such.
pub(crate) fn wait_first(pidfds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut polls: Vec<_> = pidfds
        .iter()
        .map(|pidfd| libc::pollfd {
            fd: pidfd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let count = libc::nfds_t::try_from(polls.len()).unwrap_or(libc::nfds_t::MAX);
    // SAFETY: as many structures as are counted, writable for the length of the call.
    restarted(|| unsafe { libc::poll(polls.as_mut_ptr(), count, -1) })?;
    let ready = polls.iter().position(|poll| poll.revents != 0);
    ready.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Whether the process has ended. Does not block.
pub(crate) fn has_ended(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    wait(pidfd, Deadline::after(Duration::ZERO))
}

/// waitid(2) with `P_PIDFD` and `WEXITED`: takes the exit status of a child and frees its entry in
/// the process table; with `block`, waits until it has ended.
pub(crate) fn reap(pidfd: BorrowedFd<'_>, block: bool) -> io::Result<Child> {
    let flags = if block {
        libc::WEXITED
    } else {
        libc::WEXITED | libc::WNOHANG
    };
    // SAFETY: siginfo_t is plain data, for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let id = pidfd.as_raw_fd().cast_unsigned();
    // SAFETY: `info` is writable for the length of the call; the rest are integers.
    let waited = restarted(|| unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, flags) });
    match waited {
        Ok(_) => Ok(status_of(&info).map_or(Child::Runs, Child::Ended)),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Child::Unknown),
        Err(error) => Err(error),
    }
}

/// The exit status that waitid(2) left in `info`, or `None` if no child had ended.
fn status_of(info: &libc::siginfo_t) -> Option<ExitStatus> {
    // SAFETY: waitid fills the members of a SIGCHLD siginfo, or leaves the zeroes; the pid is
    // valid to read in both.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return None;
    }
    // SAFETY: as above; a pid other than 0 says that waitid filled it.
    let status = unsafe { info.si_status() };
    Some(ExitStatus::from_raw(match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    }))
}

/// pidfd_send_signal(2) with `SIGINT`; a process that has ended is no error.
pub(crate) fn interrupt(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    signal(pidfd, libc::SIGINT)
}

/// pidfd_send_signal(2) with `SIGTERM`; a process that has ended is no error.
pub(crate) fn terminate(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    signal(pidfd, libc::SIGTERM)
}

/// pidfd_send_signal(2) with `SIGKILL`; a process that has ended is no error.
pub(crate) fn kill(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    signal(pidfd, libc::SIGKILL)
}

/// `PIDFD_SIGNAL_PROCESS_GROUP`.
const PROCESS_GROUP: libc::c_uint = 1 << 2;

/// pidfd_send_signal(2) with `SIGKILL` to the process group that the process led or leads; a group
/// without processes is no error. Kernels before 6.9 refuse it (`EINVAL`).
pub(crate) fn kill_group(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    signal_with(pidfd, libc::SIGKILL, PROCESS_GROUP)
}

/// kill(2) with `SIGKILL` to the process group of this number; a group without processes is no
/// error. The caller knows that the number is not another's by now.
pub(crate) fn kill_group_of(id: u32) -> io::Result<()> {
    let group = libc::pid_t::try_from(id).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: takes integers.
    match checked(unsafe { libc::kill(-group, libc::SIGKILL) }) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

fn signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    signal_with(pidfd, signal, 0)
}

fn signal_with(pidfd: BorrowedFd<'_>, signal: libc::c_int, flags: libc::c_uint) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo asks the kernel to fill it; the other arguments are integers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            info,
            flags,
        )
    };
    if result == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

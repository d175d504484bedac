//! The source of descriptors: the library makes and receives only descriptors above 2.
//!
//! In a process that has closed its standard descriptors, as daemons do, the kernel gives their
//! numbers to the next files that are opened, and what the program prints would be written over a
//! segment. So nothing else in the library makes an owned descriptor; `tests/tidy` holds this.

use std::ffi::CStr;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
#[cfg(feature = "process")]
use std::os::unix::fs::OpenOptionsExt;
#[cfg(feature = "process")]
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::memfd::MFdFlags;

use super::checked;

/// No descriptor is left to this process.
pub(crate) const NO_DESCRIPTOR: i32 = libc::EMFILE;
/// No descriptor is left to the system.
pub(crate) const NO_SYSTEM_DESCRIPTOR: i32 = libc::ENFILE;

/// The least number of a descriptor that is none of the standard ones.
const FIRST: libc::c_int = libc::STDERR_FILENO + 1;

/// `fd` itself if it is above the standard descriptors, else a duplicate that is.
///
/// Async-signal-safe.
pub(crate) fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() >= FIRST {
        return Ok(fd);
    }
    // SAFETY: F_DUPFD_CLOEXEC takes an integer and touches no memory.
    let copy = checked(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) })?;
    // SAFETY: the kernel has just made `copy` for this call; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// The descriptor that a system call returned, or errno if it returned -1. Async-signal-safe.
///
/// # Safety
/// - `result` is what a system call has just returned that makes a descriptor for its caller, or
///   that failed with -1.
pub(crate) unsafe fn made(result: libc::c_int) -> io::Result<OwnedFd> {
    let fd = checked(result)?;
    // SAFETY: the kernel has just made `fd` for the caller; nothing else owns it.
    above_standard(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// open(2), close-on-exec.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> io::Result<OwnedFd> {
    above_standard(options.open(path)?.into())
}

/// open(2), read(2): a file of /proc or /sys.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let fd = open(OpenOptions::new().read(true), path)?;
    let mut bytes = Vec::new();
    std::fs::File::from(fd).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// open(2), read(2): a file of /proc or /sys as text.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// readdir(3): the paths of what is in a directory. Its descriptor may be a standard one meanwhile:
/// it cannot be written to.
pub(crate) fn paths_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}

/// memfd_create(2).
pub(crate) fn memfd(name: &CStr, flags: MFdFlags) -> io::Result<OwnedFd> {
    above_standard(nix::sys::memfd::memfd_create(name, flags)?)
}

/// socketpair(2), close-on-exec.
#[cfg(feature = "process")]
pub(crate) fn socket_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    Ok((
        above_standard(one.into())?.into(),
        above_standard(other.into())?.into(),
    ))
}

/// socketpair(2) with `SOCK_SEQPACKET`, close-on-exec: a message is received as it was sent.
#[cfg(feature = "process")]
pub(crate) fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: there is room for two descriptors.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) };
    checked(made)?;
    // SAFETY: the kernel has just made it for this call; nothing else owns it.
    let one = unsafe { OwnedFd::from_raw_fd(ends[0]) };
    // SAFETY: as above.
    let other = unsafe { OwnedFd::from_raw_fd(ends[1]) };
    Ok((above_standard(one)?, above_standard(other)?))
}

/// pipe2(2), close-on-exec: the end to read from, and the end to write to.
#[cfg(feature = "process")]
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((
        above_standard(reader.into())?,
        above_standard(writer.into())?,
    ))
}

/// open(2) with `O_PATH`: a directory, to enter it.
#[cfg(feature = "process")]
pub(crate) fn directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    open(OpenOptions::new().read(true).custom_flags(flags), path)
}

/// fcntl(2) with `F_DUPFD_CLOEXEC`: a descriptor for whatever is open under the number `fd`; `None`
/// if nothing is.
#[cfg(feature = "process")]
pub(crate) fn duplicate(fd: libc::c_int) -> io::Result<Option<OwnedFd>> {
    // SAFETY: F_DUPFD_CLOEXEC takes an integer and touches no memory.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST) };
    // SAFETY: the call above made it, or failed.
    match unsafe { made(copy) } {
        Ok(copy) => Ok(Some(copy)),
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(None),
        Err(error) => Err(error),
    }
}

/// fcntl(2) with `F_SETFD`: takes over an inherited descriptor and makes it close-on-exec.
///
/// # Safety
/// - `fd` was inherited over execve for the caller alone: nothing in this process owns it.
#[cfg(feature = "process")]
pub(crate) unsafe fn adopt(fd: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD takes an integer and touches no memory; a number that is not open is EBADF.
    checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, or F_SETFD would have failed, and nothing else owns it (the caller's
    // duty).
    above_standard(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// close_range(2) with `CLOSE_RANGE_UNSHARE`: gives the calling thread a table of descriptors of
/// its own, in which there is `fd` and no other. Other threads keep theirs.
///
/// Without privileges, and where filters refuse unshare(2), too.
#[cfg(feature = "process")]
pub(crate) fn keep_alone(fd: &OwnedFd) -> io::Result<()> {
    let number = fd.as_raw_fd().cast_unsigned();
    close_range(number + 1, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE)?;
    // The table is this thread's own by now.
    match number.checked_sub(1) {
        Some(last) => close_range(0, last, 0),
        None => Ok(()),
    }
}

/// close_range(2).
#[cfg(feature = "process")]
fn close_range(first: libc::c_uint, last: libc::c_uint, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: takes three integers. The callers close what no code can reach that has an owner for
    // it: the copies in a table that the calling thread alone has.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

//! Open-file-description locks on single bytes: how the kernel tells who is alive.
//!
//! A lock belongs to the open file description, not to the process: it goes when the last
//! descriptor of that description is closed, which for a killed process is after its memory is
//! gone. So the description that locks must be fresh and this process's alone; a dup or a passed
//! descriptor would keep the lock alive in somebody else. Through the very description that holds
//! a lock, the byte looks free: probes go through another one.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::{descriptor, restarted, shm};

fn byte(kind: libc::c_int, offset: u64) -> io::Result<libc::flock> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    Ok(libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(invalid)?,
        l_whence: 0,
        l_start: i64::try_from(offset).map_err(invalid)?,
        l_len: 1,
        l_pid: 0,
    })
}

/// fcntl(2), `F_OFD_SETLK` with `F_WRLCK`: locks the byte at `offset`; false if another has it.
pub(crate) fn try_lock_byte(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    let lock = byte(libc::F_WRLCK, offset)?;
    // SAFETY: the descriptor is open and `lock` outlives the call.
    let result = restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) });
    match result {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// fcntl(2), `F_OFD_SETLK` with `F_UNLCK`: unlocks the byte at `offset`.
pub(crate) fn unlock_byte(fd: BorrowedFd<'_>, offset: u64) -> io::Result<()> {
    let lock = byte(libc::F_UNLCK, offset)?;
    // SAFETY: the descriptor is open and `lock` outlives the call.
    restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) })?;
    Ok(())
}

/// fcntl(2), `F_OFD_GETLK`: whether another description has the byte at `offset` locked.
pub(crate) fn is_byte_locked(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    let mut lock = byte(libc::F_WRLCK, offset)?;
    // SAFETY: the descriptor is open and `lock` outlives the call, which may write to it.
    restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) })?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// open(2) of `/proc/thread-self/fd/N`: a fresh description of the file behind `fd`, for reading
/// and writing; never of another file than that of `expected`, device and inode, which the number
/// means after other code has closed it. A file that has a `path` can do without either.
///
/// Not that of the process, which has no descriptors any more when the main thread has ended.
pub(crate) fn reopen(
    fd: BorrowedFd<'_>,
    expected: (u64, u64),
    path: Option<&std::path::Path>,
) -> io::Result<OwnedFd> {
    let open = |path: &std::path::Path, flags| -> io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.custom_flags(libc::O_NOCTTY | flags);
        let file = descriptor::open(&options, path)?;
        let found = shm::status(file.as_fd())?;
        if (found.device, found.inode) == expected {
            return Ok(file);
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "another file stands there now",
        ))
    };
    // Looked at before it is opened: opening another file can have effects of its own.
    let through_proc = shm::status(fd)
        .map(|now| (now.device, now.inode) == expected)
        .unwrap_or(false)
        .then(|| open(shm::proc_path(fd).as_ref(), 0));
    match (through_proc, path) {
        (Some(Ok(fresh)), _) => Ok(fresh),
        (Some(Err(_)), Some(path)) => open(path, libc::O_NOFOLLOW),
        (Some(Err(error)), None) => Err(error),
        (None, Some(path)) => open(path, libc::O_NOFOLLOW),
        (None, None) => Err(io::Error::from_raw_os_error(libc::EBADF)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> OwnedFd {
        shm::memfd(c"crossdock-test").unwrap()
    }

    fn reopened(fd: BorrowedFd<'_>) -> OwnedFd {
        let status = shm::status(fd).unwrap();
        reopen(fd, (status.device, status.inode), None).unwrap()
    }

    #[test]
    fn the_own_description_sees_its_lock_as_free_and_a_fresh_one_as_held() {
        let fd = file();
        let probe = reopened(fd.as_fd());
        assert!(try_lock_byte(fd.as_fd(), 7).unwrap());
        assert!(!is_byte_locked(fd.as_fd(), 7).unwrap());
        assert!(is_byte_locked(probe.as_fd(), 7).unwrap());
        assert!(!is_byte_locked(probe.as_fd(), 8).unwrap());
        assert!(!try_lock_byte(probe.as_fd(), 7).unwrap());
        unlock_byte(fd.as_fd(), 7).unwrap();
        assert!(!is_byte_locked(probe.as_fd(), 7).unwrap());
    }

    #[test]
    fn closing_another_description_takes_nothing_away() {
        let fd = file();
        let probe = reopened(fd.as_fd());
        assert!(try_lock_byte(fd.as_fd(), 7).unwrap());
        drop(reopened(fd.as_fd()));
        assert!(is_byte_locked(probe.as_fd(), 7).unwrap());
        drop(fd);
        assert!(!is_byte_locked(probe.as_fd(), 7).unwrap());
    }
}

//! Open-file-description locks on single bytes: how the kernel tells who is alive.
//!
//! A lock belongs to the open file description, not to the process: it goes when the last
//! descriptor of that description is closed, which for a killed process is after its memory is
//! gone. So the description that locks must be fresh and this process's alone; a dup or a passed
//! descriptor would keep the lock alive in somebody else. Through the very description that holds
//! a lock, the byte looks free: probes go through another one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::{restarted, shm};

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

/// open(2) of `/proc/self/fd/N`: a fresh description of the file behind `fd`, for reading and
/// writing. A file that has a `path` can do without /proc.
pub(crate) fn reopen(fd: BorrowedFd<'_>, path: Option<&std::path::Path>) -> io::Result<OwnedFd> {
    let open = |path: &std::path::Path, flags| -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY | flags)
            .open(path)
    };
    let expected = shm::status(fd)?;
    let through_proc = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let fresh = match (open(through_proc.as_ref(), 0), path) {
        (Ok(file), _) => file,
        (Err(error), Some(path)) if error.kind() == io::ErrorKind::NotFound => {
            open(path, libc::O_NOFOLLOW)?
        }
        (Err(error), _) => return Err(error),
    };
    let found = shm::status(fresh.as_fd())?;
    if (found.device, found.inode) != (expected.device, expected.inode) {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "another file stands there now",
        ));
    }
    Ok(fresh.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> OwnedFd {
        shm::memfd(c"crossdock-test").unwrap()
    }

    #[test]
    fn the_own_description_sees_its_lock_as_free_and_a_fresh_one_as_held() {
        let fd = file();
        let probe = reopen(fd.as_fd(), None).unwrap();
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
        let probe = reopen(fd.as_fd(), None).unwrap();
        assert!(try_lock_byte(fd.as_fd(), 7).unwrap());
        drop(reopen(fd.as_fd(), None).unwrap());
        assert!(is_byte_locked(probe.as_fd(), 7).unwrap());
        drop(fd);
        assert!(!is_byte_locked(probe.as_fd(), 7).unwrap());
    }
}

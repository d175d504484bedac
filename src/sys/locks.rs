//! Open-file-description locks on single bytes: how the kernel tells which processes are alive.
//!
//! A lock belongs to the open file description, not to the process: it goes when the last
//! reference to that description is gone. A descriptor is such a reference, and a mapping is
//! another. So a lock is taken through a fresh description, which is then [held](Held) by a mapping
//! alone: no code that closes descriptors can take it away, no child inherits it, and it lives as
//! long as the address space that can write to the segment. For a process that is killed it goes
//! after its memory. Through the very description that holds a lock, the byte looks free: probes
//! go through another one.

use std::ffi::CStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use super::{checked, descriptor, restarted, shm};

/// Bytes of the mapping that holds a description; the kernel rounds them up to a page.
const PAGE: usize = 4096;

fn bytes(kind: libc::c_int, offset: u64, count: u64) -> io::Result<libc::flock> {
    let invalid = |_| io::Error::from_raw_os_error(libc::EINVAL);
    Ok(libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(invalid)?,
        l_whence: 0,
        l_start: i64::try_from(offset).map_err(invalid)?,
        l_len: i64::try_from(count).map_err(invalid)?,
        l_pid: 0,
    })
}

/// fcntl(2), `F_OFD_SETLK` with `F_WRLCK`: locks the byte at `offset`; false if another has it.
pub(crate) fn try_lock_byte(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    try_lock_bytes(fd, offset, 1)
}

/// As [`try_lock_byte`], for so many bytes: all of them or none.
pub(crate) fn try_lock_bytes(fd: BorrowedFd<'_>, offset: u64, count: u64) -> io::Result<bool> {
    try_lock(fd, &bytes(libc::F_WRLCK, offset, count)?)
}

/// fcntl(2), `F_OFD_SETLK` with `F_RDLCK`: shares the byte at `offset` with other sharers; false if
/// another has it locked. The descriptor need only read.
pub(crate) fn try_share_byte(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    try_lock(fd, &bytes(libc::F_RDLCK, offset, 1)?)
}

fn try_lock(fd: BorrowedFd<'_>, lock: &libc::flock) -> io::Result<bool> {
    // SAFETY: the descriptor is open and `lock` outlives the call.
    let result = restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, lock) });
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
    let lock = bytes(libc::F_UNLCK, offset, 1)?;
    // SAFETY: the descriptor is open and `lock` outlives the call.
    restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) })?;
    Ok(())
}

/// fcntl(2), `F_OFD_GETLK`: whether another description has the byte at `offset` locked, or
/// shares it.
pub(crate) fn is_byte_locked(fd: BorrowedFd<'_>, offset: u64) -> io::Result<bool> {
    are_bytes_locked(fd, offset, 1)
}

/// As [`is_byte_locked`], of any of so many bytes.
pub(crate) fn are_bytes_locked(fd: BorrowedFd<'_>, offset: u64, count: u64) -> io::Result<bool> {
    let mut lock = bytes(libc::F_WRLCK, offset, count)?;
    // SAFETY: the descriptor is open and `lock` outlives the call, which may write to it.
    restarted(|| unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) })?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// What to say of a lock that is gone though a mapping holds its description: ENOLCK.
pub(crate) fn not_kept() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOLCK)
}

/// A page of a file, mapped without access: it keeps the description through which it was mapped,
/// and the locks taken through that, until it is released or the address space is gone.
///
/// A child of fork does not have it, nor does one of a bare clone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    address: NonZeroUsize,
}

impl Held {
    /// mmap(2) of a page, `PROT_NONE`, and madvise(2), `MADV_DONTFORK`. The descriptor can be
    /// closed then.
    pub(crate) fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel picks touches no other memory.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE,
                libc::PROT_NONE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(address) = NonZeroUsize::new(page.addr()) else {
            // The kernel never picks address 0 for a mapping.
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        };
        let held = Self { address };
        // SAFETY: the page was mapped just now, and this changes only what a child of fork has of
        // it.
        match checked(unsafe { libc::madvise(page, PAGE, libc::MADV_DONTFORK) }) {
            Ok(_) => Ok(held),
            Err(error) => {
                held.release();
                Err(error)
            }
        }
    }

    /// Where the page is.
    pub(crate) fn address(&self) -> usize {
        self.address.get()
    }

    /// The page at `address`; `None` for 0.
    ///
    /// # Safety
    ///
    /// `address` is that of a [`Held`] of this very address space that was not released.
    pub(crate) unsafe fn at(address: usize) -> Option<Self> {
        NonZeroUsize::new(address).map(|address| Self { address })
    }

    /// munmap(2): when it returns, what was locked is free.
    pub(crate) fn release(self) {
        let page = ptr::without_provenance_mut(self.address.get());
        // SAFETY: the page is this value's alone, nothing refers to it, and it has no access.
        unsafe { libc::munmap(page, PAGE) };
    }
}

/// open(2) of `/proc/thread-self/fd/N`: a fresh description of the file behind `fd`, for reading
/// and writing; never of another file than that of `expected`, device and inode, which the number
/// means after other code has closed it. A file that has a `path` can do without either.
///
/// Not that of the process, which has no descriptors any more when the main thread has ended.
/// Allocates nothing: it is called under the process's exclusion.
pub(crate) fn reopen(
    fd: BorrowedFd<'_>,
    expected: (u64, u64),
    path: Option<&CStr>,
) -> io::Result<OwnedFd> {
    let open = |path: &CStr, flags| -> io::Result<OwnedFd> {
        let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOCTTY | flags;
        // SAFETY: the path is a C string that outlives the call.
        let number = restarted(|| unsafe { libc::open(path.as_ptr(), flags) })?;
        // SAFETY: open has just returned it.
        let file = unsafe { descriptor::made(number) }?;
        let found = shm::status(file.as_fd())?;
        if (found.device, found.inode) == expected {
            return Ok(file);
        }
        // Another file stands there now.
        Err(io::Error::from_raw_os_error(libc::ESTALE))
    };
    // Looked at before it is opened: opening another file can have effects of its own.
    let through_proc = shm::status(fd)
        .map(|now| (now.device, now.inode) == expected)
        .unwrap_or(false)
        .then(|| open(&shm::ProcPath::new(fd), 0));
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

    #[test]
    fn a_mapping_alone_holds_a_lock_until_it_is_released() {
        let probe = file();
        let own = reopened(probe.as_fd());
        shm::set_len(probe.as_fd(), 4096).unwrap();
        assert!(try_lock_byte(own.as_fd(), 7).unwrap());
        let held = Held::new(own.as_fd()).unwrap();
        drop(own);
        assert!(is_byte_locked(probe.as_fd(), 7).unwrap());
        held.release();
        // A child that another test has just forked has the mapping until it runs a program.
        let begun = std::time::Instant::now();
        while is_byte_locked(probe.as_fd(), 7).unwrap() {
            assert!(begun.elapsed().as_secs() < 60, "it is not released");
            std::thread::yield_now();
        }
    }

    #[test]
    fn another_file_at_the_path_is_not_opened_for_it() {
        let (fd, other) = (file(), file());
        let status = shm::status(fd.as_fd()).unwrap();
        let expected = (status.device, status.inode);
        let error = reopen(other.as_fd(), expected, None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        let error = reopen(other.as_fd(), expected, Some(c"/dev/null")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ESTALE));
    }
}

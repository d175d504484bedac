//! Presence: a byte of a segment's file that each process with the segment open locks, shared.
//!
//! A participant joins at its first operation, so an absence of participants does not mean that the
//! segment is unused. The lock on this byte is taken at every open, through the description that is
//! mapped, and the mapping keeps it: in a forked child, too, which has the same memory without
//! having opened anything. It is released with the last address space that has the segment mapped
//! and the last descriptor that could map it; code that only closes descriptors cannot release it.
//!
//! A process that needs sole use acquires the byte [exclusively](SoleUse), or learns that the
//! segment is in use. A process that opens the segment meanwhile is told that it is being removed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::participant::Tag;
use crate::segment::error::OpenError;
use crate::segment::mapping::FileId;
use crate::segment::membership::LOCKS_BASE;
use crate::segment::names::path_to_open;
use crate::segment::options::SegmentOptions;
use crate::sys::{locks, shm};

/// The byte, right behind those of the maximum number of participants.
const PRESENCE: u64 = LOCKS_BASE + Tag::MAX_PARTICIPANTS as u64 + 1;
/// The participants' bytes and this one: a lock on any of them means use.
const ALL: (u64, u64) = (LOCKS_BASE, PRESENCE - LOCKS_BASE + 1);
/// The number of attempts with another file of the same name.
const RACES: u32 = 64;

/// Shows that the segment is in use, from now on and as long as anything is mapped through the
/// description of `fd`. Returns false if another process has sole use.
pub(crate) fn show(fd: BorrowedFd<'_>) -> io::Result<bool> {
    locks::try_share_byte(fd, PRESENCE)
}

/// Returns whether any process has the segment open, this one included. `fd` must be of a
/// description that is not mapped; it may be read-only.
pub(crate) fn is_in_use(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let (first, count) = ALL;
    locks::are_bytes_locked(fd, first, count)
}

/// The sole use of a segment: no process has it open, or can open it while this lives.
#[derive(Debug)]
pub(crate) struct SoleUse {
    fd: OwnedFd,
}

impl SoleUse {
    /// Acquires sole use of the segment behind `fd`, a description that is not mapped. Returns
    /// `None` if a process, or this one, has it open.
    pub(crate) fn with(fd: OwnedFd) -> io::Result<Option<Self>> {
        let (first, count) = ALL;
        let alone = locks::try_lock_bytes(fd.as_fd(), first, count)?;
        Ok(alone.then_some(Self { fd }))
    }

    /// Returns the descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl SegmentOptions {
    /// Returns whether any process has the segment of that name open, the calling one included. The
    /// answer may be stale when it is returned.
    ///
    /// A process that was forked after its parent opened the segment has it open, too. Nothing is
    /// opened or joined, and the contents of the file are ignored.
    ///
    /// # Errors
    ///
    /// [`OpenError::NotFound`], [`OpenError::Symlink`], [`OpenError::NotAFile`],
    /// [`OpenError::Permission`], [`OpenError::Name`] and [`OpenError::System`].
    pub fn is_in_use(&self, name: &str) -> Result<bool, OpenError> {
        let path = path_to_open(name)?;
        let fd = shm::open_to_read(&path).map_err(|source| Self::not_opened(name, source))?;
        is_in_use(fd.as_fd()).map_err(|source| asking(source).of(name))
    }

    /// Removes a named segment if no process has it open, the calling one included, and returns
    /// whether it did. A process that opens the name meanwhile either keeps it from being removed,
    /// or gets [`OpenError::BeingRemoved`] or [`OpenError::NotFound`]. If another process removes
    /// the name by force ([`remove`](Self::remove), `rm`) and a segment is created under it at
    /// that moment, the new name may be removed.
    ///
    /// The contents of the file are ignored.
    ///
    /// # Errors
    ///
    /// As for [`is_in_use`](Self::is_in_use); and [`OpenError::OtherOwner`].
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::SegmentOptions;
    ///
    /// let name = format!("unused-{}", std::process::id());
    /// let segment = SegmentOptions::new().create_new(&name)?;
    /// assert!(!SegmentOptions::new().remove_unused(&name)?);
    /// drop(segment);
    /// assert!(SegmentOptions::new().remove_unused(&name)?);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn remove_unused(&self, name: &str) -> Result<bool, OpenError> {
        self.remove_file(name).map_err(|error| error.of(name))
    }

    /// As [`remove_unused`](Self::remove_unused); errors may lack the name.
    fn remove_file(&self, name: &str) -> Result<bool, OpenError> {
        let path = path_to_open(name)?;
        for _ in 0..RACES {
            let fd = shm::open_existing(&path).map_err(|source| Self::not_opened(name, source))?;
            let status = shm::status(fd.as_fd()).map_err(asking)?;
            self.check_owner(status.uid)?;
            let Some(alone) = SoleUse::with(fd).map_err(asking)? else {
                return Ok(false);
            };
            // The name may have come to lead to another file since: then that file is tried.
            let id = FileId::from(shm::status(alone.fd()).map_err(asking)?);
            match shm::place(&path) {
                Ok((device, inode)) if id == (FileId { device, inode }) => {}
                Ok(_) => continue,
                Err(source) => return Err(Self::not_opened(name, source)),
            }
            let removed = shm::unlink(&path);
            // Until then no process can have opened it.
            drop(alone);
            return match removed {
                Ok(()) => Ok(true),
                Err(source) => Err(Self::not_opened(name, source)),
            };
        }
        Ok(false)
    }
}

fn asking(source: io::Error) -> OpenError {
    OpenError::io("asking whether the segment is in use")(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sole_use_excludes_opens_and_is_refused_while_in_use() {
        let file = shm::memfd(c"crossdock-test").unwrap();
        let status = shm::status(file.as_fd()).unwrap();
        let again = || locks::reopen(file.as_fd(), (status.device, status.inode), None).unwrap();
        let (user, second, cleaner) = (again(), again(), again());
        assert!(!is_in_use(cleaner.as_fd()).unwrap());
        assert!(show(user.as_fd()).unwrap() && show(second.as_fd()).unwrap());
        assert!(is_in_use(cleaner.as_fd()).unwrap());
        assert!(SoleUse::with(cleaner).unwrap().is_none());
        drop((user, second));
        let alone = SoleUse::with(again()).unwrap().expect("unused");
        assert!(!show(again().as_fd()).unwrap());
        assert!(SoleUse::with(again()).unwrap().is_none());
        assert!(is_in_use(again().as_fd()).unwrap() && !is_in_use(alone.fd()).unwrap());
        drop(alone);
        assert!(show(again().as_fd()).unwrap());
    }

    #[test]
    fn a_participant_counts_as_a_use_without_the_presence_byte() {
        let file = shm::memfd(c"crossdock-test").unwrap();
        let status = shm::status(file.as_fd()).unwrap();
        let again = || locks::reopen(file.as_fd(), (status.device, status.inode), None).unwrap();
        for index in [0, Tag::MAX_PARTICIPANTS - 1] {
            let participant = again();
            let byte = LOCKS_BASE + u64::from(index);
            assert!(locks::try_lock_byte(participant.as_fd(), byte).unwrap());
            assert!(is_in_use(again().as_fd()).unwrap());
            assert!(SoleUse::with(again()).unwrap().is_none());
        }
    }
}

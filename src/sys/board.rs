//! A board of exit statuses: shared words in which the parent of processes posts how they ended,
//! for a process that is not their parent and so cannot wait for them.
//!
//! A slot is a word. Its reader allocates it, the parent posts in it once:
//!
//! ```text
//! 31       30       15..0
//! | posted | failed | wait status, or with `failed` the errno of a fork that made no process |
//! ```
//!
//! **Crash.** The word is posted whole or not at all. A parent that is killed leaves it empty,
//! which a waiter tells from a parent that is slow by the parent's pidfd.

use core::sync::atomic::{AtomicU32, Ordering};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::mmap::Map;
use super::{futex, shm};

const POSTED: u32 = 1 << 31;
const FAILED: u32 = 1 << 30;
const VALUE: u32 = 0xffff;

/// What is posted in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// The process ended like this.
    Ended(ExitStatus),
    /// There never was one: the errno of what failed.
    NotForked(i32),
}

impl Posted {
    fn of(word: u32) -> Option<Self> {
        let value = (word & VALUE).cast_signed();
        match word {
            word if word & POSTED == 0 => None,
            word if word & FAILED != 0 => Some(Self::NotForked(value)),
            _ => Some(Self::Ended(ExitStatus::from_raw(value))),
        }
    }

    fn word(self) -> u32 {
        let (flags, value) = match self {
            Self::Ended(status) => (POSTED, status.into_raw()),
            Self::NotForked(errno) => (POSTED | FAILED, errno),
        };
        flags | value.cast_unsigned() & VALUE
    }
}

/// A mapped board.
#[derive(Debug)]
pub(crate) struct Board {
    map: Map,
}

impl Board {
    /// How many slots there are. Pages of slots that were never used take no memory.
    pub(crate) const SLOTS: u32 = 1 << 16;
    /// The size of its file, in bytes.
    pub(crate) const BYTES: u32 = Self::SLOTS * 4;

    /// memfd_create(2), mmap(2): a new board, and its file for the process that posts.
    pub(crate) fn create() -> io::Result<(Self, OwnedFd)> {
        let file = shm::memfd(c"crossdock-ends")?;
        shm::set_len(file.as_fd(), Self::BYTES.into())?;
        shm::seal(file.as_fd(), shm::segment_seals())?;
        Ok((Self::open(file.as_fd())?, file))
    }

    /// mmap(2): the board in `file`.
    fn open(file: BorrowedFd<'_>) -> io::Result<Self> {
        let map = Map::new(file, Self::BYTES as usize)?;
        Ok(Self { map })
    }

    /// mmap(2), madvise(2) with `MADV_DONTFORK`: the board in `file`, not mapped in children, which
    /// have nothing to post.
    pub(crate) fn open_alone(file: BorrowedFd<'_>) -> io::Result<Self> {
        let board = Self::open(file)?;
        let base = board.map.base().as_ptr().cast();
        let len = Self::BYTES as usize;
        // SAFETY: the range is mapped, and this changes only what a child of fork has.
        super::checked(unsafe { libc::madvise(base, len, libc::MADV_DONTFORK) })?;
        Ok(board)
    }

    /// The word of a slot.
    fn word(&self, slot: u32) -> &AtomicU32 {
        let slot = (slot % Self::SLOTS) as usize;
        let words = self.map.base().cast::<AtomicU32>();
        // SAFETY: inside of the mapping, which has so many words.
        let word = unsafe { words.add(slot) };
        // SAFETY: mapped as long as `self` lives, aligned, and only ever accessed through this.
        unsafe { word.as_ref() }
    }

    /// Empties a slot that is to be posted in.
    pub(crate) fn clear(&self, slot: u32) {
        // ORDERING: Relaxed; the request that names the slot goes by the kernel, after this.
        self.word(slot).store(0, Ordering::Relaxed);
    }

    /// Posts in a slot and wakes those that wait for it.
    pub(crate) fn post(&self, slot: u32, posted: Posted) {
        let word = self.word(slot);
        // ORDERING: Relaxed, as is the load; the word is all that is told.
        word.store(posted.word(), Ordering::Relaxed);
        futex::wake(word, u32::MAX);
    }

    /// What is posted in a slot.
    pub(crate) fn look(&self, slot: u32) -> Option<Posted> {
        Posted::of(self.word(slot).load(Ordering::Relaxed))
    }

    /// Sleeps while the slot is empty, for `timeout` at most.
    pub(crate) fn wait(&self, slot: u32, timeout: Duration) -> Option<Posted> {
        if self.look(slot).is_none() {
            futex::wait(self.word(slot), 0, Some(timeout));
        }
        self.look(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_is_read_through_another_mapping() {
        let (ours, file) = Board::create().unwrap();
        let theirs = Board::open_alone(file.as_fd()).unwrap();
        let last = Board::SLOTS - 1;
        assert_eq!(ours.look(last), None);
        let killed = Posted::Ended(ExitStatus::from_raw(libc::SIGKILL));
        let exited = Posted::Ended(ExitStatus::from_raw(3 << 8));
        for posted in [killed, exited, Posted::NotForked(libc::EAGAIN)] {
            theirs.post(last, posted);
            assert_eq!(ours.wait(last, Duration::MAX), Some(posted));
            ours.clear(last);
            assert_eq!(ours.look(last), None);
        }
        let fine = Posted::Ended(ExitStatus::from_raw(0));
        theirs.post(0, fine);
        assert_eq!((ours.look(0), ours.look(1)), (Some(fine), None));
    }
}

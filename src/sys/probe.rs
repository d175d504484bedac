//! The descriptor by which a segment asks which processes are alive. Other code may close it at any
//! time.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use super::shm;

/// A descriptor for mapping, for probing and for passing on; no participant's byte is ever locked
/// through its description.
///
/// ```text
///  63        32  31    30      0
/// | mended: 32 | lost | number  |     mended: how often the descriptor was replaced
/// ```
///
/// What is lost stays lost until it is [mended](Self::mend): should the number mean this file
/// again, it is another's to close.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Device and inode.
    file: (u64, u64),
    word: AtomicU64,
}

const LOST: u64 = 1 << 31;
const MENDED_ONCE: u64 = 1 << 32;

fn number(word: u64) -> libc::c_int {
    // A descriptor's number has 31 bits.
    (word & (LOST - 1)) as libc::c_int
}

impl Probe {
    /// The descriptor `fd` of `file`, by device and inode.
    pub(crate) fn new(fd: OwnedFd, file: (u64, u64)) -> Self {
        let number = u64::from(fd.into_raw_fd().unsigned_abs());
        Self {
            file,
            word: AtomicU64::new(number),
        }
    }

    /// The descriptor; once it is lost, a number that may mean anything.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        // ORDERING: Relaxed, here and below; the kernel knows what a number means, and the word
        // carries no other data.
        let number = number(self.word.load(Relaxed));
        // SAFETY: the number is this value's to close, which it does when it is dropped; where
        // other code closed it before, nothing is done through it that does not look first.
        unsafe { BorrowedFd::borrow_raw(number) }
    }

    /// Whether the descriptor still is the segment's. Other code may have closed it, and its number
    /// may mean another file by now, in which every process would look dead.
    pub(crate) fn is_intact(&self) -> bool {
        let seen = self.word.load(Relaxed);
        if seen & LOST != 0 {
            return false;
        }
        // SAFETY: as in `fd`; and this is the look.
        let fd = unsafe { BorrowedFd::borrow_raw(number(seen)) };
        let intact = shm::status(fd).is_ok_and(|now| (now.device, now.inode) == self.file);
        if !intact {
            self.lose(seen);
        }
        intact
    }

    /// Returns whether `holds` is true of the segment's file, asked through the descriptor. False
    /// if the descriptor was lost or replaced by the time of the answer, which may be about
    /// another file.
    pub(crate) fn proves(&self, holds: impl FnOnce(BorrowedFd<'_>) -> bool) -> bool {
        let asked = self.word.load(Relaxed);
        // SAFETY: as in `fd`; and here the look comes after the question.
        let fd = unsafe { BorrowedFd::borrow_raw(number(asked)) };
        holds(fd) && self.is_intact() && self.word.load(Relaxed) == asked
    }

    fn lose(&self, seen: u64) {
        // Unless it was mended meanwhile.
        let _ = self
            .word
            .compare_exchange(seen, seen | LOST, Relaxed, Relaxed);
    }

    /// Takes `fd`, a descriptor of the same file, in place of the descriptor that other code has
    /// closed; closes it if there is no need.
    pub(crate) fn mend(&self, fd: OwnedFd) {
        let seen = self.word.load(Relaxed);
        if number(seen) == fd.as_raw_fd() {
            // Two descriptors that are open have two numbers: the known one is closed.
            self.lose(seen);
        }
        if self.is_intact() {
            return;
        }
        let seen = self.word.load(Relaxed);
        let fresh = u64::from(fd.as_raw_fd().unsigned_abs());
        let mended = (seen & !(MENDED_ONCE - 1)).wrapping_add(MENDED_ONCE) | fresh;
        let replaced = seen & LOST != 0
            && self
                .word
                .compare_exchange(seen, mended, Relaxed, Relaxed)
                .is_ok();
        if replaced {
            // It is in the word now.
            let _ = fd.into_raw_fd();
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.is_intact() {
            let number = number(self.word.load(Relaxed));
            // SAFETY: the descriptor is this value's and open, and no other code closes it.
            unsafe { libc::close(number) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, FromRawFd};

    fn of(fd: &OwnedFd) -> (u64, u64) {
        let status = shm::status(fd.as_fd()).unwrap();
        (status.device, status.inode)
    }

    fn memfd() -> OwnedFd {
        shm::memfd(c"crossdock-test").unwrap()
    }

    fn is_open(number: libc::c_int) -> bool {
        // SAFETY: asks whether the number is open.
        (unsafe { libc::fcntl(number, libc::F_GETFD) }) != -1
    }

    /// As if a thread is stopped in the question while other code closes the descriptor, and
    /// another thread opens the segment anew, at the same number.
    #[test]
    fn an_answer_about_another_file_proves_nothing() {
        let fd = memfd();
        let (file, spare) = (of(&fd), fd.try_clone().unwrap());
        let probe = Probe::new(fd, file);
        assert!(probe.proves(|_| true) && !probe.proves(|_| false));
        let number = probe.fd().as_raw_fd();
        let proven = probe.proves(|fd| {
            assert_eq!(fd.as_raw_fd(), number);
            take(number);
            let is_another = shm::status(fd).unwrap().inode != file.1;
            // SAFETY: the test's own numbers, and nothing else uses them.
            assert_eq!(unsafe { libc::dup2(spare.as_raw_fd(), number) }, number);
            // SAFETY: dup2 has just made it.
            probe.mend(unsafe { OwnedFd::from_raw_fd(number) });
            is_another
        });
        assert!(!proven && probe.is_intact());
    }

    /// Has `number` mean another file, as careless code does.
    fn take(number: libc::c_int) {
        let other = memfd();
        // SAFETY: the test's own number, and nothing else uses it.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    }

    #[test]
    fn a_lost_descriptor_is_mended_once_and_what_has_its_number_is_left_alone() {
        let fd = memfd();
        let (file, spare, second) = (of(&fd), fd.try_clone().unwrap(), fd.try_clone().unwrap());
        let probe = Probe::new(fd, file);
        let number = probe.fd().as_raw_fd();
        take(number);
        assert!(!probe.is_intact());
        let (mended, superfluous) = (spare.as_raw_fd(), second.as_raw_fd());
        probe.mend(spare);
        assert!(probe.is_intact());
        assert_eq!(probe.fd().as_raw_fd(), mended);
        probe.mend(second);
        assert!(!is_open(superfluous) && is_open(mended));
        drop(probe);
        assert!(!is_open(mended) && is_open(number));
        // SAFETY: the test's own.
        unsafe { libc::close(number) };
    }

    #[test]
    fn a_new_descriptor_that_has_the_lost_ones_number_takes_its_place() {
        let fd = memfd();
        let (file, number) = (of(&fd), fd.as_raw_fd());
        let again = fd.try_clone().unwrap();
        let probe = Probe::new(fd, file);
        // SAFETY: as careless code does; the number is the file's again.
        assert_eq!(unsafe { libc::dup2(again.as_raw_fd(), number) }, number);
        // SAFETY: made just now, and nothing else owns it.
        probe.mend(unsafe { OwnedFd::from_raw_fd(number) });
        assert!(probe.is_intact());
        drop(probe);
        assert!(!is_open(number));
    }

    #[test]
    fn what_is_lost_stays_lost_though_the_number_means_the_file_again() {
        let fd = memfd();
        let (file, number, again) = (of(&fd), fd.as_raw_fd(), fd.try_clone().unwrap());
        let probe = Probe::new(fd, file);
        take(number);
        assert!(!probe.is_intact());
        // SAFETY: as careless code does.
        assert_eq!(unsafe { libc::dup2(again.as_raw_fd(), number) }, number);
        assert!(!probe.is_intact());
        drop(probe);
        assert!(is_open(number));
        // SAFETY: the test's own.
        unsafe { libc::close(number) };
    }
}

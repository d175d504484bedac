//! Waiting for descriptors, and for another thread's word: epoll(7) and eventfd(2).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::{checked, restarted};

/// eventfd(2): what one thread raises and another waits for.
#[derive(Debug)]
pub(crate) struct Signal(File);

impl Signal {
    /// eventfd(2), `EFD_CLOEXEC | EFD_NONBLOCK`.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes two integers and touches no memory.
        let fd = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just made `fd` for this call; nothing else owns it.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// Makes it readable until it is [cleared](Self::clear).
    pub(crate) fn raise(&self) {
        // Full means raised 2^64 times and not cleared: it is readable.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it unreadable.
    pub(crate) fn clear(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// epoll(7): waits for many descriptors, each known by a key.
#[derive(Debug)]
pub(crate) struct Poller(OwnedFd);

impl Poller {
    /// How many keys one wait returns at most.
    const BATCH: usize = 64;

    /// epoll_create1(2), close-on-exec.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1 takes an integer and touches no memory.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made `fd` for this call; nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// epoll_ctl(2), `EPOLL_CTL_ADD`: has waits return `key` while `fd` is readable.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN.cast_unsigned(),
            u64: key,
        };
        let (poller, fd) = (self.0.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: `event` is readable for the length of the call; the rest are integers.
        let added = unsafe { libc::epoll_ctl(poller, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        checked(added).map(drop)
    }

    /// epoll_ctl(2), `EPOLL_CTL_DEL`. Closing does not do if a forked child has a copy.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        let (poller, fd) = (self.0.as_raw_fd(), fd.as_raw_fd());
        let nothing = std::ptr::null_mut();
        // SAFETY: EPOLL_CTL_DEL ignores the event; the rest are integers.
        unsafe { libc::epoll_ctl(poller, libc::EPOLL_CTL_DEL, fd, nothing) };
    }

    /// epoll_wait(2): waits for `timeout`, rounded up to milliseconds, at most, and returns the keys
    /// of what is readable.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<u64>> {
        let millis = timeout.map_or(-1, |timeout| {
            let millis = timeout.as_nanos().div_ceil(1_000_000);
            libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX)
        });
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; Self::BATCH];
        let room = libc::c_int::try_from(events.len()).unwrap_or(1);
        let poller = self.0.as_raw_fd();
        let first = events.as_mut_ptr();
        // SAFETY: `events` has room for that many and outlives the call.
        let ready = restarted(|| unsafe { libc::epoll_wait(poller, first, room, millis) })?;
        let ready = usize::try_from(ready).unwrap_or(0);
        Ok(events.iter().take(ready).map(|event| event.u64).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_readable_from_its_raising_to_its_clearing() {
        let (poller, signal) = (Poller::new().unwrap(), Signal::new().unwrap());
        poller.add(signal.as_fd(), 7).unwrap();
        let now = Some(Duration::ZERO);
        assert!(poller.wait(now).unwrap().is_empty());
        signal.raise();
        signal.raise();
        assert_eq!(poller.wait(None).unwrap(), [7]);
        assert_eq!(poller.wait(now).unwrap(), [7]);
        signal.clear();
        assert!(poller.wait(now).unwrap().is_empty());
    }

    #[test]
    fn what_was_removed_is_not_waited_for() {
        let (poller, signal) = (Poller::new().unwrap(), Signal::new().unwrap());
        poller.add(signal.as_fd(), 7).unwrap();
        signal.raise();
        poller.remove(signal.as_fd());
        assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
    }

    #[test]
    fn another_threads_signal_ends_a_wait() {
        let (poller, signal) = (Poller::new().unwrap(), Signal::new().unwrap());
        poller.add(signal.as_fd(), 7).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| signal.raise());
            assert_eq!(poller.wait(None).unwrap(), [7]);
        });
    }
}

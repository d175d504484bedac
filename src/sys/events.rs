//! Waiting for processes to end, and for another thread's word: ppoll(2) on pidfds and a pipe.
//!
//! Every descriptor here is [adopted](adopt): a forked child closes its copy, and none is
//! written to or closed whose number means another file by now, because other code has closed it.

use core::sync::atomic::Ordering::Relaxed;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::fork::{Exclusive, ForkPage, SlotId, adopt, exclusive};
use super::{checked, descriptor, timespec};

/// A descriptor that is this process's, and not that of a child forked from it.
#[derive(Debug)]
pub(crate) struct Descriptor {
    slot: SlotId,
    /// For ppoll(2), which owns nothing: a number that means nothing, or something else, is told.
    number: libc::c_int,
    here: Here,
}

/// Tells a process from a child forked from it, in which the slots are another process's.
#[derive(Clone, Debug)]
pub(crate) struct Here(Arc<ForkPage>);

impl Here {
    /// This process.
    pub(crate) fn new() -> io::Result<Self> {
        let page = ForkPage::new()?;
        page.words()[0].store(1, Relaxed);
        Ok(Self(Arc::new(page)))
    }

    /// Whether it still is.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.0.words()[0].load(Relaxed) != 0
    }
}

impl Descriptor {
    /// Adopts a descriptor.
    pub(crate) fn new(fd: OwnedFd, here: &Here) -> io::Result<Self> {
        let number = fd.as_raw_fd();
        let slot = adopt(fd);
        let here = here.clone();
        Ok(Self { slot, number, here })
    }

    /// Calls `body` with the descriptor, if it is there.
    pub(crate) fn with<R>(&self, body: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        if !self.here.is_here() {
            return None;
        }
        let exclusive: Exclusive = exclusive();
        exclusive.borrow(self.slot).map(body)
    }

    /// Whether it is there: not in a forked child, and not once other code has closed it.
    fn is_there(&self) -> bool {
        self.with(|_| ()).is_some()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if self.here.is_here() {
            exclusive().close(self.slot);
        }
    }
}

/// pipe(2): what one thread raises and another waits for.
#[derive(Debug)]
pub(crate) struct Signal {
    read: Descriptor,
    write: Descriptor,
}

impl Signal {
    /// pipe2(2), `O_CLOEXEC | O_NONBLOCK`.
    pub(crate) fn new(here: &Here) -> io::Result<Self> {
        let mut ends = [0; 2];
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: `ends` has room for the two descriptors.
        checked(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) })?;
        // SAFETY: pipe2 has just made it for this call.
        let read = unsafe { descriptor::made(ends[0]) };
        // SAFETY: as above.
        let write = unsafe { descriptor::made(ends[1]) };
        Ok(Self {
            read: Descriptor::new(read?, here)?,
            write: Descriptor::new(write?, here)?,
        })
    }

    /// Makes it readable until it is [cleared](Self::clear).
    pub(crate) fn raise(&self) {
        // Full means raised and not cleared: it is readable.
        self.write.with(|fd| {
            let (byte, one) = ([1_u8], 1);
            // SAFETY: the byte outlives the call, which reads it.
            unsafe { libc::write(fd.as_raw_fd(), byte.as_ptr().cast(), one) };
        });
    }

    /// Makes it unreadable.
    pub(crate) fn clear(&self) {
        self.read.with(|fd| {
            let mut bytes = [0_u8; 64];
            let (fd, first, room) = (fd.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len());
            // An error says that it is empty.
            // SAFETY: `bytes` has room for that many and outlives the calls.
            while unsafe { libc::read(fd, first, room) } > 0 {}
        });
    }

    /// Returns whether both ends are open. Without the one it cannot be raised; without the other
    /// it always reads as raised.
    pub(crate) fn is_there(&self) -> bool {
        self.read.is_there() && self.write.is_there()
    }

    /// What to wait for.
    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.read
    }
}

/// eventfd(2): a descriptor for the program to poll, readable while it is raised.
#[cfg(feature = "process")]
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

#[cfg(feature = "process")]
impl EventFd {
    /// eventfd(2), `EFD_CLOEXEC | EFD_NONBLOCK`: not raised.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes integers.
        let made = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        // SAFETY: eventfd has just made it for this call.
        unsafe { descriptor::made(made) }.map(Self)
    }

    /// write(2): makes it readable.
    pub(crate) fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the bytes outlive the call, which reads them.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// read(2): makes it unreadable.
    pub(crate) fn clear(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: there is room for what is read.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.0.as_fd()
    }
}

/// What a wait says of one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// Nothing.
    Quiet,
    /// It is readable.
    Ready,
    /// Its number means nothing any more.
    Closed,
}

/// ppoll(2): waits for `timeout` at most until one of the descriptors has something to say.
pub(crate) fn wait<'a>(
    descriptors: impl Iterator<Item = &'a Descriptor>,
    timeout: Duration,
) -> io::Result<Vec<Polled>> {
    let mut polls: Vec<libc::pollfd> = descriptors
        .map(|descriptor| libc::pollfd {
            fd: descriptor.number,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let time = timespec(timeout);
    let count = polls.len() as libc::nfds_t;
    // SAFETY: so many entries, and a timespec, outlive the call; no signal mask is given.
    let ready =
        unsafe { libc::ppoll(polls.as_mut_ptr(), count, &raw const time, std::ptr::null()) };
    match checked(ready) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    let said = |poll: &libc::pollfd| match poll.revents {
        0 => Polled::Quiet,
        events if events & libc::POLLNVAL != 0 => Polled::Closed,
        _ => Polled::Ready,
    };
    Ok(polls.iter().map(said).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal() -> Signal {
        Signal::new(&Here::new().unwrap()).unwrap()
    }

    fn look(signal: &Signal) -> Polled {
        wait([signal.descriptor()].into_iter(), Duration::ZERO).unwrap()[0]
    }

    #[test]
    fn a_signal_is_readable_from_its_raising_to_its_clearing() {
        let signal = signal();
        assert_eq!(look(&signal), Polled::Quiet);
        signal.raise();
        signal.raise();
        assert_eq!(look(&signal), Polled::Ready);
        assert_eq!(look(&signal), Polled::Ready);
        signal.clear();
        assert_eq!(look(&signal), Polled::Quiet);
    }

    #[test]
    fn another_threads_signal_ends_a_wait() {
        let signal = signal();
        std::thread::scope(|scope| {
            scope.spawn(|| signal.raise());
            let long = Duration::from_secs(3600);
            let said = wait([signal.descriptor()].into_iter(), long);
            assert_eq!(said.unwrap(), [Polled::Ready]);
        });
    }

    #[test]
    fn a_number_that_means_another_file_is_neither_written_to_nor_closed() {
        let signal = signal();
        let other = super::super::shm::memfd(c"crossdock-test").unwrap();
        let number = signal.write.number;
        // SAFETY: replaces the file behind a number, as a careless library would.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        signal.raise();
        assert!(!signal.write.is_there() && signal.read.is_there());
        assert!(!signal.is_there());
        drop(signal);
        assert_eq!(std::fs::File::from(other).metadata().unwrap().len(), 0);
        // SAFETY: asks whether the number is open.
        assert_ne!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1);
        // SAFETY: no other code owns that number.
        unsafe { libc::close(number) };
    }
}

//! Descriptors whose closing another process waits for.
//!
//! That a process has died is known from the closing of its end of a socket, and that a listener
//! has, from its name. A copy in a forked child would keep both open as long as the child lives. So
//! these descriptors are made under the exclusion that a fork waits for, and in a forked child
//! their numbers mean a file that is of no use: an eventfd(2), always readable, no socket. The
//! number stays open there, so that what has borrowed it reaches no other file.
//!
//! A child made by a bare clone keeps them until it execs or ends.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::fork::{Replacing, SlotId, exclusive, replacing};
use super::local::{self, Datagram};
use super::{checked, descriptor};

/// A descriptor of this process that no forked child has.
#[derive(Debug)]
pub(crate) struct Private {
    slot: SlotId,
    number: libc::c_int,
}

impl Private {
    fn new(fd: OwnedFd, replacing: &mut Replacing) -> Self {
        let number = fd.as_raw_fd();
        let slot = replacing.adopt(fd);
        Self { slot, number }
    }

    /// socketpair(2), close-on-exec.
    pub(crate) fn socket_pair() -> io::Result<(UnixStream, Self)> {
        replacing(1, |replacing| {
            let (one, other) = descriptor::socket_pair()?;
            Ok((one, Self::new(other.into(), replacing)))
        })
    }

    /// socketpair(2) with `SOCK_SEQPACKET`, close-on-exec.
    pub(crate) fn packet_pair() -> io::Result<(Self, Self)> {
        replacing(2, |replacing| {
            let (one, other) = descriptor::packet_pair()?;
            Ok((Self::new(one, replacing), Self::new(other, replacing)))
        })
    }

    /// As [`local::bind`].
    pub(crate) fn bound(name: &[u8]) -> io::Result<Self> {
        replacing(1, |replacing| {
            local::bind(name).map(|socket| Self::new(socket, replacing))
        })
    }

    /// As [`local::receive`]; the second descriptor of the datagram is taken in.
    pub(crate) fn received(
        socket: BorrowedFd<'_>,
        bytes: &mut [u8],
    ) -> io::Result<(Datagram, Option<Self>)> {
        replacing(1, |replacing| {
            let mut datagram = local::receive(socket, bytes)?;
            let [_, second] = &mut datagram.fds;
            let second = second.take().map(|fd| Self::new(fd, replacing));
            Ok((datagram, second))
        })
    }

    /// socketpair(2): has `give` send one end by this descriptor, and returns the other; `None` if
    /// other code has closed this descriptor. No fork happens meanwhile: `give` is under the rules
    /// for a holder of the [exclusion](exclusive).
    pub(crate) fn hand_over_pair(
        &self,
        give: impl FnOnce(BorrowedFd<'_>, BorrowedFd<'_>) -> io::Result<()>,
    ) -> Option<io::Result<Self>> {
        replacing(1, |replacing| {
            let pair = replacing.borrow(self.slot).map(|socket| {
                let (ours, other) = descriptor::socket_pair()?;
                give(socket, other.as_fd()).map(|()| ours)
            });
            pair.map(|ours| ours.map(|ours| Self::new(ours.into(), replacing)))
        })
    }

    /// Returns the descriptor, which children that are forked from now on have; `None` if other
    /// code has closed it.
    pub(crate) fn into_owned(self) -> Option<OwnedFd> {
        let this = ManuallyDrop::new(self);
        exclusive().take(this.slot)
    }
}

impl AsFd for Private {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open until this value is dropped, in a forked child, too.
        unsafe { BorrowedFd::borrow_raw(self.number) }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        exclusive().close(self.slot);
    }
}

/// eventfd(2), dup3(2): closes a file, and puts an eventfd of no use in its place. `None` if there
/// is no room for that: the number is closed. Async-signal-safe.
pub(super) fn replaced(file: File) -> Option<File> {
    let number = file.as_raw_fd();
    // SAFETY: takes integers.
    let make = || unsafe { libc::eventfd(1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    let made = checked(make()).or_else(|_| {
        // At a limit, the number that this frees is there for it.
        // SAFETY: the descriptor is this function's own, and is replaced below or forgotten.
        unsafe { libc::close(number) };
        checked(make())
    });
    let Ok(made) = made else {
        std::mem::forget(file);
        return None;
    };
    if made != number {
        // SAFETY: takes integers; both are this function's own.
        unsafe { libc::dup3(made, number, libc::O_CLOEXEC) };
        // SAFETY: made above, and nothing else knows it.
        unsafe { libc::close(made) };
    }
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_forked_child_has_no_copy_and_the_number_means_another_file() {
        let (mut ours, private) = Private::socket_pair().unwrap();
        // SAFETY: the child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: plain data, for which all zeroes is a value.
            let mut status: libc::stat = unsafe { std::mem::zeroed() };
            // SAFETY: `status` is the call's to write.
            let open = unsafe { libc::fstat(private.number, &raw mut status) } == 0;
            let is_socket = status.st_mode & libc::S_IFMT == libc::S_IFSOCK;
            if !open || is_socket {
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(1) }
            }
            loop {
                // SAFETY: takes nothing.
                unsafe { libc::pause() };
            }
        }
        drop(private);
        // The child lives, unless it has found its copy.
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);
        // SAFETY: a child that has not been waited for.
        unsafe { libc::kill(child, libc::SIGKILL) };
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(libc::WIFSIGNALED(status));
    }
}

//! What the kernel has to pass messages: a pipe, and a pair of Unix sockets.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crossdock_cli::Failure;

/// As many bytes as a pipe takes at once or not at all.
pub const ATOMIC: usize = libc::PIPE_BUF;

/// A channel: what is sent into one end comes out at the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// The end to send into.
    pub sender: End,
    /// The end to receive from.
    pub receiver: End,
}

/// What a channel does where it would have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// It says so.
    No,
    /// It waits.
    Yes,
}

impl Channel {
    /// A pipe. What is sent at once, of [`ATOMIC`] bytes at most, is together in it.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    pub fn pipe(blocking: Blocking) -> Result<Self, Failure> {
        let flags = match blocking {
            Blocking::No => OFlag::O_NONBLOCK,
            Blocking::Yes => OFlag::empty(),
        };
        let (receiver, sender) =
            nix::unistd::pipe2(flags).map_err(|errno| Failure::io("pipe2")(errno.into()))?;
        Ok(Self::of(sender, receiver))
    }

    /// A pair of Unix sockets, `SOCK_SEQPACKET`: what is sent at once is a message.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    pub fn sockets(blocking: Blocking) -> Result<Self, Failure> {
        let kind = libc::SOCK_SEQPACKET
            | match blocking {
                Blocking::No => libc::SOCK_NONBLOCK,
                Blocking::Yes => 0,
            };
        let mut made = [-1; 2];
        // SAFETY: there is room for both.
        let result = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, made.as_mut_ptr()) };
        Errno::result(result).map_err(|errno| Failure::io("socketpair")(errno.into()))?;
        // SAFETY: the kernel made it just now, and no other process has it.
        let own = |descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) };
        let [sender, receiver] = made.map(own);
        Ok(Self::of(sender, receiver))
    }

    fn of(sender: OwnedFd, receiver: OwnedFd) -> Self {
        Self {
            sender: End::new(sender),
            receiver: End::new(receiver),
        }
    }
}

/// One end of a [`Channel`].
///
/// It travels to worker processes by inheritance: under the number that it has here. Its maker must
/// keep it until they have it.
#[derive(Clone, Debug)]
pub struct End(Arc<File>);

/// Which file an end is, and under which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    number: i32,
    device: u64,
    inode: u64,
}

impl Found {
    fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            number: file.as_raw_fd(),
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

impl End {
    fn new(descriptor: OwnedFd) -> Self {
        Self(Arc::new(File::from(descriptor)))
    }

    /// Writes bytes; how many, or `None` if there is no room and it does not wait.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        outcome(|| nix::unistd::write(&*self.0, bytes), "write")
    }

    /// Reads bytes; how many, or `None` if there are none and it does not wait.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if the system refuses.
    #[inline]
    pub fn read(&self, bytes: &mut [u8]) -> Result<Option<usize>, Failure> {
        outcome(|| nix::unistd::read(&*self.0, bytes), "read")
    }
}

#[inline(always)]
fn outcome(
    mut call: impl FnMut() -> nix::Result<usize>,
    what: &'static str,
) -> Result<Option<usize>, Failure> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::io(what)(errno.into())),
        }
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = Found::of(&self.0).map_err(S::Error::custom)?;
        found.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = Found::deserialize(deserializer)?;
        // SAFETY: the number was inherited, and whatever is under it is not closed by this process.
        let inherited = unsafe { BorrowedFd::borrow_raw(expected.number) };
        let own = inherited.try_clone_to_owned().map_err(D::Error::custom)?;
        let end = Self::new(own);
        let found = Found::of(&end.0).map_err(D::Error::custom)?;
        if (found.device, found.inode) == (expected.device, expected.inode) {
            Ok(end)
        } else {
            let number = expected.number;
            Err(D::Error::custom(format!(
                "descriptor {number} is another file here"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received_and_no_end_waits() {
        for channel in [
            Channel::pipe(Blocking::No).unwrap(),
            Channel::sockets(Blocking::No).unwrap(),
        ] {
            let mut bytes = [0; 8];
            assert_eq!(channel.receiver.read(&mut bytes).unwrap(), None);
            assert_eq!(channel.sender.write(&[7; 8]).unwrap(), Some(8));
            assert_eq!(channel.receiver.read(&mut bytes).unwrap(), Some(8));
            assert_eq!(bytes, [7; 8]);
            let sent =
                (0..1_000_000).take_while(|_| channel.sender.write(&[7; 8]).unwrap().is_some());
            assert!((1..1_000_000).contains(&sent.count()));
        }
    }
}

//! Datagrams between processes of this machine, to abstract names, with descriptors and the
//! sender's credentials.
//!
//! An abstract name is no file: it is gone with its socket, however the process ends. Control
//! messages are laid out as in [`socket`](super::socket).

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::clock::{Deadline, Left};
use super::socket::{HEADER_BYTES, HEADER_WORDS, half, header, pair};
use super::{checked, descriptor, restarted, timespec};

/// The longest abstract name, in bytes.
pub(crate) const MAX_NAME: usize = PATH - 1;
const PATH: usize = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path);

/// The most descriptors of one datagram.
const MOST_FDS: usize = 2;
/// A control message of descriptors, and that of credentials (12 bytes).
const CONTROL_WORDS: usize = HEADER_WORDS + MOST_FDS.div_ceil(2) + HEADER_WORDS + 2;

const _: () = assert!(size_of::<libc::ucred>() == 12);

/// What the kernel says of the process that sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// In the PID namespace of this process; 0 if it is not seen from there.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A datagram that was received.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) len: usize,
    /// The first and the second, if it brought them.
    pub(crate) fds: [Option<OwnedFd>; MOST_FDS],
    /// Whether descriptors or bytes did not fit.
    pub(crate) is_cut: bool,
    pub(crate) credentials: Option<Credentials>,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Readable,
    Writable,
}

/// socket(2), `SO_PASSCRED`, bind(2): a socket that receives what is sent to `name`. `EADDRINUSE`
/// if the name is taken.
pub(crate) fn bind(name: &[u8]) -> io::Result<OwnedFd> {
    let socket = socket()?;
    pass_credentials(socket.as_raw_fd())?;
    let (address, len) = address(name)?;
    // SAFETY: the address is of that length and outlives the call, which reads it.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
    Ok(socket)
}

/// socket(2), connect(2): a socket whose datagrams go to `name`. `ECONNREFUSED` if no socket has
/// the name.
pub(crate) fn connect(name: &[u8]) -> io::Result<OwnedFd> {
    let socket = socket()?;
    let (address, len) = address(name)?;
    restarted(|| {
        // SAFETY: the address is of that length and outlives the call, which reads it.
        unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) }
    })?;
    Ok(socket)
}

/// setsockopt(2), `SO_PASSCRED`: what is received comes with its sender's credentials.
pub(crate) fn receive_credentials(socket: BorrowedFd<'_>) -> io::Result<()> {
    pass_credentials(socket.as_raw_fd())
}

fn pass_credentials(socket: libc::c_int) -> io::Result<()> {
    let (on, len) = (1_i32, 4);
    // SAFETY: the option's value is an int of that length and outlives the call, which reads it.
    checked(unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_PASSCRED,
            (&raw const on).cast(),
            len,
        )
    })?;
    Ok(())
}

fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes integers and touches no memory.
    let socket = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    // SAFETY: socket has just made it for this call, or failed.
    unsafe { descriptor::made(socket) }
}

/// The address of an abstract name, and its length.
fn address(name: &[u8]) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: sockaddr_un is plain data, for which all zeroes is a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).unwrap_or_default();
    // The first byte of an abstract name is a zero.
    let places = address.sun_path.get_mut(1..=name.len());
    let places = places.ok_or(io::ErrorKind::InvalidInput)?;
    for (place, byte) in places.iter_mut().zip(name) {
        *place = libc::c_char::from_ne_bytes([*byte]);
    }
    let len = offset_of!(libc::sockaddr_un, sun_path) + 1 + name.len();
    let len = libc::socklen_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok((address, len))
}

/// sendmsg(2): sends a datagram with up to two descriptors and the credentials of this process,
/// never blocking.
///
/// The kernel checks the credentials. It would fill in the real user; here they have the effective
/// one, which owns what the process makes.
///
/// Fails with `EAGAIN` when the receiver's queue is full, `ECONNREFUSED` or `EPIPE` when there is
/// no receiver.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.len() > MOST_FDS {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut control = [0_u64; CONTROL_WORDS];
    control[0] = (HEADER_BYTES + size_of::<libc::ucred>()) as u64;
    control[1] = pair(libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
    // SAFETY: has no preconditions and cannot fail.
    let user = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getegid() };
    control[2] = pair(std::process::id().cast_signed(), user.cast_signed());
    control[3] = u64::from(group);
    let mut control_words = 4;
    if let Some(first) = fds.first() {
        control[4] = (HEADER_BYTES + fds.len() * 4) as u64;
        control[5] = pair(libc::SOL_SOCKET, libc::SCM_RIGHTS);
        control[6] = pair(first.as_raw_fd(), fds.get(1).map_or(0, AsRawFd::as_raw_fd));
        control_words = 7;
    }
    let mut data = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let message = header(&mut data, &mut control, control_words * 8);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `message` points to `data`, `bytes` and `control`, which outlive the call and have
    // the lengths that it states; the call reads them.
    restarted(|| unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) }).map(drop)
}

/// recvmsg(2): receives a datagram into `bytes`, never blocking. Descriptors are close-on-exec.
/// Allocates nothing.
///
/// Fails with `EAGAIN` when there is none. A length of 0 is the end of a connected socket.
pub(crate) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<Datagram> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut message = header(&mut data, &mut control, CONTROL_WORDS * 8);
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: `message` points to `data`, `bytes` and `control`, which outlive the call, are not
    // otherwise accessed during it and have the lengths that it states.
    let receive = || unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let len = restarted(receive)?.cast_unsigned();
    let cut = libc::MSG_CTRUNC | libc::MSG_TRUNC;
    let mut datagram = Datagram {
        len,
        fds: [const { None }; MOST_FDS],
        is_cut: message.msg_flags & cut != 0,
        credentials: None,
    };
    let mut made = [const { None }; MOST_FDS];
    let mut places = made.iter_mut();
    let mut rest = &control[..];
    // The words behind the last control message are zeroes.
    while let [len, kind, data @ ..] = rest {
        let Some(bytes) = usize::try_from(*len)
            .ok()
            .and_then(|len| len.checked_sub(HEADER_BYTES))
        else {
            break;
        };
        let words = bytes.div_ceil(8).min(data.len());
        if *kind == pair(libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            for index in 0..(bytes / 4).min(words * 2) {
                // SAFETY: the kernel has just installed this descriptor for this call and listed
                // it once in the control message.
                let fd = unsafe { descriptor::made(half(data, index).cast_signed()) };
                if let Some(place) = places.next() {
                    *place = Some(fd);
                }
            }
        } else if *kind == pair(libc::SOL_SOCKET, libc::SCM_CREDENTIALS) && words == 2 {
            let [pid, uid, gid] = [0, 1, 2].map(|index| half(data, index));
            datagram.credentials = Some(Credentials { pid, uid, gid });
        }
        rest = &data[words..];
    }
    // All are taken before the first error, so that none stays open without an owner.
    for (place, made) in datagram.fds.iter_mut().zip(made) {
        *place = made.transpose()?;
    }
    Ok(datagram)
}

/// `EMFILE`: what it means that the descriptors of a datagram did not all arrive.
pub(crate) fn no_descriptors() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}

/// ppoll(2): waits for `event`, or until `deadline`; returns whether it is there.
pub(crate) fn wait(fd: BorrowedFd<'_>, event: Event, deadline: &Deadline) -> io::Result<bool> {
    loop {
        let left = deadline.left();
        let timeout = match left {
            Left::Forever => None,
            Left::For(left) => Some(timespec(left)),
            Left::Passed => Some(timespec(std::time::Duration::ZERO)),
        };
        let timeout = timeout
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        let mut poll = libc::pollfd {
            fd: fd.as_raw_fd(),
            events: match event {
                Event::Readable => libc::POLLIN,
                Event::Writable => libc::POLLOUT,
            },
            revents: 0,
        };
        // SAFETY: one pollfd is passed and counted; `timeout` is null or points to a timespec
        // that lives in this iteration; no signal mask is given.
        let ready = unsafe { libc::ppoll(&raw mut poll, 1, timeout, std::ptr::null()) };
        match checked(ready) {
            Ok(0) if left == Left::Passed => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            // The time that is left is counted anew.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    fn name(of: &str) -> Vec<u8> {
        format!("crossdock.test/{}/{of}", std::process::id()).into_bytes()
    }

    #[test]
    fn a_datagram_brings_descriptors_and_credentials() {
        let name = name("datagram");
        let receiver = bind(&name).unwrap();
        let sender = connect(&name).unwrap();
        let file = super::super::shm::memfd(c"crossdock-test").unwrap();
        let fds = [file.as_fd(), sender.as_fd()];
        send(sender.as_fd(), b"hello", &fds).unwrap();
        assert!(wait(receiver.as_fd(), Event::Readable, &Deadline::never()).unwrap());
        let mut bytes = [0; 16];
        let datagram = receive(receiver.as_fd(), &mut bytes).unwrap();
        assert_eq!(&bytes[..datagram.len], b"hello");
        assert!(datagram.fds.iter().all(Option::is_some) && !datagram.is_cut);
        let credentials = datagram.credentials.unwrap();
        assert_eq!(credentials.pid, std::process::id());
        assert_eq!(credentials.uid, super::super::shm::effective_user());
        let again = receive(receiver.as_fd(), &mut bytes).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_name_is_taken_once_and_is_gone_with_its_socket() {
        let name = name("once");
        let socket = bind(&name).unwrap();
        assert_eq!(bind(&name).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let sender = connect(&name).unwrap();
        drop(socket);
        let refused = send(sender.as_fd(), b"late", &[]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let refused = connect(&name).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(bind(&name).is_ok());
    }

    #[test]
    fn a_name_of_every_length_that_fits_is_bound() {
        let longest = vec![b'x'; MAX_NAME];
        drop(bind(&longest).unwrap());
        assert!(bind(&[&longest[..], b"x"].concat()).is_err());
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let socket = bind(&name("deadline")).unwrap();
        let soon = Deadline::after(Duration::from_millis(1));
        assert!(!wait(socket.as_fd(), Event::Readable, &soon).unwrap());
    }
}

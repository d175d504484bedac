//! File descriptors sent over a unix stream socket.
//!
//! A message is some bytes and up to [`FDS_PER_MESSAGE`] descriptors. The control message is laid
//! out here as 64-bit words: length, then level and type, then two descriptors a word.

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{descriptor, restarted};

/// As many descriptors as the kernel takes in one message (`SCM_MAX_FD`).
pub(crate) const FDS_PER_MESSAGE: usize = 253;

/// The words of a control message before its data: a `cmsghdr`.
pub(super) const HEADER_WORDS: usize = 2;
pub(super) const HEADER_BYTES: usize = HEADER_WORDS * 8;
const CONTROL_WORDS: usize = HEADER_WORDS + FDS_PER_MESSAGE.div_ceil(2);

const _: () = assert!(size_of::<libc::cmsghdr>() == HEADER_BYTES);
const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_level) == 8);
const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_type) == 12);

/// The second word of a control message that carries descriptors.
const RIGHTS: u64 = pair(libc::SOL_SOCKET, libc::SCM_RIGHTS);

/// Two 32-bit numbers as one little-endian word, `low` first in memory.
pub(super) const fn pair(low: i32, high: i32) -> u64 {
    low.cast_unsigned() as u64 | ((high.cast_unsigned() as u64) << 32)
}

/// What a call does where it would have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// It fails with `EAGAIN`.
    Fails,
    /// It waits.
    Waits,
}

impl Full {
    fn flag(self) -> libc::c_int {
        match self {
            Self::Fails => libc::MSG_DONTWAIT,
            Self::Waits => 0,
        }
    }
}

/// sendmsg(2) with `SCM_RIGHTS`: sends one message that carries `fds`, never blocking.
///
/// Fails with `EAGAIN` when the socket's buffer is full and with `EINVAL` for no descriptor or
/// more than [`FDS_PER_MESSAGE`]. Allocates nothing: async-signal-safe.
pub(crate) fn send_fds(socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    send(socket, &[0], fds, Full::Fails).map(drop)
}

/// sendmsg(2): sends bytes, of which there must be one at least, and the descriptors with the first
/// of them. Returns how many bytes were sent.
///
/// Fails with `EINVAL` for more than [`FDS_PER_MESSAGE`] descriptors, and with `EPIPE`, without a
/// signal, where no other end is open. Allocates nothing: async-signal-safe.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    full: Full,
) -> io::Result<usize> {
    if bytes.is_empty() || fds.len() > FDS_PER_MESSAGE {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut control = [0_u64; CONTROL_WORDS];
    let mut control_bytes = 0;
    if !fds.is_empty() {
        control_bytes = HEADER_BYTES + size_of_val(fds);
        control[0] = control_bytes as u64;
        control[1] = RIGHTS;
    }
    for (word, fds) in control[HEADER_WORDS..].iter_mut().zip(fds.chunks(2)) {
        *word = pair(fds[0].as_raw_fd(), fds.get(1).map_or(0, AsRawFd::as_raw_fd));
    }
    let mut data = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let message = header(&mut data, &mut control, control_bytes.next_multiple_of(8));
    let flags = full.flag() | libc::MSG_NOSIGNAL;
    // SAFETY: `message` points to `data`, `bytes`, which the call only reads, and `control`, which
    // outlive the call and have the lengths that it states.
    let send = || unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    Ok(restarted(send)?.cast_unsigned())
}

/// send(2): sends one byte, never blocking and without SIGPIPE.
pub(crate) fn send_byte(socket: BorrowedFd<'_>) -> io::Result<()> {
    let byte = 1_u8;
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: one byte that outlives the call.
    restarted(|| unsafe { libc::send(socket.as_raw_fd(), (&raw const byte).cast(), 1, flags) })
        .map(drop)
}

/// recv(2): takes one byte without descriptors, never blocking; false if the other end is closed.
///
/// Fails with `EAGAIN` when there is none.
pub(crate) fn receive_byte(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut byte = 0_u8;
    // SAFETY: room for one byte that outlives the call.
    let received = restarted(|| unsafe {
        let place = (&raw mut byte).cast();
        libc::recv(socket.as_raw_fd(), place, 1, libc::MSG_DONTWAIT)
    })?;
    Ok(received > 0)
}

/// recvmsg(2): takes one message and the descriptors it carries, close-on-exec, never blocking.
///
/// Fails with `EAGAIN` when there is none, and with `EMFILE` when this process could not hold all
/// the descriptors (those that did arrive are closed).
pub(crate) fn receive_fds(socket: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    match receive(socket, &mut [0], Full::Fails)? {
        (0, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        (_, fds) => Ok(fds),
    }
}

/// recvmsg(2): takes bytes, and the descriptors that were sent with the first of them,
/// close-on-exec. No byte says that no other end is open.
///
/// Fails as [`receive_fds`] does.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    empty: Full,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    receive_with(socket, bytes, empty.flag())
}

/// recvmsg(2) with `MSG_PEEK`, never blocking: as [`receive`], but the message stays in the socket,
/// which stays readable.
pub(crate) fn peek(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    receive_with(socket, bytes, libc::MSG_DONTWAIT | libc::MSG_PEEK)
}

fn receive_with(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: libc::c_int,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut message = header(&mut data, &mut control, CONTROL_WORDS * 8);
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: `message` points to `data`, `bytes` and `control`, which outlive the call, are not
    // otherwise accessed during it and have the lengths that it states.
    let receive = || unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let received = restarted(receive)?.cast_unsigned();
    let mut fds = Vec::new();
    // The words are zeroes unless the kernel wrote a control message.
    if control[1] == RIGHTS {
        let bytes = usize::try_from(control[0]).unwrap_or(0);
        let count = bytes.saturating_sub(HEADER_BYTES) / size_of::<libc::c_int>();
        for index in 0..count.min(FDS_PER_MESSAGE) {
            let fd = half(&control[HEADER_WORDS..], index).cast_signed();
            // SAFETY: the kernel has just installed this descriptor for this call and listed it
            // once in the control message.
            fds.push(unsafe { descriptor::made(fd) });
        }
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    // All are taken before the first error, so that none stays open without an owner.
    Ok((received, fds.into_iter().collect::<io::Result<_>>()?))
}

/// Returns a 32-bit number in words, the first of which are in front in memory.
pub(super) fn half(words: &[u64], index: usize) -> u32 {
    let word = words.get(index / 2).copied().unwrap_or_default();
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    u32::from_le_bytes(if index.is_multiple_of(2) {
        [a, b, c, d]
    } else {
        [e, f, g, h]
    })
}

/// A message header over one data vector and the first `control_bytes` of `control`.
pub(super) fn header(
    data: &mut libc::iovec,
    control: &mut [u64],
    control_bytes: usize,
) -> libc::msghdr {
    // SAFETY: msghdr is plain data, for which all zeroes is a value: null pointers, no lengths.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control_bytes as _;
    message
}

//! What the asker tells a process that the server forks for it, and what that answers.
//!
//! Over the job's socket. The request is its length (8 bytes), its bytes, the job, and the
//! descriptors: as many as one message carries with the first byte, the rest behind the bytes. Then
//! the signals that are ignored (8 bytes) tell the process to go on. An answer is 8 bytes. The
//! first comes with the pidfd of the process and the memfd that its result will be in, whatever was
//! sent; the second says that the process runs its job:
//!
//! ```text
//! 0     4      6       8
//! | pid | step | errno |      a pid of 0: it does not run the job; what failed, and why
//! ```

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::Deadline;
use crate::codec;
use crate::process::SpawnError;
use crate::sys::process::errno;
use crate::sys::socket::{self, FDS_PER_MESSAGE, Full};
use crate::sys::start::{NotStarted, Stream};
use crate::sys::surroundings::OwnStream;
use crate::sys::{child, descriptor};

/// The bytes of a request's length.
const LEN: usize = 8;
/// As many bytes as are received at once: most requests, whole.
const AT_ONCE: usize = 8 << 10;

/// In place of a descriptor number: the socket that the request came by.
pub(in crate::process) const SOCKET: i32 = -1;
/// In place of a descriptor number: the memfd of the result, which the process has made.
pub(in crate::process) const RESULT: i32 = -2;

/// What a process is to become. Descriptors are named by the numbers that they have in the asker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ForkRequest {
    /// The descriptors that are sent, in their order.
    numbers: Vec<i32>,
    /// `NAME=value` each.
    environment: Vec<CString>,
    streams: [StreamName; 3],
    directory: i32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum StreamName {
    Closed,
    Null,
    Of(i32),
}

/// A request that is ready to be sent, several times if servers die.
pub(super) struct PreparedRequest<'a> {
    /// With their length before them, and the job behind them.
    bytes: Vec<u8>,
    fds: Vec<BorrowedFd<'a>>,
    /// Of the standard streams; they come behind the others.
    copies: Vec<OwnedFd>,
}

impl PreparedRequest<'_> {
    /// Sends it.
    ///
    /// Blocks while the socket's buffer is full of what the process has not read yet; fails with
    /// `EAGAIN` if it is so at the deadline.
    pub(super) fn send(&self, socket: BorrowedFd<'_>, deadline: Deadline) -> io::Result<()> {
        let fds = self.fds.iter().copied();
        let fds: Vec<_> = fds.chain(self.copies.iter().map(AsFd::as_fd)).collect();
        let send = |bytes: &[u8], fds: &[BorrowedFd<'_>]| send_by(socket, bytes, fds, deadline);
        let (mut first, rest) = fds.split_at(fds.len().min(FDS_PER_MESSAGE));
        let mut left = self.bytes.as_slice();
        while !left.is_empty() {
            let sent = send(left, first)?;
            first = &[];
            left = left.get(sent..).unwrap_or_default();
        }
        rest.chunks(FDS_PER_MESSAGE)
            .try_for_each(|fds| send(&[0], fds).map(drop))
    }
}

/// Sends bytes and descriptors. Blocks as [`PreparedRequest::send`] does.
fn send_by(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> io::Result<usize> {
    loop {
        match socket::send(socket, bytes, fds, Full::Fails) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !child::wait_writable(socket, deadline)? {
                    return Err(error);
                }
            }
            sent => return sent,
        }
    }
}

/// What a process has of its asker, beside its job.
pub(in crate::process) struct Surroundings<'a> {
    /// `NAME=value` each.
    pub(in crate::process) environment: Vec<CString>,
    pub(in crate::process) streams: [Stream<'a>; 3],
    pub(in crate::process) directory: BorrowedFd<'a>,
}

/// A received request.
pub(super) struct TakenRequest {
    request: ForkRequest,
    /// The encoded job.
    pub(super) job: Vec<u8>,
    pub(super) descriptors: BTreeMap<i32, OwnedFd>,
}

impl ForkRequest {
    /// Encodes a request for a process in these surroundings, with all descriptors that they and
    /// the job name.
    pub(super) fn encode<'a>(
        surroundings: &Surroundings<'a>,
        inherited: &[BorrowedFd<'a>],
        job: &[u8],
    ) -> Result<PreparedRequest<'a>, SpawnError> {
        let mut fds = inherited.to_vec();
        let directory = surroundings.directory;
        fds.push(directory);
        let own = [
            io::stdin().as_raw_fd(),
            io::stdout().as_raw_fd(),
            io::stderr().as_raw_fd(),
        ];
        let mut streams = [StreamName::Null; 3];
        let mut copies = Vec::new();
        for (number, stream) in surroundings.streams.into_iter().enumerate() {
            streams[number] = match stream {
                Stream::Null => StreamName::Null,
                Stream::Of(fd) => {
                    fds.push(fd);
                    StreamName::Of(fd.as_raw_fd())
                }
                Stream::Inherit => {
                    let copy = descriptor::duplicate(own[number])
                        .map_err(SpawnError::system("duplicating a standard stream"))?;
                    let name = copy.as_ref().map(AsRawFd::as_raw_fd);
                    copies.extend(copy);
                    name.map_or(StreamName::Closed, StreamName::Of)
                }
            };
        }
        let borrowed = fds.iter().map(AsRawFd::as_raw_fd);
        let request = Self {
            numbers: borrowed
                .chain(copies.iter().map(AsRawFd::as_raw_fd))
                .collect(),
            environment: surroundings.environment.clone(),
            streams,
            directory: directory.as_raw_fd(),
        };
        let mut bytes = codec::encode_behind(vec![0; LEN], &request)
            .map_err(|error| SpawnError::Encode(error.into()))?;
        bytes.extend_from_slice(job);
        let len = (bytes.len() - LEN) as u64;
        bytes[..LEN].copy_from_slice(&len.to_le_bytes());
        Ok(PreparedRequest { bytes, fds, copies })
    }

    /// Receives a request, or `None` if the asker has closed its end before it has sent one.
    pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<TakenRequest>> {
        let mut fds = Vec::new();
        let mut receive = |place: &mut [u8]| {
            let (got, more) = socket::receive(socket, place, Full::Waits)?;
            fds.extend(more);
            match got {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                got => Ok((got, fds.len())),
            }
        };
        // A call takes no bytes beyond those of the message that its descriptors came with.
        let mut bytes = vec![0; AT_ONCE];
        let mut got = 0;
        let mut there = 0;
        while got < LEN {
            let (more, fds) = match receive(&mut bytes[got..]) {
                Err(error) if got == 0 && is_end(&error) => return Ok(None),
                received => received?,
            };
            (got, there) = (got + more, fds);
        }
        let (len, _) = bytes.split_first_chunk().unwrap_or((&[0; LEN], &[]));
        let end = usize::try_from(u64::from_le_bytes(*len))
            .ok()
            .and_then(|len| len.checked_add(LEN))
            .filter(|end| *end >= got)
            .ok_or(io::ErrorKind::InvalidData)?;
        bytes.resize(end, 0);
        while got < end {
            let (more, fds) = receive(&mut bytes[got..])?;
            (got, there) = (got + more, fds);
        }
        let (request, job) =
            postcard::take_from_bytes::<Self>(&bytes[LEN..]).map_err(io::Error::other)?;
        let job = job.to_vec();
        while there < request.numbers.len() {
            (_, there) = receive(&mut [0])?;
        }
        let descriptors = request.numbers.iter().copied().zip(fds).collect();
        Ok(Some(TakenRequest {
            request,
            job,
            descriptors,
        }))
    }
}

/// Whether it says that no other end is open.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}

impl TakenRequest {
    /// Takes out what is for the process's surroundings: the environment, the directory and the
    /// streams.
    pub(super) fn surroundings(&mut self) -> io::Result<(Vec<CString>, OwnedFd, [OwnStream; 3])> {
        let mut take = |number| {
            let fd = self.descriptors.remove(&number);
            fd.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
        };
        let directory = take(self.request.directory)?;
        let [stdin, stdout, stderr] = self.request.streams.map(|stream| match stream {
            StreamName::Closed => Ok(OwnStream::Closed),
            StreamName::Null => Ok(OwnStream::Null),
            StreamName::Of(number) => take(number).map(OwnStream::Of),
        });
        let environment = std::mem::take(&mut self.request.environment);
        Ok((environment, directory, [stdin?, stdout?, stderr?]))
    }
}

/// Tells a process that was sent its request to go on, and the signals that the asker leaves
/// ignored to its children, a bit each. Blocks as [`PreparedRequest::send`] does: the process
/// answers before it reads its request.
pub(super) fn send_go(socket: BorrowedFd<'_>, ignored: u64, deadline: Deadline) -> io::Result<()> {
    // A few bytes are sent whole.
    send_by(socket, &ignored.to_le_bytes(), &[], deadline).map(drop)
}

/// Waits until the process shall go on; `None` if it shall not.
pub(super) fn await_go(socket: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    let mut bytes = [0; 8];
    match read_rest(socket, &mut bytes, 0) {
        Ok(()) => Ok(Some(u64::from_le_bytes(bytes))),
        Err(error) if is_end(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads until `bytes` is full, of which the first `got` are there.
fn read_rest(socket: BorrowedFd<'_>, bytes: &mut [u8], mut got: usize) -> io::Result<()> {
    while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match socket::receive(socket, rest, Full::Waits)? {
            (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (more, _) => got += more,
        }
    }
    Ok(())
}

/// The steps of a forked process that may fail; their place here is sent.
const STEPS: [&str; 5] = [
    "receiving the request in the child",
    "entering the child's directory",
    "giving the child its standard streams",
    "opening the child's own pidfd",
    "making the result's memfd in the child",
];
pub(super) const RECEIVE: &str = STEPS[0];
pub(super) const OPEN: &str = STEPS[3];
pub(super) const MAKE: &str = STEPS[4];

/// Answers that this process is there, with its pidfd and the memfd of its result, or without them
/// that it runs its job.
pub(super) fn answer(
    socket: BorrowedFd<'_>,
    pid: u32,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&pid.to_le_bytes());
    socket::send(socket, &bytes, descriptors, Full::Waits).map(drop)
}

/// Answers what keeps this process from running its job.
pub(super) fn answer_error(socket: BorrowedFd<'_>, (step, error): &NotStarted) {
    let step = STEPS.iter().position(|known| known == step).unwrap_or(0);
    let mut bytes = [0; 8];
    bytes[4..6].copy_from_slice(&u16::try_from(step).unwrap_or(0).to_le_bytes());
    let errno = u16::try_from(errno(error)).unwrap_or(u16::MAX);
    bytes[6..].copy_from_slice(&errno.to_le_bytes());
    // If the asker is gone there is no process to tell.
    let _ = socket::send(socket, &bytes, &[], Full::Waits);
}

/// An answer.
pub(super) enum StartAnswer {
    /// The process is there, or runs; its id and what it has sent.
    Process(u32, Vec<OwnedFd>),
    /// It does not.
    Refused(NotStarted),
    /// No process that has the socket is left, and none answered.
    Nothing,
}

/// Waits for the answer.
pub(super) fn await_answer(socket: BorrowedFd<'_>) -> io::Result<StartAnswer> {
    let mut bytes = [0; 8];
    let answer = match socket::receive(socket, &mut bytes, Full::Waits) {
        Ok((0, _)) => return Ok(StartAnswer::Nothing),
        Ok((got, fds)) => read_rest(socket, &mut bytes, got).map(|()| fds),
        Err(error) => Err(error),
    };
    let fds = match answer {
        Ok(fds) => fds,
        // Killed while it answered, or before it had read all.
        Err(error) if is_end(&error) => return Ok(StartAnswer::Nothing),
        Err(error) => return Err(error),
    };
    let [a, b, c, d, step, _, low, high] = bytes;
    match u32::from_le_bytes([a, b, c, d]) {
        pid @ 1.. => Ok(StartAnswer::Process(pid, fds)),
        0 => {
            let step = STEPS.get(usize::from(step)).copied().unwrap_or(STEPS[0]);
            let errno = u16::from_le_bytes([low, high]);
            let error = io::Error::from_raw_os_error(errno.into());
            Ok(StartAnswer::Refused((step, error)))
        }
    }
}

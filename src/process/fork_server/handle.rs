//! A fork server, as its owner has it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::serve::Report;
use super::{preloads, standing};
use crate::Deadline;
use crate::codec;
use crate::process::init::Restart;
use crate::process::running::Started;
use crate::process::{ForkServerError, JoinError, Process, SpawnError, spawn};
use crate::segment::SystemError;
use crate::sys::board::Board;
use crate::sys::events::Here;
use crate::sys::private::Private;
use crate::sys::socket::{self, Full};
use crate::sys::standing::Standing;
use crate::sys::{child, descriptor, limits, pidfd};

/// A fork server of this process.
pub(super) struct ServerHandle {
    pub(super) here: Here,
    /// The socket that requests go by.
    control: Private,
    pidfd: OwnedFd,
    pub(super) board: Board,
    slots: Mutex<Slots>,
    /// What this process was when the server was started.
    pub(super) standing: Standing,
    /// The functions that it has called.
    pub(super) preloads: Arc<Vec<u64>>,
}

/// Which slots of the board are free.
#[derive(Default)]
pub(super) struct Slots {
    /// None was used from this on.
    unused: u32,
    pub(super) free: Vec<u32>,
    /// Of processes that nothing asks about any more, and that may still run.
    pub(super) left: Vec<u32>,
}

impl ServerHandle {
    /// Starts one, and waits until it is ready.
    pub(super) fn start(
        here: &Here,
        restart: &Restart,
        standing: Standing,
        preloads: Arc<Vec<u64>>,
    ) -> Result<Self, SpawnError> {
        let (control, servers) = Private::packet_pair().map_err(SpawnError::system(
            "making a socket pair for the fork server",
        ))?;
        let (limit, size) = (
            limits::file_size_refusal(Board::BYTES.into()),
            u64::from(Board::BYTES),
        );
        if let Some((limit, available)) = limit {
            return Err(SpawnError::TooLarge {
                size,
                limit,
                available,
            });
        }
        let (board, file) =
            Board::create().map_err(SpawnError::system("making the board of exit statuses"))?;
        let own = pidfd::open(std::process::id())
            .map_err(SpawnError::system("opening a pidfd of this process"))?;
        let arguments =
            codec::encode(&*preloads).map_err(|error| SpawnError::Encode(error.into()))?;
        let handed = [servers.as_fd(), own.as_fd(), file.as_fd()];
        let helper = spawn::start_server(restart, arguments, &handed)?;
        // From here on the server has the only other end: if that is closed, it is dead.
        drop((servers, own, file));
        let report = receive_report(control.as_fd());
        let report = report.map_err(SpawnError::system("waiting for the fork server"))?;
        let pidfd = match report {
            Some((Report::Ready, Some(pidfd))) => pidfd,
            Some((report, _)) => {
                end_of(helper);
                return Err(refusal(report).into());
            }
            None => return Err(end_of(helper).into()),
        };
        end_of(helper);
        Ok(Self {
            control,
            here: here.clone(),
            pidfd,
            board,
            slots: Mutex::default(),
            standing,
            preloads,
        })
    }

    /// Whether its processes are as this process's own would be.
    pub(super) fn is_fit(&self) -> Result<bool, SpawnError> {
        Ok(self.preloads == preloads() && self.standing == standing()?)
    }

    /// Makes the socket of a process, and sends the process's end to the server. `None` if that is
    /// dead.
    pub(super) fn connect(&self, slot: u32) -> Result<Option<UnixStream>, SpawnError> {
        loop {
            let error = match self.try_connect(slot) {
                Some(Ok(socket)) => return Ok(Some(socket)),
                Some(Err(error)) => error,
                // Other code has closed it.
                None => return Ok(None),
            };
            match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => return Ok(None),
                // Requests of other threads fill it: the server works, or is stopped.
                io::ErrorKind::WouldBlock => {
                    let socket = self.control.as_fd();
                    child::wait_writable(socket, Deadline::never())
                        .map_err(SpawnError::system("waiting for the fork server"))?;
                }
                _ => {
                    return Err(SpawnError::system("sending a request to the fork server")(
                        error,
                    ));
                }
            }
        }
    }

    /// As [`connect`](Self::connect), but fails where that would block. `None` if other code has
    /// closed the socket to the server.
    pub(super) fn try_connect(&self, slot: u32) -> Option<io::Result<UnixStream>> {
        // Under the exclusion, so that no child that other code forks has a copy of the end,
        // whose closing is what ends the wait for an answer.
        self.control.with(|control| {
            let (ours, end) = descriptor::socket_pair()?;
            socket::send(control, &slot.to_le_bytes(), &[end.as_fd()], Full::Fails)?;
            Ok(ours)
        })
    }

    pub(super) fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_slot(&self) -> Option<u32> {
        let mut slots = self.slots();
        if slots.free.is_empty() {
            let (posted, left) = std::mem::take(&mut slots.left)
                .into_iter()
                .partition(|slot| self.board.look(*slot).is_some());
            (slots.free, slots.left) = (posted, left);
        }
        let slot = slots.free.pop().or_else(|| {
            let fresh = slots.unused;
            slots.unused = (fresh + 1).min(Board::SLOTS);
            (fresh < Board::SLOTS).then_some(fresh)
        })?;
        self.board.clear(slot);
        Some(slot)
    }

    pub(super) fn has_died(&self) -> bool {
        child::has_ended(self.pidfd.as_fd()).unwrap_or(false)
    }
}

/// Receives what a new server reports, and its pidfd; `None` if it died.
fn receive_report(control: BorrowedFd<'_>) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
    let mut bytes = vec![0; 64 << 10];
    match socket::receive(control, &mut bytes, Full::Waits) {
        Ok((0, _)) => Ok(None),
        Ok((len, fds)) => {
            let report = codec::decode(bytes.get(..len).unwrap_or_default());
            let report = report.map_err(io::Error::other)?;
            Ok(Some((report, fds.into_iter().next())))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for the end of the process that becomes the server's parent, and says what it means if
/// there is no server.
fn end_of(helper: Started) -> ForkServerError {
    match Process::<()>::new(helper).join() {
        // It has forked the server, which died.
        Ok(()) | Err(JoinError::Exited { code: 0 } | JoinError::Reaped) => ForkServerError::Died,
        Err(error) => ForkServerError::NotStarted(Box::new(error)),
    }
}

fn refusal(report: Report) -> ForkServerError {
    let system = |what, errno| {
        let error = io::Error::from_raw_os_error(errno);
        ForkServerError::System(SystemError::new(what, &error))
    };
    match report {
        Report::Threads { count, preloading } => ForkServerError::Threads { count, preloading },
        Report::NotCounted(errno) => system("counting the fork server's threads in /proc", errno),
        Report::System(errno) => system("making the fork server", errno),
        Report::Panicked(message) => ForkServerError::Panicked(message),
        Report::Ready => ForkServerError::Died,
    }
}

//! A fork server from its start to its report.
//!
//! Every thread that wants the server waits for the report, each until its own deadline and without
//! a lock. The first to see it makes the server of it. The report stays in the socket: so that is
//! readable, too, for a thread that begins to wait after this.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use super::WAITING;
use super::handle::ServerHandle;
use super::serve::Report;
use crate::codec;
use crate::process::init::Restart;
use crate::process::options::StartLimit;
use crate::process::running::Started;
use crate::process::{ForkServerError, JoinError, JoinTimeoutError, Process, SpawnError, spawn};
use crate::segment::SystemError;
use crate::sys::board::Board;
use crate::sys::events::Here;
use crate::sys::private::Private;
use crate::sys::standing::Standing;
use crate::sys::{limits, pidfd, socket};

/// As long as a report may be, in bytes.
const MOST: usize = 64 << 10;

/// A fork server that has not reported yet.
pub(super) struct StartingServer {
    /// The socket that the report comes by, and that requests will go by.
    pub(super) control: Arc<Private>,
    /// The process that forks the server, and ends.
    helper: Started,
    board: Board,
    standing: Standing,
    preloads: Arc<Vec<u64>>,
}

/// What has become of a starting server.
pub(super) enum Reported {
    /// It starts yet.
    Nothing(Box<StartingServer>),
    /// It takes requests; the process that forked it ends.
    Runs(Arc<ServerHandle>, Started),
    /// It says why it does not run, or has died.
    Fails(Option<Report>, Started),
}

impl StartingServer {
    pub(super) fn start(
        restart: &Restart,
        standing: Standing,
        preloads: Arc<Vec<u64>>,
    ) -> Result<Self, SpawnError> {
        let (control, servers) = Private::packet_pair().map_err(SpawnError::system(
            "making a socket pair for the fork server",
        ))?;
        let size = u64::from(Board::BYTES);
        if let Some((limit, available)) = limits::file_size_refusal(size) {
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
        Ok(Self {
            control: Arc::new(control),
            helper,
            board,
            standing,
            preloads,
        })
    }

    /// Takes the report, if there is one. Does not block.
    pub(super) fn reported(self: Box<Self>, here: &Here) -> Result<Reported, SpawnError> {
        let report = match read_report(self.control.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Reported::Nothing(self));
            }
            report => report.map_err(SpawnError::system(WAITING))?,
        };
        let starting = *self;
        Ok(match report {
            Some((Report::Ready, Some(pidfd))) => {
                let server = ServerHandle {
                    here: here.clone(),
                    control: starting.control,
                    pidfd,
                    board: starting.board,
                    slots: Mutex::default(),
                    standing: starting.standing,
                    preloads: starting.preloads,
                };
                Reported::Runs(Arc::new(server), starting.helper)
            }
            other => Reported::Fails(other.map(|(report, _)| report), starting.helper),
        })
    }
}

/// Reads what a new server reports, and its pidfd; `None` if it died.
fn read_report(control: BorrowedFd<'_>) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
    let mut bytes = vec![0; MOST];
    match socket::peek(control, &mut bytes) {
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

/// Waits for the end of the process that forks a server, and says what it means if there is none.
/// `None` at the deadline: the process is reaped by a later start then.
pub(super) fn end_of(helper: Started, limit: StartLimit) -> Option<ForkServerError> {
    match Process::<()>::new(helper).join_timeout(limit.deadline) {
        Err(JoinTimeoutError::Timeout) => None,
        // It has forked the server, which died.
        Ok(()) | Err(JoinTimeoutError::Join(JoinError::Exited { code: 0 } | JoinError::Reaped)) => {
            Some(ForkServerError::Died)
        }
        Err(JoinTimeoutError::Join(error)) => Some(ForkServerError::NotStarted(Box::new(error))),
    }
}

/// Why there is no server, by its report, if it made one, and the end of the process that was to
/// fork it.
pub(super) fn failure(report: Option<Report>, helper: Started, limit: StartLimit) -> SpawnError {
    let end = end_of(helper, limit);
    match report {
        Some(report) => refusal(report).into(),
        None => end.map_or_else(|| limit.passed(), SpawnError::from),
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

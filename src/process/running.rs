//! A process that was spawned: waiting for it, its result, signals.

use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::outcome::{self, Outcome, OutcomeKind};
use super::{CodecError, JoinError, JoinTimeoutError, StatusError, handles};
use crate::segment::SystemError;
use crate::sys::child::{self, Child};
use crate::sys::clock::Deadline;
use crate::sys::socket;

/// A process started by [`spawn`](super::spawn()), which will have an `R`.
///
/// Dropping it neither ends the process nor waits for it; a result that nobody took is gone. If the
/// process still runs then, its entry in the process table is freed by a later
/// [`spawn`](super::spawn()) of this process, or when this process ends; until then it may be a
/// zombie.
///
/// It is a file descriptor, too ([`AsFd`]), readable once the process has ended: for poll(2) and
/// its kin. Other code that waits for *any* child takes the exit status away, and never the result.
#[must_use = "dropping it leaves the process running and loses its result"]
pub struct Process<R> {
    id: u32,
    /// Shared with the list of orphans.
    pidfd: Arc<OwnedFd>,
    result: File,
    /// Over which the descriptors of the result's segments come.
    socket: UnixStream,
    ended: Mutex<Option<ExitRecord>>,
    taken: bool,
    returns: PhantomData<fn() -> R>,
}

/// How a process ended, once this process has asked the kernel to forget it.
#[derive(Clone, Copy)]
enum ExitRecord {
    With(ExitStatus),
    /// Somebody else asked.
    Reaped,
}

impl<R> Process<R> {
    pub(super) fn new(id: u32, pidfd: OwnedFd, result: File, socket: UnixStream) -> Self {
        Self {
            id,
            pidfd: Arc::new(pidfd),
            result,
            socket,
            ended: Mutex::new(None),
            taken: false,
            returns: PhantomData,
        }
    }

    /// Returns the process id, in this process's PID namespace.
    ///
    /// For people and logs: once the process was joined, or its status asked for, another one may
    /// get the number.
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Tells whether the process still runs. Does not block.
    ///
    /// A stopped process runs.
    pub fn is_alive(&self) -> bool {
        // Errors lean to alive.
        !child::has_ended(self.pidfd.as_fd()).unwrap_or(false)
    }

    /// Returns how the process ended, `None` while it runs. Does not block.
    ///
    /// Neither takes the result nor is changed by taking it. A committed result makes no difference
    /// here: a process killed after its commit has both a result and a signal.
    ///
    /// # Errors
    /// - [`StatusError::Reaped`] if it has ended and something else took the status.
    /// - [`StatusError::System`] if the system refuses to tell.
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Result<Option<ExitStatus>, StatusError> {
        match self.reap(false).map_err(StatusError::system)? {
            Some(ExitRecord::With(status)) => Ok(Some(status)),
            Some(ExitRecord::Reaped) => Err(StatusError::Reaped),
            None => Ok(None),
        }
    }

    /// Asks the process to end: SIGTERM. Does not wait for it.
    ///
    /// Processes that it has started are not told. One that has ended already is no error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn terminate(&self) -> io::Result<()> {
        child::terminate(self.pidfd.as_fd())
    }

    /// Ends the process: SIGKILL, which it cannot refuse. Does not wait for it.
    ///
    /// Processes that it has started live on. One that has ended already is no error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn kill(&self) -> io::Result<()> {
        child::kill(self.pidfd.as_fd())
    }

    /// Takes the exit status, once, and remembers it.
    fn reap(&self, block: bool) -> io::Result<Option<ExitRecord>> {
        // Under the lock, so that of two threads one does not take the other for somebody else.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            *ended = match child::reap(self.pidfd.as_fd(), block)? {
                Child::Runs => None,
                Child::Ended(status) => Some(ExitRecord::With(status)),
                // A live one is the child of another process, of which this one is a fork.
                Child::Unknown => {
                    child::has_ended(self.pidfd.as_fd())?.then_some(ExitRecord::Reaped)
                }
            };
        }
        Ok(*ended)
    }
}

impl<R: DeserializeOwned> Process<R> {
    /// Waits until the process has ended and returns what its function returned.
    ///
    /// Blocks without limit, also while the process is stopped. What the process committed before
    /// it died is delivered, however it died. Segments that handles in the result live in are
    /// mapped here.
    ///
    /// # Errors
    /// [`JoinError`], each variant of which says what became of the result: a panic, a signal, an
    /// exit, a process that never began, values that do not encode or decode, an outcome taken
    /// before.
    pub fn join(mut self) -> Result<R, JoinError> {
        self.wait(Deadline::never())?;
        self.take()
    }

    /// Blocks until the process has ended, at most until `timeout` (a duration or an instant), and
    /// returns what its function returned.
    ///
    /// A timeout neither ends the process nor consumes anything: call it again, or
    /// [`join`](Self::join). Once it has given the outcome, further joins are
    /// [`JoinError::Taken`].
    ///
    /// # Errors
    /// - [`JoinTimeoutError::Timeout`] if the process still runs.
    /// - [`JoinTimeoutError::Join`] with what [`join`](Self::join) would say.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// use crossdock::process::{self, JoinTimeoutError};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let mut worker = process::spawn(|word: String| word.to_uppercase(), "dock".into())?;
    ///     let word: String = loop {
    ///         match worker.join_timeout(Duration::from_millis(100)) {
    ///             Err(JoinTimeoutError::Timeout) => println!("still waiting"),
    ///             outcome => break outcome?,
    ///         }
    ///     };
    ///     assert_eq!(word, "DOCK");
    ///     Ok(())
    /// }
    /// ```
    pub fn join_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<R, JoinTimeoutError> {
        if self.wait(timeout.into())? {
            Ok(self.take()?)
        } else {
            Err(JoinTimeoutError::Timeout)
        }
    }

    fn wait(&self, deadline: Deadline) -> Result<bool, JoinError> {
        child::wait(self.pidfd.as_fd(), deadline)
            .map_err(JoinError::system("waiting for the process"))
    }

    /// The outcome of a process that has ended.
    fn take(&mut self) -> Result<R, JoinError> {
        // Blocking, for a child under a debugger is readable a moment before it can be reaped.
        let ended = self
            .reap(true)
            .map_err(JoinError::system("taking the exit status"))?;
        if std::mem::replace(&mut self.taken, true) {
            return Err(JoinError::Taken);
        }
        let outcome =
            Outcome::read(&self.result).map_err(JoinError::system("reading the result"))?;
        match outcome {
            Some(outcome) => self.deliver(&outcome),
            None => Err(self.without_outcome(ended)?),
        }
    }

    fn deliver(&self, outcome: &Outcome) -> Result<R, JoinError> {
        let payload = outcome.payload.as_slice();
        let text = || String::from_utf8_lossy(payload).into_owned();
        Err(match outcome.kind {
            OutcomeKind::Value => {
                let fds = receive_all(self.socket.as_fd(), outcome.segments)
                    .map_err(JoinError::system("receiving the segments of the result"))?;
                return handles::decode(payload, fds).map_err(JoinError::Decode);
            }
            OutcomeKind::Panicked => JoinError::Panicked(text()),
            OutcomeKind::Arguments => JoinError::Arguments(CodecError::remote(payload)),
            OutcomeKind::Encode => JoinError::Encode(CodecError::remote(payload)),
            OutcomeKind::Refused => JoinError::Refused(text()),
            OutcomeKind::Unsent => {
                let errno = payload
                    .first_chunk()
                    .map_or(0, |errno| i32::from_le_bytes(*errno));
                let error = io::Error::from_raw_os_error(errno);
                JoinError::Unsent(SystemError::new("handing the result over", &error))
            }
        })
    }

    fn without_outcome(&self, ended: Option<ExitRecord>) -> Result<JoinError, JoinError> {
        let Some(ExitRecord::With(status)) = ended else {
            return Ok(JoinError::Reaped);
        };
        if let Some(signal) = status.signal() {
            return Ok(JoinError::Killed { signal });
        }
        let code = status.code().unwrap_or(0);
        let (_, started) =
            outcome::progress(&self.result).map_err(JoinError::system("reading the result"))?;
        Ok(if started {
            JoinError::Exited { code }
        } else {
            JoinError::NotStarted { code }
        })
    }
}

impl<R> AsFd for Process<R> {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<R> Drop for Process<R> {
    fn drop(&mut self) {
        if let Ok(None) = self.reap(false) {
            orphans().push(Arc::clone(&self.pidfd));
        }
    }
}

/// Takes `count` descriptors that were sent already, in as many messages as they came.
pub(super) fn receive_all(socket: BorrowedFd<'_>, count: u32) -> io::Result<Vec<OwnedFd>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut fds = Vec::new();
    while fds.len() < count {
        fds.extend(socket::receive_fds(socket)?);
    }
    Ok(fds)
}

/// Children whose [`Process`] was dropped while they ran.
static ORPHANS: Mutex<Vec<Arc<OwnedFd>>> = Mutex::new(Vec::new());

fn orphans() -> std::sync::MutexGuard<'static, Vec<Arc<OwnedFd>>> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frees the entries of those that have ended meanwhile. Does not block.
pub(super) fn reap_orphans() {
    orphans().retain(|pidfd| matches!(child::reap(pidfd.as_fd(), false), Ok(Child::Runs)));
}

//! A spawned process: waiting for it, its result, signals.

use std::fmt;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::exits::ExitEvent;
use super::outcome::{self, Outcome, OutcomeKind};
use super::{CodecError, JoinError, JoinTimeoutError, SpawnError, StatusError, handles, trace};
use crate::codec;
use crate::queue::{Waitable, waitable};
use crate::segment::{Fault, SystemError};
use crate::sys::child::{self, Answer, Child};
use crate::sys::clock::Deadline;
use crate::sys::socket;
use crate::wait::select::SourceRef;

/// A process started by [`spawn`](super::spawn()), whose result is an `R`.
///
/// Dropping it neither ends the process nor waits for it, and discards the result. If the process
/// is still running then, a later [`spawn`](super::spawn()) of this process frees its entry in the
/// process table, or the exit of this process does; until then it may be a zombie.
///
/// It is also a file descriptor ([`AsFd`]), readable once the process has exited, for poll(2) and
/// the like. Other code that waits for *any* child takes the exit status, and never the result.
#[must_use = "dropping it leaves the process running and loses its result"]
pub struct Process<R> {
    /// Writes to the standard input of the process, if that is [`Stdio::Piped`](super::Stdio).
    ///
    /// [`join`](Self::join) drops it first, so a process that reads its input to the end finds the
    /// end.
    pub stdin: Option<ChildStdin>,
    /// Reads the standard output of the process, if that is [`Stdio::Piped`](super::Stdio).
    pub stdout: Option<ChildStdout>,
    /// Reads the standard error of the process, if that is [`Stdio::Piped`](super::Stdio).
    pub stderr: Option<ChildStderr>,
    id: u32,
    name: String,
    /// Shared with the list of orphans.
    pidfd: Arc<OwnedFd>,
    result: File,
    /// The socket over which the descriptors of the result's segments arrive.
    socket: UnixStream,
    ended: Mutex<Option<ExitRecord>>,
    taken: bool,
    /// Made by the first wait for several.
    exit: OnceLock<Arc<ExitEvent>>,
    returns: PhantomData<fn() -> R>,
}

/// A process that has just been started.
pub(super) struct Started {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) pidfd: OwnedFd,
    pub(super) result: File,
    pub(super) socket: UnixStream,
    /// The ends of its standard streams that are pipes.
    pub(super) pipes: [Option<OwnedFd>; 3],
}

impl Started {
    /// Waits until the process has taken over the ends among its arguments, or has ended. If
    /// neither comes to pass in time, kills the process and reaps it.
    pub(super) fn wait_until_begun(&self, timeout: Option<Duration>) -> Result<(), SpawnError> {
        let deadline = timeout.map_or(Deadline::never(), Deadline::after);
        let (process, socket) = (self.pidfd.as_fd(), self.socket.as_fd());
        let refused = match child::wait_for_byte(process, socket, deadline) {
            Ok(Answer::Begun | Answer::Ended) => return Ok(()),
            Ok(Answer::TimedOut) => SpawnError::StartTimeout {
                timeout: timeout.unwrap_or_default(),
            },
            Err(error) => SpawnError::system("waiting for the new process")(error),
        };
        child::kill(process).map_err(SpawnError::system("killing the new process"))?;
        child::reap(process, true).map_err(SpawnError::system("reaping the new process"))?;
        Err(refused)
    }
}

/// The exit of a process that was reaped.
#[derive(Clone, Copy)]
enum ExitRecord {
    With(ExitStatus),
    /// Other code reaped it.
    Reaped,
}

impl<R> Process<R> {
    pub(super) fn new(started: Started) -> Self {
        let [stdin, stdout, stderr] = started.pipes;
        Self {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            id: started.id,
            name: started.name,
            pidfd: Arc::new(started.pidfd),
            result: started.result,
            socket: started.socket,
            ended: Mutex::new(None),
            taken: false,
            exit: OnceLock::new(),
            returns: PhantomData,
        }
    }

    /// Returns the name: that of [`Builder::name`](super::Builder::name), or `Process-N`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process id, in this process's PID namespace.
    ///
    /// Use it in messages and logs only: once the process was joined, or its status taken, another
    /// process may get the number.
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns whether the process is still running. Does not block.
    ///
    /// A stopped process counts as running.
    pub fn is_alive(&self) -> bool {
        // After an error it counts as alive.
        !child::has_ended(self.pidfd.as_fd()).unwrap_or(false)
    }

    /// Returns the exit status, or `None` while the process is running. Does not block.
    ///
    /// Does not take the result, and works after it was taken. A committed result does not matter
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
    /// Its own children are not signalled. A process that has exited already is not an error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn terminate(&self) -> io::Result<()> {
        child::terminate(self.pidfd.as_fd())
    }

    /// Kills the process: SIGKILL, which it cannot refuse. Does not wait for it.
    ///
    /// Its own children live on. A process that has exited already is not an error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn kill(&self) -> io::Result<()> {
        child::kill(self.pidfd.as_fd())
    }

    /// Takes the exit status once and keeps it.
    fn reap(&self, block: bool) -> io::Result<Option<ExitRecord>> {
        // Under the lock, so that of two threads neither takes the other for other code.
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_none() {
            *ended = match child::reap(self.pidfd.as_fd(), block)? {
                Child::Runs => None,
                Child::Ended(status) => {
                    trace::exited(&self.name, self.id, status);
                    Some(ExitRecord::With(status))
                }
                // A live process is the child of the process that this one was forked from.
                Child::Unknown => {
                    child::has_ended(self.pidfd.as_fd())?.then_some(ExitRecord::Reaped)
                }
            };
        }
        Ok(*ended)
    }
}

impl<R: DeserializeOwned> Process<R> {
    /// Blocks until the process has exited and returns the result of its function.
    ///
    /// Blocks indefinitely, also while the process is stopped. A result that was committed before
    /// the process died is delivered, however it died. Segments that handles in the result live in
    /// are mapped here.
    ///
    /// # Errors
    /// [`JoinError`], whose variants say what became of the result: a panic, a signal, an exit, a
    /// process that never began, values that do not encode or decode, an outcome taken before.
    pub fn join(mut self) -> Result<R, JoinError> {
        self.stdin = None;
        self.wait(Deadline::never())?;
        self.take()
    }

    /// Blocks until the process has exited, at most until `timeout` (a duration or an instant), and
    /// returns the result of its function.
    ///
    /// A timeout neither ends the process nor consumes anything: call it again, or
    /// [`join`](Self::join). After it has returned the outcome, further joins fail with
    /// [`JoinError::Taken`].
    ///
    /// # Errors
    /// - [`JoinTimeoutError::Timeout`] if the process is still running.
    /// - [`JoinTimeoutError::Join`] with the error of [`join`](Self::join).
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

    /// Takes the outcome of a process that has exited.
    fn take(&mut self) -> Result<R, JoinError> {
        // Blocks, because a child under a debugger is readable a moment before it can be reaped.
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
            OutcomeKind::Panicked => match codec::decode(payload) {
                Ok(panic) => JoinError::Panicked(panic),
                Err(error) => JoinError::Decode(error.into()),
            },
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
    /// Returns the pidfd, which is readable once the process has exited.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// It is ready once the process has exited, however it did; [`join`](Process::join) then returns at
/// once.
impl<R> Waitable for Process<R> {}

impl<R> waitable::Sealed for Process<R> {
    fn source(&self) -> SourceRef<'_> {
        let exit = self
            .exit
            .get_or_init(|| ExitEvent::new(Arc::clone(&self.pidfd)));
        exit.watch();
        SourceRef(&**exit)
    }

    fn lost(&self) -> Option<Fault> {
        None
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
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

/// Receives `count` descriptors that were sent already, in as many messages as were sent.
pub(super) fn receive_all(socket: BorrowedFd<'_>, count: u32) -> io::Result<Vec<OwnedFd>> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut fds = Vec::new();
    while fds.len() < count {
        fds.extend(socket::receive_fds(socket)?);
    }
    Ok(fds)
}

/// Children whose [`Process`] was dropped while they were running.
static ORPHANS: Mutex<Vec<Arc<OwnedFd>>> = Mutex::new(Vec::new());

fn orphans() -> std::sync::MutexGuard<'static, Vec<Arc<OwnedFd>>> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reaps the orphans that have exited. Does not block.
pub(super) fn reap_orphans() {
    orphans().retain(|pidfd| matches!(child::reap(pidfd.as_fd(), false), Ok(Child::Runs)));
}

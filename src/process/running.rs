//! A spawned process: waiting for it, its result, signals.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};

use serde::de::DeserializeOwned;

use super::children::ExitRecord;
use super::spawned::Spawned;
use super::{JoinError, JoinTimeoutError, StatusError, WaitTimeoutError, handles};
use crate::queue::{Waitable, waitable};
use crate::segment::Fault;
use crate::sys::child;
use crate::sys::clock::Deadline;
use crate::wait::select::{NotMember, SourceRef};

/// A process started by [`spawn`](super::spawn()) or a [`Builder`](super::Builder), whose result is
/// an `R`.
///
/// Dropping it detaches the process: it goes on, its result is discarded, and
/// [`active_children`](super::active_children) still lists it. Only a
/// [`daemon`](super::Builder::daemon) ends then, when this process ends. If a detached process has
/// exited, a later [`spawn`](super::spawn()) of this process or its `active_children` frees its
/// entry in the process table, or the exit of this process does; until then it may be a zombie.
/// To end a process with a part of the program, start it in a [`scope`](super::scope()).
///
/// It is also a file descriptor ([`AsFd`]), readable once the process has exited, for poll(2) and
/// the like. Other code that waits for *any* child takes the exit status, and never the result.
#[must_use = "dropping it leaves the process running and loses its result"]
pub struct Process<R> {
    /// Writes to the standard input of the process, if that is [`Stdio::Piped`](super::Stdio).
    ///
    /// [`join`](Self::join) and [`wait`](Self::wait) drop it first, so a process that reads its
    /// input to the end finds the end.
    pub stdin: Option<ChildStdin>,
    /// Reads the standard output of the process, if that is [`Stdio::Piped`](super::Stdio).
    pub stdout: Option<ChildStdout>,
    /// Reads the standard error of the process, if that is [`Stdio::Piped`](super::Stdio).
    pub stderr: Option<ChildStderr>,
    spawned: Spawned,
    returns: PhantomData<fn() -> R>,
}

/// A process that has just been started.
pub(super) struct Started {
    pub(super) spawned: Spawned,
    /// The ends of its standard streams that are pipes.
    pub(super) pipes: [Option<OwnedFd>; 3],
}

impl<R> Process<R> {
    pub(super) fn new(started: Started) -> Self {
        let [stdin, stdout, stderr] = started.pipes;
        Self {
            stdin: stdin.map(ChildStdin::from),
            stdout: stdout.map(ChildStdout::from),
            stderr: stderr.map(ChildStderr::from),
            spawned: started.spawned,
            returns: PhantomData,
        }
    }

    pub(super) fn spawned(&self) -> &Spawned {
        &self.spawned
    }

    pub(super) fn into_spawned(self) -> Spawned {
        self.spawned
    }

    fn pidfd(&self) -> BorrowedFd<'_> {
        self.spawned.record().pidfd.as_fd()
    }

    /// Returns the name: that of [`Builder::name`](super::Builder::name), or `Process-N`.
    pub fn name(&self) -> &str {
        &self.spawned.record().name
    }

    /// Returns the process id, in this process's PID namespace.
    ///
    /// Use it in messages and logs only: once the process was joined, or its status taken, another
    /// process may get the number.
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        self.spawned.record().id
    }

    /// Returns whether the process is still running. Does not block.
    ///
    /// A stopped process counts as running.
    pub fn is_alive(&self) -> bool {
        self.spawned.record().is_alive()
    }

    /// Blocks until the process has exited and returns its exit status. The result remains to be
    /// taken by [`join`](Self::join).
    ///
    /// Blocks indefinitely, also while the process is stopped. Drops [`stdin`](Self::stdin) first.
    ///
    /// # Errors
    /// - [`StatusError::Reaped`] if it has exited and something else took the status.
    /// - [`StatusError::ServerDied`] if a fork server started it, and was killed before it told.
    /// - [`StatusError::System`] if the system refuses to wait.
    ///
    /// # Examples
    /// ```
    /// use crossdock::process;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let mut worker = process::spawn(|number: u64| number * number, 12)?;
    ///     assert!(worker.wait()?.success());
    ///     assert!(!worker.is_alive());
    ///     assert_eq!(worker.exit_code()?, Some(0));
    ///     assert_eq!(worker.join()?, 144);
    ///     Ok(())
    /// }
    /// ```
    pub fn wait(&mut self) -> Result<ExitStatus, StatusError> {
        self.stdin = None;
        self.status_by(Deadline::never())
            .and_then(|status| status.ok_or(StatusError::Reaped))
    }

    /// Blocks until the process has exited, at most until `timeout` (a duration or an instant), and
    /// returns its exit status. The result remains to be taken by [`join`](Self::join).
    ///
    /// # Errors
    /// - [`WaitTimeoutError::Timeout`] if the process is still running.
    /// - [`WaitTimeoutError::Status`] with the error of [`wait`](Self::wait).
    pub fn wait_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<ExitStatus, WaitTimeoutError> {
        let status = self.status_by(timeout.into())?;
        status.ok_or(WaitTimeoutError::Timeout)
    }

    /// Returns the exit status, or `None` if the process is running at the deadline.
    fn status_by(&self, deadline: Deadline) -> Result<Option<ExitStatus>, StatusError> {
        let record = self.spawned.record();
        if !record
            .ends_by(deadline)
            .map_err(StatusError::refused("waiting for the process"))?
        {
            return Ok(None);
        }
        // Blocks, because a child under a debugger is readable a moment before it can be reaped.
        status_of(record.reap(true))
    }

    /// Returns the exit status, or `None` while the process is running. Does not block, but for the
    /// moment in which a fork server learns of the end. (If that is stopped, the answer is `None`.)
    ///
    /// Does not take the result, and works after it was taken. A committed result does not matter
    /// here: a process killed after its commit has both a result and a signal.
    ///
    /// # Errors
    /// - [`StatusError::Reaped`] if it has exited and something else took the status.
    /// - [`StatusError::ServerDied`] if a fork server started it, and was killed before it told.
    /// - [`StatusError::System`] if the system refuses to tell.
    pub fn exit_status(&self) -> Result<Option<ExitStatus>, StatusError> {
        status_of(self.spawned.record().reap(false))
    }

    /// As [`exit_status`](Self::exit_status), and does not wait for a fork server to learn of the
    /// end.
    pub(super) fn exit_status_at_once(&self) -> Result<Option<ExitStatus>, StatusError> {
        status_of(self.spawned.record().reap_at_once())
    }

    /// Returns the exit code as Python has it, or `None` while the process is running: the code of
    /// the exit, or the negative number of the signal that ended the process. Does not block.
    ///
    /// It is 0 after a result, 101 after a panic, and -9 after a SIGKILL.
    ///
    /// # Errors
    /// As [`exit_status`](Self::exit_status).
    #[doc(alias = "exitcode")]
    pub fn exit_code(&self) -> Result<Option<i32>, StatusError> {
        let status = self.exit_status()?;
        // A status has one of the two.
        let code = |status: ExitStatus| status.code().or_else(|| status.signal().map(|no| -no));
        Ok(status.and_then(code))
    }

    /// Interrupts the process: SIGINT, as the terminal's Ctrl-C does. Does not wait for it.
    ///
    /// It ends the process, unless its function handles the signal. Its own children are not
    /// signalled. A process that has exited already is not an error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn interrupt(&self) -> io::Result<()> {
        child::interrupt(self.pidfd())
    }

    /// Asks the process to end: SIGTERM. Does not wait for it.
    ///
    /// Its own children are not signalled. A process that has exited already is not an error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn terminate(&self) -> io::Result<()> {
        child::terminate(self.pidfd())
    }

    /// Kills the process: SIGKILL, which it cannot refuse. Does not wait for it.
    ///
    /// Its own children live on, unless they are daemons. A process that has exited already is not
    /// an error.
    ///
    /// # Errors
    /// If the process is another user's by now, or a filter of system calls forbids it.
    pub fn kill(&self) -> io::Result<()> {
        child::kill(self.pidfd())
    }
}

/// Returns the status that a child was reaped with, or `None` if it is running.
fn status_of(reaped: io::Result<Option<ExitRecord>>) -> Result<Option<ExitStatus>, StatusError> {
    match reaped.map_err(StatusError::refused("taking the exit status"))? {
        Some(ExitRecord::With(status)) => Ok(Some(status)),
        Some(ExitRecord::Reaped) => Err(StatusError::Reaped),
        Some(ExitRecord::Lost) => Err(StatusError::ServerDied),
        None => Ok(None),
    }
}

impl<R: DeserializeOwned> Process<R> {
    /// Blocks until the process has exited and returns the result of its function.
    ///
    /// Blocks indefinitely, also while the process is stopped. A result that was committed before
    /// the process died is delivered, however it died. Segments that handles in the result live in
    /// are mapped here. Drops [`stdin`](Self::stdin) first.
    ///
    /// # Errors
    /// [`JoinError`], whose variants say what became of the result: a panic, a signal, an exit, a
    /// process that never began, values that do not encode or decode, an outcome taken before.
    pub fn join(mut self) -> Result<R, JoinError> {
        self.stdin = None;
        self.ends_by(Deadline::never())?;
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
        if self.ends_by(timeout.into())? {
            Ok(self.take()?)
        } else {
            Err(JoinTimeoutError::Timeout)
        }
    }

    fn ends_by(&self, deadline: Deadline) -> Result<bool, JoinError> {
        let waited = self.spawned.record().ends_by(deadline);
        waited.map_err(JoinError::system("waiting for the process"))
    }

    /// Takes the outcome of a process that has exited.
    fn take(&mut self) -> Result<R, JoinError> {
        let (bytes, fds) = self.spawned.take()?;
        handles::decode(&bytes, fds).map_err(JoinError::Decode)
    }
}

impl<R> AsFd for Process<R> {
    /// Returns the pidfd, which is readable once the process has exited.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd()
    }
}

/// It is ready once the process has exited, however it did; [`join`](Process::join) then returns at
/// once.
impl<R> Waitable for Process<R> {}

impl<R> waitable::HasSource for Process<R> {
    fn source(&self) -> SourceRef<'_> {
        let exit = self.spawned.exit_event();
        exit.watch();
        SourceRef::of(&**exit)
    }

    fn lost(&self, _: NotMember) -> Option<Fault> {
        None
    }
}

debug!([R] Process<R>, |this| { name: this.name(), id: this.id(), .. });
